"""The ceiling: what fetching and decoding the records alone would allow, with nothing kept.

Reads a topic from its beginning with plain aiokafka, decodes every value with the contract's
decoder and forgets it. Prints one JSON line: ``{"events": …, "seconds": …, "events_per_s": …}``,
from the first request for records to the last event decoded.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from funnel_stream.contract.decode import Decoder

PATIENCE_S = 30.0
"""How long the topic may stay silent before the run is given up."""
MAX_RECORDS = 10_000
MAX_PARTITION_BYTES = 4 << 20


async def measure(broker: str, topic: str, events: int) -> dict[str, float]:
    """Consume and decode ``events`` records of ``topic``; ``TimeoutError`` if they do not come."""
    consumer = AIOKafkaConsumer(
        topic,
        group_id=None,
        bootstrap_servers=broker,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_PARTITION_BYTES,
    )
    decoder = Decoder()
    await consumer.start()
    try:
        done, began = 0, time.perf_counter()
        while done < events:
            fetched = await asyncio.wait_for(_fetch(consumer), PATIENCE_S)
            for records in fetched.values():
                decoder.decode([r.value for r in records], [r.timestamp for r in records])
                done += len(records)
        seconds = time.perf_counter() - began
    finally:
        await consumer.stop()
    return {"events": done, "seconds": seconds, "events_per_s": done / seconds}


async def _fetch(
    consumer: AIOKafkaConsumer,
) -> dict[TopicPartition, list[ConsumerRecord]]:
    while True:
        if fetched := await consumer.getmany(timeout_ms=1000, max_records=MAX_RECORDS):
            return fetched


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--topic", default="funnel.events")
    parser.add_argument("--events", type=int, required=True, help="how many records to read")
    arguments = parser.parse_args(argv)
    result = asyncio.run(measure(arguments.broker, arguments.topic, arguments.events))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
