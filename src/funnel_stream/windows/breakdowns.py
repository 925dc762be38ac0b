"""Breakdowns: which rows of totals a combination of attributes counts in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.definition import Definition
from funnel_stream.definition.values import LABEL_LENGTH
from funnel_stream.facts.rules import ATTRIBUTES, NONE

_BETWEEN: Final = " + "


class Row(NamedTuple):
    """What a total is of: a pipeline, or a value of one of its dimensions."""

    pipeline: str
    dimension: str = ""
    value: str = ""


class Breakdowns:
    """Ids of rows, and of the combinations that count in them; both are given on first use.

    A combination is kept as the ids of its rows (one for the pipeline, one a dimension), found
    by a hash table of plain numbers: some 30 bytes each where a dictionary of tuples takes 800.
    """

    def __init__(self, definition: Definition) -> None:
        self.rows: list[Row] = []
        self._row_ids: dict[Row, int] = {}
        self._dimensions = definition.dimension_list()
        self._values: dict[str, list[_Values]] = {}
        self._combinations = _Lines(len(self._dimensions) + 1)

    def row(self, row: Row) -> int:
        """The id of a row."""
        known = self._row_ids.get(row)
        if known is None:
            known = self._row_ids[row] = len(self.rows)
            self.rows.append(row)
        return known

    def combinations(self, combinations: Sequence[tuple[str, ...]]) -> npt.NDArray[np.uint32]:
        """Ids of combinations."""
        lines = np.zeros((len(combinations), len(self._dimensions) + 1), dtype=np.uint32)
        places: dict[str, list[int]] = {}
        for place, combination in enumerate(combinations):
            places.setdefault(combination[0], []).append(place)
        for pipeline, of_pipeline in places.items():
            lines[of_pipeline, 0] = self.row(Row(pipeline))
            columns = list(zip(*(combinations[place] for place in of_pipeline), strict=True))
            for number, values in enumerate(self._values_of(pipeline), start=1):
                parts = self._dimensions[number - 1].parts
                given = [columns[ATTRIBUTES.index(part)] for part in parts]
                column = given[0] if len(parts) == 1 else zip(*given, strict=True)
                lines[of_pipeline, number] = list(map(values.__getitem__, column))
        return self._combinations.ids(lines)

    def _values_of(self, pipeline: str) -> "list[_Values]":
        known = self._values.get(pipeline)
        if known is None:
            known = self._values[pipeline] = [
                _Values(pipeline, dimension.name, self.row) for dimension in self._dimensions
            ]
        return known

    def __len__(self) -> int:
        """How many combinations there are."""
        return self._combinations.count

    def keep(self, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
        """Forget the combinations that are not used; gives the ids of the others by their old ones,
        in the same order."""
        return self._combinations.keep(used)

    def totals_of(self) -> npt.NDArray[Any]:
        """For each combination the id of its pipeline's row. Combinations that come later or are
        forgotten do not touch it."""
        return self._combinations.lines[: self._combinations.count, 0]

    def ids(self) -> Mapping[Row, int]:
        """The ids of all rows, and of those to come."""
        return self._row_ids

    def rows_of(self, combination: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
        """Ids of the rows that each fact counts in, one fact a line."""
        return self._combinations.lines[combination]


class _Values(dict[Any, int]):
    """Ids of the rows of one dimension in one pipeline, by value (by a tuple of several)."""

    def __init__(self, pipeline: str, dimension: str, row: Callable[[Row], int]) -> None:
        self._pipeline = pipeline
        self._dimension = dimension
        self._row = row

    def __missing__(self, value: Any) -> int:
        known = self[value] = self._row(Row(self._pipeline, self._dimension, _label(value)))
        return known


def _label(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value or NONE
    if not any(value):
        return NONE
    return _BETWEEN.join(part or NONE for part in value)[:LABEL_LENGTH]


class _Lines:
    """Distinct lines of numbers, each with an id: its place in ``lines``.

    A hash table with open addressing; all lines of a block are looked up at once.
    """

    _FILLED: Final = 0.6

    def __init__(self, width: int) -> None:
        self.lines: npt.NDArray[Any] = np.zeros((256, width), dtype=np.uint16)
        self.count = 0
        self._slots = np.zeros(512, dtype=np.uint32)  # 0 for none, else an id + 1
        odd = np.random.default_rng(1).integers(1 << 62, size=width, dtype=np.uint64)
        self._factors = odd << np.uint64(1) | np.uint64(1)

    def ids(self, lines: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Ids of the lines; a new line is given the next one."""
        found = np.zeros(len(lines), dtype=np.uint32)
        if not len(lines):
            return found
        if self.lines.dtype == np.uint16 and int(lines.max()) >= 1 << 16:
            self.lines = self.lines.astype(np.uint32)
        self._make_room(self.count + len(lines))
        mask = len(self._slots) - 1
        slot = self._hashes(lines)
        pending = np.arange(len(lines))
        while len(pending):
            at = slot[pending] & mask
            held = self._slots[at]
            free = held == 0
            held = np.maximum(held, 1) - 1
            same = ~free & (self.lines[held] == lines[pending]).all(axis=1)
            found[pending[same]] = held[same]
            added = self._claim(at[free], pending[free], lines)
            found[added] = self._slots[slot[added] & mask] - 1
            slot[pending[~free & ~same]] += 1
            # Who wanted the same free slot and did not get it looks at it again.
            settled = same.copy()
            settled[free] = np.isin(pending[free], added, assume_unique=True)
            pending = pending[~settled]
        return found

    def _claim(
        self,
        slots: npt.NDArray[np.int64],
        places: npt.NDArray[np.intp],
        lines: npt.NDArray[np.uint32],
    ) -> npt.NDArray[np.intp]:
        """Give free slots to new lines, one to each slot; gives the places of those lines."""
        _, firsts = np.unique(slots, return_index=True)
        chosen = places[firsts]
        ids = np.arange(self.count, self.count + len(chosen), dtype=np.uint32)
        self.lines[self.count : self.count + len(chosen)] = lines[chosen]
        self._slots[slots[firsts]] = ids + 1
        self.count += len(chosen)
        return chosen

    def _hashes(self, lines: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        mixed = (lines * self._factors).sum(axis=1, dtype=np.uint64) >> np.uint64(24)
        hashes: npt.NDArray[np.int64] = mixed.astype(np.int64)
        return hashes

    def keep(self, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
        """Drop the other lines; gives new ids by old ones, in the same order."""
        self.lines = self.lines[: self.count][used]
        self.count = len(self.lines)
        self._rehash(len(self._slots))
        return (np.cumsum(used) - 1).astype(np.uint32)

    def _make_room(self, count: int) -> None:
        if count > len(self.lines):
            room = max(count, len(self.lines) * 3 // 2)
            grown = np.zeros((room, self.lines.shape[1]), dtype=self.lines.dtype)
            grown[: self.count] = self.lines[: self.count]
            self.lines = grown
        size = len(self._slots)
        while count > self._FILLED * size:
            size *= 2
        if size > len(self._slots):
            self._rehash(size)

    def _rehash(self, size: int) -> None:
        self._slots = np.zeros(size, dtype=np.uint32)
        slot = self._hashes(self.lines[: self.count]) & (size - 1)
        pending = np.arange(self.count, dtype=np.uint32)
        while len(pending):
            free = self._slots[slot[pending]] == 0
            self._slots[slot[pending[free]]] = pending[free] + 1
            # Of several in one slot the last one written stays; the others move on.
            pending = pending[self._slots[slot[pending]] != pending + 1]
            slot[pending] = (slot[pending] + 1) & (size - 1)
