"""Reading whole partitions from end to end, outside of any consumer group."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

_MAX_RECORDS: Final = 5_000


class Bounds(NamedTuple):
    """First offset there is, and the one that the next record will get."""

    begin: int
    end: int


class SupersededError(Exception):
    """Another assignment has begun; what is being built is of no use."""


class LogReader:
    """A consumer without a group. ``wanted`` is asked between reads: ``False`` ends the reading."""

    def __init__(self, broker: str, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=broker,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
        )

    async def __aenter__(self) -> "LogReader":
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Where each partition begins and ends now."""
        wanted = list(tps)
        begins = await self._consumer.beginning_offsets(wanted)
        ends = await self._consumer.end_offsets(wanted)
        return {tp: Bounds(begins[tp], ends[tp]) for tp in wanted}

    async def read(
        self, spans: Mapping[TopicPartition, Bounds]
    ) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
        """All records of the spans, in order per partition, and possibly some beyond.

        Raises ``SupersededError`` as soon as they are not wanted any more.
        """
        left = {tp: span for tp, span in spans.items() if span.begin < span.end}
        self._consumer.assign(list(left))
        for tp, span in left.items():
            self._consumer.seek(tp, span.begin)
        while left:
            if not self._wanted():
                raise SupersededError
            found = await self._consumer.getmany(*left, timeout_ms=500, max_records=_MAX_RECORDS)
            for tp, records in found.items():
                yield tp, records
            for tp in list(left):
                if await self._consumer.position(tp) >= left[tp].end:
                    del left[tp]
                    self._consumer.pause(tp)
