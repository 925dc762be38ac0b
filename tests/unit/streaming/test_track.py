"""The partitions of a worker: installed, fed, committed, claimed again, let go."""

from collections.abc import Mapping

import pytest

from funnel_stream.errors import FunnelError, StateError
from funnel_stream.reporting import Peers, Reporter
from funnel_stream.streaming import track as module
from funnel_stream.streaming.log import Batch, Bounds, TopicPartition, UnavailableError, World
from funnel_stream.streaming.recovery import Recovery
from funnel_stream.streaming.track import Track
from tests.unit.streaming.worlds import (
    DEFINITION,
    EVENTS,
    SETTINGS,
    MemoryWorld,
    RecordedProcess,
    until,
)


class Membership:
    """A group that says what a test wants."""

    def __init__(self) -> None:
        self.generation = 1
        self.group_generation = 1
        self.is_member = True
        self.stamp = 0
        self.positions: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}

    def assigned(self) -> set[TopicPartition]:
        return {EVENTS}

    def peers(self) -> Peers:
        return Peers("", None, {})

    async def open_partitions(
        self, positions: Mapping[TopicPartition, int], generation: int
    ) -> bool:
        self.positions.update(positions)
        self.stamp += 1
        return generation == self.generation

    async def close_partition(self, tp: TopicPartition, generation: int) -> bool:
        self.positions.pop(tp, None)
        self.stamp += 1
        return generation == self.generation

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        if self.is_member:
            self.committed.update(offsets)
        return self.is_member

    async def heartbeat(self) -> None: ...

    async def bounds(self, tp: TopicPartition) -> Bounds:
        return Bounds(0, 0)

    def is_stale(self, batch: Batch) -> bool:
        return batch.stamp != self.stamp

    def end_of(self, tp: TopicPartition) -> int | None:
        return None


class Tracking:
    """A track in a world of its own."""

    def __init__(self) -> None:
        self.world = MemoryWorld()
        self.group = Membership()
        self.reporter = Reporter()
        self.process = RecordedProcess()
        self.halts: list[FunnelError] = []
        log = self.world.log(self.process)
        self.recovery = Recovery(SETTINGS, DEFINITION, log, 1)
        self.track = Track(
            settings=SETTINGS,
            world=World(log, self.group, self.world.clock, self.process),
            recovery=self.recovery,
            partitions=1,
            reporter=self.reporter,
            halt=self.halts.append,
        )

    async def assign(self) -> int | None:
        """Where to read from; ``None`` if superseded."""
        positions = await self.track.assign([0], generation=1, group_generation=1)
        if positions is None:
            return None
        await self.group.open_partitions(positions, 1)
        return positions[EVENTS]

    def batch(self, start: int) -> Batch:
        records, end = self.world.broker[EVENTS].read(start, 100)
        stamp = self.group.stamp
        return Batch(EVENTS, records, start=start, end=end, highwater=end, stamp=stamp)

    async def foreign_claim(self) -> None:
        await Recovery(SETTINGS, DEFINITION, self.world.log(), 1).recover([0], lambda: True)


async def test_letting_go_commits_what_is_written() -> None:
    tracking = Tracking()
    tracking.world.publish("a", "b")
    assert await tracking.assign() == 0
    await tracking.track.take(tracking.batch(0))
    await until(lambda: tracking.reporter.operations().events == 2)
    tracking.track.observe()
    assert tracking.reporter.operations().lag == {0: 0}
    await tracking.track.revoke()
    assert tracking.group.committed == {EVENTS: 2}
    tracking.group.generation = 2
    assert await tracking.track.assign([0], generation=2, group_generation=2) == {EVENTS: 2}
    await tracking.track.close()


async def test_a_stale_batch_is_dropped() -> None:
    tracking = Tracking()
    tracking.world.publish("a")
    await tracking.assign()
    stale = tracking.batch(0)
    tracking.group.stamp += 1
    await tracking.track.take(stale)
    assert tracking.process.deaths == []
    await tracking.track.take(tracking.batch(0))
    await until(lambda: tracking.reporter.operations().events == 1)
    await tracking.track.close()


async def test_an_assignment_that_was_superseded_installs_nothing() -> None:
    tracking = Tracking()
    tracking.group.generation = 2
    assert await tracking.assign() is None
    tracking.world.publish("a")
    await tracking.track.take(tracking.batch(0))
    assert tracking.reporter.held() is None or not tracking.reporter.held().deals  # type: ignore[union-attr]


async def test_what_was_revoked_before_it_was_told_of_is_not_installed() -> None:
    """One rebalance overtakes another: its partitions would stay where they are no more."""
    tracking = Tracking()
    await tracking.track.revoke()
    assert await tracking.assign() is None
    tracking.group.generation = 2
    positions = await tracking.track.assign([0], generation=2, group_generation=2)
    assert positions == {EVENTS: 0}
    await tracking.track.close()


async def test_a_log_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    tracking = Tracking()
    recover, failures = tracking.recovery.recover, [UnavailableError("gone")] * 2

    async def failing(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await recover(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tracking.recovery, "recover", failing)
    assert await tracking.assign() == 0
    assert failures == []
    await tracking.track.close()


async def test_a_member_whose_log_somebody_wrote_to_claims_it_again() -> None:
    tracking = Tracking()
    tracking.world.publish("a")
    await tracking.assign()
    await tracking.foreign_claim()
    await tracking.track.take(tracking.batch(0))
    await until(lambda: tracking.group.stamp == 3)
    assert tracking.group.positions == {EVENTS: 0}, "what was not written is read again"
    await tracking.track.take(tracking.batch(0))
    await until(lambda: tracking.reporter.operations().events == 1)
    await tracking.track.close()


async def test_who_is_no_member_any_more_does_not_claim() -> None:
    tracking = Tracking()
    tracking.world.publish("a")
    await tracking.assign()
    await tracking.foreign_claim()
    tracking.group.is_member = False
    written = tracking.world.broker[("funnel.journeys.changelog", 0)].end
    await tracking.track.take(tracking.batch(0))
    await until(
        lambda: (
            not tracking.track._background
            and tracking.world.broker[("funnel.journeys.changelog", 0)].end > written
        )
    )
    assert tracking.group.stamp == 1
    await tracking.track.close()


async def test_who_has_to_claim_again_and_again_gives_up() -> None:
    tracking = Tracking()
    position = await tracking.assign()
    for number in range(5):
        tracking.world.publish(f"d{number}")
        await tracking.foreign_claim()
        stamp = tracking.group.stamp
        await tracking.track.take(tracking.batch(position or 0))
        await until(
            lambda stamp=stamp: bool(tracking.halts) or tracking.group.stamp == stamp + 2  # type: ignore[misc]
        )
        position = tracking.group.positions.get(EVENTS)
    [error] = tracking.halts
    assert isinstance(error, StateError)
    assert "Somebody else keeps writing" in str(error)
    await tracking.track.close()


async def test_that_limit_is_one_of_each_partition() -> None:
    """A worker that was paused may have had them all, and written to each."""
    tracking = Tracking()
    for number in range(50):
        tracking.track._limit_reclaims(number)
    for _ in range(3):
        tracking.track._limit_reclaims(7)
    with pytest.raises(StateError):
        tracking.track._limit_reclaims(7)


async def test_of_what_is_to_be_published_anew_the_first_that_is_ours_is() -> None:
    tracking = Tracking()
    await tracking.assign()
    tracking.track.republish([5, 0])
    tracking.track.republish([])
    await tracking.track.close()
