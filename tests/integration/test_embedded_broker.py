"""The embedded broker is Kafka enough: topics, records, groups, faults, another process."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Producer

from funnel_stream.errors import BrokerError
from funnel_stream.tools import embedded_broker
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from tests.integration.processes import Broker, read_topic, run

pytestmark = pytest.mark.broker

TOPIC = "mine"
PRODUCE = 0  # the API key of Kafka's protocol
NOT_LEADER = 6


async def until(probe: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not probe():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


@asynccontextmanager
async def producer(
    broker: EmbeddedBroker, codec: str | None = None
) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(
        bootstrap_servers=broker.address, enable_idempotence=True, compression_type=codec
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def partitions_of(broker: EmbeddedBroker) -> dict[str, int]:
    topics = Producer({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in topics.items()}


def test_topics_have_the_partitions_asked_for() -> None:
    with EmbeddedBroker({TOPIC: 7}) as broker:
        broker.create_topic("another", 33)
        assert partitions_of(broker) == {TOPIC: 7, "another": 33}
        with pytest.raises(BrokerError, match="topic mine cannot be created"):
            broker.create_topic(TOPIC, 7)


def test_the_standard_topics_share_one_number_of_partitions_but_for_the_panes() -> None:
    with EmbeddedBroker(standard_topics(3)) as broker:
        assert partitions_of(broker) == {
            "funnel.events": 3,
            "funnel.events.dlq": 3,
            "funnel.journeys.changelog": 3,
            "funnel.panes": 1,
        }


@pytest.mark.parametrize("codec", [None, "gzip", "lz4", "snappy", "zstd"])
async def test_a_batch_is_stored_whole_in_its_place(codec: str | None) -> None:
    with EmbeddedBroker({TOPIC: 2}) as broker:
        async with producer(broker, codec) as made:
            batch = made.create_batch()
            for number in range(500):
                key = b"key %d" % number
                headers = [("epoch", b"7")]
                appended = batch.append(key=key, value=None, timestamp=1_000, headers=headers)
                assert appended is not None
            metadata = await (await made.send_batch(batch, TOPIC, partition=1))
        assert (metadata.partition, metadata.offset) == (1, 0)
        found = read_topic(broker.address, TOPIC)
        assert [record.offset for record in found] == list(range(500))
        assert found[7] == (1, 7, b"key 7", None, [("epoch", b"7")], 1_000)


async def joined(broker: EmbeddedBroker) -> AIOKafkaConsumer:
    member = AIOKafkaConsumer(
        bootstrap_servers=broker.address,
        group_id="group",
        enable_auto_commit=False,
        heartbeat_interval_ms=100,
        session_timeout_ms=2_000,
    )
    await member.start()
    assign = member._coordinator._perform_assignment

    async def unhurried(response: Any) -> Any:
        await asyncio.sleep(0.3)  # the embedded broker refuses followers that come after the leader
        return await assign(response)

    member._coordinator._perform_assignment = unhurried
    member.subscribe([TOPIC])
    return member


async def test_two_members_share_the_partitions_and_one_takes_over_where_the_other_was() -> None:
    everything = {TopicPartition(TOPIC, number) for number in range(4)}
    with EmbeddedBroker({TOPIC: 4}) as broker:
        async with producer(broker) as made:
            for number in range(40):
                await made.send_and_wait(TOPIC, b"%d" % number, partition=number % 4)
        first = await joined(broker)
        try:
            await until(lambda: first.assignment() == everything, "all go to the only member")
            assert set((await first.end_offsets(everything)).values()) == {10}
            assert set((await first.beginning_offsets(everything)).values()) == {0}
            second = await joined(broker)
            try:
                await until(
                    lambda: len(first.assignment()) == len(second.assignment()) == 2,
                    "half of them go to each",
                )
                taken_over = second.assignment()
                assert first.assignment() | taken_over == everything
                await second.commit(dict.fromkeys(taken_over, 6))
            finally:
                await second.stop()
            await until(lambda: first.assignment() == everything, "the other's come back")
            assert {await first.committed(partition) for partition in taken_over} == {6}
        finally:
            await first.stop()


async def test_the_newest_5_mib_of_a_partition_are_kept() -> None:
    """The limit that tests and demo have to stay within; a reader sees where the rest begins."""
    with EmbeddedBroker({TOPIC: 1}) as broker:
        async with producer(broker) as made:
            for _ in range(14):
                await made.send_and_wait(TOPIC, bytes(500_000), partition=0)
        assert [record.offset for record in read_topic(broker.address, TOPIC)] == [*range(4, 14)]


async def test_a_refused_write_is_tried_again() -> None:
    with EmbeddedBroker({TOPIC: 1}) as broker:
        async with producer(broker) as made:
            broker.push_errors(PRODUCE, NOT_LEADER, NOT_LEADER)
            await made.send_and_wait(TOPIC, b"value")
        assert [record.value for record in read_topic(broker.address, TOPIC)] == [b"value"]


async def test_writes_are_refused_until_the_errors_are_cleared() -> None:
    with EmbeddedBroker({TOPIC: 1}) as broker:
        async with producer(broker) as made:
            broker.push_errors(PRODUCE, *[NOT_LEADER] * 1_000)
            waiting = await made.send(TOPIC, b"value")
            assert read_topic(broker.address, TOPIC) == []
            assert not waiting.done()
            broker.clear_errors(PRODUCE)
            await waiting
        assert [record.value for record in read_topic(broker.address, TOPIC)] == [b"value"]


async def test_answers_take_the_round_trip_time_that_is_set() -> None:
    with EmbeddedBroker({TOPIC: 1}) as broker:
        async with producer(broker) as made:
            await made.send_and_wait(TOPIC, b"value")
            broker.set_rtt(300)
            started = time.monotonic()
            await made.send_and_wait(TOPIC, b"value")
            assert time.monotonic() - started >= 0.3


async def test_writes_wait_for_a_broker_that_is_down_and_find_its_data_again() -> None:
    with EmbeddedBroker({TOPIC: 1}) as broker:
        async with producer(broker) as made:
            await made.send_and_wait(TOPIC, b"before")
            broker.down()
            broker.down()  # a second time changes nothing
            waiting = await made.send(TOPIC, b"meanwhile")
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            broker.up()
            await waiting
        values = [record.value for record in read_topic(broker.address, TOPIC)]
        assert values[0] == b"before"
        assert set(values[1:]) == {b"meanwhile"}


def test_a_wheel_without_the_library_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = ModuleSpec("confluent_kafka", None, origin=str(tmp_path / "pkg" / "__init__.py"))
    monkeypatch.setattr(embedded_broker, "find_spec", lambda name: elsewhere)
    with pytest.raises(BrokerError, match="does not include librdkafka"):
        EmbeddedBroker()


def test_a_broker_process_goes_down_and_comes_up_on_the_same_port(broker: Broker) -> None:
    def write(value: bytes) -> None:
        made = Producer({"bootstrap.servers": broker.address, "log_level": 2})
        made.produce("funnel.events", value, partition=0)
        assert made.flush(30) == 0

    write(b"before")
    broker.down()
    assert not broker.accepts()
    broker.up()
    write(b"after")
    values = [record.value for record in read_topic(broker.address, "funnel.events")]
    assert values == [b"before", b"after"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_process_ends_when_asked(broker: Broker, number: signal.Signals) -> None:
    assert f"broker ready at {broker.address}" in broker.tail()
    broker.send(number)
    assert broker.wait() == 0
    assert not broker.address_file.exists()
    assert not broker.accepts()


def test_an_address_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    result = run("broker", "--address-file", str(tmp_path / "missing" / "address"))
    assert result.returncode == 2
    assert "cannot be written: No such file or directory" in result.stderr
