"""funnel.yaml: what this funnel calls its stages, and how its figures are cut."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from funnel_stream.contract.event import DIMENSIONS, STAGES
from funnel_stream.errors import ConfigError

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 1440
"""Pane sizes, in minutes."""

RETENTION: Final = {MINUTE: 120, HOUR: 35 * 24, DAY: 400}
"""How many panes of each size are kept."""

_UNIT_MINUTES: Final = {"m": 1, "h": HOUR, "d": DAY}
_LENGTH = re.compile(r"([1-9]\d{0,5})([mhd])")


def _minutes(length: str) -> int:
    match = _LENGTH.fullmatch(length)
    if not match:
        raise ValueError("a length is a whole number and m, h or d, like 24h or 30d")
    return int(match[1]) * _UNIT_MINUTES[match[2]]


class Window(NamedTuple):
    """A sliding window: its label, its number of panes and their size in minutes."""

    name: str
    panes: int
    pane: int

    @classmethod
    def named(cls, name: str) -> "Window":
        """The window of that length, on the finest panes that are kept long enough.

        Raises ``ValueError`` where the length is no multiple of its pane or too long.
        """
        length = _minutes(name)
        for pane, limit in ((MINUTE, 120), (HOUR, 35 * DAY), (DAY, 400 * DAY)):
            if length <= limit:
                if length % pane:
                    raise ValueError(f"{name} is no multiple of its panes of {pane} minutes")
                return cls(name, length // pane, pane)
        raise ValueError(f"{name} is longer than the 400 days that panes are kept")

    @property
    def minutes(self) -> int:
        return self.panes * self.pane


def _is_window(name: str) -> str:
    Window.named(name)
    return name


def _is_length(name: str) -> str:
    _minutes(name)
    return name


class Definition(BaseModel):
    """The effective configuration; the defaults are a funnel that needs no file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aliases: dict[str, Literal[STAGES]] = Field(  # type: ignore[valid-type]
        default={}, description="Other names of stages: alias → stage."
    )
    pipelines: tuple[str, ...] = Field(
        default=("default",), description="Pipelines that are shown before their first deal."
    )
    dimensions: tuple[Literal[DIMENSIONS], ...] = Field(  # type: ignore[valid-type]
        default=DIMENSIONS, description="Attributes that every KPI is broken down by."
    )
    windows: tuple[Annotated[str, AfterValidator(_is_window)], ...] = Field(
        default=("1h", "24h", "7d", "30d", "365d"),
        min_length=1,
        description="Sliding windows: up to 2 h on minute, 35 d on hour, 400 d on day panes.",
    )
    horizons: tuple[Annotated[str, AfterValidator(_is_length)], ...] = Field(
        default=("1d", "7d", "30d"), description="Ages at which a matured conversion is judged."
    )
    top_n: int = Field(default=20, ge=1, description="Values shown per dimension; the rest sums.")
    closed_retention_days: int = Field(
        default=400, ge=1, description="A closed deal leaves the state after that many days."
    )

    def window_list(self) -> tuple[Window, ...]:
        return tuple(Window.named(name) for name in self.windows)

    def horizon_minutes(self) -> tuple[tuple[str, int], ...]:
        return tuple((name, _minutes(name)) for name in self.horizons)

    def fingerprint(self) -> str:
        """Hash of all that decides what a fact is; stands in claims."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=8).hexdigest()


def load(path: Path | None) -> Definition:
    """Read ``funnel.yaml``; ``None`` gives the defaults. Raises ``ConfigError``."""
    if path is None:
        return Definition()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    try:
        return Definition.model_validate(document)
    except ValidationError as error:
        found = "\n".join(
            f"  {'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ConfigError(f"{path}:\n{found}", hint="See docs/configuration.md.") from error
