"""Clients of librdkafka that log in to a cluster, and what they can do there."""

import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from tests.integration.processes import DEADLINE
from tests.kafka.certificates import Pair
from tests.kafka.cluster import Cluster
from tests.kafka.token_server import TokenServer

Settings = dict[str, Any]


def without_login(cluster: Cluster, listener: str, trusted: Path) -> Settings:
    """Settings for a listener that asks for no name."""
    settings = {"bootstrap.servers": cluster.address(listener), "log_level": 0}
    secret = listener != "PLAINTEXT"
    return settings | {"security.protocol": "SSL" if secret else "PLAINTEXT"} | _trusting(trusted)


def by_certificate(cluster: Cluster, trusted: Path, pair: Pair, password: str = "") -> Settings:
    shown = {
        "ssl.certificate.location": str(pair.certificate),
        "ssl.key.location": str(pair.key),
    }
    opened = {"ssl.key.password": password} if password else {}
    return without_login(cluster, "MTLS", trusted) | shown | opened


def by_password(
    cluster: Cluster, listener: str, trusted: Path, mechanism: str, user: str, password: str
) -> Settings:
    return {
        "bootstrap.servers": cluster.address(listener),
        "log_level": 0,
        "security.protocol": listener,
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
    } | _trusting(trusted)


def by_token(
    cluster: Cluster, listener: str, trusted: Path, server: TokenServer, user: str, secret: str
) -> Settings:
    return {
        "bootstrap.servers": cluster.address(listener),
        "log_level": 0,
        "security.protocol": listener,
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": user,
        "sasl.oauthbearer.client.secret": secret,
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.token.endpoint.url": server.url,
    } | _trusting(trusted)


def _trusting(trusted: Path) -> dict[str, str]:
    return {"ssl.ca.location": str(trusted)}


def refused(settings: Settings) -> str:
    """The first error that a client tells, which is one that it cannot mend."""
    told: list[KafkaError] = []
    client = Producer({**settings, "error_cb": told.append})
    end = time.monotonic() + DEADLINE
    while not told:
        assert time.monotonic() < end, "no error is told"
        client.poll(0.1)
    return f"{told[0].name()}: {told[0].str()}"


def write(settings: Settings, topic: str, *values: str) -> None:
    """Raises ``KafkaException`` if one of them is not acknowledged."""
    failed: list[KafkaError] = []

    def acknowledged(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"message.timeout.ms": 60_000, **settings})
    for value in values:
        producer.produce(topic, value.encode(), on_delivery=acknowledged)
    assert producer.flush(DEADLINE) == 0
    if failed:
        raise KafkaException(failed[0])


def read(settings: Settings, topic: str, number: int) -> list[str]:
    """The first values of a topic, as a member of a group called ``readers…``; raises
    ``KafkaException``."""
    group = {"group.id": f"readers-{uuid.uuid4()}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, **group})
    try:
        consumer.subscribe([topic])
        found: list[str] = []
        end = time.monotonic() + DEADLINE
        while len(found) < number:
            assert time.monotonic() < end, f"{topic} has {found} only"
            for message in consumer.consume(number - len(found), timeout=0.1):
                if error := message.error():
                    raise KafkaException(error)
                value = message.value()
                assert value is not None
                found.append(value.decode())
        return found
    finally:
        consumer.close()
