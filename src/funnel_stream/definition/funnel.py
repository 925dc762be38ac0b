"""The definition of a funnel: what its stages are called, and how its figures are cut."""

import hashlib
from collections.abc import Iterator
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
    model_validator,
)

from funnel_stream.contract.event import DIMENSIONS, STAGES
from funnel_stream.definition.fields import (
    OPEN_LABELS,
    Attribute,
    Count,
    Currency,
    Dated,
    DimensionName,
    Length,
    OpenStage,
    PipelineName,
    RankedName,
    StageName,
    WindowName,
    as_written,
    unique,
)
from funnel_stream.definition.time import DAY, DAY_US, Window, minutes_of
from funnel_stream.definition.values import Values
from funnel_stream.documents import KeyPath

RULES_VERSION: Final = 3
"""Counted up when the same journey yields other facts, so that nobody adds up old and new ones."""


class Dimension(NamedTuple):
    """What figures are broken down by: its label, and the attributes that make it up."""

    name: str
    parts: tuple[str, ...]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pipeline(_Section):
    """What is particular to one pipeline; what it leaves out is as for all."""

    title: str = Field(default="", description="Display name; the label stays the key.")
    aliases: dict[str, StageName] = Field(
        default={}, description="Names of stages in this pipeline's events: alias → stage."
    )
    stage_titles: dict[StageName, str] = Field(
        default={}, description="Display names of stages: stage → name."
    )
    horizons: Annotated[tuple[Length, ...], AfterValidator(unique)] | None = Field(
        default=None, description="Ages at which this pipeline's matured conversions are judged."
    )
    stuck_after: dict[OpenStage, Length] | None = Field(
        default=None, description="How long a deal may stay in a stage: stage → length."
    )


def _or_nothing(given: object) -> object:
    """``default:`` with nothing behind it is a pipeline that has nothing particular."""
    return {} if given is None else given


class Target(_Section):
    """Where a KPI is to be: reported beside it, with the share that has been attained."""

    kpi: str = Field(description="The KPI, like win_ratio (a metric's name without funnel_).")
    value: Annotated[Decimal, BeforeValidator(as_written), Field(ge=0)] = Field(
        description="In the KPI's unit: deals, 0–1, seconds or major units of money."
    )
    at: Literal["least", "most"] = Field(
        default="least", description="Whether the KPI should be at least or at most that."
    )
    window: WindowName | None = Field(
        default=None, description="The window it applies to; none for KPIs of the present."
    )
    pipeline: PipelineName = Field(default="default", description="The pipeline it applies to.")
    labels: dict[str, str] = Field(
        default={}, description="Labels of the series, like basis: cohort or dimension: channel."
    )


class Export(_Section):
    """What ``/metrics`` shows; ``/api/kpis`` and ``compute`` always know everything."""

    windows: Annotated[tuple[WindowName, ...], AfterValidator(unique)] | None = Field(
        default=None, description="Windows of the totals; default: those of at most 31 days."
    )
    dimensions: Annotated[tuple[DimensionName, ...], AfterValidator(unique)] = Field(
        default=("channel",), description="Dimensions of the breakdowns."
    )
    breakdown_windows: Annotated[tuple[WindowName, ...], AfterValidator(unique)] | None = Field(
        default=None, description="Windows of the breakdowns; default: the longest of the totals."
    )
    matured_windows: Annotated[tuple[WindowName, ...], AfterValidator(unique)] | None = Field(
        default=None,
        description="Windows of matured conversions in breakdowns, instead of those; "
        "default: the shortest of the totals that has them.",
    )
    breakdown_kpis: Annotated[tuple[str, ...], AfterValidator(unique)] | None = Field(
        default=None, description="KPIs of the breakdowns."
    )


LENIENT: Final = "lenient"
"""A context for pydantic: contradictions are no errors."""


class Contradiction(NamedTuple):
    """Where it is found, what would be right, and which other key has a part in it."""

    key_path: KeyPath
    message: str
    about: str = ""


def _unknown(
    key_path: KeyPath, known: str, configured: tuple[str, ...], name: str = ""
) -> Contradiction:
    name = name or str(key_path[-1])
    message = f"{name} is not among the {known} ({', '.join(configured)}); add it there"
    return Contradiction(key_path, message, known)


class Definition(_Section):
    """The effective configuration; the defaults are a funnel that needs no file."""

    aliases: dict[str, StageName] = Field(
        default={}, description="Other names of stages, in every pipeline: alias → stage."
    )
    pipelines: dict[PipelineName, Annotated[Pipeline, BeforeValidator(_or_nothing)]] = Field(
        default={"default": Pipeline()},
        description="Pipelines shown before their first deal, with their own settings.",
    )
    dimensions: Annotated[tuple[DimensionName, ...], AfterValidator(unique)] = Field(
        default=DIMENSIONS,
        description="Attributes by which every KPI is broken down; combined: channel+product.",
    )
    values: dict[Attribute, Values] = Field(
        default={},
        description="How the values of dimensions are written: attribute → its spellings, and "
        "which of several values of a deal counts.",
    )
    windows: Annotated[tuple[WindowName, ...], AfterValidator(unique)] = Field(
        default=("1h", "24h", "7d", "30d", "365d"),
        min_length=1,
        description="Sliding windows: up to 2 h on minute, 35 d on hour, 400 d on day panes.",
    )
    horizons: Annotated[tuple[Length, ...], AfterValidator(unique)] = Field(
        default=("1d", "7d", "30d"), description="Ages at which a matured conversion is judged."
    )
    stuck_after: dict[OpenStage, Length] = Field(
        default={}, description="A deal that stays in a stage longer is stuck: stage → length."
    )
    activity_horizon: Length = Field(
        default="30d", description="An activity converts if a later stage follows within that time."
    )
    top_n: Count = Field(
        default=20, description="Values shown per dimension and open label; the rest are summed."
    )
    top_n_of: dict[RankedName, Count] = Field(
        default={}, description="Dimensions or labels that show a different number of values."
    )
    base_currency: Currency | None = Field(
        default=None, description="All money is converted to it, at the rate of the fact's day."
    )
    rates: dict[Currency, Dated] = Field(
        default={},
        description="Units of the base currency for one of another: currency → from day on → rate.",
    )
    targets: tuple[Target, ...] = Field(default=(), description="Targets of KPIs.")
    export: Export = Field(default=Export(), description="What /metrics shows.")
    closed_retention_days: Count = Field(
        default=400,
        description="An ended deal leaves the state this many days after its last event; "
        "what comes later is a new deal.",
    )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Definition":
        # Whoever reads a file asks for the contradictions himself, to tell their lines.
        if info.context != LENIENT:
            for key_path, message, _ in self.contradictions():
                raise ValueError(f"{'.'.join(map(str, key_path))}: {message}")
        return self

    def contradictions(self) -> Iterator[Contradiction]:
        """What cannot hold together."""
        of_pipelines = [("pipelines", name, "aliases") for name in self.pipelines]
        for key_path in (("aliases",), *of_pipelines):
            aliases = self.aliases if len(key_path) == 1 else self.pipelines[key_path[1]].aliases
            for alias, stage in aliases.items():
                if alias in STAGES and alias != stage:
                    message = f"{alias} is a stage itself, it cannot mean {stage}; remove the alias"
                    yield Contradiction((*key_path, alias), message)
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
        return self.closed_retention_days * DAY_US

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
        return frozenset(name for name, entry in self.values.items() if entry.keep == "first")

    def top_n_in(self, name: str) -> int:
        """How many values a dimension or an open label shows."""
        return self.top_n_of.get(name, self.top_n)

    def horizons_of(self, pipeline: str) -> tuple[str, ...]:
        """The horizons by which a pipeline's matured conversions are judged."""
        entry = self.pipelines.get(pipeline)
        return self.horizons if entry is None or entry.horizons is None else entry.horizons

    def stuck_after_in(self, pipeline: str) -> dict[str, int]:
        """Minutes that a deal may stay in a stage, for the stages that have a limit."""
        entry = self.pipelines.get(pipeline)
        limits = (
            self.stuck_after if entry is None or entry.stuck_after is None else entry.stuck_after
        )
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
                name: (entry.aliases, entry.fold_case, entry.keep)
                for name, entry in sorted(self.values.items())
            },
        )
        packed = msgspec.json.encode(decisive, order="sorted")
        return hashlib.blake2b(packed, digest_size=8).hexdigest()
