"""A consumer group in memory: sessions, generations, partitions shared out in turn."""

import asyncio
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

from funnel_stream.reporting import Peers
from funnel_stream.streaming.log import TopicPartition

_REBALANCE_TIMEOUTS: Final = 3
"""Who has not joined again after so many session timeouts is left out."""
_GRACE: Final = 0.001
"""Seconds by which a session outlasts what its member reckons with, who counts from his request."""
_FIRST: Final = 0.1
"""The first generation begins after so many, with those who are there."""


class Standing(Enum):
    """What the group says to a heartbeat."""

    MEMBER = auto()
    REJOIN = auto()
    UNKNOWN = auto()


class Assignment(NamedTuple):
    """What a member gets in a generation; ``urls``: who, by address, has got what."""

    generation: int
    tps: tuple[TopicPartition, ...]
    urls: Mapping[TopicPartition, str]

    def peers(self, own: str, events_topic: str, panes: TopicPartition) -> Peers:
        """The same as the worker's part of the house tells it to others."""
        holders = {tp.partition: url for tp, url in self.urls.items() if tp.topic == events_topic}
        return Peers(own, self.urls.get(panes), MappingProxyType(holders))


class _Seat:
    """What the group knows of a member."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen = 0.0
        self.joining: asyncio.Future[Assignment] | None = None


class MemoryGroup:
    """Decides who is a member, and who has which partition.

    A member is forgotten when it has not been heard of for ``session_timeout`` seconds of the loop;
    whoever comes or goes makes all others join again. The first are waited for, a little.
    """

    def __init__(self, tps: Iterable[TopicPartition], *, session_timeout: float) -> None:
        self.generation = 0
        self.committed: dict[TopicPartition, int] = {}
        self._tps = sorted(tps)
        self._session_timeout = session_timeout
        self._loop = asyncio.get_running_loop()
        self._seats: dict[int, _Seat] = {}
        self._rebalancing = False
        self._last_member = 0

    def enter(self, url: str) -> int:
        """A new member's id."""
        self._last_member += 1
        self._seats[self._last_member] = seat = _Seat(url)
        self._hear(seat)
        self._watch(self._last_member)
        return self._last_member

    def join(self, member: int) -> "asyncio.Future[Assignment] | None":
        """What it will get, once all have joined; ``None`` if it is not known (any more)."""
        seat = self._seats.get(member)
        if seat is None:
            return None
        self._hear(seat)
        seat.joining = given = self._loop.create_future()
        self._rebalance()
        return given

    def leave(self, member: int) -> None:
        """It goes of its own accord."""
        if self._seats.pop(member, None):
            self._rebalance()

    def heartbeat(self, member: int, generation: int) -> Standing:
        """Whether it is a member of this generation."""
        seat = self._seats.get(member)
        if seat is None:
            return Standing.UNKNOWN
        self._hear(seat)
        ours = generation == self.generation and not self._rebalancing
        return Standing.MEMBER if ours else Standing.REJOIN

    def commit(self, member: int, generation: int, offsets: Mapping[TopicPartition, int]) -> bool:
        """Taken from members of this generation, until a new one has begun."""
        seat = self._seats.get(member)
        if seat is None or generation != self.generation:
            return False
        self._hear(seat)
        self.committed.update(offsets)
        return True

    # --- sessions -------------------------------------------------------------------------------

    def _hear(self, seat: _Seat) -> None:
        seat.seen = self._loop.time()

    def _watch(self, member: int) -> None:
        """Whoever waits for the others is not silent of its own accord."""
        seat = self._seats.get(member)
        if seat is None:
            return
        now = self._loop.time()
        if seat.joining:
            seat.seen = now
        end = seat.seen + self._session_timeout + _GRACE
        if now >= end:
            self.leave(member)
        else:
            self._loop.call_at(end, self._watch, member)

    # --- generations ----------------------------------------------------------------------------

    def _rebalance(self) -> None:
        """Let all join again, and begin a generation as soon as they have."""
        if not self._rebalancing:
            self._rebalancing = True
            timeout = self._session_timeout * (_REBALANCE_TIMEOUTS if self.generation else _FIRST)
            self._loop.call_later(timeout, self._end_waiting, self.generation)
        if self.generation and all(seat.joining for seat in self._seats.values()):
            self._begin_generation()

    def _end_waiting(self, generation: int) -> None:
        if self._rebalancing and generation == self.generation:
            self._seats = {id: seat for id, seat in self._seats.items() if seat.joining}
            self._begin_generation()

    def _begin_generation(self) -> None:
        self.generation += 1
        self._rebalancing = False
        members = list(self._seats)
        shares: dict[int, list[TopicPartition]] = {member: [] for member in members}
        for number, tp in enumerate(self._tps if members else ()):
            shares[members[number % len(members)]].append(tp)
        urls = {tp: self._seats[id].url for id, tps in shares.items() for tp in tps}
        for member, seat in self._seats.items():
            joining, seat.joining = seat.joining, None
            self._hear(seat)
            if joining and not joining.done():
                joining.set_result(Assignment(self.generation, tuple(shares[member]), urls))
