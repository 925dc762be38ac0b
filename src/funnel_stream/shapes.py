"""Shapes of KPIs: counts, ratios, durations and amounts, out of one row of cells."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from funnel_stream.contract.money import major
from funnel_stream.definition import Definition, Window
from funnel_stream.facts import CELLS, cell_id, histogram_value
from funnel_stream.windows import Cells

Figure = tuple[str, dict[str, str], float]
"""A suffix (``""``, ``"_sum"`` …), labels and a value."""


class Shape(ABC):
    """How figures come out of one row of cells.

    ``labels``: names of the labels beside pipeline, window and the breakdown's. ``suffixes``: of
    the series names.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("",)
    labels: tuple[str, ...]

    @abstractmethod
    def figures(
        self, cells: Cells, definition: Definition, window: Window, *, total: bool
    ) -> Iterator[Figure]:
        """Figures of a row. Zero counts with closed labels are given for a ``total`` only."""


CellIds = tuple[int, ...]


def _sum(cells: Cells, ids: CellIds) -> int:
    if len(ids) == 1:
        return cells.get(ids[0], 0)
    return sum([cells.get(cell, 0) for cell in ids])


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(names, values, strict=True))


@dataclass(frozen=True)
class Counts(Shape):
    """Numbers of things; one series for each of a closed set of labels."""

    series: dict[tuple[str, ...], CellIds]
    labels: tuple[str, ...] = ()

    def figures(
        self, cells: Cells, definition: Definition, window: Window, *, total: bool
    ) -> Iterator[Figure]:
        for values, ids in self.series.items():
            if (count := _sum(cells, ids)) or total:
                yield "", _labels(self.labels, values), count


@dataclass(frozen=True)
class Ratio:
    """Numerator and denominator of one series of ``Ratios``, and the shortest window it is in."""

    labels: dict[str, str]
    numerator: CellIds
    denominator: CellIds
    shortest_window: int = 0


@dataclass(frozen=True)
class Ratios(Shape):
    """Shares of 0–1 (period conversions may exceed 1), with numerator and denominator.

    ``rule`` gives the series for the configured horizons.
    """

    rule: Callable[[tuple[str, ...]], tuple[Ratio, ...]]
    labels: tuple[str, ...] = ()
    suffixes: ClassVar[tuple[str, ...]] = ("", "_numerator", "_denominator")

    def figures(
        self, cells: Cells, definition: Definition, window: Window, *, total: bool
    ) -> Iterator[Figure]:
        for ratio in self.rule(definition.horizons):
            if window.minutes < ratio.shortest_window:
                continue
            numerator = _sum(cells, ratio.numerator)
            denominator = _sum(cells, ratio.denominator)
            if denominator:
                yield "", ratio.labels, numerator / denominator
            if total or numerator or denominator:
                yield "_numerator", ratio.labels, numerator
                yield "_denominator", ratio.labels, denominator


QUANTILES: Final = (0.5, 0.9)


@dataclass(frozen=True)
class Durations(Shape):
    """Mean, sum, count and p50/p90 of a duration in seconds; one series per label value."""

    measure: str
    labels: tuple[str]
    values: tuple[str, ...]
    suffixes: ClassVar[tuple[str, ...]] = ("", "_sum", "_count", "_quantile")

    def figures(
        self, cells: Cells, definition: Definition, window: Window, *, total: bool
    ) -> Iterator[Figure]:
        sizes = _open_cells(cells, f"{self.measure}_histogram")
        for value in self.values:
            labels = {self.labels[0]: value}
            histogram = sorted(
                (histogram_value(size), count) for (owner, size), count in sizes if owner == value
            )
            count = sum(number for _, number in histogram)
            seconds = cells.get(cell_id(self.measure, value), 0) / 1e6
            if count:
                yield "", labels, seconds / count
                for quantile in QUANTILES:
                    at = _quantile(histogram, quantile, count) / 1e6
                    yield "_quantile", {**labels, "quantile": str(quantile)}, at
            if count or total:
                yield "_sum", labels, seconds
                yield "_count", labels, count


def _quantile(histogram: list[tuple[float, int]], quantile: float, count: int) -> float:
    """The value at rank ⌈q·n⌉ (discrete), of (value, count) pairs in order."""
    rank = -(-quantile * count // 1)
    seen = 0
    for value, number in histogram:
        seen += number
        if seen >= rank:
            return value
    raise AssertionError("a histogram holds as many as it counts")


@dataclass(frozen=True)
class Amounts(Shape):
    """Sums of money in major units; the last label, ``currency``, is open."""

    measure: str
    labels: tuple[str, ...]

    def figures(
        self, cells: Cells, definition: Definition, window: Window, *, total: bool
    ) -> Iterator[Figure]:
        for values, minor in sorted(_open_cells(cells, self.measure)):
            yield "", _labels(self.labels, values), major(minor, values[-1])


def _open_cells(cells: Cells, measure: str) -> list[tuple[tuple[str, ...], int]]:
    """Labels and weights of a measure's cells in a row."""
    return [
        (CELLS[cell][1:], weight) for cell, weight in cells.items() if CELLS[cell][0] == measure
    ]
