"""One worker in a group in memory: joins, keeps its session, fetches and commits."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from funnel_stream.reporting import Peers, Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.log import Batch, Bounds, Clock, TopicPartition
from funnel_stream.streaming.memory.group import Assignment, MemoryGroup, Standing
from funnel_stream.streaming.memory.log import BrokerLink, MemoryBroker
from funnel_stream.streaming.pane_log import PARTITION
from funnel_stream.streaming.worker import Worker

_QUEUED_BATCHES: Final = 4
_HEARTBEATS: Final = 3
"""In a session timeout."""

T = TypeVar("T")


class GroupMember:
    """A ``Membership``; ``worker`` must be set before its routines run."""

    def __init__(
        self,
        settings: Settings,
        *,
        broker: MemoryBroker,
        group: MemoryGroup,
        connection: BrokerLink,
        clock: Clock,
        reporter: Reporter,
        fetch_at_once: int = 10_000,
    ) -> None:
        self.worker: Worker
        self.generation = 0
        self._settings = settings
        self._broker, self._group, self._connection = broker, group, connection
        self._clock, self._reporter = clock, reporter
        self._fetch_at_once = fetch_at_once
        self._id = -1
        self._assignment = Assignment(-1, (), {})
        self._starts: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._stamps: dict[TopicPartition, int] = {}
        self._must_rejoin = asyncio.Event()
        self._was_assigned = asyncio.Event()
        self._can_fetch = asyncio.Event()
        self._changed: dict[TopicPartition, None] = {}
        self._events: asyncio.Queue[Batch] = asyncio.Queue(_QUEUED_BATCHES)
        self._panes: asyncio.Queue[Batch] = asyncio.Queue(_QUEUED_BATCHES)
        broker.on_change(self._note_change)

    def routines(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What goes on until the worker ends."""
        return (
            self._keep_joined(),
            self._keep_heartbeat(),
            self._keep_assigned(),
            self._keep_fetching(),
            self._hand_over(self._events, self.worker.track),
            self._hand_over(self._panes, self.worker.aggregate),
        )

    async def leave(self) -> None:
        """Give everything back and leave the group."""
        self._close_all()
        await self.worker.closing()
        await self._ask(partial(self._group.leave, self._id))

    # --- the port -------------------------------------------------------------------------------

    @property
    def group_generation(self) -> int:
        return self._assignment.generation

    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(self._assignment.tps)

    def peers(self) -> Peers:
        return self._assignment.peers(
            self._settings.advertised_url or "",
            self._settings.events_topic,
            TopicPartition(self._settings.panes_topic, PARTITION),
        )

    async def open_partitions(
        self, positions: Mapping[TopicPartition, int], generation: int
    ) -> bool:
        await asyncio.sleep(0)
        if generation != self.generation or not positions.keys() <= self.assigned():
            return False
        for tp, position in positions.items():
            self._starts[tp] = self._positions[tp] = position
            self._stamps[tp] = self._stamps.get(tp, 0) + 1
            self._note_change(tp)
        return True

    async def close_partition(self, tp: TopicPartition, generation: int) -> bool:
        await asyncio.sleep(0)
        if generation != self.generation:
            return False
        self._positions.pop(tp, None)
        self._stamps[tp] += 1
        return True

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        if not offsets:
            return True
        if not offsets.keys() <= self.assigned():
            return False
        sent = self._clock.monotonic()
        commit = partial(self._group.commit, self._id, self.group_generation, dict(offsets))
        accepted = await self._ask(commit)
        if accepted:
            self._reporter.confirm_membership(sent)
        return accepted

    async def heartbeat(self) -> None:
        sent = self._clock.monotonic()
        asked = self._id, self.group_generation
        standing = await self._ask(partial(self._group.heartbeat, *asked))
        if asked != (self._id, self.group_generation):
            return  # of a membership that is over
        if standing is not Standing.MEMBER:
            self._must_rejoin.set()
        elif not self._must_rejoin.is_set():
            self._reporter.confirm_membership(sent)

    async def bounds(self, tp: TopicPartition) -> Bounds:
        return await self._ask(partial(self._broker.bounds, tp))

    def is_stale(self, batch: Batch) -> bool:
        return self._stamps.get(TopicPartition(batch.topic, batch.partition)) != batch.stamp

    def end_of(self, tp: TopicPartition) -> int | None:
        return self._ends.get(tp)

    # --- the group ------------------------------------------------------------------------------

    async def _ask(self, request: Callable[[], T]) -> T:
        return await self._connection.ask(self, request)

    def _close_all(self) -> None:
        """An assignment begins or ends: nothing is fetched until it is opened."""
        self.generation += 1
        self._positions.clear()
        for tp in self._stamps:
            self._stamps[tp] += 1
        self._reporter.hide("the group is assigning partitions")

    async def _keep_joined(self) -> None:
        while True:
            self._close_all()
            await self.worker.revoked()
            self._assignment = await self._join()
            self._must_rejoin.clear()
            self._close_all()
            self._was_assigned.set()
            await self._must_rejoin.wait()

    async def _join(self) -> Assignment:
        while True:
            joined = await self._ask(partial(self._group.join, self._id))
            if joined is not None:
                return await joined
            url = self._settings.advertised_url or ""
            self._id = await self._ask(partial(self._group.enter, url))

    async def _keep_heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.session_timeout / _HEARTBEATS)
            if self._id >= 0:
                await self.heartbeat()

    async def _keep_assigned(self) -> None:
        """One assignment after the other; while it lasts, the session is kept."""
        while True:
            await self._was_assigned.wait()
            self._was_assigned.clear()
            await self.worker.assigned()

    # --- what is fetched ------------------------------------------------------------------------

    def _note_change(self, tp: TopicPartition) -> None:
        if tp in self._positions:
            self._changed[tp] = None
            self._can_fetch.set()

    async def _keep_fetching(self) -> None:
        while True:
            await self._can_fetch.wait()
            self._can_fetch.clear()
            changed, self._changed = self._changed, {}
            for tp in changed:
                await self._fetch(tp)

    async def _fetch(self, tp: TopicPartition) -> None:
        """What there is of one partition, up to a batch; if there is more, it comes next."""
        position, stamp = self._positions.get(tp), self._stamps[tp]
        if position is None:
            return
        fetched = await self._ask(partial(self._broker.fetch, tp, position, self._fetch_at_once))
        if self._stamps[tp] != stamp:
            return
        if fetched is None:
            del self._positions[tp]
            await self.worker.out_of_range(tp, position)
            return
        records, end, highwater = fetched
        self._positions[tp], self._ends[tp] = end, highwater
        if end < highwater:
            self._note_change(tp)
        if records:
            start, self._starts[tp] = self._starts[tp], end
            batch = Batch(tp, records, start=start, end=end, highwater=highwater, stamp=stamp)
            is_panes = tp.topic == self._settings.panes_topic
            await (self._panes if is_panes else self._events).put(batch)

    async def _hand_over(
        self, queue: asyncio.Queue[Batch], take: Callable[[Batch], Awaitable[None]]
    ) -> None:
        while True:
            await take(await queue.get())
