"""Beyond the stages: the way of deals, what is open now, and what all is worth."""

from typing import Final

from funnel_stream.contract.event import STAGES
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.facts.measures import (
    DEAL_VALUE,
    LEAD_SCORE,
    LEAD_SCORES,
    MARGIN,
    MARGIN_BASE,
    OPEN,
    OPEN_SINCE,
    OPEN_VALUE,
    STAGE_DURATION,
    STUCK,
    TIME_TO_CLOSE,
    TRANSITION,
    VALUED_WON,
)
from funnel_stream.kpis.counted import BOTH, PIPELINE_STAGES, YES_OR_NO, closed, reached
from funnel_stream.kpis.durations import Durations
from funnel_stream.kpis.forms import Counts, Listing
from funnel_stream.kpis.kpi import Kpi, NoDeals
from funnel_stream.kpis.products import FEWEST_WON, AmountsPerDay, Velocity
from funnel_stream.kpis.quotients import (
    MEAN,
    Dividend,
    Fraction,
    MoneyQuotient,
    Quotient,
    fixed,
    time_since,
)
from funnel_stream.kpis.scope import CellIds

_OPEN: Final[dict[tuple[str, ...], CellIds]] = {
    (stage,): (OPEN.cell(stage),) for stage in OPEN_STAGES
}
_STUCK: Final[dict[tuple[str, ...], CellIds]] = {
    (stage,): (STUCK.cell(stage),) for stage in OPEN_STAGES
}

BEYOND: Final = (
    Kpi(
        "stage_entries",
        0,
        "Stage entries",
        "Deals that reached a stage in the window, leads of earlier windows too; a skipped stage "
        "counts as passed.",
        "deals whose reached(stage) is in the window (period)",
        "deals",
        Counts(
            counted={(name,): reached(s) for s, name in enumerate(PIPELINE_STAGES)},
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
        Durations(measure=STAGE_DURATION, labels=("stage",), values=OPEN_STAGES),
    ),
    Kpi(
        "transitions",
        0,
        "Transitions",
        "Moves between different stages, backward moves and reopenings included.",
        "moves in the window; the first entry is none",
        "moves",
        Counts(
            counted={
                (before, after): (TRANSITION.cell(before, after),)
                for before in STAGES
                for after in STAGES
                if before != after
            },
            labels=("from_stage", "to_stage"),
        ),
        example={"from_stage": "negotiation", "to_stage": "offer"},
    ),
    Kpi(
        "open_deals",
        0,
        "Open deals",
        "Deals that are open in a stage now.",
        "deals open in the stage now",
        "deals",
        Counts(counted=_OPEN, labels=("stage",), of_now=True),
        headline=True,
    ),
    Kpi(
        "open_value",
        0,
        "Value of open deals",
        "Value of the deals that are open in a stage now.",
        "Σ amounts of the deals open in the stage now",
        "money",
        Listing(
            measure=OPEN_VALUE,
            labels=("stage", "currency"),
            known={"stage": OPEN_STAGES},
            of_now=True,
        ),
        headline=True,
    ),
    Kpi(
        "open_age_seconds",
        0,
        "Age of open deals in their stage",
        "How long the open deals have been in their stage.",
        "mean of now − beginning of the stay, of the deals open in the stage now",
        "seconds",
        Quotient(
            rule=fixed(
                *(
                    Fraction(
                        {"stage": stage}, time_since(OPEN_SINCE.cell(stage)), (OPEN.cell(stage),)
                    )
                    for stage in OPEN_STAGES
                )
            ),
            parts=MEAN,
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
        Counts(
            counted=_STUCK,
            limited=True,
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
        Quotient(
            rule=fixed(
                *(
                    Fraction(
                        {"qualified": qualified},
                        Dividend(cells=(LEAD_SCORE.cell(qualified),), scale=1_000_000),
                        (LEAD_SCORES.cell(qualified),),
                    )
                    for qualified in YES_OR_NO
                )
            ),
            parts=MEAN,
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
        MoneyQuotient(dividend=MARGIN, divisor=MARGIN_BASE),
        out_of_range="negative where the cost is above the value",
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
            won=closed(("won",)),
            closed=closed(BOTH),
            valued=(VALUED_WON.cell(),),
            value=DEAL_VALUE,
            time_to_close=TIME_TO_CLOSE,
        ),
        no_deals=NoDeals(
            "it is made of open_deals, stuck_deals, win_ratio, deal_value and "
            "time_to_close_seconds; ask for one of these",
            {"kpi": "open_deals"},
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
        AmountsPerDay(measure=DEAL_VALUE, of=("won",)),
        no_deals=NoDeals(
            "it is deal_value by the days of the window; ask for kpi=deal_value and outcome=won",
            {"kpi": "deal_value", "outcome": "won"},
        ),
    ),
)
