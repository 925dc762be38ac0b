"""Logs in memory, with what Kafka's have: offsets with gaps, batches appended whole, retention,
compaction."""

import asyncio
from bisect import bisect_left
from collections.abc import (
    AsyncIterator,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeVar

from funnel_stream.facts.deals import Record
from funnel_stream.streaming.log import (
    BATCH_BYTES,
    Appended,
    Bounds,
    Clock,
    Headers,
    Process,
    ProducerRecord,
    SupersededError,
    TooLargeError,
    TopicPartition,
    UnavailableError,
)

_OFFSET: Final = attrgetter("offset")
_LARGEST_RECORD: Final = 1 << 20

T = TypeVar("T")


class StoredRecord(NamedTuple):
    """A record in a log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class MemoryPartition:
    """The records of one log, in the order of their offsets, from ``begin`` to before ``end``."""

    def __init__(self) -> None:
        self.begin = self.end = 0
        self.records: list[StoredRecord] = []

    def append(self, batch: Iterable[ProducerRecord], now_ms: int) -> Appended:
        """Append a batch."""
        begin = self.end
        for key, value, headers, given in batch:
            timestamp = now_ms if given is None else given
            self.records.append(StoredRecord(self.end, timestamp, key, value, headers))
            self.end += 1
        return Appended(begin, self.end - begin)

    def mark_transaction(self) -> None:
        """Give an offset to a transaction's marker, which no reader sees."""
        self.end += 1

    def read(self, position: int, most: int) -> tuple[list[StoredRecord], int]:
        """So many records from a position on, and the position behind them."""
        start = bisect_left(self.records, position, key=_OFFSET)
        found = self.records[start : start + most]
        whole = start + most >= len(self.records)
        return found, self.end if whole else found[-1].offset + 1

    def delete_before(self, offset: int) -> None:
        """Retention: what lies before the offset is gone."""
        if offset > self.begin:
            self.begin = min(offset, self.end)
            del self.records[: bisect_left(self.records, offset, key=_OFFSET)]

    def compact(self, *, before: int) -> None:
        """Of records before an offset, keep those that no later one there has replaced. Tombstones
        go as well, as if their time had passed."""
        last = {record.key: record.offset for record in self.records if record.offset < before}
        self.records = [
            record
            for record in self.records
            if record.offset >= before
            or (last[record.key] == record.offset and record.value is not None)
        ]


class MemoryBroker:
    """All partitions of all topics; ``counts``: how many partitions each topic has."""

    def __init__(self, counts: Mapping[str, int], clock: Clock) -> None:
        self._clock = clock
        self._partitions = {
            TopicPartition(topic, number): MemoryPartition()
            for topic, count in counts.items()
            for number in range(count)
        }
        self._on_change: list[Callable[[TopicPartition], None]] = []

    def on_change(self, tell: Callable[[TopicPartition], None]) -> None:
        """Call it whenever a log has got longer, or lost its beginning."""
        self._on_change.append(tell)

    def __getitem__(self, tp: tuple[str, int]) -> MemoryPartition:
        return self._partitions[tp]  # type: ignore[index]  # equal to its TopicPartition

    def tps(self) -> Iterator[TopicPartition]:
        """All there are."""
        return iter(self._partitions)

    def append(self, tp: TopicPartition, batch: Iterable[ProducerRecord]) -> Appended:
        """Append a batch now."""
        appended = self[tp].append(batch, int(self._clock.wall() * 1000))
        self._tell(tp)
        return appended

    def mark_transaction(self, tp: TopicPartition) -> None:
        """Give an offset to a transaction's marker, which no reader sees."""
        self[tp].mark_transaction()
        self._tell(tp)

    def delete_before(self, tp: TopicPartition, offset: int) -> None:
        """Retention: what lies before the offset is gone."""
        self[tp].delete_before(offset)
        self._tell(tp)

    def fetch(
        self, tp: TopicPartition, position: int, most: int
    ) -> tuple[list[StoredRecord], int, int] | None:
        """So many records, the position behind them and the log's end; ``None`` where the position
        lies outside of the log."""
        log = self[tp]
        if not log.begin <= position <= log.end:
            return None
        return *log.read(position, most), log.end

    def _tell(self, tp: TopicPartition) -> None:
        for tell in self._on_change:
            tell(tp)

    def bounds(self, tp: TopicPartition) -> Bounds:
        """Where a partition begins and ends now."""
        log = self[tp]
        return Bounds(log.begin, log.end)


class UnacknowledgedError(Exception):
    """No answer came: whether what was asked has been done, nobody knows."""


class BrokerLink(Protocol):
    """Between a worker and its broker."""

    async def ask(self, lane: Hashable, request: Callable[[], T]) -> T:
        """Have the broker do something, and bring its answer.

        What goes along the same lane is done in the order in which it was asked for, and done even
        where whoever asked does not wait any longer. Raises ``UnacknowledgedError``.
        """
        ...


class PromptConnection:
    """Everything is done at once, and answered in the next turn of the loop."""

    async def ask(self, lane: Hashable, request: Callable[[], T]) -> T:
        answer = request()
        await asyncio.sleep(0)
        return answer


class MemoryLog:
    """A worker's way to the logs. It dies where an append remains unacknowledged."""

    def __init__(
        self,
        broker: MemoryBroker,
        connection: BrokerLink,
        process: Process,
        *,
        read_at_once: int = 5_000,
    ) -> None:
        self._broker = broker
        self._connection = connection
        self._process = process
        self._read_at_once = read_at_once

    async def append(
        self, topic: str, partition: int, records: Iterable[ProducerRecord]
    ) -> list[Appended]:
        """Append in order, in as few batches as they fit into; returns when acknowledged.

        Raises ``TooLargeError`` for a record beyond a mebibyte.
        """
        tp = TopicPartition(topic, partition)
        appended = []
        for batch in _batches(records):
            try:
                appended.append(
                    await self._connection.ask(tp, partial(self._broker.append, tp, batch))
                )
            except UnacknowledgedError as error:
                self._process.die(f"A batch could not be written to {tp}", error)
        return appended

    @asynccontextmanager
    async def reader(self, is_needed: Callable[[], bool]) -> AsyncIterator["MemoryLogReader"]:
        """``is_needed`` is asked between reads: ``False`` ends the reading."""
        yield MemoryLogReader(self._broker, self._connection, is_needed, self._read_at_once)


class MemoryLogReader:
    """Reads whole partitions from end to end."""

    def __init__(
        self,
        broker: MemoryBroker,
        connection: BrokerLink,
        is_needed: Callable[[], bool],
        read_at_once: int,
    ) -> None:
        self._broker = broker
        self._connection = connection
        self._is_needed = is_needed
        self._read_at_once = read_at_once

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Where each partition begins and ends now. Raises ``UnavailableError``."""
        asked = list(tps)
        return await self._ask(lambda: {tp: self._broker.bounds(tp) for tp in asked})

    async def read(
        self, spans: Mapping[TopicPartition, Bounds]
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Record]]]:
        """All records of the spans, partition after partition, and possibly some beyond.

        Raises ``SupersededError`` as soon as they are not needed any more, ``UnavailableError``.
        """
        for tp, (position, end) in spans.items():
            while position < end:
                if not self._is_needed():
                    raise SupersededError
                records, position = await self._ask(
                    partial(self._broker[tp].read, position, self._read_at_once)
                )
                yield tp, records

    async def _ask(self, request: Callable[[], T]) -> T:
        try:
            return await self._connection.ask(self, request)
        except UnacknowledgedError as error:
            raise UnavailableError("the log did not answer") from error


def _batches(records: Iterable[ProducerRecord]) -> Iterator[list[ProducerRecord]]:
    batch: list[ProducerRecord] = []
    held = 0
    for record in records:
        size = len(record.key or b"") + len(record.value or b"")
        if size > _LARGEST_RECORD:
            raise TooLargeError(f"a record of {size} bytes")
        if batch and held + size > BATCH_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(record)
        held += size
    if batch:
        yield batch
