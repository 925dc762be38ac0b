"""Members, generations and sessions of a group in memory."""

import asyncio

from funnel_stream.streaming.log import TopicPartition
from funnel_stream.streaming.memory.group import Assignment, MemoryGroup, Standing

TPS = [TopicPartition("events", number) for number in range(3)]
PANES = TopicPartition("panes", 0)
SESSION = 0.5


def new_group() -> MemoryGroup:
    return MemoryGroup([*TPS, PANES], session_timeout=SESSION)


async def join(group: MemoryGroup, *members: int) -> list[Assignment]:
    """What these get, who join together."""
    waiting = [group.join(member) for member in members]
    async with asyncio.timeout(5):
        return [await each for each in waiting if each is not None]


async def keep(group: MemoryGroup, member: int, generation: int, seconds: float) -> Standing:
    """The last of heartbeats that are sent for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        standing = group.heartbeat(member, generation)
        if loop.time() >= end or standing is not Standing.MEMBER:
            return standing
        await asyncio.sleep(0.01)


async def test_partitions_are_shared_out_in_turn() -> None:
    group = new_group()
    first, second = group.enter("a"), group.enter("b")
    of_first, of_second = await join(group, first, second)
    assert of_first.tps == (TPS[0], TPS[2])
    assert of_second.tps == (TPS[1], PANES)
    assert of_first.generation == of_second.generation == 1
    peers = of_first.peers("a", "events", PANES)
    assert (peers.own, peers.reporting) == ("a", "b")
    assert peers.holders == {0: "a", 1: "b", 2: "a"}


async def test_whoever_comes_makes_all_others_join_again() -> None:
    group = new_group()
    first = group.enter("a")
    await join(group, first)
    assert group.heartbeat(first, 1) is Standing.MEMBER
    second = group.enter("b")
    waiting = group.join(second)
    assert waiting is not None
    assert group.heartbeat(first, 1) is Standing.REJOIN
    assert not waiting.done()
    await join(group, first)
    assert (await waiting).generation == group.generation == 2
    assert group.heartbeat(first, 1) is Standing.REJOIN
    assert group.heartbeat(first, 2) is Standing.MEMBER


async def test_whoever_leaves_gives_all_to_the_others() -> None:
    group = new_group()
    first, second = group.enter("a"), group.enter("b")
    await join(group, first, second)
    group.leave(second)
    [assignment] = await join(group, first)
    assert set(assignment.tps) == {*TPS, PANES}
    assert group.heartbeat(second, 1) is Standing.UNKNOWN
    assert group.join(second) is None


async def test_whoever_is_silent_is_forgotten() -> None:
    group = new_group()
    first, second = group.enter("a"), group.enter("b")
    await join(group, first, second)
    assert await keep(group, first, 1, 4 * SESSION) is Standing.REJOIN
    assert group.heartbeat(second, 1) is Standing.UNKNOWN


async def test_whoever_does_not_join_again_is_left_out() -> None:
    group = new_group()
    first, second = group.enter("a"), group.enter("b")
    await join(group, first, second)
    waiting = group.join(first)
    assert waiting is not None
    while not waiting.done():
        assert group.heartbeat(second, 1) is not Standing.MEMBER
        await asyncio.sleep(0.01)
    assert set(waiting.result().tps) == {*TPS, PANES}
    assert group.heartbeat(second, 1) is Standing.UNKNOWN


async def test_offsets_are_taken_from_members_of_this_generation_until_the_next() -> None:
    group = new_group()
    first, second = group.enter("a"), group.enter("b")
    await join(group, first, second)
    assert group.commit(first, 1, {TPS[0]: 5})
    third = group.join(group.enter("c"))
    assert third is not None
    assert group.commit(first, 1, {TPS[0]: 6}), "who is about to join again may still commit"
    await join(group, first, second)
    assert not group.commit(first, 1, {TPS[0]: 7})
    assert not group.commit(99, 2, {TPS[0]: 8})
    assert group.committed == {TPS[0]: 6}
