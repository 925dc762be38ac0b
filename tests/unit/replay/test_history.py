"""Figures over history: steps, and files whose lines are not in the order of time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from funnel_stream.contract.timestamps import micros, moment
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, minutes_of
from funnel_stream.replay.compute import compute
from funnel_stream.replay.history import History, instants
from funnel_stream.tools.simulator import Simulator
from tests.funnels import NOW, at, event, lines, stage
from tests.funnels import micros as after

NOW_MS = int(NOW.timestamp() * 1000)
ERASE_A = {"type": "deal_erased", "deal_id": "a"}


def steps(first: str, last: str, every: str) -> list[str]:
    found = instants(micros(first), micros(last), minutes_of(every))
    return [moment(instant).isoformat().replace("+00:00", "Z") for instant in found]


@pytest.mark.parametrize(
    ("first", "last", "every", "wanted"),
    [
        (
            "2026-03-01T00:00:00.000001Z",
            "2026-03-03T00:00:00Z",
            "1d",
            ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"],
        ),
        (
            "2026-03-01T23:00:00Z",
            "2026-03-02T00:59:59Z",
            "1h",
            ["2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z"],
        ),
        ("2026-03-01T00:01:00Z", "2026-03-01T00:29:00Z", "15m", ["2026-03-01T00:15:00Z"]),
        ("2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00Z", "1d", ["2026-03-01T00:00:00Z"]),
        ("2026-03-01T00:00:01Z", "2026-03-01T23:59:59Z", "1d", []),
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", "1d", []),
    ],
)
def test_steps_are_whole_and_in_utc(first: str, last: str, every: str, wanted: list[str]) -> None:
    assert steps(first, last, every) == wanted


@pytest.mark.parametrize("every", ["7d", "14d"])
def test_weeks_begin_on_mondays(every: str) -> None:
    found = instants(
        micros("2026-01-01T00:00:00Z"), micros("2026-12-31T00:00:00Z"), minutes_of(every)
    )
    assert {moment(instant).weekday() for instant in found} == {0}
    assert len(found) in (26, 52)


def agrees(
    file: list[dict[str, Any]], *days: float, definition: Definition | None = None
) -> History:
    """Every instant is as computed alone."""
    definition = definition or Definition()
    history = History(lines(file), definition, now_ms=NOW_MS)
    moments = [after(days=day) for day in days]
    for instant, snapshot in zip(moments, history.snapshots(moments), strict=True):
        alone = compute(lines(file), definition, as_of=instant, now_ms=NOW_MS)
        assert snapshot.as_of == instant
        assert snapshot.totals == alone.snapshot.totals
    return history


def test_late_lines_count_from_when_they_occurred() -> None:
    history = agrees(
        [
            stage("a", "won", at(days=9), amount=5, currency="EUR"),
            stage("b", "lead", at(days=2)),
            stage("a", "lead", at(days=1)),
            event("deal_updated", "a", at(days=20), channel="fair"),
            stage("a", "offer", at(days=4)),
        ],
        *(0, 1, 3, 4, 8.5, 9, 10, 30, 450),
    )
    assert history.contested == 0
    assert (history.first, history.last) == (after(days=1), after(days=20))


def test_of_contradicting_events_the_first_of_those_seen_counts() -> None:
    late_first = stage("a", "won", at(days=5))
    early_second = dict(late_first, occurred_at=at(days=2), stage="lost")
    file = [stage("a", "lead", at()), late_first, early_second, stage("b", "lead", at(days=3))]
    history = agrees(file, 1, 2, 4, 5, 6)
    assert history.contested == 3
    assert [(number, why.reason) for number, why in history.rejected] == [
        (3, "conflicting_duplicate")
    ]


def test_contradictions_in_the_order_of_time_are_cheap() -> None:
    first = stage("a", "won", at(days=2))
    history = agrees([first, dict(first, occurred_at=at(days=5), stage="lost"), first], 1, 3, 6)
    assert history.contested == 0
    assert [number for number, _ in history.rejected] == [2]
    assert history.counts["duplicates"] == 1


def test_what_is_amended_is_counted_of_the_events_seen() -> None:
    rounded = stage("a", "offer", at(days=1), event_id="x", amount="1.005", currency="EUR")
    right = dict(rounded, amount="1.00")
    unread = stage("b", "offer", at(days=9), amount="much", currency="EUR")
    file = [rounded, right, unread, stage("c", "lead", at(days=2))]
    history = agrees(file, 1, 3, 10)
    assert history.contested == 0
    assert history.rejected == []
    assert history.amended == {"rounded_amount": 1, "unreadable_amount": 1}
    late_first = stage("d", "won", at(days=5), amount="1.001", currency="EUR")
    contested = dict(late_first, occurred_at=at(days=2), stage="lost")
    assert agrees([*file, late_first, contested], 1, 4, 10).amended == {
        "rounded_amount": 2,
        "unreadable_amount": 1,
    }


def test_erased_deals_never_count() -> None:
    file = [
        stage("a", "lead", at(days=1)),
        stage("b", "lead", at(days=2)),
        ERASE_A,
        stage("a", "won", at(days=3)),
    ]
    history = agrees(file, 1, 2, 4)
    assert history.contested == 0
    leads = [len(each.totals["365d"]) for each in history.snapshots([after(days=1.5)])]
    assert leads == [0]


def test_what_occurs_after_the_erasure_is_a_new_deal() -> None:
    ahead = NOW.replace(minute=2).isoformat()
    now = (NOW - datetime(2026, 3, 2, tzinfo=UTC)).days
    agrees([stage("a", "lead", at(days=1)), ERASE_A, stage("a", "lead", ahead)], 2, now, now + 1)


@pytest.mark.parametrize("retention", [1, 10, 400])
def test_deals_that_expired_come_back_as_new_ones(retention: int) -> None:
    agrees(
        [
            stage("a", "lead", at()),
            stage("a", "lost", at(days=1)),
            stage("b", "lead", at(days=420)),
            stage("a", "offer", at(days=2)),
            stage("c", "lost", at(days=3)),
            stage("a", "won", at(days=421)),
            stage("d", "lead", at(days=440)),
        ],
        *(0, 1, 2, 2.5, 3, 5, 13, 20, 400, 420, 421, 430, 440, 450),
        definition=Definition(closed_retention_days=retention),
    )


def test_a_deal_past_its_limit_of_events() -> None:
    many = [stage("a", ("offer", "potential")[n % 2], at(minutes=n)) for n in range(1005)]
    history = agrees(many[500:] + many[:500], 0.1, 0.5, 1)
    assert history.contested == 1005
    assert {why.reason for _, why in history.rejected} == {"too_many_events"}


def test_lines_that_are_no_events() -> None:
    file = [*lines([stage("a", "lead", at())]), b"{", b"\n", b"[]"]
    history = History(file, Definition(), now_ms=NOW_MS)
    assert [number for number, _ in history.rejected] == [2, 4]
    assert history.first == history.last == after()
    nothing = History([b"{"], Definition(), now_ms=NOW_MS)
    assert (nothing.first, nothing.last) == (None, None)
    assert [snapshot.totals["1h"] for snapshot in nothing.snapshots([after()])] == [{}]


def test_a_simulated_history_with_its_late_lines() -> None:
    end = datetime(2026, 5, 1, tzinfo=UTC)
    file = list(Simulator(start=datetime(2026, 4, 1, tzinfo=UTC), deals_per_day=15).history(end))
    definition = Definition(dimensions=("channel",))
    now_ms = round(end.timestamp() * 1000)
    history = History(file, definition, now_ms=now_ms)
    assert history.first is not None
    assert history.last is not None
    weeks = instants(history.first, history.last, 7 * DAY)
    assert len(weeks) == 4
    for instant, snapshot in zip(weeks, history.snapshots(weeks), strict=True):
        alone = compute(file, definition, as_of=instant, now_ms=now_ms)
        assert snapshot.totals == alone.snapshot.totals
    assert history.contested == 0
    assert history.counts["late"] > 0
