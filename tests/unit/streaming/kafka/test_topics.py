"""The four topics: what is missing is told, what cannot work is refused."""

import pytest

from funnel_stream.connection import Connection
from funnel_stream.errors import BrokerError
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka import topics
from funnel_stream.streaming.kafka.options import options_of
from funnel_stream.streaming.kafka.topics import prepare_topics
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics


async def prepared(address: str) -> int:
    connection = Connection(address)
    return await prepare_topics(Settings(), connection, options_of(connection))


async def test_topics_that_are_there_are_taken() -> None:
    with EmbeddedBroker(standard_topics(3)) as broker:
        assert await prepared(broker.address) == 3


async def test_unequal_partitions_are_refused() -> None:
    uneven = {**standard_topics(3), "funnel.events.dlq": 2}
    with (
        EmbeddedBroker(uneven) as broker,
        pytest.raises(BrokerError, match=r"funnel.events has 3 partitions, .*dlq has 2"),
    ):
        await prepared(broker.address)


async def test_without_a_broker_the_address_is_told() -> None:
    with pytest.raises(BrokerError, match=r"no broker answers at 127.0.0.1:9"):
        await prepared("127.0.0.1:9")


def test_state_is_compacted_and_has_as_many_partitions_as_the_events() -> None:
    needed = {topic.name: topic for topic in topics._needed(Settings(), 5)}
    counts = {name: topic.num_partitions for name, topic in needed.items()}
    assert counts == standard_topics(5)
    for name in ("funnel.journeys.changelog", "funnel.panes"):
        assert needed[name].topic_configs["cleanup.policy"] == "compact"
