"""The definition of a funnel: what its stages are called, and how its figures are cut."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from funnel_stream.contract.event import DIMENSIONS, STAGES
from funnel_stream.contract.money import DECIMALS
from funnel_stream.documents import Place, suggest
from funnel_stream.values import Values

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 1440
"""Pane sizes, in minutes."""

RETENTION: Final = {MINUTE: 120, HOUR: 35 * 24, DAY: 400}
"""How many panes of each size are kept."""

RULES_VERSION: Final = 3
"""Counted up when the same journey yields other facts, so that nobody adds up old and new ones."""

_UNIT_MINUTES: Final = {"m": 1, "h": HOUR, "d": DAY}
_LENGTH = re.compile(r"([1-9]\d{0,5})([mhd])")
_PLUS = re.compile(r"\s*[+×]\s*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

OPEN_STAGES: Final = STAGES[:5]
OPEN_LABELS: Final = ("problem", "outcome", "reason")
"""Labels beside the dimensions whose values producers choose; the rarer ones are summed."""


def minutes_of(length: str) -> int:
    """Minutes of a length like ``24h``. Raises ``ValueError``."""
    match = _LENGTH.fullmatch(length)
    if not match:
        raise ValueError(
            f"{length!r} is no length; write a whole number and m, h or d, like 24h or 30d"
        )
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
        length = minutes_of(name)
        for pane, kept in RETENTION.items():
            if length <= kept * pane:
                if length % pane:
                    unit, below = ("h" if pane == HOUR else "d"), length // pane
                    raise ValueError(
                        f"{name} is no multiple of its panes of {pane} minutes; "
                        f"write {below}{unit} or {below + 1}{unit}"
                    )
                return cls(name, length // pane, pane)
        raise ValueError(f"{name} is longer than the 400d that panes are kept; write less")

    @property
    def minutes(self) -> int:
        return self.panes * self.pane

    @property
    def grain(self) -> tuple[int, int]:
        """The panes that its trend is made of: the coarsest ones (their size in minutes) of which
        it is long enough to have 24, and how many of them."""
        coarser = [size for size in RETENTION if size > self.pane and self.minutes >= 24 * size]
        size = max(coarser, default=self.pane)
        return size, self.minutes // size


class Dimension(NamedTuple):
    """What figures are broken down by: its label, and the attributes that make it up."""

    name: str
    parts: tuple[str, ...]


def _is_length(given: object) -> object:
    if isinstance(given, int):
        raise ValueError(f"{given} is no length; write {given}m, {given}h or {given}d")
    if isinstance(given, str):
        minutes_of(given)
    return given


def _is_window(name: str) -> str:
    Window.named(name)
    return name


def _dimension(name: str) -> str:
    """The canonical name: ``channel × product`` is ``channel+product``."""
    parts = _PLUS.split(name.strip())
    for part in parts:
        if part not in DIMENSIONS:
            raise ValueError(f"{part!r} is no dimension{suggest(part, DIMENSIONS)}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{name!r} names a dimension twice")
    return "+".join(parts)


def _ranked(name: str) -> str:
    if name in OPEN_LABELS or _PLUS.search(name):
        return name if name in OPEN_LABELS else _dimension(name)
    known = (*DIMENSIONS, *OPEN_LABELS)
    if name.strip() not in known:
        raise ValueError(f"{name!r} is neither a dimension nor a label{suggest(name, known)}")
    return name.strip()


def _is_currency(code: str) -> str:
    if code not in DECIMALS:
        like = code.upper() if code.upper() in DECIMALS else "EUR"
        raise ValueError(f"{code!r} is not in ISO 4217; write a code like {like}")
    return code


def _day(given: object) -> object:
    # Pydantic alone would take digits for seconds since 1970.
    if isinstance(given, date) or not isinstance(given, str):
        return given
    if _DAY.fullmatch(given):
        with suppress(ValueError):
            return date.fromisoformat(given)
    raise ValueError(f"{given!r} is no day; write one like 2026-01-31")


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))} stands there twice; keep one of them")
    return names


def _form(pattern: str) -> WithJsonSchema:
    """What editors can check of a text."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


Stage = Literal[STAGES]  # type: ignore[valid-type]
OpenStage = Literal[OPEN_STAGES]  # type: ignore[valid-type]
Attribute = Literal[DIMENSIONS]  # type: ignore[valid-type]
_PART = f"({'|'.join(DIMENSIONS)})"
_COMBINED = rf"\s*{_PART}(\s*[+×]\s*{_PART})*\s*"
Length = Annotated[str, BeforeValidator(_is_length), _form(_LENGTH.pattern)]
WindowName = Annotated[Length, AfterValidator(_is_window)]
DimensionName = Annotated[str, AfterValidator(_dimension), _form(_COMBINED)]
RankedName = Annotated[str, AfterValidator(_ranked), _form("|".join((_COMBINED, *OPEN_LABELS)))]
Currency = Annotated[str, AfterValidator(_is_currency), _form("[A-Z]{3}")]
Count = Annotated[int, Field(strict=True, ge=1)]
Day = Annotated[date, BeforeValidator(_day), _form(_DAY.pattern)]
Rate = Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=12)]
PipelineName = Annotated[str, Field(min_length=1, max_length=128)]


def _text(number: object) -> object:
    """A number that YAML read as a float means the digits that were written."""
    return repr(number) if isinstance(number, float) else number


Dated = Annotated[dict[Day, Annotated[Rate, BeforeValidator(_text)]], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pipeline(_Part):
    """What is particular to one pipeline; what it leaves out is as for all."""

    title: str = Field(default="", description="Name shown to people; the label stays the key.")
    aliases: dict[str, Stage] = Field(
        default={}, description="Names of stages in this pipeline's events: alias → stage."
    )
    stage_titles: dict[Stage, str] = Field(
        default={}, description="Names of stages shown to people: stage → name."
    )
    horizons: Annotated[tuple[Length, ...], AfterValidator(_unique)] | None = Field(
        default=None, description="Ages at which this pipeline's matured conversions are judged."
    )
    stuck_after: dict[OpenStage, Length] | None = Field(
        default=None, description="How long a deal may stay in a stage: stage → length."
    )


def _or_nothing(given: object) -> object:
    """``default:`` with nothing behind it is a pipeline that has nothing particular."""
    return {} if given is None else given


class Target(_Part):
    """Where a KPI is to be: reported beside it, with the share that has been attained."""

    kpi: str = Field(description="The KPI, like win_ratio (a metric's name without funnel_).")
    value: Annotated[Decimal, BeforeValidator(_text), Field(ge=0)] = Field(
        description="In the KPI's unit: deals, 0–1, seconds or major units of money."
    )
    at: Literal["least", "most"] = Field(
        default="least", description="Whether the KPI is to be at least or at most that."
    )
    window: WindowName | None = Field(
        default=None, description="The window it is set for; none for the KPIs of now."
    )
    pipeline: PipelineName = Field(default="default", description="The pipeline it is set for.")
    labels: dict[str, str] = Field(
        default={}, description="Labels of the series, like basis: cohort or dimension: channel."
    )


BREAKDOWN_KPIS: Final = (
    "leads",
    "spend",
    "cost_per_lead",
    "conversion_ratio",
    "qualified_leads",
    "offer_acceptance_ratio",
    "negotiation_success_ratio",
    "win_ratio",
    "time_to_close_seconds",
    "deals_closed",
    "deal_value",
    "open_deals",
    "open_value",
)


class Export(_Part):
    """What ``/metrics`` shows; ``/api/kpis`` and ``compute`` always know everything."""

    windows: Annotated[tuple[WindowName, ...], AfterValidator(_unique)] | None = Field(
        default=None, description="Windows of the totals; default: those of at most 31 days."
    )
    dimensions: Annotated[tuple[DimensionName, ...], AfterValidator(_unique)] = Field(
        default=("channel",), description="Dimensions of the breakdowns."
    )
    breakdown_windows: Annotated[tuple[WindowName, ...], AfterValidator(_unique)] | None = Field(
        default=None, description="Windows of the breakdowns; default: the longest of the totals."
    )
    matured_windows: Annotated[tuple[WindowName, ...], AfterValidator(_unique)] | None = Field(
        default=None,
        description="Windows of matured conversions in breakdowns, instead of those; "
        "default: the shortest of the totals that has them.",
    )
    breakdown_kpis: Annotated[tuple[str, ...], AfterValidator(_unique)] = Field(
        default=BREAKDOWN_KPIS, description="KPIs of the breakdowns."
    )


LENIENT: Final = "lenient"
"""A context for pydantic: contradictions are no errors."""


class Contradiction(NamedTuple):
    """Where it is found, what would be right, and which other key has a part in it."""

    place: Place
    message: str
    about: str = ""


def _unknown(
    place: Place, known: str, configured: tuple[str, ...], name: str = ""
) -> Contradiction:
    name = name or str(place[-1])
    message = f"{name} is not among the {known} ({', '.join(configured)}); add it there"
    return Contradiction(place, message, known)


class Definition(_Part):
    """The effective configuration; the defaults are a funnel that needs no file."""

    aliases: dict[str, Stage] = Field(
        default={}, description="Other names of stages, in every pipeline: alias → stage."
    )
    pipelines: dict[PipelineName, Annotated[Pipeline, BeforeValidator(_or_nothing)]] = Field(
        default={"default": Pipeline()},
        description="Pipelines that are shown before their first deal, and what is particular.",
    )
    dimensions: Annotated[tuple[DimensionName, ...], AfterValidator(_unique)] = Field(
        default=DIMENSIONS,
        description="Attributes that every KPI is broken down by; combined: channel+product.",
    )
    values: dict[Attribute, Values] = Field(
        default={},
        description="How the values of dimensions are written: attribute → its spellings, and "
        "which of several values of a deal counts.",
    )
    windows: Annotated[tuple[WindowName, ...], AfterValidator(_unique)] = Field(
        default=("1h", "24h", "7d", "30d", "365d"),
        min_length=1,
        description="Sliding windows: up to 2 h on minute, 35 d on hour, 400 d on day panes.",
    )
    horizons: Annotated[tuple[Length, ...], AfterValidator(_unique)] = Field(
        default=("1d", "7d", "30d"), description="Ages at which a matured conversion is judged."
    )
    stuck_after: dict[OpenStage, Length] = Field(
        default={}, description="A deal that stays longer in a stage is stuck: stage → length."
    )
    activity_horizon: Length = Field(
        default="30d", description="An activity converts if a later stage follows within that time."
    )
    top_n: Count = Field(
        default=20, description="Values shown per dimension and open label; the rest sums."
    )
    top_n_of: dict[RankedName, Count] = Field(
        default={}, description="Where a dimension or label shows another number of values."
    )
    base_currency: Currency | None = Field(
        default=None, description="All money is converted to it, at the rate of the fact's day."
    )
    rates: dict[Currency, Dated] = Field(
        default={},
        description="Units of the base currency for one of another: currency → from day on → rate.",
    )
    targets: tuple[Target, ...] = Field(default=(), description="Where KPIs are to be.")
    export: Export = Field(default=Export(), description="What /metrics shows.")
    closed_retention_days: Count = Field(
        default=400,
        description="A deal that is over leaves the state that many days after its last event; "
        "what comes later is a new deal.",
    )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Definition":
        # Whoever reads a file asks for the contradictions himself, to tell their lines.
        if info.context != LENIENT:
            for place, message, _ in self.contradictions():
                raise ValueError(f"{'.'.join(map(str, place))}: {message}")
        return self

    def contradictions(self) -> Iterator[Contradiction]:
        """What cannot hold together."""
        own = [("pipelines", name, "aliases") for name in self.pipelines]
        for place in (("aliases",), *own):
            aliases = self.aliases if len(place) == 1 else self.pipelines[place[1]].aliases
            for alias, stage in aliases.items():
                if alias in STAGES and alias != stage:
                    message = f"{alias} is a stage itself, it cannot mean {stage}; remove the alias"
                    yield Contradiction((*place, alias), message)
        for name, values in self.values.items():
            for alias, message in values.contradictions():
                yield Contradiction(("values", name, "aliases", alias), message)
        for name in self.top_n_of:
            if name not in (*OPEN_LABELS, *self.dimensions):
                yield _unknown(("top_n_of", name), "dimensions", self.dimensions)
        if self.rates and self.base_currency is None:
            message = "there is no base_currency that they lead to; write base_currency: EUR"
            yield Contradiction(("rates",), message, "base_currency")
        if self.base_currency in self.rates:
            message = "this is the base currency, it needs no rate; remove it"
            yield Contradiction(("rates", self.base_currency), message, "base_currency")
        for key, names in (
            ("windows", self.export.windows),
            ("dimensions", self.export.dimensions),
            ("breakdown_windows", self.export.breakdown_windows),
            ("matured_windows", self.export.matured_windows),
        ):
            known = "dimensions" if key == "dimensions" else "windows"
            configured: tuple[str, ...] = getattr(self, known)
            for index, name in enumerate(names or ()):
                if key in self.export.model_fields_set and name not in configured:
                    yield _unknown(("export", key, index), known, configured, name)

    @property
    def retention_us(self) -> int:
        """How long a deal that is over is kept after its last event, in microseconds; what comes
        after more than that is a new deal."""
        return self.closed_retention_days * DAY * 60_000_000

    def needed_retention_days(self) -> int:
        """How long that must be, so that nothing leaves before its facts have left all windows."""
        every = {length for name in self.pipelines for length in self.horizons_of(name)}
        horizon = max(map(minutes_of, (*every, *self.horizons)), default=0)
        return -(-(self.longest_window().minutes + horizon) // DAY)

    def window_list(self) -> tuple[Window, ...]:
        return tuple(Window.named(name) for name in self.windows)

    def longest_window(self) -> Window:
        """The window by which values are ranked."""
        return max(self.window_list(), key=lambda window: window.minutes)

    def dimension_list(self) -> tuple[Dimension, ...]:
        return tuple(Dimension(name, tuple(name.split("+"))) for name in self.dimensions)

    def first_touch(self) -> frozenset[str]:
        """Attributes of which the first value that was given counts, not the last."""
        return frozenset(name for name, own in self.values.items() if own.keep == "first")

    def top_n_in(self, name: str) -> int:
        """How many values a dimension or an open label shows."""
        return self.top_n_of.get(name, self.top_n)

    def horizons_of(self, pipeline: str) -> tuple[str, ...]:
        """The horizons by which a pipeline's matured conversions are judged."""
        own = self.pipelines.get(pipeline)
        return self.horizons if own is None or own.horizons is None else own.horizons

    def stuck_after_in(self, pipeline: str) -> dict[str, int]:
        """Minutes that a deal may stay in a stage, for the stages that have a limit."""
        own = self.pipelines.get(pipeline)
        limits = self.stuck_after if own is None or own.stuck_after is None else own.stuck_after
        return {stage: minutes_of(length) for stage, length in limits.items()}

    def export_windows(self) -> tuple[str, ...]:
        """Windows of the totals on ``/metrics``."""
        if self.export.windows is not None:
            return self.export.windows
        short = [window.name for window in self.window_list() if window.minutes <= 31 * DAY]
        return tuple(short) or self.windows

    def breakdown_windows(self) -> tuple[str, ...]:
        """Windows of the breakdowns on ``/metrics``."""
        if self.export.breakdown_windows is not None:
            return self.export.breakdown_windows
        exported = self.export_windows()
        return exported and (max(exported, key=minutes_of),)

    def matured_windows(self) -> tuple[str, ...]:
        """Windows of matured conversions in the breakdowns on ``/metrics``: a short one, from which
        longer ones are summed, and which alerts compare with the same hours of other weeks."""
        if self.export.matured_windows is not None:
            return self.export.matured_windows
        long = [name for name in self.export_windows() if minutes_of(name) >= DAY]
        return tuple(long and (min(long, key=minutes_of),))

    def export_dimensions(self) -> tuple[str, ...]:
        """Dimensions of the breakdowns on ``/metrics``."""
        return tuple(name for name in self.export.dimensions if name in self.dimensions)

    def fingerprint(self) -> str:
        """Hash of all that decides what a fact is; facts of another one are never added up."""
        decisive = (
            RULES_VERSION,
            self.aliases,
            {
                name: (pipeline.aliases, self.horizons_of(name), self.stuck_after_in(name))
                for name, pipeline in sorted(self.pipelines.items())
            },
            self.horizons,
            self.stuck_after,
            self.activity_horizon,
            self.base_currency,
            {currency: sorted(rates.items()) for currency, rates in sorted(self.rates.items())},
            self.closed_retention_days,
            {
                name: (own.aliases, own.fold_case, own.keep)
                for name, own in sorted(self.values.items())
            },
        )
        packed = msgspec.json.encode(decisive, order="sorted")
        return hashlib.blake2b(packed, digest_size=8).hexdigest()
