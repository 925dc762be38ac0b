"""However people write a value, and in whichever order it comes, the figures are the same."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.contract.event import DIMENSIONS
from funnel_stream.definition import Definition
from funnel_stream.definition.values import Values
from tests.funnels import computed, definitions, figures, funnels
from tests.properties.streams import differing

FEW = settings(max_examples=60)
seeds = st.randoms(use_true_random=False)

SPELLINGS = {
    "a": ("a", "A", " a ", "Alpha", "ALPHA", "the  first\tone"),
    "b b": ("b b", "B  B", "b\u00a0b\u3000", "Beta", "\nbeta"),
    "Ω": ("Ω", "ω", " Ω", "Omega", "OMEGA "),
    "strasse": ("strasse", "STRASSE", "Straße", "  straSSe"),
}
"""Values, and other ways to write them."""

READ = Values(
    fold_case=True,
    aliases={"ALPHA": "a", "the first one": "a", "beta": "b b", "omega": "Ω"},
)


def rewritten(events: list[dict[str, Any]], rng: random.Random, *, other: bool) -> list[Any]:
    """The events with values of ours, each in its own or in any other spelling."""
    values = list(SPELLINGS)

    def text(known: str) -> str:
        value = values[sum(known.encode()) % len(values)]
        return rng.choice(SPELLINGS[value]) if other else value

    return [
        {
            name: text(given) if name in DIMENSIONS and given else given
            for name, given in each.items()
        }
        for each in events
    ]


@FEW
@given(funnels(), definitions(), seeds)
def test_no_spelling_changes_a_figure(
    events: list[dict[str, Any]], definition: Definition, rng: random.Random
) -> None:
    keep = rng.choice(["first", "last"])
    read = dict.fromkeys(DIMENSIONS, READ.model_copy(update={"keep": keep}))
    reading = definition.model_copy(update={"values": read})
    ours = rewritten(events, rng, other=False)
    theirs = rewritten(events, rng, other=True)
    expected = figures(computed(ours, definition=reading))
    assert differing(figures(computed(theirs, definition=reading)), expected) == {}


def first_only(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events, an attribute of a deal being left out of all but the first that gives it."""
    firsts: dict[str, tuple[str, str]] = {}
    for each in events:
        if each.get(name) and each["type"] in ("stage_changed", "deal_updated"):
            place = each["occurred_at"], each["event_id"]
            firsts[each["deal_id"]] = min(place, firsts.get(each["deal_id"], place))
    return [
        each
        if "deal_id" not in each
        or firsts.get(each["deal_id"]) in (None, (each["occurred_at"], each["event_id"]))
        else {key: given for key, given in each.items() if key != name}
        for each in events
    ]


@FEW
@given(funnels(), definitions(), st.sampled_from(["channel", "owner", "product"]), seeds)
def test_where_the_first_value_holds_no_other_matters(
    events: list[dict[str, Any]], definition: Definition, name: str, rng: random.Random
) -> None:
    """In any order of arrival, the figures are those of a funnel where only the first was said."""
    read = definition.values.get(name, Values())
    first, last = (
        definition.model_copy(
            update={"values": definition.values | {name: read.model_copy(update={"keep": keep})}}
        )
        for keep in ("first", "last")
    )
    expected = figures(computed(first_only(events, name), definition=last))
    shuffled = rng.sample(events, len(events))
    assert differing(figures(computed(shuffled, definition=first)), expected) == {}
