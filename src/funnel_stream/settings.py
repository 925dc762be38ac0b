"""Where a worker finds its broker and how it runs: flags, else ``FUNNEL_…`` variables."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from funnel_stream.errors import ConfigError

_PREFIX: Final = "FUNNEL_"

Address = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}"
        r"(,\s*(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5})*$",
    ),
]
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


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
        default=6066, ge=0, le=65535, description="Port of /metrics; 0 takes a free one."
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
    session_timeout: float = Field(
        default=10.0,
        ge=1.0,
        le=300.0,
        description="Seconds of silence after which the group gives a worker's work to others.",
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


def _problem(detail: Any, given: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    flag, variable = f"--{name.replace('_', '-')}", f"{_PREFIX}{name.upper()}"
    where = flag if name in given else variable
    what = _MEANING.get(name) or detail["msg"][0].lower() + detail["msg"][1:]
    return f"{where} is {detail['input']!r}: {what}"


_MEANING: Final = {
    "broker": "it must be host:port, like localhost:9092 (several with commas)",
    "http_port": "it must be a port from 0 to 65535",
    "clock": "it must be wall or event",
    "log_level": "it must be debug, info, warning or error",
}
