"""Stage 5: how negotiations go, and what they cost."""

from typing import Final

from funnel_stream.facts.measures import (
    DISCOUNT,
    DISCOUNTS,
    NEGOTIATION_ROUNDS,
    NEGOTIATION_TIME,
    ORIGINAL,
    RETAINED,
)
from funnel_stream.facts.rules import DISCOUNT_PARTS
from funnel_stream.kpis.counted import OUTCOMES, closed
from funnel_stream.kpis.durations import Durations
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.quotients import (
    MEAN,
    Dividend,
    Fraction,
    MoneyQuotient,
    Quotient,
    count,
    fixed,
)

NEGOTIATION: Final = (
    Kpi(
        "negotiation_seconds",
        5,
        "Negotiation time",
        "Time from the start of the negotiation to closing.",
        "closing − first entry into negotiation, over the deals closed in the window that "
        "entered it",
        "seconds",
        Durations(measure=NEGOTIATION_TIME),
    ),
    Kpi(
        "negotiation_rounds",
        5,
        "Negotiation rounds",
        "How many rounds a negotiation takes on average.",
        "mean of the rounds held up to the closing if any were recorded, else of the entries into "
        "negotiation, over the deals closed in the window that entered it",
        "rounds",
        Quotient(
            rule=fixed(
                Fraction(
                    {},
                    count(NEGOTIATION_ROUNDS.cell()),
                    closed(OUTCOMES, negotiated_only=True),
                )
            ),
            parts=MEAN,
        ),
    ),
    Kpi(
        "negotiation_success_ratio",
        5,
        "Negotiation success",
        "Share of negotiated deals that were won.",
        "won ÷ closed, over the deals closed in the window that entered negotiation",
        "ratio",
        Quotient(
            rule=fixed(
                Fraction(
                    {},
                    count(*closed(("won",), negotiated_only=True)),
                    closed(OUTCOMES, negotiated_only=True),
                )
            )
        ),
        headline=True,
    ),
    Kpi(
        "discount_ratio",
        5,
        "Discount",
        "Mean discount granted; negative where the contract was worth more than the offer.",
        "mean of (original − final) ÷ original, over the deals won in the window with both amounts "
        "in one currency, original > 0",
        "ratio",
        Quotient(
            rule=fixed(
                Fraction(
                    {},
                    Dividend(
                        cells=(DISCOUNT.cell("whole"), DISCOUNT.cell("parts")),
                        factors=(DISCOUNT_PARTS, 1),
                        scale=DISCOUNT_PARTS,
                    ),
                    (DISCOUNTS.cell(),),
                )
            ),
            parts=MEAN,
        ),
        out_of_range="negative where the contract is worth more than the offer",
    ),
    Kpi(
        "value_retention_ratio",
        5,
        "Value retention",
        "How much of the value of the first offers is left in the contracts.",
        "Σ final ÷ Σ original, over the deals won in the window with both amounts in one currency, "
        "original > 0",
        "ratio",
        MoneyQuotient(dividend=RETAINED, divisor=ORIGINAL),
        out_of_range="above 1 where the contract is worth more than the offer",
    ),
)
