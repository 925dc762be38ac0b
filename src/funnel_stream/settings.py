"""Where a worker finds its broker and how it runs: flags, else ``FUNNEL_…`` variables."""

import ipaddress
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from funnel_stream.errors import ConfigError

_PREFIX: Final = "FUNNEL_"

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Address = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}"
        r"(,\s*(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5})*$",
    ),
]
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]

_BASE_URL: Final = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE
)


def base_url(text: str) -> str:
    """``http://host`` or ``https://host``, each with or without ``:port``, in its plainest form.

    Raises ``ValueError`` for everything else: a path, a name and password, an address without
    brackets around its colons.
    """
    match = _BASE_URL.fullmatch(text.strip())
    if match is None or not 0 < int(match[3] or 1) <= 65_535:
        raise ValueError(f"{text!r} is not http://host:port")
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    return f"{scheme}://{host}:{int(port)}" if port else f"{scheme}://{host}"


class Settings(BaseSettings):
    """What an operator may set; all of it has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    broker: Address = Field(
        default="localhost:9092", description="Kafka: host:port, several with commas."
    )
    http_host: str = Field(
        default="127.0.0.1", description="Address of /metrics; 0.0.0.0 lets others reach it."
    )
    http_port: int = Field(
        default=6066, ge=0, le=65535, description="Port of /metrics; 0 picks a free one."
    )
    advertised_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        default=None, description="Where other workers reach this one: http://host:port."
    )
    config: Path | None = Field(default=None, description="The funnel's definition, funnel.yaml.")
    clock: Literal["wall", "event"] = Field(
        default="wall",
        description="What 'now' is: this machine's clock, or the newest event seen (for replays).",
    )
    group: Topic = Field(default="funnel-stream", description="Kafka consumer group.")
    events_topic: Topic = "funnel.events"
    dead_letters_topic: Topic = "funnel.events.dlq"
    changelog_topic: Topic = "funnel.journeys.changelog"
    panes_topic: Topic = "funnel.panes"
    partitions: int = Field(
        default=8, ge=1, le=1000, description="Partitions of topics that have to be created."
    )
    replication: int = Field(
        default=-1, ge=-1, description="Replicas of created topics; -1 is the broker's default."
    )
    max_stubs: int = Field(
        default=1_000_000,
        ge=0,
        description="At most this many deals per partition are remembered after leaving the state.",
    )
    session_timeout: float = Field(
        default=10.0,
        ge=1.0,
        le=300.0,
        description="Seconds of silence after which a worker's partitions go to others.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings(**flags: Any) -> Settings:
    """Settings from flags that were given (not ``None``), else the environment, else defaults.

    Raises ``ConfigError`` that names the flag or variable and what is wrong with its value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [_problem(detail, given) for detail in error.errors()]
        raise ConfigError(
            "; ".join(problems), hint="`funnel-stream worker --help` explains every setting."
        ) from None


def advertised_url(settings: Settings, port: int) -> str:
    """Where other workers reach this one, whose server is bound to ``port``: http://host:port.

    What the operator says, else the address that is listened on. Where that is all of them, the
    one by which this machine reaches the broker, since that is a network that workers share; a
    loopback address only if there is nothing better.
    """
    if settings.advertised_url:
        return settings.advertised_url
    host = settings.http_host.strip("[]") or "0.0.0.0"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host.lower()}:{port}"
    if address.is_unspecified:
        address = _own_address(settings.broker, address.version)
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _own_address(brokers: str, version: int) -> _IpAddress:
    family, loopback = (socket.AF_INET, "127.0.0.1") if version == 4 else (socket.AF_INET6, "::1")
    for each in (*_towards(brokers, family), *_behind_own_name(family)):
        if not each.is_loopback and not each.is_link_local:
            return each
    return ipaddress.ip_address(loopback)


def _towards(brokers: str, family: socket.AddressFamily) -> Iterator[_IpAddress]:
    """The addresses that this machine has in the eyes of the brokers; nothing is sent to them."""
    for broker in brokers.split(","):
        host, _, port = broker.strip().rpartition(":")
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((host.strip("[]"), int(port)))
                yield ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
        except (OSError, OverflowError, UnicodeError):
            continue


def _behind_own_name(family: socket.AddressFamily) -> Iterator[_IpAddress]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return
    for *_, address in found:
        yield ipaddress.ip_address(str(address[0]).partition("%")[0])


def _problem(detail: Any, given: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    flag, variable = f"--{name.replace('_', '-')}", f"{_PREFIX}{name.upper()}"
    where = flag if name in given else variable
    what = _MEANING.get(name) or detail["msg"][0].lower() + detail["msg"][1:]
    return f"{where} is {detail['input']!r}: {what}"


_MEANING: Final = {
    "broker": "it must be host:port, like localhost:9092 (several with commas)",
    "http_port": "it must be a port from 0 to 65535",
    "advertised_url": "it must be http://host:port or https://host:port, without a path",
    "clock": "it must be wall or event",
    "log_level": "it must be debug, info, warning or error",
}
