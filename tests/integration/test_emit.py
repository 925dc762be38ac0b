"""``publish`` and ``funnel-stream emit``: what was in the file lies in the topic, in its place."""

import json
import time
from collections import defaultdict
from pathlib import Path

import pytest

from funnel_stream.errors import BrokerError
from funnel_stream.tools.embedded_broker import EmbeddedBroker
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, read_topic, run

pytestmark = pytest.mark.broker

EVENTS = [
    b'{"type": "stage_changed", "deal_id": "D-%d", "stage": "lead", "event_id": "%d"}'
    % (number % 100, number)
    for number in range(1_000)
]
UNKEYED = [
    b"no JSON at all",
    b"{}",
    b"[]",
    b"42",
    b'{"deal_id": 7}',
    b'{"deal_id": null}',
    b'{"type": "spend_recorded", "deal_id": "a spend has a channel"}',
    b'{"deal_id": "\xff"}',
]
MURMUR2 = {  # as in the tests of Apache Kafka
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}


def test_events_lie_where_java_would_put_them() -> None:
    with EmbeddedBroker({"funnel.events": 50}) as broker:
        publish([json.dumps({"deal_id": key}).encode() for key in MURMUR2], broker.address)
        found = {
            record.key.decode(): record.partition
            for record in read_topic(broker.address, "funnel.events")
            if record.key
        }
    assert found == {key: (hash_ & 0x7FFFFFFF) % 50 for key, hash_ in MURMUR2.items()}


def test_keys_and_null_values() -> None:
    lines = [
        b'{"type": "deal_updated", "deal_id": "\xc5\xbb-1"}',
        b'  {"type": "spend_recorded", "channel": "tv"}\r\n',
        b'{"type": "deal_erased", "deal_id": "gone"}\n',
        b"   ",
    ]
    with EmbeddedBroker() as broker:
        assert publish(lines, broker.address) == (3, 0)
        found = read_topic(broker.address, "funnel.events")
    assert {(record.key, record.value) for record in found} == {
        ("Ż-1".encode(), lines[0]),
        (b"tv", lines[1].strip()),
        (b"gone", None),
    }


def test_what_names_nothing_is_published_without_a_key() -> None:
    """The dead letters are the place that says what is wrong with it."""
    with EmbeddedBroker() as broker:
        assert publish([*EVENTS, *UNKEYED], broker.address) == (1_008, 8)
        found = read_topic(broker.address, "funnel.events")
    assert sorted(record.value for record in found if record.key is None) == sorted(UNKEYED)


def test_the_events_of_a_deal_keep_their_order() -> None:
    with EmbeddedBroker() as broker:
        publish(EVENTS, broker.address)
        found: dict[bytes, list[bytes]] = defaultdict(list)
        for record in read_topic(broker.address, "funnel.events"):
            found[record.key].append(record.value)
    assert found == {b"D-%d" % deal: EVENTS[deal::100] for deal in range(100)}


def test_records_carry_the_time_of_publishing() -> None:
    with EmbeddedBroker() as broker:
        before = time.time_ns() // 1_000_000
        publish(EVENTS[:10], broker.address)
        after = time.time_ns() // 1_000_000
        times = [record.timestamp for record in read_topic(broker.address, "funnel.events")]
    assert before <= min(times) <= max(times) <= after


def test_events_travel_compressed() -> None:
    """8 MB fit into a partition that keeps 5 MiB as sent."""
    with EmbeddedBroker({"funnel.events": 1}) as broker:
        publish([line.ljust(8_000, b" ") + b"." for line in EVENTS], broker.address)
        assert len(read_topic(broker.address, "funnel.events")) == 1_000


def test_a_rate_is_kept() -> None:
    seen: list[int] = []
    with EmbeddedBroker() as broker:
        started = time.monotonic()
        publish(EVENTS[:20], broker.address, rate=40, on_progress=seen.append)
        assert time.monotonic() - started >= 19 / 40
    assert seen[-1] == 20


def test_a_line_of_1_mb_goes_through_and_one_no_broker_takes_is_named() -> None:
    large, larger = b"x" * 1_000_000, b"x" * 9_000_000
    with EmbeddedBroker() as broker:
        publish([large], broker.address)
        with pytest.raises(BrokerError, match=r"line 3 cannot .*: Broker: Message size too large"):
            publish([EVENTS[0], b"", larger], broker.address)
        assert large in {record.value for record in read_topic(broker.address, "funnel.events")}


def test_emit_tells_what_it_did(broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([*EVENTS, b"{}"]))
    told = run("emit", str(file), "--broker", broker.address, "--json")
    assert told.returncode == 0
    summary = json.loads(told.stdout)
    assert summary.pop("seconds") >= 0
    assert summary == {"lines": 1_001, "without_key": 1, "topic": "funnel.events"}
    assert len(read_topic(broker.address, "funnel.events")) == 1_001

    piped = run("emit", "-", "--topic", "elsewhere", stdin="{}", FUNNEL_BROKER=broker.address)
    assert piped.returncode == 0
    assert piped.stdout.startswith("published 1 event to elsewhere in ")
    assert piped.stderr == "1 of them name no deal: look for them in the dead-letter topic\n"
    assert [record.value for record in read_topic(broker.address, "elsewhere")] == [b"{}"]


def test_emit_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(EVENTS[0])
    nowhere = run("emit", str(file), "--broker", "127.0.0.1:1")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "no broker answers at 127.0.0.1:1" in nowhere.stderr
    missing = run("emit", str(tmp_path / "missing"), "--broker", "127.0.0.1:1")
    assert missing.returncode == 2
    assert "cannot be read" in missing.stderr
    assert run("emit", str(file), "--rate", "0").returncode == 2
