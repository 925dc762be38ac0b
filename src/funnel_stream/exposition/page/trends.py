"""Trends of the figures on the page: reckoned beside the stream, when somebody looks, and not more
often than their cost allows."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from funnel_stream.catalogue import KPIS, Kpi
from funnel_stream.definition import Window
from funnel_stream.exposition.page import drawing
from funnel_stream.exposition.page.figures import Figure, figures, written
from funnel_stream.past import Trend
from funnel_stream.samples import Places
from funnel_stream.shapes import Velocity
from funnel_stream.windows import Cells, Snapshot

_REST: Final = 40
"""After reckoning for a second there is a rest of so many, shared by all trends."""
_FIRST_REST: Final = 4
"""So many before one that nobody has seen yet."""
_LEAST_REST_SECONDS: Final = 2.0
_LOOKING_SECONDS: Final = 60.0
_KEPT_SECONDS: Final = 300.0
"""A trend that nobody looked at for so long is forgotten."""

_Key = tuple[str, tuple[str, ...]]
_Values = dict[_Key, float | None]


_TIMES_FROM: Final = 10
"""From here on a change is told in times, not in per cent."""


@dataclass(frozen=True)
class Change:
    """Against the window before. ``direction``: ``up``, ``down`` or ``same``."""

    text: str
    direction: str
    title: str


@dataclass(frozen=True)
class Course:
    """How a figure went: the line of its trend, the same in words, and its change."""

    line: drawing.Line
    text: str
    change: Change | None


NO_COURSE: Final = Course(drawing.line(()), "", None)


@dataclass(frozen=True)
class ShownTrend:
    """The figures of every bucket of a window, of the window's ended panes and of those before.

    ``starts`` in minutes since the epoch, ``minutes``: how long a bucket is.
    """

    starts: tuple[int, ...]
    minutes: int
    _buckets: list[_Values]
    _whole: _Values
    _before: _Values | None
    _courses: dict[_Key, Course] = field(default_factory=dict)

    def course(self, figure: Figure) -> Course:
        """How a figure went. Reckoned once, for all who look at it until there is another trend."""
        key = figure.kpi.id, figure.key
        known = self._courses.get(key)
        if known is None:
            values = self.values(figure)
            known = self._courses[key] = Course(
                line=drawing.line(values),
                text=_in_words(figure.kpi, values),
                change=_change(figure.kpi, self.whole(figure), self.before(figure)),
            )
        return known

    def values(self, figure: Figure) -> Sequence[float | None]:
        """A figure bucket by bucket, oldest first; empty for what has no past."""
        if not _has_past(figure.kpi):
            return ()
        return [_value(bucket, figure) for bucket in self._buckets]

    def whole(self, figure: Figure) -> float | None:
        """Of the panes of the window that have ended."""
        return _value(self._whole, figure)

    def before(self, figure: Figure) -> float | None:
        """Of the same panes one window earlier; ``None`` where panes are not kept so long."""
        return _value(self._before, figure) if self._before is not None else None


def _in_words(kpi: Kpi, values: Sequence[float | None]) -> str:
    """What a trend shows, for those who do not see it; as the line, without what goes on."""
    known = [value for value in values[:-1] if value is not None]
    if not known:
        return ""
    low, high, last = (written(kpi, value) for value in (min(known), max(known), known[-1]))
    return f"between {low} and {high}, {last} at the end"


def _change(kpi: Kpi, now: float | None, before: float | None) -> Change | None:
    if now is None or before is None:
        return None
    title = f"{written(kpi, now)} after {written(kpi, before)} in the window before"
    if kpi.unit == "ratio":
        text = f"{100 * (now - before):+,.1f} pp"
    elif before and now / before >= _TIMES_FROM:
        text = f"×{now / before:,.0f}"
    elif before:
        text = f"{100 * (now - before) / abs(before):+,.1f} %"
    else:
        return Change("new", "up", title) if now else None
    if not any(digit in text for digit in "123456789"):
        return Change("±0", "same", title)
    return Change(text.replace("-", "−"), "up" if now > before else "down", title)


def _has_past(kpi: Kpi) -> bool:
    """The present has none, nor has what is multiplied by it."""
    return not (kpi.of_now or isinstance(kpi.shape, Velocity))


def _value(values: _Values, figure: Figure) -> float | None:
    """Where there is no series: nothing counted is 0, nothing to divide by is no figure."""
    if not _has_past(figure.kpi):
        return None
    nothing = 0.0 if figure.kpi.shape.suffixes == ("",) else None
    return values.get((figure.kpi.id, figure.key), nothing)


def shown(trend: Trend, places: Places, pipeline: str, window: Window) -> ShownTrend:
    """The KPIs of each bucket of a trend."""

    def values(cells: Cells) -> _Values:
        place = places.holding(cells, pipeline, window)
        return {
            (kpi.id, figure.key): figure.value
            for kpi in KPIS
            if _has_past(kpi)
            for figure in figures(kpi, place)
        }

    return ShownTrend(
        starts=trend.starts,
        minutes=trend.minutes,
        _buckets=[values(cells) for cells in trend.buckets],
        _whole=values(trend.whole),
        _before=None if trend.before is None else values(trend.before),
    )


class _Kept:
    """A trend that somebody looks at."""

    def __init__(self) -> None:
        self.shown: ShownTrend | None = None
        self.version = -1
        self.reckoned_at = self.looked_at = 0.0
        self.task: asyncio.Task[None] | None = None


class Trends:
    """The trends of all views, reckoned one at a time by a thread beside the stream."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._turn = asyncio.Lock()
        self._rest_until = self._first_at = 0.0

    async def of(
        self, snapshot: Snapshot, places: Places, pipeline: str, window: Window, *, wait: float
    ) -> ShownTrend | None:
        """The last one that was reckoned; if there is none, what can be had in ``wait`` seconds."""
        now = time.monotonic()
        kept = self._kept.setdefault((pipeline, window.name), _Kept())
        kept.looked_at = now
        # What nobody has seen yet is kept waiting less; of the others the oldest one has its turn.
        due = (kept.shown is None and now >= self._first_at) or (
            kept.version != snapshot.version
            and now >= self._rest_until
            and not self._turn.locked()
            and kept is self._oldest(now)
        )
        if due and (kept.task is None or kept.task.done()):
            work = self._reckon(kept, snapshot, places, pipeline, window)
            kept.task = asyncio.create_task(work)
        if kept.shown is None and kept.task is not None and wait:
            await asyncio.wait([kept.task], timeout=wait)
        return kept.shown

    def _oldest(self, now: float) -> _Kept:
        """Of the trends that somebody looks at."""
        looked_at = [
            kept for kept in self._kept.values() if now - kept.looked_at < _LOOKING_SECONDS
        ]
        return min(looked_at, key=lambda kept: kept.reckoned_at)

    async def _reckon(
        self, kept: _Kept, snapshot: Snapshot, places: Places, pipeline: str, window: Window
    ) -> None:
        async with self._turn:
            begun = time.monotonic()
            kept.shown = await asyncio.to_thread(_reckoned, snapshot, places, pipeline, window)
            kept.version, kept.reckoned_at = snapshot.version, begun
            took = time.monotonic() - begun
            self._rest_until = begun + took + max(_LEAST_REST_SECONDS, _REST * took)
            self._first_at = begun + took + _FIRST_REST * took
        for key in [key for key, kept in self._kept.items() if _is_forgotten(kept, begun)]:
            del self._kept[key]


def _reckoned(snapshot: Snapshot, places: Places, pipeline: str, window: Window) -> ShownTrend:
    return shown(snapshot.past.trend(pipeline, window), places, pipeline, window)


def _is_forgotten(kept: _Kept, now: float) -> bool:
    return now - kept.looked_at > _KEPT_SECONDS
