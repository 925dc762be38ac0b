"""Nothing that a producer sends stops the worker, is lost, or spoils its neighbours."""

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from funnel_stream.replay.compute import as_record
from tests import funnels
from tests.integration.processes import Broker, Record, Worker, read_topic
from tests.integration.stories import END, Story

pytestmark = pytest.mark.broker

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD = 10_000
BAD = 1_000
PARTITIONS = 4
MAX_BYTES = 4_000_000


def good(number: int, **fields: Any) -> bytes:
    channel = ("web", "fair")[number % 2]
    lead = funnels.stage(
        f"D-{number}", "lead", NOW.isoformat(), event_id=f"g{number}", channel=channel
    )
    return json.dumps(lead | fields).encode()


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


def send_mixed(good_ones: Story, broker: Broker) -> dict[bytes, Sent]:
    """Send all; gives the bad ones by the trace in their headers."""
    sender = Sender(broker)
    refused = {}
    for number, sent in enumerate(mixed(good_ones.lines, random.Random(4))):
        trace = b"%d" % number
        headers = [("trace", trace), *sent.headers, ("empty", b"")]
        sender.send(sent.key, sent.value, partition=sent.partition, headers=headers)
        if sent.reasons:
            refused[trace] = sent
    sender.finish()
    return refused


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
    refused = send_mixed(good_ones, broker)
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


def test_every_compression_is_read(broker: Broker, start_worker: Callable[..., Worker]) -> None:
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    for first, codec in enumerate(codecs):
        producer = Producer(
            {"bootstrap.servers": broker.address, "compression.type": codec, "linger.ms": 50}
        )
        for number in range(500 * first, 500 * first + 500):
            producer.produce("funnel.events", good(number), b"D-%d" % number)
        producer.produce("funnel.events", None, b"D-%d" % (500 * first + 7))
        assert producer.flush(30) == 0
    worker = start_worker(broker)
    expected = 499 * len(codecs)
    worker.wait_until(
        lambda: leads(worker)() == expected, "the leads: one deal of each codec is erased"
    )
