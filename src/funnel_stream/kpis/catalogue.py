"""The KPI catalogue: one entry per KPI, from which metrics, API and documentation follow.

How figures come out of the cells of a place is the entry's shape; everything else (total and
breakdowns, windows, pipelines, names and suffixes) is the same for all and lives in ``samples``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple

from funnel_stream.contract.event import (
    ACTIVITIES,
    ACTIVITY_OUTCOMES,
    LEAD,
    LOST,
    QUALIFIED,
    STAGES,
    WON,
)
from funnel_stream.definition import Definition
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.facts.measures import CELLS, MATURED, cell_id
from funnel_stream.facts.rules import DISCOUNT_PARTS, EFFECTS, MATURED_TARGETS, progress
from funnel_stream.kpis.forms import (
    FEWEST_WON,
    Ages,
    Amounts,
    AmountsPerDay,
    CellIds,
    CostPer,
    Counts,
    Durations,
    LimitedCounts,
    Means,
    MoneyMeans,
    MoneyRatios,
    OpenCounts,
    Ratio,
    Ratios,
    Shape,
    Velocity,
)


@dataclass(frozen=True)
class Kpi:
    """One entry of the catalogue.

    ``id``: the metric's name without ``funnel_``. ``stage``: of the six of the funnel, 0 for
    beyond. ``formula``: the definition, as a sentence. ``unit``: ``deals``, ``leads``, ``offers``,
    ``moves``, ``activities``, ``rounds``, ``points``, ``ratio``, ``seconds``, ``money`` or
    ``money a day``.
    """

    id: str
    stage: int
    title: str
    help: str
    formula: str
    unit: str
    shape: Shape

    @property
    def metric(self) -> str:
        return f"funnel_{self.id}"

    @property
    def of_now(self) -> bool:
        """The KPI is of the present and has no window."""
        return self.shape.of_now

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        """Whether a series, told by its own labels, is a share of what it is divided by: only then
        is it between 0 and 1, with an interval."""
        return self.shape.is_proportion(labels)


# --- what the entries are made of ---------------------------------------------------------------

_PIPELINE_STAGES = STAGES[:LOST]
_BOTH = ("won", "lost")
_YES_OR_NO = ("true", "false")


def _reached(stage: int) -> CellIds:
    return (cell_id("reached", STAGES[stage]),)


def _got_from(base: int, to: int) -> CellIds:
    return tuple(cell for far in _PIPELINE_STAGES[to:] for cell in progress(STAGES[base], far))


def _closed(
    outcomes: tuple[str, ...], *, offered_only: bool = False, negotiated_only: bool = False
) -> CellIds:
    return tuple(
        cell_id("closed", outcome, offered, negotiated)
        for outcome in outcomes
        for offered in (("true",) if offered_only else _YES_OR_NO)
        for negotiated in (("true",) if negotiated_only else _YES_OR_NO)
    )


def _activities(activity: str, outcome: str, *effects: str) -> CellIds:
    return tuple(cell_id("activity", activity, outcome, effect) for effect in effects or EFFECTS)


def _by_period_and_cohort(base: int, to: int, **labels: str) -> tuple[Ratio, Ratio]:
    return (
        Ratio({**labels, "basis": "period"}, _reached(to), _reached(base)),
        Ratio({**labels, "basis": "cohort"}, _got_from(base, to), _reached(base)),
    )


@cache
def _conversions(horizons: tuple[str, ...]) -> tuple[Ratio, ...]:
    found: list[Ratio] = []
    for base in range(WON):
        for to in range(base + 1, WON + 1):
            labels = {"from_stage": STAGES[base], "to_stage": STAGES[to]}
            found += _by_period_and_cohort(base, to, **labels)
            if to in MATURED_TARGETS[base]:
                found += [_matured(base, to, name, labels) for name in horizons]
    return tuple(found)


def _matured(base: int, to: int, horizon: str, labels: dict[str, str]) -> Ratio:
    cells = [cell_id(MATURED, STAGES[base], horizon, far) for far in _PIPELINE_STAGES]
    return Ratio(
        {**labels, "basis": "matured", "horizon": horizon},
        tuple(cells[to:]),
        tuple(cells[base:]),
        matured=True,
    )


def _fixed(*series: Ratio) -> Callable[[tuple[str, ...]], tuple[Ratio, ...]]:
    return lambda horizons: series


_FIRST_OFFERS = cell_id("first_offer", "true"), cell_id("first_offer", "false")
_OPEN: Final[dict[tuple[str, ...], CellIds]] = {
    (stage,): (cell_id("open", stage),) for stage in OPEN_STAGES
}
_STUCK: Final[dict[tuple[str, ...], CellIds]] = {
    (stage,): (cell_id("stuck", stage),) for stage in OPEN_STAGES
}
_LOST_LABELS = ("reason", "lost_from", "offered")
_LOST_KNOWN = {"lost_from": _PIPELINE_STAGES, "offered": _YES_OR_NO}

KPIS: Final[tuple[Kpi, ...]] = (
    # --- stage 1: lead --------------------------------------------------------------------------
    Kpi(
        "leads",
        1,
        "Leads",
        "Deals that entered the funnel.",
        "deals whose reached(lead) is in the window",
        "leads",
        Counts(series={(): _reached(LEAD)}),
    ),
    Kpi(
        "spend",
        1,
        "Marketing spend",
        "Money spent to get leads.",
        "Σ amounts of the spends, each spread evenly over its period, in the window's panes",
        "money",
        Amounts(measure="spend", labels=("currency",), dimensions=("channel",)),
    ),
    Kpi(
        "cost_per_lead",
        1,
        "Cost per lead",
        "What a lead costs (CPL).",
        "spend in the window ÷ leads; by channel: the channel's spend ÷ its leads",
        "money",
        CostPer(measure="spend", things=_reached(LEAD), dimensions=("channel",)),
    ),
    Kpi(
        "conversion_ratio",
        1,
        "Conversion between stages",
        "Deals of a later stage per deal of an earlier one (period), or the share of those who "
        "were there that got there (cohort, matured).",
        "period: reached(to) per reached(from), both in the window, of the same deals or not; "
        "cohort: of the deals "
        "that reached from in the window, the share that has reached to; matured: the same, each "
        "deal counted when its horizon has passed, as converted if it got there within it",
        "ratio",
        Ratios(
            rule=_conversions,
            labels=("from_stage", "to_stage", "basis", "horizon"),
            per=("period",),
        ),
    ),
    Kpi(
        "lead_acquisition_seconds",
        1,
        "Time to acquire a lead",
        "Time from the first touch to becoming a lead.",
        "reached(lead) − first_touch_at, of the leads of the window that have it, not negative",
        "seconds",
        Durations(measure="lead_acquisition"),
    ),
    # --- stage 2: qualification -----------------------------------------------------------------
    Kpi(
        "qualified_leads",
        2,
        "Qualified leads",
        "Deals that were qualified in the window, leads of earlier windows too.",
        "deals whose reached(qualified) is in the window (period); how many of the window's leads "
        "were qualified so far is the numerator of the cohort's lead_quality_ratio",
        "deals",
        Counts(series={(): _reached(QUALIFIED)}),
    ),
    Kpi(
        "lead_quality_ratio",
        2,
        "Lead quality",
        "How good marketing's leads are: qualified per lead (period), or the share of the leads "
        "that were qualified (cohort).",
        "period: qualified in the window per lead of the window, of the same deals or not; cohort: "
        "of the leads of the window, the share qualified so far",
        "ratio",
        Ratios(
            rule=_fixed(*_by_period_and_cohort(LEAD, QUALIFIED)),
            labels=("basis",),
            per=("period",),
        ),
    ),
    # --- stage 3: potential ---------------------------------------------------------------------
    Kpi(
        "problems",
        3,
        "Problems and challenges",
        "Deals with potential, per problem that they named.",
        "deals whose reached(potential) is in the window, for each distinct problem; a deal may "
        "count under several",
        "deals",
        OpenCounts(measure="problem", labels=("problem",)),
    ),
    Kpi(
        "desired_outcomes",
        3,
        "Desired outcomes",
        "Deals with potential, per outcome that they dream of.",
        "deals whose reached(potential) is in the window, for each distinct desired outcome; a "
        "deal may count under several",
        "deals",
        OpenCounts(measure="outcome", labels=("outcome",)),
    ),
    Kpi(
        "activities",
        3,
        "Activities",
        "Meetings, audits, calls and rounds of negotiation, held or not.",
        "activities in the window",
        "activities",
        Counts(
            series={
                (activity, outcome): _activities(activity, outcome)
                for activity in ACTIVITIES
                for outcome in ACTIVITY_OUTCOMES
            },
            labels=("activity", "outcome"),
        ),
    ),
    Kpi(
        "activity_conversion_ratio",
        3,
        "Conversion of activities",
        "Share of meetings, audits and calls after which the deal got further.",
        "of the activities held in the window on deals then open in a stage: the share followed "
        "within 30 d (activity_horizon) by an entry into a stage above the one it was in then",
        "ratio",
        Ratios(
            rule=_fixed(
                *(
                    Ratio(
                        {"activity": activity},
                        _activities(activity, "held", "followed"),
                        _activities(activity, "held", "followed", "unfollowed"),
                    )
                    for activity in ACTIVITIES
                )
            ),
            labels=("activity",),
        ),
    ),
    # --- stage 4: offers ------------------------------------------------------------------------
    Kpi(
        "offers_sent",
        4,
        "Offers sent",
        "Offers sent; a second offer to the same deal counts again.",
        "entries into offer in the window",
        "offers",
        Counts(series={(): (cell_id("offer_sent"),)}),
    ),
    Kpi(
        "deals_offered",
        4,
        "Deals offered",
        "Deals that got their first offer.",
        "deals whose first entry into offer is in the window",
        "deals",
        Counts(series={(): _FIRST_OFFERS}),
    ),
    Kpi(
        "offer_preparation_seconds",
        4,
        "Time to prepare an offer",
        "Time from the request for an offer (else from finding the potential) to the offer.",
        "first entry into offer − (offer_requested_at, unless that is later; else the last "
        "explicit entry into potential at or before it), of the first offers of the window",
        "seconds",
        Durations(measure="offer_preparation"),
    ),
    Kpi(
        "offer_acceptance_ratio",
        4,
        "Offer acceptance",
        "Share of deals with an offer that were won.",
        "period: won ÷ closed, of the deals closed in the window that had an offer; cohort: of "
        "the deals first offered in the window, the share won so far",
        "ratio",
        Ratios(
            rule=_fixed(
                Ratio(
                    {"basis": "period"},
                    _closed(("won",), offered_only=True),
                    _closed(_BOTH, offered_only=True),
                ),
                Ratio({"basis": "cohort"}, _FIRST_OFFERS[:1], _FIRST_OFFERS),
            ),
            labels=("basis",),
        ),
    ),
    Kpi(
        "offer_value",
        4,
        "Value of an offer",
        "Mean value of the offers sent.",
        "mean amount of the offers sent in the window that have one",
        "money",
        MoneyMeans(summed="offer_value", counted="offer_values"),
    ),
    # --- stage 5: negotiation -------------------------------------------------------------------
    Kpi(
        "negotiation_seconds",
        5,
        "Time to negotiate",
        "Time from the beginning of the negotiation to the closing.",
        "closing − first entry into negotiation, of the deals closed in the window that entered it",
        "seconds",
        Durations(measure="negotiation"),
    ),
    Kpi(
        "negotiation_rounds",
        5,
        "Rounds of negotiation",
        "How many rounds a negotiation takes.",
        "rounds held up to the closing if any were recorded, else entries into negotiation, of the "
        "deals closed in the window that entered it",
        "rounds",
        Means(
            series={
                (): (
                    ((cell_id("negotiation_rounds"), 1),),
                    _closed(_BOTH, negotiated_only=True),
                )
            }
        ),
    ),
    Kpi(
        "negotiation_success_ratio",
        5,
        "Negotiation success",
        "Share of negotiated deals that were won.",
        "won ÷ closed, of the deals closed in the window that entered negotiation",
        "ratio",
        Ratios(
            rule=_fixed(
                Ratio(
                    {},
                    _closed(("won",), negotiated_only=True),
                    _closed(_BOTH, negotiated_only=True),
                )
            )
        ),
    ),
    Kpi(
        "discount_ratio",
        5,
        "Discount",
        "Mean discount that was granted; negative where more was sold than offered.",
        "mean of (original − final) ÷ original, of the deals won in the window with both amounts "
        "in one currency, original > 0",
        "ratio",
        Means(
            series={
                (): (
                    (
                        (cell_id("discount", "whole"), 1),
                        (cell_id("discount", "parts"), DISCOUNT_PARTS),
                    ),
                    (cell_id("discounts"),),
                )
            }
        ),
    ),
    Kpi(
        "value_retention_ratio",
        5,
        "Retention of the offer's value",
        "What is left of the first offers' value in the contracts.",
        "Σ final ÷ Σ original, of the deals won in the window with both amounts in one currency, "
        "original > 0",
        "ratio",
        MoneyRatios(numerator="retained", denominator="original"),
    ),
    # --- stage 6: contract ----------------------------------------------------------------------
    Kpi(
        "sales_conversion_ratio",
        6,
        "Sales conversion",
        "Won per lead (period), or the share of the leads that became customers (cohort).",
        "period: won in the window per lead of the window, of the same deals or not; cohort: of "
        "the leads of the window, the share won so far",
        "ratio",
        Ratios(
            rule=_fixed(*_by_period_and_cohort(LEAD, WON)),
            labels=("basis",),
            per=("period",),
        ),
    ),
    Kpi(
        "win_ratio",
        6,
        "Win ratio",
        "Share of closed deals that were won.",
        "won ÷ closed, of the deals closed in the window",
        "ratio",
        Ratios(rule=_fixed(Ratio({}, _closed(("won",)), _closed(_BOTH)))),
    ),
    Kpi(
        "time_to_close_seconds",
        6,
        "Time to close",
        "Time from becoming a lead to the closing.",
        "closing − reached(lead), of the deals closed in the window",
        "seconds",
        Durations(measure="time_to_close", labels=("outcome",), values=_BOTH),
    ),
    Kpi(
        "deals_closed",
        6,
        "Deals closed",
        "Deals that were won or lost.",
        "deals whose closing is in the window",
        "deals",
        Counts(series={(outcome,): _closed((outcome,)) for outcome in _BOTH}, labels=("outcome",)),
    ),
    Kpi(
        "deal_value",
        6,
        "Value of closed deals",
        "Value of the deals won and lost.",
        "Σ final amounts of the deals closed in the window",
        "money",
        Amounts(measure="deal_value", labels=("outcome", "currency"), known={"outcome": _BOTH}),
    ),
    Kpi(
        "lost_deals",
        6,
        "Lost deals by reason",
        "Why deals were lost, at which stage, and whether they had an offer.",
        "deals lost in the window, by reason (the last one given since the deal was last "
        "reopened), by the last stage before, by whether they ever had an offer",
        "deals",
        OpenCounts(measure="lost", labels=_LOST_LABELS, known=_LOST_KNOWN),
    ),
    Kpi(
        "lost_value",
        6,
        "Lost value by reason",
        "What was lost for which reason, at which stage, and whether there was an offer.",
        "Σ final amounts of the deals lost in the window, by reason, by the last stage before, by "
        "whether they ever had an offer",
        "money",
        Amounts(measure="lost_value", labels=(*_LOST_LABELS, "currency"), known=_LOST_KNOWN),
    ),
    # --- beyond ---------------------------------------------------------------------------------
    Kpi(
        "stage_entries",
        0,
        "Stage entries",
        "Deals that reached a stage in the window, leads of earlier windows too; a skipped stage "
        "counts as passed.",
        "deals whose reached(stage) is in the window (period)",
        "deals",
        Counts(
            series={(name,): _reached(s) for s, name in enumerate(_PIPELINE_STAGES)},
            labels=("stage",),
        ),
    ),
    Kpi(
        "stage_duration_seconds",
        0,
        "Time in a stage",
        "Time from entering a stage to reaching the next one, or to the loss.",
        "reached(next stage) − reached(stage) where that was an explicit entry, for the stages "
        "left in the window; a loss ends only the highest stage reached",
        "seconds",
        Durations(measure="stage_duration", labels=("stage",), values=OPEN_STAGES),
    ),
    Kpi(
        "transitions",
        0,
        "Transitions",
        "Moves between different stages, backward moves and reopenings included.",
        "moves in the window; the first entry is none",
        "moves",
        Counts(
            series={
                (before, after): (cell_id("transition", before, after),)
                for before in STAGES
                for after in STAGES
                if before != after
            },
            labels=("from_stage", "to_stage"),
        ),
    ),
    Kpi(
        "open_deals",
        0,
        "Open deals",
        "Deals that are open in a stage now.",
        "deals open in the stage now",
        "deals",
        Counts(series=_OPEN, labels=("stage",), of_now=True),
    ),
    Kpi(
        "open_value",
        0,
        "Value of open deals",
        "Value of the deals that are open in a stage now.",
        "Σ amounts of the deals open in the stage now",
        "money",
        Amounts(
            measure="open_value",
            labels=("stage", "currency"),
            known={"stage": OPEN_STAGES},
            of_now=True,
        ),
    ),
    Kpi(
        "open_age_seconds",
        0,
        "Age of open deals in their stage",
        "How long the open deals have been in their stage.",
        "mean of now − beginning of the stay, of the deals open in the stage now",
        "seconds",
        Ages(
            series={
                stage: (((cell_id("open_since", *stage), 1),), ids) for stage, ids in _OPEN.items()
            },
            labels=("stage",),
            of_now=True,
        ),
    ),
    Kpi(
        "stuck_deals",
        0,
        "Stuck deals",
        "Open deals that have been in their stage for longer than its limit.",
        "deals open in the stage now for longer than stuck_after says",
        "deals",
        LimitedCounts(
            series=_STUCK,
            labels=("stage",),
            of_now=True,
        ),
    ),
    Kpi(
        "lead_score",
        0,
        "Lead score",
        "Mean score of the leads, by whether they have been qualified: is the scoring any good?",
        "mean score of the leads of the window, by whether they have been qualified",
        "points",
        Means(
            series={
                (known,): (
                    ((cell_id("lead_score", known), 1_000_000),),
                    (cell_id("lead_scores", known),),
                )
                for known in _YES_OR_NO
            },
            labels=("qualified",),
        ),
    ),
    Kpi(
        "margin_ratio",
        0,
        "Margin",
        "Share of the won value that is left after its cost.",
        "Σ (final − cost) ÷ Σ final, of the deals won in the window that have both in one currency",
        "ratio",
        MoneyRatios(numerator="margin", denominator="margin_base"),
    ),
    Kpi(
        "pipeline_velocity",
        0,
        "Pipeline velocity",
        "What the open deals that move are worth per day of a sales cycle.",
        "open deals now that are not stuck × win ratio × mean won value ÷ mean time to close of "
        f"won deals in days; no series for fewer than {FEWEST_WON} deals won in the window",
        "money a day",
        Velocity(
            open=tuple(cell for ids in _OPEN.values() for cell in ids),
            stuck=tuple(cell for ids in _STUCK.values() for cell in ids),
            won=_closed(("won",)),
            closed=_closed(_BOTH),
            valued=(cell_id("valued_won"),),
            time_to_close=cell_id("time_to_close", "won"),
        ),
    ),
    Kpi(
        "won_value_per_day",
        0,
        "Value won per day",
        "What was really won per day: hold the pipeline velocity against it.",
        "Σ final amounts of the deals won in the window ÷ the time of the window that has passed, "
        "in days",
        "money a day",
        AmountsPerDay(measure="deal_value", of=("won",)),
    ),
)

BY_ID: Final = {kpi.id: kpi for kpi in KPIS}


class Role(NamedTuple):
    """A series that a cell adds to: the KPI, the suffix of its series (``_numerator``, ``_sum`` …)
    and its own labels."""

    kpi: Kpi
    suffix: str
    labels: dict[str, str]


def roles(cell: int, definition: Definition, pipeline: str) -> tuple[Role, ...]:
    """All series that a cell adds to, in the order of the catalogue."""
    return _roles(cell, definition.horizons_of(pipeline))


@lru_cache(maxsize=1 << 16)
def _roles(cell: int, horizons: tuple[str, ...]) -> tuple[Role, ...]:
    return tuple(
        Role(kpi, suffix, labels)
        for kpi in KPIS
        for suffix, labels in kpi.shape.contributions(CELLS[cell], horizons)
    )


class Family(NamedTuple):
    """A series name that may appear, with what is to be said about it."""

    name: str
    kind: str
    help: str
    unit: str
    kpi: str


_SUFFIX_HELP: Final = {
    "": "",
    "_numerator": " (numerator)",
    "_denominator": " (denominator)",
    "_sum": " (sum)",
    "_count": " (number of samples)",
    "_quantile": " (quantile, within 2 %)",
}

TARGET: Final = "target"
ATTAINMENT: Final = "target_attainment_ratio"
_TARGETS: Final = {
    TARGET: ("Where a KPI is to be, as funnel.yaml says, in the KPI's unit.", ""),
    ATTAINMENT: ("KPI ÷ target; target ÷ KPI where at most that is wanted.", "ratio"),
}


@cache
def families() -> tuple[Family, ...]:
    """Every KPI series name, in the order of the catalogue; the targets come last."""
    found = [
        Family(
            f"{kpi.metric}{breakdown}{suffix}",
            "gauge",
            f"{kpi.help}{_SUFFIX_HELP[suffix]}{' By dimension.' if breakdown else ''}",
            kpi.unit,
            kpi.id,
        )
        for kpi in KPIS
        for breakdown in ("", "_breakdown")
        for suffix in kpi.shape.suffixes
    ]
    for name, (text, unit) in _TARGETS.items():
        for breakdown in ("", "_breakdown"):
            by = " By dimension." if breakdown else ""
            found.append(Family(f"funnel_{name}{breakdown}", "gauge", text + by, unit, name))
    return tuple(found)
