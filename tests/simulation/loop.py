"""An event loop of its own time and order: what is ready runs in an order drawn from a seed.

Time stands still while anything is ready, then jumps to the next timer. A *mortal* is a process in
the simulation: what runs in its context ends with it, and stands still while it is paused.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any


class Ended(BaseException):
    """Thrown through the code of a mortal that dies in the middle of a step."""


class Mortal:
    """A process that may stop between any two steps of the loop."""

    def __init__(self) -> None:
        self.dead = False
        self.context = Context()
        self.context.run(_OWNER.set, self)
        self.steps_left = -1
        self._then: Callable[[], None] = lambda: None
        self.held: list[_Ready] | None = None
        """What became ready while it was paused, which it is while this is a list."""

    def after(self, steps: int, then: Callable[[], None]) -> None:
        """Do that when it has gone so many steps more."""
        self.steps_left, self._then = steps, then

    def step(self) -> bool:
        """One of the steps; whether it may be gone."""
        self.steps_left -= 1
        if self.steps_left < 0:
            self._then()
        return not self.dead and self.held is None


_Ready = tuple[Mortal | None, Context, Callable[..., Any], tuple[Any, ...]]
"""A callback that is to be called now: whose it is, and in which context."""

_OWNER: ContextVar[Mortal | None] = ContextVar("owner", default=None)
NOBODY = Context()
"""The context of what no process owns: the broker, the group, the faults."""


class Timer:
    """A callback that is to be called at a time."""

    __slots__ = ("args", "callback", "context")

    def __init__(
        self, callback: Callable[..., Any] | None, args: tuple[Any, ...], context: Context
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None


class SimulatedLoop(asyncio.AbstractEventLoop):
    """As much of a loop as asyncio's tasks, futures and timeouts ask for."""

    def __init__(self, rng: Random) -> None:
        self._draw = rng.random
        self._now = 0.0
        self._ready: list[_Ready] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._number = 0
        self.steps = 0
        self.stopped = False

    def time(self) -> float:
        return self._now

    get_debug = staticmethod(bool)  # never; asked so often that it matters

    def is_running(self) -> bool:
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Whoever owns a task looks after it."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coroutine: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        return asyncio.Task(coroutine, loop=self, name=name, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """There is one thread: at once."""
        done = self.create_future()
        done.set_result(function(*args))
        return done

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> None:
        """Whoever calls this takes no handle: neither do tasks nor futures."""
        if context is None:
            context = copy_context()
        self._ready.append((context.get(_OWNER), context, callback, args))

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> Timer:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> Timer:
        timer = Timer(callback, args, copy_context() if context is None else context)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, timer))
        return timer

    def resume(self, mortal: Mortal) -> None:
        """End its pause."""
        if mortal.held is not None:
            self._ready += mortal.held
            mortal.held = None

    def run_until(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """Run until that is so, asked whenever time is about to pass; whether it came to be.
        Returns also when it has been ``stopped``."""
        asyncio.events._set_running_loop(self)
        try:
            while True:
                self._run_ready()
                if self.stopped:
                    return False
                if is_done():
                    return True
                if not self._timers or self._timers[0][0] > deadline:
                    self._now = max(self._now, deadline)
                    return False
                self._pass_time()
        finally:
            asyncio.events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready, draw = self._ready, self._draw
        while ready:
            index = int(draw() * len(ready))
            entry = ready[index]
            last = ready.pop()
            if last is not entry:
                ready[index] = last
            owner, context, callback, args = entry
            if owner is not None:
                if owner.dead:
                    continue
                if owner.held is not None or (owner.steps_left >= 0 and not owner.step()):
                    if owner.held is not None:
                        owner.held.append(entry)
                    continue
            self.steps += 1
            try:
                context.run(callback, *args)
            except Ended:  # a context manager would cost as much as the step
                continue

    def _pass_time(self) -> None:
        timers, ready = self._timers, self._ready
        self._now = now = timers[0][0]
        while timers and timers[0][0] <= now:
            timer = heapq.heappop(timers)[2]
            if timer.callback is not None:
                context = timer.context
                ready.append((context.get(_OWNER), context, timer.callback, timer.args))
