"""Agent "aggregate": the windowed tables of the whole funnel, in the one worker that reports.

It owns partition 0 of the panes topic and reads it from the beginning at every assignment: the
topic is its own changelog. What it shows is complete or not shown at all.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.log import Batch, Bounds, ProducerRecord, World
from funnel_stream.streaming.pane_log import PARTITION, Completed, PaneReader
from funnel_stream.windows.tables import WindowTables

_logger = logging.getLogger(__name__)

_SHOW_SECONDS: Final = 0.5
_AT_ONCE_SECONDS: Final = 0.1
"""What has changed is shown at once, but not more often than that."""
_ASK_SECONDS: Final = 5.0
_GIVE_BACK_SECONDS: Final = 600.0


class _Tables:
    """Everything that is built anew at an assignment."""

    def __init__(
        self,
        definition: Definition,
        sources: int,
        generation: int,
        *,
        bounds: Bounds,
        ask_at: float,
    ) -> None:
        self.windows = WindowTables(definition)
        self.reader = PaneReader(sources, definition.fingerprint())
        self.generation = generation
        self.end = bounds.end
        self.ask_at = ask_at
        self.caught_up = bounds.begin >= bounds.end
        self.waiting: list[Completed] = []
        self.watermark = 0
        self.oldest: list[int] = []
        self.changing = False

    def why_hidden(self) -> str:
        """What is missing, empty if nothing is."""
        if not self.caught_up or self.changing:
            return "reading the panes topic"
        missing = self.reader.missing(self.generation)
        foreign = sorted(set(missing).intersection(self.reader.foreign()))
        if foreign:
            return f"{_named(foreign)} published by a worker with another definition"
        if missing:
            return f"waiting for the facts of partitions {', '.join(map(str, missing))}"
        return ""


def _named(partitions: list[int]) -> str:
    """``partition 3 is`` or ``partitions 3, 4 are``."""
    one = len(partitions) == 1
    names = ", ".join(map(str, partitions))
    return f"partition {names} is" if one else f"partitions {names} are"


class Aggregate:
    """Applies what the sources publish, and shows the result while it is complete."""

    def __init__(
        self,
        *,
        settings: Settings,
        definition: Definition,
        world: World,
        sources: int,
        reporter: Reporter,
        republish: Callable[[Iterable[int]], None],
    ) -> None:
        self._settings = settings
        self._definition = definition
        self._log, self._membership = world.log, world.membership
        self._clock, self._process = world.clock, world.process
        self._sources = sources
        self._reporter = reporter
        self._republish = republish
        self._tables: _Tables | None = None
        self._shown = 0.0
        self._changed = asyncio.Event()

    def assign(self, *, group_generation: int, bounds: Bounds) -> None:
        """Start anew: the topic, which has these bounds, will be read from its beginning."""
        ask_at = self._clock.monotonic() + _ASK_SECONDS
        self._tables = _Tables(
            self._definition, self._sources, group_generation, bounds=bounds, ask_at=ask_at
        )

    def revoke(self) -> None:
        """Another worker reports, or nobody does."""
        self._tables = None
        self._reporter.hide("another worker has the panes")

    def skip(self, begin: int) -> None:
        """Rows of the topic before an offset are gone that had not been read yet."""
        if tables := self._tables:
            tables.reader.skip()
            tables.caught_up = tables.caught_up or begin >= tables.end
            tables.waiting = []
            self._reporter.hide("rows of the panes topic were deleted before they were read")

    async def take(self, batch: Batch) -> None:
        """Read rows; from the end of the log on, apply at once what they complete."""
        tables = self._tables
        _logger.debug("rows %d to %d of the panes", batch.start, batch.end)
        if tables is None or batch.partition != PARTITION or self._membership.is_stale(batch):
            return
        for record in batch.records:
            completed = tables.reader.take(record.key, record.value)
            if completed:
                self._keep(tables, completed)
        tables.caught_up = tables.caught_up or batch.end >= tables.end
        if tables.caught_up:
            await self._apply(tables)
            await self._clean(tables)
        if batch.end >= batch.highwater:
            self._changed.set()

    async def keep_showing(self) -> None:
        """Show what has come, and let the windows slide with the clock."""
        give_back_at = self._clock.monotonic() + _GIVE_BACK_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _SHOW_SECONDS)
            self._changed.clear()
            await asyncio.sleep(max(0.0, self._shown + _AT_ONCE_SECONDS - self._clock.monotonic()))
            if self._clock.monotonic() >= give_back_at:
                self._process.give_back()
                give_back_at = self._clock.monotonic() + _GIVE_BACK_SECONDS
            if tables := self._tables:
                self._show(tables)
                self._ask(tables)

    def _keep(self, tables: _Tables, completed: Completed) -> None:
        if completed.replaces:
            tables.waiting = [c for c in tables.waiting if c.source != completed.source]
        tables.waiting.append(completed)

    async def _apply(self, tables: _Tables) -> None:
        """Add blocks one by one, so that folding goes on; nothing is shown in between."""
        waiting, tables.waiting = tables.waiting, []
        if not waiting:
            return
        tables.changing = True
        tables.watermark = max(tables.watermark, *(each.progress.watermark for each in waiting))
        # Time first, so that nothing is taken in that every window has left behind.
        self._advance(tables)
        for completed in waiting:
            source, progress = completed.source, completed.progress
            if completed.replaces:
                tables.windows.replace(source, ())
            for block in completed.blocks:
                tables.windows.apply(source, [FactBlock.decode(block)])
                await asyncio.sleep(0)
            if progress.oldest:
                tables.oldest.append(progress.oldest)
        if any(completed.replaces for completed in waiting):
            tables.ask_at = 0.0
            self._process.give_back()
        tables.changing = False

    def _ask(self, tables: _Tables) -> None:
        """Have local sources published anew that are still missing although all has been read:
        the log was cut off before it was read, as the embedded broker does. One after the other,
        so that it is not cut off again."""
        if tables.caught_up and self._clock.monotonic() >= tables.ask_at:
            tables.ask_at = self._clock.monotonic() + _ASK_SECONDS
            self._republish(tables.reader.missing(tables.generation))

    def _show(self, tables: _Tables) -> None:
        if tables.changing:
            return  # what was shown last stays; it is still complete
        if reason := tables.why_hidden():
            self._reporter.hide(reason)
            return
        self._advance(tables)
        self._reporter.publish(tables.windows.snapshot(), tables.watermark)
        self._shown = self._clock.monotonic()
        now = self._clock.wall()
        for oldest in tables.oldest:
            self._reporter.observe_latency(max(0.0, now - oldest / 1000))
        tables.oldest.clear()

    def _advance(self, tables: _Tables) -> None:
        clock_is_event = self._settings.clock == "event"
        as_of = tables.watermark if clock_is_event else int(self._clock.wall() * 1_000_000)
        if as_of:
            tables.windows.advance(as_of)

    async def _clean(self, tables: _Tables) -> None:
        """Tombstone what was replaced, so that compaction can drop it."""
        keys = tables.reader.take_outdated()
        if keys:
            tombstones = [ProducerRecord(key, None) for key in keys]
            await self._log.append(self._settings.panes_topic, PARTITION, tombstones)
