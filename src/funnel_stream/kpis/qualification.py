"""Stage 2: how many leads are good enough."""

from typing import Final

from funnel_stream.contract.event import LEAD, QUALIFIED
from funnel_stream.kpis.counted import by_period_and_cohort, reached
from funnel_stream.kpis.forms import Counts
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.quotients import Quotient, fixed

QUALIFICATION: Final = (
    Kpi(
        "qualified_leads",
        2,
        "Qualified leads",
        "Deals that were qualified in the window, leads of earlier windows too.",
        "deals whose reached(qualified) is in the window (period); how many of the window's leads "
        "were qualified so far is the numerator of the cohort's lead_quality_ratio",
        "deals",
        Counts(counted={(): reached(QUALIFIED)}),
        headline=True,
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
        Quotient(
            rule=fixed(*by_period_and_cohort(LEAD, QUALIFIED)),
            labels=("basis",),
            per=("period",),
        ),
    ),
)
