"""Panels about getting from stage to stage, on all three bases."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from funnel_stream.contract.event import STAGES, WON
from funnel_stream.kpis.catalogue import BY_ID
from ops.dashboards import panels
from ops.dashboards.kpis import deals, explained, figure, with_bands
from ops.dashboards.panels import Column, Link, Look, Panel, Query
from ops.dashboards.promql import Figure, difference, first_of, marked

CONVERSION: Final = BY_ID["conversion_ratio"]
FUNNEL: Final = STAGES[: WON + 1]
STEPS: Final = (*pairwise(FUNNEL), (FUNNEL[0], FUNNEL[WON]))
"""From each stage to the next one, and from the first to the last."""

_BASES: Final = {
    "period": {"basis": "period"},
    "cohort": {"basis": "cohort"},
    "matured": {"basis": "matured", "horizon": "$horizon"},
}
_MEANING: Final = (
    "Period: what happened in the window, no matter to which deals (won per lead, not a share of "
    "the leads). Cohort: of the deals that reached the stage in the window, the share that has "
    "moved on by now; recent ones have had little time. Matured: each deal judged at the age of "
    "the horizon; compare this one. Bands: 95 % (Wilson), for shares."
)


def conversion(basis: str, base: str, to: str, suffix: str = "") -> Figure:
    """The conversion of one step on one basis."""
    where = {"from_stage": base, "to_stage": to, **_BASES[basis]}
    return figure(CONVERSION, suffix, window=_window(basis), **where)


def step(base: str, to: str) -> Panel:
    """One step over time, on all bases with their bands; matured in the period before as well."""
    named = {}
    for basis in _BASES:
        of = conversion(basis, base, to)
        if basis == "matured":
            expr = first_of(marked(of.now(), "now"), marked(of.before(), "before"))
            named[basis] = Query(expr, "matured $horizon {{period}}"), of
        else:
            named[basis] = Query(marked(of.now(), "now"), f"{basis} {{{{period}}}}"), of
    panel = with_bands(CONVERSION, Look(f"{base} → {to}", _MEANING, "percentunit", 1), named)
    for basis, (_, of) in named.items():
        panels.override(panel, f"/^{basis}.* now$/", links=deals(CONVERSION, of))
    return panel


def steps_table(title: str, steps: Sequence[tuple[str, str]]) -> Panel:
    """A row for each step: how many deals, which share on each basis, how sure, what changed."""

    def each(basis: str, suffix: str = "") -> list[Figure]:
        return [_row(conversion(basis, base, to, suffix)) for base, to in steps]

    def column(basis: str, suffix: str = "") -> str:
        return first_of(*(of.now() for of in each(basis, suffix)))

    matured = each("matured")
    lower = first_of(*(of.recorded("wilson_lower95").now() for of in matured))
    upper = first_of(*(of.recorded("wilson_upper95").now() for of in matured))
    change = first_of(*(difference(of) for of in matured))
    columns = [
        Column("deals", column("cohort", "_denominator"), "short", 0),
        *(Column(name, column(name), "percentunit", 1, _row_links(name)) for name in _BASES),
        Column("low", lower, "percentunit", 1),
        Column("high", upper, "percentunit", 1),
        Column("change", change, "percentunit", 1, thresholds=panels.GROWTH),
    ]
    keys = {"from_stage": "from", "to_stage": "to"}
    help = f"{_MEANING} Low, high and change (in points, from one window ago) are for matured."
    return panels.table(Look(title, help, "percentunit", 1), keys, *columns)


def _window(basis: str) -> str:
    return "$matured_window" if basis == "matured" else "$window"


def _row(of: Figure) -> Figure:
    """Told apart from other rows by its stages."""
    return replace(of, labels=("from_stage", "to_stage"), with_scope=False)


def _row_links(basis: str) -> tuple[Link, ...]:
    return deals(
        CONVERSION,
        conversion(basis, "${__data.fields.from}", "${__data.fields.to}"),
        window=f"${{{_window(basis)[1:]}}}",
    )


def moves(stage: str, *, into: bool = False) -> Panel:
    """Where the deals that left a stage went; or where those that came were before."""
    kpi = BY_ID["transitions"]
    here, there = ("to_stage", "from_stage") if into else ("from_stage", "to_stage")
    of = figure(kpi, **{here: stage})
    shown = Look(
        f"Where they come from: into {stage}" if into else f"Where they go: out of {stage}",
        explained(kpi),
        "short",
        0,
        deals(kpi, of),
    )
    return panels.bars(shown, Query(f"sort_desc({of.now()})", f"{{{{{there}}}}}"))
