"""The funnel's page and a KPI's page, put together from their parts."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from funnel_stream.contract.timestamps import moment
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, HOUR, MINUTE_US
from funnel_stream.exposition.page import breakdown as breakdowns
from funnel_stream.exposition.page.figures import Figure, figures, time_to_win
from funnel_stream.exposition.page.funnel import ByKpi, funnel
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.notes import Note, notes
from funnel_stream.exposition.page.service import service
from funnel_stream.exposition.page.site import part, render
from funnel_stream.exposition.page.tiles import Reading, tile
from funnel_stream.exposition.page.trends import ShownTrend, Trends
from funnel_stream.exposition.page.view import Choices, View, basis_in_words, choices, parse_view
from funnel_stream.kpis.accounting import fates_of_leads
from funnel_stream.kpis.catalogue import BY_ID, KPIS, broken_down
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.reference import STAGE_TITLES
from funnel_stream.kpis.samples import Scopes, scope_label_set
from funnel_stream.kpis.scope import label_text
from funnel_stream.reporting import Reporter
from funnel_stream.windows.tables import Snapshot

Parts = dict[str, str]
"""HTML by the id of its element: what is replaced on a live page when it changes."""

FIRST_WAIT_SECONDS: Final = 0.15
"""How long a page waits for trends not computed yet; after that they arrive live."""
_HELD_SECONDS: Final = 5.0
_PASSING_SECONDS: Final = 0.3

BASES: Final = {
    "period": "What happened in the window, no matter to which deals.",
    "cohort": "Of the leads that came in during the window: how far they have got.",
    "matured": "Of the leads that turned {horizon} old in the window: how far they had got by "
    "then.",
}


@dataclass(frozen=True)
class PageData:
    """What a reader looks at, and all figures of it. ``won``: how long it takes to win a deal."""

    snapshot: Snapshot
    scopes: Scopes
    view: View
    possible: Choices
    by_kpi: ByKpi
    won: Figure
    trend: ShownTrend | None

    def series(self, figure: Figure, value: str = "") -> str:
        """A figure's series, named as on ``/metrics``; ``value``: of the dimension."""
        view, kpi = self.view, figure.kpi
        window = None if kpi.of_now else view.window.name
        scope_labels = scope_label_set(
            view.pipeline, window, view.dimension if value else "", value
        )
        name = kpi.metric + ("_breakdown" if value else "")
        return f"{name}{{{label_text({**scope_labels.labels, **figure.labels})}}}"


class Page(ABC):
    """One page of a view, whole or part by part."""

    path: str
    template: str

    def __init__(self, pages: "Pages", query: Mapping[str, str]) -> None:
        self._pages = pages
        self._query = query

    async def html(self, snapshot: Snapshot) -> str:
        """The whole page. Raises ``UsageError`` for a query that makes no sense."""
        data = await self._pages.data(snapshot, self._query, wait=FIRST_WAIT_SECONDS)
        context = {**self._pages.context(data, self.path), **self._own_context()}
        return render(self.template, **context, parts=self._parts(data))

    def check(self, snapshot: Snapshot) -> None:
        """Raises ``UsageError`` for a query that makes no sense."""
        self._pages.check(snapshot, self._query)

    async def parts(self, snapshot: Snapshot) -> Parts:
        return self._parts(await self._pages.data(snapshot, self._query, wait=0.0))

    @abstractmethod
    def passing(self, snapshot: Snapshot) -> Parts:
        """What changes by itself."""

    @abstractmethod
    def _own_context(self) -> dict[str, Any]:
        """What its template needs beside what all pages have."""

    @abstractmethod
    def _parts(self, data: PageData) -> Parts: ...

    def _notes(self, data: PageData, kpis: Iterable[Kpi]) -> list[Note]:
        view = data.view
        zero_amounts = data.scopes.won_with_zero_amount(view.pipeline, view.window)
        return notes(view, data.by_kpi, data.won, zero_amounts, self._pages.definition, kpis)


class HomePage(Page):
    """The page of a pipeline's funnel."""

    path = "/"
    template = "home.html"

    def passing(self, snapshot: Snapshot) -> Parts:
        return self._pages.passing(snapshot)

    def _own_context(self) -> dict[str, Any]:
        stages = [
            {"number": stage, "title": title, "kpis": [k for k in KPIS if k.stage == stage]}
            for stage, title in STAGE_TITLES.items()
        ]
        return {"stages": stages}

    def _parts(self, data: PageData) -> Parts:
        links, view = self._pages.links, data.view
        of = breakdowns.one_each(broken_down(links.definition), data.by_kpi, view)
        table = breakdowns.breakdown(data.scopes, of, view, links)
        drawn = funnel(
            data.by_kpi,
            view,
            links,
            ever=data.scopes.leads(view.pipeline),
            fates=fates_of_leads(data.scopes.total(view.pipeline, view.window)),
        )
        tiles = [tile(kpi, data.by_kpi[kpi.id], view, data.trend, links) for kpi in KPIS]
        return {
            **self.passing(data.snapshot),
            "notes": part(
                "parts.html",
                "notes",
                self._notes(data, KPIS),
            ),
            "funnel": part(
                "parts.html", "funnel", drawn, basis_in_words(view.basis), _explained(view)
            ),
            **{
                f"kpi-{each.kpi.id}": part("parts.html", "tile", each, data.series)
                for each in tiles
            },
            "breakdown": part("parts.html", "breakdown", table, data.series),
        }


class KpiPage(Page):
    """The page of one KPI. Raises ``KeyError`` if there is none of that name."""

    template = "kpi.html"

    def __init__(self, pages: "Pages", name: str, query: Mapping[str, str]) -> None:
        super().__init__(pages, query)
        self._kpi = BY_ID[name]
        self.path = f"/kpi/{name}"

    def passing(self, snapshot: Snapshot) -> Parts:
        return {"state": self._pages.passing(snapshot)["state"]}

    def _own_context(self) -> dict[str, Any]:
        return {"kpi": self._kpi}

    def _parts(self, data: PageData) -> Parts:
        links, view, kpi = self._pages.links, data.view, self._kpi
        shown = tile(kpi, data.by_kpi[kpi.id], view, data.trend, links)
        readings = [*shown.readings, *shown.further]
        trend = _trend_table(kpi, readings, data.trend)
        of = breakdowns.all_of(kpi, data.by_kpi, view)
        table = breakdowns.breakdown(data.scopes, of, view, links, self.path)
        return {
            **self.passing(data.snapshot),
            "notes": part(
                "parts.html",
                "notes",
                self._notes(data, [kpi]),
            ),
            "series": part("kpi_parts.html", "series_table", shown, data.series),
            "breakdown": part("parts.html", "breakdown", table, data.series),
            "trend": part("kpi_parts.html", "trend_table", trend),
        }


class Pages:
    """What the pages of a worker share."""

    def __init__(self, reporter: Reporter, definition: Definition) -> None:
        self.definition = definition
        self.links = DealLinks(definition)
        self._reporter = reporter
        self._trends = Trends()
        self._last: _SnapshotCache | None = None
        self._passing: Parts = {}
        self._passed_at = -_PASSING_SECONDS

    async def data(self, snapshot: Snapshot, query: Mapping[str, str], *, wait: float) -> PageData:
        """The view that a query asks for, with its figures; waits so many seconds for its trend."""
        cache = self._cached(snapshot)
        selected = self._selected_view(cache, query)
        by_kpi = cache.figures(selected)
        currencies = _currencies(by_kpi)
        if not selected.currency:
            selected = replace(selected, currency=next(iter(currencies), ""))
        possible = choices(self.definition, cache.pipelines, currencies, selected.pipeline)
        scopes = cache.scopes
        trend = await self._trends.of(
            snapshot, scopes, selected.pipeline, selected.window, wait=wait
        )
        won = cache.time_to_win(selected.pipeline)
        return PageData(snapshot, scopes, selected, possible, by_kpi, won, trend)

    def check(self, snapshot: Snapshot, query: Mapping[str, str]) -> None:
        """Raises ``UsageError`` for a query that makes no sense."""
        self._selected_view(self._cached(snapshot), query)

    def _selected_view(self, cache: "_SnapshotCache", query: Mapping[str, str]) -> View:
        """The view that a query asks for; without a currency if it names none."""
        requested = query.get("pipeline") or next(iter(cache.pipelines), "")
        return parse_view(
            query, choices(self.definition, cache.pipelines, (), requested), self.definition
        )

    def _cached(self, snapshot: Snapshot) -> "_SnapshotCache":
        if self._last is None or self._last.snapshot is not snapshot:
            self._last = _SnapshotCache(snapshot)
            # When nobody looks any more, an old snapshot must not be held.
            loop = asyncio.get_running_loop()
            loop.call_later(_HELD_SECONDS, self._drop, self._last)
        return self._last

    def _drop(self, cache: "_SnapshotCache") -> None:
        if self._last is cache:
            self._last = None

    def context(self, data: PageData, path: str) -> dict[str, Any]:
        """What every page of the view at that path needs."""
        pipelines = self.definition.pipelines
        titles = {name: pipeline.title for name, pipeline in pipelines.items()}
        return {
            "view": data.view,
            "possible": data.possible,
            "path": path,
            "pipeline_title": titles.get(data.view.pipeline) or data.view.pipeline,
            "display": {
                "pipeline": lambda name: titles.get(name) or name,
                "basis": basis_in_words,
                "plain": lambda value: value,
            },
        }

    def passing(self, snapshot: Snapshot) -> Parts:
        """What changes by itself: the time, and the state of the service; made once for all views
        that ask at about the same time."""
        now = time.monotonic()
        if now - self._passed_at > _PASSING_SECONDS:
            self._passed_at = now
            self._passing = {
                "state": part("parts.html", "state", moment(snapshot.as_of)),
                "service": part("parts.html", "service", service(snapshot, self._reporter)),
            }
        return self._passing


class _SnapshotCache:
    """A snapshot with what views of it have in common. ``pipelines``: all that there are, the one
    with most leads first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.scopes = scopes = Scopes(snapshot)
        self.pipelines = sorted(scopes.pipelines, key=lambda name: (-scopes.leads(name), name))
        self._figures: dict[tuple[str, str], dict[str, list[Figure]]] = {}
        self._won: dict[str, Figure] = {}

    def time_to_win(self, pipeline: str) -> Figure:
        """Of the longest window."""
        if pipeline not in self._won:
            longest = self.snapshot.definition.longest_window()
            self._won[pipeline] = time_to_win(self.scopes, pipeline, longest)
        return self._won[pipeline]

    def figures(self, view: View) -> dict[str, list[Figure]]:
        """All figures of a pipeline, in the view's window and now, by KPI."""
        key = view.pipeline, view.window.name
        if key not in self._figures:
            [(in_window, _)] = self.scopes.of(view.pipeline, "", view.window)
            [(now, _)] = self.scopes.of(view.pipeline, "", None)
            self._figures[key] = {
                kpi.id: figures(kpi, now if kpi.of_now else in_window) for kpi in KPIS
            }
        return self._figures[key]


def _currencies(by_kpi: ByKpi) -> list[str]:
    """Those that any figure is in, the one with most amounts first."""
    amounts: dict[str, float] = {}
    for kpi in KPIS:
        for figure in by_kpi[kpi.id]:
            if currency := figure.labels.get("currency"):
                number = figure.parts.get("_count", 0.0)
                amounts[currency] = amounts.get(currency, 0.0) + number
    return sorted(amounts, key=lambda currency: (-amounts[currency], currency))


def _explained(view: View) -> str:
    name, _, horizon = view.basis.partition(":")
    return BASES[name].format(horizon=horizon)


# --- a KPI's trend as a table ---------------------------------------------------------------------


@dataclass(frozen=True)
class TrendRow:
    start: datetime
    going_on: bool
    texts: list[str]


@dataclass(frozen=True)
class TrendTable:
    """``format``: of the times; ``explained``: what a row is."""

    columns: list[str]
    rows: list[TrendRow]
    format: str
    explained: str
    empty: str


def _trend_table(kpi: Kpi, readings: list[Reading], trend: ShownTrend | None) -> TrendTable:
    """The figures of every bucket, newest first."""
    first = [reading.figure for reading in readings[: breakdowns.MOST_COLUMNS]]
    if trend is None:
        return TrendTable(
            [], [], "", "", "The trend is being calculated and will appear in a moment."
        )
    columns = [trend.values(figure) for figure in first]
    if not any(columns):
        why = (
            "This KPI describes the present, so it has no trend."
            if kpi.of_now
            else "This KPI has no trend."
        )
        if any(figure.is_maturing for figure in first):
            why = "Recent figures have had less time to mature: a trend would be misleading."
        return TrendTable([], [], "", "", why)
    rows = [
        TrendRow(
            start=moment(start * MINUTE_US),
            going_on=start == trend.starts[-1],
            texts=[
                figure.written(values[n]) for figure, values in zip(first, columns, strict=True)
            ],
        )
        for n, start in reversed(list(enumerate(trend.starts)))
    ]
    of_days = trend.minutes >= DAY
    return TrendTable(
        columns=[figure.name or kpi.title for figure in first],
        rows=rows,
        format="%Y-%m-%d" if of_days else "%Y-%m-%d %H:%M",
        explained=f"Each row is the figure for {_long(trend.minutes)} alone.",
        empty="",
    )


def _long(minutes: int) -> str:
    for size, name in ((DAY, "day"), (HOUR, "hour"), (1, "minute")):
        if minutes >= size:
            number = minutes // size
            return f"one {name}" if number == 1 else f"{number} {name}s"
    raise AssertionError("a bucket is a minute long at least")
