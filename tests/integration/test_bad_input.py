"""Nothing that a producer sends stops the worker, is lost, or spoils its neighbours."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from funnel_stream.compute import as_record
from tests.integration.processes import Broker, Record, Worker, read_topic

pytestmark = pytest.mark.broker

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD = 10_000
BAD = 1_000
PARTITIONS = 4
MAX_BYTES = 4_000_000


def good(number: int, **fields: Any) -> bytes:
    body = {
        "event_id": f"g{number}",
        "type": "stage_changed",
        "deal_id": f"D-{number}",
        "stage": "lead",
        "occurred_at": NOW.isoformat(),
        "channel": ("web", "fair")[number % 2],
    }
    return json.dumps({**body, **fields}).encode()


def without(number: int, field: str) -> bytes:
    body = json.loads(good(number))
    del body[field]
    return json.dumps(body).encode()


def raw(number: int, field: str, text: str) -> bytes:
    """A good event whose field is this piece of JSON."""
    body = json.loads(good(number))
    body[field] = "@@"
    return json.dumps(body).replace('"@@"', text).encode()


KINDS: list[tuple[str, Callable[[int], bytes]]] = [
    ("not_json", lambda n: b"hello %d" % n),
    ("not_json", lambda n: b""),
    ("not_json", lambda n: good(n)[:-1]),
    ("not_json", lambda n: good(n) + b"," + good(n + 1)),
    ("not_an_object", lambda n: b"[%s]" % good(n)),
    ("not_an_object", lambda n: b"null"),
    ("not_an_object", lambda n: b'"text"'),
    ("not_an_object", lambda n: b"42"),
    ("missing_field", lambda n: without(n, "event_id")),
    ("missing_field", lambda n: without(n, "deal_id")),
    ("missing_field", lambda n: without(n, "stage")),
    ("missing_field", lambda n: without(n, "occurred_at")),
    ("missing_field", lambda n: without(n, "type")),
    ("wrong_type", lambda n: raw(n, "deal_id", "17")),
    ("wrong_type", lambda n: raw(n, "channel", '["web"]')),
    ("wrong_type", lambda n: raw(n, "problems", '"slow"')),
    ("wrong_type", lambda n: raw(n, "occurred_at", "1700000000")),
    ("unknown_type", lambda n: raw(n, "type", '"deal_sung"')),
    ("unknown_stage", lambda n: raw(n, "stage", '"dreaming"')),
    ("naive_timestamp", lambda n: raw(n, "occurred_at", '"2026-03-01T10:00:00"')),
    ("invalid_timestamp", lambda n: raw(n, "occurred_at", '"2026-02-30T10:00:00Z"')),
    ("invalid_timestamp", lambda n: raw(n, "occurred_at", '"yesterday"')),
    (
        "future_timestamp",
        lambda n: good(n, occurred_at=(NOW + timedelta(hours=9)).isoformat()),
    ),
    ("too_long", lambda n: good(n, deal_id="d" * 129)),
    ("too_long", lambda n: good(n, channel="c" * 1001)),
    (
        "too_large",
        lambda n: good(n, note="x" * 1_000_000) if n % 8 == 0 else good(n, x="y" * 70_000),
    ),
    ("currency_missing", lambda n: good(n, amount=10)),
    ("unknown_currency", lambda n: good(n, amount=10, currency="ZZZ")),
    ("too_many_decimals", lambda n: good(n, amount="10.001", currency="EUR")),
    ("amount_out_of_range", lambda n: raw(n, "currency", '"EUR", "amount": 1e300')),
    ("invalid_amount", lambda n: good(n, amount="ten", currency="EUR")),
    ("invalid_amount", lambda n: good(n, amount=-1, currency="EUR")),
    ("not_json", lambda n: raw(n, "score", "NaN")),
    ("invalid_utf8", lambda n: good(n, channel="#").replace(b"#", b"\xff\xfe")),
    ("too_deep", lambda n: raw(n, "note", "[" * 20_000 + "]" * 20_000)),
]


def bad(number: int) -> tuple[set[str], bytes]:
    """Acceptable reasons and a value."""
    reason, make = KINDS[number % len(KINDS)]
    # NaN is no JSON, but some parsers know it; both names of the mistake are true.
    alike = {"not_json": {"not_json", "invalid_value"}, "amount_out_of_range": {"invalid_amount"}}
    return {reason, *alike.get(reason, ())}, make(number)


class Sender:
    def __init__(self, broker: Broker) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": broker.address,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "message.max.bytes": MAX_BYTES,
                "linger.ms": 50,
                "log_level": 2,
            }
        )

    def send(self, key: bytes | None, value: bytes | None, **options: Any) -> None:
        self._producer.produce("funnel.events", value, key, **options)

    def finish(self) -> None:
        assert self._producer.flush(60) == 0


def letters(broker: Broker) -> list[Record]:
    return read_topic(broker.address, "funnel.events.dlq")


def source_of(letter: Record) -> tuple[int, int]:
    headers = dict(letter.headers)
    return (
        int(headers["__connect.errors.partition"]),
        int(headers["__connect.errors.offset"]),
    )


def leads(worker: Worker) -> Callable[[], float | None]:
    def found() -> float | None:
        labels = {"pipeline": "default", "window": "24h"}
        return (worker.kpis(window="24h") or {}).get(("funnel_leads", frozenset(labels.items())))

    return found


def shuffled(rng: random.Random) -> Iterator[tuple[bytes, bytes, set[str]]]:
    """Key, value and reasons (none for a good one)."""
    everything: list[tuple[bytes, bytes, set[str]]] = [
        (b"D-%d" % number, good(number), set()) for number in range(GOOD)
    ]
    for number in range(BAD):
        reasons, value = bad(number)
        everything.append((b"bad-%d" % number, value, reasons))
    rng.shuffle(everything)
    yield from everything


def test_a_thousand_bad_records_among_ten_thousand_good_ones(
    broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    sender = Sender(broker)
    sent = {}
    for key, value, reasons in shuffled(random.Random(4)):
        sender.send(key, value, headers=[("trace", key)])
        if reasons:
            sent[key] = value, reasons
    sender.finish()
    assert len(KINDS) >= 20

    worker = start_worker(broker)
    worker.wait_until(lambda: leads(worker)() == GOOD, f"{GOOD} leads")
    # Killed and restarted, it neither counts nor forgets any of them twice.
    worker.kill9()
    worker = start_worker(broker)
    worker.wait_until(lambda: leads(worker)() == GOOD, f"{GOOD} leads after a restart")
    wrong = []
    found = {source_of(letter): letter for letter in letters(broker)}
    assert len(found) == len({letter.key for letter in found.values()}) == BAD
    events = {(r.partition, r.offset): r for r in read_topic(broker.address, "funnel.events")}
    for source, letter in found.items():
        headers = dict(letter.headers)
        assert letter.key is not None
        value, reasons = sent[letter.key]
        original = events[source]
        assert (letter.key, letter.value) == (original.key, original.value)
        assert letter.value == value
        assert letter.partition == source[0]
        assert headers["trace"] == letter.key
        assert headers["__connect.errors.topic"] == b"funnel.events"
        assert headers["__connect.errors.exception.class.name"]
        assert headers["__connect.errors.exception.message"]
        if headers["funnel.error.reason"].decode() not in reasons:
            wrong.append((letter.key, reasons, headers["funnel.error.reason"], value[:80]))
    assert wrong == []


def test_good_events_in_the_wrong_place_count_once_where_they_belong(
    broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    sender = Sender(broker)
    for number in range(40):
        sender.send(b"wrong-%d" % number, good(number))
    for number in range(40, 70):
        sender.send(None, good(number))
    for number in range(70, 100):
        # All on one partition, where three of four keys do not belong.
        sender.send(b"D-%d" % number, good(number), partition=2)
    sender.finish()
    worker = start_worker(broker)
    worker.wait_until(lambda: leads(worker)() == 100, "100 leads")
    records = read_topic(broker.address, "funnel.events")
    moved = [r for r in records if dict(r.headers).get("funnel.misrouted")]
    assert len(moved) == worker.metric("funnel_events_misrouted_total") > 70
    for record in moved:
        assert record.value is not None
        assert record.key == as_record(0, record.value, 0).key
    counted = Counter(json.loads(r.value)["deal_id"] for r in moved if r.value)
    assert set(counted.values()) == {1}
    assert letters(broker) == []
    # Everything that comes for a deal later finds it, also under its right key.
    for number in range(100):
        sender.send(b"D-%d" % number, good(number, event_id=f"w{number}", stage="won"))
    sender.finish()
    won = (
        "funnel_deals_closed",
        frozenset({"pipeline": "default", "window": "24h", "outcome": "won"}.items()),
    )
    worker.wait_until(lambda: (worker.kpis(window="24h") or {}).get(won) == 100, "100 won")


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(
    broker: Broker, start_worker: Callable[..., Worker], codec: str
) -> None:
    producer = Producer(
        {"bootstrap.servers": broker.address, "compression.type": codec, "linger.ms": 50}
    )
    for number in range(500):
        producer.produce("funnel.events", good(number), b"D-%d" % number)
    producer.produce("funnel.events", None, b"D-7")
    assert producer.flush(30) == 0
    worker = start_worker(broker)
    worker.wait_until(lambda: leads(worker)() == 499, "499 leads: one deal is erased")
