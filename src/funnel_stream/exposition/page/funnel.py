"""The funnel drawn: how many deals got how far on the view's basis, and where the others went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from funnel_stream import human
from funnel_stream.contract.event import LEAD, LOST, STAGES, WON
from funnel_stream.definition import Pipeline
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.exposition.page import drawing
from funnel_stream.exposition.page.figures import Figure
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.view import COHORT, PERIOD, View
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.label_values import value_in_words
from funnel_stream.kpis.scope import OTHER

_REASONS: Final = 2
_PIPELINE_STAGES: Final = STAGES[:LOST]

FateCounts = Mapping[str, Mapping[str, int]]
"""Of the leads of a window: how many got as far as each stage and no further, by fate."""

ByKpi = Mapping[str, list[Figure]]
"""All series of the view's pipeline in its window, and of now, by KPI."""


@dataclass(frozen=True)
class Flow:
    """Deals that left a stage: where to or why, how many, and which."""

    name: str
    count: str
    deals: str


class Share(NamedTuple):
    """A count against that of another stage: the quotient, and what it was divided by; both empty
    where there is nothing to say."""

    text: str
    by: str


@dataclass(frozen=True)
class FunnelStage:
    """One stage. ``count``: deals of the view that got there, ``None`` if that is not known;
    ``of_leads`` and ``of_before``: against those. ``stopped``: those of them that got no further,
    ``None`` for the last stage; ``fates``: what became of these, where that is known. In the
    window, of any deals: ``lost`` from here, with the reasons, and ``back``, moves to
    earlier stages."""

    name: str
    title: str
    count: float | None
    deals: str
    of_leads: Share
    of_before: Share
    slice: drawing.Slice
    stopped: str | None
    stopped_width: float
    fates: str
    lost: Flow
    lost_width: float
    reasons: list[Flow]
    back: list[Flow]
    open: Flow | None

    @property
    def count_text(self) -> str:
        return human.count(self.count)


@dataclass(frozen=True)
class Funnel:
    """All stages in order; ``reopened``: losses that were taken back. ``of_period``: the counts,
    too, are of all deals in the window, so that losses and moves stand beside them;
    else they are of the same deals. ``empty``: why there is nothing to draw."""

    stages: list[FunnelStage]
    reopened: list[Flow]
    of_period: bool
    of_cohort: bool
    empty: str

    @property
    def losses(self) -> list[FunnelStage]:
        """The stages from which deals were lost or moved back."""
        return [stage for stage in self.stages if stage.lost.deals or stage.back]


def funnel(by_kpi: ByKpi, view: View, links: DealLinks, *, ever: int, fates: FateCounts) -> Funnel:
    """The funnel of a view; ``ever``: leads of the pipeline in the longest window; ``fates``: what
    became of the leads of the view's window."""
    reached = _reached(by_kpi, view)
    counts = [0.0 if figure is None else _count(figure, stage) for stage, figure in reached]
    slices = drawing.funnel(counts)
    titles = links.definition.pipelines.get(view.pipeline, Pipeline()).stage_titles
    lost = [_lost(by_kpi, name, view, links) for name in _PIPELINE_STAGES]
    of_period = view.basis == PERIOD
    most = max(counts) or 1.0
    # Losses may be of other deals than the counts are: then they are drawn among themselves.
    most_lost = max(*(counts if of_period else ()), *(total for total, *_ in lost)) or 1.0
    sign = "÷" if of_period else "of"
    stages = []
    for stage, figure in reached:
        name = _PIPELINE_STAGES[stage]
        total, reasons, flow = lost[stage]
        part = "numerator" if stage else "denominator"
        stopped = counts[stage] - counts[stage + 1] if stage < WON else None
        stages.append(
            FunnelStage(
                name=name,
                title=titles.get(name, name.capitalize()),
                count=None if figure is None else counts[stage],
                deals=links.of(figure.kpi, figure.labels, view, part=part) if figure else "",
                of_leads=_share(counts[stage], counts[LEAD], sign) if stage else _NO_SHARE,
                of_before=_share(counts[stage], counts[stage - 1], sign) if stage else _NO_SHARE,
                slice=slices[stage],
                stopped=None if stopped is None or figure is None else human.count(stopped),
                stopped_width=round(100 * max(0.0, stopped or 0.0) / most, 1),
                fates=_in_words(fates[name]) if view.basis == COHORT and stage < WON else "",
                lost=flow,
                lost_width=round(min(100.0, 100 * total / most_lost), 1),
                reasons=reasons,
                back=_moves(by_kpi, name, _PIPELINE_STAGES[:stage], titles, view, links),
                open=_open(by_kpi, name, view, links) if name in OPEN_STAGES else None,
            )
        )
    reopened = _moves(by_kpi, STAGES[LOST], OPEN_STAGES, titles, view, links)
    empty = "" if any(counts) else _why_empty(by_kpi, view, ever)
    return Funnel(stages, reopened, of_period, view.basis == COHORT, empty)


def _reached(by_kpi: ByKpi, view: View) -> list[tuple[int, Figure | None]]:
    """For each stage the conversion from lead to it, on the view's basis; for lead itself the
    first one, whose denominator it is."""
    selected = {"from_stage": STAGES[LEAD], **view.basis_labels}
    found = {
        figure.labels["to_stage"]: figure
        for figure in by_kpi["conversion_ratio"]
        if selected.items() <= figure.labels.items()
    }
    return [(stage, found.get(STAGES[max(stage, 1)])) for stage in range(WON + 1)]


def _count(figure: Figure, stage: int) -> float:
    return figure.parts["_numerator" if stage else "_denominator"]


def _in_words(fates: Mapping[str, int]) -> str:
    return ", ".join(
        f"{human.count(number)} {fate.replace('_', ' ')}"
        for fate, number in fates.items()
        if number
    )


_NO_SHARE: Final = Share("", "")


def _share(part: float, whole: float, sign: str) -> Share:
    if not whole:
        return Share(human.MISSING, "")
    return Share(human.percent(part / whole), f"{sign} {human.count(whole)}")


def _why_empty(by_kpi: ByKpi, view: View, ever: int) -> str:
    if not ever:
        return (
            "No leads yet. Publish events to Kafka (funnel-stream emit sends a file, "
            "funnel-stream simulate generates events), or choose another pipeline."
        )
    if not any(view.basis_labels.items() <= f.labels.items() for f in by_kpi["conversion_ratio"]):
        return "Matured conversions need a longer window: choose 24 h or more."
    if ":" in view.basis:
        return "No lead in this window is old enough yet: choose another basis."
    return "No leads came in during this window: choose a longer one."


def _lost(
    by_kpi: ByKpi, stage: str, view: View, links: DealLinks
) -> tuple[float, list[Flow], Flow]:
    """How many were lost from a stage, why, and which."""
    kpi = BY_ID["lost_deals"]
    reasons: dict[str, float] = {}
    for figure in by_kpi[kpi.id]:
        if figure.labels["lost_from"] == stage:
            reason = figure.labels["reason"]
            reasons[reason] = reasons.get(reason, 0.0) + (figure.value or 0.0)
    total = sum(reasons.values())
    named = sorted(reasons.keys() - {OTHER}, key=lambda reason: (-reasons[reason], reason))
    most = named[:_REASONS]
    flows = [
        Flow(
            value_in_words(reason),
            human.count(reasons[reason]),
            links.of(kpi, {"lost_from": stage, "reason": reason}, view),
        )
        for reason in most
    ]
    if remaining := total - sum(reasons[reason] for reason in most):
        flows.append(Flow("others", human.count(remaining), ""))
    link = links.of(kpi, {"lost_from": stage}, view) if total else ""
    return total, flows, Flow("lost", human.count(total), link)


def _moves(
    by_kpi: ByKpi,
    stage: str,
    to: Iterable[str],
    titles: Mapping[str, str],
    view: View,
    links: DealLinks,
) -> list[Flow]:
    selected = set(to)
    return [
        Flow(
            titles.get(figure.labels["to_stage"], figure.labels["to_stage"]),
            human.count(figure.value),
            links.of(figure.kpi, figure.labels, view),
        )
        for figure in by_kpi["transitions"]
        if figure.labels["from_stage"] == stage and figure.labels["to_stage"] in selected
        if figure.value
    ]


def _open(by_kpi: ByKpi, stage: str, view: View, links: DealLinks) -> Flow | None:
    for figure in by_kpi["open_deals"]:
        if figure.labels["stage"] == stage:
            link = links.of(figure.kpi, figure.labels, view)
            return Flow("open now", figure.text, link if figure.value else "")
    return None
