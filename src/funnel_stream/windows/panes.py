"""Panes: facts gathered by minute, hour and day, so that windows can let them in and out.

Facts of the present have a table of their own, in which all that has begun is one pane.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.definition.time import MINUTE, Window, pane_of
from funnel_stream.facts.measures import CELLS, MATURED, NOW_MEASURES

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint32]
Ends = npt.NDArray[np.int32]
Selector = npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice

_LIMB: Final = 31
_SPLIT: Final = 1 << 62
_WIDE: Final = -128
"""Stands for a weight that does not fit into a byte."""
_HALF: Final = 32
_FAN: Final = 8
"""So many runs of about a size become one: a fact is merged once per factor of 8 in size."""
_LOOSE: Final = 8192
"""Facts that are kept as they came before they are sorted and packed."""
_AT_ONCE: Final = 50_000
"""Facts that are unpacked at once, about."""


class Chunk(NamedTuple):
    """Weights by (pane index since the epoch, combination id, cell id), in columns."""

    pane: Ints
    combination: Ids
    cell: Ids
    weight: Ints

    def take(self, rows: Selector) -> "Chunk":
        """Those rows: places, a mask or a slice."""
        return Chunk(self.pane[rows], self.combination[rows], self.cell[rows], self.weight[rows])

    @classmethod
    def concatenate(cls, chunks: Sequence["Chunk"]) -> "Chunk":
        """All rows of several chunks."""
        if len(chunks) == 1:
            return chunks[0]
        return cls(
            np.concatenate([chunk.pane for chunk in chunks]),
            np.concatenate([chunk.combination for chunk in chunks]),
            np.concatenate([chunk.cell for chunk in chunks]),
            np.concatenate([chunk.weight for chunk in chunks]),
        )


class _Run:
    """Sorted facts, packed: about five bytes each where a ``Chunk`` takes 24.

    A *group* is what one combination has in one pane. A weight that does not fit into a byte
    stands apart, in the same order, its upper half in the smallest type that holds them all. What
    ends with a pane is given by the pane's place. Of combinations the first of a pane is kept, and
    of each other how far it is from the one before.
    """

    __slots__ = (
        "cell",
        "combination_steps",
        "fact_ends",
        "first_combination",
        "group_ends",
        "group_sizes",
        "panes",
        "summed",
        "weight",
        "wide_ends",
        "wide_high",
        "wide_low",
    )

    def __init__(self, chunk: Chunk) -> None:
        """``chunk`` must be sorted by pane, combination and cell."""
        new_pane = _changes(chunk.pane)
        new_group = new_pane | _changes(chunk.combination)
        starts = np.flatnonzero(new_group)
        self.panes = chunk.pane[new_pane]
        self.group_ends = _ends(new_pane[starts])
        self.fact_ends = _ends(new_pane)
        self._keep_combinations(chunk.combination[starts])
        self.group_sizes = _narrowed(np.diff(np.r_[starts, len(new_group)]))
        self.cell = _narrowed(chunk.cell)
        wide = (chunk.weight <= _WIDE) | (chunk.weight > 127)
        self.weight = np.where(wide, _WIDE, chunk.weight).astype(np.int8)
        wide_weight = chunk.weight[wide]
        self.wide_low = wide_weight.astype(np.uint32)
        self.wide_high = _narrowed(wide_weight >> _HALF)
        self.wide_ends = np.searchsorted(np.flatnonzero(wide), self.fact_ends).astype(np.int32)
        self.summed: _Run | None = None

    def __len__(self) -> int:
        return len(self.cell)

    def _keep_combinations(self, of_groups: npt.NDArray[Any]) -> None:
        of_groups = of_groups.astype(np.uint32, copy=False)
        steps = np.diff(of_groups, prepend=of_groups[:1])
        begins = np.r_[0, self.group_ends][: len(self.panes)]
        steps[begins] = 0
        self.first_combination = of_groups[begins]
        self.combination_steps = _narrowed(steps)

    def combinations(self, first: int = 0, stop: int | None = None) -> Ids:
        """Those of the groups of the panes at the places ``first`` to ``stop``."""
        stop = len(self.panes) if stop is None else stop
        if first >= stop:
            return NO_FACTS.combination
        groups = _span(self.group_ends, first, stop)
        steps = np.cumsum(self.combination_steps[groups], dtype=np.uint32)
        ends = self.group_ends[first:stop] - groups.start
        begins = np.r_[0, ends[:-1]]
        # The sum runs on from pane to pane; what it has become where one begins is taken off.
        base = self.first_combination[first:stop] - steps[begins]
        combinations: Ids = steps + np.repeat(base, np.diff(ends, prepend=0))
        return combinations

    def renumbered(self, ids: Ids) -> "_Run":
        """The same run with other ids of combinations; this one stays as it is for its readers."""
        run = copy(self)
        run._keep_combinations(ids[self.combinations()])
        return run

    def by_row(self, row_of: Ids) -> "_Run":
        """The same facts, those of all combinations of a row together. Reckoned once."""
        if self.summed is None:
            parts = [NO_FACTS]
            for first, stop in self.pieces(0, len(self.panes)):
                chunk = self.chunk(first, stop)
                parts.append(_merged(chunk._replace(combination=row_of[chunk.combination])))
            self.summed = _Run(_merged(Chunk.concatenate(parts)))
        return self.summed

    def between(self, first: int, last: int) -> Iterator[Chunk]:
        """The contents of the panes from ``first`` to ``last``, both included, in pieces."""
        start, stop = np.searchsorted(self.panes, [first, last + 1]).tolist()
        for piece in self.pieces(start, stop):
            yield self.chunk(*piece)

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The places ``start`` to ``stop`` of panes, cut so that few facts are unpacked at once."""
        while start < stop:
            part = min(stop, max(start + 1, self.place_after(start, _AT_ONCE)))
            yield start, part
            start = part

    def place_after(self, first: int, facts: int) -> int:
        """The place of the pane that ends so many facts after the beginning of another, or more."""
        start = _span(self.fact_ends, first, first + 1).start
        return int(np.searchsorted(self.fact_ends, start + facts)) + 1

    def chunk(self, first: int = 0, stop: int | None = None) -> Chunk:
        """The contents of the panes at the places ``first`` to ``stop``."""
        stop = len(self.panes) if stop is None else stop
        if first >= stop:
            return NO_FACTS
        facts = _span(self.fact_ends, first, stop)
        groups = _span(self.group_ends, first, stop)
        sizes = np.diff(np.r_[facts.start, self.fact_ends[first:stop]])
        weight = self.weight[facts].astype(np.int64)
        wide = _span(self.wide_ends, first, stop)
        weight[weight == _WIDE] = (
            self.wide_high[wide].astype(np.int64) << _HALF | self.wide_low[wide]
        )
        return Chunk(
            pane=np.repeat(self.panes[first:stop], sizes),
            combination=np.repeat(self.combinations(first, stop), self.group_sizes[groups]),
            cell=self.cell[facts].astype(np.uint32),
            weight=weight,
        )


class Panes:
    """The last ``keep`` panes of one size (in minutes) from one source partition.

    Kept as packed runs: what comes last is small, and runs of about a size become one, so that a
    fact is merged a few times only, and what cancels out is gone after the next merge.
    """

    def __init__(self, size: int, keep: int) -> None:
        self.size = size
        self._keep = keep
        self._runs: list[_Run] = []
        self._loose: list[Chunk] = []
        self._loose_facts = 0
        self._oldest = 0

    def __len__(self) -> int:
        return self._loose_facts + sum(map(len, self._runs))

    def place(self, minute: Ints, combination: Ids, cell: Ids, weight: Ints) -> Chunk:
        """Facts as a chunk of panes of this size; those that have none are left out.

        A matured fact lies in the first pane that starts at or after its minute, so that it never
        counts early; matured conversions exist on hour and day panes only.
        """
        matured = is_matured(cell)
        pane = pane_of(minute, self.size, matured)
        keep = pane >= self._oldest
        if self.size == MINUTE:
            keep &= ~matured
        chunk = Chunk(pane, combination, cell, weight)
        return chunk if keep.all() else chunk.take(keep)

    def add(self, chunk: Chunk) -> None:
        """Take a placed chunk in."""
        if not len(chunk.pane):
            return
        self._loose.append(chunk)
        self._loose_facts += len(chunk.pane)
        if self._loose_facts >= _LOOSE:
            self._append(self._loose)
            self._loose, self._loose_facts = [], 0

    def _append(self, chunks: list[Chunk]) -> None:
        while True:
            merged = _merged(self._kept(Chunk.concatenate(chunks)))
            if len(merged.pane):
                self._runs.append(_Run(merged))
            number = self._alike()
            if number < _FAN:
                return
            last = self._runs[-number:]
            del self._runs[-number:]
            chunks = [run.chunk() for run in last]

    def _alike(self) -> int:
        """How many of the last runs are at most of the magnitude of the last."""
        number = 0
        for run in reversed(self._runs):
            if _magnitude(run) > _magnitude(self._runs[-1]):
                break
            number += 1
        return number

    def _kept(self, chunk: Chunk) -> Chunk:
        """What is to be kept of a chunk."""
        past = chunk.pane < self._oldest
        return chunk.take(~past) if past.any() else chunk

    def between(self, first: int, last: int) -> Iterator[Chunk]:
        """The contents of the panes from ``first`` to ``last``, both included, in pieces."""
        for run in self._runs:
            yield from run.between(first, last)
        yield from _inside(self._loose, first, last)

    def frozen(self) -> "FrozenPanes":
        """The panes as they are, for a reader in another thread."""
        return FrozenPanes(self._oldest, tuple(self._runs), tuple(self._loose))

    def mark(self, used: npt.NDArray[np.bool_]) -> None:
        """Set what stands at the places of the combinations that occur."""
        for run in self._runs:
            used[run.combinations()] = True
        for chunk in self._loose:
            used[chunk.combination] = True

    def renumber(self, ids: Ids) -> None:
        """Give combinations other ids, in the same order; ``ids``: the new ones by the old."""
        self._runs = [run.renumbered(ids) for run in self._runs]
        self._loose = [chunk._replace(combination=ids[chunk.combination]) for chunk in self._loose]

    def forget(self, now_minute: int) -> None:
        """Drop the panes that are past keeping as of a minute."""
        oldest = now_minute // self.size - self._keep + 1
        if oldest > self._oldest:
            self._oldest = oldest
            self._shrink(oldest)

    def _shrink(self, border: int) -> None:
        """Pack anew where that gets rid of most of a run: of what lies before a pane."""
        for place, run in enumerate(self._runs):
            past = int(np.searchsorted(run.panes, border))
            if past and 2 * int(run.fact_ends[past - 1]) > len(run):
                merged = _merged(self._kept(run.chunk()))
                if len(merged.pane) < len(run):
                    self._runs[place] = _Run(merged)
        self._runs = [run for run in self._runs if len(run)]


class FrozenPanes(NamedTuple):
    """Panes of one size and source as they were; nothing in it ever changes.

    ``oldest``: the first pane that was kept.
    """

    oldest: int
    runs: tuple[_Run, ...]
    loose: tuple[Chunk, ...]

    def by_row(self, first: int, last: int, row_of: Ids) -> Iterator[Chunk]:
        """What the panes from ``first`` to ``last`` hold, with the id of a row for each combination
        (``row_of``). Runs are summed up once, so that asking again costs little."""
        for run in self.runs:
            yield from run.by_row(row_of).between(first, last)
        for chunk in _inside(self.loose, first, last):
            yield chunk._replace(combination=row_of[chunk.combination])


def _inside(chunks: Iterable[Chunk], first: int, last: int) -> Iterator[Chunk]:
    for chunk in chunks:
        inside = (chunk.pane >= first) & (chunk.pane <= last)
        if inside.any():
            yield chunk.take(inside)


class Present(Panes):
    """Facts that count from their minute on, for ever: pane 0 is all that has begun."""

    def __init__(self) -> None:
        super().__init__(MINUTE, 0)
        self._now = -1

    def place(self, minute: Ints, combination: Ids, cell: Ids, weight: Ints) -> Chunk:
        """Facts as a chunk: in pane 0, or in their minute if it is yet to come."""
        return Chunk(self._begun(minute), combination, cell, weight)

    def forget(self, now_minute: int) -> None:
        """Let the minutes up to this one be one pane."""
        self._now = now_minute
        self._shrink(now_minute + 1)

    def _kept(self, chunk: Chunk) -> Chunk:
        return chunk._replace(pane=self._begun(chunk.pane))

    def _begun(self, minute: Ints) -> Ints:
        return np.where(minute <= self._now, 0, minute)


def panes_kept(windows: Iterable[Window]) -> dict[int, int]:
    """How many panes are kept, by size: as many as the window needs that needs most."""
    kept: dict[int, int] = {}
    for window in windows:
        for size, panes in window.kept().items():
            kept[size] = max(kept.get(size, 0), panes)
    return kept


def new_panes(windows: Iterable[Window]) -> dict[int, Panes]:
    """Empty panes, by size."""
    return {size: Panes(size, panes) for size, panes in panes_kept(windows).items()}


def _magnitude(run: _Run) -> int:
    return len(run).bit_length() // 3


def _merged(chunk: Chunk) -> Chunk:
    """Sorted, one row per (pane, combination, cell), without those that cancel out.

    A sum that 64 bits do not hold stays several rows.
    """
    if not len(chunk.pane):
        return chunk
    order, starts = _order(chunk)
    if len(starts) == len(order):
        return chunk.take(order)
    place, total = _sums(chunk.weight[order], starts)
    kept = total != 0
    return chunk.take(order[starts[place[kept]]])._replace(weight=total[kept])


def _sums(weight: Ints, starts: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], Ints]:
    """Sums of groups of weights that begin at ``starts``: the group's place, and the sum.

    A sum of 2**62 or more is given in several parts.
    """
    places = np.arange(len(starts))
    largest = int(np.diff(np.r_[starts, len(weight)]).max())
    if largest * int(np.abs(weight).max()) < _SPLIT:
        return places, np.add.reduceat(weight, starts)
    low = np.add.reduceat(weight & ((1 << _LIMB) - 1), starts)
    high = np.add.reduceat(weight >> _LIMB, starts) + (low >> _LIMB)
    fits = (high >= -(1 << _LIMB)) & (high < 1 << _LIMB)
    exact = [
        (high[place].item() << _LIMB) + (low[place].item() & ((1 << _LIMB) - 1))
        for place in np.flatnonzero(~fits)
    ]
    parts = np.ones(len(starts), dtype=np.int64)
    parts[~fits] = [abs(total) // _SPLIT + 1 for total in exact]
    sums = np.repeat((np.where(fits, high, 0) << _LIMB) + (low & ((1 << _LIMB) - 1)), parts)
    sums[np.repeat(~fits, parts)] = [
        part for total in exact for part in _parts(total, abs(total) // _SPLIT + 1)
    ]
    return np.repeat(places, parts), sums


def _parts(total: int, number: int) -> Iterator[int]:
    """A number as the sum of so many, as equal as can be."""
    part, rest = divmod(total, number)
    for place in range(number):
        yield part + (place < rest)


def _order(chunk: Chunk) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places of the rows in order, and where in that order a new row begins."""
    base = int(chunk.pane.min())
    pane_bits = (int(chunk.pane.max()) - base).bit_length()
    combination_bits = int(chunk.combination.max()).bit_length()
    cell_bits = int(chunk.cell.max()).bit_length()
    if pane_bits + combination_bits + cell_bits < 64:
        # One integer a row: a stable sort of it merges runs that are sorted already in one pass.
        keys = (chunk.pane - base) << combination_bits | chunk.combination
        keys = keys << cell_bits | chunk.cell
        order = np.argsort(keys, kind="stable")
        new = _changes(keys[order])
    else:
        order = np.lexsort((chunk.cell, chunk.combination, chunk.pane))
        new = np.logical_or.reduce([_changes(column[order]) for column in chunk[:3]])
    return order, np.flatnonzero(new)


def _changes(column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value differs from the one before it; the first does."""
    new = np.ones(len(column), dtype=np.bool_)
    np.not_equal(column[1:], column[:-1], out=new[1:])
    return new


def _ends(new: npt.NDArray[np.bool_]) -> Ends:
    """Where what begins at the marked places ends."""
    ends: Ends = np.r_[np.flatnonzero(new)[1:], len(new)].astype(np.int32)
    return ends


def _span(ends: Ends, first: int, stop: int) -> slice:
    return slice(int(ends[first - 1]) if first else 0, int(ends[stop - 1]))


def _narrowed(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in the smallest type that holds them."""
    ends = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return numbers.astype(np.result_type(*map(np.min_scalar_type, ends)))


NO_FACTS: Final = Chunk(
    np.zeros(0, dtype=np.int64),
    np.zeros(0, dtype=np.uint32),
    np.zeros(0, dtype=np.uint32),
    np.zeros(0, dtype=np.int64),
)


class _Flags:
    """Which cells have one of these measures, kept up as cells are met."""

    def __init__(self, measures: frozenset[str]) -> None:
        self._measures = measures
        self._flags = np.zeros(0, dtype=np.bool_)

    def __call__(self, cells: Ids) -> npt.NDArray[np.bool_]:
        flags = self._flags
        if len(flags) < len(CELLS):
            # Only of the new ones: where reasons are free text, every batch brings some.
            new = [cell[0] in self._measures for cell in CELLS[len(flags) :]]
            flags = self._flags = np.concatenate((flags, np.array(new, dtype=np.bool_)))
        return flags[cells]


is_matured: Final = _Flags(frozenset((MATURED,)))
"""Which of the cells hold matured facts."""
is_present: Final = _Flags(NOW_MEASURES)
"""Which of the cells hold facts of the present."""
