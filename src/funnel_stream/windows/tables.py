"""Windowed tables: totals of every cell, by window and breakdown, that slide with event time.

The sum of all source partitions' panes is never taken at a scrape: a change is added once, and a
pane that slides out is subtracted once. Beside the windows stands the present: facts that count
from their minute on, and never slide out.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.definition import Definition
from funnel_stream.definition.time import MINUTE, MINUTE_US, Span, Window, pane_of
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.rules import NONE
from funnel_stream.facts.spend import Shares, SpendBook
from funnel_stream.windows.breakdowns import Breakdowns, Row
from funnel_stream.windows.panes import (
    Chunk,
    FrozenPanes,
    Panes,
    Present,
    is_matured,
    is_present,
    new_panes,
    panes_kept,
)
from funnel_stream.windows.totals import Cells, RowSum, Sums, Totals, sum_by_row
from funnel_stream.windows.trends import NO_PAST, Past

__all__ = ["NONE", "NOW", "Cells", "Row", "Snapshot", "Sums", "WindowTables", "sum_by_row"]

NOW: Final = "now"
"""The table of the present among the totals of the windows."""

_AT_ONCE: Final = 100_000
"""Facts that are summed at once, about."""
_FEW_COMBINATIONS: Final = 100_000
"""So many are kept whether used or not."""


class Snapshot(NamedTuple):
    """All totals as of an instant (µs); never changes, so that any thread may read it.

    ``totals``: by window, and ``NOW`` for the facts of the present. ``past``: how they came about.
    """

    definition: Definition
    as_of: int
    totals: dict[str, Sums]
    version: int
    past: Past = NO_PAST


class _Source:
    """What a source partition contributes; its spends stand in the book."""

    def __init__(self, windows: Iterable[Window], minute: int | None) -> None:
        self.panes = new_panes(windows)
        self.present = Present()
        if minute is not None:
            self.forget(minute)

    def add(self, facts: Chunk) -> None:
        """Take facts in, which stand by minute."""
        present = is_present(facts.cell)
        if present.any():
            self.present.add(self.present.place(*facts.take(present)))
            facts = facts.take(~present)
        for panes in self.panes.values():
            panes.add(panes.place(*facts))

    def every(self) -> Iterator[Panes]:
        """All panes, and the present."""
        yield from self.panes.values()
        yield self.present

    def forget(self, minute: int) -> None:
        """Drop what is past keeping as of a minute."""
        for panes in self.every():
            panes.forget(minute)


class _Recent(NamedTuple):
    """What has come since the windows moved last, and in which of the tables it counts."""

    which: npt.NDArray[np.bool_]
    totals: Totals


class WindowTables:
    """Panes of every source partition, and the totals of every window over them."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._windows = [(window, Totals()) for window in definition.window_list()]
        self._now = Totals()
        self._recent: dict[bytes, _Recent] = {}
        self._sources: dict[int, _Source] = {}
        self._breakdowns = Breakdowns(definition)
        self._by_channel = "channel" in definition.dimensions
        self._spends = SpendBook(definition)
        self._pending: list[Chunk] = []
        self._pending_facts = 0
        self._combinations_limit = _FEW_COMBINATIONS
        self._now_minute: int | None = None
        self._as_of = 0
        self._version = 0

    # --- what changes ---------------------------------------------------------------------------

    def apply(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Add differences from a source partition: all blocks of a tick."""
        self._version += 1
        if source not in self._sources:
            windows = self._definition.window_list()
            self._sources[source] = _Source(windows, self._now_minute)
        for block in blocks:
            if len(block.cell):
                self._add_facts(self._sources[source], block)
            if block.spends:
                added = self._spends.add(source, block.spends)
                for window, totals in self._windows:
                    shares = self._spends.shares(
                        added, Span(window.pane, totals.first, totals.last)
                    )
                    totals.add(self._spend_rows(shares))

    def _add_facts(self, source: _Source, block: FactBlock) -> None:
        combination = self._breakdowns.combinations(block.combinations)[block.combination]
        facts = Chunk(block.minute, combination, block.cell, block.weight)
        source.add(facts)
        self._pending.append(facts)
        self._pending_facts += len(facts.cell)
        if self._pending_facts >= _AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        """Sum up what has come since the last time: many facts at once share rows and cells, so
        that few sums change. They go to the tables when the windows move: until then, all that
        counts in the same tables is added once, not once to each of them."""
        if not self._pending:
            return
        facts = Chunk.concatenate(self._pending)
        self._pending, self._pending_facts = [], 0
        for which, some in _alike(facts, self._inside(facts)):
            recent = self._recent.setdefault(which.tobytes(), _Recent(which, Totals()))
            recent.totals.add(self._sums([some]))

    def _tables(self) -> dict[str, Totals]:
        return {NOW: self._now, **{window.name: totals for window, totals in self._windows}}

    def _take_in(self) -> None:
        """Add what is recent to the tables."""
        for which, recent in self._recent.values():
            sums = list(recent.sums())
            for table, lies in zip(self._tables().values(), which, strict=True):
                if lies:
                    table.add(sums)
        self._recent = {}

    def _inside(self, facts: Chunk) -> npt.NDArray[np.bool_]:
        """For each table (a line) which of the facts (by minute) count in it now."""
        present = is_present(facts.cell)
        matured = is_matured(facts.cell)
        inside = [present & (facts.pane <= self._now.last)]
        for window, totals in self._windows:
            pane = pane_of(facts.pane, window.pane, matured)
            lies = (pane >= totals.first) & (pane <= totals.last)
            inside.append(lies & ~(present | matured if window.pane == MINUTE else present))
        return np.array(inside)

    def replace(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Let a source partition's whole contribution be these blocks."""
        self._settle()
        spends = self._spends.remove(source)
        for window, totals in self._windows:
            shares = self._spends.shares(spends, Span(window.pane, totals.first, totals.last))
            totals.add(self._spend_rows(shares), sign=-1)
        if former := self._sources.pop(source, None):
            self._now.add(self._sums(former.present.between(0, self._now.last)), sign=-1)
            for window, totals in self._windows:
                chunks = former.panes[window.pane].between(totals.first, totals.last)
                totals.add(self._sums(chunks), sign=-1)
        self.apply(source, blocks)

    # --- time -----------------------------------------------------------------------------------

    def advance(self, now_us: int) -> None:
        """Slide every window to end at ``now_us``; time never moves back."""
        minute = now_us // MINUTE_US
        self._as_of = max(self._as_of, now_us)
        if self._now_minute is not None and minute <= self._now_minute:
            return
        self._settle()
        self._take_in()
        self._now_minute = minute
        self._version += 1
        for window, totals in self._windows:
            self._slide(window, totals, window.at(minute))
        for source in self._sources.values():
            begun = source.present.between(self._now.last + 1, minute)
            self._now.add(self._sums(begun))
            source.forget(minute)
        self._now.last = minute
        self._forget_combinations()
        kept = panes_kept(window for window, _ in self._windows).items()
        oldest = [(minute // size - panes + 1) * size for size, panes in kept]
        self._spends.forget(min(oldest) * MINUTE_US)

    def _forget_combinations(self) -> None:
        """Whenever their number has doubled: deals come and go, and each may have its own."""
        if len(self._breakdowns) < self._combinations_limit:
            return
        used = np.zeros(len(self._breakdowns), dtype=np.bool_)
        every = [panes for source in self._sources.values() for panes in source.every()]
        for panes in every:
            panes.mark(used)
        ids = self._breakdowns.keep(used)
        for panes in every:
            panes.renumber(ids)
        self._combinations_limit = max(_FEW_COMBINATIONS, 2 * len(self._breakdowns))

    def _slide(self, window: Window, totals: Totals, span: Span) -> None:
        _, first, last = span
        if last == totals.last:
            return
        if first > totals.last:
            totals.clear()
            self._slide_over(window, totals, first, last)
        else:
            self._slide_over(window, totals, totals.first, first - 1, sign=-1)
            self._slide_over(window, totals, totals.last + 1, last)
        totals.first, totals.last = first, last

    def _slide_over(
        self, window: Window, totals: Totals, first: int, last: int, sign: int = 1
    ) -> None:
        """Let panes enter a window or, with ``sign`` −1, leave it."""
        if first > last:
            return
        chunks = (
            chunk
            for source in self._sources.values()
            for chunk in source.panes[window.pane].between(first, last)
        )
        totals.add(self._sums(chunks), sign)
        shares = self._spends.shares_of_all(Span(window.pane, first, last))
        totals.add(self._spend_rows(shares), sign)

    # --- sums -----------------------------------------------------------------------------------

    def _sums(self, chunks: Iterable[Chunk]) -> Iterator[RowSum]:
        """Sums of facts for every row that they count in; a row may come several times."""
        for facts in _in_lots(chunks):
            rows = self._breakdowns.rows_of(facts.combination)
            yield from sum_by_row(rows, facts.cell, facts.weight)

    def _spend_rows(self, shares: Shares) -> Iterator[RowSum]:
        for (pipeline, channel), cells in shares.items():
            filled = {cell: share for cell, share in cells.items() if share}
            rows = [Row(pipeline)]
            if self._by_channel:
                rows.append(Row(pipeline, "channel", channel or NONE))
            for row in rows:
                yield self._breakdowns.row(row), list(filled), list(filled.values())

    def snapshot(self) -> Snapshot:
        """The totals as they are; later changes do not touch it."""
        self._settle()
        rows = self._breakdowns.rows
        recent = [(which, totals.freeze(rows)) for which, totals in self._recent.values()]
        totals = {
            name: Sums([table.freeze(rows), *(part for which, part in recent if which[place])])
            for place, (name, table) in enumerate(self._tables().items())
        }
        return Snapshot(self._definition, self._as_of, totals, self._version, self._past())

    def _past(self) -> Past:
        """The panes as they are; nothing is reckoned or copied."""
        panes: dict[int, list[FrozenPanes]] = {}
        for source in self._sources.values():
            for size, of_size in source.panes.items():
                panes.setdefault(size, []).append(of_size.frozen())
        return Past(
            minute=self._now_minute or 0,
            panes=panes,
            pipeline_of=self._breakdowns.totals_of(),
            ids=self._breakdowns.ids(),
            spends=self._spends.frozen(),
        )


def _in_lots(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same facts in chunks of a size that is good to sum."""
    lot: list[Chunk] = []
    held = 0
    for chunk in chunks:
        for start in range(0, len(chunk.pane), _AT_ONCE):
            part = chunk.take(slice(start, start + _AT_ONCE))
            lot.append(part)
            held += len(part.pane)
            if held >= _AT_ONCE:
                yield Chunk.concatenate(lot)
                lot, held = [], 0
    if lot:
        yield Chunk.concatenate(lot)


def _alike(
    facts: Chunk, inside: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.bool_], Chunk]]:
    """Facts that count in the same tables together, with which these are; a table a line."""
    rest = inside.any(axis=0)
    while rest.any():
        which = inside[:, np.argmax(rest)]
        alike: npt.NDArray[np.bool_] = rest & (inside == which[:, None]).all(axis=0)
        yield which, facts if alike.all() else facts.take(alike)
        rest &= ~alike
