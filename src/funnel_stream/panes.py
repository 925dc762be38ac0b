"""Panes: facts gathered by minute, hour and day, so that windows can let them in and out."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.definition import DAY, HOUR, MINUTE, RETENTION
from funnel_stream.facts import CELLS

Ints = npt.NDArray[np.int64]
Selector = npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice


class Chunk(NamedTuple):
    """Weights by (pane index since the epoch, combination id, cell id), in columns."""

    pane: Ints
    combination: npt.NDArray[np.uint32]
    cell: npt.NDArray[np.uint32]
    weight: Ints

    def take(self, rows: Selector) -> "Chunk":
        """Those rows: places, a mask or a slice."""
        return Chunk(self.pane[rows], self.combination[rows], self.cell[rows], self.weight[rows])

    @classmethod
    def concatenate(cls, chunks: list["Chunk"]) -> "Chunk":
        """All rows of several chunks."""
        return cls(
            np.concatenate([chunk.pane for chunk in chunks]),
            np.concatenate([chunk.combination for chunk in chunks]),
            np.concatenate([chunk.cell for chunk in chunks]),
            np.concatenate([chunk.weight for chunk in chunks]),
        )


class Panes:
    """The panes of one size (in minutes) from one source partition.

    Kept as sorted chunks whose sizes at least double from the last to the first, so that a fact is
    merged a few times only, and what cancels out is gone after the next merge.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._chunks: list[Chunk] = []
        self._oldest = 0

    def __len__(self) -> int:
        return sum(len(chunk.pane) for chunk in self._chunks)

    def place(
        self,
        minute: Ints,
        combination: npt.NDArray[np.uint32],
        cell: npt.NDArray[np.uint32],
        weight: Ints,
    ) -> Chunk:
        """Facts as a chunk of panes of this size; those that have none are left out.

        A matured fact lies in the first pane that starts at or after its minute, so that it never
        counts early; matured conversions exist on hour and day panes only.
        """
        matured = _is_matured(cell)
        pane = np.where(matured, -(-minute // self.size), minute // self.size)
        keep = pane >= self._oldest
        if self.size == MINUTE:
            keep &= ~matured
        return Chunk(pane, combination, cell, weight).take(keep)

    def add(self, chunk: Chunk) -> None:
        """Take a placed chunk in."""
        if not len(chunk.pane):
            return
        self._chunks.append(_merged(chunk))
        while len(self._chunks) > 1 and len(self._chunks[-2].pane) < 2 * len(self._chunks[-1].pane):
            last = [self._chunks.pop(), self._chunks.pop()]
            self._chunks.append(_merged(Chunk.concatenate(last), oldest=self._oldest))

    def between(self, first: int, last: int) -> Iterator[Chunk]:
        """The contents of the panes from ``first`` to ``last``, both included."""
        for chunk in self._chunks:
            start, end = np.searchsorted(chunk.pane, [first, last + 1])
            if start < end:
                yield chunk.take(slice(start, end))

    def forget(self, now_minute: int) -> None:
        """Drop the panes that are past keeping as of a minute."""
        self._oldest = now_minute // self.size - RETENTION[self.size] + 1
        # Dropped at the next merge; at once where that is most of a chunk.
        for place, chunk in enumerate(self._chunks):
            past = int(np.searchsorted(chunk.pane, self._oldest))
            if 2 * past > len(chunk.pane):
                self._chunks[place] = chunk.take(np.arange(past, len(chunk.pane)))
        self._chunks = [chunk for chunk in self._chunks if len(chunk.pane)]


def new_panes() -> dict[int, Panes]:
    """Empty panes of each size."""
    return {size: Panes(size) for size in (MINUTE, HOUR, DAY)}


def _merged(chunk: Chunk, oldest: int = 0) -> Chunk:
    """Sorted, one row per (pane, combination, cell), without those that cancel out."""
    if oldest:
        chunk = chunk.take(chunk.pane >= oldest)
    if not len(chunk.pane):
        return chunk
    order, starts = _order(chunk)
    if len(starts) == len(order):
        return chunk.take(order)
    weight = chunk.weight[order]
    if len(weight) * float(np.abs(weight).max()) >= 1 << 62:
        return chunk.take(order)
    total = np.add.reduceat(weight, starts)
    firsts = order[starts]
    kept = total != 0
    return chunk.take(firsts[kept])._replace(weight=total[kept])


def _order(chunk: Chunk) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places of the rows in order, and where in that order a new row begins."""
    base = int(chunk.pane.min())
    pane_bits = (int(chunk.pane.max()) - base).bit_length()
    combination_bits = int(chunk.combination.max()).bit_length()
    cell_bits = int(chunk.cell.max()).bit_length()
    if pane_bits + combination_bits + cell_bits < 64:
        # One integer a row: a stable sort of it merges chunks that are sorted already in one pass.
        keys = (chunk.pane - base) << combination_bits | chunk.combination
        keys = keys << cell_bits | chunk.cell
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        new = keys[1:] != keys[:-1]
    else:
        order = np.lexsort((chunk.cell, chunk.combination, chunk.pane))
        columns = [column[order] for column in chunk[:3]]
        new = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return order, np.flatnonzero(np.r_[True, new])


_matured_flags = np.zeros(0, dtype=bool)


def _is_matured(cells: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which of the cells hold matured facts."""
    global _matured_flags
    if len(_matured_flags) < len(CELLS):
        _matured_flags = np.array([cell[0] == "matured" for cell in CELLS])
    return _matured_flags[cells]
