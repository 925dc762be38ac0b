"""Small funnels for tests: events as an upstream application would write them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from funnel_stream.definition import Definition
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import Computed, compute

START = datetime(2026, 3, 2, tzinfo=UTC)
NOW = datetime(2027, 6, 1, tzinfo=UTC)
STAGES = ("lead", "qualified", "potential", "offer", "negotiation", "won", "lost")


def at(**offset: float) -> str:
    """A time after the start of the story, as RFC 3339."""
    return (START + timedelta(**offset)).isoformat()


def micros(**offset: float) -> int:
    """The same in microseconds since the epoch."""
    return round((START + timedelta(**offset)).timestamp()) * 1_000_000


_ids = iter(range(1 << 40))


def stage(deal: str, name: str, when: str, **attributes: Any) -> dict[str, Any]:
    """A ``stage_changed`` event."""
    return event("stage_changed", deal, when, stage=name, **attributes)


def event(kind: str, deal: str, when: str, **fields: Any) -> dict[str, Any]:
    fields.setdefault("event_id", f"e{next(_ids)}")
    return {"type": kind, "deal_id": deal, "occurred_at": when, **fields}


def lines(events: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(each).encode() for each in events]


def computed(
    events: list[dict[str, Any]], as_of: int | None = None, definition: Definition | None = None
) -> Computed:
    return compute(
        lines(events), definition or Definition(), as_of=as_of, now_ms=int(NOW.timestamp() * 1000)
    )


Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(result: Computed) -> Figures:
    """All samples by metric and labels; fails where two have the same."""
    found: Figures = {}
    for metric, labels, value in samples(result.snapshot):
        key = metric, frozenset(labels.items())
        assert key not in found, key
        found[key] = value
    return found


def figure(
    result: Computed, metric: str, window: str | None = "365d", **labels: str
) -> float | None:
    """One sample of the default pipeline, or ``None`` where there is no such series."""
    labels = {"pipeline": "default", **({"window": window} if window else {}), **labels}
    return figures(result).get((metric, frozenset(labels.items())))


# --- strategies ---------------------------------------------------------------------------------

_texts = st.sampled_from(["a", "b", "c", "Ω", "", "A", " b", "ω\u3000", "a  b"])
_amounts = st.sampled_from(
    [(0, "EUR"), (10, "EUR"), (12.5, "EUR"), ("99.99", "USD"), (10, "JPY"), (3, "USD")]
)
_AMENDED = st.sampled_from(
    [(12.345, "EUR"), ("0.125", "eur"), (1500.5, "JPY"), ("1,5", "EUR"), (-1, "USD"), (10, None)]
)
"""Amounts that a deal is not lost over."""
_CLEARED = st.lists(
    st.sampled_from(["owner", "lost_reason", "amount", "currency", "problems", "pipeline", "x"]),
    max_size=3,
)
_NAMES = ("channel", "source", "product", "owner", "pipeline", "lost_reason", "closing_document")
_LISTS = st.lists(st.sampled_from(["price", "time", "trust", "size"]), max_size=3)

# A coarse grid makes ties, equal minutes and pane borders likely.
_steps = st.sampled_from([0, 1, 59, 60, 61, 3599, 3600, 86399, 86400])


@st.composite
def moments(draw: st.DrawFn, days: int = 60) -> str:
    """A time in the first days of the story."""
    return at(days=draw(st.integers(0, days)), seconds=draw(_steps))


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Any]:
    """Some attributes of a deal, at times an empty dictionary."""
    given: dict[str, Any] = {
        name: draw(_texts) for name in draw(st.lists(st.sampled_from(_NAMES), max_size=2))
    }
    match draw(st.integers(0, 11)):
        case 0 | 1 | 2:
            given["amount"], given["currency"] = draw(_amounts)
        case 3:
            given["cost"], given["currency"] = draw(_amounts)
        case 4:
            given["score"] = draw(st.sampled_from([0, 0.5, -1.25, 80]))
        case 5:
            given[draw(st.sampled_from(["problems", "desired_outcomes"]))] = draw(_LISTS)
        case 6:
            name = draw(st.sampled_from(["first_touch_at", "offer_requested_at"]))
            given[name] = draw(moments())
        case 7:
            given[draw(st.sampled_from(["amount", "cost"]))], given["currency"] = draw(_AMENDED)
        case 8:
            given["cleared"] = draw(_CLEARED)
        case _:
            pass
    return {name: value for name, value in given.items() if value != ""}


@st.composite
def deal_events(draw: st.DrawFn, number: int, days: int = 60) -> dict[str, Any]:
    """Any event of one of five deals; ``number`` makes its id."""
    kind = draw(st.sampled_from(["stage_changed"] * 6 + ["deal_updated", "activity_recorded"]))
    fields: dict[str, Any] = {"event_id": f"id{number}"}
    if kind == "activity_recorded":
        fields["activity"] = draw(st.sampled_from(["meeting", "call", "negotiation_round"]))
        if outcome := draw(st.sampled_from(["", "held", "no_show"])):
            fields["outcome"] = outcome
    else:
        fields |= draw(attributes())
    if kind == "stage_changed":
        fields["stage"] = draw(st.sampled_from(STAGES))
    return event(kind, f"d{draw(st.integers(0, 4))}", draw(moments(days)), **fields)


@st.composite
def spends(draw: st.DrawFn, number: int, days: int = 60) -> dict[str, Any]:
    """Money spent on a channel, at once or over a period."""
    amount, currency = draw(_amounts)
    given = {
        "type": "spend_recorded",
        "event_id": f"id{number}",
        "occurred_at": draw(moments(days)),
        "channel": draw(st.sampled_from(["a", "b", "paid", " A", "a b"])),
        "amount": amount,
        "currency": currency,
    }
    if draw(st.booleans()):
        start, seconds = draw(st.integers(0, days)), draw(_steps)
        length = draw(st.sampled_from([1, 7, 60, 3600, 86400, 7 * 86400 + 7, 90 * 86400]))
        given["period_start"] = at(days=start, seconds=seconds)
        given["period_end"] = at(days=start, seconds=seconds + length)
    if draw(st.booleans()):
        given["pipeline"] = draw(st.sampled_from(["a", "default"]))
    return given


@st.composite
def funnels(draw: st.DrawFn, days: int = 60, most: int = 30) -> list[dict[str, Any]]:
    """Events of a few deals and some spends over some days, with many ties, in any order."""
    return [
        draw(deal_events(number, days) if draw(st.integers(0, 9)) else spends(number, days))
        for number in range(draw(st.integers(0, most)))
    ]


_LENGTHS = st.sampled_from(["1h", "1d", "2d", "7d", "30d"])
_LIMITS = st.dictionaries(st.sampled_from(STAGES[:5]), _LENGTHS, max_size=3)
_RATES = st.dictionaries(
    st.integers(-30, 90).map(lambda day: (START + timedelta(days=day)).date()),
    st.sampled_from(["0.9", "1.1", "0.333333333333", "2"]),
    min_size=1,
    max_size=4,
)


_VALUES = st.dictionaries(
    st.sampled_from(["channel", "owner", "product"]),
    st.fixed_dictionaries(
        {
            "fold_case": st.booleans(),
            "keep": st.sampled_from(["first", "last"]),
            "aliases": st.sampled_from(
                [{}, {"c": "a"}, {"c": "B", "paid": "B"}, {"ω": "__none__", "a b": "Ab"}]
            ),
        }
    ),
    max_size=2,
)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Configurations that differ in all that decides what a figure is."""
    horizons = st.lists(_LENGTHS, max_size=2, unique=True)
    names = ["channel", "owner", "product", "channel+owner", "source+product"]
    dimensions = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    limited = st.sampled_from([*dimensions, "reason", "problem", "outcome"])
    parts: dict[str, Any] = {
        "dimensions": dimensions,
        "values": draw(_VALUES),
        "windows": draw(
            st.lists(
                st.sampled_from(["5m", "1h", "2h", "6h", "24h", "7d", "30d", "60d", "365d"]),
                min_size=1,
                max_size=3,
                unique=True,
            )
        ),
        "horizons": draw(horizons),
        "stuck_after": draw(_LIMITS),
        "activity_horizon": draw(_LENGTHS),
        "top_n": draw(st.integers(1, 3)),
        "top_n_of": draw(st.dictionaries(limited, st.integers(1, 2), max_size=3)),
        "pipelines": {
            "default": {},
            "a": {"horizons": draw(horizons), "stuck_after": draw(_LIMITS)},
        },
    }
    if draw(st.booleans()):
        parts["base_currency"] = "EUR"
        parts["rates"] = {"USD": draw(_RATES), "JPY": draw(_RATES)}
    return Definition.model_validate(parts)


instants = st.integers(0, 500 * 24 * 60).map(lambda minutes: micros(minutes=minutes))
