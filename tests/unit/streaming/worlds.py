"""A world in memory for one worker, or for several: everything is done at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.facts.measures import REACHED
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.log import ProducerRecord, TopicPartition, World
from funnel_stream.streaming.memory.clock import LoopClock
from funnel_stream.streaming.memory.group import MemoryGroup
from funnel_stream.streaming.memory.log import MemoryBroker, MemoryLog, PromptConnection
from funnel_stream.streaming.memory.member import GroupMember
from funnel_stream.streaming.worker import Worker
from funnel_stream.windows.breakdowns import Row
from tests.funnels import NOW, at, lines, stage

SETTINGS = Settings(session_timeout=1.0, clock="event")
DEFINITION = Definition(windows=("365d",), dimensions=("channel",))
EVENTS = TopicPartition(SETTINGS.events_topic, 0)
DEAD_LETTERS = TopicPartition(SETTINGS.dead_letters_topic, 0)
CHANGELOG = TopicPartition(SETTINGS.changelog_topic, 0)
PANES = TopicPartition(SETTINGS.panes_topic, 0)
LEADS = REACHED.cell("lead")


class DeathError(Exception):
    """The process would be gone."""


@dataclass
class RecordedProcess:
    """Only says that it dies."""

    deaths: list[str] = field(default_factory=list)

    def die(self, reason: str, error: BaseException | None = None) -> NoReturn:
        self.deaths.append(reason)
        raise DeathError(reason) from error

    def give_back(self) -> None: ...


class MemoryWorld:
    """A broker and a group, and workers that come and go."""

    def __init__(self, partitions: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self.partitions = partitions
        self.clock = LoopClock(loop, NOW.timestamp())
        topics = {
            SETTINGS.events_topic: partitions,
            SETTINGS.dead_letters_topic: partitions,
            SETTINGS.changelog_topic: partitions,
            SETTINGS.panes_topic: 1,
        }
        self.broker = MemoryBroker(topics, self.clock)
        tps = [tp for tp in self.broker.tps() if tp.topic in (EVENTS.topic, PANES.topic)]
        self.group = MemoryGroup(tps, session_timeout=SETTINGS.session_timeout)

    def log(self, process: RecordedProcess | None = None) -> MemoryLog:
        return MemoryLog(self.broker, PromptConnection(), process or RecordedProcess())

    def publish(self, *deals: str, partition: int = 0) -> None:
        """A lead each."""
        for deal in deals:
            [line] = lines([stage(deal, "lead", at(), event_id=deal)])
            record = ProducerRecord(deal.encode(), line, timestamp=int(NOW.timestamp() * 1000))
            self.broker.append(TopicPartition(EVENTS.topic, partition), [record])

    def member(self, url: str | None = None) -> "RunningWorker":
        return RunningWorker(self, url)


class RunningWorker:
    """A worker in the running loop."""

    def __init__(self, world: MemoryWorld, url: str | None = None) -> None:
        self.process = RecordedProcess()
        self.halts: list[FunnelError] = []
        self.reporter = Reporter(
            session_timeout=SETTINGS.session_timeout,
            clock=world.clock.monotonic,
            wall=world.clock.wall,
        )
        self.member = GroupMember(
            SETTINGS.model_copy(update={"advertised_url": url}),
            broker=world.broker,
            group=world.group,
            connection=PromptConnection(),
            clock=world.clock,
            reporter=self.reporter,
        )
        self.member.worker = Worker(
            settings=SETTINGS,
            definition=DEFINITION,
            world=World(world.log(self.process), self.member, world.clock, self.process),
            partitions=world.partitions,
            reporter=self.reporter,
            halt=self.halts.append,
        )
        routines = (*self.member.worker.routines(), *self.member.routines())
        self.tasks = [asyncio.ensure_future(routine) for routine in routines]

    @property
    def leads(self) -> int | None:
        """As it shows them."""
        snapshot = self.reporter.snapshot()
        if snapshot is None:
            return None
        return snapshot.totals["365d"].sum(Row("default"), LEADS)

    def kill(self) -> None:
        for task in self.tasks:
            task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Fails if it does not come to be."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)
