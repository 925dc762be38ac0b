"""Shapes of KPIs: counts, ratios, means, durations and amounts, out of the cells of one place."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, lru_cache
from threading import Lock
from typing import Any, ClassVar, Final, NamedTuple

from funnel_stream.contract.money import major
from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.facts.measures import (
    CELLS,
    HIGHEST,
    LOWEST,
    Cell,
    cell_id,
    histogram,
    histogram_value,
)
from funnel_stream.facts.rules import NONE
from funnel_stream.windows.tables import Cells

OTHER: Final = "__other__"
CellIds = tuple[int, ...]


class Own(NamedTuple):
    """The labels of a series beside those of its place; ``text`` as Prometheus writes them."""

    labels: dict[str, str]
    text: str


Figure = tuple[str, Own, float]
"""A suffix (``""``, ``"_sum"`` …), labels and a value."""

Contribution = tuple[str, dict[str, str]]
"""A suffix and labels: to which series of a KPI a cell adds."""


@lru_cache(maxsize=1 << 16)
def own(names: tuple[str, ...], values: tuple[str, ...]) -> Own:
    """Labels by their names and values. Made once: most figures have the same ones every time."""
    labels = dict(zip(names, values, strict=True))
    return Own(labels, label_text(labels))


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as Prometheus writes them, without braces."""
    text = ",".join([f'{name}="{value}"' for name, value in labels.items()])
    # Escaping each value would take longer than all the rest, and hardly any needs it.
    if text.count('"') == 2 * len(labels) and "\\" not in text and "\n" not in text:
        return text
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels.items()])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Part(Enum):
    """Which figures of a place are shown: matured conversions, those that are none, or all."""

    ALL = "all"
    MATURED = "matured"
    OTHERS = "others"


class Place:
    """Where figures are taken: one row of cells, in one window or (``window`` ``None``) now.

    ``now``: the present cells of the same row. ``as_of`` in µs. ``total``: not a breakdown, so that
    zeros of closed labels are shown. ``dimension``: of the breakdown, ``""`` for a total. ``tops``:
    by measure, the values shown of its first label where anybody can invent them; the others are
    ``__other__``. ``part``: of the figures, those that are shown.
    """

    __slots__ = (
        "_open",
        "as_of",
        "cells",
        "definition",
        "dimension",
        "now",
        "part",
        "pipeline",
        "tops",
        "window",
    )

    def __init__(
        self,
        definition: Definition,
        pipeline: str,
        window: Window | None,
        cells: Cells,
        *,
        now: Cells,
        as_of: int,
        dimension: str = "",
        tops: Mapping[str, frozenset[str]],
        part: Part = Part.ALL,
    ) -> None:
        self.definition = definition
        self.pipeline = pipeline
        self.window = window
        self.cells = cells
        self.now = now
        self.as_of = as_of
        self.dimension = dimension
        self.tops = tops
        self.part = part
        self._open: dict[_Key, list[tuple[Any, int]]] | None = None

    @property
    def total(self) -> bool:
        return not self.dimension

    @property
    def days(self) -> float:
        """How much of the window has passed, in days of 24 hours: the pane in progress in part."""
        assert self.window is not None
        return self.window.passed(self.as_of)

    def sum(self, ids: CellIds) -> int:
        """Total weight of cells."""
        cells = self.cells
        if len(ids) == 1:
            return cells.get(ids[0], 0)
        return sum([cells.get(cell, 0) for cell in ids])

    def of(self, measure: str) -> list[tuple[tuple[str, ...], int]]:
        """Labels and weights of a measure's cells, for measures with labels that are not known
        beforehand."""
        return self._gathered().get(measure, [])

    def sizes(self, measure: str, label: str) -> list[tuple[float, int]]:
        """How many durations (µs) of about each size there are, in no order."""
        return self._gathered().get((histogram(measure), label), [])

    def _gathered(self) -> "dict[_Key, list[tuple[Any, int]]]":
        found = self._open
        if found is None:
            found = self._open = {}
            asked = _asked()
            for cell, weight in self.cells.items():
                known = asked[cell]
                if known is not None:
                    key, told = known
                    if key in found:
                        found[key].append((told, weight))
                    else:
                        found[key] = [(told, weight)]
        return found


OPEN_MEASURES: Final[set[str]] = set()
"""Measures that are asked for by ``Place.of``."""
_HISTOGRAMS: Final[set[str]] = set()
"""Measures that are asked for by ``Place.sizes``."""

_Key = str | tuple[str, str]
_asked_for: Final[list[tuple[_Key, Any] | None]] = []
"""By cell: what it is asked for by, and what is told of it; ``None`` where its id is asked for."""
_growing: Final = Lock()


def _asked() -> list[tuple[_Key, Any] | None]:
    """``_asked_for`` with every cell that there is."""
    if len(_asked_for) < len(CELLS):
        with _growing:
            for measure, *labels in CELLS[len(_asked_for) :]:
                if measure in _HISTOGRAMS:
                    label, index = labels
                    _asked_for.append(((measure, label), histogram_value(index)))
                else:
                    known = (measure, tuple(labels)) if measure in OPEN_MEASURES else None
                    _asked_for.append(known)
    return _asked_for


@dataclass(frozen=True, kw_only=True)
class Shape(ABC):
    """How figures come out of a place.

    ``labels``: names of the labels beside pipeline, window and the breakdown's. ``suffixes``: of
    the series names. ``of_now``: the figure is of the present and has no window. ``dimensions``:
    the only ones that it can be broken down by; empty for all.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("",)
    labels: tuple[str, ...] = ()
    of_now: bool = False
    dimensions: tuple[str, ...] = ()

    @abstractmethod
    def figures(self, place: Place) -> Iterator[Figure]:
        """Figures of a place. Zeros of closed labels are given for a total only."""

    @abstractmethod
    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        """The series that a cell adds to, in a pipeline with those horizons."""

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        """Whether a series, told by its own labels, is a share: its numerator counts some of what
        its denominator counts."""
        return False

    @abstractmethod
    def size(self, place: Place) -> int:
        """How many series a place has at most; open labels counted as ``open_values`` says."""


def open_values(definition: Definition, label: str) -> int:
    """How many values of an open label are reckoned with."""
    if label == "currency":
        return 1 if definition.base_currency else 2
    return definition.top_n_in(label) + 2


def _product(
    definition: Definition, labels: tuple[str, ...], known: Mapping[str, tuple[str, ...]]
) -> int:
    size = 1
    for label in labels:
        size *= len(known[label]) if label in known else open_values(definition, label)
    return size


@dataclass(frozen=True, kw_only=True)
class Counts(Shape):
    """Numbers of things; one series for each of a closed set of labels."""

    series: dict[tuple[str, ...], CellIds]

    def figures(self, place: Place) -> Iterator[Figure]:
        total = place.total
        for values, ids in self.series.items():
            if (count := place.sum(ids)) or total:
                yield "", own(self.labels, values), count

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        wanted = cell_id(*cell)
        return [("", own(self.labels, v).labels) for v, ids in self.series.items() if wanted in ids]

    def size(self, place: Place) -> int:
        return len(self.series)


@dataclass(frozen=True, kw_only=True)
class LimitedCounts(Counts):
    """Counts per stage, for the stages that have a limit in the pipeline."""

    def figures(self, place: Place) -> Iterator[Figure]:
        limits = place.definition.stuck_after_in(place.pipeline)
        for suffix, labels, value in super().figures(place):
            if labels.labels["stage"] in limits:
                yield suffix, labels, value

    def size(self, place: Place) -> int:
        return len(place.definition.stuck_after_in(place.pipeline))


@dataclass(frozen=True, kw_only=True)
class OpenCounts(Shape):
    """Numbers of things by labels that anybody can invent, non-zero ones only; the first label
    shows its top N, the rest as one.

    ``known``: all values that a label can have, of the labels that nobody can invent.
    """

    measure: str
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        OPEN_MEASURES.add(self.measure)

    def figures(self, place: Place) -> Iterator[Figure]:
        for values, weight in _gathered(place, self.measure):
            yield "", own(self.labels, values), weight

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        return [("", own(self.labels, cell[1:]).labels)] if cell[0] == self.measure else []

    def size(self, place: Place) -> int:
        return _product(place.definition, self.labels, self.known)


@dataclass(frozen=True, kw_only=True)
class Amounts(OpenCounts):
    """Sums of money in major units; the last label is the currency."""

    def figures(self, place: Place) -> Iterator[Figure]:
        for values, minor in _gathered(place, self.measure):
            yield "", own(self.labels, values), major(minor, values[-1])


def _gathered(place: Place, measure: str) -> list[tuple[tuple[str, ...], int]]:
    """Labels and sums in order, values of the first label that are not shown as ``__other__``."""
    found = place.of(measure)
    shown = place.tops.get(measure)
    if shown is None:
        return sorted(found)
    sums: dict[tuple[str, ...], int] = {}
    for (first, *rest), weight in found:
        key = (first if first in shown or first == NONE else OTHER, *rest)
        sums[key] = sums.get(key, 0) + weight
    return sorted((key, total) for key, total in sums.items() if total)


@dataclass(frozen=True)
class Ratio:
    """Numerator and denominator of one series of ``Ratios``; a matured one needs a day at least."""

    labels: dict[str, str]
    numerator: CellIds
    denominator: CellIds
    matured: bool = False

    def own(self) -> Own:
        return own(tuple(self.labels), tuple(self.labels.values()))

    def shown(self, place: Place) -> bool:
        """Whether the series stands in the place's window, and is of the part that is shown."""
        if self.matured:
            return (
                place.part is not Part.OTHERS and place.window is not None and place.window.judges
            )
        return place.part is not Part.MATURED


@dataclass(frozen=True, kw_only=True)
class Ratios(Shape):
    """Quotients of counts, with numerator and denominator.

    ``rule`` gives the series for the configured horizons. ``per``: bases on which the one count is
    not of the other, so that the quotient may exceed 1 (won per lead); all else are shares.
    """

    rule: Callable[[tuple[str, ...]], tuple[Ratio, ...]]
    per: tuple[str, ...] = ()
    suffixes: ClassVar[tuple[str, ...]] = ("", "_numerator", "_denominator")

    def figures(self, place: Place) -> Iterator[Figure]:
        total = place.total
        sums: dict[CellIds, int] = {}
        for ratio, labels in _ratios(self.rule, place.definition.horizons_of(place.pipeline)):
            if not ratio.shown(place):
                continue
            numerator = place.sum(ratio.numerator)
            denominator = sums.get(ratio.denominator)
            if denominator is None:
                denominator = sums[ratio.denominator] = place.sum(ratio.denominator)
            if denominator:
                yield "", labels, numerator / denominator
            if total or numerator or denominator:
                yield "_numerator", labels, numerator
                yield "_denominator", labels, denominator

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        wanted = cell_id(*cell)
        return [
            (suffix, ratio.labels)
            for ratio, _ in _ratios(self.rule, horizons)
            for suffix, ids in (
                ("_numerator", ratio.numerator),
                ("_denominator", ratio.denominator),
            )
            if wanted in ids
        ]

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        return labels.get("basis") not in self.per

    def size(self, place: Place) -> int:
        ratios = _ratios(self.rule, place.definition.horizons_of(place.pipeline))
        return 3 * sum(ratio.shown(place) for ratio, _ in ratios)


@cache
def _ratios(
    rule: Callable[[tuple[str, ...]], tuple[Ratio, ...]], horizons: tuple[str, ...]
) -> tuple[tuple[Ratio, Own], ...]:
    return tuple((ratio, ratio.own()) for ratio in rule(horizons))


@dataclass(frozen=True, kw_only=True)
class MoneyRatios(Shape):
    """Quotients of two sums of money, per currency; numerator and denominator in major units."""

    numerator: str
    denominator: str
    suffixes: ClassVar[tuple[str, ...]] = ("", "_numerator", "_denominator")
    labels: tuple[str, ...] = ("currency",)

    def __post_init__(self) -> None:
        OPEN_MEASURES.update((self.numerator, self.denominator))

    def figures(self, place: Place) -> Iterator[Figure]:
        tops = dict(place.of(self.numerator))
        bottoms = dict(place.of(self.denominator))
        for values in sorted(tops.keys() | bottoms.keys()):
            numerator, denominator = tops.get(values, 0), bottoms.get(values, 0)
            labels = own(self.labels, values)
            if denominator:
                yield "", labels, numerator / denominator
            if numerator or denominator:
                yield "_numerator", labels, major(numerator, values[0])
                yield "_denominator", labels, major(denominator, values[0])

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        suffixes = {self.numerator: "_numerator", self.denominator: "_denominator"}
        suffix = suffixes.get(cell[0])
        return [(suffix, own(self.labels, cell[1:]).labels)] if suffix else []

    def size(self, place: Place) -> int:
        return 3 * open_values(place.definition, "currency")


@dataclass(frozen=True, kw_only=True)
class CostPer(Shape):
    """Money spent per thing: in major units, per currency that anything was spent in."""

    measure: str
    things: CellIds
    suffixes: ClassVar[tuple[str, ...]] = ("", "_numerator", "_denominator")
    labels: tuple[str, ...] = ("currency",)

    def __post_init__(self) -> None:
        OPEN_MEASURES.add(self.measure)

    def figures(self, place: Place) -> Iterator[Figure]:
        things = place.sum(self.things)
        for values, minor in sorted(place.of(self.measure)):
            spent = major(minor, values[0])
            labels = own(self.labels, values)
            if things:
                yield "", labels, spent / things
            yield "_numerator", labels, spent
            yield "_denominator", labels, things

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        return []

    def size(self, place: Place) -> int:
        return 3 * open_values(place.definition, "currency")


@dataclass(frozen=True, kw_only=True)
class Means(Shape):
    """Sums, counts and means of exact numbers; one series per label value.

    ``series``: for each label value the cells that are summed, each with the part of a unit that
    its weight is in (10⁶: millionths), and the cells that count.
    """

    series: dict[tuple[str, ...], tuple[tuple[tuple[int, int], ...], CellIds]]
    suffixes: ClassVar[tuple[str, ...]] = ("", "_sum", "_count")

    def figures(self, place: Place) -> Iterator[Figure]:
        total, cells = place.total, place.cells
        for values, (summed, counted) in self.series.items():
            count = place.sum(counted)
            if not (count or total):
                continue
            unit = max(part for _, part in summed)
            exact = sum([cells.get(cell, 0) * (unit // part) for cell, part in summed])
            labels = own(self.labels, values)
            if count:
                yield "", labels, exact / (unit * count)
            yield "_sum", labels, exact / unit
            yield "_count", labels, count

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        wanted = cell_id(*cell)
        found: list[Contribution] = []
        for values, (summed, counted) in self.series.items():
            if any(wanted == each for each, _ in summed):
                found.append(("_sum", own(self.labels, values).labels))
            if wanted in counted:
                found.append(("_count", own(self.labels, values).labels))
        return found

    def size(self, place: Place) -> int:
        return 3 * len(self.series)


@dataclass(frozen=True, kw_only=True)
class Ages(Means):
    """Means of the time since something, in seconds, from the sum of those instants."""

    def figures(self, place: Place) -> Iterator[Figure]:
        for values, (((since, _),), counted) in self.series.items():
            count = place.sum(counted)
            if not (count or place.total):
                continue
            age = count * place.as_of - place.cells.get(since, 0)
            labels = own(self.labels, values)
            if count:
                yield "", labels, age / (1_000_000 * count)
            yield "_sum", labels, age / 1_000_000
            yield "_count", labels, count


@dataclass(frozen=True, kw_only=True)
class MoneyMeans(Shape):
    """Means of amounts in major units, per currency."""

    summed: str
    counted: str
    suffixes: ClassVar[tuple[str, ...]] = ("", "_sum", "_count")
    labels: tuple[str, ...] = ("currency",)

    def __post_init__(self) -> None:
        OPEN_MEASURES.update((self.summed, self.counted))

    def figures(self, place: Place) -> Iterator[Figure]:
        sums = dict(place.of(self.summed))
        for values, count in sorted(place.of(self.counted)):
            amount = major(sums.get(values, 0), values[0])
            labels = own(self.labels, values)
            yield "", labels, amount / count
            yield "_sum", labels, amount
            yield "_count", labels, count

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        suffix = {self.summed: "_sum", self.counted: "_count"}.get(cell[0])
        return [(suffix, own(self.labels, cell[1:]).labels)] if suffix else []

    def size(self, place: Place) -> int:
        return 3 * open_values(place.definition, "currency")


QUANTILES: Final = {"0.5": 5, "0.9": 9}
"""Quantiles that are shown, in tenths."""


@dataclass(frozen=True, kw_only=True)
class Durations(Shape):
    """Mean, sum, count and p50/p90 of a duration in seconds; one series per label value."""

    measure: str
    values: tuple[str, ...] = ("",)
    suffixes: ClassVar[tuple[str, ...]] = ("", "_sum", "_count", "_quantile")

    def __post_init__(self) -> None:
        _HISTOGRAMS.add(histogram(self.measure))

    def figures(self, place: Place) -> Iterator[Figure]:
        for value in self.values:
            counted = sorted(place.sizes(self.measure, value))
            if not (counted or place.total):
                continue
            labels = self._own(value)
            exact = place.cells.get(cell_id(self.measure, value), 0)
            seconds, number = exact / 1_000_000, 0
            if counted:
                number = sum([count for _, count in counted])
                yield "", labels, seconds / number
                ranks = [-(-tenths * number // 10) for tenths in QUANTILES.values()]
                found = _at_ranks(counted, ranks, number, exact)
                for quantile, at in zip(QUANTILES, found, strict=True):
                    yield "_quantile", self._own(value, quantile), at / 1_000_000
            yield "_sum", labels, seconds
            yield "_count", labels, number

    def _own(self, value: str, *quantile: str) -> Own:
        values = (value, *quantile) if self.labels else quantile
        return own((*self.labels, "quantile") if quantile else self.labels, values)

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        suffix = {self.measure: "_sum", histogram(self.measure): "_count"}.get(cell[0])
        return [(suffix, self._own(cell[1]).labels)] if suffix else []

    def size(self, place: Place) -> int:
        return (3 + len(QUANTILES)) * len(self.values)


def _at_ranks(
    counted: list[tuple[float, int]], ranks: Iterable[int], number: int, exact: int
) -> Iterator[float]:
    """The values at ascending ranks from 1 (discrete), of (value, count) pairs in order;
    ``number`` and ``exact``: how many samples there are, and their sum.

    The value of a cell is within 1 % of its samples, its edges within 2 %, and no quantile lies
    beyond the smallest or the largest sample. What the sum leaves to the sample at the rank
    bounds it from both sides: no other sample is outside its cell, those of lower ranks are no
    larger, and those of higher ranks no smaller. The only sample is the sum itself.
    """
    first, last = counted[0][0], counted[-1][0]
    every = sum([value * count for value, count in counted])
    cells = iter(counted)
    value, count = next(cells)
    seen, sum_seen = 0, 0.0
    for rank in ranks:
        while seen + count < rank:
            seen += count
            sum_seen += count * value
            value, count = next(cells)
        below = sum_seen + (rank - 1 - seen) * value
        above = every - below - value
        # Of the smallest and the largest sample the cells are known: on this side of them lies the
        # edge of the cell that is nearer to the others.
        if first == last:
            at = exact / number
        elif value == last:
            at = value * LOWEST
        elif value == first:
            at = value * HIGHEST
        else:
            at = value
        others = below + above
        least = max((exact - above * HIGHEST) / rank, exact - others * HIGHEST)
        most = min((exact - below * LOWEST) / (number - rank + 1), exact - others * LOWEST)
        yield min(max(at, least), most)


FEWEST_WON: Final = 5
"""Won deals of a window whose mean value and time say anything about the open ones."""


@dataclass(frozen=True, kw_only=True)
class Velocity(Shape):
    """Open deals × win ratio × mean won value ÷ mean time to close of won deals in days: what the
    pipeline earns a day if it goes on like that, per currency, in major units.

    Stuck deals are left out: they are open, but nobody expects them to go on like the others.
    """

    open: CellIds
    stuck: CellIds
    won: CellIds
    closed: CellIds
    valued: CellIds
    time_to_close: int
    labels: tuple[str, ...] = ("currency",)

    def figures(self, place: Place) -> Iterator[Figure]:
        won, closed, valued = (place.sum(ids) for ids in (self.won, self.closed, self.valued))
        spent_us = place.cells.get(self.time_to_close, 0)
        if won < FEWEST_WON or not (valued and spent_us):
            return
        now = place.now
        deals = sum([now.get(cell, 0) for cell in self.open])
        deals -= sum([now.get(cell, 0) for cell in self.stuck])
        days = spent_us / won / 86_400_000_000
        for (outcome, currency), minor in sorted(place.of("deal_value")):
            if outcome == "won":
                value = major(minor, currency) / valued
                yield "", own(self.labels, (currency,)), deals * (won / closed) * value / days

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        return []

    def size(self, place: Place) -> int:
        return open_values(place.definition, "currency")


@dataclass(frozen=True, kw_only=True)
class AmountsPerDay(Shape):
    """Sums of money ÷ the days of the window that have passed, in major units, per currency.

    ``of``: the labels of the measure's cells that are summed, without the currency.
    """

    measure: str
    of: tuple[str, ...]
    labels: tuple[str, ...] = ("currency",)

    def __post_init__(self) -> None:
        OPEN_MEASURES.add(self.measure)

    def figures(self, place: Place) -> Iterator[Figure]:
        # A window of one pane has not begun to pass at the first instant of its pane.
        if not (days := place.days):
            return
        for (*labels, currency), minor in sorted(place.of(self.measure)):
            if tuple(labels) == self.of:
                yield "", own(self.labels, (currency,)), major(minor, currency) / days

    def contributions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Contribution]:
        return []

    def size(self, place: Place) -> int:
        return open_values(place.definition, "currency")
