"""Sales: what is in the pipeline, how fast it moves, what is lost and why."""

from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from ops.dashboards import panels
from ops.dashboards.kpis import (
    deals,
    explained,
    figure,
    headline,
    kpi_panels,
    look,
    ranking,
    times,
    trend,
)
from ops.dashboards.overview import open_sum
from ops.dashboards.page import Page
from ops.dashboards.panels import Column, Look, Panel, Query
from ops.dashboards.promql import Figure, first_of, with_zeros


def sales() -> Page:
    page = Page(
        "funnel-sales",
        "Sales",
        "What is in the pipeline, how fast it moves, what is lost and why.",
        since="now-7d",
    )
    won = BY_ID["deals_closed"]
    page.line(
        4,
        open_sum(BY_ID["open_deals"]),
        open_sum(BY_ID["open_value"]),
        headline(BY_ID["pipeline_velocity"]),
        headline(BY_ID["win_ratio"]),
        headline(won, "Deals won", outcome="won"),
        headline(BY_ID["deal_value"], "Won value", outcome="won"),
        headline(BY_ID["time_to_close_seconds"], "Time to win", outcome="won"),
        headline(BY_ID["discount_ratio"]),
    )
    page.row("The pipeline by stage, now")
    page.line(9, _by_stage(), _bars_by_stage(), widths=(15, 9))
    page.line(
        8,
        trend(BY_ID["open_deals"], stacked=True),
        trend(BY_ID["open_value"], stacked=True),
    )
    page.row("How fast")
    page.line(8, trend(BY_ID["pipeline_velocity"]), trend(BY_ID["won_value_per_day"]))
    page.line(
        8,
        times(BY_ID["time_to_close_seconds"], "Time to win", outcome="won"),
        _stage_times(),
    )
    page.row("Ageing")
    page.line(8, trend(BY_ID["open_age_seconds"]), _stuck())
    page.row("What is lost, and why")
    lost, value = BY_ID["lost_deals"], BY_ID["lost_value"]
    page.line(
        9,
        ranking(lost, "Lost deals by reason", ("reason",)),
        ranking(value, "Lost value by reason", ("reason",)),
        ranking(lost, "Lost deals by last stage", ("lost_from",)),
    )
    page.line(8, _lost_over_time(), trend(won))
    page.row("How well")
    ratios = ("win_ratio", "offer_acceptance_ratio", "negotiation_success_ratio")
    page.line(8, *(panel for kpi in ratios for panel in kpi_panels(BY_ID[kpi])))
    terms = ("discount_ratio", "value_retention_ratio", "margin_ratio")
    page.line(8, *(trend(BY_ID[kpi]) for kpi in terms))
    page.row("Moves, and other KPIs across the stages")
    page.line(9, _moves(), trend(BY_ID["stage_entries"]))
    beyond = [kpi for kpi in KPIS if kpi.stage == 0 and not page.asks_for(kpi.metric)]
    others = [panel for kpi in beyond for panel in kpi_panels(kpi)]
    page.lines(8, *others)
    return page


def _by_stage() -> Panel:
    """One row for each stage, in the order of the funnel."""

    def column(title: str, kpi: str, unit: str, *, suffix: str = "", **where: str) -> Column:
        each = []
        for stage in OPEN_STAGES:
            of = figure(BY_ID[kpi], suffix, stage=stage, **where)
            of = Figure(of.metric, ("stage",), of.where, of.window, with_scope=False)
            if kpi == "stuck_deals":
                opened = Figure(
                    "funnel_open_deals", ("stage",), {"stage": stage}, "", with_scope=False
                )
                each.append(with_zeros(of, opened))
            else:
                each.append(of.now())
        return Column(title, first_of(*each), unit, 0 if unit == "short" else 1)

    shown = Look(
        "By stage",
        "Open deals now, with their value, mean age in the stage and how many are stuck; and "
        "within "
        "what time half of the deals that left the stage in the window did so. 0 stuck where "
        "stuck_after in funnel.yaml sets no limit.",
        "short",
    )
    half = {"quantile": "0.5"}
    return panels.table(
        shown,
        {"stage": "stage"},
        column("open", "open_deals", "short"),
        column("value", "open_value", "short"),
        column("mean age", "open_age_seconds", "s"),
        column("stuck", "stuck_deals", "short"),
        column("half left within", "stage_duration_seconds", "s", suffix="_quantile", **half),
    )


def _bars_by_stage() -> Panel:
    kpi = BY_ID["open_deals"]
    queries = [Query(figure(kpi, stage=stage).now(), stage) for stage in OPEN_STAGES]
    panel = panels.bars(look(kpi), *queries)
    for stage in OPEN_STAGES:
        panels.override(panel, stage, links=deals(kpi, figure(kpi, stage=stage)))
    return panel


def _stage_times() -> Panel:
    kpi = BY_ID["stage_duration_seconds"]
    of = figure(kpi, "_quantile", quantile="0.5")
    shown = look(kpi, "Time in stage: half within", links=deals(kpi, of))
    return panels.lines(shown, Query(of.now(), "{{stage}}"))


def _stuck() -> Panel:
    kpi = BY_ID["stuck_deals"]
    of = figure(kpi)
    shown = look(kpi, links=deals(kpi, of))
    expr = with_zeros(of, figure(BY_ID["open_deals"]))
    return panels.lines(shown, Query(expr, "{{stage}}"))


def _lost_over_time() -> Panel:
    kpi = BY_ID["lost_deals"]
    of = figure(kpi).by("reason")
    shown = look(kpi, "Lost deals by reason, over time", links=deals(kpi, of))
    return panels.lines(shown, Query(f"topk(8, {of.now()})", "{{reason}}"))


def _moves() -> Panel:
    kpi = BY_ID["transitions"]
    shown = Look(
        "Moves between stages: from (rows) to (columns)",
        explained(kpi),
        "short",
        0,
    )
    query = Query(figure(kpi).bare().now())
    return panels.matrix(shown, query, rows="from_stage", columns="to_stage")
