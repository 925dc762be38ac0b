"""Windowed tables: totals of every cell, by window and breakdown, that slide with event time.

The sum of all source partitions' panes is never taken at a scrape: a change is added once to each
window it lies in, and a pane that slides out is subtracted once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.blocks import FactBlock
from funnel_stream.definition import Definition, Window
from funnel_stream.facts import ATTRIBUTES
from funnel_stream.panes import Chunk, Ints, Panes, new_panes

Cells = Mapping[int, int]
"""Total weight by cell id; a cell that is not there is 0."""

NONE: Final = "__none__"
MINUTE_US: Final = 60_000_000
_LIMB: Final = 31
_AT_ONCE: Final = 100_000


class Row(NamedTuple):
    """What a total is of: a pipeline, or a value of one of its dimensions."""

    pipeline: str
    dimension: str = ""
    value: str = ""


class Snapshot(NamedTuple):
    """All totals as of an instant (µs); never changes, so that any thread may read it."""

    definition: Definition
    as_of: int
    totals: dict[str, dict[Row, Cells]]
    version: int


class WindowTables:
    """Panes of every source partition, and the totals of every window over them."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._windows = [_Totals(window) for window in definition.window_list()]
        self._sources: dict[int, dict[int, Panes]] = {}
        self._breakdowns = _Breakdowns(definition)
        self._now_minute: int | None = None
        self._as_of = 0
        self._version = 0

    def apply(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Add differences from a source partition: all blocks of a tick."""
        self._version += 1
        facts = [
            (
                block.minute,
                self._breakdowns.combinations(block.combinations)[block.combination],
                block.cell,
                block.weight,
            )
            for block in blocks
        ]
        if not facts:
            return
        columns = [np.concatenate(column) for column in zip(*facts, strict=True)]
        for size, panes in self._panes_of(source).items():
            chunk = panes.place(*columns)
            panes.add(chunk)
            for totals in self._windows:
                if totals.window.pane == size:
                    inside = (chunk.pane >= totals.first) & (chunk.pane <= totals.last)
                    totals.add([chunk.take(inside)], self._breakdowns)

    def _panes_of(self, source: int) -> dict[int, Panes]:
        panes = self._sources.get(source)
        if panes is None:
            panes = self._sources[source] = new_panes()
            if self._now_minute is not None:
                for of_size in panes.values():
                    of_size.forget(self._now_minute)
        return panes

    def replace(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Let a source partition's whole contribution be these blocks."""
        if former := self._sources.pop(source, None):
            for totals in self._windows:
                chunks = former[totals.window.pane].between(totals.first, totals.last)
                totals.add(chunks, self._breakdowns, sign=-1)
        self.apply(source, blocks)

    def advance(self, now_us: int) -> None:
        """Slide every window to end at ``now_us``; time never moves back."""
        minute = now_us // MINUTE_US
        self._as_of = max(self._as_of, now_us)
        if self._now_minute is not None and minute <= self._now_minute:
            return
        self._now_minute = minute
        self._version += 1
        for totals in self._windows:
            self._slide(totals, minute // totals.window.pane)
        for panes in self._sources.values():
            for of_size in panes.values():
                of_size.forget(minute)

    def _slide(self, totals: "_Totals", last: int) -> None:
        if last == totals.last:
            return
        first = last - totals.window.panes + 1
        size = totals.window.pane
        if first > totals.last:
            totals.clear()
            leaving, entering = None, (first, last)
        else:
            leaving, entering = (totals.first, first - 1), (totals.last + 1, last)
        for panes in self._sources.values():
            if leaving:
                totals.add(panes[size].between(*leaving), self._breakdowns, sign=-1)
            totals.add(panes[size].between(*entering), self._breakdowns)
        totals.first, totals.last = first, last

    def snapshot(self) -> Snapshot:
        """The totals as they are; later changes do not touch it."""
        rows = self._breakdowns.rows
        return Snapshot(
            self._definition,
            self._as_of,
            {
                totals.window.name: {rows[row]: cells for row, cells in totals.freeze().items()}
                for totals in self._windows
            },
            self._version,
        )


class _Breakdowns:
    """Which rows a combination of attributes counts in: its pipeline's, and one a dimension."""

    def __init__(self, definition: Definition) -> None:
        self._dimensions = [(name, ATTRIBUTES.index(name)) for name in definition.dimensions]
        self._known: dict[tuple[str, ...], int] = {}
        self._row_ids: dict[Row, int] = {}
        self.rows: list[Row] = []
        self._table = np.zeros((256, len(self._dimensions) + 1), dtype=np.int64)

    def combinations(self, combinations: list[tuple[str, ...]]) -> npt.NDArray[np.uint32]:
        """Ids of combinations, given on first use."""
        known = self._known
        ids = np.empty(len(combinations), dtype=np.uint32)
        for place, combination in enumerate(combinations):
            found = known.get(combination)
            if found is None:
                found = known[combination] = len(known)
                if found == len(self._table):
                    self._table = np.concatenate([self._table, np.zeros_like(self._table)])
                self._table[found] = [self._row(row) for row in self._rows_of(combination)]
            ids[place] = found
        return ids

    def _rows_of(self, combination: tuple[str, ...]) -> Iterable[Row]:
        yield Row(combination[0])
        for name, place in self._dimensions:
            yield Row(combination[0], name, combination[place] or NONE)

    def _row(self, row: Row) -> int:
        known = self._row_ids.get(row)
        if known is None:
            known = self._row_ids[row] = len(self.rows)
            self.rows.append(row)
        return known

    def rows_of(self, combination: npt.NDArray[np.uint32]) -> Ints:
        """Ids of the rows that each fact counts in, one fact a line."""
        return self._table[combination]


class _Totals:
    """One window's sums: per row, per cell. Covers panes ``first`` to ``last``."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.first, self.last = 0, -1
        self._rows: dict[int, dict[int, int]] = {}
        self._own: set[int] = set()

    def clear(self) -> None:
        self._rows = {}
        self._own = set()

    def add(self, chunks: Iterable[Chunk], breakdowns: _Breakdowns, sign: int = 1) -> None:
        """Add (or, with ``sign`` −1, subtract) facts to every row that they count in."""
        many = list(chunks)
        if not many:
            return
        facts = Chunk.concatenate(many)
        for start in range(0, len(facts.pane), _AT_ONCE):
            part = facts.take(slice(start, start + _AT_ONCE))
            rows = breakdowns.rows_of(part.combination)
            for row_id, cells, weights in sum_by_row(rows, part.cell, part.weight):
                row = self._own_row(row_id)
                for cell, weight in zip(cells, weights, strict=True):
                    total = row.get(cell, 0) + sign * weight
                    if total:
                        row[cell] = total
                    else:
                        del row[cell]

    def _own_row(self, row_id: int) -> dict[int, int]:
        """The row, copied first if a snapshot shares it."""
        if row_id not in self._own:
            self._rows[row_id] = dict(self._rows.get(row_id, ()))
            self._own.add(row_id)
        return self._rows[row_id]

    def freeze(self) -> dict[int, dict[int, int]]:
        for row_id in [row_id for row_id in self._own if not self._rows[row_id]]:
            del self._rows[row_id]
        self._own = set()
        return dict(self._rows)


def sum_by_row(
    rows: Ints, cell: npt.NDArray[np.uint32], weight: Ints
) -> Iterator[tuple[int, list[int], list[int]]]:
    """Per row: the cells whose weights do not cancel out, and their exact sums of any size.

    ``rows``: for each fact the ids of the rows it counts in.
    """
    used_rows, row_place = _renumber(rows)
    used_cells, cell_place = _renumber(cell)
    places = row_place * len(used_cells) + cell_place[:, None]
    # Summing into a dense table costs 1 ns a number where sorting by key costs 70.
    if len(weight) * float(np.abs(weight).max(initial=0)) < 1 << 62:
        limbs, shifts = [weight], [0]
    else:
        limbs, shifts = [weight & ((1 << _LIMB) - 1), weight >> _LIMB], [0, _LIMB]
    tables = []
    for limb in limbs:
        table = np.zeros(len(used_rows) * len(used_cells), dtype=np.int64)
        np.add.at(table, places.ravel(), np.repeat(limb, rows.shape[1]))
        tables.append(table.reshape(len(used_rows), len(used_cells)))
    for place, row_id in enumerate(used_rows.tolist()):
        lines = [table[place] for table in tables]
        filled = np.flatnonzero(np.logical_or.reduce(lines))
        parts = [line[filled].tolist() for line in lines]
        sums = (
            [
                sum(part << shift for part, shift in zip(pair, shifts, strict=True))
                for pair in zip(*parts, strict=True)
            ]
            if len(parts) > 1
            else parts[0]
        )
        yield row_id, used_cells[filled].tolist(), sums


def _renumber(ids: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The distinct ids, and each id's place among them."""
    seen = np.zeros(int(ids.max(initial=0)) + 1, dtype=np.intp)
    seen[ids] = 1
    used = np.flatnonzero(seen)
    seen[used] = np.arange(len(used))
    return used, seen[ids]
