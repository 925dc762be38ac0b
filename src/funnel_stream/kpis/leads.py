"""Stage 1: leads, what they cost, and how many get further."""

from typing import Final

from funnel_stream.contract.event import LEAD, STAGES, WON
from funnel_stream.facts.measures import LEAD_ACQUISITION, MATURED_PROGRESS, SPEND
from funnel_stream.facts.rules import MATURED_TARGETS
from funnel_stream.kpis.counted import PIPELINE_STAGES, by_period_and_cohort, reached
from funnel_stream.kpis.durations import Durations
from funnel_stream.kpis.forms import Counts, Listing
from funnel_stream.kpis.kpi import Kpi, NoDeals
from funnel_stream.kpis.quotients import Fraction, MoneyQuotient, Quotient, count


def _conversions(horizons: tuple[str, ...]) -> tuple[Fraction, ...]:
    found: list[Fraction] = []
    for base in range(WON):
        for to in range(base + 1, WON + 1):
            labels = {"from_stage": STAGES[base], "to_stage": STAGES[to]}
            found += by_period_and_cohort(base, to, **labels)
            if to in MATURED_TARGETS[base]:
                found += [_matured(base, to, name, labels) for name in horizons]
    return tuple(found)


def _matured(base: int, to: int, horizon: str, labels: dict[str, str]) -> Fraction:
    cells = [MATURED_PROGRESS.cell(STAGES[base], horizon, far) for far in PIPELINE_STAGES]
    return Fraction(
        {**labels, "basis": "matured", "horizon": horizon},
        count(*cells[to:]),
        tuple(cells[base:]),
        matured=True,
    )


LEADS: Final = (
    Kpi(
        "leads",
        1,
        "Leads",
        "Deals that entered the funnel.",
        "deals whose reached(lead) falls in the window",
        "leads",
        Counts(counted={(): reached(LEAD)}),
        headline=True,
    ),
    Kpi(
        "spend",
        1,
        "Marketing spend",
        "Money spent to attract leads.",
        "Σ marketing spend, each amount spread evenly over its period, in the window's panes",
        "money",
        Listing(measure=SPEND, labels=("currency",), dimensions=("channel",)),
        headline=True,
        no_deals=NoDeals("money is spent on channels, not on deals", {}),
    ),
    Kpi(
        "cost_per_lead",
        1,
        "Cost per lead",
        "What a lead costs (CPL).",
        "spend in the window ÷ leads; by channel: the channel's spend ÷ its leads",
        "money",
        MoneyQuotient(dividend=SPEND, divisor=reached(LEAD), dimensions=("channel",)),
        headline=True,
        no_deals=NoDeals("it is spend ÷ leads; the leads are kpi=leads", {"kpi": "leads"}),
    ),
    Kpi(
        "conversion_ratio",
        1,
        "Conversion between stages",
        "Deals that reached a later stage per deal that reached an earlier one (period), or the "
        "share of the deals at the earlier stage that got to the later one (cohort, matured).",
        "period: reached(to) per reached(from), both in the window, not necessarily the same "
        "deals; cohort: of the deals that reached from in the window, the share that has reached "
        "to; matured: the same, but each deal counts once its horizon has passed, as converted if "
        "it got there within the horizon",
        "ratio",
        Quotient(
            rule=_conversions,
            labels=("from_stage", "to_stage", "basis", "horizon"),
            per=("period",),
        ),
        headline=True,
    ),
    Kpi(
        "lead_acquisition_seconds",
        1,
        "Lead acquisition time",
        "Time from the first touch to becoming a lead.",
        "reached(lead) − first_touch_at, over the window's leads that have one, unless negative",
        "seconds",
        Durations(measure=LEAD_ACQUISITION),
    ),
)
