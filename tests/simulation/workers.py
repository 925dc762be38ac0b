"""Processes of the real worker, that may die, stand still and come back."""

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.reporting import Reporter
from funnel_stream.streaming.failure import dies_of_errors
from funnel_stream.streaming.log import World
from funnel_stream.streaming.memory.group import MemoryGroup
from funnel_stream.streaming.memory.log import MemoryLog, UnacknowledgedError
from funnel_stream.streaming.memory.member import GroupMember
from funnel_stream.streaming.worker import Worker
from funnel_stream.windows.tables import Snapshot
from tests.simulation.connection import FaultyConnection
from tests.simulation.events import DEFINITION
from tests.simulation.loop import Ended, Mortal
from tests.simulation.plan import SESSION_SECONDS
from tests.simulation.watched import SETTINGS

if TYPE_CHECKING:
    from tests.simulation.world import Schedule


class _SimulatedProcess:
    """Dies for a reason that is one, or breaks the schedule."""

    def __init__(self, worker: "SimulatedWorker") -> None:
        self._worker = worker

    def die(self, reason: str, error: BaseException | None = None) -> NoReturn:
        if not isinstance(error, UnacknowledgedError):
            self._worker.schedule.fail(f"a worker died: {reason}: {error!r}", error)
        self._worker.crash(0.2)
        raise Ended

    def give_back(self) -> None:
        """There is nothing to give."""


class WatchedReporter(Reporter):
    """Tells the schedule whenever it may have begun to show something."""

    def __init__(self, schedule: "Schedule", group: MemoryGroup) -> None:
        clock = schedule.clock
        super().__init__(session_timeout=SESSION_SECONDS, clock=clock.monotonic, wall=clock.wall)
        self.group = group
        self._schedule = schedule

    def publish(self, snapshot: Snapshot, newest: int = 0) -> None:
        super().publish(snapshot, newest)
        self._schedule.look(self)

    def confirm_membership(self, at: float) -> None:
        super().confirm_membership(at)
        self._schedule.look(self)


class SimulatedWorker(Mortal):
    """A process of the real worker."""

    def __init__(
        self,
        schedule: "Schedule",
        place: int,
        *,
        definition: Definition = DEFINITION,
        group: MemoryGroup | None = None,
    ) -> None:
        super().__init__()
        self.schedule, self.place = schedule, place
        group = group or schedule.group
        self.stopping = False
        loop = schedule.loop
        self.reporter = WatchedReporter(schedule, group)
        self.connection = FaultyConnection(loop, self, schedule.rng, SETTINGS.changelog_topic)
        schedule.connections.append(self.connection)
        process = _SimulatedProcess(self)
        self.member = GroupMember(
            SETTINGS,
            broker=schedule.broker,
            group=group,
            connection=self.connection,
            clock=schedule.clock,
            reporter=self.reporter,
            fetch_at_once=4 if schedule.plan.small else 40,
        )
        at_once = 9 if schedule.plan.small else 5_000
        log = MemoryLog(schedule.broker, self.connection, process, read_at_once=at_once)
        self.member.worker = Worker(
            settings=SETTINGS,
            definition=definition,
            world=World(log, self.member, schedule.clock, process),
            partitions=schedule.plan.partitions,
            reporter=self.reporter,
            halt=self._halt,
        )
        self._on_end = dies_of_errors(process)
        self.tasks = [
            self._start(routine)
            for routine in (*self.member.worker.routines(), *self.member.routines())
        ]

    def _start(self, routine: Any) -> "asyncio.Task[None]":
        task = self.schedule.loop.create_task(routine, context=self.context)
        self.context.run(task.add_done_callback, self._on_end)
        return task

    def _halt(self, error: FunnelError) -> None:
        self.schedule.halted(self, error)

    def crash(self, pause: float) -> None:
        """Nothing of it runs any more; it is started again after a pause."""
        if not self.dead:
            self.dead = True
            self.held = None
            self.schedule.start_later(self.place, pause)

    def stand_still(self, seconds: float) -> None:
        """As a process that is stopped by its machine, and then goes on."""
        if self.held is None:
            self.held = []
            self.schedule.later(seconds, self.schedule.loop.resume, self)

    def stop(self, pause: float) -> None:
        """Leave in order."""
        if not self.stopping:
            self.stopping = True
            self._start(self._stop(pause))

    async def _stop(self, pause: float) -> None:
        await self.member.leave()
        self.crash(pause)
