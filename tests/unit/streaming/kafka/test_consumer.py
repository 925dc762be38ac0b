"""A partition that is claimed again while its reader is still under way."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import aiokafka
import pytest
from aiokafka.structs import ConsumerRecord

from funnel_stream.definition import Definition
from funnel_stream.facts.deals import FENCE_KEY, Deals
from funnel_stream.replay.compute import LineRecord
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.app import build_app
from funnel_stream.streaming.kafka.consumer import BatchConsumerThread
from funnel_stream.streaming.log import (
    Appended,
    Batch,
    Bounds,
    ProducerRecord,
    TopicPartition,
    World,
)
from funnel_stream.streaming.recovery import Recovery
from funnel_stream.streaming.system import OwnProcess, SystemClock
from funnel_stream.streaming.track import Track
from tests.funnels import at, stage
from tests.unit.streaming.rows import RecordedLog

SETTINGS = Settings()
DEFINITION = Definition()
EVENTS = TopicPartition(SETTINGS.events_topic, 0)
NOW_MS = int(datetime(2027, 6, 1, tzinfo=UTC).timestamp() * 1000)


class Logs:
    """A log in memory for every topic."""

    def __init__(self) -> None:
        self._logs: defaultdict[str, RecordedLog] = defaultdict(RecordedLog)

    @property
    def changelog(self) -> RecordedLog:
        return self._logs[SETTINGS.changelog_topic]

    async def append(
        self, topic: str, partition: int, rows: Iterable[ProducerRecord]
    ) -> list[Appended]:
        return await self._logs[topic].append(topic, partition, rows)

    def reader(self, is_needed: Callable[[], bool]) -> "LogsReader":
        return LogsReader(self)


class LogsReader:
    """Reads what was appended to the logs. There are six events."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def __aenter__(self) -> "LogsReader":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        return {
            tp: Bounds(0, 6 if tp.topic == EVENTS.topic else len(self._logs.changelog.records))
            for tp in tps
        }

    async def read(
        self, spans: Mapping[TopicPartition, Bounds]
    ) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
        for tp, (begin, end) in spans.items():
            yield tp, self._logs.changelog.records[begin:end]


class Seeking:
    """The part of aiokafka's consumer that seeks and commits; the group takes every commit."""

    def __init__(self) -> None:
        self.paused: set[aiokafka.TopicPartition] = set()
        self.positions: dict[aiokafka.TopicPartition, int] = {}

    def assignment(self) -> set[aiokafka.TopicPartition]:
        return {aiokafka.TopicPartition(*EVENTS)}

    def seek(self, tp: aiokafka.TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    def pause(self, *tps: aiokafka.TopicPartition) -> None:
        self.paused.update(tps)

    def resume(self, *tps: aiokafka.TopicPartition) -> None:
        self.paused.difference_update(tps)

    async def commit(self, offsets: Mapping[aiokafka.TopicPartition, Any]) -> None: ...


class Reader:
    """The consumer's thread, run in the test's own loop; ``batch`` is what it fetches next."""

    def __init__(self, reporter: Reporter) -> None:
        self.thread: BatchConsumerThread = build_app(SETTINGS, reporter, OwnProcess()).thread
        self.thread.thread_loop = asyncio.get_running_loop()
        self.membership = Seeking()
        self.thread._consumer = self.membership

    def batch(self, start: int, end: int) -> Batch:
        lines = [
            LineRecord(n, NOW_MS, b"d%d" % n, json.dumps(stage(f"d{n}", "lead", at())).encode())
            for n in range(start, end)
        ]
        return Batch(
            EVENTS,
            cast("Any", lines),
            start=start,
            end=end,
            highwater=end,
            stamp=self.thread._stamps[EVENTS],
        )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def test_what_was_fetched_before_a_second_claim_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    logs, reporter = Logs(), Reporter()
    recovery = Recovery(SETTINGS, DEFINITION, logs, 1)
    reader = Reader(reporter)
    thread = reader.thread
    track = Track(
        settings=SETTINGS,
        world=World(logs, thread, SystemClock(), OwnProcess()),
        recovery=recovery,
        partitions=1,
        reporter=reporter,
        halt=lambda error: pytest.fail(str(error)),
    )
    positions = await track.assign([0], generation=thread.generation, group_generation=1)
    assert positions == {EVENTS: 0}
    assert await thread.open_partitions(positions, thread.generation)
    await track.take(reader.batch(0, 1))
    await until(lambda: fence(logs) == 0)

    # Another group claims the log and gets further; our reader is at its second batch by then.
    [other] = await recovery.recover([0], lambda: True)
    further = other.deals.fold(reader.batch(1, 5).records)
    await other.changelog.append(further.changed, further.fence)
    refused, late = reader.batch(1, 2), reader.batch(2, 3)
    opened = asyncio.Event()
    reopen = thread.open_partitions

    async def reopen_while_a_batch_arrives(
        at: Mapping[TopicPartition, int], generation: int
    ) -> bool:
        await track.take(late)
        assert exits == []
        accepted = await reopen(at, generation)
        opened.set()
        return accepted

    monkeypatch.setattr(thread, "open_partitions", reopen_while_a_batch_arrives)
    await track.take(refused)
    await until(lambda: opened.is_set() or bool(exits))
    assert exits == []
    assert reader.membership.positions == {aiokafka.TopicPartition(*EVENTS): 5}
    assert not reader.membership.paused
    await track.take(late)
    await track.take(reader.batch(5, 6))
    await until(lambda: fence(logs) == 5)
    await track.close()
    assert exits == []


def fence(logs: Logs) -> int | None:
    deals = Deals(DEFINITION)
    for record in logs.changelog.records:
        if record.key == FENCE_KEY:
            deals.restore(record.key, record.value)
    return deals.fence
