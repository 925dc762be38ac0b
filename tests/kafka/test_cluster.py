"""The cluster of the tests is what it says: ways in, rights, transactions, a leader's death."""

import socket
import ssl
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AclOperation, ResourceType

from tests.integration.processes import DEADLINE
from tests.kafka.certificates import KEY_PASSWORD, STORE_PASSWORD, Authority, openssl
from tests.kafka.clients import (
    Settings,
    by_certificate,
    by_password,
    by_token,
    read,
    refused,
    without_login,
    write,
)
from tests.kafka.cluster import USERS, Cluster
from tests.kafka.token_server import Grant, Signer, TokenServer

pytestmark = pytest.mark.kafka

Login = Callable[..., Settings]


@pytest.fixture
def topic(cluster: Cluster) -> str:
    """A new one."""
    name = f"topic-{uuid.uuid4()}"
    cluster.create_topic(name)
    return name


@pytest.fixture(scope="module")
def trusted_users(cluster: Cluster) -> None:
    """``worker`` and ``quoted`` may do what the tests do."""
    for user in ("worker", "quoted"):
        for operation in (AclOperation.READ, AclOperation.WRITE):
            cluster.allow(user, operation, ResourceType.TOPIC, "topic-", prefix=True)
        cluster.allow(user, AclOperation.READ, ResourceType.GROUP, "readers-", prefix=True)


@pytest.fixture
def login(cluster: Cluster, authority: Authority, token_server: TokenServer) -> Login:
    """Settings by listener, mechanism and user, with the user's own secret."""

    def settings(listener: str, mechanism: str, user: str = "worker") -> Settings:
        given = (cluster, listener, authority.certificate)
        if mechanism == "OAUTHBEARER":
            return by_token(*given, token_server, user, USERS[user])
        return by_password(*given, mechanism, user, USERS[user])

    return settings


@pytest.mark.parametrize("listener", ["PLAINTEXT", "SSL"])
def test_who_has_no_name_may_do_everything(
    cluster: Cluster, authority: Authority, topic: str, listener: str
) -> None:
    settings = without_login(cluster, listener, authority.certificate)
    write(settings, topic, "a", "b")
    assert read(settings, topic, 2) == ["a", "b"]


@pytest.mark.usefixtures("trusted_users")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_user_logs_in(login: Login, topic: str, listener: str, mechanism: str) -> None:
    settings = login(listener, mechanism, "quoted")
    write(settings, topic, "a", "b")
    assert read(settings, topic, 2) == ["a", "b"]


@pytest.mark.usefixtures("trusted_users")
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_certificate_is_a_login(
    cluster: Cluster, authority: Authority, topic: str, encrypted: bool
) -> None:
    pair = authority.client("worker")
    if encrypted:
        pair = authority.encrypted(pair)
        assert "ENCRYPTED" in pair.key.read_text()
    password = KEY_PASSWORD if encrypted else ""
    settings = by_certificate(cluster, authority.certificate, pair, password)
    write(settings, topic, "a")
    assert read(settings, topic, 1) == ["a"]


def test_a_token_is_granted_for_a_scope(login: Login, token_server: TokenServer) -> None:
    Producer(login("SASL_SSL", "OAUTHBEARER", "stranger")).list_topics(timeout=DEADLINE)
    granted = Grant("stranger", "kafka")
    token_server.wait_for(lambda grants: granted in grants, "the token to be granted")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_refused(
    cluster: Cluster, authority: Authority, mechanism: str
) -> None:
    given = (cluster, "SASL_SSL", authority.certificate, mechanism)
    assert refused(by_password(*given, "worker", "guessed")).startswith("_AUTHENTICATION: ")


def test_a_token_of_another_signer_is_refused(
    cluster: Cluster, authority: Authority, tmp_path: Path
) -> None:
    with TokenServer(Signer(tmp_path), {"worker": "x"}) as server:
        settings = by_token(cluster, "SASL_SSL", authority.certificate, server, "worker", "x")
        told = refused(settings)
        assert told.startswith("_AUTHENTICATION: ")
        server.wait_for(lambda grants: len(grants) > 0, "the token to be granted")
    assert "SASL authentication error" in told


@pytest.mark.parametrize(
    ("listener", "reason"),
    [("EXPIRED", "certificate has expired"), ("ELSEWHERE", "Hostname mismatch")],
)
def test_a_wrong_certificate_is_wrong_in_one_way(
    cluster: Cluster, authority: Authority, listener: str, reason: str
) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    host, port = cluster.address(listener).split(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match=reason),
    ):
        trusting.wrap_socket(plain, server_hostname=host)
    assert refused(without_login(cluster, listener, authority.certificate)).startswith("_SSL: ")


def test_who_shows_no_certificate_is_refused(cluster: Cluster, authority: Authority) -> None:
    told = refused(without_login(cluster, "MTLS", authority.certificate))
    assert "bad certificate" in told


def test_another_authority_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    another = Authority(tmp_path, "another")
    told = refused(without_login(cluster, "SSL", another.certificate))
    assert told.startswith("_SSL: ")


def test_stores_are_of_their_kind(authority: Authority) -> None:
    pair = authority.client("worker")
    for store in (authority.trust_store("JKS"), authority.key_store(pair, "JKS")):
        assert store.read_bytes().startswith(bytes.fromhex("feedfeed"))
    opened = ("-passin", f"pass:{STORE_PASSWORD}", "-nodes")
    trusting = openssl("pkcs12", "-in", str(authority.trust_store("PKCS12")), *opened)
    assert authority.certificate.read_bytes().strip() in trusting
    keeping = openssl("pkcs12", "-in", str(authority.key_store(pair, "PKCS12")), *opened)
    assert pair.certificate.read_bytes().strip() in keeping
    assert pair.key.read_bytes().strip() in keeping


def test_who_has_no_rights_is_denied(cluster: Cluster, login: Login, topic: str) -> None:
    settings = login("SASL_SSL", "SCRAM-SHA-256", "stranger")
    with pytest.raises(KafkaException) as denied:
        write(settings, topic, "a")
    assert denied.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    cluster.allow("stranger", AclOperation.WRITE, ResourceType.TOPIC, topic)
    write(settings, topic, "b")
    with pytest.raises(KafkaException) as denied:
        read(settings, topic, 1)
    assert denied.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    cluster.revoke("stranger")
    with pytest.raises(KafkaException):
        write(settings, topic, "c")


def test_a_password_can_be_changed(cluster: Cluster, login: Login) -> None:
    settings = login("SASL_PLAINTEXT", "SCRAM-SHA-256", "stranger")
    cluster.set_password("stranger", "another")
    try:
        assert refused(settings).startswith("_AUTHENTICATION: ")
        settings["sasl.password"] = "another"
        assert Producer(settings).list_topics(timeout=DEADLINE).brokers
    finally:
        cluster.set_password("stranger", USERS["stranger"])


def test_what_was_aborted_is_not_read(cluster: Cluster, authority: Authority, topic: str) -> None:
    settings = without_login(cluster, "PLAINTEXT", authority.certificate)
    producer = Producer({**settings, "transactional.id": topic})
    producer.init_transactions(DEADLINE)
    for value, keep in (("a", True), ("b", False), ("c", True)):
        producer.begin_transaction()
        producer.produce(topic, value.encode())
        producer.flush(DEADLINE)
        (producer.commit_transaction if keep else producer.abort_transaction)(DEADLINE)
    assert read(settings, topic, 2) == ["a", "c"]
    dirty = {**settings, "isolation.level": "read_uncommitted"}
    assert read(dirty, topic, 3) == ["a", "b", "c"]


def test_three_nodes_outlive_their_leader(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, signer: Signer
) -> None:
    with Cluster(tmp_path_factory.mktemp("three"), authority, signer, nodes=3) as cluster:
        settings = without_login(cluster, "PLAINTEXT", authority.certificate)
        cluster.create_topic("events")
        write(settings, "events", "a")
        dead = cluster.leader("events")
        cluster.nodes[dead].kill9()
        write(settings, "events", "b")
        assert cluster.leader("events") not in (dead, -1)
        cluster.start(dead)
        assert read(settings, "events", 2) == ["a", "b"]
