"""The home of time: which pane a minute belongs to, and what a window spans at an instant.

Instants are microseconds since the epoch (UTC); all else here is minutes since then, or panes of so
many minutes counted from then. Whatever else a window is to be – a month of a calendar – is another
class with what ``Window`` has.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, overload

from funnel_stream.arrays import Ints, Mask

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 1440
"""Pane sizes, in minutes."""

MINUTE_US: Final = 60_000_000
DAY_US: Final = DAY * MINUTE_US

RETENTION: Final = {MINUTE: 120, HOUR: 35 * 24, DAY: 400}
"""How many panes of each size are kept."""

_UNIT_MINUTES: Final = {"m": 1, "h": HOUR, "d": DAY}
LENGTH = re.compile(r"([1-9]\d{0,5})([mhd])")


def minutes_of(length: str) -> int:
    """Minutes of a length like ``24h``. Raises ``ValueError``."""
    match = LENGTH.fullmatch(length)
    if not match:
        raise ValueError(
            f"{length!r} is not a length; write a whole number and m, h or d, like 24h or 30d"
        )
    return int(match[1]) * _UNIT_MINUTES[match[2]]


@overload
def pane_of(minute: int, size: int, matured: bool = False) -> int: ...
@overload
def pane_of(minute: Ints, size: int, matured: Mask) -> Ints: ...
def pane_of(minute: Any, size: int, matured: Any = False) -> Any:
    """The pane of a size that a fact of a minute counts in: the one that holds it, or, of a matured
    fact, the first that starts at or after it, so that it never counts early."""
    return (minute + matured * (size - 1)) // size


def has_matured(size: int) -> bool:
    """Whether panes of a size hold matured facts: those of a minute do not, for they serve windows
    of two hours at most, in which no matured conversion is shown."""
    return size > MINUTE


class Span(NamedTuple):
    """Panes of a size, from ``first`` to ``last``, both included; none where ``last < first``."""

    size: int
    first: int
    last: int

    @property
    def begins(self) -> int:
        """Its first minute."""
        return self.first * self.size

    @property
    def ends(self) -> int:
        """The minute after its last."""
        return (self.last + 1) * self.size

    def covers(self, pane: Ints) -> Mask:
        """Which of some panes of its size are in it."""
        return (pane >= self.first) & (pane <= self.last)

    def without(self, other: "Span") -> tuple["Span", ...]:
        """Those of its panes that are not in another span of the same size, oldest first."""
        if self.overlaps(other):
            before = self._replace(last=other.first - 1)
            after = self._replace(first=other.last + 1)
            return tuple(part for part in (before, after) if part)
        return (self,) if self else ()

    def overlaps(self, other: "Span") -> bool:
        """Whether any pane is in both."""
        return max(self.first, other.first) <= min(self.last, other.last)

    def __bool__(self) -> bool:
        """Whether it has any pane."""
        return self.first <= self.last


def latest(panes: int, size: int, minute: int) -> Span:
    """The last so many panes of a size as of a minute: that in progress, and those before it."""
    last = minute // size
    return Span(size, last - panes + 1, last)


class TrendSpans(NamedTuple):
    """What is looked at to see how a window came about, all in panes of one size.

    ``buckets``: the window in parts, oldest first; the last has not ended yet. ``whole``: those of
    its panes that have ended; ``before``: the same ones one window earlier.
    """

    buckets: tuple[Span, ...]
    whole: Span
    before: Span


class Window(NamedTuple):
    """A sliding window: its label, its number of panes and their size in minutes."""

    name: str
    panes: int
    pane: int

    @classmethod
    def named(cls, name: str) -> "Window":
        """The window of that length, on the finest panes that are kept long enough.

        Raises ``ValueError`` where the length is not a multiple of its pane or too long.
        """
        length = minutes_of(name)
        for pane, kept in RETENTION.items():
            if length <= kept * pane:
                if length % pane:
                    unit, below = ("h" if pane == HOUR else "d"), length // pane
                    raise ValueError(
                        f"{name} is not a multiple of its panes of {pane} minutes; "
                        f"write {below}{unit} or {below + 1}{unit}"
                    )
                return cls(name, length // pane, pane)
        raise ValueError(f"{name} is longer than the 400d that panes are kept; write a shorter one")

    @property
    def minutes(self) -> int:
        return self.panes * self.pane

    @property
    def judges(self) -> bool:
        """Whether matured conversions are shown in it: not in less than a day."""
        return self.minutes >= DAY

    def at(self, minute: int) -> Span:
        """The panes that it holds as of a minute."""
        return latest(self.panes, self.pane, minute)

    def holds(self, minute: int, *, matured: bool = False) -> range:
        """The minutes of the facts that count in it as of a minute."""
        span = self.at(minute)
        earlier = self.pane - 1 if matured else 0
        return range(span.begins - earlier, span.ends - earlier)

    def stay(self, minute: int, *, matured: bool = False) -> tuple[int, int]:
        """From which minute to before which one a fact of a minute counts in it."""
        enters = pane_of(minute, self.pane, matured) * self.pane
        return enters, enters + self.minutes

    def passed(self, as_of: int) -> float:
        """How much of it has passed as of an instant, in days of 24 hours: of the pane in progress
        a part."""
        return (as_of - self.at(as_of // MINUTE_US).begins * MINUTE_US) / DAY_US

    @property
    def grain(self) -> tuple[int, int]:
        """The panes that its trend is made of: the coarsest ones (their size in minutes) of which
        it is long enough to have 24, and how many of them."""
        coarser = [size for size in RETENTION if size > self.pane and self.minutes >= 24 * size]
        size = max(coarser, default=self.pane)
        return size, self.minutes // size

    def trend_spans(self, minute: int, most_buckets: int) -> TrendSpans:
        """How it came about as of a minute, in so many buckets at most."""
        size, number = self.grain
        last = minute // size
        together = -(-number // most_buckets)
        starts = range(last - number // together * together + 1, last + 1, together)
        return TrendSpans(
            tuple(Span(size, start, start + together - 1) for start in starts),
            Span(size, last - number + 1, last - 1),
            Span(size, last - 2 * number + 1, last - 1 - number),
        )

    def kept(self) -> dict[int, int]:
        """How many panes it needs, by size: its own, and those of its trend, for the window before
        as well where panes may be kept so long."""
        size, number = self.grain
        both = 2 * number
        panes_of_window = self.panes if size == self.pane else 0
        needed = {self.pane: self.panes}
        needed[size] = max(panes_of_window, both if both <= RETENTION[size] else number)
        return needed


def panes_kept(windows: Iterable[Window]) -> dict[int, int]:
    """How many panes are kept, by size: as many as the window needs that needs most."""
    kept: dict[int, int] = {}
    for window in windows:
        for size, panes in window.kept().items():
            kept[size] = max(kept.get(size, 0), panes)
    return kept


def oldest_kept(windows: Iterable[Window], minute: int) -> int:
    """The minute with which the oldest pane begins that is kept as of another one."""
    kept = panes_kept(windows).items()
    return min(latest(panes, size, minute).begins for size, panes in kept)
