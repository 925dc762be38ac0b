"""Stage detail: how many are in a stage, where they go, and all KPIs of the stage."""

from collections.abc import Sequence
from typing import Final

from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.reference import STAGE_TITLES
from ops.dashboards import panels
from ops.dashboards.conversions import CONVERSION, FUNNEL, STEPS, moves, step, steps_table
from ops.dashboards.kpis import (
    deals,
    figure,
    has_headline,
    headline,
    kpi_panels,
    look,
    times,
    trend,
)
from ops.dashboards.page import Page
from ops.dashboards.panels import Look, Panel, Query
from ops.dashboards.promql import with_zeros

_SLUGS: Final = ("lead", "qualification", "potential", "offer", "negotiation", "contract")
_ACROSS: Final = 6
_ANY: Final = "~.+"


def stage_uid(number: int) -> str:
    """The uid of the dashboard of stage 1 to 6."""
    return f"funnel-stage-{number}-{_SLUGS[number - 1]}"


def stage_page(number: int, kpis: Sequence[Kpi] = KPIS) -> Page:
    """The dashboard of one of the six stages, with all its KPIs in the catalogue."""
    stage = FUNNEL[number - 1]
    page = Page(
        stage_uid(number),
        STAGE_TITLES[number],
        f"Deals in the stage {stage!r}, where they go, and all KPIs of that stage.",
        since="now-7d",
        stage=True,
    )
    _state(page, stage)
    stage_kpis = [kpi for kpi in kpis if kpi.stage == number]
    page.row("KPIs of the stage")
    page.lines(4, *(headline(kpi) for kpi in stage_kpis if has_headline(kpi)), across=_ACROSS)
    shown = [kpi_panels(kpi) for kpi in stage_kpis if kpi is not CONVERSION]
    page.lines(8, *(alone for alone, *more in shown if not more))
    for several in shown:
        if len(several) > 1:
            page.line(9, *several)
    if CONVERSION in stage_kpis:
        page.line(14, steps_table(CONVERSION.title, [(base, _ANY) for base in OPEN_STAGES]))
    return page


def _state(page: Page, stage: str) -> None:
    """How it is in the stage now."""
    entries = headline(BY_ID["stage_entries"], "Reached", stage=stage)
    if stage not in OPEN_STAGES:
        page.line(8, trend(BY_ID["stage_entries"], "Reached", stage=stage), moves(stage, into=True))
        return
    opened = figure(BY_ID["open_deals"], stage=stage)
    page.line(
        4,
        entries,
        headline(BY_ID["open_deals"], "Open now", stage=stage),
        headline(BY_ID["open_value"], zeros=opened, stage=stage),
        headline(BY_ID["open_age_seconds"], "Age of open deals", stage=stage),
        stuck(stage),
        headline(BY_ID["stage_duration_seconds"], "Time in stage", stage=stage),
    )
    (to,) = [to for base, to in STEPS[:-1] if base == stage]
    page.line(9, step(stage, to), moves(stage), widths=(15, 9))
    page.line(
        8,
        trend(BY_ID["stage_entries"], "Reached", stage=stage),
        trend(BY_ID["open_deals"], "Open now", stage=stage),
        times(BY_ID["stage_duration_seconds"], "Time in stage", stage=stage),
    )


def stuck(stage: str) -> Panel:
    """Deals that have been in the stage for too long."""
    kpi = BY_ID["stuck_deals"]
    of = figure(kpi, stage=stage)
    base = look(kpi)
    shown = Look(
        base.title,
        f"{base.help} 0 where stuck_after in funnel.yaml sets no limit.",
        base.unit,
        0,
        deals(kpi, of),
        ((None, "text"), (1, "orange")),
    )
    expr = with_zeros(of, figure(BY_ID["open_deals"], stage=stage))
    return panels.stat(shown, Query(expr, "stuck"), name_shown=False)
