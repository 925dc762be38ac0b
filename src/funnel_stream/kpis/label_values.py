"""Values of labels in plain words, the same on the page, in the table and in the plots."""

from typing import Final

from funnel_stream.facts.rules import NONE
from funnel_stream.kpis.scope import OTHER

NOT_GIVEN: Final = "not given"
ALL_OTHERS: Final = "all others"

_OF_LABELS: Final = {
    ("offered", "true"): "with an offer",
    ("offered", "false"): "without an offer",
    ("qualified", "true"): "qualified",
    ("qualified", "false"): "not qualified",
    ("outcome", "no_show"): "no show",
    ("activity", "negotiation_round"): "negotiation round",
}
_OF_ANY: Final = {NONE: NOT_GIVEN, OTHER: ALL_OTHERS}


def label_in_words(name: str, value: str) -> str:
    """The value of a label of the catalogue."""
    return _OF_LABELS.get((name, value)) or value_in_words(value)


def value_in_words(value: str) -> str:
    """The two values that stand for none and for the rest in words; any other as it is."""
    return _OF_ANY.get(value, value)
