"""Figures over history are those of every instant by itself, whatever stands in the file."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.contract import Rejection
from funnel_stream.definition import Definition
from funnel_stream.replay.compute import compute
from funnel_stream.replay.history import History
from tests.funnels import NOW, definitions, event, funnels, instants, lines

NOW_MS = int(NOW.timestamp() * 1000)

retentions = st.sampled_from([1, 7, 30, 400])
kept_for = st.builds(
    lambda definition, days: definition.model_copy(update={"closed_retention_days": days}),
    st.just(Definition()) | definitions(),
    retentions,
)


@st.composite
def files(draw: st.DrawFn) -> list[bytes]:
    """Lines in any order: some twice, some contradicting others, some no events, some erasures."""
    events = draw(funnels(days=draw(st.sampled_from([3, 60, 440]))))
    written = list(events)
    for each in draw(st.lists(st.sampled_from(events), max_size=8)) if events else []:
        match draw(st.sampled_from(["again", "contradiction", "erasure", "nonsense", "ahead"])):
            case "again":
                line: Any = each
            case "contradiction":
                when = draw(st.sampled_from(events))["occurred_at"]
                line = dict(each, occurred_at=when, pipeline="elsewhere")
            case "erasure":
                line = {"type": "deal_erased", "deal_id": each.get("deal_id", "d0")}
            case "nonsense":
                line = dict(each, occurred_at="soon")
            case _:
                line = event("stage_changed", "d0", NOW.isoformat(), stage="lead")
                line["occurred_at"] = line["occurred_at"].replace(":00+", ":30+")
        written.insert(draw(st.integers(0, len(written))), line)
    return lines(written)


def numbers_of(rejected: list[tuple[int, Rejection]]) -> list[tuple[int, str]]:
    return sorted((number, why.reason) for number, why in rejected)


@given(files(), st.lists(instants, min_size=1, max_size=5, unique=True), kept_for)
def test_every_instant_is_as_computed_alone(
    file: list[bytes], moments: list[int], definition: Definition
) -> None:
    history = History(file, definition, now_ms=NOW_MS)
    moments = sorted(moments)
    for instant, snapshot in zip(moments, history.snapshots(moments), strict=True):
        alone = compute(file, definition, as_of=instant, now_ms=NOW_MS)
        assert snapshot.as_of == alone.snapshot.as_of == instant
        assert snapshot.totals == alone.snapshot.totals, instant
    assert numbers_of(history.rejected) == numbers_of(alone.rejected)
    # What is erased is not looked at, wherever its erasure stands.
    assert history.amended <= alone.amended
    if not any(b"deal_erased" in line for line in file):
        assert history.amended == alone.amended
