"""Record batches out, each appended whole or not at all; and whole partitions in, outside of any
group."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from funnel_stream.errors import BrokerError
from funnel_stream.facts.deals import Record
from funnel_stream.streaming.kafka.options import AiokafkaOptions
from funnel_stream.streaming.log import (
    BATCH_BYTES,
    Appended,
    Bounds,
    Process,
    ProducerRecord,
    SupersededError,
    TooLargeError,
    TopicPartition,
    UnavailableError,
)

_STOP_SECONDS: Final = 3.0
_READ_AT_ONCE: Final = 5_000


class KafkaLog:
    """An idempotent producer of whole batches. Any error that remains ends the process."""

    def __init__(
        self, options: AiokafkaOptions, process: Process, *, request_timeout_ms: int = 40_000
    ) -> None:
        self._options = options
        self._process = process
        self._producer = AIOKafkaProducer(
            **options,
            enable_idempotence=True,
            acks="all",
            # As aiokafka sets them, zstd is three times as fast as lz4 (level 9) and denser.
            compression_type="zstd",
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=request_timeout_ms,
        )

    async def start(self) -> None:
        """Connect. Raises ``BrokerError``."""
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise BrokerError(f"the broker cannot be reached: {error}") from error

    async def stop(self) -> None:
        """Close, without waiting for a broker that is gone."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._producer.stop(), _STOP_SECONDS)

    def reader(self, is_needed: Callable[[], bool]) -> "KafkaLogReader":
        """``is_needed`` is asked between reads: ``False`` ends the reading."""
        return KafkaLogReader(self._options, is_needed)

    async def append(
        self, topic: str, partition: int, records: Iterable[ProducerRecord]
    ) -> list[Appended]:
        """Append in order, in as few batches as they fit into; returns when acknowledged.

        Raises ``TooLargeError`` for a record beyond the broker's limit.
        """
        appended = []
        batch = _BatchBuilder(self._producer)
        for record in records:
            if not batch.add(record):
                appended.append(await self._send(batch, topic, partition))
                batch = _BatchBuilder(self._producer)
                batch.add(record)
        if batch.records:
            appended.append(await self._send(batch, topic, partition))
        return appended

    async def _send(self, batch: "_BatchBuilder", topic: str, partition: int) -> Appended:
        try:
            acknowledged = await self._producer.send_batch(
                batch.builder, topic, partition=partition
            )
            metadata = await acknowledged
        except MessageSizeTooLargeError as error:
            raise TooLargeError(f"{topic}/{partition} takes no record of that size") from error
        except KafkaError as error:
            self._process.die(f"A batch could not be written to {topic}/{partition}", error)
        # The broker would not see the difference, but a reader of offsets must.
        return Appended(-1 if metadata.offset is None else metadata.offset, batch.records)


class _BatchBuilder:
    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.builder: Any = producer.create_batch()
        self.records = 0
        self._now = int(time.time() * 1000)

    def add(self, record: ProducerRecord) -> bool:
        """``False`` if it is full; the first row always fits."""
        timestamp = self._now if record.timestamp is None else record.timestamp
        added = self.builder.append(
            key=record.key, value=record.value, timestamp=timestamp, headers=record.headers
        )
        if added is None:
            return False
        self.records += 1
        return True


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(str(error)) from error


class KafkaLogReader:
    """A consumer without a group."""

    def __init__(self, options: AiokafkaOptions, is_needed: Callable[[], bool]) -> None:
        self._is_needed = is_needed
        self._consumer = AIOKafkaConsumer(
            **options,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
        )

    async def __aenter__(self) -> Self:
        with _unavailable():
            await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with _unavailable():
            await self._consumer.stop()

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Where each partition begins and ends now. Raises ``UnavailableError``."""
        asked = {tp: aiokafka.TopicPartition(*tp) for tp in tps}
        with _unavailable():
            begins = await self._consumer.beginning_offsets(list(asked.values()))
            ends = await self._consumer.end_offsets(list(asked.values()))
        return {tp: Bounds(begins[same], ends[same]) for tp, same in asked.items()}

    async def read(
        self, spans: Mapping[TopicPartition, Bounds]
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Record]]]:
        """All records of the spans, in order per partition, and possibly some beyond.

        Raises ``SupersededError`` as soon as they are not needed any more, ``UnavailableError``
        where the broker does not answer.
        """
        left = {
            aiokafka.TopicPartition(*tp): span
            for tp, span in spans.items()
            if span.begin < span.end
        }
        with _unavailable():
            self._consumer.assign(list(left))
            for tp, span in left.items():
                self._consumer.seek(tp, span.begin)
        while left:
            if not self._is_needed():
                raise SupersededError
            with _unavailable():
                found = await self._consumer.getmany(
                    *left, timeout_ms=500, max_records=_READ_AT_ONCE
                )
            for tp, records in found.items():
                yield TopicPartition(*tp), records
            for tp in list(left):
                with _unavailable():
                    position = await self._consumer.position(tp)
                if position >= left[tp].end:
                    del left[tp]
                    self._consumer.pause(tp)
