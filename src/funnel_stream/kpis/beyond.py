"""Across the stages: how deals move, what is open now, and what it is all worth."""

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
from funnel_stream.kpis.counted import OUTCOMES, PIPELINE_STAGES, YES_OR_NO, closed, reached
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
        "Deals that reached a stage in the window, including leads from earlier windows; a skipped "
        "stage counts as passed.",
        "deals whose reached(stage) falls in the window (period)",
        "deals",
        Counts(
            counted={(name,): reached(s) for s, name in enumerate(PIPELINE_STAGES)},
            labels=("stage",),
        ),
    ),
    Kpi(
        "stage_duration_seconds",
        0,
        "Time in stage",
        "Time from entering a stage to reaching the next one or being lost.",
        "reached(next stage) − reached(stage), where the stage was entered explicitly, for the "
        "stages left in the window; a loss ends only the highest stage reached",
        "seconds",
        Durations(measure=STAGE_DURATION, labels=("stage",), values=OPEN_STAGES),
    ),
    Kpi(
        "transitions",
        0,
        "Transitions",
        "Moves between different stages, including backward moves and reopenings.",
        "moves in the window; a deal's first entry is not a move",
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
        "Deals open in each stage right now.",
        "deals open in the stage now",
        "deals",
        Counts(counted=_OPEN, labels=("stage",), of_now=True),
        headline=True,
    ),
    Kpi(
        "open_value",
        0,
        "Value of open deals",
        "Value of the deals open in each stage right now.",
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
        "Age of open deals in stage",
        "How long open deals have been in their current stage.",
        "mean of now − start of the stay, over the deals open in the stage now",
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
        "Open deals that have been in their stage longer than its limit allows.",
        "deals that have been open in the stage for longer than stuck_after",
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
        "Mean score of leads that were qualified and of leads that were not: is the scoring any "
        "good?",
        "mean score of the window's leads, by whether they have been qualified",
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
        "Share of the won value that is left after costs.",
        "Σ (final − cost) ÷ Σ final, over the deals won in the window with both in one currency",
        "ratio",
        MoneyQuotient(dividend=MARGIN, divisor=MARGIN_BASE),
        out_of_range="negative where costs exceed the value",
    ),
    Kpi(
        "pipeline_velocity",
        0,
        "Pipeline velocity",
        "What the open deals that are still moving are worth per day of the sales cycle.",
        "open deals now that are not stuck × win ratio × mean won value ÷ mean time to close of "
        f"won deals in days; no series with fewer than {FEWEST_WON} deals won in the window",
        "money a day",
        Velocity(
            open=tuple(cell for ids in _OPEN.values() for cell in ids),
            stuck=tuple(cell for ids in _STUCK.values() for cell in ids),
            won=closed(("won",)),
            closed=closed(OUTCOMES),
            valued=(VALUED_WON.cell(),),
            value=DEAL_VALUE,
            time_to_close=TIME_TO_CLOSE,
        ),
        no_deals=NoDeals(
            "it combines open_deals, stuck_deals, win_ratio, deal_value and "
            "time_to_close_seconds; ask for one of these",
            {"kpi": "open_deals"},
        ),
    ),
    Kpi(
        "won_value_per_day",
        0,
        "Won value per day",
        "What was actually won per day: compare it with the pipeline velocity.",
        "Σ final amounts of the deals won in the window ÷ how much of the window has passed, in "
        "days",
        "money a day",
        AmountsPerDay(measure=DEAL_VALUE, of=("won",)),
        no_deals=NoDeals(
            "it is deal_value ÷ the days of the window; ask for kpi=deal_value and outcome=won",
            {"kpi": "deal_value", "outcome": "won"},
        ),
    ),
)
