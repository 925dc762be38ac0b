"""Where figures are taken, and the label sets that identify series."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from threading import Lock
from typing import Any, Final, NamedTuple

from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.facts.measures import CELLS, MEASURES, DurationMeasure, Measure, histogram_value
from funnel_stream.facts.rules import NONE
from funnel_stream.windows.tables import Cells

OTHER: Final = "__other__"
CellIds = tuple[int, ...]
LabelValues = tuple[str, ...]
"""Values of labels, in the labels' order."""


class LabelSet(NamedTuple):
    """Labels of a series, or some of them; ``text`` as Prometheus writes them, without braces."""

    labels: dict[str, str]
    text: str


@lru_cache(maxsize=1 << 16)
def label_set(names: tuple[str, ...], values: LabelValues) -> LabelSet:
    """Labels by their names and values. Made once: most figures have the same ones every time."""
    labels = dict(zip(names, values, strict=True))
    return LabelSet(labels, label_text(labels))


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
    """Which figures of a scope are shown: matured conversions, those that are none, or all."""

    ALL = "all"
    MATURED = "matured"
    OTHERS = "others"


class Scope:
    """Where figures are taken: one row of cells, in one window or (``window`` ``None``) now.

    ``now``: the present cells of the same row. ``as_of`` in µs. ``total``: not a breakdown, so that
    zeros of closed labels are shown. ``dimension``: of the breakdown, ``""`` for a total. ``tops``:
    by measure, the values shown of its first label where that is open; the others are
    ``__other__``. ``part``: of the figures, those that are shown.
    """

    __slots__ = (
        "_listed",
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
        self._listed: dict[_ListKey, list[tuple[Any, int]]] | None = None

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

    def of(self, measure: Measure) -> list[tuple[LabelValues, int]]:
        """Labels and weights of the cells of a measure whose cells are not known beforehand."""
        return self._all_listed().get(measure.name, [])

    def shown(self, measure: Measure) -> list[tuple[LabelValues, int]]:
        """As ``of``, in order; values of an open label that are not shown become ``__other__``."""
        found = self.of(measure)
        shown = self.tops.get(measure.name)
        if shown is None:
            return sorted(found)
        sums: dict[LabelValues, int] = {}
        for (first, *rest), weight in found:
            key = (first if first in shown or first == NONE else OTHER, *rest)
            sums[key] = sums.get(key, 0) + weight
        return sorted((key, total) for key, total in sums.items() if total)

    def sizes(self, measure: DurationMeasure, label: str) -> list[tuple[float, int]]:
        """How many durations (µs) of about each size there are, in no order."""
        return self._all_listed().get((measure.sizes, label), [])

    def _all_listed(self) -> "dict[_ListKey, list[tuple[Any, int]]]":
        found = self._listed
        if found is None:
            found = self._listed = {}
            entries = _entries()
            for cell, weight in self.cells.items():
                entry_of_cell = entries[cell]
                if entry_of_cell is not None:
                    key, entry = entry_of_cell
                    if key in found:
                        found[key].append((entry, weight))
                    else:
                        found[key] = [(entry, weight)]
        return found


_ListKey = str | tuple[str, str]
_entries_of: Final[list[tuple[_ListKey, Any] | None]] = []
"""By cell: under what it is listed, and as what; ``None`` where it is asked for by its id."""
_growing: Final = Lock()
_SIZES: Final = {each.sizes for each in MEASURES.values() if isinstance(each, DurationMeasure)}


def _entries() -> list[tuple[_ListKey, Any] | None]:
    """``_entries_of`` with every cell that there is."""
    if len(_entries_of) < len(CELLS):
        with _growing:
            for measure, *labels in CELLS[len(_entries_of) :]:
                if measure in _SIZES:
                    label, index = labels
                    _entries_of.append(((measure, label), histogram_value(index)))
                elif (declared := MEASURES.get(measure)) and declared.listed:
                    _entries_of.append((measure, tuple(labels)))
                else:
                    _entries_of.append(None)
    return _entries_of
