"""KPIs as tables to read: a table per pipeline, a group of rows per KPI, a column per window."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Final, NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from funnel_stream.catalogue import KPIS, Kpi
from funnel_stream.cli import human
from funnel_stream.samples import Sample

_QUANTILES: Final = {"0.5": "median", "0.9": "90 % within"}
_NAME_WIDTH: Final = 25
_STRUCTURE: Final = ("pipeline", "window", "dimension", "value")


class _Row(NamedTuple):
    """What a line of the table is about, all windows together."""

    pipeline: str
    value: str
    labels: tuple[tuple[str, str], ...]


Cells = dict[_Row, dict[str, float]]
"""Values of one series name, by row and window."""


def kpi_tables(found: Iterable[Sample], windows: Sequence[str], *, by: str | None) -> list[Table]:
    """The totals, or the breakdown by a dimension; rows with nothing in any window are left out."""
    cells: dict[str, Cells] = {}
    for sample in found:
        labels = sample.labels
        if labels.get("dimension") != by:
            continue
        own = tuple(item for item in labels.items() if item[0] not in _STRUCTURE)
        row = _Row(labels["pipeline"], labels.get("value", ""), own)
        cells.setdefault(sample.metric, {}).setdefault(row, {})[labels["window"]] = sample.value
    pipelines = sorted({row.pipeline for rows in cells.values() for row in rows})
    return [_table(pipeline, cells, windows, by) for pipeline in pipelines]


def _table(pipeline: str, cells: dict[str, Cells], windows: Sequence[str], by: str | None) -> Table:
    title = f"Pipeline {escape(pipeline)}" + (f", by {escape(by)}" if by else "")
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("KPI", min_width=_NAME_WIDTH)
    for window in windows:
        table.add_column(window, justify="right", no_wrap=True)
    for kpi in KPIS:
        rows = list(_rows(kpi, pipeline, cells, windows, by))
        if len(rows) == 1 and rows[0].name == rows[0].detail == "":
            table.add_row(Text(kpi.title, style="bold"), *rows[0].values)
        elif rows:
            table.add_row(Text(kpi.title, style="bold"))
            _add_lines(table, rows)
    return table


class _Line(NamedTuple):
    """One line of the table: ``detail`` tells it from the lines that have the same name."""

    name: str
    detail: str
    values: list[Text]


def _add_lines(table: Table, lines: list[_Line]) -> None:
    for name, group in groupby(lines, lambda line: line.name):
        of_name = list(group)
        indent = "  "
        if name and (len(of_name) > 1 or not of_name[0].detail):
            alone = of_name.pop(0) if not of_name[0].detail else None
            table.add_row(Text(f"  {name}"), *(alone.values if alone else ()))
            indent, name = "    ", ""
        for line in of_name:
            text = " · ".join(part for part in (name, line.detail) if part)
            table.add_row(Text(f"{indent}{text}"), *line.values)


def _rows(
    kpi: Kpi, pipeline: str, cells: dict[str, Cells], windows: Sequence[str], by: str | None
) -> Iterator[_Line]:
    """The lines of one KPI, those of the same name together."""
    metric = f"{kpi.metric}_breakdown" if by else kpi.metric
    sizes = cells.get(f"{metric}_denominator") or cells.get(f"{metric}_count") or {}
    if len(windows) > 1:
        sizes = {}  # they would not fit beside each other
    found: dict[str, list[_Line]] = {}
    for suffix in ("", "_quantile"):
        series = cells.get(metric + suffix, {})
        # Open labels appear when non-zero, in one window before another: order them by name.
        for row, values in sorted(series.items()) if kpi.unit == "money" else series.items():
            if row.pipeline == pipeline and any(values.values()):
                size = sizes.get(row, {})
                texts = [_cell(kpi, values.get(w), size.get(w)) for w in windows]
                name, detail = _name(row)
                found.setdefault(name, []).append(_Line(name, detail, texts))
    return chain.from_iterable(found.values())


def _name(row: _Row) -> tuple[str, str]:
    """What a row is about, and by what it is told from others about the same."""
    labels = dict(row.labels)
    details = []
    if basis := labels.pop("basis", None):
        details.append(" ".join((basis, labels.pop("horizon", ""))).strip())
    if quantile := labels.pop("quantile", None):
        details.append(_QUANTILES.get(quantile, quantile))
    if "from_stage" in labels:
        labels["from_stage"] = f"{labels['from_stage']} → {labels.pop('to_stage')}"
    names = [row.value] if row.value else []
    return " · ".join([*names, *labels.values()]), " · ".join(details)


def _cell(kpi: Kpi, value: float | None, size: float | None) -> Text:
    if value is None:
        return Text(human.MISSING, style="dim")
    text = Text(_written(kpi.unit, value))
    if size is not None:
        text.append(f" of {human.count(size)}", style="dim")
    return text


def _written(unit: str, value: float) -> str:
    match unit:
        case "ratio":
            return human.percent(value)
        case "seconds":
            return human.seconds(value)
        case "money":
            return human.money(value)
        case _:
            return human.count(value)
