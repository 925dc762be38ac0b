"""Small funnels for tests: events as an upstream application would write them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from funnel_stream.compute import Computed, compute
from funnel_stream.definition import Definition
from funnel_stream.samples import samples

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


def figure(result: Computed, metric: str, window: str = "365d", **labels: str) -> float | None:
    """One sample of the default pipeline, or ``None`` where there is no such series."""
    labels = {"pipeline": "default", "window": window, **labels}
    return figures(result).get((metric, frozenset(labels.items())))


# --- strategies ---------------------------------------------------------------------------------

_texts = st.sampled_from(["a", "b", "c", "Ω", ""])
_amounts = st.tuples(st.sampled_from([0, 10, 12.5, "99.99"]), st.sampled_from(["EUR", "JPY"]))


@st.composite
def _attributes(draw: st.DrawFn) -> dict[str, Any]:
    names = ("channel", "source", "product", "owner", "pipeline", "lost_reason")
    given: dict[str, Any] = {
        name: draw(_texts) for name in draw(st.lists(st.sampled_from(names), max_size=2))
    }
    if draw(st.integers(0, 3)) == 0:
        amount, currency = draw(_amounts)
        given |= {"amount": 10 if currency == "JPY" else amount, "currency": currency}
    return {name: value for name, value in given.items() if value != ""}


@st.composite
def funnels(draw: st.DrawFn, days: int = 60, most: int = 30) -> list[dict[str, Any]]:
    """Events of a few deals over some days, with many ties in time, in any order."""
    # A coarse grid makes ties, equal minutes and pane borders likely.
    steps = st.sampled_from([0, 1, 59, 60, 61, 3599, 3600, 86399, 86400])
    count = draw(st.integers(0, most))
    events = []
    for number in range(count):
        when = at(days=draw(st.integers(0, days)), seconds=draw(steps))
        deal = f"d{draw(st.integers(0, 4))}"
        kind = draw(st.sampled_from(["stage_changed"] * 6 + ["deal_updated", "activity_recorded"]))
        fields: dict[str, Any] = {"event_id": f"id{number}"}
        if kind == "activity_recorded":
            fields["activity"] = draw(st.sampled_from(["meeting", "call"]))
        else:
            fields |= draw(_attributes())
        if kind == "stage_changed":
            fields["stage"] = draw(st.sampled_from(STAGES))
        events.append(event(kind, deal, when, **fields))
    return events


instants = st.integers(0, 500 * 24 * 60).map(lambda minutes: micros(minutes=minutes))
