"""What a pipeline earns per day: as forecast from its pace, and as it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from funnel_stream.contract.money import major
from funnel_stream.definition.time import DAY_US
from funnel_stream.facts.measures import Cell, DurationMeasure, MoneyMeasure
from funnel_stream.kpis.forms import Addition, Form, SeriesValue
from funnel_stream.kpis.scope import CellIds, Scope, label_set

FEWEST_WON: Final = 5
"""Won deals that a window needs before their means say anything about the open ones."""


@dataclass(frozen=True, kw_only=True)
class Velocity(Form):
    """Open deals × win ratio × mean won value ÷ mean time to close of won deals in days: what the
    pipeline earns per day at its current pace, per currency, in major units.

    Stuck deals are left out: they are open, but not expected to move on like the others.
    """

    open: CellIds
    stuck: CellIds
    won: CellIds
    closed: CellIds
    valued: CellIds
    value: MoneyMeasure
    time_to_close: DurationMeasure
    labels: tuple[str, ...] = ("currency",)

    @property
    def basis(self) -> str:
        return "period, multiplied by the deals open now"

    @property
    def separable(self) -> bool:
        return False

    @property
    def adding_up(self) -> str:
        return "each value uses its own parts, so the values do not add up to the total"

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        won, closed, valued = (scope.sum(ids) for ids in (self.won, self.closed, self.valued))
        spent_us = scope.cells.get(self.time_to_close.cell("won"), 0)
        if won < FEWEST_WON or not (valued and spent_us):
            return
        now = scope.now
        deals = sum([now.get(cell, 0) for cell in self.open])
        deals -= sum([now.get(cell, 0) for cell in self.stuck])
        days = spent_us / won / DAY_US
        for (outcome, currency), minor in sorted(scope.of(self.value)):
            if outcome == "won":
                value = major(minor, currency) / valued
                yield "", label_set(self.labels, (currency,)), deals * (won / closed) * value / days

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        return []


@dataclass(frozen=True, kw_only=True)
class AmountsPerDay(Form):
    """Sums of money ÷ the days of the window that have passed, in major units, per currency.

    ``of``: the labels of the measure's cells that are summed, without the currency.
    """

    measure: MoneyMeasure
    of: tuple[str, ...]
    labels: tuple[str, ...] = ("currency",)

    @property
    def basis(self) -> str:
        return "period; it moves with the clock as the current pane passes"

    def figures(self, scope: Scope) -> Iterator[SeriesValue]:
        # A window of one pane has not begun to pass at the first instant of its pane.
        if not (days := scope.days):
            return
        for (*labels, currency), minor in sorted(scope.of(self.measure)):
            if tuple(labels) == self.of:
                yield "", label_set(self.labels, (currency,)), major(minor, currency) / days

    def additions(self, cell: Cell, horizons: tuple[str, ...]) -> list[Addition]:
        return []
