"""Agent "track": the partitions of the events topic that this worker owns."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from funnel_stream.errors import FunnelError, StateError
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.changelog import ForeignWriteError
from funnel_stream.streaming.deadletters import DeadLetters
from funnel_stream.streaming.failure import Halt, dies_of_errors
from funnel_stream.streaming.log import (
    Batch,
    SupersededError,
    TopicPartition,
    UnavailableError,
    World,
)
from funnel_stream.streaming.pane_log import PaneWriter
from funnel_stream.streaming.partition import Pace, Partition
from funnel_stream.streaming.recovery import Recovered, Recovery

log = logging.getLogger(__name__)

COMMIT_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_LAST_COMMIT_SECONDS: Final = 3.0
_RECLAIMS: Final = 5
_RECLAIM_SECONDS: Final = 60.0


class Track:
    """Recovers partitions, feeds them, commits what they have had acknowledged, lets them go."""

    def __init__(
        self,
        *,
        settings: Settings,
        world: World,
        recovery: Recovery,
        partitions: int,
        reporter: Reporter,
        halt: Halt,
    ) -> None:
        self._settings = settings
        self._world = world
        self._membership = world.membership
        self._recovery = recovery
        self._partitions = partitions
        self._reporter = reporter
        self._halt = halt
        self._pace = Pace(world.clock)
        self._owned: dict[int, Partition] = {}
        self._group_generation = -1
        self._revoked_generation = -1
        self._committed: dict[TopicPartition, int] = {}
        self._reclaims: defaultdict[int, deque[float]] = defaultdict(_last_reclaims)
        self._background: set[asyncio.Task[None]] = set()
        self._closing = False

    # --- assignment -----------------------------------------------------------------------------

    async def assign(
        self, numbers: Iterable[int], *, generation: int, group_generation: int
    ) -> dict[TopicPartition, int] | None:
        """Recover and install partitions; gives where to read each, or ``None`` if superseded."""
        recovered = await self._recover(numbers, generation)
        if recovered is None:
            return None
        self._group_generation = group_generation
        return self._install(recovered)

    async def revoke(self) -> None:
        """Finish the batches under way and commit: the next owner goes on from there."""
        # An assignment that is told of only now is over: its partitions would never be revoked.
        self._revoked_generation = self._membership.generation
        owned, self._owned = self._owned, {}
        self._hold()
        await asyncio.gather(*(partition.stop() for partition in owned.values()))
        try:
            await asyncio.wait_for(self._commit(owned), _LAST_COMMIT_SECONDS)
        except TimeoutError:
            log.info("the last positions could not be committed; the fences hold them")

    async def close(self) -> None:
        """As ``revoke``, for good."""
        self._closing = True
        await self.revoke()

    async def _recover(self, numbers: Iterable[int], generation: int) -> list[Recovered] | None:
        needed = list(numbers)

        def is_needed() -> bool:
            return (
                not self._closing
                and generation == self._membership.generation
                and generation != self._revoked_generation
            )

        while is_needed():
            try:
                recovered = await self._recovery.recover(needed, is_needed)
            except SupersededError:
                break
            except ForeignWriteError as error:
                log.warning("somebody wrote after our claim, claiming again: %s", error)
            except UnavailableError as error:
                log.warning("recovery is interrupted, trying again: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return recovered if is_needed() else None
        return None

    def _install(self, recovered: list[Recovered]) -> dict[TopicPartition, int]:
        positions = {}
        for each in recovered:
            partition = self._partition(each)
            self._owned[each.partition] = partition
            positions[self._tp(each.partition)] = each.position
            partition.start()
        self._hold()
        return positions

    def _hold(self) -> None:
        """Let the HTTP server answer about the deals that are ours."""
        self._reporter.hold(
            {number: partition.deals for number, partition in self._owned.items()},
            partitions=self._partitions,
            event_clock=self._settings.clock == "event",
        )

    def _partition(self, recovered: Recovered) -> Partition:
        number = recovered.partition
        return Partition(
            recovered,
            world=self._world,
            dead_letters=DeadLetters(self._world.log, self._settings, number, self._partitions),
            panes=PaneWriter(
                self._world.log,
                self._settings.panes_topic,
                number,
                epoch=recovered.changelog.epoch,
                generation=self._group_generation,
                fingerprint=self._recovery.fingerprint,
            ),
            pace=self._pace,
            reporter=self._reporter,
            on_foreign_write=self._foreign_write,
        )

    def _tp(self, number: int) -> TopicPartition:
        return TopicPartition(self._settings.events_topic, number)

    # --- events ---------------------------------------------------------------------------------

    async def take(self, batch: Batch) -> None:
        """Hand a batch to its partition; what was fetched before a seek is dropped."""
        partition = self._owned.get(batch.partition)
        if partition is not None and not self._membership.is_stale(batch):
            await partition.take(batch)

    def republish(self, numbers: Iterable[int]) -> None:
        """Publish the facts of the first of these partitions that is ours anew."""
        if ours := [number for number in numbers if number in self._owned]:
            self._owned[ours[0]].republish()

    async def keep_committing(self) -> None:
        """Commit once a second; the fence is the truth, this is for whoever watches the lag."""
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self._commit(self._owned)

    async def _commit(self, partitions: Mapping[int, Partition]) -> None:
        ends = {self._tp(number): part.acknowledged for number, part in partitions.items()}
        offsets = {tp: end for tp, end in ends.items() if end != self._committed.get(tp)}
        if offsets and await self._membership.commit_offsets(offsets):
            self._committed.update(offsets)

    async def is_ours(self, number: int) -> bool:
        """Whether the group says that this worker has the partition, not only its own memory: it
        may have been paused for as long as it takes others to read on."""
        partition = self._owned.get(number)
        if partition is None:
            return False
        return await self._membership.commit_offsets({self._tp(number): partition.acknowledged})

    def observe(self) -> None:
        """Report lag and size of every partition."""
        for number, partition in self._owned.items():
            end = self._membership.end_of(self._tp(number)) or partition.acknowledged
            lag = max(0, end - partition.acknowledged)
            deals = partition.deals
            self._reporter.observe_partition(
                number, lag=lag, rows=len(deals), stubs=deals.stubs, untouched=deals.untouched
            )

    # --- somebody else wrote --------------------------------------------------------------------

    def _foreign_write(self, partition: Partition) -> None:
        task = asyncio.create_task(self._reclaim(partition), name=f"claim {partition.number}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(dies_of_errors(self._world.process))

    async def _reclaim(self, partition: Partition) -> None:
        """Still a member? Then claim again: a retried write of our own, or a worker that was
        paused, has appended to the log. If not, the assignment that follows settles it."""
        number, generation = partition.number, self._membership.generation
        tp = self._tp(number)
        if not await self.is_ours(number):
            log.warning("partition %d belongs to another worker now", number)
            return
        try:
            self._limit_reclaims(number)
            # First of all: what is fetched from where we were would not join the state to come.
            if not await self._membership.close_partition(tp, generation):
                return
            recovered = await self._recover([number], generation)
        except FunnelError as error:
            self._halt(error)
            return
        if recovered is None or self._owned.get(number) is not partition:
            return
        log.info("partition %d is claimed again", number)
        await self._membership.open_partitions(self._install(recovered), generation)

    def _limit_reclaims(self, number: int) -> None:
        """Of each partition by itself: a worker that was paused may have had them all."""
        now = self._world.clock.monotonic()
        reclaims = self._reclaims[number]
        reclaims.append(now)
        if len(reclaims) == _RECLAIMS and now - reclaims[0] < _RECLAIM_SECONDS:
            raise StateError(
                f"Somebody else keeps writing to {self._settings.changelog_topic}.",
                hint="Does another consumer group (FUNNEL_GROUP) use the same changelog topic?",
            )


def _last_reclaims() -> deque[float]:
    return deque(maxlen=_RECLAIMS)
