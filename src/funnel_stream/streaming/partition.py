"""One partition at work: fold, write, acknowledge; and now and then tell the panes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from funnel_stream.contract import Amendment
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.deals import Fold
from funnel_stream.reporting import Reporter
from funnel_stream.streaming.changelog import ForeignWriteError, row_bytes
from funnel_stream.streaming.deadletters import DeadLetters, Misrouted, Rejected
from funnel_stream.streaming.failure import dies_of_errors
from funnel_stream.streaming.log import Batch, Clock, World
from funnel_stream.streaming.pane_log import PaneWriter, Progress
from funnel_stream.streaming.recovery import Recovered

log = logging.getLogger(__name__)

SLICE: Final = 512
"""Records that are folded at a time; a changelog batch ends between two slices."""

CHANGELOG_BATCH_BYTES: Final = 600_000
"""Rows of one changelog batch, about: the next slice must still fit into it."""

TICK_SECONDS: Final = 1.0
BACKLOG_TICK_SECONDS: Final = 10.0
"""While there is a backlog the figures are old anyway, and a deal's facts are best taken once."""
_POLL_SECONDS: Final = 0.1
_DUTY: Final = 10
"""While there is a backlog, publishing takes at most a tenth of the time."""


class Pace:
    """Shared by a worker's partitions, so that publishing never slows the folding down.

    ``publishing``: one partition after the other. All of them at once, when a backlog has been
    worked off, would have every turn of the loop but the reader's, and leave him far behind.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at = 0.0
        self.publishing = asyncio.Lock()

    def spent(self, seconds: float) -> None:
        """So much has been computed for publishing."""
        self._free_at = self._clock.monotonic() + _DUTY * seconds

    def is_free(self) -> bool:
        """Whether publishing is due again, while there is a backlog."""
        return self._clock.monotonic() >= self._free_at


@dataclass(slots=True)
class _Pending:
    """What several folds did: the content of one changelog batch."""

    changed: dict[bytes, bytes | None] = field(default_factory=dict)
    fence: bytes = b""
    rejected: list[Rejected] = field(default_factory=list)
    misrouted: list[Misrouted] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    amended: Counter[Amendment] = field(default_factory=Counter)
    records: int = 0
    bytes: int = 0
    position: int = 0

    def add(self, fold: Fold, records: int, position: int) -> None:
        changed = self.changed
        for key, row in fold.changed.items():
            if key in changed:
                # It is written where it is last said: behind it stands what belongs to it.
                self.bytes -= row_bytes(key, changed.pop(key))
            self.bytes += row_bytes(key, row)
            changed[key] = row
        self.fence = fold.fence
        self.rejected += fold.rejected
        self.misrouted += fold.misrouted
        self.counts.update(fold.counts)
        self.amended.update(fold.amended)
        self.records += records
        self.position = position


class Partition:
    """A claimed partition's state, with one task that folds and one that publishes.

    ``position``: the offset that the next batch must begin at; ``acknowledged``: the next offset
    after all that the changelog holds.
    """

    def __init__(
        self,
        recovered: Recovered,
        *,
        world: World,
        dead_letters: DeadLetters,
        panes: PaneWriter,
        pace: Pace,
        reporter: Reporter,
        on_foreign_write: Callable[["Partition"], None],
    ) -> None:
        self.number = recovered.partition
        self.deals = recovered.deals
        self.position = self.acknowledged = recovered.position
        self._changelog = recovered.changelog
        self._process, self._clock = world.process, world.clock
        self._dead_letters = dead_letters
        self._panes = panes
        self._pace = pace
        self._dies_of_errors = dies_of_errors(world.process)
        self._reporter = reporter
        self._on_foreign_write = on_foreign_write
        self._batches: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)
        self._stopping = self._abandoned = self._warned = False
        self._folding = False
        self._writing: asyncio.Task[None] | None = None
        self._highwater = self.position
        self._oldest = 0
        self._changed = asyncio.Event()
        self._republish = True
        self._snapshotting = False
        self._last_tick = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        work = asyncio.create_task(self._work(), name=f"fold {self.number}")
        publish = asyncio.create_task(self._publish(), name=f"publish {self.number}")
        for task in (work, publish):
            task.add_done_callback(self._dies_of_errors)
        self._tasks = [work, publish]

    async def stop(self) -> None:
        """Finish what has been folded: write it, have it acknowledged; take nothing new."""
        self._stopping = True
        self._discard()
        if not self._tasks:
            return
        work, publish = self._tasks
        publish.cancel()
        if not self._folding:
            work.cancel()
        await asyncio.wait(self._tasks)
        await self._written()

    def abandon(self) -> None:
        """Drop everything at once: another worker may own this partition."""
        self._stopping = self._abandoned = True
        self._discard()
        for task in self._tasks:
            task.cancel()

    def _discard(self) -> None:
        """Whoever waits in ``take`` goes on; what was taken is read again by the next owner."""
        while not self._batches.empty():
            self._batches.get_nowait()

    async def take(self, batch: Batch) -> None:
        """Accept the next batch; waits while there is enough to do.

        Batches join: where one does not, records are missing that nobody would ever read again.
        """
        if self._stopping:
            return
        if batch.start != self.position:
            self._process.die(
                f"{batch.topic}/{batch.partition}: records from {self.position} to {batch.start} "
                "were not delivered"
            )
        self.position, self._highwater = batch.end, batch.highwater
        await self._batches.put(batch)

    def republish(self) -> None:
        """Publish a whole snapshot next, unless one is under way."""
        if not self._snapshotting:
            self._republish = True
            self._changed.set()

    # --- fold, write, acknowledge ---------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping:
            batch = await self._batches.get()
            self._folding = True
            await self._fold(batch)
            self._folding = False

    async def _fold(self, batch: Batch) -> None:
        pending = _Pending()
        records = batch.records
        for start in range(0, len(records), SLICE):
            some = records[start : start + SLICE]
            oldest = min(record.timestamp for record in some)
            self._oldest = min(self._oldest, oldest) if self._oldest else oldest
            # Behind the last record there may be transaction markers, which are not waited for.
            is_last = start + SLICE >= len(records)
            position = batch.end if is_last else some[-1].offset + 1
            pending.add(self.deals.fold(some), len(some), position)
            self._changed.set()
            if pending.bytes >= CHANGELOG_BATCH_BYTES:
                await self._flush(pending)
                pending = _Pending()
                if self._stopping:
                    return
            await asyncio.sleep(0)
        if pending.records:
            await self._flush(pending)

    async def _flush(self, pending: _Pending) -> None:
        """Write in the background; the next one is folded meanwhile, but written after it."""
        await self._written()
        if not self._abandoned:
            self._writing = asyncio.create_task(self._write(pending), name=f"write {self.number}")
            self._writing.add_done_callback(self._dies_of_errors)

    async def _written(self) -> None:
        if self._writing:
            await asyncio.wait({self._writing})  # unlike a plain await, never cancels it

    async def _write(self, pending: _Pending) -> None:
        await self._dead_letters.send(pending.rejected, pending.misrouted)
        try:
            await self._changelog.append(pending.changed, pending.fence)
        except ForeignWriteError as error:
            log.warning("partition %d: %s", self.number, error)
            self.abandon()
            self._on_foreign_write(self)
            return
        self.acknowledged = pending.position
        counts = {**pending.counts, "misrouted": len(pending.misrouted)}
        if pending.counts["stubs_evicted"] and not self._warned:
            self._warned = True
            log.warning(
                "partition %d: more deals have left than are remembered (FUNNEL_MAX_STUBS); a late "
                "event of one that is forgotten counts as a new deal",
                self.number,
            )
        reasons = Counter(str(rejection.reason) for _, rejection in pending.rejected)
        amended = {str(reason): number for reason, number in pending.amended.items()}
        self._reporter.count_batch(pending.records, counts, reasons, amended)

    # --- publish --------------------------------------------------------------------------------

    async def _publish(self) -> None:
        while not self._stopping:
            if self._republish or self._panes.outgrown:
                self._republish, self._snapshotting = False, True
                async with self._pace.publishing:
                    await self._panes.snapshot(self.deals.snapshot(), self._progress())
                self._snapshotting = False
            else:
                await self._due()
                async with self._pace.publishing:
                    self._changed.clear()
                    progress = self._progress()
                    await self._panes.tick(await self._changes(), progress)
            self._last_tick = self._clock.monotonic()
            self._reporter.count_tick()

    async def _changes(self) -> list[FactBlock]:
        """Take them block by block, so that the folding of others goes on in between."""
        changes = self.deals.take_changes()
        blocks: list[FactBlock] = []
        spent = 0.0
        while True:
            began = self._clock.cpu()
            block = next(changes, None)
            spent += self._clock.cpu() - began
            if block is None:
                self._pace.spent(spent)
                return blocks
            blocks.append(block)
            await asyncio.sleep(0)

    async def _due(self) -> None:
        """At most once a second; with a backlog only when publishing has been cheap enough."""
        await self._changed.wait()
        while not self._republish:
            now = self._clock.monotonic()
            behind = self._folding or self.acknowledged < self._highwater
            due = self._last_tick + (BACKLOG_TICK_SECONDS if behind else TICK_SECONDS)
            if now >= due and not (behind and not self._pace.is_free()):
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _progress(self) -> Progress:
        oldest, self._oldest = self._oldest, 0
        return Progress(self.deals.watermark, oldest)
