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
from funnel_stream.exposition.page.view import Choices, View, basis_in_words, choices, view
from funnel_stream.kpis.accounting import ends_of_leads
from funnel_stream.kpis.catalogue import BY_ID, KPIS, broken_down
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.reference import STAGE_TITLES
from funnel_stream.kpis.samples import Places, place_labels
from funnel_stream.kpis.scope import label_text
from funnel_stream.reporting import Reporter
from funnel_stream.windows.tables import Snapshot

Parts = dict[str, str]
"""HTML by the id of its element: what is replaced on a live page when it changes."""

FIRST_WAIT_SECONDS: Final = 0.15
"""So long a page waits for trends that nobody has reckoned yet; afterwards they come live."""
_HELD_SECONDS: Final = 5.0
_PASSING_SECONDS: Final = 0.3

BASES: Final = {
    "period": "What happened in the window, whoever it happened to.",
    "cohort": "Of the leads that came in the window: how far they have got so far.",
    "matured": "Of the leads that turned {horizon} old in the window: how far they were by then.",
}


@dataclass(frozen=True)
class Look:
    """What a reader looks at, and all figures of it. ``won``: how long it takes to win a deal."""

    snapshot: Snapshot
    places: Places
    view: View
    possible: Choices
    by_kpi: ByKpi
    won: Figure
    trend: ShownTrend | None

    def series(self, figure: Figure, value: str = "") -> str:
        """A figure's series, named as on ``/metrics``; ``value``: of the dimension."""
        seen, kpi = self.view, figure.kpi
        window = None if kpi.of_now else seen.window.name
        place = place_labels(seen.pipeline, window, seen.dimension if value else "", value)
        name = kpi.metric + ("_breakdown" if value else "")
        return f"{name}{{{label_text({**place.labels, **figure.labels})}}}"


class Page(ABC):
    """One page of a view, whole or part by part."""

    path: str
    template: str

    def __init__(self, pages: "Pages", query: Mapping[str, str]) -> None:
        self._pages = pages
        self._query = query

    async def html(self, snapshot: Snapshot) -> str:
        """The whole page. Raises ``UsageError`` for a query that makes no sense."""
        look = await self._pages.look(snapshot, self._query, wait=FIRST_WAIT_SECONDS)
        context = {**self._pages.context(look, self.path), **self._own_context()}
        return render(self.template, **context, parts=self._parts(look))

    def check(self, snapshot: Snapshot) -> None:
        """Raises ``UsageError`` for a query that makes no sense."""
        self._pages.check(snapshot, self._query)

    async def parts(self, snapshot: Snapshot) -> Parts:
        return self._parts(await self._pages.look(snapshot, self._query, wait=0.0))

    @abstractmethod
    def passing(self, snapshot: Snapshot) -> Parts:
        """What changes by itself."""

    @abstractmethod
    def _own_context(self) -> dict[str, Any]:
        """What its template needs beside what all pages have."""

    @abstractmethod
    def _parts(self, look: Look) -> Parts: ...

    def _notes(self, look: Look, kpis: Iterable[Kpi]) -> list[Note]:
        seen = look.view
        for_nothing = look.places.won_for_nothing(seen.pipeline, seen.window)
        return notes(seen, look.by_kpi, look.won, for_nothing, self._pages.definition, kpis)


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

    def _parts(self, look: Look) -> Parts:
        links, seen = self._pages.links, look.view
        of = breakdowns.one_each(broken_down(links.definition), look.by_kpi, seen)
        table = breakdowns.breakdown(look.places, of, seen, links)
        drawn = funnel(
            look.by_kpi,
            seen,
            links,
            ever=look.places.leads(seen.pipeline),
            ends=ends_of_leads(look.places.total(seen.pipeline, seen.window)),
        )
        tiles = [tile(kpi, look.by_kpi[kpi.id], seen, look.trend, links) for kpi in KPIS]
        return {
            **self.passing(look.snapshot),
            "notes": part(
                "parts.html",
                "notes",
                self._notes(look, KPIS),
            ),
            "funnel": part(
                "parts.html", "funnel", drawn, basis_in_words(seen.basis), _explained(seen)
            ),
            **{
                f"kpi-{each.kpi.id}": part("parts.html", "tile", each, look.series)
                for each in tiles
            },
            "breakdown": part("parts.html", "breakdown", table, look.series),
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

    def _parts(self, look: Look) -> Parts:
        links, seen, kpi = self._pages.links, look.view, self._kpi
        shown = tile(kpi, look.by_kpi[kpi.id], seen, look.trend, links)
        readings = [*shown.readings, *shown.further]
        trend = _trend_table(kpi, readings, look.trend)
        of = breakdowns.all_of(kpi, look.by_kpi, seen)
        table = breakdowns.breakdown(look.places, of, seen, links, self.path)
        return {
            **self.passing(look.snapshot),
            "notes": part(
                "parts.html",
                "notes",
                self._notes(look, [kpi]),
            ),
            "series": part("kpi_parts.html", "series_table", shown, look.series),
            "breakdown": part("parts.html", "breakdown", table, look.series),
            "trend": part("kpi_parts.html", "trend_table", trend),
        }


class Pages:
    """What the pages of a worker share."""

    def __init__(self, reporter: Reporter, definition: Definition) -> None:
        self.definition = definition
        self.links = DealLinks(definition)
        self._reporter = reporter
        self._trends = Trends()
        self._last: _Board | None = None
        self._passing: Parts = {}
        self._passed_at = -_PASSING_SECONDS

    async def look(self, snapshot: Snapshot, query: Mapping[str, str], *, wait: float) -> Look:
        """The view that a query asks for, with its figures; waits so many seconds for its trend."""
        board = self._board(snapshot)
        asked = self._seen(board, query)
        by_kpi = board.figures(asked)
        currencies = _currencies(by_kpi)
        if not asked.currency:
            asked = replace(asked, currency=next(iter(currencies), ""))
        possible = choices(self.definition, board.pipelines, currencies, asked.pipeline)
        places = board.places
        trend = await self._trends.of(snapshot, places, asked.pipeline, asked.window, wait=wait)
        won = board.time_to_win(asked.pipeline)
        return Look(snapshot, places, asked, possible, by_kpi, won, trend)

    def check(self, snapshot: Snapshot, query: Mapping[str, str]) -> None:
        """Raises ``UsageError`` for a query that makes no sense."""
        self._seen(self._board(snapshot), query)

    def _seen(self, board: "_Board", query: Mapping[str, str]) -> View:
        """The view that a query asks for; without a currency if it names none."""
        wanted = query.get("pipeline") or next(iter(board.pipelines), "")
        return view(query, choices(self.definition, board.pipelines, (), wanted), self.definition)

    def _board(self, snapshot: Snapshot) -> "_Board":
        if self._last is None or self._last.snapshot is not snapshot:
            self._last = _Board(snapshot)
            # When nobody looks any more, an old snapshot must not be held.
            loop = asyncio.get_running_loop()
            loop.call_later(_HELD_SECONDS, self._drop, self._last)
        return self._last

    def _drop(self, board: "_Board") -> None:
        if self._last is board:
            self._last = None

    def context(self, look: Look, path: str) -> dict[str, Any]:
        """What every page of the view at that path needs."""
        pipelines = self.definition.pipelines
        titles = {name: pipeline.title for name, pipeline in pipelines.items()}
        return {
            "view": look.view,
            "possible": look.possible,
            "path": path,
            "pipeline_title": titles.get(look.view.pipeline) or look.view.pipeline,
            "said": {
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


class _Board:
    """A snapshot with what views of it have in common. ``pipelines``: all that there are, the one
    with most leads first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.places = places = Places(snapshot)
        self.pipelines = sorted(places.pipelines, key=lambda name: (-places.leads(name), name))
        self._figures: dict[tuple[str, str], dict[str, list[Figure]]] = {}
        self._won: dict[str, Figure] = {}

    def time_to_win(self, pipeline: str) -> Figure:
        """Of the longest window."""
        if pipeline not in self._won:
            longest = self.snapshot.definition.longest_window()
            self._won[pipeline] = time_to_win(self.places, pipeline, longest)
        return self._won[pipeline]

    def figures(self, seen: View) -> dict[str, list[Figure]]:
        """All figures of a pipeline, in the view's window and now, by KPI."""
        key = seen.pipeline, seen.window.name
        if key not in self._figures:
            [(in_window, _)] = self.places.of(seen.pipeline, "", seen.window)
            [(now, _)] = self.places.of(seen.pipeline, "", None)
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


def _explained(seen: View) -> str:
    name, _, horizon = seen.basis.partition(":")
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
        return TrendTable([], [], "", "", "The trend is being reckoned; it appears in a moment.")
    columns = [trend.values(figure) for figure in first]
    if not any(columns):
        why = "It is of the present, and has no trend." if kpi.of_now else "It has no trend."
        if any(figure.ripens for figure in first):
            why = "What is young has had less time than the rest: a trend would mislead."
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
        explained=f"Each line is the figure of {_long(trend.minutes)} alone.",
        empty="",
    )


def _long(minutes: int) -> str:
    for size, name in ((DAY, "day"), (HOUR, "hour"), (1, "minute")):
        if minutes >= size:
            number = minutes // size
            return f"one {name}" if number == 1 else f"{number} {name}s"
    raise AssertionError("a bucket is a minute long at least")
