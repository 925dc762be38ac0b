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
        "Deals qualified in the window, including leads from earlier windows.",
        "deals whose reached(qualified) falls in the window (period); how many of the window's "
        "leads have been qualified so far is the cohort numerator of lead_quality_ratio",
        "deals",
        Counts(counted={(): reached(QUALIFIED)}),
        headline=True,
    ),
    Kpi(
        "lead_quality_ratio",
        2,
        "Lead quality",
        "How good marketing's leads are: deals qualified per lead (period), or the share of leads "
        "that were qualified (cohort).",
        "period: deals qualified in the window per lead of the window, not necessarily the same "
        "deals; cohort: of the window's leads, the share qualified so far",
        "ratio",
        Quotient(
            rule=fixed(*by_period_and_cohort(LEAD, QUALIFIED)),
            labels=("basis",),
            per=("period",),
        ),
    ),
)
