"""Windowed tables: totals of every cell, by window and breakdown, that slide with event time.

The sum of all source partitions' panes is never taken at a scrape: a change is added once, and a
pane that slides out is subtracted once. Beside the windows stands the present: facts that count
from their minute on, and never slide out.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from funnel_stream.arrays import Mask
from funnel_stream.definition import Definition
from funnel_stream.definition.time import (
    MINUTE,
    MINUTE_US,
    Span,
    Window,
    has_matured,
    oldest_kept,
    pane_of,
)
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.rules import NONE
from funnel_stream.facts.spend import Shares, SpendBook
from funnel_stream.windows.breakdowns import Breakdowns, Row
from funnel_stream.windows.columns.packed import Chunk, batched
from funnel_stream.windows.columns.sums import RowSum, patterns, sum_by_row
from funnel_stream.windows.panes import (
    FrozenPanes,
    Panes,
    Present,
    is_matured,
    is_present,
    new_panes,
)
from funnel_stream.windows.totals import NO_PANES, Cells, Sums, Totals
from funnel_stream.windows.trends import NO_PAST, Past

__all__ = ["NONE", "NOW", "Cells", "Row", "Snapshot", "Sums", "WindowTables"]

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


class _SourcePanes:
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
            self.present.add(facts.take(present))
            facts = facts.take(~present)
        for panes in self.panes.values():
            panes.add(facts)

    def all(self) -> Iterator[Panes]:
        """All panes, and the present."""
        yield from self.panes.values()
        yield self.present

    def forget(self, minute: int) -> None:
        """Drop what is past keeping as of a minute."""
        for panes in self.all():
            panes.forget(minute)


class _Recent(NamedTuple):
    """What has come since the windows moved last, and in which of the tables it counts."""

    tables: Mask
    totals: Totals


class WindowTables:
    """Panes of every source partition, and the totals of every window over them."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._windows = [
            (window, Totals(NO_PANES._replace(size=window.pane)))
            for window in definition.window_list()
        ]
        self._now = Totals()
        self._recent: dict[bytes, _Recent] = {}
        self._sources: dict[int, _SourcePanes] = {}
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
            self._sources[source] = _SourcePanes(windows, self._now_minute)
        for block in blocks:
            if len(block.cell):
                self._add_facts(self._sources[source], block)
            if block.spends:
                added = self._spends.add(source, block.spends)
                for _, totals in self._windows:
                    totals.add(self._spend_rows(self._spends.shares(added, totals.span)))

    def _add_facts(self, source: _SourcePanes, block: FactBlock) -> None:
        combination = self._breakdowns.combinations(block.combinations)[block.combination]
        facts = Chunk(block.minute, combination, block.cell, block.weight)
        source.add(facts)
        self._pending.append(facts)
        self._pending_facts += len(facts.cell)
        if self._pending_facts >= _AT_ONCE:
            self._sum_pending()

    def _sum_pending(self) -> None:
        """Sum up what has come since the last time: many facts at once share rows and cells, so
        that few sums change. They go to the tables when the windows move: until then, all that
        counts in the same tables is added once, not once to each of them."""
        if not self._pending:
            return
        facts = Chunk.concatenate(self._pending)
        self._pending, self._pending_facts = [], 0
        for tables, counts in patterns(self._counting(facts)):
            recent = self._recent.setdefault(tables.tobytes(), _Recent(tables, Totals()))
            recent.totals.add(self._sums([facts if counts.all() else facts.take(counts)]))

    def _tables(self) -> dict[str, Totals]:
        return {NOW: self._now, **{window.name: totals for window, totals in self._windows}}

    def _add_recent(self) -> None:
        """Add what is recent to the tables."""
        for tables, recent in self._recent.values():
            sums = list(recent.sums())
            for table, counts in zip(self._tables().values(), tables, strict=True):
                if counts:
                    table.add(sums)
        self._recent = {}

    def _counting(self, facts: Chunk) -> Mask:
        """For each table (a line) which of the facts (by minute) count in it now."""
        present = is_present(facts.cell)
        matured = is_matured(facts.cell)
        counting = [present & self._now.span.covers(facts.pane)]
        for window, totals in self._windows:
            inside = totals.span.covers(pane_of(facts.pane, window.pane, matured))
            counting.append(inside & ~(present if has_matured(window.pane) else present | matured))
        return np.array(counting)

    def replace(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Let a source partition's whole contribution be these blocks."""
        self._sum_pending()
        spends = self._spends.remove(source)
        for _, totals in self._windows:
            shares = self._spends.shares(spends, totals.span)
            totals.add(self._spend_rows(shares), sign=-1)
        if former := self._sources.pop(source, None):
            self._now.add(self._sums(former.present.within(self._now.span)), sign=-1)
            for window, totals in self._windows:
                chunks = former.panes[window.pane].within(totals.span)
                totals.add(self._sums(chunks), sign=-1)
        self.apply(source, blocks)

    # --- time -----------------------------------------------------------------------------------

    def advance(self, now_us: int) -> None:
        """Slide every window to end at ``now_us``; time never moves back."""
        minute = now_us // MINUTE_US
        self._as_of = max(self._as_of, now_us)
        if self._now_minute is not None and minute <= self._now_minute:
            return
        self._sum_pending()
        self._add_recent()
        self._now_minute = minute
        self._version += 1
        for window, totals in self._windows:
            self._slide(totals, window.at(minute))
        begun = Span(MINUTE, 0, minute)
        for source in self._sources.values():
            for beginning in begun.without(self._now.span):
                self._now.add(self._sums(source.present.within(beginning)))
            source.forget(minute)
        self._now.span = begun
        self._forget_combinations()
        kept_since = oldest_kept((window for window, _ in self._windows), minute)
        self._spends.forget(kept_since * MINUTE_US)

    def _forget_combinations(self) -> None:
        """Whenever their number has doubled: deals come and go, and each may have its own."""
        if len(self._breakdowns) < self._combinations_limit:
            return
        used = np.zeros(len(self._breakdowns), dtype=np.bool_)
        every = [panes for source in self._sources.values() for panes in source.all()]
        for panes in every:
            panes.mark(used)
        ids = self._breakdowns.keep(used)
        for panes in every:
            panes.renumber(ids)
        self._combinations_limit = max(_FEW_COMBINATIONS, 2 * len(self._breakdowns))

    def _slide(self, totals: Totals, span: Span) -> None:
        if totals.span.overlaps(span):
            for leaving in totals.span.without(span):
                self._add_panes(totals, leaving, sign=-1)
        else:
            totals.clear()
        for entering in span.without(totals.span):
            self._add_panes(totals, entering)
        totals.span = span

    def _add_panes(self, totals: Totals, span: Span, sign: int = 1) -> None:
        """Let panes enter a window or, with ``sign`` −1, leave it."""
        chunks = (
            chunk
            for source in self._sources.values()
            for chunk in source.panes[span.size].within(span)
        )
        totals.add(self._sums(chunks), sign)
        totals.add(self._spend_rows(self._spends.shares_of_all(span)), sign)

    # --- sums -----------------------------------------------------------------------------------

    def _sums(self, chunks: Iterable[Chunk]) -> Iterator[RowSum]:
        """Sums of facts for every row that they count in; a row may come several times."""
        for facts in batched(chunks, _AT_ONCE):
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

    # --- what a reader gets ---------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The totals as they are; later changes do not touch it."""
        self._sum_pending()
        rows = self._breakdowns.rows
        recent = [(tables, totals.freeze(rows)) for tables, totals in self._recent.values()]
        totals = {
            name: Sums([table.freeze(rows), *(part for tables, part in recent if tables[index])])
            for index, (name, table) in enumerate(self._tables().items())
        }
        return Snapshot(self._definition, self._as_of, totals, self._version, self._past())

    def _past(self) -> Past:
        """The panes as they are; nothing is computed or copied."""
        panes: dict[int, list[FrozenPanes]] = {}
        for source in self._sources.values():
            for size, of_size in source.panes.items():
                panes.setdefault(size, []).append(of_size.frozen())
        return Past(
            minute=self._now_minute or 0,
            panes=panes,
            pipeline_of=self._breakdowns.pipeline_rows(),
            row_ids=self._breakdowns.row_ids(),
            spends=self._spends.frozen(),
        )
