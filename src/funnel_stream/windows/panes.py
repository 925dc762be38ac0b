"""Panes: facts gathered by minute, hour and day, so that windows can let them in and out.

Facts of the present have a table of their own, in which all that has begun is one pane.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from funnel_stream.arrays import Ids, Ints, Mask
from funnel_stream.definition.time import (
    MINUTE,
    Span,
    Window,
    has_matured,
    latest,
    pane_of,
    panes_kept,
)
from funnel_stream.facts.measures import CELLS, MATURED, NOW_MEASURES
from funnel_stream.windows.columns.lookup import Flags
from funnel_stream.windows.columns.packed import Chunk, PackedRun

_FAN: Final = 8
"""So many runs of about a size become one: a fact is merged once per factor of 8 in size."""
_LOOSE: Final = 8192
"""Facts that are kept as they came before they are sorted and packed."""

is_matured: Final = Flags(CELLS, lambda cell: cell[0] == MATURED)
"""Which of the cells hold matured facts."""
is_present: Final = Flags(CELLS, lambda cell: cell[0] in NOW_MEASURES)
"""Which of the cells hold facts of the present."""


class Panes:
    """The last ``keep`` panes of one size (in minutes) from one source partition.

    Kept as packed runs: what comes last is small, and runs of about a size become one, so that a
    fact is merged a few times only, and what cancels out is gone after the next merge.
    """

    def __init__(self, size: int, keep: int) -> None:
        self.size = size
        self._keep = keep
        self._runs: list[PackedRun] = []
        self._loose: list[Chunk] = []
        self._loose_facts = 0
        self._oldest = 0

    def __len__(self) -> int:
        """How many facts are held, merged or not."""
        return self._loose_facts + sum(map(len, self._runs))

    # --- in and out -----------------------------------------------------------------------------

    def add(self, facts: Chunk) -> None:
        """Take facts in, which stand by minute."""
        facts = self._laid(facts)
        if not len(facts.pane):
            return
        self._loose.append(facts)
        self._loose_facts += len(facts.pane)
        if self._loose_facts >= _LOOSE:
            self._pack(self._loose)
            self._loose, self._loose_facts = [], 0

    def _laid(self, facts: Chunk) -> Chunk:
        """Facts by pane, without those that have none here."""
        matured = is_matured(facts.cell)
        pane = pane_of(facts.pane, self.size, matured)
        kept = pane >= self._oldest
        if not has_matured(self.size):
            kept &= ~matured
        laid = facts._replace(pane=pane)
        return laid if kept.all() else laid.take(kept)

    def _pack(self, chunks: list[Chunk]) -> None:
        while True:
            merged = self._kept(Chunk.concatenate(chunks)).merged()
            if len(merged.pane):
                self._runs.append(PackedRun(merged))
            number = self._last_of_a_size()
            if number < _FAN:
                return
            last = self._runs[-number:]
            del self._runs[-number:]
            chunks = [run.chunk() for run in last]

    def _last_of_a_size(self) -> int:
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

    def forget(self, now_minute: int) -> None:
        """Drop the panes that are past keeping as of a minute."""
        oldest = latest(self._keep, self.size, now_minute).first
        if oldest > self._oldest:
            self._oldest = oldest
            self._shrink(oldest)

    def _shrink(self, border: int) -> None:
        """Pack anew where that gets rid of most of a run: of what lies before a pane."""
        for index, run in enumerate(self._runs):
            if 2 * run.facts_before(border) > len(run):
                merged = self._kept(run.chunk()).merged()
                if len(merged.pane) < len(run):
                    self._runs[index] = PackedRun(merged)
        self._runs = [run for run in self._runs if len(run)]

    # --- combinations ---------------------------------------------------------------------------

    def mark(self, used: Mask) -> None:
        """Set what stands at the ids of the combinations that occur."""
        for run in self._runs:
            used[run.combinations()] = True
        for chunk in self._loose:
            used[chunk.combination] = True

    def renumber(self, ids: Ids) -> None:
        """Give combinations other ids, in the same order; ``ids``: the new ones by the old."""
        self._runs = [run.renumbered(ids) for run in self._runs]
        self._loose = [chunk._replace(combination=ids[chunk.combination]) for chunk in self._loose]

    # --- what they hold -------------------------------------------------------------------------

    def within(self, span: Span) -> Iterator[Chunk]:
        """The contents of the panes of a span, in pieces."""
        for run in self._runs:
            yield from run.between(span.first, span.last)
        yield from _within(span, self._loose)

    def frozen(self) -> "FrozenPanes":
        """The panes as they are, for a reader in another thread."""
        return FrozenPanes(self._oldest, tuple(self._runs), tuple(self._loose))


class FrozenPanes(NamedTuple):
    """Panes of one size and source as they were; nothing in it ever changes.

    ``oldest``: the first pane that was kept.
    """

    oldest: int
    runs: tuple[PackedRun, ...]
    loose: tuple[Chunk, ...]

    def by_row(self, span: Span, row_of: Ids) -> Iterator[Chunk]:
        """What the panes of a span hold, with the id of a row for each combination (``row_of``).
        Runs are summed up once, so that asking again costs little."""
        for run in self.runs:
            yield from run.by_row(row_of).between(span.first, span.last)
        for chunk in _within(span, self.loose):
            yield chunk._replace(combination=row_of[chunk.combination])


def _within(span: Span, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        inside = span.covers(chunk.pane)
        if inside.any():
            yield chunk.take(inside)


class Present(Panes):
    """Facts that count from their minute on, for ever: pane 0 is all that has begun, and what is
    yet to come lies in its minute."""

    def __init__(self) -> None:
        super().__init__(MINUTE, 0)
        self._now = -1

    def forget(self, now_minute: int) -> None:
        """Let the minutes up to this one be one pane."""
        self._now = now_minute
        self._shrink(now_minute + 1)

    def _laid(self, facts: Chunk) -> Chunk:
        return self._kept(facts)

    def _kept(self, chunk: Chunk) -> Chunk:
        return chunk._replace(pane=self._begun(chunk.pane))

    def _begun(self, minute: Ints) -> Ints:
        return np.where(minute <= self._now, 0, minute)


def new_panes(windows: Iterable[Window]) -> dict[int, Panes]:
    """Empty panes, by size."""
    return {size: Panes(size, panes) for size, panes in panes_kept(windows).items()}


def _magnitude(run: PackedRun) -> int:
    return len(run).bit_length() // 3
