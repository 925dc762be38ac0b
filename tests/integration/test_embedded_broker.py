"""The embedded broker is Kafka enough: topics, records, faults, another process."""

import json
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from funnel_stream.tools.embedded_broker import EmbeddedBroker
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, read_topic, run

pytestmark = pytest.mark.broker

EVENTS = [
    b'{"type": "stage_changed", "deal_id": "D-%d", "stage": "lead"}' % number
    for number in range(100)
]


def test_topics_have_the_partitions_asked_for() -> None:
    with EmbeddedBroker({"mine": 7}) as broker:
        topics = Producer({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics
        assert len(topics["mine"].partitions) == 7


def test_a_broker_that_was_down_comes_back_with_its_data() -> None:
    with EmbeddedBroker() as broker:
        publish(EVENTS, broker.address)
        broker.down()
        broker.up()
        publish(EVENTS, broker.address)
        assert len(read_topic(broker.address, "funnel.events")) == 200


def test_events_lie_where_java_would_put_them() -> None:
    """Kafka's own vectors of murmur2, and every record of a key in one partition."""
    with EmbeddedBroker({"funnel.events": 50}) as broker:
        # murmur2 of the key, made positive, modulo the partitions, as in the tests of Apache Kafka.
        vectors = {
            "21": -973932308,
            "foobar": -790332482,
            "a-little-bit-long-string": -985981536,
            "a-little-bit-longer-string": -1486304829,
        }
        publish([json.dumps({"deal_id": key}).encode() for key in vectors], broker.address)
        found = {
            record.key.decode(): record.partition
            for record in read_topic(broker.address, "funnel.events")
            if record.key
        }
        assert found == {key: (hash_ & 0x7FFFFFFF) % 50 for key, hash_ in vectors.items()}


def test_keys_and_null_values(broker: Broker) -> None:
    lines = [
        b'{"type": "deal_updated", "deal_id": "\xc5\xbb-1"}',
        b'{"type": "spend_recorded", "channel": "tv"}',
        b'{"type": "deal_erased", "deal_id": "gone"}',
        b"no JSON at all",
        b"   ",
    ]
    assert publish(lines, broker.address) == (4, 1)
    found = {(record.key, record.value) for record in read_topic(broker.address, "funnel.events")}
    assert found == {
        ("Ż-1".encode(), lines[0]),
        (b"tv", lines[1]),
        (b"gone", None),
        (None, lines[3]),
    }


def test_emit_tells_what_it_did(broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([*EVENTS, b"{}"]))
    result = run("emit", str(file), "--broker", broker.address, "--json")
    assert result.returncode == 0
    summary = json.loads(result.stdout)
    assert (summary["lines"], summary["without_key"]) == (101, 1)
    assert len(read_topic(broker.address, "funnel.events")) == 101


def test_emit_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(EVENTS[0])
    nowhere = run("emit", str(file), "--broker", "127.0.0.1:1")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "no broker answers at 127.0.0.1:1" in nowhere.stderr
    missing = run("emit", str(tmp_path / "missing"), "--broker", "127.0.0.1:1")
    assert missing.returncode == 2
    assert "cannot be read" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_broker_ends_when_asked(broker: Broker, number: signal.Signals) -> None:
    broker.send(number)
    assert broker.wait() == 0
