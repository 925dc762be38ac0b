"""A worker: what it does when partitions come and go, and what it does all the time."""

import asyncio
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Final

from funnel_stream.contract.partitions import partition_of
from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError, StateError
from funnel_stream.kpis.accounting import violations
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.aggregate import Aggregate
from funnel_stream.streaming.failure import Halt
from funnel_stream.streaming.log import Batch, TopicPartition, World
from funnel_stream.streaming.pane_log import PARTITION
from funnel_stream.streaming.recovery import Recovery
from funnel_stream.streaming.track import Track

log = logging.getLogger(__name__)

_OBSERVE_SECONDS: Final = 0.2
"""Who must not disturb the stream while there is a backlog, has to know of it at once."""
_AUDIT_SECONDS: Final = 15.0


class Worker:
    """``Track`` and ``Aggregate`` in one member of the group.

    Whoever runs it awaits ``revoked`` before partitions are given away and ``assigned`` after they
    have been given, hands over every batch that is fetched, and keeps the ``routines`` going.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        definition: Definition,
        world: World,
        partitions: int,
        reporter: Reporter,
        halt: Halt,
    ) -> None:
        self._membership, self._clock = world.membership, world.clock
        self._reporter = reporter
        self._halt = halt
        self._panes = TopicPartition(settings.panes_topic, PARTITION)
        self._partition_of = partial(partition_of, partitions=partitions)
        self._track = Track(
            settings=settings,
            world=world,
            recovery=Recovery(settings, definition, world.log, partitions),
            partitions=partitions,
            reporter=reporter,
            halt=halt,
        )
        self._aggregate = Aggregate(
            settings=settings,
            definition=definition,
            world=world,
            sources=partitions,
            reporter=reporter,
            republish=self._track.republish,
        )

    def routines(self) -> tuple[Awaitable[None], ...]:
        """What goes on until the worker ends."""
        return (
            self._observe(),
            self._audit(),
            self._track.keep_committing(),
            self._aggregate.keep_showing(),
        )

    # --- moments --------------------------------------------------------------------------------

    async def track(self, batch: Batch) -> None:
        await self._track.take(batch)

    async def aggregate(self, batch: Batch) -> None:
        await self._aggregate.take(batch)

    async def assigned(self) -> None:
        """Recover what is assigned, then open it for reading; heartbeats go on meanwhile."""
        membership, began = self._membership, self._clock.monotonic()
        generation, group_generation = membership.generation, membership.group_generation
        assignment = membership.assigned()
        numbers = sorted(tp.partition for tp in assignment if tp.topic != self._panes.topic)
        owner = self._panes in assignment
        self._reporter.assigning(f"recovering partitions {', '.join(map(str, numbers))}")
        self._reporter.introduce(membership.peers()._replace(partition_of=self._partition_of))
        try:
            positions = await self._track.assign(
                numbers, generation=generation, group_generation=group_generation
            )
            if positions is not None and owner:
                bounds = await membership.bounds(self._panes)
                positions[self._panes] = bounds.begin
                self._aggregate.assign(group_generation=group_generation, bounds=bounds)
        except FunnelError as error:
            self._halt(error)
            return
        if positions is None or not await membership.open_partitions(positions, generation):
            log.info("the assignment was superseded")
            return
        await membership.heartbeat()
        seconds = self._clock.monotonic() - began
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

    async def out_of_range(self, tp: TopicPartition, offset: int) -> None:
        """The log was cut off before it was read. Never skip events in silence."""
        membership = self._membership
        generation = membership.generation
        if tp != self._panes:
            if await self._track.is_ours(tp.partition):
                self._halt(
                    StateError(
                        f"Offset {offset} of {tp} is not there: events were deleted before they "
                        "were read, or the topic was created anew.",
                        hint="Give the events a longer retention.",
                    )
                )
            else:
                log.warning("%s ends before %d, and belongs to another worker now", tp, offset)
                await membership.close_partition(tp, generation)
            return
        begin, _ = await membership.bounds(tp)
        log.warning("%s was cut off at %d, before it was read from %d on", tp.topic, begin, offset)
        self._aggregate.skip(begin)
        await membership.open_partitions({tp: begin}, generation)

    # --- routines -------------------------------------------------------------------------------

    async def _observe(self) -> None:
        while True:
            self._reporter.heartbeat()
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
