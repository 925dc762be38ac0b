"""Values of labels as people say them: one wording for the page, the table and the plots."""

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
    """What anybody may have written stays as it is; the two that stand for none and for the rest
    are said in words."""
    return _OF_ANY.get(value, value)
