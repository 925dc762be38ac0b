"""A connection that is slow, loses answers, and delivers what somebody sent who is dead by now."""

import asyncio
from collections.abc import Callable, Hashable
from random import Random
from typing import Any, Final

from funnel_stream.streaming.log import TopicPartition
from funnel_stream.streaming.memory.log import UnacknowledgedError
from tests.simulation.loop import NOBODY, Mortal, SimulatedLoop

_SHORTEST: Final = 0.0005
_LONGEST: Final = 0.15
_PROMPT: Final = 0.7
"""So much is answered at once."""
_SLOWNESS: Final = 8.0
_AFTERLIFE: Final = (0.0, 0.3, 1.5, 1.5, 2.5)
"""How much later comes what was under way when its sender died; or never."""


class FaultyConnection:
    """A worker's connection. What goes along a lane keeps its order, dead sender or not."""

    def __init__(self, loop: SimulatedLoop, owner: Mortal, rng: Random, held_topic: str) -> None:
        self.slow_until = 0.0
        self.under_way = 0
        """Requests that have not arrived yet, but will."""
        self._loop, self._owner = loop, owner
        self._held_topic = held_topic
        self._draw = rng.random
        self._afterlife = rng.choice(_AFTERLIFE)
        self._arrives_after_death = rng.random() < 0.5
        self._last: dict[Hashable, float] = {}
        self._fails_at: dict[Hashable, float] = {}
        self._hold: tuple[float, Callable[[], None]] | None = None
        self._lose: tuple[bool, float, float] | None = None

    def hold_next(self, seconds: float, then: Callable[[], None]) -> None:
        """The next append to a changelog takes so much longer; ``then`` is called when it is on its
        way."""
        self._hold = seconds, then

    def lose_next(self, *, arrives: bool, late: float, timeout: float) -> None:
        """The next append gets no answer; whoever waits for it is told so after that time. It
        arrives so late, if it does."""
        self._lose = arrives, late, timeout

    def calm(self) -> None:
        """What was to happen to the next append does not happen any more."""
        self._hold = self._lose = None

    async def ask(self, lane: Hashable, request: Callable[[], Any]) -> Any:
        loop = self._loop
        if self._draw() < _PROMPT and self._is_free(lane):
            result = NOBODY.run(request)
            await asyncio.sleep(0)
            return result
        answer = loop.create_future()
        arrival = max(loop.time() + self._delay(), self._last.get(lane, 0.0) + 1e-6)
        self._last[lane] = arrival
        if (fails_at := self._fails_at.get(lane)) is not None:
            # An idempotent producer sends nothing more before it has its answer.
            loop.call_at(max(fails_at, arrival), _fail, answer, context=NOBODY)
            return await answer
        if self._hold and isinstance(lane, TopicPartition) and lane.topic == self._held_topic:
            (held, then), self._hold = self._hold, None
            arrival += held
            self._last[lane] = arrival
            loop.call_soon(then, context=NOBODY)
        loses = False
        if self._lose and isinstance(lane, TopicPartition):
            (arrives, late, timeout), self._lose = self._lose, None
            loses = True
            self._fails_at[lane] = arrival + timeout
            loop.call_at(arrival + timeout, _fail, answer, context=NOBODY)
            if not arrives:
                return await answer
            arrival += late

        def deliver() -> None:
            if self._owner.dead and not self._after_death(deliver):
                return
            self.under_way -= 1
            result = request()
            if loses:
                return
            loop.call_later(self._delay(), _set, answer, result, context=NOBODY)

        self.under_way += 1
        loop.call_at(arrival, deliver, context=NOBODY)
        return await answer

    def _is_free(self, lane: Hashable) -> bool:
        """Whether nothing is under way on the lane, nor about to be lost."""
        now = self._loop.time()
        return (
            now >= self.slow_until
            and now >= self._last.get(lane, 0.0)
            and not self._lose
            and not self._hold
            and lane not in self._fails_at
        )

    def _after_death(self, deliver: Callable[[], None]) -> bool:
        """Whether it arrives now; it may do so later, or never."""
        if not self._arrives_after_death:
            self.under_way -= 1
            return False
        if self._afterlife:
            # All of them as much later, so that they keep their order.
            self._loop.call_later(self._afterlife, self._deliver_late, deliver, context=NOBODY)
            return False
        return True

    def _deliver_late(self, deliver: Callable[[], None]) -> None:
        self._afterlife = 0.0
        deliver()

    def _delay(self) -> float:
        share = self._draw()
        delay = _SHORTEST + _LONGEST * share**6
        return delay * _SLOWNESS if self._loop.time() < self.slow_until else delay


def _set(answer: Any, result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: Any) -> None:
    if not answer.done():
        answer.set_exception(UnacknowledgedError())
