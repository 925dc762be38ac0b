"""What a reader of the page looks at, from events."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from funnel_stream.definition import Definition
from funnel_stream.exposition.page.figures import Figure
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.pages import PageData, Pages
from funnel_stream.exposition.page.tiles import Reading, Tile, tile
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.reporting import Reporter
from funnel_stream.windows.tables import Snapshot
from tests.funnels import at, computed, micros, stage

Events = list[dict[str, Any]]

NOW = micros(days=40)
"""The window of 30 days begins with day 10."""

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "‮txt.exe‬",
    "مسار/100%&a=b#c?d+e f",
    "__other__",
    "x" * 120,
    "\U0001f600 {{ 7 * 7 }}",
]


def funnel_of_six() -> Events:
    """Six deals: ``a`` is won, ``b`` and ``c`` are lost for their price, ``d`` moves back, ``e``
    became a lead before the window and is won at once, ``f`` is reopened."""
    return [
        *(stage("a", name, at(days=20 + n)) for n, name in enumerate(_STAGES)),
        stage("b", "lead", at(days=20)),
        stage("b", "qualified", at(days=21)),
        stage("b", "lost", at(days=22), lost_reason="price"),
        stage("c", "lead", at(days=20)),
        stage("c", "offer", at(days=23)),
        stage("c", "lost", at(days=24), lost_reason="price"),
        stage("d", "lead", at(days=20)),
        stage("d", "qualified", at(days=22)),
        stage("d", "lead", at(days=23)),
        stage("e", "lead", at(days=1)),
        stage("e", "won", at(days=30)),
        stage("f", "lead", at(days=20)),
        stage("f", "lost", at(days=21), lost_reason="time"),
        stage("f", "qualified", at(days=22)),
    ]


_STAGES = ("lead", "qualified", "potential", "offer", "negotiation", "won")


def defined(**parts: Any) -> Definition:
    return Definition.model_validate(parts)


def look(
    events: Events, definition: Definition | None = None, as_of: int = NOW, **query: str
) -> PageData:
    """What a query shows, its trend included."""
    return look_at(computed(events, as_of, definition).snapshot, **query)


def look_at(snapshot: Snapshot, **query: str) -> PageData:
    shown = Pages(Reporter(), snapshot.definition)
    return asyncio.run(shown.data(snapshot, query, wait=10.0))


def tile_of(seen: PageData, kpi: str) -> Tile:
    definition = seen.snapshot.definition
    return tile(BY_ID[kpi], seen.by_kpi[kpi], seen.view, seen.trend, DealLinks(definition))


def readings(seen: PageData, kpi: str) -> dict[str, Reading]:
    """All that a tile shows, by its name."""
    shown = tile_of(seen, kpi)
    return {each.figure.name: each for each in [*shown.readings, *shown.further]}


def figures_of(seen: PageData, kpi: str) -> dict[tuple[str, ...], Figure]:
    return {figure.key: figure for figure in seen.by_kpi[kpi]}


def query_of(link: str) -> Mapping[str, str]:
    """What an address asks for; its path is told by ``path_of``."""
    return dict(parse_qsl(urlsplit(link).query, strict_parsing=True, keep_blank_values=True))


def path_of(link: str) -> str:
    return urlsplit(link).path
