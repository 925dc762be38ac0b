"""Stage 4: offers, and what becomes of them."""

from typing import Final

from funnel_stream.facts.measures import (
    FIRST_OFFER,
    OFFER_PREPARATION,
    OFFER_SENT,
    OFFER_VALUE,
    OFFER_VALUES,
)
from funnel_stream.kpis.counted import OUTCOMES, closed
from funnel_stream.kpis.durations import Durations
from funnel_stream.kpis.forms import Counts
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.quotients import MEAN, Fraction, MoneyQuotient, Quotient, count, fixed

_FIRST_OFFERS: Final = FIRST_OFFER.cell("true"), FIRST_OFFER.cell("false")

OFFERS: Final = (
    Kpi(
        "offers_sent",
        4,
        "Offers sent",
        "Offers sent; a second offer for the same deal counts again.",
        "entries into offer in the window",
        "offers",
        Counts(counted={(): (OFFER_SENT.cell(),)}),
    ),
    Kpi(
        "deals_offered",
        4,
        "Deals offered",
        "Deals that received their first offer.",
        "deals whose first entry into offer falls in the window",
        "deals",
        Counts(counted={(): _FIRST_OFFERS}),
    ),
    Kpi(
        "offer_preparation_seconds",
        4,
        "Offer preparation time",
        "Time from the request for an offer (or else from the potential stage) to the offer.",
        "first entry into offer − (offer_requested_at, unless that is later; else the last "
        "explicit entry into potential at or before it), over the window's first offers",
        "seconds",
        Durations(measure=OFFER_PREPARATION),
    ),
    Kpi(
        "offer_acceptance_ratio",
        4,
        "Offer acceptance",
        "Share of the deals with an offer that were won.",
        "period: won ÷ closed, over the deals closed in the window that had an offer; cohort: of "
        "the deals first offered in the window, the share won so far",
        "ratio",
        Quotient(
            rule=fixed(
                Fraction(
                    {"basis": "period"},
                    count(*closed(("won",), offered_only=True)),
                    closed(OUTCOMES, offered_only=True),
                ),
                Fraction({"basis": "cohort"}, count(_FIRST_OFFERS[0]), _FIRST_OFFERS),
            ),
            labels=("basis",),
        ),
        headline=True,
    ),
    Kpi(
        "offer_value",
        4,
        "Offer value",
        "Mean value of the offers sent.",
        "mean amount of the offers sent in the window that have an amount",
        "money",
        MoneyQuotient(dividend=OFFER_VALUE, divisor=OFFER_VALUES, parts=MEAN),
    ),
)
