"""What windows and panes are: lengths of time, and which panes a window is made of."""

import re
from typing import Final, NamedTuple

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 1440
"""Pane sizes, in minutes."""

RETENTION: Final = {MINUTE: 120, HOUR: 35 * 24, DAY: 400}
"""How many panes of each size are kept."""

_UNIT_MINUTES: Final = {"m": 1, "h": HOUR, "d": DAY}
LENGTH = re.compile(r"([1-9]\d{0,5})([mhd])")


def minutes_of(length: str) -> int:
    """Minutes of a length like ``24h``. Raises ``ValueError``."""
    match = LENGTH.fullmatch(length)
    if not match:
        raise ValueError(
            f"{length!r} is no length; write a whole number and m, h or d, like 24h or 30d"
        )
    return int(match[1]) * _UNIT_MINUTES[match[2]]


class Window(NamedTuple):
    """A sliding window: its label, its number of panes and their size in minutes."""

    name: str
    panes: int
    pane: int

    @classmethod
    def named(cls, name: str) -> "Window":
        """The window of that length, on the finest panes that are kept long enough.

        Raises ``ValueError`` where the length is no multiple of its pane or too long.
        """
        length = minutes_of(name)
        for pane, kept in RETENTION.items():
            if length <= kept * pane:
                if length % pane:
                    unit, below = ("h" if pane == HOUR else "d"), length // pane
                    raise ValueError(
                        f"{name} is no multiple of its panes of {pane} minutes; "
                        f"write {below}{unit} or {below + 1}{unit}"
                    )
                return cls(name, length // pane, pane)
        raise ValueError(f"{name} is longer than the 400d that panes are kept; write less")

    @property
    def minutes(self) -> int:
        return self.panes * self.pane

    @property
    def grain(self) -> tuple[int, int]:
        """The panes that its trend is made of: the coarsest ones (their size in minutes) of which
        it is long enough to have 24, and how many of them."""
        coarser = [size for size in RETENTION if size > self.pane and self.minutes >= 24 * size]
        size = max(coarser, default=self.pane)
        return size, self.minutes // size
