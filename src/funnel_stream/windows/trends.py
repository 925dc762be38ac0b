"""The past: how the totals of a window came about, and what the window before held.

It is read from frozen panes, when somebody asks: nothing is kept up for it while events come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from funnel_stream.arrays import Array
from funnel_stream.definition.time import Span, Window, pane_of
from funnel_stream.facts.spend import SpendBook
from funnel_stream.windows.breakdowns import Row
from funnel_stream.windows.columns.packed import NO_FACTS, Chunk
from funnel_stream.windows.columns.sums import sum_by_row
from funnel_stream.windows.panes import FrozenPanes
from funnel_stream.windows.totals import Cells

MOST_BUCKETS: Final = 60


class Trend(NamedTuple):
    """How a window of a pipeline came about.

    ``starts``: of its buckets, oldest first, in minutes since the epoch; each is ``minutes`` long,
    and the last one has not ended yet. ``buckets``: what each holds. ``whole``: what all panes of
    the window hold that have ended; ``before``: what the same ones held one window earlier, so that
    like is compared with like; ``None`` where panes are not kept so long. ``before_from``: the
    minute with which those begin; ``began``: the one from which on the pipeline is known to have
    had facts, ``None`` if it has none.
    """

    starts: tuple[int, ...]
    minutes: int
    buckets: tuple[Cells, ...]
    whole: Cells
    before: Cells | None
    before_from: int
    began: int | None


@dataclass(frozen=True)
class Past:
    """The panes of all sources at one instant (``minute`` since the epoch), by size; any thread may
    read it.

    ``pipeline_of``: for each combination the id of its pipeline's row; ``row_ids``: of all rows.
    """

    minute: int
    panes: Mapping[int, list[FrozenPanes]]
    pipeline_of: Array
    row_ids: Mapping[Row, int]
    spends: SpendBook | None

    def trend(self, pipeline: str, window: Window) -> Trend:
        """The trend of a window; takes longest when it is asked for the first time."""
        spans, whole, before = window.trend_spans(self.minute, MOST_BUCKETS)
        size = whole.size
        oldest = max((panes.oldest for panes in self.panes.get(size, ())), default=0)
        kept = oldest <= max(0, before.first)
        asked = [*spans, before, whole] if kept else [*spans, whole]
        *buckets, of_whole = self._sums(pipeline, asked)
        of_before = buckets.pop() if kept else None
        return Trend(
            starts=tuple(span.begins for span in spans),
            minutes=spans[0].ends - spans[0].begins,
            buckets=tuple(buckets),
            whole=of_whole,
            before=of_before,
            before_from=before.begins,
            began=self._began(pipeline, size),
        )

    def _began(self, pipeline: str, size: int) -> int | None:
        """The first minute of a pipeline's first pane of a size; of a coarser one, which is kept
        longer, its end, for where in it the facts lie nobody knows any more."""
        row = self.row_ids.get(Row(pipeline), -1)
        found = []
        for coarser, of_size in self.panes.items():
            if coarser < size:
                continue
            for panes in of_size:
                kept = Span(coarser, panes.oldest, pane_of(self.minute, coarser))
                for chunk in panes.by_row(kept, self.pipeline_of):
                    of_row = chunk.pane[chunk.combination == row]
                    if len(of_row):
                        oldest = int(of_row.min())
                        first = Span(coarser, oldest, oldest)
                        found.append(first.ends if coarser > size else first.begins)
        return min(found, default=None)

    def _sums(self, pipeline: str, spans: list[Span]) -> list[Cells]:
        """What a pipeline has in each of some spans of panes of one size."""
        first, last = min(span.first for span in spans), max(span.last for span in spans)
        facts = self._facts(pipeline, Span(spans[0].size, first, last))
        found: list[Cells] = []
        for span in spans:
            cells: dict[int, int] = {}
            inside = span.covers(facts.pane)
            one_row = np.zeros((int(inside.sum()), 1), dtype=np.uint32)
            for _, ids, sums in sum_by_row(one_row, facts.cell[inside], facts.weight[inside]):
                cells = dict(zip(ids, sums, strict=True))
            self._add_spends(pipeline, span, cells)
            found.append(cells)
        return found

    def _facts(self, pipeline: str, span: Span) -> Chunk:
        row = self.row_ids.get(Row(pipeline), -1)
        of_pipeline = [
            chunk.take(chunk.combination == row)
            for panes in self.panes.get(span.size, ())
            for chunk in panes.by_row(span, self.pipeline_of)
        ]
        return Chunk.concatenate([NO_FACTS, *of_pipeline])

    def _add_spends(self, pipeline: str, span: Span, cells: dict[int, int]) -> None:
        if self.spends is None:
            return
        for (spent_in, _), shares in self.spends.shares_of_all(span).items():
            if spent_in == pipeline:
                for cell, share in shares.items():
                    if total := cells.pop(cell, 0) + share:
                        cells[cell] = total


NO_PAST: Final = Past(0, {}, np.zeros(0, dtype=np.uint32), {}, None)
"""Of a funnel that no event has reached."""
