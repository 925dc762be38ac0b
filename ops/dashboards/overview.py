"""Funnel overview: where the funnel leaks, since when, and for whom."""

from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi
from ops.dashboards import panels
from ops.dashboards.conversions import FUNNEL, STEPS, conversion, step, steps_table
from ops.dashboards.kpis import deals, figure, headline, look, trend
from ops.dashboards.page import FIRING, Page, address
from ops.dashboards.panels import Column, Look, Panel, Query
from ops.dashboards.promql import first_of, marked, or_note, ratio_change, single
from ops.dashboards.stages import stage_uid


def overview() -> Page:
    page = Page(
        "funnel-overview",
        "Funnel overview",
        "Where the funnel leaks, since when, and for whom.",
        since="now-7d",
    )
    page.line(
        4,
        headline(BY_ID["leads"]),
        _sales_conversion(),
        headline(BY_ID["deals_closed"], "Deals won", outcome="won"),
        headline(BY_ID["deal_value"], "Won value", outcome="won"),
        headline(BY_ID["win_ratio"]),
        open_sum(BY_ID["open_deals"]),
        alert_count(),
        age_of_figures(),
    )
    page.line(
        10, _funnel(), steps_table("Conversion per step", STEPS), alert_list(), widths=(6, 13, 5)
    )
    page.row("Since when: every step, with 95 % bands")
    page.lines(8, *(step(base, to) for base, to in STEPS), across=3)
    page.row("How much, compared with the previous period")
    page.lines(
        8,
        trend(BY_ID["leads"]),
        trend(BY_ID["deals_closed"]),
        trend(BY_ID["deal_value"], "Won and lost value"),
        trend(BY_ID["cost_per_lead"]),
        across=2,
    )
    page.row("For whom, and how far from the targets")
    page.line(9, _drops(), _targets())
    return page


def open_sum(kpi: Kpi) -> Panel:
    """Open deals or their value in all stages, and how that has changed since one window ago."""
    return headline(kpi, of=figure(kpi).by())


def alert_count() -> Panel:
    shown = Look(
        "Alerts",
        "Firing alerts for this pipeline and for the service.",
        "short",
        0,
        thresholds=panels.GOOD_IS_ZERO,
    )
    return panels.stat(shown, Query(f"count({FIRING}) or vector(0)", "firing"), name_shown=False)


def alert_list() -> Panel:
    labels = ("severity", "alertname", "from_stage", "to_stage", "channel")
    firing = f"max by ({', '.join(labels)}) ({FIRING})"
    shown = Look(
        "Firing alerts",
        "What is firing now, for this pipeline and for the service. See the alerts themselves for "
        "details.",
        "short",
    )
    keys = {name: {"from_stage": "from", "to_stage": "to"}.get(name, name) for name in labels}
    return panels.table(
        shown, keys, Column("firing", or_note(firing, "alertname", "none"), decimals=0)
    )


def age_of_figures() -> Panel:
    """How old the figures are; a stalled stream shows here before anywhere else."""
    shown = Look(
        "Age of the figures",
        "Time since the instant at which the windows end. Old figures cannot be relied on.",
        "s",
        0,
        thresholds=((None, "green"), (60, "orange"), (300, "red")),
    )
    expr = "time() - max(funnel_as_of_timestamp_seconds)"
    return panels.stat(shown, Query(expr, "age"), name_shown=False)


def _sales_conversion() -> Panel:
    """From lead to won, matured: the one figure that is fair to compare."""
    of = conversion("matured", FUNNEL[0], FUNNEL[-1])
    expr = first_of(marked(of.now(), "now"), marked(ratio_change(of), "change"))
    kpi = BY_ID["conversion_ratio"]
    shown = look(kpi, "Lead → won, matured", links=deals(kpi, of))
    return panels.stat(shown, Query(expr, "{{period}}"))


def _funnel() -> Panel:
    """Deals that reached each stage. One query each, so that the bars keep the funnel's order."""
    kpi = BY_ID["stage_entries"]
    queries = [Query(figure(kpi, stage=stage).now(), stage) for stage in FUNNEL]
    panel = panels.bars(look(kpi, "The funnel"), *queries)
    for number, stage in enumerate(FUNNEL, start=1):
        page = panels.Link(f"Stage {number}: {stage}", address(stage_uid(number)))
        behind = deals(kpi, figure(kpi, stage=stage))
        panels.override(panel, stage, links=(page, *behind))
    return panel


def _drops() -> Panel:
    """The channels whose matured conversions have dropped most, in standard deviations."""
    labels = "channel, from_stage, to_stage, horizon, window"
    selector = '{pipeline="$pipeline"}'
    drops = f"max by ({labels}) (channel:funnel_conversion_drop:zscore{selector})"
    shown = Look(
        "Largest drops by channel",
        "Matured conversions of channels compared with the same hours of previous weeks, in "
        "standard deviations: what chance and the usual ups and downs explain stays below about 3. "
        "Empty until there is a week of history.",
        "short",
        1,
        thresholds=((None, "green"), (3, "orange"), (4.5, "red")),
        links=(panels.Link("Break this down", address("funnel-breakdowns", dimension="channel")),),
    )
    expr = or_note(f"sort_desc(topk(10, {drops}))", "channel", "no history to compare with yet")
    legend = "{{channel}} {{from_stage}} {{to_stage}} {{horizon}} {{window}}"
    return panels.bars(shown, Query(expr, legend))


def _targets() -> Panel:
    """Attainment of every target of the pipeline."""
    attained = single('funnel_target_attainment_ratio{pipeline="$pipeline"}')
    shown = Look(
        "Attainment of targets",
        "How much of every target in funnel.yaml is attained: KPI ÷ target, or target ÷ KPI where "
        "the target is an upper limit. 100 % and above is good.",
        "percentunit",
        0,
        thresholds=((None, "red"), (0.8, "orange"), (1, "green")),
    )
    legend = (
        "{{kpi}} {{from_stage}} {{to_stage}} {{stage}} {{outcome}} {{basis}} {{horizon}} "
        "{{quantile}} {{currency}} {{window}}"
    )
    expr = or_note(attained, "kpi", "no targets in funnel.yaml")
    return panels.bars(shown, Query(expr, legend), highest=1.5)
