"""One partition's deals: what a batch of records does to them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funnel_stream.contract import Event, Reason
from funnel_stream.definition import Definition
from funnel_stream.errors import StateError
from funnel_stream.facts import deals as deals_module
from funnel_stream.facts import journey
from funnel_stream.facts.deals import MISROUTED_HEADER, Deals, Fold
from funnel_stream.replay.compute import LineRecord
from tests.funnels import at, micros, stage

NOW_MS = int(datetime(2027, 6, 1, tzinfo=UTC).timestamp() * 1000)


def record(body: dict[str, Any] | None, key: str | None = None, **fields: Any) -> LineRecord:
    if key is None and body is not None:
        key = body.get("deal_id") or body.get("channel")
    fields = {"offset": 0, "timestamp": NOW_MS, "headers": ()} | fields
    return LineRecord(
        key=None if key is None else key.encode(),
        value=None if body is None else json.dumps(body).encode(),
        **fields,
    )


def fold(deals: Deals, *records: LineRecord) -> Fold:
    return deals.fold(records)


def facts(deals: Deals) -> list[tuple[int, int, int]]:
    return [
        (int(cell), int(minute), int(weight))
        for block in deals.snapshot()
        for cell, minute, weight in zip(block.cell, block.minute, block.weight, strict=True)
    ]


def test_a_restored_state_is_the_state() -> None:
    deals = Deals(Definition())
    rows: dict[bytes, bytes | None] = {}
    for n in range(30):
        body = stage(f"d{n % 7}", ("lead", "offer", "won")[n % 3], at(hours=n), channel="web")
        result = fold(deals, record(body, offset=n))
        rows |= result.changed | {b"fence": result.fence}
    again = Deals(Definition())
    for key, value in rows.items():
        again.restore(key, value)
    assert (again.fence, again.watermark, len(again)) == (29, micros(hours=29), 7)
    assert sorted(facts(again)) == sorted(facts(deals))


def test_an_event_that_is_known_without_its_fence_moves_the_time() -> None:
    """Of a changelog batch in several pieces the first was written, without a new fence."""
    events = [record(stage("d1", "lead", at(), event_id="e")), record(None, "d2", timestamp=1)]
    first = Deals(Definition())
    changed = fold(first, events[0]).changed
    restored = Deals(Definition())
    for key, row in changed.items():
        restored.restore(key, row)
    assert restored.watermark == 0
    again = fold(restored, *events)
    assert (again.counts["duplicates"], again.counts["accepted"]) == (1, 0)
    assert restored.watermark == first.watermark == micros()


def test_a_changelog_row_of_no_kind_is_refused() -> None:
    with pytest.raises(StateError, match="newer version"):
        Deals(Definition()).restore(b"what/is/this", b"")


def test_duplicates_count_once_and_conflicts_are_rejected() -> None:
    deals = Deals(Definition())
    body = stage("d", "lead", at(), event_id="x")
    result = fold(deals, record(body), record(body), record({**body, "stage": "won"}))
    assert result.counts == {"accepted": 1, "duplicates": 1}
    [(_, why)] = result.rejected
    assert (why.reason, why.field) == (Reason.CONFLICTING_DUPLICATE, "event_id")
    assert "type or stage" in why.message


def test_amended_events_are_counted_once_they_are_accepted() -> None:
    deals = Deals(Definition())
    rounded = stage("d", "offer", at(), event_id="x", amount=1.005, currency="eur")
    right = {**rounded, "amount": "1.00", "currency": "EUR"}
    result = fold(deals, record(rounded), record(rounded), record(right))
    assert result.counts == {"accepted": 1, "duplicates": 2}
    assert result.amended == {"rounded_amount": 1, "currency_case": 1}
    other = fold(deals, record({**rounded, "amount": 2.005}))
    assert [why.reason for _, why in other.rejected] == [Reason.CONFLICTING_DUPLICATE]
    left_out = fold(deals, record(stage("d", "won", at(days=1), amount="much", currency="EUR")))
    spent = {"type": "spend_recorded", "event_id": "s", "channel": "c", "occurred_at": at()}
    spending = fold(deals, record({**spent, "amount": "0.001", "currency": "EUR"}))
    assert (other.amended, left_out.amended) == ({}, {"unreadable_amount": 1})
    assert spending.amended == {"rounded_amount": 1}


def test_an_event_under_a_wrong_key_is_sent_on_once() -> None:
    deals = Deals(Definition())
    body = stage("right", "lead", at())
    first = record(body, key="wrong")
    result = fold(deals, first)
    assert result.misrouted == [(first, b"right")]
    assert not result.changed
    again = record(body, key="wrong", headers=((MISROUTED_HEADER, b"1"),))
    [(_, why)] = fold(deals, again).rejected
    assert why.reason == Reason.MISROUTED


def test_a_record_of_another_partition_is_sent_on() -> None:
    deals = Deals(Definition(), belongs=lambda key: key == b"mine")
    result = fold(
        deals,
        record(stage("mine", "lead", at())),
        record(stage("yours", "lead", at())),
        record(None, key="yours"),
    )
    assert result.counts == {"accepted": 1}
    assert [key for _, key in result.misrouted] == [b"yours", b"yours"]


def test_an_erasure_leaves_no_trace_and_late_duplicates_do_not_bring_the_deal_back() -> None:
    deals = Deals(Definition())
    body = stage("d", "lead", at(days=1))
    fold(deals, record(body), record(stage("other", "lead", at())))
    erased_at = micros(days=2) // 1000
    result = fold(deals, record(None, key="d", timestamp=erased_at), record(body))
    assert result.counts == {"erasures": 1, "erased_dropped": 1}
    assert result.changed[b"deal/d"] is None
    assert len(deals) == 1
    fold(deals, record(stage("d", "lead", at(days=3))))
    assert len(deals) == 2


def test_an_erasure_is_forgotten_after_thirty_days() -> None:
    deals = Deals(Definition())
    fold(deals, record(None, key="d", timestamp=micros() // 1000))
    result = fold(deals, record(stage("other", "lead", at(days=31))))
    [(_, value)] = [row for row in result.changed.items() if row[0].startswith(b"erased/")]
    assert value is None
    assert fold(deals, record(stage("d", "lead", at(days=-1)))).counts["accepted"] == 1


def test_an_erasure_without_a_key_is_rejected() -> None:
    [(_, why)] = fold(Deals(Definition()), record(None)).rejected
    assert why.reason == Reason.MISSING_KEY


def test_an_erasure_takes_what_occurred_up_to_its_time() -> None:
    deals = Deals(Definition())
    early, later = stage("d", "lead", at(days=1)), stage("d", "offer", at(days=5))
    fold(deals, record(early), record(later))
    fold(deals, record(None, key="d", timestamp=micros(days=3) // 1000))
    again = fold(deals, record(early), record(later))
    assert again.counts == {"erased_dropped": 1, "duplicates": 1}
    assert journey.size(deals.stored(b"deal/d") or b"") == 1


def test_an_erasure_without_a_time_takes_all_that_was_read() -> None:
    deals = Deals(Definition())
    fold(deals, record(stage("d", "lead", at(days=1))), record(stage("other", "lead", at(days=2))))
    fold(deals, record(None, key="d", timestamp=-1))
    assert deals.stored(b"deal/d") is None
    counts = fold(deals, record(stage("d", "lead", at(days=1)))).counts
    assert counts == {"erased_dropped": 1}


def test_an_older_erasure_does_not_shorten_a_newer_one() -> None:
    deals = Deals(Definition())
    for days in (3, 1):
        fold(deals, record(None, key="d", timestamp=micros(days=days) // 1000))
    assert fold(deals, record(stage("d", "lead", at(days=2)))).counts == {"erased_dropped": 1}


def test_the_first_time_of_a_row_is_read_without_decoding_it() -> None:
    for at_us in (0, 5, 70_000, (1 << 32) - 1, 1 << 32, micros()):
        row = journey.new_row(Event(at_us, 0, "x"))
        assert journey.first_at(row) in (0, at_us)
    assert journey.first_at(journey.new_row(Event(micros(), 0, "x"))) == micros()


def test_where_batches_are_cut_does_not_matter() -> None:
    records = [
        record(stage(f"d{n % 5}", ("lead", "lost")[n % 2], at(days=n)), offset=n) for n in range(60)
    ]
    whole, cut = (
        Deals(Definition(closed_retention_days=20)),
        Deals(Definition(closed_retention_days=20)),
    )
    whole.fold(records)
    for one in records:
        cut.fold([one])
    assert facts(whole) == facts(cut)
    assert len(whole) == len(cut)


def test_a_deal_has_a_limit_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deals_module, "MAX_EVENTS", 3)
    deals = Deals(Definition())
    records = [record(stage("d", "offer", at(minutes=n))) for n in range(5)]
    result = fold(deals, *records)
    assert result.counts["accepted"] == 3
    assert [why.reason for _, why in result.rejected] == [Reason.TOO_MANY_EVENTS] * 2
    # A duplicate of what it holds is still just a duplicate.
    assert fold(deals, records[0]).counts == {"duplicates": 1}


def test_bad_records_leave_their_neighbours_alone() -> None:
    deals = Deals(Definition())
    bad = LineRecord(1, NOW_MS, b"d", b"{")
    result = fold(deals, record(stage("a", "lead", at())), bad, record(stage("b", "lead", at())))
    assert result.counts["accepted"] == 2
    assert [rejected for rejected, _ in result.rejected] == [bad]


def test_changes_and_snapshot_hold_while_folding_goes_on() -> None:
    """Blocks are as of the call, whatever is folded between two of them."""
    many = [record(stage(f"d{n}", "lead", at(minutes=n), owner="x" * 100)) for n in range(9000)]
    for take in (Deals.take_changes, Deals.snapshot):
        deals, still = Deals(Definition()), Deals(Definition())
        deals.fold(many)
        still.fold(many)
        blocks = take(deals)
        first = next(blocks)
        deals.fold([record(stage(f"d{n}", "won", at(days=30))) for n in range(0, 9000, 7)])
        seen = [first, *blocks]
        assert len(seen) > 1
        expected = list(take(still))
        assert [block.encode() for block in seen] == [block.encode() for block in expected]
        assert sum(len(block) for block in deals.take_changes()) > 0


def test_late_is_behind_the_watermark_by_more_than_a_minute() -> None:
    deals = Deals(Definition())
    start = timedelta(days=1)
    days = start.days
    result = fold(
        deals,
        record(stage("a", "lead", at(days=days))),
        record(stage("b", "lead", at(days=days, seconds=-60))),
        record(stage("c", "lead", at(days=days, seconds=-61))),
    )
    assert result.counts == {"accepted": 3, "late": 1}
