"""Nothing that a producer sends stops the worker, is lost, or spoils its neighbours."""

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from funnel_stream.replay.compute import as_record
from tests.integration.processes import Broker, Record, Worker, read_topic, wait_until
from tests.integration.stories import END, Story

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


def spent(number: int, **fields: Any) -> bytes:
    """A spend, which is nothing without its amount."""
    body = {
        "event_id": f"s{number}",
        "type": "spend_recorded",
        "channel": "web",
        "occurred_at": NOW.isoformat(),
        "amount": 10,
        "currency": "EUR",
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


KINDS: list[tuple[str, Callable[[int], bytes | None]]] = [
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
    ("too_large", lambda n: good(n, x="y" * 70_000)),
    ("missing_key", lambda n: None),
    ("currency_missing", lambda n: spent(n, currency=None)),
    ("unknown_currency", lambda n: spent(n, currency="ZZZ")),
    ("amount_out_of_range", lambda n: spent(n, amount=1e300)),
    ("invalid_amount", lambda n: spent(n, amount="ten")),
    ("invalid_amount", lambda n: spent(n, amount=-1)),
    ("wrong_type", lambda n: spent(n, amount=True)),
    ("not_json", lambda n: raw(n, "score", "NaN")),
    ("invalid_utf8", lambda n: good(n, channel="#").replace(b"#", b"\xff\xfe")),
    ("too_deep", lambda n: raw(n, "note", "[" * 20_000 + "]" * 20_000)),
]


class Sent(NamedTuple):
    """A record to be sent, and the reasons for which it may be refused (none for a good one)."""

    key: bytes | None
    value: bytes | None
    reasons: Collection[str] = ()
    partition: int = -1
    """-1: where the key belongs."""
    headers: tuple[tuple[str, bytes], ...] = ()


def bad(number: int) -> Sent:
    reason, make = KINDS[number % len(KINDS)]
    # NaN is no JSON, but some parsers know it; both names of the mistake are true.
    alike = {"not_json": {"not_json", "invalid_value"}, "amount_out_of_range": {"invalid_amount"}}
    value = make(number)
    # A null value with a key would be an erasure.
    key = (None, b"bad-%d" % number, b"\xff\x00%d" % number)[number % 3 if value is not None else 0]
    return Sent(key, value, {reason, *alike.get(reason, ())}, number % PARTITIONS)


def huge(number: int) -> Sent:
    """A value of 1 MB that no codec makes smaller."""
    return Sent(b"huge", random.Random(number).randbytes(1_000_000), {"too_large"}, number)


def misrouted_twice(number: int) -> Sent:
    headers = (("funnel.misrouted", b"funnel.events/9/9"),)
    return Sent(b"not its deal", good(number), {"misrouted"}, headers=headers)


def conflicting(line: bytes) -> Sent:
    """Another event with the id of this one."""
    event = json.loads(line)
    event["occurred_at"] = END.isoformat()
    key = as_record(0, line, 0).key
    return Sent(key, json.dumps(event).encode(), {"conflicting_duplicate"})


def mixed(lines: Sequence[bytes], rng: random.Random) -> list[Sent]:
    """The good ones in their order, with a thousand bad ones among them."""
    placed = [
        (float(place), Sent(as_record(0, line, 0).key, line)) for place, line in enumerate(lines)
    ]
    strays = [*map(huge, range(PARTITIONS)), *map(misrouted_twice, range(30))]
    originals = rng.sample(range(len(lines)), 30)
    # What contradicts an event comes after it: the first one seen counts.
    placed += [(rng.uniform(place, len(lines)), conflicting(lines[place])) for place in originals]
    strays += map(bad, range(BAD - len(strays) - len(originals)))
    placed += [(rng.uniform(0, len(lines)), each) for each in strays]
    placed.sort(key=itemgetter(0))
    return [sent for _, sent in placed]


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


@pytest.fixture(scope="module")
def good_ones(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("good"), story.lines[:GOOD])


def sending_mixed(good_ones: Story, broker: Broker, parts: int) -> Iterator[dict[bytes, Sent]]:
    """Send all in so many parts; gives the bad ones of each by the trace in their headers."""
    sender = Sender(broker)
    everything = list(enumerate(mixed(good_ones.lines, random.Random(4))))
    size = -(-len(everything) // parts)
    for part in range(parts):
        refused = {}
        for number, sent in everything[part * size : (part + 1) * size]:
            trace = b"%d" % number
            headers = [("trace", trace), *sent.headers, ("empty", b"")]
            sender.send(sent.key, sent.value, partition=sent.partition, headers=headers)
            if sent.reasons:
                refused[trace] = sent
        sender.finish()
        yield refused


def assert_all_in_dead_letters(
    refused: dict[bytes, Sent], found: list[Record], broker: Broker
) -> None:
    """Each letter says where it came from, and is what lies there, bytes and headers."""
    events = {(r.partition, r.offset): r for r in read_topic(broker.address, "funnel.events")}
    once = {source_of(letter): letter for letter in found}
    assert {dict(letter.headers)["trace"] for letter in once.values()} == refused.keys()
    assert len(once) == BAD
    wrong = []
    for source, letter in once.items():
        headers, original = dict(letter.headers), events[source]
        sent = refused[headers["trace"]]
        assert (letter.key, letter.value) == (original.key, original.value)
        assert (letter.key, letter.value) == (sent.key, sent.value)
        assert letter.headers[: len(original.headers)] == original.headers
        assert letter.partition == source[0]
        assert headers["__connect.errors.topic"] == b"funnel.events"
        assert headers["__connect.errors.exception.class.name"]
        assert headers["__connect.errors.exception.message"]
        if headers["funnel.error.reason"].decode() not in sent.reasons:
            wrong.append((sent.reasons, headers["funnel.error.reason"], str(sent.value)[:80]))
    assert wrong == []


def test_a_thousand_bad_records_among_ten_thousand_good_ones(
    broker: Broker, start_replay: Callable[[Broker], Worker], good_ones: Story
) -> None:
    assert len(KINDS) >= 20
    (refused,) = sending_mixed(good_ones, broker, parts=1)
    worker = start_replay(broker)
    worker.wait_consumed(GOOD + BAD)
    worker.wait_figures(good_ones.figures)
    assert worker.get("/healthz")[0] == 200
    found = letters(broker)
    assert len(found) == BAD
    assert_all_in_dead_letters(refused, found, broker)
    reasons = Counter(dict(letter.headers)["funnel.error.reason"].decode() for letter in found)
    counted = worker.metrics("funnel_events_rejected_total")
    assert reasons == {dict(labels)["reason"]: n for (_, labels), n in counted.items() if n}


def test_bad_records_and_kill_9_in_the_middle(
    broker: Broker, start_replay: Callable[[Broker], Worker], good_ones: Story
) -> None:
    refused: dict[bytes, Sent] = {}
    parts = sending_mixed(good_ones, broker, parts=3)
    # Something is left after each kill, however much of a part has been read by then.
    for _ in range(2):
        refused |= next(parts)
        worker = start_replay(broker)
        wait_until(worker.consumed, "the first records")
        worker.kill9()
    refused |= next(parts)
    worker = start_replay(broker)
    worker.wait_figures(good_ones.figures)
    # A kill may repeat dead letters. Their source tells which are the same.
    assert_all_in_dead_letters(refused, letters(broker), broker)


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


def test_no_deal_is_lost_over_its_amount(
    broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    sender = Sender(broker)
    amounts: list[dict[str, Any]] = [
        {"amount": "10.001", "currency": "EUR"},
        {"amount": 100.10000000000001, "currency": "eur"},
        {"amount": "1,234.00", "currency": "EUR"},
        {"amount": 5},
        {"amount": "5.00", "currency": "EUR"},
    ]
    for number, amount in enumerate(amounts):
        for _ in range(2):  # the second one is a duplicate, and not amended again
            sender.send(b"D-%d" % number, good(number, **amount))
    sender.finish()
    worker = start_worker(broker)
    worker.wait_until(lambda: leads(worker)() == 5, "5 leads")
    worker.wait_until(
        lambda: worker.metric("funnel_events_duplicate_total") == 5, "as many duplicates"
    )
    counted = {
        dict(labels)["reason"]: number
        for (_, labels), number in worker.metrics("funnel_events_amended_total").items()
    }
    assert counted == {"rounded_amount": 2, "currency_case": 1, "unreadable_amount": 2}
    assert letters(broker) == []
    values = {
        dict(labels)["currency"]: number
        for (metric, labels), number in (worker.kpis() or {}).items()
        if metric == "funnel_open_value" and dict(labels)["stage"] == "lead"
    }
    assert values == {"EUR": 115.1}


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
