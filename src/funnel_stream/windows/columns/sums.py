"""Sorting, grouping and adding up integers that stand in columns of equal length.

Sums are exact, however large: where 64 bits do not hold one, it is made of two halves.
"""

from collections.abc import Iterator
from threading import Lock
from typing import Final

import numpy as np

from funnel_stream.arrays import Array, Indices, Ints, Mask

RowSum = tuple[int, list[int], list[int]]
"""A row's id, ids of some of its cells, and their sums, none of them 0."""

_HALF_BITS: Final = 31
_HALF_MASK: Final = (1 << _HALF_BITS) - 1
_SPLIT: Final = 1 << 62
"""Sums of this and more are given in parts."""
_DENSE: Final = 1 << 20
"""Entries of a table to sum into; where it would be larger, only what is used is laid out."""

_shared: Final[list[int]] = []
"""Numbers from 0: the same object for a cell's id in every row, which saves 28 bytes each time."""
_growing: Final = Lock()


# --- order ----------------------------------------------------------------------------------------


def changes(column: Array) -> Mask:
    """Where a value differs from the one before it; the first one always does.

    ``column``: (n,), in any order. Gives (n,) bool. O(n).
    """
    new = np.ones(len(column), dtype=np.bool_)
    np.not_equal(column[1:], column[:-1], out=new[1:])
    return new


def ends_of(starts: Indices, length: int) -> Indices:
    """Where adjoining segments end that start there: each where the next one starts.

    ``starts``: (n,), ascending; ``length``: where the last one ends. Gives (n,). O(n).
    """
    ends = np.empty_like(starts)
    ends[:-1] = starts[1:]
    ends[-1:] = length
    return ends


def lengths_of(ends: Array, start: int = 0) -> Array:
    """How long adjoining segments are that end there; ``start``: where the first one starts.

    ``ends``: (n,), ascending. Gives (n,) of the same type. O(n); a third of what ``np.diff`` takes.
    """
    lengths = ends.copy()
    lengths[1:] -= ends[:-1]
    lengths[:1] -= start
    return lengths


def grouped(first: Array, *others: Array) -> tuple[Indices, Indices]:
    """In which order lines of several columns ascend, and where in it a group of equal ones starts.

    Columns: (n,) integers, n > 0, the most significant first; ``others`` are not negative. Gives
    (n,) indices, equal lines in the order in which they stand, and (groups,) indices into those.
    O(n log n), and O(n) where the lines consist of few sorted runs.
    """
    base = int(first.min())
    bits = [int(column.max()).bit_length() for column in others]
    if (int(first.max()) - base).bit_length() + sum(bits) < 64:
        # One integer a line: a stable sort of it merges runs that are sorted already in one pass.
        keys = first - base
        for column, width in zip(others, bits, strict=True):
            keys = keys << width | column
        order = np.argsort(keys, kind="stable")
        new = changes(keys[order])
    else:
        order = np.lexsort((*reversed(others), first))
        new = np.logical_or.reduce([changes(column[order]) for column in (first, *others)])
    return order, np.flatnonzero(new)


def narrowed(numbers: Array) -> Array:
    """The same integers in the smallest type that holds them and 0; a new array. O(n)."""
    least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    # ~most is as far from 0 as a type must reach that holds both: −128 for 127.
    return numbers.astype(np.min_scalar_type(min(least, ~most) if least else most))


def distinct(ids: Array) -> tuple[Array, Indices]:
    """The distinct ids, ascending, and the index of each id among them.

    ``ids``: of any shape, not empty, not negative. Gives (distinct,) and indices of the shape of
    ``ids``. O(n), or O(n log n) where the ids are sparse.
    """
    largest = int(ids.max())
    if largest > 1000 + 8 * ids.size:
        used, index = np.unique(ids, return_inverse=True)
        return used, index.reshape(ids.shape)
    table = np.zeros(largest + 1, dtype=np.intp)
    table[ids] = 1
    used = np.flatnonzero(table)
    table[used] = np.arange(len(used))
    return used, table[ids]


def patterns(marks: Mask) -> Iterator[tuple[Mask, Mask]]:
    """The different columns of a table of marks, each with a mask of where it stands.

    ``marks``: (height, n) bool. Gives ((height,), (n,)) bool each, in the order in which they first
    occur; a column without any mark is passed over. O(height · n) for each that is given.
    """
    left = marks.any(axis=0)
    while left.any():
        pattern = marks[:, np.argmax(left)]
        alike: Mask = left & (marks == pattern[:, None]).all(axis=0)
        yield pattern, alike
        left &= ~alike


# --- sums of what is sorted -----------------------------------------------------------------------


def segment_sums(values: Ints, starts: Indices) -> tuple[Indices, Ints]:
    """Sums of the segments of a column: the index of the segment, and its sum.

    ``values``: (n,), n > 0; ``starts``: ascending, the first 0; a segment ends where the next one
    starts. Gives two arrays of as many elements as there are segments, in their order; but a sum of
    2⁶² or more, either way, is given as several equal parts below that. O(n).
    """
    segments = np.arange(len(starts))
    longest = int(lengths_of(ends_of(starts, len(values))).max())
    if longest * _magnitude(values) < _SPLIT:
        return segments, np.add.reduceat(values, starts)
    low = np.add.reduceat(values & _HALF_MASK, starts)
    high = np.add.reduceat(values >> _HALF_BITS, starts) + (low >> _HALF_BITS)
    low &= _HALF_MASK
    fits = (high >= -(1 << _HALF_BITS)) & (high < 1 << _HALF_BITS)
    exact = [
        (upper << _HALF_BITS) + lower
        for upper, lower in zip(high[~fits].tolist(), low[~fits].tolist(), strict=True)
    ]
    repeats = np.ones(len(starts), dtype=np.int64)
    repeats[~fits] = [abs(total) // _SPLIT + 1 for total in exact]
    sums = np.repeat((np.where(fits, high, 0) << _HALF_BITS) + low, repeats)
    sums[np.repeat(~fits, repeats)] = [part for total in exact for part in _parts(total)]
    return np.repeat(segments, repeats), sums


def _parts(total: int) -> Iterator[int]:
    """A number as the sum of numbers that are small enough, as equal as can be."""
    number = abs(total) // _SPLIT + 1
    part, larger = divmod(total, number)
    for index in range(number):
        yield part + (index < larger)


# --- sums of what is not --------------------------------------------------------------------------


def sum_by_row(rows: Array, cell: Array, weight: Ints) -> Iterator[RowSum]:
    """Per row: the cells whose weights do not cancel out, and their sums of any size.

    ``rows``: (n, k) ids, the k rows that each weight counts in; ``cell``: (n,) ids; ``weight``:
    (n,). In any order. Gives rows and their cells in ascending order, once each, without those that
    have no cell left. O(n · k), or O(n · k · log(n · k)) where few of the cells of many rows are
    filled; in memory, too, for no larger table of rows and cells is laid out.
    """
    if not len(weight):
        return
    used_rows, row_index = distinct(rows)
    used_cells, cell_index = distinct(cell)
    width = len(used_cells)
    entry = (row_index * width + cell_index[:, None]).ravel()
    size = len(used_rows) * width
    used = None
    if size > _DENSE + len(entry):
        used, entry = np.unique(entry, return_inverse=True)
        size = len(used)
    # Summing into a dense table costs 1 ns a number where sorting by key costs 70.
    filled, sums = _table_sums(entry, np.repeat(weight, rows.shape[1]), size)
    if not len(filled):
        return
    entries = filled if used is None else used[filled]
    row = entries // width
    cells = _as_shared(used_cells[entries % width])
    starts = np.flatnonzero(changes(row))
    ends = ends_of(starts, len(row))
    ids = used_rows[row[starts]]
    for row_id, start, end in zip(ids.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield row_id, cells[start:end], sums[start:end]


def _table_sums(entry: Indices, values: Ints, size: int) -> tuple[Indices, list[int]]:
    """Values added up by entry: the entries where they do not cancel out, and their sums.

    ``entry``, ``values``: (n,), n > 0, entries below ``size``. O(n + size).
    """
    if len(values) * _magnitude(values) < 1 << 63:
        table = np.zeros(size, dtype=np.int64)
        np.add.at(table, entry, values)
        filled = np.flatnonzero(table)
        return filled, table[filled].tolist()
    low, high = np.zeros((2, size), dtype=np.int64)
    np.add.at(low, entry, values & _HALF_MASK)
    np.add.at(high, entry, values >> _HALF_BITS)
    high += low >> _HALF_BITS
    low &= _HALF_MASK
    filled = np.flatnonzero(low | high)
    halves = zip(high[filled].tolist(), low[filled].tolist(), strict=True)
    return filled, [(upper << _HALF_BITS) + lower for upper, lower in halves]


def _magnitude(values: Ints) -> int:
    """The largest distance from 0, of the least of integers too, whose ``abs`` is negative."""
    return int(np.abs(values).view(np.uint64).max())


def _as_shared(numbers: Array) -> list[int]:
    """As a list in which equal numbers are one object."""
    largest = int(numbers.max(initial=0))
    if largest >= len(_shared):
        with _growing:
            _shared.extend(range(len(_shared), largest + 1))
    return list(map(_shared.__getitem__, numbers.tolist()))
