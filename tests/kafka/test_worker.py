"""A worker and the other verbs on a Kafka with encryption, logins and rights."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from tests.integration.conftest import started
from tests.integration.processes import Process, Worker, run
from tests.integration.stories import Story, simulated
from tests.kafka.certificates import Authority
from tests.kafka.cluster import USERS, Cluster
from tests.kafka.token_server import TokenServer

__all__ = ["started"]

pytestmark = pytest.mark.kafka

USER = "quoted"
TOPICS = {
    "FUNNEL_EVENTS_TOPIC": "events",
    "FUNNEL_DEAD_LETTERS_TOPIC": "letters",
    "FUNNEL_CHANGELOG_TOPIC": "changelog",
    "FUNNEL_PANES_TOPIC": "panes",
}
RIGHTS = {
    "events": (AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE),
    "letters": (AclOperation.WRITE, AclOperation.CREATE),
    "changelog": (AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE),
    "panes": (AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE),
}
"""As docs/kafka.md tells an operator to give them."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story"), simulated(3_000, deals_per_day=20))


@pytest.fixture
def funnel(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Settings of a funnel of its own, whose worker has just the rights that it needs."""
    prefix = f"funnel-{uuid.uuid4().hex[:8]}"
    for topic, operations in RIGHTS.items():
        for operation in operations:
            cluster.allow(USER, operation, ResourceType.TOPIC, f"{prefix}.{topic}")
    cluster.allow(USER, AclOperation.READ, ResourceType.GROUP, prefix)
    names = {variable: f"{prefix}.{topic}" for variable, topic in TOPICS.items()}
    yield {**names, "FUNNEL_GROUP": prefix, "FUNNEL_PARTITIONS": "2"}
    cluster.revoke(USER)


@pytest.fixture
def start(tmp_path: Path, started: list[Process]) -> Callable[..., Worker]:
    """Start a worker by the clock of its events."""

    def worker(environment: dict[str, str], *options: str) -> Worker:
        broker = environment["FUNNEL_BROKER"]
        process = Worker(tmp_path, broker, "--clock", "event", *options, **environment)
        started.append(process)
        return process

    return worker


def scram(cluster: Cluster, authority: Authority, password: str = USERS[USER]) -> dict[str, str]:
    return {
        "FUNNEL_BROKER": cluster.address("SASL_SSL"),
        "FUNNEL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FUNNEL_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "FUNNEL_KAFKA_SASL_USERNAME": USER,
        "FUNNEL_KAFKA_SASL_PASSWORD": password,
        "FUNNEL_KAFKA_SSL_CA_LOCATION": str(authority.certificate),
    }


def properties(cluster: Cluster, authority: Authority, folder: Path) -> Path:
    """The same as a file for Kafka's clients in Java."""
    password = USERS[USER].replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\")
    file = folder / "client.properties"
    file.write_text(
        f"bootstrap.servers={cluster.address('SASL_SSL')}\n"
        "security.protocol=SASL_SSL\n"
        "sasl.mechanism=SCRAM-SHA-512\n"
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n"
        f'  username="{USER}" password="{password}";\n'
        "ssl.truststore.type=PEM\n"
        f"ssl.truststore.location={authority.certificate}\n"
        "acks=all\n"
    )
    return file


def test_figures_are_exact_with_encryption_a_login_and_just_the_rights_that_are_needed(
    cluster: Cluster,
    authority: Authority,
    tmp_path: Path,
    story: Story,
    funnel: dict[str, str],
    start: Callable[..., Worker],
) -> None:
    environment = funnel | scram(cluster, authority)
    worker = start(environment)
    worker.wait_ready()
    file = properties(cluster, authority, tmp_path)
    emitted = run("emit", str(story.file), "--kafka-config", str(file), **funnel)
    assert emitted.returncode == 0, emitted.stderr
    assert "not used, since they do not concern the connection: acks" in emitted.stderr
    worker.wait_figures(story.figures)
    worker.kill9()
    start(environment).wait_figures(story.figures)


def test_figures_are_exact_with_a_login_by_token(
    cluster: Cluster,
    token_server: TokenServer,
    story: Story,
    funnel: dict[str, str],
    start: Callable[..., Worker],
) -> None:
    environment = funnel | {
        "FUNNEL_BROKER": cluster.address("SASL_PLAINTEXT"),
        "FUNNEL_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "FUNNEL_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "FUNNEL_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": token_server.url,
        "FUNNEL_KAFKA_SASL_OAUTHBEARER_CLIENT_ID": USER,
        "FUNNEL_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": USERS[USER],
        "FUNNEL_KAFKA_SASL_OAUTHBEARER_SCOPE": "kafka",
    }
    worker = start(environment)
    worker.wait_ready()
    emitted = run("emit", str(story.file), **environment)
    assert emitted.returncode == 0, emitted.stderr
    worker.wait_figures(story.figures)


def test_every_verb_says_that_a_password_is_wrong(
    cluster: Cluster, authority: Authority, tmp_path: Path, story: Story, funnel: dict[str, str]
) -> None:
    environment = funnel | scram(cluster, authority, "wrong-secret")
    for verb in (
        ["worker", "--http-port", "0"],
        ["emit", str(story.file)],
        ["simulate", "--days", "1", "--broker", environment["FUNNEL_BROKER"]],
    ):
        ended = run(*verb, **environment)
        assert ended.returncode == 1, verb
        assert f"refuses {USER} (SCRAM-SHA-512): Authentication failed" in ended.stderr, verb
        assert "wrong-secret" not in ended.stderr
        assert "Traceback" not in ended.stderr
