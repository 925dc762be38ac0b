"""A worker refuses readably, instead of counting wrongly or starting again for ever."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.integration.processes import Broker, Process, Worker, free_port

pytestmark = pytest.mark.broker


def publish(broker: Broker, values: Iterable[tuple[str, dict[str, str]]]) -> None:
    producer = Producer({"bootstrap.servers": broker.address, "partitioner": "murmur2_random"})
    for deal, event in values:
        producer.produce("funnel.events", json.dumps(event).encode(), deal.encode())
        producer.poll(0)
    assert producer.flush(30) == 0


def lead(number: int, source: str = "web") -> tuple[str, dict[str, str]]:
    deal = f"D-{number}"
    return deal, {
        "event_id": f"e-{number}",
        "type": "stage_changed",
        "occurred_at": "2026-01-01T00:00:00Z",
        "deal_id": deal,
        "stage": "lead",
        "source": source,
    }


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FUNNEL_HTTP_PORT", "none", "FUNNEL_HTTP_PORT is 'none': it must be a port"),
        ("FUNNEL_BROKER", "kafka", "FUNNEL_BROKER is 'kafka': it must be host:port"),
        ("FUNNEL_CLOCK", "sun", "FUNNEL_CLOCK is 'sun': it must be wall or event"),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, started: list[Process], variable: str, value: str, message: str
) -> None:
    process = Process(tmp_path, "worker", **{variable: value})
    started.append(process)
    assert process.wait() == 1
    assert message in process.tail()
    assert "Traceback" not in process.tail()


def test_no_broker_is_said_so(tmp_path: Path, started: list[Process]) -> None:
    process = Worker(tmp_path, f"127.0.0.1:{free_port()}")
    started.append(process)
    assert process.wait() == 1
    assert "error: no broker answers at 127.0.0.1" in process.tail()
    assert "Traceback" not in process.tail()


def test_events_deleted_before_they_were_read_are_not_skipped(
    start_broker: Callable[..., Broker], start_worker: Callable[..., Worker]
) -> None:
    broker = start_broker(1)
    worker = start_worker(broker)
    publish(broker, [lead(1)])
    worker.wait_consumed(1)
    worker.sigterm()
    assert worker.wait() == 0

    # More than the embedded broker keeps of one partition.
    publish(broker, (lead(number, os.urandom(100).hex()) for number in range(2, 32_000)))
    worker = start_worker(broker)
    assert worker.wait() == 1
    assert "events of funnel.events/0 were deleted before they were read" in worker.tail()
    assert "the state ends before offset 1" in worker.tail()
