"""Stand-ins for the Kafka side: a log in memory that appends as a broker does."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka.structs import ConsumerRecord

from funnel_stream.streaming.log import Appended, ProducerRecord


@dataclass
class RecordedLog:
    """A ``Log`` of partition, every batch whole."""

    records: list[ConsumerRecord] = field(default_factory=list)
    batches: list[list[ProducerRecord]] = field(default_factory=list)

    async def append(
        self, topic: str, partition: int, rows: Iterable[ProducerRecord]
    ) -> list[Appended]:
        batch = list(rows)
        self.batches.append(batch)
        begin = len(self.records)
        for row in batch:
            self.records.append(
                ConsumerRecord(
                    topic,
                    partition,
                    len(self.records),
                    0,
                    0,
                    row.key,
                    row.value,
                    None,
                    0,
                    0,
                    tuple(row.headers),
                )
            )
        return [Appended(begin, len(batch))]
