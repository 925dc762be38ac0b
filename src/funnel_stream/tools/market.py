"""The market that the simulator plays: who gets in touch, through what, and what they buy."""

from collections.abc import Iterable
from statistics import NormalDist
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")


def urn(weighted: Iterable[tuple[T, int]]) -> tuple[T, ...]:
    """Each value as many times as its weight: one draw is then one index, not a search."""
    return tuple(value for value, weight in weighted for _ in range(weight))


class Channel(NamedTuple):
    """``warmth`` multiplies every conversion; ``cost_per_lead``: 0 where nothing is paid.

    ``billed`` says how it is paid: for each ``"day"`` on the morning after, by the ``"week"`` with
    an invoice that names no period, or for a ``"month"`` in advance.
    """

    name: str
    warmth: float
    cost_per_lead: float
    currency: str = "EUR"
    billed: str = "day"


class Product(NamedTuple):
    """``price``: list price in EUR before the segment's factor."""

    name: str
    price: int


class SimulatedCurrency(NamedTuple):
    """``rate``: units per EUR. ``decimals`` as in ISO 4217."""

    code: str
    rate: float
    decimals: int


CHANNELS: Final = urn(
    (
        (Channel("organic_search", 1.0, 0), 24),
        (Channel("paid_search", 0.95, 38), 20),
        (Channel("social", 0.62, 22, currency="USD"), 15),
        (Channel("outbound_call", 0.7, 45), 11),
        (Channel("referral", 1.3, 0), 10),
        (Channel("email", 1.05, 9, billed="week"), 8),
        (Channel("partner", 1.2, 30), 6),
        (Channel("trade_fair", 1.15, 95, billed="month"), 6),
    )
)
PARTNER: Final = next(channel for channel in CHANNELS if channel.name == "partner")
PARTNERS_PIPELINE: Final = "partner"
PARTNERS_SHARE: Final = 0.1
"""So many of the deals belong to the pipeline of the partners."""
BY_PARTNERS_SHARE: Final = 0.8
"""So many of those come by the partners' own channel, the others by any."""
PAID_CHANNELS: Final = tuple(
    (channel, CHANNELS.count(channel) / len(CHANNELS))
    for channel in dict.fromkeys(CHANNELS)
    if channel.cost_per_lead
)
"""Channels that cost money, each with its share of the default pipeline's leads."""

SOURCES: Final = urn(
    (
        ("search engine", 34),
        ("recommendation", 22),
        ("LinkedIn", 16),
        ("conference talk", 10),
        ("podcast", 9),
        ("trade press", 6),
        ("café conversation", 3),
    )
)
TRIGGERS: Final = urn(
    (
        ("pricing page", 26),
        ("demo request", 22),
        ("case study", 16),
        ("webinar", 14),
        ("free audit", 12),
        ("contact form", 10),
    )
)
PRODUCTS: Final = urn(
    (
        (Product("starter", 900), 30),
        (Product("audit", 2_400), 20),
        (Product("team", 4_800), 26),
        (Product("business", 14_500), 17),
        (Product("enterprise", 52_000), 7),
    )
)
INDUSTRIES: Final = urn(
    (
        ("retail", 22),
        ("software", 20),
        ("manufacturing", 18),
        ("logistics", 14),
        ("health", 11),
        ("finance", 9),
        ("education", 6),
    )
)
SEGMENTS: Final = urn((("small", 55), ("mid-market", 32), ("enterprise", 13)))
SEGMENT_PRICE_FACTOR: Final = {"small": 0.7, "mid-market": 1.2, "enterprise": 2.6}
OWNERS: Final = urn(
    (
        ("Ada Nowak", 14),
        ("Ben Okafor", 13),
        ("Chloé Martin", 12),
        ("Dmytro Bondar", 11),
        ("Elif Yılmaz", 10),
        ("Łukasz Wójcik", 10),
        ("Mina Sato", 9),
        ("Noor Haddad", 8),
        ("Søren Lind", 7),
        ("Tom Baker", 6),
    )
)
CURRENCIES: Final = urn(
    (
        (SimulatedCurrency("EUR", 1.0, 2), 60),
        (SimulatedCurrency("USD", 1.1, 2), 20),
        (SimulatedCurrency("PLN", 4.3, 2), 17),
        (SimulatedCurrency("JPY", 165.0, 0), 3),
    )
)
PROBLEMS: Final = (
    "manual reporting",
    "long sales cycle",
    "poor lead quality",
    "no single source of truth",
    "high churn",
    "slow quotes",
)
DESIRED_OUTCOMES: Final = (
    "faster closing",
    "more qualified leads",
    "one live dashboard",
    "higher margin",
    "fewer tools",
)
EARLY_REASONS: Final = urn(
    (("no response", 40), ("no budget", 24), ("not a fit", 20), ("wrong contact", 10), ("spam", 6))
)
LATE_REASONS: Final = urn(
    (("price", 32), ("competitor", 26), ("postponed", 20), ("no decision", 14), ("features", 8))
)
CLOSING_DOCUMENTS: Final = urn((("contract", 65), ("pro_forma_invoice", 35)))

WEEKDAY_FACTORS: Final = (1.2, 1.25, 1.2, 1.15, 1.0, 0.6, 0.6)
"""Leads of a day against the mean, Monday first; they sum to seven."""

_DAY_PARTS: Final = urn(((7, 2), (8, 6), (9, 10), (10, 11), (11, 10), (12, 8), (13, 9), (14, 10)))
HOURS: Final = (*_DAY_PARTS, *urn(((15, 9), (16, 7), (17, 5), (18, 4), (20, 3))), *range(24))
"""Hours of the day (UTC) in which leads arrive: mostly office hours, a few at night."""

_SIGMA: Final = 0.9
SPREAD: Final = tuple(
    2.718281828459045 ** (_SIGMA * NormalDist().inv_cdf((i + 0.5) / 1024) - _SIGMA**2 / 2)
    for i in range(1024)
)
"""Quantiles of a log-normal distribution with mean 1: a waiting time is mean x one of them."""
