"""The breakdown table: the values of a dimension, each with some KPIs beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from funnel_stream.contract.event import LEAD, STAGES, WON
from funnel_stream.exposition.page.figures import (
    Figure,
    chosen,
    figures,
    in_words,
    ranked,
    span_of,
    unit,
    written,
)
from funnel_stream.exposition.page.funnel import ByKpi
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.view import View, basis_in_words, basis_of
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.samples import Places
from funnel_stream.kpis.scope import OTHER, Scope
from funnel_stream.kpis.words import value_in_words

MOST_COLUMNS: Final = 8
_WHOLE_WAY: Final = {"from_stage": STAGES[LEAD], "to_stage": STAGES[WON]}


@dataclass(frozen=True)
class Series:
    """What a column shows: the series of a KPI that have these labels, summed if there are
    several. ``title``: of the column."""

    kpi: Kpi
    labels: Mapping[str, str]
    title: str

    @property
    def key(self) -> str:
        """Stands in the URL."""
        return ".".join([self.kpi.id, *self.labels.values()])


@dataclass(frozen=True)
class Column:
    """``span``: its basis, the window or now, where columns differ in that. ``sorting``:
    ``ascending``, ``descending`` or empty; ``link``: the page ordered by it."""

    series: Series
    unit: str
    span: str
    sorting: str
    link: str


@dataclass(frozen=True)
class Cell:
    """What a series is for a value of the dimension. ``made_of`` in short, and ``beneath`` at
    length. ``figure``: where it is one series."""

    value: float | None
    text: str
    made_of: str
    beneath: str
    deals: str
    figure: Figure | None


@dataclass(frozen=True)
class Line:
    """A value of the dimension. ``width``: of its bar of 100, by the column that orders."""

    value: str
    name: str
    cells: list[Cell]
    width: float


@dataclass(frozen=True)
class Breakdown:
    """``ordered_by``: the title of the column that orders the lines."""

    dimension: str
    columns: list[Column]
    lines: list[Line]
    ordered_by: str
    empty: str


def one_each(kpis: Sequence[str], by_kpi: ByKpi, view: View) -> list[Series]:
    """One series of each KPI: of several the won one, the whole way, or the sum of all stages."""
    found = []
    for name in kpis:
        kpi = BY_ID.get(name)
        if kpi is None or not _has(kpi, view.dimension):
            continue
        for figure in chosen(by_kpi[kpi.id], view):
            labels = dict(figure.labels)
            if kpi.form.suffixes == ("",):  # only what is counted can be summed over the stages
                labels.pop("stage", None)
            if labels.get("outcome", "won") == "won" and (
                "to_stage" not in labels or labels.items() >= _WHOLE_WAY.items()
            ):
                words = in_words(labels)
                title = f"{kpi.title}, {words}" if words else kpi.title
                found.append(Series(kpi, labels, title))
                break
    return found


def all_of(kpi: Kpi, by_kpi: ByKpi, view: View) -> list[Series]:
    """The series of one KPI, the first few."""
    if not _has(kpi, view.dimension):
        return []
    found = ranked(chosen(by_kpi[kpi.id], view))
    return [Series(kpi, figure.labels, figure.name or kpi.title) for figure in found[:MOST_COLUMNS]]


def _has(kpi: Kpi, dimension: str) -> bool:
    return not kpi.form.dimensions or dimension in kpi.form.dimensions


def breakdown(
    places: Places, wanted: Sequence[Series], view: View, links: DealLinks, path: str = "/"
) -> Breakdown:
    """The table by the view's dimension, ordered as the view says; ``__other__`` comes last."""
    if not view.dimension:
        return Breakdown("", [], [], "", "No dimension is configured in funnel.yaml.")
    if not wanted:
        return Breakdown(view.dimension, [], [], "", "It cannot be broken down by this dimension.")
    order = next((n for n, series in enumerate(wanted) if series.key == view.sort), 0)
    rows = [
        (value, [_cell(series, value, at, view, links) for series in wanted])
        for value, at in _places(places, view).items()
    ]
    rows = [row for row in rows if any(cell.value is not None for cell in row[1])]
    rows.sort(key=lambda row: _rank(row[0], row[1][order].value, ascending=view.ascending))
    largest = max((abs(cells[order].value or 0.0) for _, cells in rows), default=0.0) or 1.0
    return Breakdown(
        dimension=view.dimension,
        columns=[_column(n, series, order, view, path) for n, series in enumerate(wanted)],
        lines=[
            Line(
                value,
                value_in_words(value),
                cells,
                round(100 * abs(cells[order].value or 0.0) / largest, 1),
            )
            for value, cells in rows
        ],
        ordered_by=wanted[order].title,
        empty="" if rows else "Nothing in this window.",
    )


def _column(number: int, series: Series, order: int, view: View, path: str) -> Column:
    sorting = ("ascending" if view.ascending else "descending") if number == order else ""
    link = view.link(
        path,
        "breakdown",
        sort=series.key,
        order="asc" if sorting == "descending" else "",
    )
    currency = series.labels.get("currency", "")
    span = basis_in_words(basis_of(series.labels)) or span_of(series.kpi, view)
    return Column(series, unit(series.kpi, currency), span, sorting, link)


def _rank(value: str, number: float | None, *, ascending: bool) -> tuple[bool, bool, float, str]:
    """The rest last, before it what has no figure, equal ones by name."""
    size = number or 0.0
    return value == OTHER, number is None, size if ascending else -size, value


def _places(places: Places, view: View) -> dict[str, list[Scope]]:
    """By value: where its figures are taken, in the window and now."""
    found: dict[str, list[Scope]] = {}
    for window in (view.window, None):
        for place, labels in places.of(view.pipeline, view.dimension, window):
            found.setdefault(labels.labels["value"], []).append(place)
    return found


def _cell(series: Series, value: str, at: list[Scope], view: View, links: DealLinks) -> Cell:
    kpi = series.kpi
    of = [
        figure
        for place in at
        if (place.window is None) == kpi.of_now
        for figure in figures(kpi, place)
        if series.labels.items() <= figure.labels.items()
    ]
    known = [figure.value for figure in of if figure.value is not None]
    total = sum(known) if known else None
    return Cell(
        value=total,
        text=written(kpi, total),
        made_of=of[0].made_of if len(of) == 1 else "",
        beneath=of[0].beneath if len(of) == 1 else "",
        deals=links.of(kpi, series.labels, view, value=value) if known else "",
        figure=of[0] if len(of) == 1 else None,
    )
