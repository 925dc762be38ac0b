"""The panes topic: editions, ticks, gaps, and who is missing."""

import msgspec
import pytest

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.rules import MINUTE_BITS
from funnel_stream.facts.spend import Spend
from funnel_stream.streaming.aggregate import _Tables
from funnel_stream.streaming.log import Bounds
from funnel_stream.streaming.pane_log import Completed, PaneReader, PaneWriter, Progress
from tests.unit.streaming.rows import RecordedLog

GENERATION = 5
OURS = "fingerprint"


def block(weight: int) -> FactBlock:
    builder = FactBlockBuilder()
    builder.add(("default",), {(1 << MINUTE_BITS) | 1000: weight})
    made = builder.take()
    assert made is not None
    return made


def writer(
    log: RecordedLog, *, epoch: int = 1, source: int = 0, fingerprint: str = OURS
) -> PaneWriter:
    return PaneWriter(
        log,  # type: ignore[arg-type]
        "panes",
        source,
        epoch=epoch,
        generation=GENERATION,
        fingerprint=fingerprint,
    )


def weights(completed: Completed) -> list[int]:
    return [int(w) for b in completed.blocks for w in FactBlock.decode(b).weight]


def read(reader: PaneReader, log: RecordedLog, *, without: int | None = None) -> list[Completed]:
    taken = [
        reader.take(record.key, record.value) for record in log.records if record.offset != without
    ]
    return [completed for completed in taken if completed]


async def test_a_snapshot_replaces_and_ticks_add():
    log = RecordedLog()
    source = writer(log)
    await source.snapshot(iter([block(3)]), Progress(10))
    await source.tick([block(1), block(-2)], Progress(20, 7))
    reader = PaneReader(1, OURS)
    first, second = read(reader, log)
    assert (first.replaces, weights(first)) == (True, [3])
    assert (second.replaces, weights(second), second.progress) == (False, [1, -2], Progress(20, 7))
    assert reader.missing(GENERATION) == []


async def test_a_tick_is_one_batch():
    log = RecordedLog()
    source = writer(log)
    await source.snapshot(iter([]), Progress(0))
    await source.tick([block(1), block(2)], Progress(1))
    assert len(log.batches) == 2


async def test_nothing_counts_before_its_end_marker():
    log = RecordedLog()
    await writer(log).snapshot(iter([block(3)]), Progress(10))
    reader = PaneReader(1, OURS)
    for record in log.records[:-1]:
        assert reader.take(record.key, record.value) is None
    assert reader.missing(GENERATION) == [0]


@pytest.mark.parametrize("lost", range(5))
async def test_a_gap_makes_the_source_incomplete_until_its_next_snapshot(lost):
    log = RecordedLog()
    source = writer(log)
    await source.snapshot(iter([block(3)]), Progress(10))
    await source.tick([block(1)], Progress(20))
    await source.tick([block(1)], Progress(30))
    reader = PaneReader(1, OURS)
    read(reader, log, without=lost)
    assert reader.missing(GENERATION) == [0]

    again = RecordedLog()
    source._log = again  # type: ignore[assignment]
    await source.snapshot(iter([block(5)]), Progress(40))
    [whole] = read(reader, again)
    assert (whole.replaces, weights(whole)) == (True, [5])
    assert reader.missing(GENERATION) == []


async def test_after_rows_were_deleted_unread_every_source_has_to_begin_anew():
    """The last tick of the one is among them: no later row would tell."""
    log = RecordedLog()
    one, other = writer(log), writer(log, source=1)
    for source in (one, other):
        await source.snapshot(iter([block(3)]), Progress(10))
    reader = PaneReader(2, OURS)
    read(reader, log)
    await one.tick([block(1)], Progress(20))
    lost = len(log.records)
    await other.tick([block(1)], Progress(20))
    reader.skip()
    assert reader.missing(GENERATION) == [0, 1]
    assert [reader.take(record.key, record.value) for record in log.records[lost:]] == [None, None]
    assert reader.missing(GENERATION) == [0, 1]

    again = len(log.records)
    await one.snapshot(iter([block(4)]), Progress(30))
    [whole] = [c for r in log.records[again:] if (c := reader.take(r.key, r.value))]
    assert (whole.replaces, weights(whole)) == (True, [4])
    assert reader.missing(GENERATION) == [1]


async def test_an_outdated_owner_is_not_heard_and_its_rows_are_given_up():
    log = RecordedLog()
    paused, owner = writer(log, epoch=1), writer(log, epoch=2)
    await paused.snapshot(iter([block(1)]), Progress(1))
    await owner.snapshot(iter([block(2)]), Progress(2))
    await paused.tick([block(100)], Progress(3))
    reader = PaneReader(1, OURS)
    assert [weights(completed) for completed in read(reader, log)] == [[1], [2]]
    assert sorted(reader.take_outdated()) == [b"0/1.1/%d" % number for number in range(5)]
    assert reader.take_outdated() == []


async def test_complete_means_claimed_in_this_generation_of_the_group():
    log = RecordedLog()
    await writer(log, source=0).snapshot(iter([]), Progress(0))
    reader = PaneReader(3, OURS)
    read(reader, log)
    assert reader.missing(GENERATION) == [1, 2]
    assert reader.missing(GENERATION + 1) == [0, 1, 2]


async def test_the_former_snapshot_stands_until_the_next_one_is_whole():
    log = RecordedLog()
    source = writer(log)
    await source.snapshot(iter([block(1)]), Progress(1))
    await source.snapshot(iter([block(2)]), Progress(2))
    reader = PaneReader(1, OURS)
    for record in log.records[:-1]:
        reader.take(record.key, record.value)
    assert reader.missing(GENERATION) == []


async def test_tombstones_and_foreign_rows_are_skipped():
    reader = PaneReader(1, OURS)
    assert reader.take(b"0/1.1/0", None) is None
    assert reader.take(b"something else", b"value") is None
    assert reader.take(None, b"value") is None  # type: ignore[arg-type]


async def test_an_edition_of_another_definition_never_counts():
    log = RecordedLog()
    await writer(log, epoch=1).snapshot(iter([block(1)]), Progress(1))
    other = writer(log, epoch=2, fingerprint="another")
    reader = PaneReader(1, OURS)
    assert [weights(completed) for completed in read(reader, log)] == [[1]]
    assert (reader.missing(GENERATION), reader.foreign()) == ([], [])
    log.records.clear()
    await other.snapshot(iter([block(2)]), Progress(2))
    await other.tick([block(3)], Progress(3))
    assert read(reader, log) == []
    assert (reader.missing(GENERATION), reader.foreign()) == ([0], [0])
    assert reader.take_outdated() == [b"0/1.1/%d" % number for number in range(3)]
    log.records.clear()
    await writer(log, epoch=3).snapshot(iter([block(4)]), Progress(4))
    [whole] = read(reader, log)
    assert (whole.replaces, weights(whole)) == (True, [4])
    assert (reader.missing(GENERATION), reader.foreign()) == ([], [])


def test_rows_of_the_first_release_are_read_and_not_counted():
    """Its ``begin`` named no definition, its blocks had no spends."""
    facts = block(1)
    old_block = msgspec.msgpack.encode(msgspec.msgpack.decode(facts.encode())[:6])
    assert FactBlock.decode(old_block).weight.tolist() == [1]
    assert FactBlock.decode(old_block).spends == []
    reader = PaneReader(1, OURS)
    rows = [["begin", GENERATION], ["block", old_block], ["end", [5, 0]], ["tick", [6, 0]]]
    for number, row in enumerate(rows):
        assert reader.take(b"0/1.1/%d" % number, msgspec.msgpack.encode(row)) is None
    assert (reader.missing(GENERATION), reader.foreign()) == ([0], [0])


async def test_spends_travel_with_the_facts():
    log = RecordedLog()
    builder = FactBlockBuilder()
    spend = Spend("default", "tv", 10**15, "EUR", 5, 1 << 52)
    builder.add_spend(spend)
    builder.add_spend(spend, -1)
    await writer(log).snapshot(iter([builder.take()]), Progress(1))  # type: ignore[list-item]
    [whole] = read(PaneReader(1, OURS), log)
    [made] = [FactBlock.decode(each) for each in whole.blocks]
    assert made.spends == [(spend, 1), (spend, -1)]
    assert len(made.cell) == 0


async def test_ticks_outgrow_a_small_snapshot_by_megabytes_only():
    log = RecordedLog()
    source = writer(log)
    await source.snapshot(iter([block(1)]), Progress(1))
    for _ in range(20):
        await source.tick([block(1)], Progress(2))
    assert not source.outgrown
    source._tick_bytes += 5 << 20
    assert source.outgrown


async def test_what_hides_the_figures_is_said():
    log = RecordedLog()
    tables = _Tables(Definition(), 5, GENERATION, bounds=Bounds(0, 0), ask_at=0.0)
    assert tables.why_hidden() == "waiting for the facts of partitions 0, 1, 2, 3, 4"
    await writer(log, source=3, fingerprint="another").snapshot(iter([]), Progress(1))
    read(tables.reader, log)
    assert tables.why_hidden() == "partition 3 is published by a worker with another definition"
    await writer(log, source=1, fingerprint="another").snapshot(iter([]), Progress(1))
    read(tables.reader, log)
    reason = "partitions 1, 3 are published by a worker with another definition"
    assert tables.why_hidden() == reason
