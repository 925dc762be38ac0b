"""One worker's part in a group in memory: what is fetched, and when it is stale."""

from funnel_stream.streaming.log import Batch
from tests.unit.streaming.worlds import EVENTS, PANES, MemoryWorld, RunningWorker, until


async def joined(world: MemoryWorld) -> RunningWorker:
    worker = world.member("http://w:1")
    await until(lambda: worker.leads is not None)
    return worker


def batch(worker: RunningWorker) -> Batch:
    stamp = worker.member._stamps[EVENTS]
    return Batch(EVENTS, [], start=0, end=0, highwater=0, stamp=stamp)


async def test_a_partition_is_opened_in_this_assignment_only() -> None:
    worker = await joined(MemoryWorld())
    member = worker.member
    assert not await member.open_partitions({EVENTS: 0}, member.generation - 1)
    assert not await member.open_partitions({EVENTS._replace(partition=7): 0}, member.generation)
    assert not await member.close_partition(EVENTS, member.generation - 1)
    assert await member.open_partitions({EVENTS: 0}, member.generation)
    worker.kill()


async def test_what_was_fetched_before_a_seek_or_an_assignment_is_stale() -> None:
    worker = await joined(MemoryWorld())
    member = worker.member
    first = batch(worker)
    assert not member.is_stale(first)
    assert await member.open_partitions({EVENTS: 0}, member.generation)
    second = batch(worker)
    assert (member.is_stale(first), member.is_stale(second)) == (True, False)
    assert await member.close_partition(EVENTS, member.generation)
    assert member.is_stale(second)
    third = batch(worker)
    generation = member.generation
    member._must_rejoin.set()
    await until(lambda: member.generation > generation)
    assert member.is_stale(third)
    worker.kill()


async def test_a_closed_partition_is_not_fetched() -> None:
    world = MemoryWorld()
    worker = await joined(world)
    assert await worker.member.close_partition(EVENTS, worker.member.generation)
    world.publish("a")
    world.publish("b")
    assert worker.member.end_of(EVENTS) in (None, 0)
    assert await worker.member.open_partitions({EVENTS: 0}, worker.member.generation)
    await until(lambda: worker.leads == 2)
    assert worker.member.end_of(EVENTS) == 2
    worker.kill()


async def test_batches_join_over_markers() -> None:
    world = MemoryWorld()
    worker = await joined(world)
    for deal in "abc":
        world.publish(deal)
        world.broker.mark_transaction(EVENTS)
    await until(lambda: worker.leads == 3)
    assert worker.process.deaths == []
    worker.kill()


async def test_commits_and_heartbeats_prove_the_membership() -> None:
    world = MemoryWorld()
    worker = await joined(world)
    confirmed: list[float] = []
    worker.reporter.confirm_membership = confirmed.append  # type: ignore[method-assign]
    assert await worker.member.commit_offsets({EVENTS: 0})
    await worker.member.heartbeat()
    assert len(confirmed) == 2
    world.group.leave(worker.member._id)
    assert not await worker.member.commit_offsets({EVENTS: 0})
    await worker.member.heartbeat()
    assert len(confirmed) == 2
    assert await worker.member.commit_offsets({})
    assert not await worker.member.commit_offsets({EVENTS._replace(partition=7): 0})
    worker.kill()


async def test_a_member_knows_what_it_has() -> None:
    world = MemoryWorld()
    world.publish("a")
    worker = await joined(world)
    assert worker.member.assigned() == {EVENTS, PANES}
    assert await worker.member.bounds(EVENTS) == (0, 1)
    assert worker.member.peers()[:2] == ("http://w:1", "http://w:1")
    assert worker.member.group_generation == world.group.generation
    worker.kill()
