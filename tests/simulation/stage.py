"""A stage for stories that are told, not drawn: the workers, logs and time of a schedule, without
its faults."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import as_record, compute
from funnel_stream.streaming.log import ProducerRecord
from funnel_stream.streaming.memory.group import MemoryGroup
from funnel_stream.streaming.memory.log import StoredRecord
from funnel_stream.windows.tables import Snapshot
from tests.simulation.events import DEFINITION, home_of
from tests.simulation.loop import NOBODY
from tests.simulation.plan import SESSION_SECONDS, Plan
from tests.simulation.running import quietly
from tests.simulation.watched import PANES, WatchedGroup
from tests.simulation.workers import SimulatedWorker
from tests.simulation.world import Schedule

NOW = datetime(2026, 5, 28, tzinfo=UTC)
"""The wall's time when a story begins."""
_PATIENCE_SECONDS = 30.0
T = TypeVar("T")
Figures = dict[tuple[str, frozenset[tuple[str, str]]], Any]


class Stage(Schedule):
    """Nothing happens but what the story says; who is gone stays away, until another is started.

    That two workers of a group never report at once is watched all the time.
    """

    def __init__(self, partitions: int, *, now: datetime, seed: int) -> None:
        plan = Plan(seed, partitions, workers=0, small=False, rounds=1, feeds=(), faults=())
        self.now_ms = int(now.timestamp() * 1000)
        super().__init__(plan, now_ms=self.now_ms)
        self.halts: list[tuple[SimulatedWorker, str]] = []
        self.have_reported: set[SimulatedWorker] = set()
        self._seen: Snapshot | None = None
        self._figures: Figures = {}
        NOBODY.run(self._begin)

    # --- what a story says ----------------------------------------------------------------------

    def start(
        self, definition: Definition = DEFINITION, group: MemoryGroup | None = None
    ) -> SimulatedWorker:
        """A new worker; it is not waited for."""
        place = len(self.workers)
        worker = self._within(
            lambda: SimulatedWorker(self, place, definition=definition, group=group)
        )
        self.workers.append(worker)
        return worker

    def another_group(self) -> MemoryGroup:
        """One that reads the same events."""
        return self._within(self._new_group)

    def publish(self, lines: Iterable[bytes]) -> None:
        """Now, each on the partition of its key."""
        for line in lines:
            self.send(*as_record(0, line, self.now_ms)[2:4])

    def send(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """One record."""
        number = home_of(key or b"", self.plan.partitions) if partition is None else partition
        record = ProducerRecord(key, value, list(headers), self.now_ms)
        self.broker.append(self.events[number], [record])

    def let_flow(self, lines: Sequence[bytes], seconds: float) -> None:
        """Have them published evenly, as from now."""
        for number, line in enumerate(lines):
            self.later(seconds * number / len(lines), self.publish, [line])

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass."""
        self._until(lambda: False, self.loop.time() + seconds)

    def until(self, is_so: Callable[[], Any], what: str) -> None:
        """Let time pass until it is so; fails with ``what`` if it never is."""
        assert self._until(is_so, self.loop.time() + _PATIENCE_SECONDS), f"in vain: {what}"

    def wait_ready(self, worker: SimulatedWorker) -> None:
        self.until(lambda: worker.reporter.ready()[0], "the worker to be ready")

    def wait_figures(self, worker: SimulatedWorker, expected: Figures) -> None:
        """Until it shows all of these, and no other."""
        self.until(lambda: self.shown_by(worker) == expected, "all figures to be equal")

    def wait_samples(self, expected: Sequence[Sample]) -> None:
        """Until these are shown, whoever shows them; cheaper, where there are very many."""
        seen: Any = None

        def equal() -> bool:
            nonlocal seen
            if self.shown is seen:
                return False
            seen = self.shown
            return samples(seen) == expected

        self.until(equal, "all figures to be equal")

    def shown_by(self, worker: SimulatedWorker) -> Figures | None:
        """All that it shows, if it shows anything."""
        snapshot = worker.reporter.snapshot()
        if snapshot is None:
            return None
        if snapshot is not self._seen:
            self._seen, self._figures = snapshot, figures(snapshot)
        return self._figures

    def stop(self, worker: SimulatedWorker) -> None:
        """It leaves in order."""
        worker.stop(0.0)
        self.until(lambda: worker.dead, "the worker to leave")

    def records(self, topic: str) -> list[StoredRecord]:
        """All that lie in a topic."""
        return [
            record
            for tp in self.broker.tps()
            if tp.topic == topic
            for record in self.broker[tp].records
        ]

    # --- what is watched ------------------------------------------------------------------------

    def start_later(self, place: int, seconds: float) -> None:
        """Who is gone stays away."""

    def halted(self, worker: SimulatedWorker, error: FunnelError) -> None:
        self.halts.append((worker, str(error)))
        worker.crash(0.0)

    def check(self, snapshot: Any) -> None:
        """The story says what must be shown."""
        self.have_reported.update(
            worker for worker in self.workers if worker.reporter.snapshot() is snapshot
        )

    def _within(self, call: Callable[[], T]) -> T:
        """As the loop would call it."""
        asyncio.events._set_running_loop(self.loop)
        try:
            return NOBODY.run(call)
        finally:
            asyncio.events._set_running_loop(None)

    def _new_group(self) -> WatchedGroup:
        group = WatchedGroup([*self.events, PANES], session_timeout=SESSION_SECONDS)
        group.watch(self.broker)
        return group


@contextmanager
def staged(partitions: int = 4, *, now: datetime = NOW, seed: int = 0) -> Iterator[Stage]:
    """A stage as long as the block lasts; the seed gives the order in which things happen."""
    with quietly():
        yield Stage(partitions, now=now, seed=seed)


def figures(snapshot: Snapshot) -> Figures:
    """All of them, by metric and labels."""
    return {
        (metric, frozenset(labels.items())): value for metric, labels, value in samples(snapshot)
    }


def computed(
    lines: Iterable[bytes],
    definition: Definition,
    *,
    as_of: int | None = None,
    now: datetime = NOW,
) -> Figures:
    """What the core says of these, as of the last of them or of an instant (µs)."""
    now_ms = int(now.timestamp() * 1000)
    return figures(compute(lines, definition, as_of=as_of, now_ms=now_ms).snapshot)
