"""Facts in columns: loose in chunks, and packed into sorted runs that take a fifth of the room."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.arrays import Array, Ids, Indices, Ints, Mask
from funnel_stream.windows.columns.sums import (
    changes,
    ends_of,
    grouped,
    lengths_of,
    narrowed,
    segment_sums,
)

_Ends = npt.NDArray[np.int32]

_WIDE: Final = -128
"""Stands for a weight that does not fit into a byte."""
_HALF_BITS: Final = 32
_AT_ONCE: Final = 50_000
"""Facts that are unpacked at once, about."""


class Chunk(NamedTuple):
    """Weights by pane (int64), id of a combination (uint32) and id of a cell (uint32).

    Four columns of shape (n,), in any order; a key may stand there several times. Facts that have
    not been laid into panes yet stand by minute, as in panes of a minute.
    """

    pane: Ints
    combination: Ids
    cell: Ids
    weight: Ints

    def take(self, selected: Mask | Indices | slice) -> "Chunk":
        """Those facts: by a mask, by indices or a slice (which copies nothing)."""
        return Chunk(
            self.pane[selected],
            self.combination[selected],
            self.cell[selected],
            self.weight[selected],
        )

    @classmethod
    def concatenate(cls, chunks: Sequence["Chunk"]) -> "Chunk":
        """All facts of several chunks, one at least. A single one is not copied."""
        if len(chunks) == 1:
            return chunks[0]
        return cls(
            np.concatenate([chunk.pane for chunk in chunks]),
            np.concatenate([chunk.combination for chunk in chunks]),
            np.concatenate([chunk.cell for chunk in chunks]),
            np.concatenate([chunk.weight for chunk in chunks]),
        )

    def merged(self) -> "Chunk":
        """Sorted, one fact for each pane, combination and cell, without those that cancel out.

        A sum that 64 bits do not hold stays several facts; one fact alone stays, be it of 0.
        O(n log n), and O(n) where the facts consist of few sorted runs.
        """
        if not len(self.pane):
            return self
        order, starts = grouped(self.pane, self.combination, self.cell)
        if len(starts) == len(order):
            return self.take(order)
        group, total = segment_sums(self.weight[order], starts)
        kept = total != 0
        return self.take(order[starts[group[kept]]])._replace(weight=total[kept])


NO_FACTS: Final = Chunk(
    np.zeros(0, dtype=np.int64),
    np.zeros(0, dtype=np.uint32),
    np.zeros(0, dtype=np.uint32),
    np.zeros(0, dtype=np.int64),
)


def batched(chunks: Iterable[Chunk], size: int) -> Iterator[Chunk]:
    """The same facts in chunks of ``size`` facts or more, and less than twice as many; the last may
    be smaller. O(n)."""
    batch: list[Chunk] = []
    held = 0
    for chunk in chunks:
        for start in range(0, len(chunk.pane), size):
            part = chunk.take(slice(start, start + size))
            batch.append(part)
            held += len(part.pane)
            if held >= size:
                yield Chunk.concatenate(batch)
                batch, held = [], 0
    if batch:
        yield Chunk.concatenate(batch)


class PackedRun:
    """A sorted chunk, packed: about five bytes a fact where a ``Chunk`` takes 24. Never changes.

    A *group* is what one combination has in one pane. A weight that does not fit into a byte
    stands apart, in the same order, its upper half in the smallest type that holds them all. What
    ends with a pane is given by the pane's index. Of combinations the first of a pane is kept, and
    of each other how far it is from the one before.
    """

    __slots__ = (
        "_by_row",
        "_cell",
        "_combination_steps",
        "_fact_ends",
        "_first_combination",
        "_group_ends",
        "_group_sizes",
        "_panes",
        "_weight",
        "_wide_ends",
        "_wide_high",
        "_wide_low",
    )

    def __init__(self, chunk: Chunk) -> None:
        """``chunk`` must be sorted by pane, combination and cell. O(n)."""
        new_pane = changes(chunk.pane)
        new_group = new_pane | changes(chunk.combination)
        starts = np.flatnonzero(new_group)
        self._panes = chunk.pane[new_pane]
        self._group_ends = _ends(new_pane[starts])
        self._fact_ends = _ends(new_pane)
        self._keep_combinations(chunk.combination[starts])
        self._group_sizes = narrowed(lengths_of(ends_of(starts, len(new_group))))
        self._cell = narrowed(chunk.cell)
        wide = (chunk.weight <= _WIDE) | (chunk.weight > 127)
        self._weight = np.where(wide, _WIDE, chunk.weight).astype(np.int8)
        wide_weight = chunk.weight[wide]
        self._wide_low = wide_weight.astype(np.uint32)
        self._wide_high = narrowed(wide_weight >> _HALF_BITS)
        self._wide_ends = np.searchsorted(np.flatnonzero(wide), self._fact_ends).astype(np.int32)
        self._by_row: PackedRun | None = None

    def __len__(self) -> int:
        """How many facts it has."""
        return len(self._cell)

    def _keep_combinations(self, of_groups: Array) -> None:
        of_groups = of_groups.astype(np.uint32, copy=False)
        steps = np.diff(of_groups, prepend=of_groups[:1])
        begins = self._group_ends - lengths_of(self._group_ends)
        steps[begins] = 0
        self._first_combination = of_groups[begins]
        self._combination_steps = narrowed(steps)

    # --- other runs ---------------------------------------------------------------------------

    def renumbered(self, ids: Ids) -> "PackedRun":
        """The same run with other ids of combinations, in the same order (``ids``: the new ones by
        the old); this one stays as it is for its readers. O(groups)."""
        run = copy(self)
        run._keep_combinations(ids[self.combinations()])
        return run

    def by_row(self, row_of: Ids) -> "PackedRun":
        """The same facts, those of all combinations of a row together; ``row_of``: the row's id by
        the combination's. Computed once, O(n log n); whoever asks again must mean the same rows."""
        if self._by_row is None:
            parts = [NO_FACTS]
            for first, stop in self._pieces(0, len(self._panes)):
                chunk = self.chunk(first, stop)
                parts.append(chunk._replace(combination=row_of[chunk.combination]).merged())
            self._by_row = PackedRun(Chunk.concatenate(parts).merged())
        return self._by_row

    # --- what it holds --------------------------------------------------------------------------

    def facts_before(self, pane: int) -> int:
        """How many facts lie in panes before that one. O(log panes)."""
        index = int(np.searchsorted(self._panes, pane))
        return int(self._fact_ends[index - 1]) if index else 0

    def between(self, first: int, last: int) -> Iterator[Chunk]:
        """The contents of the panes from ``first`` to ``last``, both included, sorted, in pieces of
        a limited number of facts or a single pane. O(facts given)."""
        start, stop = np.searchsorted(self._panes, [first, last + 1]).tolist()
        for piece in self._pieces(start, stop):
            yield self.chunk(*piece)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The indices ``start`` to ``stop`` of panes, cut so that few facts are unpacked at once.

        Each piece ends with the first pane with which it has so many, or is one pane.
        """
        while start < stop:
            facts = _span(self._fact_ends, start, start + 1).start + _AT_ONCE
            enough = int(np.searchsorted(self._fact_ends, facts)) + 1
            part = min(stop, max(start + 1, enough))
            yield start, part
            start = part

    def combinations(self, first: int = 0, stop: int | None = None) -> Ids:
        """(groups,) those of the groups of the panes with the indices from ``first`` to before
        ``stop``. O(groups)."""
        stop = len(self._panes) if stop is None else stop
        if first >= stop:
            return NO_FACTS.combination
        groups = _span(self._group_ends, first, stop)
        steps = np.cumsum(self._combination_steps[groups], dtype=np.uint32)
        ends = self._group_ends[first:stop] - groups.start
        sizes = lengths_of(ends)
        # The sum runs on from pane to pane; what it has become where one begins is taken off.
        base = self._first_combination[first:stop] - steps[ends - sizes]
        combinations: Ids = steps + np.repeat(base, sizes)
        return combinations

    def chunk(self, first: int = 0, stop: int | None = None) -> Chunk:
        """The contents of the panes with the indices from ``first`` to before ``stop``, sorted.
        O(facts given)."""
        stop = len(self._panes) if stop is None else stop
        if first >= stop:
            return NO_FACTS
        facts = _span(self._fact_ends, first, stop)
        groups = _span(self._group_ends, first, stop)
        sizes = lengths_of(self._fact_ends[first:stop], facts.start)
        weight = self._weight[facts].astype(np.int64)
        wide = _span(self._wide_ends, first, stop)
        weight[weight == _WIDE] = (
            self._wide_high[wide].astype(np.int64) << _HALF_BITS | self._wide_low[wide]
        )
        return Chunk(
            pane=np.repeat(self._panes[first:stop], sizes),
            combination=np.repeat(self.combinations(first, stop), self._group_sizes[groups]),
            cell=self._cell[facts].astype(np.uint32),
            weight=weight,
        )


def _ends(new: Mask) -> _Ends:
    """Where what begins at the marked indices ends."""
    return ends_of(np.flatnonzero(new), len(new)).astype(np.int32)


def _span(ends: _Ends, first: int, stop: int) -> slice:
    """Where the things from ``first`` to before ``stop`` stand that end there."""
    return slice(int(ends[first - 1]) if first else 0, int(ends[stop - 1]))
