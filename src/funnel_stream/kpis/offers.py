"""Stage 4: offers, and what becomes of them."""

from typing import Final

from funnel_stream.facts.measures import (
    FIRST_OFFER,
    OFFER_PREPARATION,
    OFFER_SENT,
    OFFER_VALUE,
    OFFER_VALUES,
)
from funnel_stream.kpis.counted import BOTH, closed
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
        "Offers sent; a second offer to the same deal counts again.",
        "entries into offer in the window",
        "offers",
        Counts(counted={(): (OFFER_SENT.cell(),)}),
    ),
    Kpi(
        "deals_offered",
        4,
        "Deals offered",
        "Deals that got their first offer.",
        "deals whose first entry into offer is in the window",
        "deals",
        Counts(counted={(): _FIRST_OFFERS}),
    ),
    Kpi(
        "offer_preparation_seconds",
        4,
        "Time to prepare an offer",
        "Time from the request for an offer (else from finding the potential) to the offer.",
        "first entry into offer − (offer_requested_at, unless that is later; else the last "
        "explicit entry into potential at or before it), of the first offers of the window",
        "seconds",
        Durations(measure=OFFER_PREPARATION),
    ),
    Kpi(
        "offer_acceptance_ratio",
        4,
        "Offer acceptance",
        "Share of deals with an offer that were won.",
        "period: won ÷ closed, of the deals closed in the window that had an offer; cohort: of "
        "the deals first offered in the window, the share won so far",
        "ratio",
        Quotient(
            rule=fixed(
                Fraction(
                    {"basis": "period"},
                    count(*closed(("won",), offered_only=True)),
                    closed(BOTH, offered_only=True),
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
        "Value of an offer",
        "Mean value of the offers sent.",
        "mean amount of the offers sent in the window that have one",
        "money",
        MoneyQuotient(dividend=OFFER_VALUE, divisor=OFFER_VALUES, parts=MEAN),
    ),
)
