"""KPI tiles: every figure of a KPI with its trend, its change, its target and the way to its deals,
out of the catalogue's entry alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from funnel_stream import human
from funnel_stream.definition import Target
from funnel_stream.exposition.page.figures import (
    Figure,
    chosen,
    other_currencies,
    ranked,
    span_of,
    unit,
    written,
)
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.special_cases import CONVERSIONS
from funnel_stream.exposition.page.trends import EMPTY_TREND, ShownTrend, TrendSummary
from funnel_stream.exposition.page.view import COHORT, View
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.samples import attained

_FIRST: Final = 5
"""So many series of a KPI are shown at once; the others when asked for."""


@dataclass(frozen=True)
class Goal:
    """A target: its value, and the share of it that is attained (``None``: unknown)."""

    text: str
    share: float | None

    @property
    def share_text(self) -> str:
        return human.percent(self.share)

    @property
    def width(self) -> float:
        """Of a bar of 100, full when it is attained."""
        return round(100 * min(1.0, max(0.0, self.share or 0.0)), 1)

    @property
    def met(self) -> bool:
        return self.share is not None and self.share >= 1


@dataclass(frozen=True)
class Reading:
    """A figure to be shown. ``deals``: the address of the deals behind it, empty if it has none.
    ``basis``: if it is not the view's; on ``period`` what is divided by what, unless the figure's
    name says it."""

    figure: Figure
    trend: TrendSummary
    goals: list[Goal]
    deals: str
    basis: str


class NoTrend(NamedTuple):
    """Why a figure has neither trend nor change; ``link``: to what can be compared, if it can."""

    text: str
    link: str


@dataclass(frozen=True)
class Tile:
    """A KPI with its readings; ``further`` are shown when asked for. ``span``: ``now``, ``in the
    window``, or empty where that goes without saying. ``currency_note``: what is said of the
    currencies that are left out."""

    kpi: Kpi
    link: str
    unit: str
    span: str
    readings: list[Reading]
    further: list[Reading]
    no_trend: NoTrend | None
    currency_note: str
    empty: str

    @property
    def single(self) -> Reading | None:
        """The only reading of a KPI that is one figure."""
        one = self.readings[0] if len(self.readings) == 1 else None
        return one if one and not one.figure.name else None


def tile(
    kpi: Kpi, every: list[Figure], view: View, trend: ShownTrend | None, links: DealLinks
) -> Tile:
    """The tile of a KPI, of which these are all series."""
    found = ranked(chosen(every, view))
    targets = [target for target in links.definition.targets if _is_meant(target, kpi, view)]
    readings = [_reading(figure, view, trend, targets, links) for figure in found]
    return Tile(
        kpi=kpi,
        link=view.link(f"/kpi/{kpi.id}"),
        unit=unit(kpi, view.currency) or kpi.unit,
        span=span_of(kpi, view),
        readings=readings[:_FIRST],
        further=readings[_FIRST:],
        no_trend=_no_trend(kpi, view)
        if any(figure.is_maturing and figure.value is not None for figure in found)
        else None,
        currency_note=_currency_note(every, view),
        empty=_why_empty(kpi, every, view),
    )


def _no_trend(kpi: Kpi, view: View) -> NoTrend:
    if "basis" not in kpi.form.labels:
        return NoTrend("No trend: recent figures have had less time to mature.", "")
    text = "No trend: recent deals are still in progress."
    if view.default_basis == COHORT:
        return NoTrend(text, "")
    # Matured figures are conversions, whichever KPI shows the same ones on another basis.
    return NoTrend(text, view.link(f"/kpi/{CONVERSIONS.id}", basis=view.default_basis))


def _currency_note(every: list[Figure], view: View) -> str:
    others = other_currencies(every, view)
    return f"Only {view.currency} is shown; there is also {', '.join(others)}." if others else ""


def _why_empty(kpi: Kpi, every: list[Figure], view: View) -> str:
    when = "now" if kpi.of_now else "in this window"
    if kpi.form.limited:
        return "No stage has a limit: set stuck_after in funnel.yaml."
    if any("currency" in figure.labels for figure in every):
        return f"Nothing in {view.currency} {when}."
    return f"Nothing {when}."


def _reading(
    figure: Figure,
    view: View,
    trend: ShownTrend | None,
    targets: Iterable[Target],
    links: DealLinks,
) -> Reading:
    basis = figure.labels.get("basis", "")
    return Reading(
        figure=figure,
        trend=trend.summary(figure) if trend else EMPTY_TREND,
        goals=[_goal(figure, target) for target in targets if _is_for(target, figure)],
        deals=links.of(figure.kpi, figure.labels, view),
        basis=figure.per if basis == view.basis_labels["basis"] else basis,
    )


# --- targets --------------------------------------------------------------------------------------


def _is_meant(target: Target, kpi: Kpi, view: View) -> bool:
    return (
        target.kpi == kpi.id
        and target.pipeline == view.pipeline
        and target.window in (None, view.window.name)
        and "dimension" not in target.labels
    )


def _is_for(target: Target, figure: Figure) -> bool:
    labels = {name: value for name, value in target.labels.items() if name != "quantile"}
    return labels == dict(figure.labels)


_QUANTILES: Final = {"0.5": "half", "0.9": "90 %"}


def _goal(figure: Figure, target: Target) -> Goal:
    quantile = target.labels.get("quantile")
    value = figure.value if quantile is None else figure.quantiles.get(quantile)
    sign = "≥" if target.at == "least" else "≤"
    goal = written(figure.kpi, float(target.value))
    text = f"{sign} {goal}" + (f" {figure.unit}" if figure.unit else "")
    if quantile is not None:
        text = f"{_QUANTILES[quantile]} {text}"
    return Goal(text, None if value is None else attained(target, value))
