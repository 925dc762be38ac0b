"""Forms of KPIs: what an entry of the catalogue is made of, and everything that follows from it.

A form knows its series, its figures, what one deal is worth in it, how it is shown, and how many
series it has. Nobody else has to know which form a KPI has.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Final, NamedTuple

from funnel_stream.contract.money import DECIMALS, major
from funnel_stream.definition import Definition
from funnel_stream.facts.measures import Cell, Measure, cell_id
from funnel_stream.kpis.scope import CellIds, LabelSet, LabelValues, Scope, label_set

MICROS: Final = 1_000_000

SeriesValue = tuple[str, LabelSet, float]
"""A suffix (``""``, ``"_sum"`` …), labels and a value."""


class Addition(NamedTuple):
    """To which series of a KPI a cell adds: its suffix and labels; and what a weight is there,
    ``factor × weight ÷ scale``. ``since``: the weight is an instant, and what is added is the time
    since."""

    suffix: str
    labels: dict[str, str]
    factor: int = 1
    scale: int = 1
    since: bool = False

    def worth(self, weight: int, as_of: int) -> int:
        """What a weight adds as of an instant (µs), in parts of the KPI's unit: ``scale`` of
        them."""
        return as_of - weight if self.since else weight * self.factor


@dataclass(frozen=True, kw_only=True)
class Form(ABC):
    """How figures come out of a scope.

    ``labels``: names of the labels beside pipeline, window and the breakdown's. ``of_now``: the
    figure describes the present and has no window. ``dimensions``: the only ones that it can be
    broken down by; empty for all."""

    labels: tuple[str, ...] = ()
    of_now: bool = False
    dimensions: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All values of the closed labels, in a form whose series are not known beforehand."""

    # --- how it is shown ------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """The series of a quotient's dividend and divisor, as suffixes."""
        return ()

    @property
    def quantiles(self) -> tuple[str, ...]:
        """The quantiles that it has series of."""
        return ()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the names of all its series."""
        return ("", *self.parts, *(("_quantile",) if self.quantiles else ()))

    @property
    def of_counts(self) -> bool:
        """Whether it divides one number of deals (or leads, activities …) by another."""
        return False

    @property
    def per_money(self) -> bool:
        """Whether it divides by money."""
        return False

    @property
    def largest_first(self) -> bool:
        """Whether its series are open-ended, and shown by size."""
        return False

    @property
    def limited(self) -> bool:
        """Whether only stages with a limit (``stuck_after``) have series."""
        return False

    @property
    def basis(self) -> str:
        """The basis of its figures: what time they refer to."""
        return "period"

    @property
    def separable(self) -> bool:
        """Its parts, or itself, can be added up over the values of a breakdown."""
        return True

    @property
    def adding_up(self) -> str:
        """What in its breakdowns adds up to the total, as a sentence."""
        return "the values add up to the total"

    # --- what it is made of ---------------------------------------------------------------------

    @abstractmethod
    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        """Figures of a scope. Zeros of closed labels are given for a total only."""

    @abstractmethod
    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        """The series that a cell adds to, in a pipeline with those horizons."""

    def series(self, horizons: tuple[str, ...]) -> list[dict[str, str]] | None:
        """The KPI's labels of every series; ``None`` if some can have any text or currency."""
        return None

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        """Whether a series, identified by its labels, is a share: its numerator counts some of what
        its denominator counts."""
        return False

    def size(self, scope: Scope) -> int:
        """How many series a scope has at most; open labels counted as ``open_values`` says."""
        free = (
            len(self.known[label]) if label in self.known else open_values(scope.definition, label)
            for label in self.labels
        )
        return len(self.suffixes) * prod(free)


def additions_of(
    measure: Measure, suffix: str, labels: tuple[str, ...], cell: Cell
) -> list[Addition]:
    """To what a cell adds if it is one of a measure that is listed; its labels are the series'."""
    if cell[0] != measure.name:
        return []
    scale = 10 ** DECIMALS[cell[-1]] if measure.of_money else 1
    return [Addition(suffix, label_set(labels, cell[1:]).labels, scale=scale)]


def open_values(definition: Definition, label: str) -> int:
    """How many values of an open label to allow for."""
    if label == "currency":
        return 1 if definition.base_currency else 2
    return definition.top_n_in(label) + 2


@dataclass(frozen=True, kw_only=True)
class Counts(Form):
    """Numbers of things; one series for each of a closed set of labels."""

    counted: dict[LabelValues, CellIds]
    limited: bool = False

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        total = scope.total
        for values, ids in self._shown(scope).items():
            if (count := scope.sum(ids)) or total:
                yield "", label_set(self.labels, values), count

    def _shown(self, scope: Scope) -> dict[LabelValues, CellIds]:
        if not self.limited:
            return self.counted
        limits = scope.definition.stuck_after_in(scope.pipeline)
        at = self.labels.index("stage")
        return {values: ids for values, ids in self.counted.items() if values[at] in limits}

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        identifier = cell_id(*cell)
        return [
            Addition("", label_set(self.labels, values).labels)
            for values, ids in self.counted.items()
            if identifier in ids
        ]

    def series(self, horizons: tuple[str, ...]) -> list[dict[str, str]]:
        return [dict(zip(self.labels, values, strict=True)) for values in self.counted]

    def size(self, scope: Scope) -> int:
        return len(self._shown(scope))


@dataclass(frozen=True, kw_only=True)
class Listing(Form):
    """Numbers of things, or sums of money in major units, by open labels or
    currencies: whichever occur. An open label shows its top N values, and the rest as one."""

    measure: Measure

    @property
    def largest_first(self) -> bool:
        return True

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        of_money = self.measure.of_money
        for values, weight in scope.shown(self.measure):
            amount = major(weight, values[-1]) if of_money else weight
            yield "", label_set(self.labels, values), amount

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        return additions_of(self.measure, "", self.labels, cell)
