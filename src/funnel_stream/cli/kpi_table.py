"""KPIs as tables to read: per pipeline one of its windows, by stage of the funnel, one of now.

Beside every ratio and mean stands of how many it is, and beside a proportion how sure it is, if
there is room; else the number stands beneath.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, groupby
from typing import Final, NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from funnel_stream import human
from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.facts.rules import NONE
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.intervals import wilson
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.label_values import label_in_words
from funnel_stream.kpis.reference import STAGE_TITLES
from funnel_stream.kpis.samples import Sample
from funnel_stream.kpis.scope import OTHER

_QUANTILES: Final = {"0.5": "median", "0.9": "90 % within"}
_NAME_WIDTH: Final = 25
_UNLIMITED: Final = 10_000
"""Columns of a terminal that everything fits into."""
_STRUCTURE: Final = ("pipeline", "window", "dimension", "value")
_NOW: Final = ""
"""Stands for the window of the KPIs that have none."""
_STAGE_LABELS: Final = ("stage", "from_stage", "to_stage", "lost_from")
TOO_MANY: Final = ("transitions", "lost_value")
"""KPIs with more lines than anybody reads unasked."""
_LEFT_OUT: Final = {"lost_deals": ("lost_from", "offered")}
"""Labels over which counts are added up unless the KPI was asked for."""
BASES: Final = (
    "Counts, and ratios without a basis, cover what happened in the window, no matter to which "
    "deals; so does period (won per lead, not a share of the leads). Cohort: the share so far of "
    "the deals that came in during the window. Matured: the same, each at the age of the horizon."
)
"""What stands beside each other in a table."""


class _Layout(Enum):
    """Where the size and the interval of a figure stand: the first one that fits is taken."""

    FULL = "size and interval beside it"
    BESIDE = "size beside it"
    BENEATH = "size beneath it"

    @property
    def parts(self) -> int:
        """Columns of a window."""
        return {_Layout.FULL: 3, _Layout.BESIDE: 2, _Layout.BENEATH: 1}[self]


class _RowKey(NamedTuple):
    """What a line of the table is about, all windows together."""

    pipeline: str
    value: str
    labels: tuple[tuple[str, str], ...]


RowValues = dict[_RowKey, dict[str, float]]
"""Values of one series name, by row and window."""


def kpi_tables(
    found: Iterable[Sample],
    definition: Definition,
    windows: Sequence[str],
    *,
    by: str | None,
    console: Console,
    brief: bool = True,
) -> list[Table]:
    """The totals, or the breakdown by a dimension; rows with nothing in any window are left out.

    ``console``: where there is to be room for them. ``brief`` leaves out and adds up what has too
    many lines to be read.
    """
    cells: dict[str, RowValues] = {}
    for sample in found:
        labels = sample.labels
        if labels.get("dimension") != by:
            continue
        settings = tuple(item for item in labels.items() if item[0] not in _STRUCTURE)
        row = _RowKey(labels["pipeline"], labels.get("value", ""), settings)
        of_row = cells.setdefault(sample.metric, {}).setdefault(row, {})
        of_row[labels.get("window", _NOW)] = sample.value
    if brief:
        _shorten(cells, "_breakdown" if by else "")
    pipelines = sorted({row.pipeline for rows in cells.values() for row in rows})
    tables = []
    for pipeline in pipelines:
        of_pipeline = _PipelineTables(definition, pipeline, cells, by)
        if table := of_pipeline.windows(windows, console):
            tables.append(table)
        if table := of_pipeline.now():
            tables.append(table)
    return tables


def _shorten(cells: dict[str, RowValues], breakdown: str) -> None:
    for name in TOO_MANY:
        cells.pop(f"funnel_{name}{breakdown}", None)
    for suffix in ("", "_numerator", "_denominator"):
        conversions = cells.get(f"funnel_conversion_ratio{breakdown}{suffix}", {})
        for row in [row for row in conversions if not _is_main(dict(row.labels))]:
            del conversions[row]
    for name, left_out in _LEFT_OUT.items():
        metric = f"funnel_{name}{breakdown}"
        sums: RowValues = {}
        for row, values in cells.get(metric, {}).items():
            kept = tuple(label for label in row.labels if label[0] not in left_out)
            of_row = sums.setdefault(row._replace(labels=kept), {})
            for window, value in values.items():
                of_row[window] = of_row.get(window, 0) + value
        if sums:
            cells[metric] = sums


def _is_main(labels: dict[str, str]) -> bool:
    """From a stage to the next, or through the whole funnel."""
    first, last = STAGES.index(labels["from_stage"]), STAGES.index(labels["to_stage"])
    return last - first in (1, len(STAGES) - 2)


class _FigureCell(NamedTuple):
    """A figure, of how many it is, and how sure it is."""

    figure: str
    size: str = ""
    interval: str = ""

    def texts(self, layout: _Layout) -> list[Text]:
        """One for each column of a window."""
        figure = Text(self.figure, style="dim" if self.figure == human.MISSING else "")
        if layout is _Layout.BENEATH:
            return [figure.append(f"\n{self.size}", style="dim") if self.size else figure]
        beside = [self.size, self.interval][: layout.parts - 1]
        return [figure, *(Text(part, style="dim") for part in beside)]


class _TableLine(NamedTuple):
    """One line of the table: ``detail`` tells it from the lines that have the same name."""

    name: str
    detail: str
    cells: list[_FigureCell]

    def texts(self, layout: _Layout) -> list[Text]:
        return [text for cell in self.cells for text in cell.texts(layout)]


class _PipelineTables:
    """The tables of one pipeline."""

    def __init__(
        self, definition: Definition, pipeline: str, cells: dict[str, RowValues], by: str | None
    ) -> None:
        self._pipeline = pipeline
        self._cells = cells
        self._by = by
        settings = definition.pipelines.get(pipeline)
        self._title = settings.title if settings else ""
        self._stages = settings.stage_titles if settings else {}

    def windows(self, windows: Sequence[str], console: Console) -> Table | None:
        """What happened in the windows: a group of rows per KPI, and for each window a column with
        as many beside it as there is room for."""
        groups = [
            (kpi, rows)
            for kpi in KPIS
            if not kpi.of_now and (rows := list(self._rows(kpi, windows)))
        ]
        if not groups:
            return None
        unlimited = console.options.update_width(_UNLIMITED)
        for layout in _Layout:
            table = self._laid_out(groups, windows, layout)
            if console.measure(table, options=unlimited).maximum <= console.width:
                break
        return table

    def _laid_out(
        self, groups: list[tuple[Kpi, list[_TableLine]]], windows: Sequence[str], layout: _Layout
    ) -> Table:
        beside = ["", "95 % interval"][: layout.parts - 1]
        table = self._table("", [name for window in windows for name in (window, *beside)])
        of_stages = groupby(groups, key=lambda group: group[0].stage)
        for stage, of_stage in of_stages:
            if table.row_count:
                table.add_row()
            table.add_row(Text(STAGE_TITLES[stage], style="bold cyan"))
            for kpi, rows in of_stage:
                _add_group(table, kpi, rows, layout)
        return table

    def now(self) -> Table | None:
        """What is so now: a row per stage, a column per KPI."""
        kpis = [kpi for kpi in KPIS if kpi.of_now and any(self._rows(kpi, (_NOW,)))]
        if not kpis:
            return None
        table = self._table(" now", [kpi.title for kpi in kpis], first="Stage")
        lines: dict[tuple[str, str], dict[str, list[str]]] = {}
        for kpi in kpis:
            counts = self._series(kpi, "_count")
            for row, values in self._series(kpi, "").items():
                labels = dict(row.labels)
                of_line = lines.setdefault((row.value, labels.pop("stage")), {})
                size = [f"of {human.count(counts[row][_NOW])}"] if row in counts else []
                written = " ".join([human.figure(kpi.unit, values[_NOW]), *labels.values(), *size])
                if values[_NOW]:
                    of_line.setdefault(kpi.id, []).append(written)
        for value, group in groupby(lines.items(), key=lambda line: line[0][0]):
            shown = [(stage, texts) for (_, stage), texts in group if texts]
            if value and shown:
                table.add_row(Text(_in_words("value", value), style="bold"))
            indent = "  " if value else ""
            for stage, texts in shown:
                parts = [Text("\n".join(texts.get(kpi.id, [human.MISSING]))) for kpi in kpis]
                table.add_row(Text(indent + self._stages.get(stage, stage)), *parts)
        return table

    def _table(self, what: str, columns: Sequence[str], first: str = "KPI") -> Table:
        name = f"{self._title} ({self._pipeline})" if self._title else self._pipeline
        title = f"Pipeline {name}{what}" + (f", by {self._by}" if self._by else "")
        table = Table(
            box=box.SIMPLE_HEAD,
            title=escape(title),
            title_justify="left",
            title_style="bold",
            show_edge=False,
            pad_edge=False,
            collapse_padding=True,
        )
        table.add_column(first, min_width=_NAME_WIDTH)
        for column in columns:
            table.add_column(column, justify="right", no_wrap=first == "KPI")
        return table

    def _series(self, kpi: Kpi, suffix: str) -> RowValues:
        """The rows of this pipeline that say something, in order."""
        series = self._cells.get(f"{kpi.metric}{'_breakdown' if self._by else ''}{suffix}", {})
        # A share of 0 is a figure; a count of 0 is nothing to look at.
        shares = len(kpi.form.suffixes) > 1
        rows = [
            (row, values)
            for row, values in series.items()
            if row.pipeline == self._pipeline and (shares or any(values.values()))
        ]
        if kpi.form.largest_first and "currency" not in kpi.form.labels:
            rows.sort(key=lambda item: -max(item[1].values()))
        # Series appear when there is something, in one window before another.
        values_in_order = {row.value: index for index, (row, _) in enumerate(reversed(rows))}
        rows.sort(key=lambda item: (-values_in_order[item[0].value], _order(item[0])))
        return dict(rows)

    def _rows(self, kpi: Kpi, windows: Sequence[str]) -> Iterator[_TableLine]:
        """The lines of one KPI, those of the same name together."""
        sizes = self._series(kpi, "_denominator") or self._series(kpi, "_count")
        tops = self._series(kpi, "_numerator")
        found: dict[str, list[_TableLine]] = {}
        for suffix in ("", "_quantile"):
            if suffix not in kpi.form.suffixes:
                continue
            for row, values in self._series(kpi, suffix).items():
                size, top = sizes.get(row, {}), tops.get(row, {})
                cells = [_cell(kpi, row, values.get(w), size.get(w), top.get(w)) for w in windows]
                name, detail = self._name(row)
                found.setdefault(name, []).append(_TableLine(name, detail, cells))
        return chain.from_iterable(found.values())

    def _name(self, row: _RowKey) -> tuple[str, str]:
        """What a row is about, and what distinguishes it from others about the same."""
        labels = {
            name: self._stages.get(value, value)
            if name in _STAGE_LABELS
            else _in_words(name, value)
            for name, value in row.labels
        }
        details = []
        if basis := labels.pop("basis", None):
            details.append(" ".join((basis, labels.pop("horizon", ""))).strip())
        if quantile := labels.pop("quantile", None):
            details.append(_QUANTILES.get(quantile, quantile))
        if "from_stage" in labels:
            labels["from_stage"] = f"{labels['from_stage']} → {labels.pop('to_stage')}"
        names = [_in_words("value", row.value)] if row.value else []
        return " · ".join([*names, *labels.values()]), " · ".join(details)


def _order(row: _RowKey) -> list[tuple[int, str]]:
    """Stages and outcomes in their order, currencies by name, all else as it comes."""
    return [
        (STAGES.index(value), "") if value in STAGES else (0, value if name == "currency" else "")
        for name, value in row.labels
    ]


def _in_words(name: str, value: str) -> str:
    words = label_in_words(name, value)
    return f"({words})" if value in (NONE, OTHER) else words


def _add_group(table: Table, kpi: Kpi, rows: list[_TableLine], layout: _Layout) -> None:
    first = rows[0]
    if first.name == first.detail == "":
        table.add_row(Text(kpi.title, style="bold"), *first.texts(layout))
        rows = rows[1:]
    else:
        table.add_row(Text(kpi.title, style="bold"))
    _add_lines(table, rows, layout)


def _add_lines(table: Table, lines: list[_TableLine], layout: _Layout) -> None:
    for name, group in groupby(lines, lambda line: line.name):
        of_name = list(group)
        indent = "  "
        if name and (len(of_name) > 1 or not of_name[0].detail):
            alone = of_name.pop(0) if not of_name[0].detail else None
            table.add_row(Text(f"  {name}"), *(alone.texts(layout) if alone else ()))
            indent, name = "    ", ""
        for line in of_name:
            text = " · ".join(part for part in (name, line.detail) if part)
            table.add_row(Text(f"{indent}{text}"), *line.texts(layout))


def _cell(
    kpi: Kpi, row: _RowKey, value: float | None, size: float | None, top: float | None
) -> _FigureCell:
    """A figure; ``size``: what it is divided by, ``top``: what is divided by that."""
    if value is None:
        return _FigureCell(human.MISSING)
    figure, labels = human.figure(kpi.unit, value), dict(row.labels)
    if not size:
        return _FigureCell(figure)
    of_money = kpi.form.per_money
    interval = ""
    if top is not None and kpi.is_proportion(labels):
        interval = human.percents(*wilson(round(top), round(size)))
    return _FigureCell(
        figure, f"of {human.money(size) if of_money else human.count(size)}", interval
    )
