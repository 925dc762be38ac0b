"""Taking over a partition: claims, what does not fit, and who is superseded."""

import json
from typing import Any

import pytest

from funnel_stream.errors import StateError
from funnel_stream.facts.deals import FENCE_KEY
from funnel_stream.replay.compute import LineRecord
from funnel_stream.streaming.changelog import ForeignWriteError
from funnel_stream.streaming.log import Appended, SupersededError
from funnel_stream.streaming.recovery import Recovered, Recovery
from tests.funnels import NOW, at, stage
from tests.unit.streaming.worlds import CHANGELOG, DEFINITION, EVENTS, SETTINGS, MemoryWorld

NOW_MS = int(NOW.timestamp() * 1000)


def lead(offset: int) -> LineRecord:
    value = json.dumps(stage(f"d{offset}", "lead", at(), event_id="e")).encode()
    return LineRecord(offset, NOW_MS, b"d%d" % offset, value)


def recovery(world: MemoryWorld) -> Recovery:
    return Recovery(SETTINGS, DEFINITION, world.log(), world.partitions)


async def recovered(world: MemoryWorld) -> Recovered:
    [one] = await recovery(world).recover([0], lambda: True)
    return one


async def read(world: MemoryWorld, owner: Recovered, *offsets: int) -> None:
    """Fold these events and write what changed."""
    fold = owner.deals.fold([lead(offset) for offset in offsets])
    await owner.changelog.append(fold.changed, fold.fence)


async def test_the_next_owner_goes_on_behind_the_fence() -> None:
    world = MemoryWorld()
    world.publish("d0", "d1", "d2")
    first = await recovered(world)
    assert (first.position, first.changelog.epoch) == (0, 1)
    await read(world, first, 0, 1)
    second = await recovered(world)
    assert (second.position, second.changelog.epoch) == (2, 2)
    assert set(second.deals.names()) == {b"d0", b"d1"}


async def test_whoever_was_superseded_by_a_claim_learns_it_by_writing() -> None:
    world = MemoryWorld()
    world.publish("d0", "d1")
    first = await recovered(world)
    second = await recovered(world)
    with pytest.raises(ForeignWriteError):
        await read(world, first, 0)
    with pytest.raises(ForeignWriteError):
        await read(world, second, 0, 1)
    assert set((await recovered(world)).deals.names()) == {b"d0", b"d1"}


async def test_outdated_rows_are_written_again_so_that_compaction_keeps_the_valid_one() -> None:
    world = MemoryWorld()
    world.publish("d0", "d1")
    first = await recovered(world)
    second = await recovered(world)
    await read(world, second, 0, 1)
    with pytest.raises(ForeignWriteError):
        await read(world, first, 0)
    await recovered(world)
    log = world.broker[CHANGELOG]
    log.compact(before=log.end)
    last = await recovered(world)
    assert (last.position, set(last.deals.names())) == (2, {b"d0", b"d1"})


async def test_of_two_who_claim_at_once_the_later_claims_again() -> None:
    world = MemoryWorld()
    log = world.log()
    append = log.append

    async def after_another(*arguments: Any) -> list[Appended]:
        if not world.broker[CHANGELOG].end:
            await append(*arguments)
        return await append(*arguments)

    log.append = after_another  # type: ignore[method-assign]
    [one] = await Recovery(SETTINGS, DEFINITION, log, 1).recover([0], lambda: True)
    assert one.changelog.epoch == 2
    keys = [record.key for record in world.broker[CHANGELOG].records]
    assert keys == [b"claim/1", b"claim/1", b"claim/2"]


async def test_whoever_is_not_needed_any_more_stops_reading() -> None:
    world = MemoryWorld()
    await recovered(world)
    with pytest.raises(SupersededError):
        await recovery(world).recover([0], lambda: False)


async def test_no_partitions_are_no_work() -> None:
    world = MemoryWorld()
    assert await recovery(world).recover([], lambda: True) == []
    assert world.broker[CHANGELOG].end == 0


async def test_events_that_were_deleted_unread_are_not_passed_over() -> None:
    world = MemoryWorld()
    world.publish("d0", "d1", "d2")
    await read(world, await recovered(world), 0)
    world.broker.delete_before(EVENTS, 2)
    with pytest.raises(StateError, match=r"1 events of funnel.events/0 were deleted"):
        await recovered(world)


async def test_events_that_begin_anew_are_not_taken_for_the_old_ones() -> None:
    world = MemoryWorld()
    world.publish("d0")
    await read(world, await recovered(world), 0, 1, 2)
    with pytest.raises(StateError, match="ends at offset 1, but the state has read up to 3"):
        await recovered(world)


async def test_a_changelog_without_its_beginning_is_no_state() -> None:
    world = MemoryWorld()
    await recovered(world)
    await recovered(world)
    world.broker.delete_before(CHANGELOG, 1)
    with pytest.raises(StateError, match=r"The beginning of funnel.journeys.changelog/0 is gone"):
        await recovered(world)


async def test_the_fence_lies_in_the_log() -> None:
    world = MemoryWorld()
    world.publish("d0")
    await read(world, await recovered(world), 0)
    assert FENCE_KEY in [record.key for record in world.broker[CHANGELOG].records]
