"""Breakdowns: every figure by the values of a dimension, and which values moved most."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from funnel_stream.kpis.catalogue import BY_ID, HEADLINES
from funnel_stream.kpis.kpi import Kpi
from ops.dashboards import panels
from ops.dashboards.conversions import CONVERSION, FUNNEL, STEPS, conversion
from ops.dashboards.kpis import UNITS, deals, figure, look
from ops.dashboards.page import Page
from ops.dashboards.panels import Column, Link, Look, Panel, Query
from ops.dashboards.promql import NO_FIGURE, Figure, difference, matchers, single

_SHOWN: Final[Mapping[str, tuple[dict[str, str], ...]]] = {
    "conversion_ratio": (
        {"from_stage": FUNNEL[0], "to_stage": FUNNEL[-1], "basis": "cohort"},
        {"from_stage": FUNNEL[0], "to_stage": FUNNEL[1], "basis": "cohort"},
    ),
    "offer_acceptance_ratio": ({"basis": "period"},),
    "time_to_close_seconds": ({"outcome": "won"},),
    "deals_closed": ({"outcome": "won"}, {"outcome": "lost"}),
    "deal_value": ({"outcome": "won"}, {"outcome": "lost"}),
    "open_deals": ({},),
    "open_value": ({},),
}
"""Which series are shown of KPIs that have several; of all others the one that there is."""

_SUMMED: Final = ("open_deals", "open_value")
"""KPIs whose series are summed over the stages."""


def breakdowns() -> Page:
    page = Page(
        "funnel-breakdowns",
        "Breakdowns",
        "Every figure by the values of a dimension, and which values moved most.",
        since="now-7d",
    )
    page.row("By $dimension, in the last $breakdown_window")
    page.line(11, _table())
    page.row("Top movers compared with the previous $breakdown_window")
    won = {"outcome": "won"}
    sales = {"from_stage": FUNNEL[0], "to_stage": FUNNEL[-1], "basis": "cohort"}
    page.line(
        9,
        _movers(BY_ID["leads"]),
        _movers(BY_ID["deals_closed"], "Deals won", **won),
        _movers(CONVERSION, "Lead → won, cohort", **sales),
        _movers(BY_ID["win_ratio"]),
    )
    page.row(
        "Where it leaks, and for whom: matured conversions of the last $matured_breakdown_window"
    )
    page.line(10, _steps())
    page.row("Since when")
    page.line(9, _over_time(BY_ID["leads"]), _over_time(CONVERSION, "Lead → won, cohort", **sales))
    page.row("Each figure")
    each = [_bars(BY_ID[kpi], **where) for kpi in HEADLINES for where in _series_of(kpi)]
    page.lines(8, *each, across=3)
    page.row("Any other figure that the worker exports by dimension")
    page.line(10, _any(instant=True), _any(instant=False), widths=(9, 15))
    return page


def _series_of(kpi: str) -> tuple[dict[str, str], ...]:
    return _SHOWN.get(kpi, ({},))


def _by_value(kpi: Kpi, suffix: str = "", **where: str) -> Figure:
    """The figure of each value of the dimension."""
    of = figure(kpi, suffix, window="$breakdown_window", **where)
    return _broken_down(of.by() if kpi.id in _SUMMED else of)


def _broken_down(of: Figure) -> Figure:
    metric = of.metric.removesuffix("_denominator")
    metric += "_breakdown" + of.metric.removeprefix(metric)
    where = {**of.where, "dimension": "$dimension"}
    return replace(of, metric=metric, labels=(*of.labels, "value"), where=where)


def _links(kpi: Kpi, of: Figure) -> tuple[Link, ...]:
    value = "${__field.labels.value:percentencode}"
    return deals(kpi, of, dimension="${dimension:percentencode}", value=value)


def _name(kpi: Kpi, where: Mapping[str, str]) -> str:
    if kpi is CONVERSION:
        return f"{where['from_stage']} → {where['to_stage']}, {where['basis']}"
    return " · ".join([kpi.title, *where.values()])


def _bars(kpi: Kpi, **where: str) -> Panel:
    of = _by_value(kpi, **where)
    shown = look(kpi, _name(kpi, where), links=_links(kpi, of))
    return panels.bars(shown, Query(f"sort_desc({of.now()})", "{{value}}"))


def _movers(kpi: Kpi, title: str = "", **where: str) -> Panel:
    """By how much the figure of each value has changed; risers first, fallers last."""
    of = _by_value(kpi, **where)
    points = ", in points" if kpi.unit == "ratio" else ""
    base = look(kpi, title, links=_links(kpi, of))
    help = f"Change from the previous period{points}: largest rise first. {base.help}"
    shown = replace(base, help=help, thresholds=panels.GROWTH)
    # A value that there was not before has come from 0, if it is counted.
    expr = difference(of)
    if kpi.unit != "ratio":
        there = f"count({of.before()})"
        grown = f"{of.now()} - ({of.before()} or {of.now()} * 0)"
        gone = f"0 - {of.before()}"
        expr = f"(({grown} or {gone}) and on () {there}) or {of.now()} * {NO_FIGURE}"
    return panels.bars(shown, Query(f"sort_desc({expr})", "{{value}}"))


def _over_time(kpi: Kpi, title: str = "", **where: str) -> Panel:
    of = _by_value(kpi, **where)
    return panels.lines(look(kpi, title, links=_links(kpi, of)), Query(of.now(), "{{value}}"))


def _any(*, instant: bool) -> Panel:
    """A figure chosen by its name, with all the labels that it has."""
    # A figure of now has no window, and matured conversions may have another one.
    windows = "~$breakdown_window|$matured_breakdown_window|"
    chosen = {"__name__": "$kpi", "pipeline": "$pipeline", "dimension": "$dimension"}
    one = single(matchers(chosen | {"window": windows}))
    shown = Look(
        "$kpi" if instant else "$kpi over time",
        "The figure chosen above under KPI, for every value of the dimension: the largest first.",
        "short",
    )
    legend = (
        "{{value}} {{currency}} {{stage}} {{outcome}} {{activity}} {{reason}} {{problem}} "
        "{{from_stage}} {{to_stage}} {{basis}} {{horizon}} {{quantile}}"
    )
    if instant:
        return panels.bars(shown, Query(f"sort_desc(topk(20, {one}))", legend))
    return panels.lines(shown, Query(f"topk(10, {one})", legend))


def _table() -> Panel:
    """What a manager asks about a channel, in one row."""

    def column(title: str, kpi: str, **where: str) -> Column:
        entry = BY_ID[kpi]
        of = _by_value(entry, **where).bare()
        decimals = {"ratio": 1, "deals": 0, "leads": 0}.get(entry.unit)
        unit = UNITS.get(entry.unit, "short")
        return Column(title, of.now(), unit, decimals, _row_links(entry, of))

    won = {"outcome": "won"}
    sales = {"from_stage": FUNNEL[0], "to_stage": FUNNEL[-1], "basis": "cohort"}
    quality = {**sales, "to_stage": FUNNEL[1]}
    shown = Look(
        "By $dimension",
        "The figures of every value of the dimension in the window: the top values by leads, the "
        "rest as __other__, deals without a value as __none__. Click a heading to sort, or a "
        "figure for its deals. Spend is by channel only. Counts cover what happened in the window, "
        "including leads from earlier windows; conversions are of the cohort.",
        "short",
    )
    return panels.table(
        shown,
        {"value": "value"},
        column("leads", "leads"),
        column("spend", "spend"),
        column("per lead", "cost_per_lead"),
        column("qualified", "qualified_leads"),
        column("lead → qualified", "conversion_ratio", **quality),
        column("lead → won", "conversion_ratio", **sales),
        column("win ratio", "win_ratio"),
        column("won", "deals_closed", **won),
        column("lost", "deals_closed", outcome="lost"),
        column("won value", "deal_value", **won),
        column("time to win", "time_to_close_seconds", **won),
        column("open", "open_deals"),
        column("open value", "open_value"),
    )


def _steps() -> Panel:
    """Every step of every value, matured."""
    columns = []
    for base, to in STEPS:
        of = _matured(base, to)
        links = _row_links(CONVERSION, of)
        columns.append(Column(f"{base} → {to}", of.now(), "percentunit", 1, links))
    counted = _matured(FUNNEL[0], FUNNEL[-1], "_denominator")
    shown = Look(
        "Matured conversion of every step, horizon $horizon",
        "Each deal is judged at the age of the horizon. With few deals (second column) a figure "
        "jumps around: alerts fire only for what chance does not explain.",
        "percentunit",
        1,
    )
    first = Column("leads matured", counted.now(), "short", 0)
    return panels.table(shown, {"value": "value"}, first, *columns)


def _matured(base: str, to: str, suffix: str = "") -> Figure:
    of = _broken_down(conversion("matured", base, to, suffix))
    return replace(of, window="$matured_breakdown_window", with_scope=False)


def _row_links(kpi: Kpi, of: Figure) -> tuple[Link, ...]:
    """Links of a table's cells, whose row says which value is meant."""
    window = {"window": f"${{{of.window[1:]}}}"} if of.window else {}
    value = "${__data.fields.value:percentencode}"
    return deals(kpi, of, **window, dimension="${dimension:percentencode}", value=value)
