"""Why a broker cannot be reached: each cause in a clear sentence, from real brokers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from funnel_stream.connection import Connection, load_connection
from funnel_stream.errors import BrokerError
from funnel_stream.streaming.kafka.diagnosis import diagnose
from funnel_stream.streaming.kafka.options import options_of
from tests.integration.processes import free_port
from tests.kafka.certificates import KEY_PASSWORD, Authority
from tests.kafka.cluster import USERS, Cluster
from tests.kafka.token_server import TokenServer

pytestmark = pytest.mark.kafka

Connect = Callable[..., Connection]


@pytest.fixture
def connect(cluster: Cluster, authority: Authority) -> Connect:
    """A connection to a listener; properties as variables have them."""

    def connection(listener: str, **properties: str) -> Connection:
        environment = {f"FUNNEL_KAFKA_{name}": value for name, value in properties.items()}
        if environment.get("FUNNEL_KAFKA_SECURITY_PROTOCOL", "").endswith("SSL"):
            environment.setdefault("FUNNEL_KAFKA_SSL_CA_LOCATION", str(authority.certificate))
        address = cluster.address(listener) if listener in listeners else listener
        return load_connection(broker=address, environment=environment)

    listeners = {"PLAINTEXT", "SSL", "MTLS", "EXPIRED", "ELSEWHERE", "SASL_PLAINTEXT", "SASL_SSL"}
    return connection


def problem(connection: Connection) -> BrokerError | None:
    return asyncio.run(diagnose(connection))


def topics(connection: Connection) -> list[str]:
    """What a client of aiokafka sees."""

    async def asked() -> list[str]:
        admin = AIOKafkaAdminClient(**options_of(connection))
        await admin.start()
        try:
            return list(await admin.list_topics())
        finally:
            await admin.close()

    return asyncio.run(asked())


def by(mechanism: str, user: str = "worker", secret: str | None = None) -> dict[str, str]:
    return {
        "SASL_MECHANISM": mechanism,
        "SASL_USERNAME": user,
        "SASL_PASSWORD": USERS[user] if secret is None else secret,
    }


def by_token(
    server: TokenServer, user: str = "worker", secret: str | None = None
) -> dict[str, str]:
    return {
        "SASL_MECHANISM": "OAUTHBEARER",
        "SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": server.url,
        "SASL_OAUTHBEARER_CLIENT_ID": user,
        "SASL_OAUTHBEARER_CLIENT_SECRET": USERS[user] if secret is None else secret,
        "SASL_OAUTHBEARER_SCOPE": "kafka",
    }


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("user", ["worker", "quoted"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_every_login_is_let_in(
    connect: Connect, token_server: TokenServer, protocol: str, mechanism: str, user: str
) -> None:
    login = by_token(token_server, user) if mechanism == "OAUTHBEARER" else by(mechanism, user)
    connection = connect(protocol, SECURITY_PROTOCOL=protocol, **login)
    assert problem(connection) is None
    topics(connection)


def test_without_a_login(connect: Connect) -> None:
    for connection in (connect("PLAINTEXT"), connect("SSL", SECURITY_PROTOCOL="SSL")):
        assert problem(connection) is None
        topics(connection)


def test_a_client_certificate_is_let_in(connect: Connect, authority: Authority) -> None:
    pair = authority.encrypted(authority.client("worker"))
    own = {
        "SSL_CERTIFICATE_LOCATION": str(pair.certificate),
        "SSL_KEY_LOCATION": str(pair.key),
        "SSL_KEY_PASSWORD": KEY_PASSWORD,
    }
    connection = connect("MTLS", SECURITY_PROTOCOL="SSL", **own)
    assert problem(connection) is None
    topics(connection)


def test_where_one_broker_answers_all_is_well(connect: Connect, cluster: Cluster) -> None:
    assert problem(connect(f"localhost:{free_port()},{cluster.address()}")) is None


def told(connection: Connection) -> tuple[str, str]:
    found = problem(connection)
    assert found
    return found.message, str(found.hint)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password(connect: Connect, mechanism: str) -> None:
    for login in (by(mechanism, secret="no"), by(mechanism) | {"SASL_USERNAME": "nobody"}):
        message, hint = told(connect("SASL_SSL", SECURITY_PROTOCOL="SASL_SSL", **login))
        assert f"refuses {login['SASL_USERNAME']} ({mechanism}): Authentication failed" in message
        assert "wrong password" in hint


def test_a_login_that_nobody_asks_for(connect: Connect) -> None:
    """The listener has no SASL at all."""
    message, hint = told(connect("SSL", SECURITY_PROTOCOL="SASL_SSL", **by("PLAIN")))
    assert "asks for no login, and security.protocol is SASL_SSL" in message
    assert "security.protocol to SSL" in hint


def test_a_token_that_is_not_given(connect: Connect, token_server: TokenServer) -> None:
    login = by_token(token_server, secret="no")
    message, hint = told(connect("SASL_SSL", SECURITY_PROTOCOL="SASL_SSL", **login))
    assert message.startswith(f"{token_server.url} gives no token to worker: HTTP 401")
    assert "client.secret" in hint


def test_a_token_server_that_is_not_there(connect: Connect, token_server: TokenServer) -> None:
    login = by_token(token_server)
    login["SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}/token"
    message, _ = told(connect("SASL_SSL", SECURITY_PROTOCOL="SASL_SSL", **login))
    assert "gives no token" in message


@pytest.mark.parametrize(
    ("listener", "ca", "message", "hint"),
    [
        ("EXPIRED", True, "has expired", "needs a new one"),
        ("ELSEWHERE", True, "is not for localhost", "ssl.endpoint.identification.algorithm"),
        ("SSL", False, "is not trusted", "ssl.ca.location"),
    ],
)
def test_a_certificate_that_does_not_do(
    connect: Connect,
    tmp_path_factory: pytest.TempPathFactory,
    listener: str,
    ca: bool,
    message: str,
    hint: str,
) -> None:
    other: dict[str, Any] = {}
    if not ca:
        foreign = Authority(tmp_path_factory.mktemp("foreign"), "somebody else")
        other["SSL_CA_LOCATION"] = str(foreign.certificate)
    found = told(connect(listener, SECURITY_PROTOCOL="SSL", **other))
    assert message in found[0]
    assert hint in found[1]


def test_a_name_that_is_not_checked(connect: Connect) -> None:
    loose = {"SSL_ENDPOINT_IDENTIFICATION_ALGORITHM": ""}
    assert problem(connect("ELSEWHERE", SECURITY_PROTOCOL="SSL", **loose)) is None


def test_a_client_certificate_that_is_missing(connect: Connect) -> None:
    message, hint = told(connect("MTLS", SECURITY_PROTOCOL="SSL"))
    assert "client certificate" in message
    assert "ssl.certificate.location" in hint


def test_a_client_certificate_of_somebody_else(
    connect: Connect, tmp_path_factory: pytest.TempPathFactory
) -> None:
    foreign = Authority(tmp_path_factory.mktemp("foreign"), "somebody else").client("worker")
    own = {
        "SSL_CERTIFICATE_LOCATION": str(foreign.certificate),
        "SSL_KEY_LOCATION": str(foreign.key),
    }
    assert (
        "refuses our client certificate" in told(connect("MTLS", SECURITY_PROTOCOL="SSL", **own))[0]
    )


def test_plain_text_to_a_port_with_tls(connect: Connect) -> None:
    message, hint = told(connect("SSL"))
    assert "speaks TLS, and security.protocol is PLAINTEXT" in message
    assert "security.protocol to SSL" in hint
    message, _ = told(connect("SASL_SSL", SECURITY_PROTOCOL="SASL_PLAINTEXT", **by("PLAIN")))
    assert "speaks TLS, and security.protocol is SASL_PLAINTEXT" in message


def test_tls_to_a_port_with_plain_text(connect: Connect) -> None:
    message, hint = told(connect("PLAINTEXT", SECURITY_PROTOCOL="SSL"))
    assert "does not speak TLS, and security.protocol is SSL" in message
    assert "PLAINTEXT" in hint


def test_a_login_that_is_missing(connect: Connect) -> None:
    message, hint = told(connect("SASL_PLAINTEXT"))
    assert "ends the connection as soon as it is asked something" in message
    assert "sasl.mechanism" in hint


def test_nobody_is_there(connect: Connect) -> None:
    port = free_port()
    message, _ = told(connect(f"localhost:{port}"))
    assert message == f"no broker answers at localhost:{port}: nothing listens there"
    message, _ = told(connect("no-such-host.invalid:9092"))
    assert message == "the name no-such-host.invalid of a broker is not known here"


def test_somebody_else_is_there(connect: Connect) -> None:
    """Who takes the connection and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0.2)

        async def diagnosed() -> BrokerError | None:
            asking = asyncio.ensure_future(diagnose(connect(f"127.0.0.1:{port}")))
            while not asking.done():
                try:
                    (await asyncio.to_thread(server.accept))[0].close()
                except TimeoutError:
                    continue
            return await asking

        found = asyncio.run(diagnosed())
    assert found
    assert "ends the connection" in found.message
