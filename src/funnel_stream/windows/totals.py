"""Totals: the sums of one window by row and cell, and how facts are summed for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import add, sub
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from funnel_stream.windows.breakdowns import Row

Cells = Mapping[int, int]
"""Total weight by cell id; a cell that is not there is 0."""

RowSum = tuple[int, list[int], list[int]]
"""A row's id, cells and their sums, none of them 0."""

_LIMB: Final = 31
_DENSE: Final = 1 << 20
"""Entries of a table to sum into; where it would be larger, only what is used is laid out."""

_Ids = npt.NDArray[np.uint32]
_Ints = npt.NDArray[np.int64]

_ids: Final[list[int]] = []
"""Numbers from 0: the same object for a cell's id in every row, which saves 28 bytes each time."""
_growing: Final = Lock()


class Totals:
    """One window's sums: per row, per cell. Covers panes ``first`` to ``last``."""

    def __init__(self) -> None:
        self.first, self.last = 0, -1
        self._rows: dict[int, dict[int, int]] = {}
        self._own: set[int] = set()
        self._shown: dict[Row, Cells] = {}

    def clear(self) -> None:
        """Forget all sums."""
        self._rows = {}
        self._own = set()
        self._shown = {}

    def add(self, sums: Iterable[RowSum], sign: int = 1) -> None:
        """Add (or, with ``sign`` −1, subtract) sums of facts."""
        change = add if sign > 0 else sub
        for row_id, cells, weights in sums:
            row = self._own_row(row_id)
            totals = list(map(change, map(row.get, cells, repeat(0)), weights))
            row.update(zip(cells, totals, strict=True))
            if 0 in totals:
                for cell, total in zip(cells, totals, strict=True):
                    if not total:
                        del row[cell]

    def _own_row(self, row_id: int) -> dict[int, int]:
        """The row, copied first if a snapshot shares it."""
        if row_id in self._own:
            return self._rows[row_id]
        self._own.add(row_id)
        # Not dict(…): where cells were deleted, that inserts one by one and takes 8 times as long.
        row = self._rows[row_id] = self._rows.get(row_id, {}).copy()
        return row

    def sums(self) -> Iterator[RowSum]:
        """All sums, row by row."""
        for row_id, row in self._rows.items():
            if row:
                yield row_id, list(row), list(row.values())

    def freeze(self, rows: list[Row]) -> dict[Row, Cells]:
        """All sums as they are, for a reader that keeps them; ``rows``: by id."""
        if not self._own:
            return self._shown
        shown = dict(self._shown)
        for row_id in self._own:
            if cells := self._rows[row_id]:
                shown[rows[row_id]] = cells
            else:
                del self._rows[row_id]
                shown.pop(rows[row_id], None)
        self._own = set()
        self._shown = shown
        return shown


class Sums(Mapping[Row, Cells]):
    """Sums by row for a reader, out of parts that are added up for the rows that he looks at.

    ``parts``: frozen totals. A row of which all sums are 0 is not there.
    """

    def __init__(self, parts: Sequence[Mapping[Row, Cells]]) -> None:
        self._parts = parts
        self._added: dict[Row, Cells] = {}

    def sum(self, row: Row, cell: int) -> int:
        """One sum, 0 if there is none; cheaper than to have the whole row added up."""
        return sum([part[row].get(cell, 0) for part in self._parts if row in part])

    def together(self, rows: Iterable[Row]) -> Cells:
        """Several rows, added up."""
        return _together([cells for row in rows if (cells := self.get(row))])

    def named(self) -> Iterator[Row]:
        """The rows, and perhaps some that are not there; some come several times."""
        return chain.from_iterable(self._parts)

    def __getitem__(self, row: Row) -> Cells:
        if cells := self._cells(row, self._found(row)):
            return cells
        raise KeyError(row)

    def __contains__(self, row: object) -> bool:
        found = self._found(row)
        # Where one part has more cells than all others together, not all can cancel out.
        if found and 2 * max(map(len, found)) > sum(map(len, found)):
            return True
        return bool(self._cells(row, found))

    def __iter__(self) -> Iterator[Row]:
        return (row for row in dict.fromkeys(self.named()) if row in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _found(self, row: Any) -> list[Cells]:
        return [part[row] for part in self._parts if row in part]

    def _cells(self, row: Any, found: list[Cells]) -> Cells:
        if len(found) < 2:
            return found[0] if found else {}
        known = self._added.get(row)
        if known is None:
            known = self._added[row] = _together(found)
        return known


def _together(parts: list[Cells]) -> Cells:
    """The cells of all parts, added up; those that cancel out are left out."""
    largest: Cells = max(parts, key=len, default={})
    sums = dict(largest)
    for part in parts:
        if part is not largest:
            for cell, weight in part.items():
                sums[cell] = sums.get(cell, 0) + weight
    return sums if all(sums.values()) else {cell: total for cell, total in sums.items() if total}


def _numbers(numbers: npt.NDArray[Any]) -> list[int]:
    """As a list in which equal numbers are one object."""
    largest = int(numbers.max(initial=0))
    if largest >= len(_ids):
        with _growing:
            _ids.extend(range(len(_ids), largest + 1))
    return list(map(_ids.__getitem__, numbers.tolist()))


def sum_by_row(rows: npt.NDArray[Any], cell: _Ids, weight: _Ints) -> Iterator[RowSum]:
    """Per row: the cells whose weights do not cancel out, and their exact sums of any size.

    ``rows``: for each fact the ids of the rows it counts in.
    """
    if not len(weight):
        return
    used_rows, row_place = _renumber(rows)
    used_cells, cell_place = _renumber(cell)
    width = len(used_cells)
    places = (row_place * width + cell_place[:, None]).ravel()
    size = len(used_rows) * width
    used = None
    if size > _DENSE + len(places):
        used, places = np.unique(places, return_inverse=True)
        size = len(used)
    # Summing into a dense table costs 1 ns a number where sorting by key costs 70.
    filled, sums = _sums(places, np.repeat(weight, rows.shape[1]), size)
    if not len(filled):
        return
    entries = filled if used is None else used[filled]
    row = entries // width
    cells = _numbers(used_cells[entries % width])
    starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    ends = np.r_[starts[1:], len(row)]
    ids = used_rows[row[starts]]
    for row_id, start, end in zip(ids.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield row_id, cells[start:end], sums[start:end]


def _sums(
    places: npt.NDArray[np.intp], weight: _Ints, size: int
) -> tuple[npt.NDArray[np.intp], list[int]]:
    """The places where weights do not cancel out, and their sums."""
    if len(weight) * int(np.abs(weight).max()) < 1 << 63:
        table = np.zeros(size, dtype=np.int64)
        np.add.at(table, places, weight)
        filled = np.flatnonzero(table)
        return filled, table[filled].tolist()
    low, high = np.zeros((2, size), dtype=np.int64)
    np.add.at(low, places, weight & ((1 << _LIMB) - 1))
    np.add.at(high, places, weight >> _LIMB)
    high += low >> _LIMB
    low &= (1 << _LIMB) - 1
    filled = np.flatnonzero(low | high)
    pairs = zip(high[filled].tolist(), low[filled].tolist(), strict=True)
    return filled, [(upper << _LIMB) + lower for upper, lower in pairs]


def _renumber(ids: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """The distinct ids, and each id's place among them."""
    largest = int(ids.max())
    if largest > 1000 + 8 * ids.size:
        used, places = np.unique(ids, return_inverse=True)
        return used, places.reshape(ids.shape)
    seen = np.zeros(largest + 1, dtype=np.intp)
    seen[ids] = 1
    used = np.flatnonzero(seen)
    seen[used] = np.arange(len(used))
    return used, seen[ids]
