"""Logs in memory behave as Kafka's do."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from funnel_stream.streaming.log import (
    BATCH_BYTES,
    Appended,
    Bounds,
    ProducerRecord,
    SupersededError,
    TooLargeError,
    UnavailableError,
)
from funnel_stream.streaming.memory.log import (
    MemoryLog,
    MemoryPartition,
    PromptConnection,
    UnacknowledgedError,
)
from tests.unit.streaming.worlds import (
    CHANGELOG,
    EVENTS,
    DeathError,
    MemoryWorld,
    RecordedProcess,
)


def log_of(*keys: str) -> MemoryPartition:
    log = MemoryPartition()
    for key in keys:
        log.append([ProducerRecord(key.encode(), b"v", timestamp=1)], now_ms=7)
    return log


def keys(log: MemoryPartition) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.key) for record in log.records]


def test_a_batch_lies_in_one_piece() -> None:
    log = log_of("a")
    batch = [ProducerRecord(b"b", None), ProducerRecord(b"c", b"v", timestamp=3)]
    assert log.append(batch, now_ms=7) == Appended(1, 2)
    assert keys(log) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert [record.timestamp for record in log.records] == [1, 7, 3]


def test_a_marker_takes_an_offset_that_no_reader_sees() -> None:
    log = log_of("a")
    log.mark_transaction()
    log.append([ProducerRecord(b"b", b"v")], now_ms=7)
    log.mark_transaction()
    records, position = log.read(0, 10)
    assert [record.offset for record in records] == [0, 2]
    assert position == log.end == 4
    assert log.read(3, 10) == ([], 4)


def test_who_reads_a_part_goes_on_behind_it() -> None:
    log = log_of(*"abcde")
    records, position = log.read(1, 2)
    assert ([record.key for record in records], position) == ([b"b", b"c"], 3)
    records, position = log.read(position, 2)
    assert ([record.key for record in records], position) == ([b"d", b"e"], 5)


def test_retention_moves_the_beginning() -> None:
    log = log_of(*"abc")
    log.delete_before(2)
    assert (log.begin, log.end, keys(log)) == (2, 3, [(2, b"c")])
    log.delete_before(1)
    assert log.begin == 2
    log.delete_before(9)
    assert (log.begin, log.end, keys(log)) == (3, 3, [])


def test_compaction_keeps_the_last_of_each_key_and_no_tombstone() -> None:
    log = log_of(*"abab")
    log.append([ProducerRecord(b"a", None), ProducerRecord(b"b", b"v")], now_ms=7)
    log.compact(before=5)
    assert keys(log) == [(3, b"b"), (5, b"b")], "what lies behind replaces nothing"
    assert (log.begin, log.end) == (0, 6)


async def test_what_does_not_fit_into_a_batch_goes_into_several() -> None:
    world = MemoryWorld()
    third = ProducerRecord(b"k", bytes(BATCH_BYTES // 3))
    appended = await world.log().append(*EVENTS, [third] * 5)
    assert appended == [Appended(0, 2), Appended(2, 2), Appended(4, 1)]
    with pytest.raises(TooLargeError):
        await world.log().append(*EVENTS, [ProducerRecord(b"k", bytes(2 << 20))])
    assert await world.log().append(*EVENTS, []) == []


async def test_a_reader_reads_what_it_is_asked_for() -> None:
    world = MemoryWorld()
    world.publish(*"abcdef")
    log = MemoryLog(world.broker, PromptConnection(), RecordedProcess(), read_at_once=2)
    async with log.reader(lambda: True) as reader:
        assert await reader.bounds([EVENTS, CHANGELOG]) == {
            EVENTS: Bounds(0, 6),
            CHANGELOG: Bounds(0, 0),
        }
        spans = {EVENTS: Bounds(1, 4), CHANGELOG: Bounds(0, 0)}
        read = [(tp, [r.key for r in records]) async for tp, records in reader.read(spans)]
    assert read == [(EVENTS, [b"b", b"c"]), (EVENTS, [b"d", b"e"])]


async def test_a_reader_that_is_not_needed_any_more_stops() -> None:
    world = MemoryWorld()
    world.publish(*"abcdef")
    log = MemoryLog(world.broker, PromptConnection(), RecordedProcess(), read_at_once=2)
    needed = [True, False]
    async with log.reader(lambda: needed.pop(0)) as reader:
        reading = reader.read({EVENTS: Bounds(0, 6)})
        _, records = await anext(reading)
        assert [record.key for record in records] == [b"a", b"b"]
        with pytest.raises(SupersededError):
            await anext(reading)


class SilentConnection:
    """Everything is done, and nothing answered."""

    async def ask(self, lane: Hashable, request: Callable[[], Any]) -> Any:
        request()
        await asyncio.sleep(0)
        raise UnacknowledgedError


async def test_without_an_answer_a_writer_dies_and_a_reader_comes_back_later() -> None:
    world = MemoryWorld()
    process = RecordedProcess()
    log = MemoryLog(world.broker, SilentConnection(), process)
    with pytest.raises(DeathError):
        await log.append(*EVENTS, [ProducerRecord(b"k", b"v")])
    assert process.deaths == ["A batch could not be written to funnel.events/0"]
    assert world.broker[EVENTS].end == 1
    async with log.reader(lambda: True) as reader:
        with pytest.raises(UnavailableError):
            await reader.bounds([EVENTS])


async def test_whoever_asked_is_told_of_changes() -> None:
    world = MemoryWorld()
    told: list[object] = []
    world.broker.on_change(told.append)
    world.publish("a")
    world.broker.mark_transaction(EVENTS)
    world.broker.delete_before(EVENTS, 1)
    assert told == [EVENTS] * 3


async def test_outside_of_the_log_nothing_is_fetched() -> None:
    world = MemoryWorld()
    world.publish(*"abc")
    world.broker.delete_before(EVENTS, 1)
    assert world.broker.fetch(EVENTS, 0, 10) is None
    assert world.broker.fetch(EVENTS, 4, 10) is None
    assert world.broker.fetch(EVENTS, 3, 10) == ([], 3, 3)
