"""Strategies: what happens in a funnel, what it is to mean, and when one looks at it."""

import random
from datetime import datetime
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, HOUR, minutes_of
from tests.funnels import STAGES, START, at, definitions, event, funnels

MINUTE_US: Final = 60_000_000
Events = list[dict[str, Any]]


class Story(NamedTuple):
    """Events in the order of their arrival, what they are to mean, and when we look (µs)."""

    events: Events
    definition: Definition
    moments: list[int]


@st.composite
def stories(draw: st.DrawFn, moments: int = 3) -> Story:
    """Looked at up to so many times, in order of time. A few events with everything peculiar, or
    a crowd in which values compete for the top."""
    events = draw(st.one_of(crowds, crowds, funnels(most=15)))
    definition = draw(definitions())
    if not definition.dimensions and len(events) > 5:
        definition = definition.model_copy(update={"dimensions": ("channel", "owner+product")})
    looks = st.lists(looked_at(events, definition), min_size=1, max_size=moments)
    return Story(events, definition, sorted(draw(looks)))


def looked_at(events: Events, definition: Definition) -> st.SearchStrategy[int]:
    """Instants at which something may just have happened, entered or left a window, matured, or be
    stuck: a figure that is a pane early or late is seen nowhere else."""
    begun = [micros_of(each["occurred_at"]) for each in events]
    begun += [micros_of(each[end]) for each in events for end in _ENDS if end in each]
    near = st.builds(
        lambda at, length, shift: max(0, at + (length + shift) * MINUTE_US),
        st.sampled_from(begun or [micros_of(START.isoformat())]),
        st.sampled_from(lengths(definition)),
        st.sampled_from([0, 0, 1, -1, HOUR, -HOUR, DAY, -DAY]),
    )
    after_all = st.integers(0, DAY).map(lambda n: max(begun, default=0) + n * MINUTE_US)
    return st.one_of(near, near, after_all)


_ENDS: Final = ("period_start", "period_end")


def lengths(definition: Definition) -> list[int]:
    """Minutes after which an event may change a figure by itself."""
    own = definition.pipelines.values()
    names = {*definition.windows, *definition.horizons, definition.activity_horizon}
    names.update(name for pipeline in own for name in pipeline.horizons or ())
    limits = [definition.stuck_after_in(name) for name in ("", *definition.pipelines)]
    minutes = {0, *map(minutes_of, names)}
    return sorted(minutes.union(*(limit.values() for limit in limits)))


def micros_of(text: str) -> int:
    """A time of whole seconds in microseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


# --- crowds -------------------------------------------------------------------------------------

_SECONDS: Final = (0, 0, 1, 59, 60, 61, 3_599, 3_600, 40_000, 86_399)
_VALUES: Final = "abcdef"
_WORDS: Final = ("price", "time", "trust", "size", "risk", "law")
_MONEY: Final = (("10", "EUR"), ("12.5", "EUR"), ("99.99", "USD"), (1_000, "JPY"), (0, "USD"))

_AMENDED: Final = (("9.995", "EUR"), ("12.5", "usd"), (0.5, "JPY"), ("1,5", "EUR"), (7, None))
_TAKEN: Final = ("owner", "lost_reason", "amount", "problems", "score")


def crowd(rng: random.Random, number: int, days: int, first: int = 0) -> Events:
    """So many events of a dozen deals within some days; ids count from ``first``."""
    found = [_something(rng, days) for _ in range(number)]
    return [each | {"event_id": f"id{first + n}"} for n, each in enumerate(found)]


def _something(rng: random.Random, days: int) -> dict[str, Any]:
    when, deal = _when(rng, days), f"d{rng.randrange(12)}"
    match rng.randrange(20):
        case 0 | 1:
            return _spend(rng, when, days)
        case 2:
            return event("deal_updated", deal, when, **_given(rng, days))
        case 3 | 4 | 5:
            activity = rng.choice(("meeting", "audit", "call", "negotiation_round"))
            outcome = rng.choice(("held", "held", "no_show"))
            return event("activity_recorded", deal, when, activity=activity, outcome=outcome)
        case _:
            [name] = rng.choices(STAGES, (5, 3, 3, 4, 3, 3, 4))
            return event("stage_changed", deal, when, stage=name, **_given(rng, days))


def _when(rng: random.Random, days: int) -> str:
    return at(days=rng.randrange(days), seconds=rng.choice(_SECONDS))


def _given(rng: random.Random, days: int) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: rng.choice(_VALUES)
        for name in ("channel", "owner", "product", "source", "lost_reason")
        if rng.random() < 0.4
    }
    if rng.random() < 0.1:
        given["pipeline"] = rng.choice(("a", "default"))
    if rng.random() < 0.5:
        given["amount"], given["currency"] = rng.choice(rng.choice((_MONEY, _MONEY, _AMENDED)))
        if rng.random() < 0.5:
            given["cost"] = rng.choice((0, 5, 7))
    if rng.random() < 0.2:
        given["cleared"] = rng.sample(_TAKEN, 2)
    if rng.random() < 0.3:
        given["score"] = rng.choice((0, 5, 7.5, -1.25))
    for name in ("problems", "desired_outcomes"):
        if rng.random() < 0.4:
            given[name] = rng.sample(_WORDS, rng.randrange(4))
    for name in ("first_touch_at", "offer_requested_at"):
        if rng.random() < 0.2:
            given[name] = _when(rng, days)
    return given


def _spend(rng: random.Random, when: str, days: int) -> dict[str, Any]:
    amount, currency = rng.choice(_MONEY)
    spend = {"type": "spend_recorded", "occurred_at": when, "channel": rng.choice(_VALUES)}
    spend |= {"amount": amount, "currency": currency}
    if rng.random() < 0.6:
        day, second = rng.randrange(days), rng.choice(_SECONDS)
        length = rng.choice((7, 3_600, 86_400, 604_807, 7_776_000))
        spend["period_start"] = at(days=day, seconds=second)
        spend["period_end"] = at(days=day, seconds=second + length)
    if rng.random() < 0.3:
        spend["pipeline"] = rng.choice(("a", "default"))
    return spend


crowds: Final = st.builds(
    crowd,
    st.integers(0, 1 << 32).map(random.Random),
    st.sampled_from([10, 25, 50]),
    st.sampled_from([1, 4, 60]),
)
