"""Batches out and partitions in, by the protocol, against the embedded broker."""

from collections.abc import Iterator

import pytest

from funnel_stream.connection import Connection
from funnel_stream.errors import BrokerError
from funnel_stream.streaming.kafka.log import KafkaLog
from funnel_stream.streaming.kafka.options import options_of
from funnel_stream.streaming.log import (
    BATCH_BYTES,
    Appended,
    Bounds,
    ProducerRecord,
    SupersededError,
    TooLargeError,
    TopicPartition,
    UnavailableError,
)
from funnel_stream.tools.embedded_broker import EmbeddedBroker
from tests.unit.streaming.worlds import DeathError, RecordedProcess

TP = TopicPartition("log", 1)

# Of the protocol: an API, and two of its errors.
_PRODUCE, _MESSAGE_TOO_LARGE, _NOT_AUTHORIZED = 0, 10, 29


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with EmbeddedBroker({"log": 2, "large": 2}) as broker:
        yield broker.address


async def test_what_was_appended_is_read(address: str) -> None:
    log = KafkaLog(options_of(Connection(address)), RecordedProcess())
    await log.start()
    records = [ProducerRecord(b"a", b"1", [("h", b"x")], 5), ProducerRecord(b"b", None, [], 6)]
    [appended] = await log.append(*TP, records)
    begin = appended.offset
    assert appended == Appended(begin, 2)
    async with log.reader(lambda: True) as reader:
        bounds = await reader.bounds([TP])
        assert bounds == {TP: Bounds(0, begin + 2)}
        found = [record async for tp, some in reader.read(bounds) for record in some if tp == TP]
    assert [(r.offset, r.key, r.value, r.timestamp) for r in found[-2:]] == [
        (begin, b"a", b"1", 5),
        (begin + 1, b"b", None, 6),
    ]
    assert [tuple(header) for header in found[-2].headers] == [("h", b"x")]
    await log.stop()


async def test_what_does_not_fit_into_a_batch_goes_into_several(address: str) -> None:
    log = KafkaLog(options_of(Connection(address)), RecordedProcess())
    await log.start()
    some = [ProducerRecord(b"k", bytes(BATCH_BYTES // 3), [], 1)] * 4
    appended = await log.append("large", 0, some)
    assert [each.records for each in appended] == [2, 2]
    assert await log.append("large", 0, []) == []
    await log.stop()


async def test_a_reader_that_is_not_needed_stops(address: str) -> None:
    log = KafkaLog(options_of(Connection(address)), RecordedProcess())
    await log.start()
    await log.append("large", 1, [ProducerRecord(b"k", b"v", [], 1)])
    async with log.reader(lambda: False) as reader:
        bounds = await reader.bounds([TopicPartition("large", 1)])
        with pytest.raises(SupersededError):
            await anext(reader.read(bounds))
        assert [each async for each in reader.read({TP: Bounds(3, 3)})] == []
    await log.stop()


async def test_what_the_broker_refuses_for_its_size_is_told() -> None:
    with EmbeddedBroker({"log": 2}) as broker:
        log = KafkaLog(options_of(Connection(broker.address)), RecordedProcess())
        await log.start()
        broker.push_errors(_PRODUCE, _MESSAGE_TOO_LARGE)
        with pytest.raises(TooLargeError):
            await log.append(*TP, [ProducerRecord(b"k", b"v", [], 1)])
        await log.stop()


async def test_of_any_other_refusal_the_process_dies() -> None:
    with EmbeddedBroker({"log": 2}) as broker:
        process = RecordedProcess()
        log = KafkaLog(options_of(Connection(broker.address)), process)
        await log.start()
        broker.push_errors(_PRODUCE, _NOT_AUTHORIZED)
        with pytest.raises(DeathError):
            await log.append(*TP, [ProducerRecord(b"k", b"v", [], 1)])
        assert process.deaths == ["A batch could not be written to log/1"]
        await log.stop()


async def test_a_broker_that_does_not_answer_is_told() -> None:
    log = KafkaLog(options_of(Connection("127.0.0.1:9")), RecordedProcess())
    with pytest.raises(BrokerError, match="cannot be reached"):
        await log.start()
    with pytest.raises(UnavailableError):
        async with log.reader(lambda: True):
            pass
