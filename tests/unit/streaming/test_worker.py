"""Workers in a group: the partitions are shared, and one of them reports."""

from funnel_stream.errors import StateError
from funnel_stream.streaming.log import TopicPartition
from tests.unit.streaming.worlds import EVENTS, PANES, MemoryWorld, until


async def test_one_worker_shows_what_has_happened() -> None:
    world = MemoryWorld()
    world.publish("a", "b")
    worker = world.member()
    await until(lambda: worker.leads == 2)
    world.publish("c")
    await until(lambda: worker.leads == 3)
    assert worker.reporter.ready() == (True, "ready")
    assert worker.process.deaths == worker.halts == []
    worker.kill()


async def test_of_two_one_reports_and_both_know_who_has_what() -> None:
    world = MemoryWorld(partitions=3)
    for number in range(3):
        world.publish(f"d{number}", partition=number)
    workers = [world.member(f"http://w{number}:1") for number in range(2)]
    await until(lambda: [worker.leads for worker in workers].count(None) == 1)
    peers = [worker.reporter.peers() for worker in workers]
    assert peers[0].holders == peers[1].holders
    assert set(peers[0].holders) == {0, 1, 2}
    [reporting] = {peer.reporting for peer in peers}
    reporter = next(worker for worker in workers if worker.leads is not None)
    assert reporter.reporter.peers().own == reporting
    assert peers[0].partition_of(b"x") in range(3)
    for worker in workers:
        worker.kill()


async def test_who_leaves_hands_over_what_has_been_read() -> None:
    world = MemoryWorld(partitions=2)
    world.publish("a", partition=0)
    first = world.member()
    await until(lambda: first.leads is not None)
    second = world.member()
    await until(lambda: second.member.group_generation > 1)
    await first.member.leave()
    first.kill()
    assert not first.reporter.reporting()
    await until(lambda: second.leads is not None and len(second.member.assigned()) == 3)
    assert second.process.deaths == second.halts == []
    second.kill()


async def test_who_dies_is_replaced_when_his_session_is_over() -> None:
    world = MemoryWorld()
    world.publish("a")
    first = world.member()
    await until(lambda: first.leads == 1)
    first.kill()
    second = world.member()
    await until(lambda: second.leads == 1)
    assert not first.reporter.reporting()
    second.kill()


async def test_events_that_were_deleted_unread_end_the_worker() -> None:
    world = MemoryWorld()
    worker = world.member()
    await until(lambda: worker.leads == 0)
    await worker.member.worker.out_of_range(EVENTS, 3)
    [error] = worker.halts
    assert isinstance(error, StateError)
    assert "Offset 3 of funnel.events/0 is not there" in str(error)
    worker.kill()


async def test_whoever_has_lost_a_partition_does_not_miss_its_events() -> None:
    """A worker that was paused: others have read on, and what they read is deleted by now."""
    world = MemoryWorld()
    worker = world.member()
    await until(lambda: worker.leads == 0)
    world.group.leave(worker.member._id)
    await worker.member.worker.out_of_range(EVENTS, 3)
    assert worker.halts == []
    worker.kill()


async def test_panes_that_were_deleted_unread_are_published_anew() -> None:
    world = MemoryWorld()
    world.publish("a")
    worker = world.member()
    await until(lambda: worker.leads == 1)
    await worker.member.close_partition(PANES, worker.member.generation)
    world.publish("b")
    end = world.broker[PANES].end
    await until(lambda: world.broker[PANES].end > end)
    world.broker.delete_before(PANES, world.broker[PANES].end)
    await worker.member.open_partitions({PANES: end}, worker.member.generation)
    await until(lambda: worker.leads is None)
    await until(lambda: worker.leads == 2)
    assert worker.halts == []
    worker.kill()


async def test_the_workers_own_topics_are_what_it_is_assigned() -> None:
    world = MemoryWorld()
    worker = world.member()
    await until(lambda: worker.leads == 0)
    assert worker.member.assigned() == {TopicPartition("funnel.events", 0), PANES}
    worker.kill()
