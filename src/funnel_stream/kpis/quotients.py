"""Quotients of two declared sums: ratios, means, ages, and money per thing or per money."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from funnel_stream.contract.money import major
from funnel_stream.facts.measures import Cell, Measure, MoneyMeasure, cell_id
from funnel_stream.kpis.forms import MICROS, Addition, Form, SeriesValue, additions_of
from funnel_stream.kpis.scope import CellIds, LabelSet, Part, Scope, label_set

RATIO: Final = ("_numerator", "_denominator")
MEAN: Final = ("_sum", "_count")
PartSuffixes = tuple[str, str]
"""What dividend and divisor are called, as suffixes of their series."""

_ADDING_UP: Final = {
    RATIO: "numerators and denominators add up to the total, ratios do not",
    MEAN: "sums and counts add up to the total, means do not",
}


@dataclass(frozen=True, kw_only=True)
class Dividend:
    """A sum of cells. ``factors``: of each cell, by which its weight is multiplied; ``scale``: how
    many of these are one of the KPI's unit. ``since``: weights are instants (µs), and the sum is of
    the times since, one for each of the divisor."""

    cells: CellIds
    factors: tuple[int, ...] = ()
    scale: int = 1
    since: bool = False

    def of(self, scope: Scope, divisor: int) -> int:
        if self.since:
            return divisor * scope.as_of - scope.sum(self.cells)
        if self.factors:
            get = scope.cells.get
            pairs = zip(self.cells, self.factors, strict=True)
            return sum([get(cell, 0) * factor for cell, factor in pairs])
        return scope.sum(self.cells)

    def addition(self, suffix: str, labels: dict[str, str], cell: int) -> Addition:
        factor = self.factors[self.cells.index(cell)] if self.factors else 1
        return Addition(suffix, labels, factor, self.scale, self.since)


@dataclass(frozen=True)
class Fraction:
    """One series of a quotient. A ``matured`` one is in no window too short to judge it."""

    labels: dict[str, str]
    dividend: Dividend
    divisor: CellIds
    matured: bool = False

    def shown(self, scope: Scope) -> bool:
        """Whether the series exists in the scope's window and belongs to the part that is shown."""
        if self.matured:
            return (
                scope.part is not Part.OTHERS and scope.window is not None and scope.window.judges
            )
        return scope.part is not Part.MATURED


def count(*cells: int) -> Dividend:
    """A number of things."""
    return Dividend(cells=cells)


def time_since(cell: int) -> Dividend:
    """The time since the instants that a cell sums, in seconds."""
    return Dividend(cells=(cell,), scale=MICROS, since=True)


Rule = Callable[[tuple[str, ...]], tuple[Fraction, ...]]


def fixed(*fractions: Fraction) -> Rule:
    """Series that do not depend on horizons."""
    return lambda horizons: fractions


@dataclass(frozen=True, kw_only=True)
class Quotient(Form):
    """A sum ÷ a number of things, with both; the series are known beforehand.

    ``rule`` gives them for the configured horizons. ``parts``: ``RATIO`` or ``MEAN``. ``per``:
    bases on which the one count is not of the other, so that the quotient may exceed 1 (won per
    lead); all other ratios are shares.
    """

    rule: Rule
    parts: PartSuffixes = RATIO
    per: tuple[str, ...] = ()

    @property
    def of_counts(self) -> bool:
        return self.parts == RATIO

    @property
    def adding_up(self) -> str:
        return _ADDING_UP[self.parts]

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        total, of_counts = scope.total, self.of_counts
        above, below = self.parts
        divisors: dict[CellIds, int] = {}
        for fraction, labels in _fractions(self.rule, scope.definition.horizons_of(scope.pipeline)):
            if not fraction.shown(scope):
                continue
            divisor = divisors.get(fraction.divisor)
            if divisor is None:
                divisor = divisors[fraction.divisor] = scope.sum(fraction.divisor)
            if of_counts:
                dividend, scale = scope.sum(fraction.dividend.cells), 1
            else:
                dividend, scale = fraction.dividend.of(scope, divisor), fraction.dividend.scale
            if divisor:
                yield "", labels, dividend / (scale * divisor)
            if total or dividend or divisor:
                yield above, labels, dividend if of_counts else dividend / scale
                yield below, labels, divisor

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        above, below = self.parts
        identifier = cell_id(*cell)
        found: list[Addition] = []
        for fraction, _ in _fractions(self.rule, horizons):
            if identifier in fraction.dividend.cells:
                found.append(fraction.dividend.addition(above, fraction.labels, identifier))
            if identifier in fraction.divisor:
                found.append(Addition(below, fraction.labels))
        return found

    def series(self, horizons: tuple[str, ...]) -> list[dict[str, str]]:
        return [fraction.labels for fraction, _ in _fractions(self.rule, horizons)]

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        return self.of_counts and labels.get("basis") not in self.per

    def size(self, scope: Scope) -> int:
        fractions = _fractions(self.rule, scope.definition.horizons_of(scope.pipeline))
        return len(self.suffixes) * sum(fraction.shown(scope) for fraction, _ in fractions)


@cache
def _fractions(rule: Rule, horizons: tuple[str, ...]) -> tuple[tuple[Fraction, LabelSet], ...]:
    return tuple(
        (fraction, label_set(tuple(fraction.labels), tuple(fraction.labels.values())))
        for fraction in rule(horizons)
    )


@dataclass(frozen=True, kw_only=True)
class MoneyQuotient(Form):
    """A sum of money ÷ another one, or ÷ a number of things; one series per currency.

    ``divisor``: a measure by currency, or the cells of things that have none.
    """

    dividend: MoneyMeasure
    divisor: Measure | CellIds
    parts: PartSuffixes = RATIO
    labels: tuple[str, ...] = ("currency",)

    @property
    def per_money(self) -> bool:
        return isinstance(self.divisor, Measure) and self.divisor.of_money

    @property
    def adding_up(self) -> str:
        if isinstance(self.divisor, Measure):
            return _ADDING_UP[self.parts]
        return "`…_numerator` adds up to the total, the quotient is taken of the sums"

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        above, below = self.parts
        dividends = dict(scope.of(self.dividend))
        if isinstance(self.divisor, Measure):
            divisors = dict(scope.of(self.divisor))
        else:
            divisors = dict.fromkeys(dividends, scope.sum(self.divisor))
        for values in sorted(dividends.keys() | divisors.keys()):
            dividend, divisor = dividends.get(values, 0), divisors.get(values, 0)
            amount, labels = major(dividend, values[0]), label_set(self.labels, values)
            if divisor:
                yield "", labels, (dividend if self.per_money else amount) / divisor
            if dividend or divisor:
                yield above, labels, amount
                yield below, labels, major(divisor, values[0]) if self.per_money else divisor

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        if not isinstance(self.divisor, Measure):
            return []  # spent on channels, not on deals
        above, below = self.parts
        return [
            *additions_of(self.dividend, above, self.labels, cell),
            *additions_of(self.divisor, below, self.labels, cell),
        ]
