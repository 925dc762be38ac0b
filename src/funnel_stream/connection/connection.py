"""A connection: everything that a Kafka client has to know to reach its brokers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from funnel_stream.connection.login import Login, login_of
from funnel_stream.connection.properties import PropertyValue
from funnel_stream.connection.tls import Tls, tls_of
from funnel_stream.errors import ConfigError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
DEFAULT_SERVERS: Final = "localhost:9092"
_SERVER: Final = r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
_SERVERS: Final = re.compile(rf"{_SERVER}(,\s*{_SERVER})*")


@dataclass(frozen=True)
class Connection:
    """``bootstrap_servers``: host:port, several with commas. ``passed_over``: names in a properties
    file that do not concern a connection."""

    bootstrap_servers: str = DEFAULT_SERVERS
    tls: Tls | None = None
    login: Login | None = None
    client_id: str = "funnel-stream"
    client_rack: str | None = None
    group_instance_id: str | None = None
    passed_over: tuple[str, ...] = ()

    @property
    def security_protocol(self) -> SecurityProtocol:
        """As Kafka calls it."""
        if self.login:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"


def connection_of(
    given: Mapping[str, PropertyValue], passed_over: tuple[str, ...] = ()
) -> Connection:
    """What properties come to, by canonical name. Raises ``ConfigError``."""
    protocol = _protocol(given)
    client_id, rack, instance = map(given.get, ("client.id", "client.rack", "group.instance.id"))
    return Connection(
        bootstrap_servers=_servers(given),
        tls=tls_of(given) if protocol.endswith("SSL") else None,
        login=login_of(given) if protocol.startswith("SASL") else None,
        client_id=client_id.value if client_id else Connection.client_id,
        client_rack=rack.value if rack else None,
        group_instance_id=instance.value if instance else None,
        passed_over=passed_over,
    )


def _servers(given: Mapping[str, PropertyValue]) -> str:
    servers = given.get("bootstrap.servers")
    if servers is None:
        return DEFAULT_SERVERS
    text = servers.value.strip()
    if not _SERVERS.fullmatch(text):
        raise ConfigError(
            f"{servers.where} is {servers.value!r}: it must be host:port, like localhost:9092 "
            "(several with commas)"
        )
    return ",".join(part.strip() for part in text.split(","))


def _protocol(given: Mapping[str, PropertyValue]) -> str:
    """Raises ``ConfigError`` also where something is given that would not be used: whoever sets a
    password does not want to go without."""
    said = given.get("security.protocol")
    protocol = said.value.upper() if said else "PLAINTEXT"
    if said and protocol not in get_args(SecurityProtocol):
        raise ConfigError(
            f"{said.where} is {said.value!r}: it must be {', '.join(get_args(SecurityProtocol))}"
        )
    for prefix, is_used, others in (
        ("sasl.", protocol.startswith("SASL"), "SASL_SSL (or SASL_PLAINTEXT)"),
        ("ssl.", protocol.endswith("SSL"), "SSL, or SASL_SSL with a login"),
    ):
        unused = [value for name, value in given.items() if name.startswith(prefix) and value.value]
        if unused and not is_used:
            now = f"{said.where} is {protocol}" if said else "security.protocol is not set"
            raise ConfigError(
                f"{unused[0].where} is given, but {now}, which does not use it",
                hint=f"Set security.protocol to {others}, or leave it out.",
            )
    return protocol
