"""Cells: what is counted. A *cell* is a measure with its labels; a KPI is made of sums of cells.

Facts and KPIs share the measures that are declared here: what one writes and no other reads, or the
other way round, is an error of types.
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, exp, log
from threading import Lock
from typing import Final

Cell = tuple[str, ...]
"""A measure's name and its labels, like ``("progress", "lead", "offer", "lost")``."""

CELLS: Final[list[Cell]] = []
"""Every cell this process has met; a cell's id is its index. Grows, never shrinks."""
_cell_ids: Final[dict[Cell, int]] = {}
_growing: Final = Lock()


def cell_id(*cell: str) -> int:
    """The id of a cell, given on first use."""
    known = _cell_ids.get(cell)
    if known is None:
        with _growing:
            if cell not in _cell_ids:
                CELLS.append(cell)  # first, so that nobody finds an id without its cell
                _cell_ids[cell] = len(CELLS) - 1
            known = _cell_ids[cell]
    return known


MEASURES: Final[dict[str, "Measure"]] = {}
"""All that are declared, by name."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is counted or summed.

    ``labels``: what they are called, in the order of a cell's. ``of_now``: its facts count from
    their minute on, for ever, and in no window. ``invented``: anybody may write any text as the
    first label; ``ranked_as``: by which measure the most frequent of them are found, if not by this
    one.
    """

    name: str
    labels: tuple[str, ...] = ()
    of_now: bool = False
    invented: bool = False
    ranked_as: "Measure | None" = None

    def __post_init__(self) -> None:
        MEASURES[self.name] = self

    def cell(self, *labels: str) -> int:
        """The id of a cell."""
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has labels {self.labels}, not {labels}")
        return cell_id(self.name, *labels)

    @property
    def of_money(self) -> bool:
        """Weights are minor units of the currency, which is the last label."""
        return False

    @property
    def listed(self) -> bool:
        """Its cells are not known beforehand: those that there are have to be looked for."""
        return self.invented or "currency" in self.labels


@dataclass(frozen=True, kw_only=True)
class MoneyMeasure(Measure):
    """A sum of money."""

    labels: tuple[str, ...] = ("currency",)

    @property
    def of_money(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class DurationMeasure(Measure):
    """A sum of durations (µs), beside which their sizes are counted. One without a label has an
    empty one in its cells."""

    labels: tuple[str, ...] = ("",)

    @property
    def sizes(self) -> str:
        """The name of the measure that counts the sizes."""
        return histogram(self.name)


MATURED: Final = "matured"
"""Name of the measure whose facts count in the first pane that starts at or after their minute."""

_LOST_LABELS: Final = ("reason", "lost_from", "offered")

REACHED: Final = Measure(name="reached", labels=("stage",))
PROGRESS_OF_LEADS: Final = Measure(name="progress", labels=("from_stage", "to_stage", "fate"))
"""How far leads got, and what became of those that got no further."""
PROGRESS: Final = Measure(name="progress", labels=("from_stage", "to_stage"))
"""How far deals got that were in a later stage than lead."""
MATURED_PROGRESS: Final = Measure(name=MATURED, labels=("from_stage", "horizon", "to_stage"))
FATE: Final = Measure(name="fate", labels=("stage", "fate"))
STAGE_DURATION: Final = DurationMeasure(name="stage_duration", labels=("stage",))
TRANSITION: Final = Measure(name="transition", labels=("from_stage", "to_stage"))
LEAD_SCORE: Final = Measure(name="lead_score", labels=("qualified",))
"""In millionths of a point."""
LEAD_SCORES: Final = Measure(name="lead_scores", labels=("qualified",))
LEAD_ACQUISITION: Final = DurationMeasure(name="lead_acquisition")
PROBLEM: Final = Measure(name="problem", labels=("problem",), invented=True)
DESIRED_OUTCOME: Final = Measure(name="outcome", labels=("outcome",), invented=True)
ACTIVITY: Final = Measure(name="activity", labels=("activity", "outcome", "effect"))
OFFER_SENT: Final = Measure(name="offer_sent")
FIRST_OFFER: Final = Measure(name="first_offer", labels=("won",))
OFFER_VALUE: Final = MoneyMeasure(name="offer_value")
OFFER_VALUES: Final = Measure(name="offer_values", labels=("currency",))
"""How many offers have a value."""
OFFER_PREPARATION: Final = DurationMeasure(name="offer_preparation")
CLOSED: Final = Measure(name="closed", labels=("outcome", "offered", "negotiated"))
TIME_TO_CLOSE: Final = DurationMeasure(name="time_to_close", labels=("outcome",))
DEAL_VALUE: Final = MoneyMeasure(name="deal_value", labels=("outcome", "currency"))
VALUED_WON: Final = Measure(name="valued_won")
WON_FOR_NOTHING: Final = Measure(name="won_for_nothing")
NEGOTIATION_TIME: Final = DurationMeasure(name="negotiation")
NEGOTIATION_ROUNDS: Final = Measure(name="negotiation_rounds")
LOST_DEALS: Final = Measure(name="lost", labels=_LOST_LABELS, invented=True)
LOST_VALUE: Final = MoneyMeasure(
    name="lost_value", labels=(*_LOST_LABELS, "currency"), invented=True, ranked_as=LOST_DEALS
)
DISCOUNT: Final = Measure(name="discount", labels=("part",))
"""Whole discounts, and parts of one."""
DISCOUNTS: Final = Measure(name="discounts")
RETAINED: Final = MoneyMeasure(name="retained")
ORIGINAL: Final = MoneyMeasure(name="original")
MARGIN: Final = MoneyMeasure(name="margin")
MARGIN_BASE: Final = MoneyMeasure(name="margin_base")
OPEN: Final = Measure(name="open", labels=("stage",), of_now=True)
OPEN_SINCE: Final = Measure(name="open_since", labels=("stage",), of_now=True)
"""Sum of the instants (µs) at which open deals came into their stage."""
OPEN_VALUE: Final = MoneyMeasure(name="open_value", labels=("stage", "currency"), of_now=True)
STUCK: Final = Measure(name="stuck", labels=("stage",), of_now=True)
SPEND: Final = MoneyMeasure(name="spend")

NOW_MEASURES: Final = frozenset(name for name, each in MEASURES.items() if each.of_now)
"""Names of the measures of the present."""


GROWTH: Final = 1.02
"""Ratio γ of a histogram cell's bounds: what stands for a cell is off by at most
(γ − 1) ÷ (γ + 1) = 0.99 % (DDSketch, Masson et al. 2019), each bound by less than γ − 1 = 2 %."""
_LOG_GROWTH = log(GROWTH)

_ROUNDING = 1e-12
"""Relative: more than sums of floats are off by."""
LOWEST: Final = (1 + GROWTH) / (2 * GROWTH) * (1 - _ROUNDING)
HIGHEST: Final = (1 + GROWTH) / 2 * (1 + _ROUNDING)
"""Bounds of a histogram cell's durations ÷ the duration that stands for it."""


def histogram(measure: str) -> str:
    """The measure of the cells that count a duration's sizes."""
    return f"{measure}_histogram"


class HistogramCells(dict[int | None, int]):
    """The cells that count a duration's sizes, by index; an exact 0 has its own, ``None``."""

    def __init__(self, measure: DurationMeasure, label: str) -> None:
        self._measure = measure.sizes
        self._label = label

    def of(self, duration: int) -> int:
        """The cell of a duration of 0 µs or more."""
        return self[ceil(log(duration) / _LOG_GROWTH) if duration else None]

    def __missing__(self, index: int | None) -> int:
        name = "zero" if index is None else str(index)
        known = self[index] = cell_id(self._measure, self._label, name)
        return known


@cache
def histogram_value(index: str) -> float:
    """The duration in microseconds that stands for a histogram cell."""
    return 0.0 if index == "zero" else 2 * exp(int(index) * _LOG_GROWTH) / (1 + GROWTH)
