"""The loop's time as the time of day: virtual where the loop's is."""

import asyncio


class LoopClock:
    """Counts the seconds of the running loop from an instant on (``wall``: seconds since 1970)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wall: float) -> None:
        self._time = loop.time
        self._wall = wall - loop.time()

    def monotonic(self) -> float:
        return self._time()

    def wall(self) -> float:
        return self._wall + self._time()

    def cpu(self) -> float:
        """Nothing takes time."""
        return 0.0
