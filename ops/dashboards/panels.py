"""Panels: how a stat, lines over time, bars and tables look here. What they show is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

Panel = stats.Panel | timeseries.Panel | bargauge.Panel | tables.Panel
_P = TypeVar("_P", stats.Panel, timeseries.Panel, bargauge.Panel, tables.Panel)

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
SERIES_COLOURS: Final = ("blue", "orange", "green", "purple", "yellow")
_REFS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on, that colour; ``None`` is the bottom."""

PLAIN: Final[Steps] = ((None, "text"),)
GOOD_IS_ZERO: Final[Steps] = ((None, "green"), (1, "red"))
GROWTH: Final[Steps] = ((None, "red"), (0, "green"))


class Query(NamedTuple):
    """PromQL, and the name of its series."""

    expr: str
    legend: str = "__auto"


class Link(NamedTuple):
    title: str
    url: str


@dataclass(frozen=True)
class Look:
    """What all panels have."""

    title: str
    help: str
    unit: str
    decimals: int | None = None
    links: tuple[Link, ...] = ()
    thresholds: Steps = PLAIN


def stat(look: Look, *queries: Query, name_shown: bool = True) -> stats.Panel:
    """Large figures with a line beneath. A series called ``change`` is a share."""
    panel = _dressed(stats.Panel(), look, queries, instant=True)
    named = options.BigValueTextMode.VALUE_AND_NAME
    return (
        panel.graph_mode(options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.VALUE)
        .text_mode(named if name_shown else options.BigValueTextMode.VALUE)
        .reduce_options(_last())
        .override_by_regexp(
            "/change$/", [_unit("percentunit"), _property("decimals", 1), _no_links()]
        )
    )


def lines(
    look: Look, *queries: Query, stacked: bool = False, soft_min: float | None = 0
) -> timeseries.Panel:
    """Lines over time. Series that end in ``before`` are dotted, those in ``target`` dashed."""
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull"])
    )
    tooltip = common.VizTooltipOptions()
    tooltip.mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    panel = (
        _dressed(timeseries.Panel(), look, queries, instant=False)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .legend(legend)
        .tooltip(tooltip)
        .line_width(2)
        .fill_opacity(40 if stacked else 0)
        .show_points(options.VisibilityMode.AUTO)
        .override_by_regexp("/before$/", [*_line("dot", 1), _no_links()])
        .override_by_regexp("/target$/", [*_line("dash", 2), _fixed("red"), _no_links()])
    )
    if soft_min is not None:
        panel.axis_soft_min(soft_min)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    return panel


def coloured(panel: timeseries.Panel, name: str, colour: str) -> None:
    """Colour the line that begins with ``name``."""
    panel.override_by_regexp(f"/^{name} ?(?!.*target$)/", [_fixed(colour)])


def band(panel: timeseries.Panel, name: str, colour: str) -> None:
    """Fill from ``name lower`` to ``name upper``."""
    lower, upper = f"{name} lower".strip(), f"{name} upper".strip()
    hidden = _property("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
    bound = [_property("custom.lineWidth", 0), hidden, _fixed(colour), _no_links()]
    panel.override_by_name(lower, bound)
    panel.override_by_name(
        upper,
        [*bound, _property("custom.fillBelowTo", lower), _property("custom.fillOpacity", 15)],
    )


def bars(look: Look, *queries: Query, highest: float | None = None) -> bargauge.Panel:
    """Horizontal bars, one for each series, in the order of the queries' answers."""
    steps = ((None, "blue"),) if look.thresholds is PLAIN else look.thresholds
    panel = (
        _dressed(bargauge.Panel(), replace(look, thresholds=steps), queries, instant=True)
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.GRADIENT)
        .value_mode(options.BarGaugeValueMode.TEXT)
        .show_unfilled(True)
        .reduce_options(_last())
    )
    if highest is not None:
        panel.max(highest)
    return panel


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, the query, and how its values look."""

    title: str
    expr: str
    unit: str = "short"
    decimals: int | None = None
    links: tuple[Link, ...] = ()
    thresholds: Steps = ()


def table(look: Look, keys: Mapping[str, str], *columns: Column) -> tables.Panel:
    """Rows by the labels ``keys`` (label → name of the column), joined over all columns."""
    panel = _table(look, [Query(column.expr) for column in columns])
    # A single query's values are called Value, those of several Value #A, Value #B …
    values = [f"Value #{_REFS[i]}" for i in range(len(columns))] if len(columns) > 1 else ["Value"]
    names = dict(keys) | dict(zip(values, [c.title for c in columns], strict=True))
    organised = {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": names,
    }
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=organised))
    for column in columns:
        panel.override_by_name(column.title, list(_column(column)))
    return panel


def matrix(look: Look, query: Query, *, rows: str, columns: str) -> tables.Panel:
    """The values of one query by two of its labels."""
    panel = _table(look, [query])
    turned = {"rowField": rows, "columnField": columns, "valueField": "Value", "emptyValue": "zero"}
    panel.with_transformation(
        models.DataTransformerConfig(id_val="groupingToMatrix", options=turned)
    )
    return panel


def override(panel: Panel, name: str, *, colour: str = "", links: Sequence[Link] = ()) -> None:
    """Another colour or other links for series of a name, or of a pattern like ``/ now$/``."""
    properties = [_fixed(colour)] if colour else []
    if links:
        properties.append(_links(links))
    if name.startswith("/"):
        panel.override_by_regexp(name, properties)
    else:
        panel.override_by_name(name, properties)


# --- what they are made of ------------------------------------------------------------------------


def _dressed(
    panel: _P, look: Look, queries: Sequence[Query], *, instant: bool, as_table: bool = False
) -> _P:
    panel.title(look.title).description(look.help).unit(look.unit).datasource(SOURCE)
    panel.thresholds(_thresholds(look.thresholds)).mappings([_nothing()]).no_value("–")
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.links:
        panel.data_links([_data_link(link) for link in look.links])
    for ref, query in zip(_REFS, queries, strict=False):
        panel.with_target(_target(ref, query, instant=instant, as_table=as_table))
    return panel


def _table(look: Look, queries: Sequence[Query]) -> tables.Panel:
    panel = _dressed(tables.Panel(), look, queries, instant=True, as_table=True)
    return panel.align(options.FieldTextAlignment.AUTO).inspect(False)


def _target(ref: str, query: Query, *, instant: bool, as_table: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref)
    target.editor_mode(QueryEditorMode.CODE).datasource(SOURCE)
    target.format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
    return target.instant() if instant else target.range()


def _column(column: Column) -> Sequence[models.DynamicConfigValue]:
    found = [_unit(column.unit)]
    if column.decimals is not None:
        found.append(_property("decimals", column.decimals))
    if column.links:
        found.append(_links(column.links))
    if column.thresholds:
        steps = [{"color": colour, "value": value} for value, colour in column.thresholds]
        found.append(_property("thresholds", {"mode": "absolute", "steps": steps}))
        found.append(_property("custom.cellOptions", {"type": "color-text"}))
    return found


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _nothing() -> models.SpecialValueMap:
    """NaN is shown as a dash."""
    result = models.ValueMappingResult(text="–", color="text")
    mapped = models.DashboardSpecialValueMapOptions(
        match=models.SpecialValueMatch.NULL_AND_NAN, result=result
    )
    return models.SpecialValueMap(options=mapped)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _property(name: str, value: Any) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _unit(name: str) -> models.DynamicConfigValue:
    return _property("unit", name)


def _fixed(colour: str) -> models.DynamicConfigValue:
    return _property("color", {"mode": "fixed", "fixedColor": colour})


def _line(fill: str, width: int) -> list[models.DynamicConfigValue]:
    dash = [2, 6] if fill == "dot" else [10, 10]
    style = {"fill": fill, "dash": dash}
    return [_property("custom.lineStyle", style), _property("custom.lineWidth", width)]


def _no_links() -> models.DynamicConfigValue:
    """For series that the deals of now are not behind."""
    return _property("links", [])


def _links(links: Sequence[Link]) -> models.DynamicConfigValue:
    shown = [{"title": link.title, "url": link.url, "targetBlank": True} for link in links]
    return _property("links", shown)


def _data_link(link: Link) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(link.title).url(link.url).target_blank(True)
