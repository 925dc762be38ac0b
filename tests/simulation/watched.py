"""The broker and the group, with what a schedule has to know of them."""

from collections.abc import Mapping
from typing import Any, Final

from funnel_stream.settings import Settings
from funnel_stream.streaming.log import Appended, TopicPartition
from funnel_stream.streaming.memory.clock import LoopClock
from funnel_stream.streaming.memory.group import MemoryGroup
from funnel_stream.streaming.memory.log import MemoryBroker
from tests.simulation.events import home_of
from tests.simulation.plan import SESSION_SECONDS

SETTINGS: Final = Settings(session_timeout=SESSION_SECONDS, clock="event", advertised_url=None)
EVENTS: Final = SETTINGS.events_topic
PANES: Final = TopicPartition(SETTINGS.panes_topic, 0)


class WatchedBroker(MemoryBroker):
    """Knows which deals lie on their own partition from which offset on."""

    def __init__(self, counts: Mapping[str, int], clock: LoopClock) -> None:
        super().__init__(counts, clock)
        self.cut_next = 0.0
        """So much of the panes is deleted when they get longer."""
        self._partitions_of_events = counts[EVENTS]
        self.deals: list[dict[bytes, int]] = [{} for _ in range(counts[EVENTS])]

    def append(self, tp: TopicPartition, batch: Any) -> Appended:
        appended = super().append(tp, batch)
        if self.cut_next and tp == PANES:
            begin, end = self.bounds(tp)
            self.delete_before(tp, begin + int((end - begin) * self.cut_next))
            self.cut_next = 0.0
        if tp.topic == EVENTS:
            deals = self.deals[tp.partition]
            for offset, (key, value, *_) in enumerate(batch, appended.offset):
                is_stage = key and value and b'"stage"' in value
                if is_stage and home_of(key, self._partitions_of_events) == tp.partition:
                    deals.setdefault(key, offset)
        return appended


class WatchedGroup(MemoryGroup):
    """Knows how many deals the state held when its generation began."""

    least = 0

    def watch(self, broker: WatchedBroker) -> None:
        self._broker = broker

    def _begin_generation(self) -> None:
        super()._begin_generation()
        self.least = sum(
            offset < self.committed.get(TopicPartition(EVENTS, number), 0)
            for number, deals in enumerate(self._broker.deals)
            for offset in deals.values()
        )
