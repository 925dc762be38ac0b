"""Trends of the figures on the page: reckoned beside the stream, when somebody looks, and not more
often than their cost allows."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from funnel_stream.definition.time import Window, minutes_of
from funnel_stream.exposition.page import drawing
from funnel_stream.exposition.page.figures import Figure, figures, time_to_win, written
from funnel_stream.exposition.page.particulars import begins_at_once, counted_by, is_sample
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.samples import Places
from funnel_stream.windows.tables import Cells, Snapshot
from funnel_stream.windows.trends import Trend

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
_LEAST_NUMBER: Final = 10
"""Of fewer things than that, in either window, a change says nothing."""


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


class _Sized(NamedTuple):
    """The value of a figure, and of how many things it is made (``None``: not known)."""

    value: float | None
    number: float | None


_Whole = dict[_Key, _Sized]


@dataclass(frozen=True)
class ShownTrend:
    """The figures of every bucket of a window, of the window's ended panes and of those before.

    ``starts`` in minutes since the epoch, ``minutes``: how long a bucket is. ``_before_from``: the
    minute with which the window before begins; ``_began``: when the pipeline's facts began;
    ``_cycle``: minutes within which nine of ten won deals are won.
    """

    starts: tuple[int, ...]
    minutes: int
    _buckets: list[_Values]
    _whole: _Whole
    _before: _Whole | None
    _before_from: int
    _began: int | None
    _cycle: float
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
                change=self._change(figure),
            )
        return known

    def values(self, figure: Figure) -> Sequence[float | None]:
        """A figure bucket by bucket, oldest first; empty for what has no past, or none that could
        be compared bucket by bucket. There is no figure, not even 0, until the facts had begun."""
        if not _has_past(figure.kpi) or figure.ripens:
            return ()
        key, nothing = (figure.kpi.id, figure.key), _nothing(figure)
        began = self.starts[-1] if self._began is None else self._began
        return [
            bucket.get(key, nothing) if start >= began else None
            for start, bucket in zip(self.starts, self._buckets, strict=True)
        ]

    def whole(self, figure: Figure) -> float | None:
        """Of the panes of the window that have ended."""
        return self._sized(self._whole, figure).value

    def before(self, figure: Figure) -> float | None:
        """Of the same panes one window earlier; ``None`` where panes are not kept so long."""
        return None if self._before is None else self._sized(self._before, figure).value

    def _sized(self, of: _Whole, figure: Figure) -> _Sized:
        nothing = _nothing(figure)
        return of.get((figure.kpi.id, figure.key), _Sized(nothing, nothing))

    def _change(self, figure: Figure) -> Change | None:
        """Between like and like only: windows of a funnel that was going, and enough in both."""
        if self._before is None or figure.ripens or not self._was_going(figure):
            return None
        now = self._sized(self._whole, figure)
        before = self._sized(self._before, figure)
        if not (_is_enough(figure.kpi, now) and _is_enough(figure.kpi, before)):
            return None
        return _change(figure.kpi, now.value, before.value)

    def _was_going(self, figure: Figure) -> bool:
        """Whether a figure was what it always is when the window before began: a funnel whose facts
        begin has leads at once, but for a sales cycle too few that got any further, and none that
        is of an age."""
        if self._began is None:
            return False
        lead_in = 0 if begins_at_once(figure.kpi) else self._cycle
        if horizon := figure.labels.get("horizon"):
            lead_in += minutes_of(horizon)
        return self._began + lead_in <= self._before_from


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
    """The present has none, nor has what is multiplied by it, or divided by a window's days."""
    return not (kpi.of_now or kpi.unit == "money a day")


def _nothing(figure: Figure) -> float | None:
    """Where there is no series: nothing counted is 0, nothing to divide by is no figure."""
    counted = _has_past(figure.kpi) and figure.kpi.form.suffixes == ("",)
    return 0.0 if counted else None


def _is_enough(kpi: Kpi, sized: _Sized) -> bool:
    return not is_sample(kpi) or (sized.number or 0) >= _LEAST_NUMBER


def _with_numbers(found: Sequence[Figure]) -> _Whole:
    """Figures by their keys. A sum of money is made of the deals that are counted beside it, but of
    how many nobody knows where the window has several currencies."""
    counts = {(figure.kpi.id, figure.key): figure.number for figure in found}
    currencies = {figure.labels["currency"] for figure in found if "currency" in figure.labels}
    sized = {}
    for figure in found:
        number = figure.number
        if (counted := counted_by(figure.kpi, figure.labels)) and len(currencies) == 1:
            number = counts.get(counted)
        sized[figure.kpi.id, figure.key] = _Sized(figure.value, number)
    return sized


def shown(
    trend: Trend, places: Places, pipeline: str, window: Window, *, cycle: float = 0.0
) -> ShownTrend:
    """The KPIs of each bucket of a trend. ``cycle``: seconds of a sales cycle."""

    def found(cells: Cells) -> list[Figure]:
        place = places.holding(cells, pipeline, window)
        return [figure for kpi in KPIS if _has_past(kpi) for figure in figures(kpi, place)]

    return ShownTrend(
        starts=trend.starts,
        minutes=trend.minutes,
        _buckets=[
            {(figure.kpi.id, figure.key): figure.value for figure in found(cells)}
            for cells in trend.buckets
        ],
        _whole=_with_numbers(found(trend.whole)),
        _before=None if trend.before is None else _with_numbers(found(trend.before)),
        _before_from=trend.before_from,
        _began=trend.began,
        _cycle=cycle / 60,
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
    won = time_to_win(places, pipeline, snapshot.definition.longest_window())
    trend = snapshot.past.trend(pipeline, window)
    return shown(trend, places, pipeline, window, cycle=won.quantiles.get("0.9", 0.0))


def _is_forgotten(kept: _Kept, now: float) -> bool:
    return now - kept.looked_at > _KEPT_SECONDS
