"""Totals: sums by row and cell; those of a window as it slides, and those that a reader has."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import add, sub
from typing import Any, Final

from funnel_stream.definition.time import MINUTE, Span
from funnel_stream.windows.breakdowns import Row
from funnel_stream.windows.columns.sums import RowSum

Cells = Mapping[int, int]
"""Total weight by cell id; a cell that is not there is 0."""

NO_PANES: Final = Span(MINUTE, 0, -1)


class Totals:
    """Sums of facts: per row, per cell.

    ``span``: the panes that they are of, if of any; who moves it adds what enters and subtracts
    what leaves.
    """

    def __init__(self, span: Span = NO_PANES) -> None:
        self.span = span
        self._rows: dict[int, dict[int, int]] = {}
        self._unshared: set[int] = set()
        self._frozen: dict[Row, Cells] = {}

    def clear(self) -> None:
        """Forget all sums."""
        self._rows = {}
        self._unshared = set()
        self._frozen = {}

    def add(self, sums: Iterable[RowSum], sign: int = 1) -> None:
        """Add (or, with ``sign`` −1, subtract) sums of facts."""
        change = add if sign > 0 else sub
        for row_id, cells, weights in sums:
            row = self._changeable(row_id)
            totals = list(map(change, map(row.get, cells, repeat(0)), weights))
            row.update(zip(cells, totals, strict=True))
            if 0 in totals:
                for cell, total in zip(cells, totals, strict=True):
                    if not total:
                        del row[cell]

    def _changeable(self, row_id: int) -> dict[int, int]:
        """The row, copied first if a snapshot shares it."""
        if row_id in self._unshared:
            return self._rows[row_id]
        self._unshared.add(row_id)
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
        if not self._unshared:
            return self._frozen
        frozen = dict(self._frozen)
        for row_id in self._unshared:
            if cells := self._rows[row_id]:
                frozen[rows[row_id]] = cells
            else:
                del self._rows[row_id]
                frozen.pop(rows[row_id], None)
        self._unshared = set()
        self._frozen = frozen
        return frozen


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

    def of_rows(self, rows: Iterable[Row]) -> Cells:
        """Several rows, added up."""
        return _added_up([cells for row in rows if (cells := self.get(row))])

    def candidates(self) -> Iterator[Row]:
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
        return (row for row in dict.fromkeys(self.candidates()) if row in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _found(self, row: Any) -> list[Cells]:
        return [part[row] for part in self._parts if row in part]

    def _cells(self, row: Any, found: list[Cells]) -> Cells:
        if len(found) < 2:
            return found[0] if found else {}
        known = self._added.get(row)
        if known is None:
            known = self._added[row] = _added_up(found)
        return known


def _added_up(parts: list[Cells]) -> Cells:
    """The cells of all parts, added up; those that cancel out are left out."""
    largest: Cells = max(parts, key=len, default={})
    sums = dict(largest)
    for part in parts:
        if part is not largest:
            for cell, weight in part.items():
                sums[cell] = sums.get(cell, 0) + weight
    return sums if all(sums.values()) else {cell: total for cell, total in sums.items() if total}
