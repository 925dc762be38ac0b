"""Record batches out: each is appended to its log whole or not at all."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from funnel_stream.errors import BrokerError
from funnel_stream.streaming.failure import die

BATCH_BYTES: Final = 900_000
"""Uncompressed size at which a batch is full; brokers take 1 MiB (compressed) by default."""

_STOP_SECONDS: Final = 3.0

Headers = list[tuple[str, bytes]]
_NO_HEADERS: Final[Headers] = []


class Row(NamedTuple):
    """One record to be written; ``timestamp`` in milliseconds, ``None`` for now."""

    key: bytes | None
    value: bytes | None
    headers: Headers = _NO_HEADERS
    timestamp: int | None = None


class Appended(NamedTuple):
    """Where an acknowledged batch lies."""

    offset: int
    rows: int


class TooLargeError(Exception):
    """The broker does not take a record of this size."""


class Writer:
    """An idempotent producer of whole batches. Any error that remains ends the process."""

    def __init__(self, broker: str, *, request_timeout_ms: int = 40_000) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=broker,
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

    async def partitions(self, topic: str) -> int:
        """Number of partitions of a topic."""
        return len(await self._producer.partitions_for(topic))

    async def append(self, topic: str, partition: int, rows: Iterable[Row]) -> list[Appended]:
        """Append rows in order, in as few batches as they fit into; returns when acknowledged.

        One batch is atomic. Several are not: they are sent one after the other, so that a reader
        sees a beginning of them. Raises ``TooLargeError`` for a record beyond the broker's limit.
        """
        appended = []
        batch = _Batch(self._producer)
        for row in rows:
            if not batch.add(row):
                appended.append(await self._send(batch, topic, partition))
                batch = _Batch(self._producer)
                batch.add(row)
        if batch.rows:
            appended.append(await self._send(batch, topic, partition))
        return appended

    async def _send(self, batch: "_Batch", topic: str, partition: int) -> Appended:
        try:
            acknowledged = await self._producer.send_batch(
                batch.builder, topic, partition=partition
            )
            metadata = await acknowledged
        except MessageSizeTooLargeError as error:
            raise TooLargeError(f"{topic}/{partition} takes no record of that size") from error
        except KafkaError as error:
            die(f"A batch could not be written to {topic}/{partition}", error)
        # The broker would not see the difference, but a reader of offsets must.
        return Appended(-1 if metadata.offset is None else metadata.offset, batch.rows)


class _Batch:
    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.builder: Any = producer.create_batch()
        self.rows = 0
        self._now = int(time.time() * 1000)

    def add(self, row: Row) -> bool:
        """``False`` if it is full; the first row always fits."""
        timestamp = self._now if row.timestamp is None else row.timestamp
        added = self.builder.append(
            key=row.key, value=row.value, timestamp=timestamp, headers=row.headers
        )
        if added is None:
            return False
        self.rows += 1
        return True
