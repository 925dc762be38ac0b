"""Publishing events: lines of JSON to Kafka records, keyed as the contract says."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, Producer

from funnel_stream.errors import BrokerError
from funnel_stream.replay.compute import LineRecord, as_record

EVENTS_TOPIC: Final = "funnel.events"
_CONNECT_SECONDS: Final = 5.0
_BULK_LINGER_MS: Final = 200
_LIVE_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 900_000
_FLUSH_SECONDS: Final = 60.0
_REPORT_EVERY: Final = 1_000


class Published(NamedTuple):
    """How many lines were published, and how many of them had no key to find."""

    lines: int
    without_key: int


def publish(
    lines: Iterable[bytes],
    broker: str,
    *,
    topic: str = EVENTS_TOPIC,
    rate: float | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Published:
    """Publish every line in order, at most ``rate`` a second; returns when all are acknowledged.

    The key is the deal's id (the channel of a spend), the partition Java's default (murmur2), an
    erasure a null value, with the time that it names as its timestamp. A line that names nothing
    goes out without a key, so that the dead letters show it. ``on_progress`` is given the number
    of lines so far. Raises ``BrokerError``.
    """
    failures: list[str] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            failures.append(error.str())

    producer = _connected(broker, linger_ms=_BULK_LINGER_MS if rate is None else _LIVE_LINGER_MS)
    started = time.monotonic()
    count = without_key = 0
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line:
            continue
        record = as_record(count, line, time.time_ns() // 1_000_000)
        without_key += record.key is None
        try:
            _produce(producer, topic, record, delivered)
        except KafkaException as error:
            why = error.args[0].str()
            raise BrokerError(f"line {number} cannot be published to {topic}: {why}") from error
        count += 1
        if rate is not None:
            _wait(producer, started + count / rate)
        if count % _REPORT_EVERY == 0 or rate is not None:
            producer.poll(0)
            if on_progress:
                on_progress(count)
        if failures:
            break
    left = producer.flush(_FLUSH_SECONDS)
    if failures or left:
        why = failures[0] if failures else f"{left} records were not acknowledged in time"
        raise BrokerError(f"{broker} did not accept the events: {why}")
    if on_progress:
        on_progress(count)
    return Published(count, without_key)


def _wait(producer: Producer, due: float) -> None:
    """Until a monotonic instant; ``poll`` comes back early, at every report of a delivery."""
    while (left := due - time.monotonic()) > 0:
        producer.poll(min(0.1, left))


def _connected(broker: str, *, linger_ms: int) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "batch.size": _BATCH_BYTES,
            # A single larger line is for the broker to refuse; batches stay at batch.size, 1 MB.
            "message.max.bytes": 8_000_000,
            "queue.buffering.max.messages": 500_000,
            "message.timeout.ms": 120_000,
            "log_level": 2,
        }
    )
    try:
        producer.list_topics(timeout=_CONNECT_SECONDS)
    except KafkaException as error:
        raise BrokerError(
            f"no broker answers at {broker}",
            hint="Is it running? `funnel-stream broker` starts one for trials.",
        ) from error
    return producer


def _produce(
    producer: Producer, topic: str, record: LineRecord, delivered: Callable[[Any, Any], None]
) -> None:
    while True:
        try:
            producer.produce(
                topic,
                record.value,
                record.key,
                on_delivery=delivered,
                timestamp=record.timestamp,
            )
        except BufferError:
            producer.poll(0.1)
        else:
            return
