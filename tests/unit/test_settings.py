"""What an operator may set, and what a worker makes of it."""

import ipaddress
import re

import pytest

from funnel_stream.errors import ConfigError
from funnel_stream.settings import (
    Settings,
    advertised_url,
    load_settings,
    refuse_unknown_variables,
)

BROKER = "localhost:9092"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://10.1.2.3:6066", "http://10.1.2.3:6066"),
        (" HTTP://Worker-1.funnel.svc:06066/ ", "http://worker-1.funnel.svc:6066"),
        ("https://worker.example", "https://worker.example"),
        ("http://[fd00::1]:6066", "http://[fd00::1]:6066"),
    ],
)
def test_an_advertised_url_in_its_plainest_form(given: str, meant: str) -> None:
    settings = load_settings(advertised_url=given)
    assert settings.advertised_url == meant
    assert advertised_url(settings, BROKER, 1) == meant


@pytest.mark.parametrize(
    "given",
    [
        "worker:6066",
        "ftp://worker:6066",
        "http://worker:6066/path",
        "http://worker:6066?a=b",
        "http://me:secret@worker:6066",
        "http://fd00::1:6066",
        "http://worker:0",
        "http://worker:65536",
        "http://:6066",
        "http://wor\nker",
        "",
    ],
)
def test_what_is_no_advertised_url_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNNEL_ADVERTISED_URL", given)
    with pytest.raises(ConfigError, match="http://host:port or https://host:port") as raised:
        load_settings()
    assert raised.value.message.startswith(f"FUNNEL_ADVERTISED_URL is {given!r}: ")


@pytest.mark.parametrize(
    ("http_host", "advertised"),
    [
        ("127.0.0.1", "http://127.0.0.1:4711"),
        ("10.1.2.3", "http://10.1.2.3:4711"),
        ("Worker-1", "http://worker-1:4711"),
        ("::1", "http://[::1]:4711"),
        ("[fd00::1]", "http://[fd00::1]:4711"),
    ],
)
def test_without_one_it_is_where_the_worker_listens(http_host: str, advertised: str) -> None:
    assert advertised_url(Settings(http_host=http_host), BROKER, 4711) == advertised


@pytest.mark.parametrize("http_host", ["0.0.0.0", ""])
def test_who_listens_everywhere_is_reached_where_the_broker_sees_it(
    http_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {"kafka-1": "10.1.2.3", "kafka-2": "10.9.9.9"}
    sockets(monkeypatch, seen, behind_name=["10.7.7.7"])
    settings = Settings(http_host=http_host)
    brokers = "nowhere:1,kafka-1:9092,kafka-2:9092"
    assert advertised_url(settings, brokers, 6066) == "http://10.1.2.3:6066"


def test_a_broker_beside_the_worker_tells_nothing_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everywhere = Settings(http_host="0.0.0.0")
    sockets(monkeypatch, {"localhost": "127.0.0.1"}, behind_name=["127.0.1.1", "10.7.7.7"])
    assert advertised_url(everywhere, BROKER, 6066) == "http://10.7.7.7:6066"
    sockets(monkeypatch, {"localhost": "127.0.0.1"}, behind_name=["127.0.1.1"])
    assert advertised_url(everywhere, BROKER, 6066) == "http://127.0.0.1:6066"


def test_only_addresses_that_are_listened_on_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets(monkeypatch, {"kafka": "fd00::5"}, behind_name=[])
    assert advertised_url(Settings(http_host="::"), "kafka:9092", 6066) == "http://[fd00::5]:6066"
    sockets(monkeypatch, {}, behind_name=[])
    assert advertised_url(Settings(http_host="::"), BROKER, 6066) == "http://[::1]:6066"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("FUNNEL_SECURITY_PROTOCOL", "did you mean FUNNEL_KAFKA_SECURITY_PROTOCOL?"),
        ("FUNNEL_BROKERS", "did you mean FUNNEL_BROKER?"),
        ("FUNNEL_KAFKA_SASL_PASSWORD_FIL", "did you mean FUNNEL_KAFKA_SASL_PASSWORD_FILE?"),
        ("FUNNEL_XYZZY", "FUNNEL_XYZZY is set, but there is no such variable"),
    ],
)
def test_a_variable_that_nobody_reads_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        refuse_unknown_variables({name: "SASL_SSL", "FUNNEL_GROUP": "g"})


def test_what_somebody_reads_is_not_refused() -> None:
    known = {
        "FUNNEL_BROKER": "kafka:9092",
        "FUNNEL_HTTP_PORT": "6066",
        "FUNNEL_KAFKA_CONFIG": "client.properties",
        "FUNNEL_KAFKA_SSL_CA_LOCATION_FILE": "ca",
        # Of Kubernetes, for a service funnel-stream.
        "FUNNEL_STREAM_SERVICE_HOST": "10.0.0.1",
        "FUNNEL_STREAM_SERVICE_PORT_HTTP": "6066",
        "FUNNEL_STREAM_PORT": "tcp://10.0.0.1:6066",
        "FUNNEL_STREAM_PORT_6066_TCP_ADDR": "10.0.0.1",
        "PATH": "/bin",
    }
    refuse_unknown_variables(known)


def sockets(monkeypatch: pytest.MonkeyPatch, seen: dict[str, str], behind_name: list[str]) -> None:
    """A network: this machine's address in the eyes of other hosts, and behind its own name."""

    class Probe:
        def __init__(self, family: int, kind: int) -> None:
            self._family = family

        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *exception: object) -> None:
            pass

        def connect(self, address: tuple[str, int]) -> None:
            if address[0] not in seen:
                raise OSError("there is no such host")
            self._address = seen[address[0]]
            version = {2: 4}.get(self._family, 6)
            assert ipaddress.ip_address(self._address).version == version

        def getsockname(self) -> tuple[str, int]:
            return self._address, 1

    monkeypatch.setattr("socket.socket", Probe)
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, port, family, kind: [(family, kind, 0, "", (each, 0)) for each in behind_name],
    )
