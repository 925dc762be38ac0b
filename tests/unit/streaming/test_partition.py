"""A partition at work: nothing is skipped, nothing acknowledged that is not written."""

import asyncio

import pytest

from funnel_stream.reporting import Reporter
from funnel_stream.streaming.deadletters import DeadLetters
from funnel_stream.streaming.log import Batch, World
from funnel_stream.streaming.pane_log import Completed, PaneReader, PaneWriter
from funnel_stream.streaming.partition import SLICE, Pace, Partition
from funnel_stream.streaming.recovery import Recovery
from tests.unit.streaming.worlds import (
    CHANGELOG,
    DEAD_LETTERS,
    DEFINITION,
    EVENTS,
    PANES,
    SETTINGS,
    DeathError,
    MemoryWorld,
    RecordedProcess,
    until,
)


class Owner:
    """A partition as its worker sets it up."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self.process = RecordedProcess()
        self.reporter = Reporter()
        self.foreign: list[Partition] = []

    async def start(self) -> Partition:
        log = self.world.log(self.process)
        recovery = Recovery(SETTINGS, DEFINITION, log, 1)
        [recovered] = await recovery.recover([0], lambda: True)
        partition = Partition(
            recovered,
            world=World(log, None, self.world.clock, self.process),  # type: ignore[arg-type]
            dead_letters=DeadLetters(log, SETTINGS, 0, 1),
            panes=PaneWriter(
                log,
                SETTINGS.panes_topic,
                0,
                epoch=recovered.changelog.epoch,
                generation=1,
                fingerprint=recovery.fingerprint,
            ),
            pace=Pace(self.world.clock),
            reporter=self.reporter,
            on_foreign_write=self.foreign.append,
        )
        partition.start()
        return partition

    def batch(self, start: int) -> Batch:
        """Everything from there on."""
        records, end = self.world.broker[EVENTS].read(start, 100_000)
        return Batch(EVENTS, records, start=start, end=end, highwater=end, stamp=0)

    def published(self) -> int:
        """Complete changes that lie in the panes."""
        return len(self._published())

    def snapshots(self) -> int:
        """Those that replace all before."""
        return sum(completed.replaces for completed in self._published())

    def _published(self) -> list[Completed]:
        reader = PaneReader(1, DEFINITION.fingerprint())
        rows = self.world.broker[PANES].records
        return [done for row in rows if (done := reader.take(row.key, row.value))]


async def test_what_was_folded_is_written_then_acknowledged_then_published() -> None:
    world = MemoryWorld()
    world.publish("a", "b")
    owner = Owner(world)
    partition = await owner.start()
    await partition.take(owner.batch(0))
    await until(lambda: partition.acknowledged == 2)
    assert b"deal/a" in [record.key for record in world.broker[CHANGELOG].records]
    await until(lambda: owner.published() == 2)
    assert owner.reporter.operations().events == 2
    await partition.stop()


async def test_a_gap_between_batches_is_the_end() -> None:
    world = MemoryWorld()
    world.publish("a", "b")
    owner = Owner(world)
    partition = await owner.start()
    with pytest.raises(DeathError, match="records from 0 to 1 were not delivered"):
        await partition.take(owner.batch(1))
    await partition.stop()


async def test_markers_at_the_end_are_no_backlog() -> None:
    """While there is one, facts are published every ten seconds."""
    world = MemoryWorld()
    owner = Owner(world)
    partition = await owner.start()
    await until(lambda: owner.published() == 1)
    for number in range(2):
        world.publish(f"d{number}")
        world.broker.mark_transaction(EVENTS)
        await partition.take(owner.batch(2 * number))
        await until(lambda number=number: partition.acknowledged == 2 * number + 2)  # type: ignore[misc]
    async with asyncio.timeout(5):
        await until(lambda: owner.published() == 2)
    await partition.stop()


async def test_stopping_waits_for_what_was_folded_and_takes_nothing_new() -> None:
    world = MemoryWorld()
    world.publish(*(f"d{number}" for number in range(SLICE + 1)))
    owner = Owner(world)
    partition = await owner.start()
    await partition.take(owner.batch(0))
    await asyncio.sleep(0)
    await partition.stop()
    assert partition.acknowledged == SLICE + 1
    written = world.broker[CHANGELOG].end
    await partition.take(owner.batch(partition.position))
    await asyncio.sleep(0.01)
    assert world.broker[CHANGELOG].end == written


async def test_after_a_foreign_write_nothing_is_acknowledged() -> None:
    world = MemoryWorld()
    world.publish("a")
    owner = Owner(world)
    partition = await owner.start()
    await Recovery(SETTINGS, DEFINITION, world.log(), 1).recover([0], lambda: True)
    await partition.take(owner.batch(0))
    await until(lambda: bool(owner.foreign))
    assert (owner.foreign, partition.acknowledged) == ([partition], 0)
    world.publish("b")
    written = world.broker[CHANGELOG].end
    await partition.take(owner.batch(1))
    await asyncio.sleep(0.01)
    assert world.broker[CHANGELOG].end == written


async def test_a_bad_record_is_a_dead_letter_before_the_fence_passes_it() -> None:
    world = MemoryWorld()
    world.publish("a")
    bad = world.broker[EVENTS].records[0]._replace(value=b"{")
    world.broker[EVENTS].records[0] = bad
    owner = Owner(world)
    partition = await owner.start()
    began = world.broker[CHANGELOG].end
    order: list[str] = []
    world.broker.on_change(lambda tp: order.append(tp.topic))
    await partition.take(owner.batch(0))
    await until(lambda: partition.acknowledged == 1)
    written = [topic for topic in order if topic != PANES.topic]
    assert written == [DEAD_LETTERS.topic, CHANGELOG.topic]
    assert world.broker[CHANGELOG].end == began + 1
    await partition.stop()


async def test_a_snapshot_is_published_when_it_is_asked_for() -> None:
    owner = Owner(MemoryWorld())
    partition = await owner.start()
    await until(lambda: owner.snapshots() == 1)
    partition.republish()
    await until(lambda: owner.snapshots() == 2)
    await partition.stop()
