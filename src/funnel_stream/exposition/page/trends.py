"""Trends of the figures on the page: computed beside the stream, when somebody looks, and not more
often than their cost allows."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from funnel_stream.definition.time import Window, minutes_of
from funnel_stream.exposition.page import drawing
from funnel_stream.exposition.page.figures import Figure, figures, time_to_win, written
from funnel_stream.exposition.page.special_cases import begins_at_once, counted_by, is_sample
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.samples import Scopes
from funnel_stream.windows.tables import Cells, Snapshot
from funnel_stream.windows.trends import Trend

_COOLDOWN: Final = 40
"""Seconds of pause per second of computing, shared by all trends."""
_FIRST_COOLDOWN: Final = 4
"""The same before a trend that nobody has seen yet."""
_MIN_COOLDOWN_SECONDS: Final = 2.0
_LOOKING_SECONDS: Final = 60.0
_KEPT_SECONDS: Final = 300.0
"""A trend that nobody looked at for so long is forgotten."""

_SeriesId = tuple[str, tuple[str, ...]]
_BucketValues = dict[_SeriesId, float | None]


_TIMES_FROM: Final = 10
"""From here on a change is a multiple, not a percentage."""
_LEAST_NUMBER: Final = 10
"""With fewer than this in either window a change says nothing."""


@dataclass(frozen=True)
class Change:
    """Against the window before. ``direction``: ``up``, ``down`` or ``same``."""

    text: str
    direction: str
    title: str


@dataclass(frozen=True)
class TrendSummary:
    """How a figure went: the line of its trend, the same in words, and its change."""

    curve: drawing.Curve
    text: str
    change: Change | None


EMPTY_TREND: Final = TrendSummary(drawing.curve(()), "", None)


class _Sized(NamedTuple):
    """The value of a figure, and of how many things it is made (``None``: not known)."""

    value: float | None
    number: float | None


_Whole = dict[_SeriesId, _Sized]


@dataclass(frozen=True)
class ShownTrend:
    """The figures of every bucket of a window, of the window's ended panes and of those before.

    ``starts`` in minutes since the epoch, ``minutes``: how long a bucket is. ``_before_from``: the
    minute with which the window before begins; ``_began``: when the pipeline's facts began;
    ``_cycle``: minutes within which nine of ten won deals are won.
    """

    starts: tuple[int, ...]
    minutes: int
    _buckets: list[_BucketValues]
    _whole: _Whole
    _before: _Whole | None
    _before_from: int
    _began: int | None
    _cycle: float
    _summaries: dict[_SeriesId, TrendSummary] = field(default_factory=dict)

    def summary(self, figure: Figure) -> TrendSummary:
        """How a figure went. Computed once for all readers, until there is another trend."""
        key = figure.kpi.id, figure.key
        known = self._summaries.get(key)
        if known is None:
            values = self.values(figure)
            known = self._summaries[key] = TrendSummary(
                curve=drawing.curve(values),
                text=_in_words(figure.kpi, values),
                change=self._change(figure),
            )
        return known

    def values(self, figure: Figure) -> Sequence[float | None]:
        """A figure bucket by bucket, oldest first; empty for what has no past, or none that could
        be compared bucket by bucket. There is no figure, not even 0, until the facts had begun."""
        if not _has_past(figure.kpi) or figure.is_maturing:
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
        if self._before is None or figure.is_maturing or not self._was_running(figure):
            return None
        now = self._sized(self._whole, figure)
        before = self._sized(self._before, figure)
        if not (_is_enough(figure.kpi, now) and _is_enough(figure.kpi, before)):
            return None
        return _change(figure.kpi, now.value, before.value)

    def _was_running(self, figure: Figure) -> bool:
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
    title = f"{written(kpi, now)} after {written(kpi, before)} in the previous window"
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


def shown_trend(
    trend: Trend, scopes: Scopes, pipeline: str, window: Window, *, cycle: float = 0.0
) -> ShownTrend:
    """The KPIs of each bucket of a trend. ``cycle``: seconds of a sales cycle."""

    def found(cells: Cells) -> list[Figure]:
        scope = scopes.holding(cells, pipeline, window)
        return [figure for kpi in KPIS if _has_past(kpi) for figure in figures(kpi, scope)]

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


class _CachedTrend:
    """A trend that somebody looks at."""

    def __init__(self) -> None:
        self.shown: ShownTrend | None = None
        self.version = -1
        self.computed_at = self.looked_at = 0.0
        self.task: asyncio.Task[None] | None = None


class Trends:
    """The trends of all views, computed one at a time by a thread beside the stream."""

    def __init__(self) -> None:
        self._cached: dict[tuple[str, str], _CachedTrend] = {}
        self._turn = asyncio.Lock()
        self._cooldown_until = self._first_at = 0.0

    async def of(
        self, snapshot: Snapshot, scopes: Scopes, pipeline: str, window: Window, *, wait: float
    ) -> ShownTrend | None:
        """The last one computed; if there is none, what can be had in ``wait`` seconds."""
        now = time.monotonic()
        cached = self._cached.setdefault((pipeline, window.name), _CachedTrend())
        cached.looked_at = now
        # What nobody has seen yet is kept waiting less; of the others the oldest one has its turn.
        due = (cached.shown is None and now >= self._first_at) or (
            cached.version != snapshot.version
            and now >= self._cooldown_until
            and not self._turn.locked()
            and cached is self._oldest(now)
        )
        if due and (cached.task is None or cached.task.done()):
            work = self._compute(cached, snapshot, scopes, pipeline, window)
            cached.task = asyncio.create_task(work)
        if cached.shown is None and cached.task is not None and wait:
            await asyncio.wait([cached.task], timeout=wait)
        return cached.shown

    def _oldest(self, now: float) -> _CachedTrend:
        """Of the trends that somebody looks at."""
        looked_at = [
            cached for cached in self._cached.values() if now - cached.looked_at < _LOOKING_SECONDS
        ]
        return min(looked_at, key=lambda cached: cached.computed_at)

    async def _compute(
        self,
        cached: _CachedTrend,
        snapshot: Snapshot,
        scopes: Scopes,
        pipeline: str,
        window: Window,
    ) -> None:
        async with self._turn:
            begun = time.monotonic()
            cached.shown = await asyncio.to_thread(_computed, snapshot, scopes, pipeline, window)
            cached.version, cached.computed_at = snapshot.version, begun
            took = time.monotonic() - begun
            self._cooldown_until = begun + took + max(_MIN_COOLDOWN_SECONDS, _COOLDOWN * took)
            self._first_at = begun + took + _FIRST_COOLDOWN * took
        for key in [key for key, cached in self._cached.items() if _is_forgotten(cached, begun)]:
            del self._cached[key]


def _computed(snapshot: Snapshot, scopes: Scopes, pipeline: str, window: Window) -> ShownTrend:
    won = time_to_win(scopes, pipeline, snapshot.definition.longest_window())
    trend = snapshot.past.trend(pipeline, window)
    return shown_trend(trend, scopes, pipeline, window, cycle=won.quantiles.get("0.9", 0.0))


def _is_forgotten(cached: _CachedTrend, now: float) -> bool:
    return now - cached.looked_at > _KEPT_SECONDS
