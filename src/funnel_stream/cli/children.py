"""Processes that a command starts for itself and never leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from funnel_stream.errors import FunnelError

_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 12


class Child:
    """A verb of funnel-stream in a process of its own, whose output goes to a log file."""

    def __init__(self, verb: str, *arguments: str, log: Path) -> None:
        self.verb = verb
        self._log = log
        with log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the parent alone, which ends them in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "funnel_stream", verb, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises ``FunnelError`` with the end of the log if the process is no longer there."""
        code = self._process.poll()
        if code is not None:
            by = signal.Signals(-code).name if code < 0 else ""
            how = f"was killed by {by}" if by else f"ended with exit code {code}"
            raise FunnelError(
                f"the {self.verb} {how}",
                hint=f"The end of its log, {self._log}:\n{self._tail()}",
            )

    def stop(self) -> None:
        """Ask it to end (SIGTERM), insist after a while, and wait until it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (nothing)"


class Children:
    """Children that are ended together, the last one first, when the block ends however it ends."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Child] = []

    def start(self, verb: str, *arguments: str) -> Child:
        child = Child(verb, *arguments, log=self._logs / f"{verb}.log")
        self._running.append(child)
        return child

    def check(self) -> None:
        """Raises ``FunnelError`` if one of them has ended."""
        for child in self._running:
            child.check()

    def wait_for(self, what: str, found: Callable[[], bool], seconds: float) -> None:
        """Wait until ``found``; raises ``FunnelError`` if a child ends or time is up."""
        deadline = time.monotonic() + seconds
        while not found():
            self.check()
            if time.monotonic() > deadline:
                raise FunnelError(f"{what} did not come within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._running:
            self._running.pop().stop()
