"""Durations: mean, sum, count and quantiles, from exact sums and histograms."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from funnel_stream.facts.measures import HIGHEST, LOWEST, Cell, DurationMeasure, cell_id
from funnel_stream.kpis.forms import MICROS, Addition, Form, SeriesValue
from funnel_stream.kpis.quotients import MEAN
from funnel_stream.kpis.scope import LabelSet, Scope, label_set

QUANTILES: Final = {"0.5": 5, "0.9": 9}
"""Quantiles that are shown, in tenths."""


@dataclass(frozen=True, kw_only=True)
class Durations(Form):
    """Mean, sum, count and p50/p90 of a duration in seconds; one series per label value."""

    measure: DurationMeasure
    values: tuple[str, ...] = ("",)

    @property
    def parts(self) -> tuple[str, ...]:
        return MEAN

    @property
    def quantiles(self) -> tuple[str, ...]:
        return tuple(QUANTILES)

    @property
    def adding_up(self) -> str:
        return "sums and counts add up to the total, means and quantiles do not"

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        for value in self.values:
            counted = sorted(scope.sizes(self.measure, value))
            if not (counted or scope.total):
                continue
            labels = self._labels(value)
            exact = scope.cells.get(cell_id(self.measure.name, value), 0)
            seconds, number = exact / MICROS, 0
            if counted:
                number = sum([count for _, count in counted])
                yield "", labels, seconds / number
                ranks = [-(-tenths * number // 10) for tenths in QUANTILES.values()]
                found = at_ranks(counted, ranks, number, exact)
                for quantile, at in zip(QUANTILES, found, strict=True):
                    yield "_quantile", self._labels(value, quantile), at / MICROS
            yield "_sum", labels, seconds
            yield "_count", labels, number

    def _labels(self, value: str, *quantile: str) -> LabelSet:
        values = (value, *quantile) if self.labels else quantile
        return label_set((*self.labels, "quantile") if quantile else self.labels, values)

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        if cell[0] == self.measure.name:
            return [Addition("_sum", self._labels(cell[1]).labels, scale=MICROS)]
        if cell[0] == self.measure.sizes:
            return [Addition("_count", self._labels(cell[1]).labels)]
        return []

    def series(self, horizons: tuple[str, ...]) -> list[dict[str, str]]:
        return [dict.fromkeys(self.labels, value) for value in self.values]

    def size(self, scope: Scope) -> int:
        return (3 + len(QUANTILES)) * len(self.values)


def at_ranks(
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
