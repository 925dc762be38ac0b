"""A worker from start to end: connect, take part in the group, stop in order."""

import asyncio
import gc
import logging
import signal
from functools import partial
from typing import Final

from faust.types import TP

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError, StateError
from funnel_stream.kpis.accounting import violations
from funnel_stream.reporting import Reporter, monotonic
from funnel_stream.settings import Settings
from funnel_stream.streaming.aggregate import Aggregate
from funnel_stream.streaming.app import FunnelApp, build_app
from funnel_stream.streaming.batches import Batch
from funnel_stream.streaming.failure import die
from funnel_stream.streaming.pane_log import PARTITION
from funnel_stream.streaming.recovery import Recovery, partition_of
from funnel_stream.streaming.topics import prepare_topics
from funnel_stream.streaming.track import Track
from funnel_stream.streaming.writer import Writer

log = logging.getLogger(__name__)

_GC_THRESHOLDS: Final = (50_000, 20, 20)
_OBSERVE_SECONDS: Final = 0.2
"""Who must not disturb the stream while there is a backlog, has to know of it at once."""
_AUDIT_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 10.0


async def run_worker(settings: Settings, definition: Definition, reporter: Reporter) -> None:
    """Work until SIGTERM or SIGINT. Raises the ``FunnelError`` that ended it otherwise."""
    # Batches make garbage by the ten thousand and no cycles; looking for them took 8 % of the time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    partitions = await prepare_topics(settings)
    writer = Writer(settings.broker)
    await writer.start()
    worker = Worker(settings, definition, reporter, writer, partitions)
    try:
        await worker.run()
    finally:
        await writer.stop()


class Worker:
    """Fulfils the duties of the Faust app with ``Track`` and ``Aggregate``."""

    def __init__(
        self,
        settings: Settings,
        definition: Definition,
        reporter: Reporter,
        writer: Writer,
        partitions: int,
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._panes = TP(settings.panes_topic, PARTITION)
        self._partition_of = partial(partition_of, partitions=partitions)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app: FunnelApp = build_app(settings, reporter)
        self._app.duties = self
        self._track = Track(
            settings=settings,
            thread=self._app.thread,
            writer=writer,
            recovery=Recovery(settings, definition, writer, partitions),
            partitions=partitions,
            reporter=reporter,
            halt=self.halt,
        )
        self._aggregate = Aggregate(
            settings=settings,
            definition=definition,
            thread=self._app.thread,
            writer=writer,
            sources=partitions,
            reporter=reporter,
            republish=self._track.republish,
        )

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, wait for the end, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        routines = [
            asyncio.create_task(routine)
            for routine in (
                self._observe(),
                self._audit(),
                self._track.keep_committing(),
                self._aggregate.keep_showing(),
                self._run_app(),
            )
        ]
        try:
            await asyncio.wait([self._ended, *routines], return_when=asyncio.FIRST_COMPLETED)
            for routine in routines:
                if routine.done():
                    routine.result()
            await self._stop()
        finally:
            for routine in routines:
                routine.cancel()
        self._ended.result()

    async def _run_app(self) -> None:
        await self._app.start()
        await self._app.wait_until_stopped()
        if self._app.crash_reason and not self._ended.done():
            die("Faust has crashed", self._app.crash_reason)

    async def _stop(self) -> None:
        log.info("stopping")
        try:
            await asyncio.wait_for(self._app.stop(), _STOP_SECONDS)
        except TimeoutError:
            die("The worker could not stop in order")
        log.info("stopped")

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def halt(self, error: FunnelError) -> None:
        """End in order, for a reason that the user must see."""
        if not self._ended.done():
            self._ended.set_exception(error)

    # --- duties ---------------------------------------------------------------------------------

    async def track(self, batch: Batch) -> None:
        await self._track.take(batch)

    async def aggregate(self, batch: Batch) -> None:
        await self._aggregate.take(batch)

    async def assigned(self) -> None:
        """Recover what is assigned, then open it for reading; heartbeats go on meanwhile."""
        thread, began = self._app.thread, monotonic()
        generation = thread.generation
        group_generation = self._app.consumer_generation_id
        assignment = self._app.consumer.assignment()
        numbers = sorted(tp.partition for tp in assignment if tp.topic != self._panes.topic)
        owner = self._panes in assignment
        self._reporter.assigning(f"recovering partitions {', '.join(map(str, numbers))}")
        peers = self._app.roster.peers()
        self._reporter.introduce(peers._replace(partition_of=self._partition_of))
        try:
            positions = await self._track.assign(
                numbers, generation=generation, group_generation=group_generation
            )
            if positions is not None and owner:
                begin, end = await thread.bounds(self._panes)
                positions[self._panes] = begin
                self._aggregate.assign(group_generation=group_generation, end=end)
        except FunnelError as error:
            self.halt(error)
            return
        if positions is None or not await thread.open_partitions(positions, generation):
            log.info("the assignment was superseded")
            return
        await thread.heartbeat()
        seconds = monotonic() - began
        self._reporter.assigned(owner=owner, seconds=seconds)
        log.info(
            "assigned in %.1f s: partitions %s%s",
            seconds,
            ", ".join(map(str, numbers)) or "none",
            "; this worker reports" if owner else "",
        )

    async def revoked(self) -> None:
        """Finish what is under way, while this is still a member of the group."""
        self._reporter.assigning("the group is assigning partitions")
        self._aggregate.revoke()
        await self._track.revoke()

    async def closing(self) -> None:
        self._reporter.assigning("stopping")
        self._aggregate.revoke()
        await self._track.close()

    async def out_of_range(self, tp: TP, offset: int) -> None:
        """The log was cut off before it was read. Never skip events in silence."""
        if tp != self._panes:
            self.halt(
                StateError(
                    f"Offset {offset} of {tp.topic}/{tp.partition} is not there: events were "
                    "deleted before they were read, or the topic was created anew.",
                    hint="Give the events a longer retention.",
                )
            )
            return
        thread = self._app.thread
        generation = thread.generation
        begin, _ = await thread.bounds(tp)
        log.warning("%s was cut off at %d, before it was read from %d on", tp.topic, begin, offset)
        self._aggregate.skip()
        await thread.open_partitions({tp: begin}, generation)

    # --- routines -------------------------------------------------------------------------------

    async def _observe(self) -> None:
        while True:
            self._reporter.beat()
            self._track.observe()
            await asyncio.sleep(_OBSERVE_SECONDS)

    async def _audit(self) -> None:
        """Count deals whose fate the accounting invariant cannot explain: there are none."""
        version = 0
        while True:
            await asyncio.sleep(_AUDIT_SECONDS)
            snapshot = self._reporter.snapshot()
            if snapshot is None or snapshot.version == version:
                continue
            version = snapshot.version
            found = await asyncio.to_thread(violations, snapshot)
            if found:
                log.error("%d figures do not add up, the first: %s", len(found), found[0])
                self._reporter.count_violations(len(found))
