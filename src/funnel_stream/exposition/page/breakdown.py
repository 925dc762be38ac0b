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
from funnel_stream.kpis.label_values import value_in_words
from funnel_stream.kpis.samples import Scopes
from funnel_stream.kpis.scope import OTHER, Scope

MOST_COLUMNS: Final = 8
_WHOLE_WAY: Final = {"from_stage": STAGES[LEAD], "to_stage": STAGES[WON]}


@dataclass(frozen=True)
class ColumnSeries:
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
class BreakdownColumn:
    """``span``: its basis, the window or now, where columns differ in that. ``sorting``:
    ``ascending``, ``descending`` or empty; ``link``: the page ordered by it."""

    series: ColumnSeries
    unit: str
    span: str
    sorting: str
    link: str


@dataclass(frozen=True)
class BreakdownCell:
    """What a series is for a value of the dimension. ``made_of`` in short, and ``beneath``
    at length. ``figure``: where it is one series."""

    value: float | None
    text: str
    made_of: str
    beneath: str
    deals: str
    figure: Figure | None


@dataclass(frozen=True)
class BreakdownRow:
    """A value of the dimension. ``width``: of its bar of 100, by the column that orders."""

    value: str
    name: str
    cells: list[BreakdownCell]
    width: float


@dataclass(frozen=True)
class Breakdown:
    """``ordered_by``: the title of the column that orders the rows."""

    dimension: str
    columns: list[BreakdownColumn]
    rows: list[BreakdownRow]
    ordered_by: str
    empty: str


def one_each(kpis: Sequence[str], by_kpi: ByKpi, view: View) -> list[ColumnSeries]:
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
                found.append(ColumnSeries(kpi, labels, title))
                break
    return found


def all_of(kpi: Kpi, by_kpi: ByKpi, view: View) -> list[ColumnSeries]:
    """The series of one KPI, the first few."""
    if not _has(kpi, view.dimension):
        return []
    found = ranked(chosen(by_kpi[kpi.id], view))
    return [
        ColumnSeries(kpi, figure.labels, figure.name or kpi.title)
        for figure in found[:MOST_COLUMNS]
    ]


def _has(kpi: Kpi, dimension: str) -> bool:
    return not kpi.form.dimensions or dimension in kpi.form.dimensions


def breakdown(
    scopes: Scopes, shown: Sequence[ColumnSeries], view: View, links: DealLinks, path: str = "/"
) -> Breakdown:
    """The table by the view's dimension, ordered as the view says; ``__other__`` comes last."""
    if not view.dimension:
        return Breakdown("", [], [], "", "No dimension is configured in funnel.yaml.")
    if not shown:
        return Breakdown(
            view.dimension, [], [], "", "This KPI cannot be broken down by this dimension."
        )
    order = next((n for n, series in enumerate(shown) if series.key == view.sort), 0)
    rows = [
        (value, [_cell(series, value, value_scopes, view, links) for series in shown])
        for value, value_scopes in _scopes_by_value(scopes, view).items()
    ]
    rows = [row for row in rows if any(cell.value is not None for cell in row[1])]
    rows.sort(key=lambda row: _rank(row[0], row[1][order].value, ascending=view.ascending))
    largest = max((abs(cells[order].value or 0.0) for _, cells in rows), default=0.0) or 1.0
    return Breakdown(
        dimension=view.dimension,
        columns=[_column(n, series, order, view, path) for n, series in enumerate(shown)],
        rows=[
            BreakdownRow(
                value,
                value_in_words(value),
                cells,
                round(100 * abs(cells[order].value or 0.0) / largest, 1),
            )
            for value, cells in rows
        ],
        ordered_by=shown[order].title,
        empty="" if rows else "Nothing in this window.",
    )


def _column(
    number: int, series: ColumnSeries, order: int, view: View, path: str
) -> BreakdownColumn:
    sorting = ("ascending" if view.ascending else "descending") if number == order else ""
    link = view.link(
        path,
        "breakdown",
        sort=series.key,
        order="asc" if sorting == "descending" else "",
    )
    currency = series.labels.get("currency", "")
    span = basis_in_words(basis_of(series.labels)) or span_of(series.kpi, view)
    return BreakdownColumn(series, unit(series.kpi, currency), span, sorting, link)


def _rank(value: str, number: float | None, *, ascending: bool) -> tuple[bool, bool, float, str]:
    """The rest last, before it what has no figure, equal ones by name."""
    size = number or 0.0
    return value == OTHER, number is None, size if ascending else -size, value


def _scopes_by_value(scopes: Scopes, view: View) -> dict[str, list[Scope]]:
    """By value: where its figures are taken, in the window and now."""
    found: dict[str, list[Scope]] = {}
    for window in (view.window, None):
        for scope, labels in scopes.of(view.pipeline, view.dimension, window):
            found.setdefault(labels.labels["value"], []).append(scope)
    return found


def _cell(
    series: ColumnSeries, value: str, value_scopes: list[Scope], view: View, links: DealLinks
) -> BreakdownCell:
    kpi = series.kpi
    of = [
        figure
        for scope in value_scopes
        if (scope.window is None) == kpi.of_now
        for figure in figures(kpi, scope)
        if series.labels.items() <= figure.labels.items()
    ]
    known = [figure.value for figure in of if figure.value is not None]
    total = sum(known) if known else None
    return BreakdownCell(
        value=total,
        text=written(kpi, total),
        made_of=of[0].made_of if len(of) == 1 else "",
        beneath=of[0].beneath if len(of) == 1 else "",
        deals=links.of(kpi, series.labels, view, value=value) if known else "",
        figure=of[0] if len(of) == 1 else None,
    )
