"""Stage 6: what is won and lost, when and why."""

from typing import Final

from funnel_stream.contract.event import LEAD, WON
from funnel_stream.facts.measures import DEAL_VALUE, LOST_DEALS, LOST_VALUE, TIME_TO_CLOSE
from funnel_stream.kpis.counted import (
    OUTCOMES,
    PIPELINE_STAGES,
    YES_OR_NO,
    by_period_and_cohort,
    closed,
)
from funnel_stream.kpis.durations import Durations
from funnel_stream.kpis.forms import Counts, Listing
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.quotients import Fraction, Quotient, count, fixed

_LOST_LABELS: Final = ("reason", "lost_from", "offered")
_LOST_KNOWN: Final = {"lost_from": PIPELINE_STAGES, "offered": YES_OR_NO}

CONTRACTS: Final = (
    Kpi(
        "sales_conversion_ratio",
        6,
        "Sales conversion",
        "Deals won per lead (period), or the share of leads that became customers (cohort).",
        "period: deals won in the window per lead of the window, not necessarily the same deals; "
        "cohort: of the window's leads, the share won so far",
        "ratio",
        Quotient(
            rule=fixed(*by_period_and_cohort(LEAD, WON)),
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
        Quotient(rule=fixed(Fraction({}, count(*closed(("won",))), closed(OUTCOMES)))),
        headline=True,
    ),
    Kpi(
        "time_to_close_seconds",
        6,
        "Time to close",
        "Time from becoming a lead to closing.",
        "closing − reached(lead), of the deals closed in the window",
        "seconds",
        Durations(measure=TIME_TO_CLOSE, labels=("outcome",), values=OUTCOMES),
        headline=True,
        example={"outcome": "won"},
    ),
    Kpi(
        "deals_closed",
        6,
        "Deals closed",
        "Deals that were won or lost.",
        "deals whose closing falls in the window",
        "deals",
        Counts(
            counted={(outcome,): closed((outcome,)) for outcome in OUTCOMES}, labels=("outcome",)
        ),
        headline=True,
        example={"outcome": "won"},
    ),
    Kpi(
        "deal_value",
        6,
        "Value of closed deals",
        "Value of the deals won and lost.",
        "Σ final amounts of the deals closed in the window",
        "money",
        Listing(measure=DEAL_VALUE, labels=("outcome", "currency"), known={"outcome": OUTCOMES}),
        headline=True,
        example={"outcome": "won"},
    ),
    Kpi(
        "lost_deals",
        6,
        "Lost deals by reason",
        "Why deals were lost, at which stage, and whether they had an offer.",
        "deals lost in the window, by reason (the last one given since the deal was last "
        "reopened), by the stage before the loss, and by whether they ever had an offer",
        "deals",
        Listing(measure=LOST_DEALS, labels=_LOST_LABELS, known=_LOST_KNOWN),
    ),
    Kpi(
        "lost_value",
        6,
        "Lost value by reason",
        "Value lost by reason, by stage, and by whether there was an offer.",
        "Σ final amounts of the deals lost in the window, by reason, by the stage before the loss, "
        "and by whether they ever had an offer",
        "money",
        Listing(measure=LOST_VALUE, labels=(*_LOST_LABELS, "currency"), known=_LOST_KNOWN),
    ),
)
