"""Cells: what is counted. A *cell* is a measure with its labels; a KPI is made of sums of cells."""

from functools import cache
from math import ceil, exp, log
from threading import Lock
from typing import Final

Cell = tuple[str, ...]
"""A measure and its labels, like ``("progress", "lead", "offer")``."""

CELLS: Final[list[Cell]] = []
"""Every cell this process has met; a cell's id is its place. Grows, never shrinks."""
_cell_ids: Final[dict[Cell, int]] = {}
_growing: Final = Lock()

MATURED: Final = "matured"
"""Measure of facts that count in the first pane that starts at or after their minute."""

NOW_MEASURES: Final = frozenset(("open", "open_since", "open_value", "stuck"))
"""Measures of the present: they count from their minute on, for ever, and in no window."""


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

    def __init__(self, measure: str, label: str) -> None:
        self._measure = histogram(measure)
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
