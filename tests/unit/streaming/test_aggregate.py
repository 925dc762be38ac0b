"""The tables of the worker that reports: complete, or not shown at all."""

import asyncio
from collections.abc import Iterable

import pytest

from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.rules import MINUTE_BITS
from funnel_stream.reporting import Reporter
from funnel_stream.streaming.aggregate import Aggregate
from funnel_stream.streaming.log import Batch, Bounds, World
from funnel_stream.streaming.pane_log import PaneWriter, Progress
from funnel_stream.windows.breakdowns import Row
from tests.funnels import micros
from tests.unit.streaming.test_track import Membership
from tests.unit.streaming.worlds import (
    DEFINITION,
    LEADS,
    PANES,
    SETTINGS,
    MemoryWorld,
    RecordedProcess,
    until,
)

GENERATION = 5
MINUTE = micros() // 60_000_000


def leads(number: int) -> FactBlock:
    builder = FactBlockBuilder()
    builder.add(("default", *[""] * 8), {(LEADS << MINUTE_BITS) | MINUTE: number})
    block = builder.take()
    assert block is not None
    return block


class Reporting:
    """An aggregate, and sources that publish to it."""

    def __init__(self, sources: int = 1) -> None:
        self.world = MemoryWorld()
        self.group = Membership()
        self.reporter = Reporter(clock=self.world.clock.monotonic)
        self.reporter.assigned(owner=True, seconds=0.0)
        self.asked: list[list[int]] = []
        process = RecordedProcess()
        self.log = self.world.log(process)
        self.aggregate = Aggregate(
            settings=SETTINGS,
            definition=DEFINITION,
            world=World(self.log, self.group, self.world.clock, process),
            sources=sources,
            reporter=self.reporter,
            republish=self._note,
        )
        self.routine = asyncio.ensure_future(self.aggregate.keep_showing())
        self.position = 0

    def _note(self, numbers: Iterable[int]) -> None:
        self.asked.append(list(numbers))

    def source(
        self, number: int = 0, *, epoch: int = 1, generation: int = GENERATION
    ) -> PaneWriter:
        return PaneWriter(
            self.log,
            PANES.topic,
            number,
            epoch=epoch,
            generation=generation,
            fingerprint=DEFINITION.fingerprint(),
        )

    async def read(self) -> None:
        """Take in all that has come."""
        records, end = self.world.broker[PANES].read(self.position, 1_000)
        start, self.position = self.position, end
        stamp = self.group.stamp
        await self.aggregate.take(
            Batch(PANES, records, start=start, end=end, highwater=end, stamp=stamp)
        )

    async def shown(self) -> int | None:
        """Leads as they are shown, once everything has been looked at."""
        self.reporter.confirm_membership(self.world.clock.monotonic())
        await asyncio.sleep(0.15)
        snapshot = self.reporter.snapshot()
        return None if snapshot is None else snapshot.totals["365d"].sum(Row("default"), LEADS)


async def test_what_a_source_has_published_is_shown_at_once() -> None:
    reporting = Reporting()
    source = reporting.source()
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await source.snapshot(iter([leads(3)]), Progress(micros(days=1)))
    await reporting.read()
    assert await reporting.shown() == 3
    await source.tick([leads(-1)], Progress(micros(days=2)))
    await reporting.read()
    assert await reporting.shown() == 2
    reporting.routine.cancel()


async def test_nothing_is_shown_before_the_end_of_the_log() -> None:
    reporting = Reporting()
    source = reporting.source()
    await source.snapshot(iter([leads(3)]), Progress(micros(days=1)))
    begun = reporting.world.broker[PANES].end
    await source.tick([leads(1)], Progress(micros(days=1)))
    end = reporting.world.broker[PANES].end
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, end))
    records, _ = reporting.world.broker[PANES].read(0, begun)
    await reporting.aggregate.take(
        Batch(PANES, records, start=0, end=begun, highwater=end, stamp=0)
    )
    assert await reporting.shown() is None
    reporting.position = begun
    await reporting.read()
    assert await reporting.shown() == 4
    reporting.routine.cancel()


@pytest.mark.parametrize("generation", [GENERATION, GENERATION - 1])
async def test_all_sources_have_to_be_of_this_generation(generation: int) -> None:
    reporting = Reporting(sources=2)
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    for number, of_source in enumerate((GENERATION, generation)):
        source = reporting.source(number, generation=of_source)
        await source.snapshot(iter([leads(1)]), Progress(micros(days=1)))
    await reporting.read()
    is_whole = generation == GENERATION
    assert await reporting.shown() == (2 if is_whole else None)
    if not is_whole:
        assert reporting.reporter.ready() == (False, "waiting for the facts of partitions 1")
    reporting.routine.cancel()


async def test_what_is_missing_is_asked_for() -> None:
    reporting = Reporting(sources=3)
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await reporting.source(1).snapshot(iter([]), Progress(micros()))
    await reporting.read()
    await until(lambda: bool(reporting.asked))
    assert reporting.asked == [[0, 2]]
    reporting.routine.cancel()


async def test_after_rows_were_lost_nothing_is_shown_until_a_new_snapshot() -> None:
    reporting = Reporting()
    source = reporting.source()
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await source.snapshot(iter([leads(3)]), Progress(micros(days=1)))
    await reporting.read()
    assert await reporting.shown() == 3
    reporting.aggregate.skip(reporting.position)
    assert await reporting.shown() is None
    await source.snapshot(iter([leads(4)]), Progress(micros(days=1)))
    await reporting.read()
    assert await reporting.shown() == 4
    reporting.routine.cancel()


async def test_where_all_rows_were_lost_there_is_nothing_to_wait_for() -> None:
    reporting = Reporting()
    await reporting.source().snapshot(iter([leads(3)]), Progress(micros(days=1)))
    end = reporting.world.broker[PANES].end
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, end))
    reporting.aggregate.skip(end)
    await until(lambda: bool(reporting.asked))
    assert reporting.reporter.ready() == (False, "waiting for the facts of partitions 0")
    reporting.routine.cancel()


async def test_a_stale_batch_is_dropped() -> None:
    reporting = Reporting()
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await reporting.source().snapshot(iter([leads(3)]), Progress(micros(days=1)))
    records, end = reporting.world.broker[PANES].read(0, 100)
    stale = Batch(PANES, records, start=0, end=end, highwater=end, stamp=-1)
    await reporting.aggregate.take(stale)
    assert await reporting.shown() is None
    reporting.routine.cancel()


async def test_what_a_new_owner_has_replaced_is_given_up() -> None:
    reporting = Reporting()
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await reporting.source(epoch=1).snapshot(iter([leads(3)]), Progress(micros(days=1)))
    await reporting.source(epoch=2).snapshot(iter([leads(5)]), Progress(micros(days=1)))
    await reporting.read()
    assert await reporting.shown() == 5
    log = reporting.world.broker[PANES]
    log.compact(before=log.end)
    assert {bytes(record.key or b"").split(b".")[0] for record in log.records} == {b"0/2"}
    reporting.routine.cancel()


async def test_who_has_lost_the_panes_shows_nothing() -> None:
    reporting = Reporting()
    reporting.aggregate.assign(group_generation=GENERATION, bounds=Bounds(0, 0))
    await reporting.source().snapshot(iter([leads(3)]), Progress(micros(days=1)))
    await reporting.read()
    assert await reporting.shown() == 3
    reporting.aggregate.revoke()
    assert await reporting.shown() is None
    reporting.routine.cancel()
