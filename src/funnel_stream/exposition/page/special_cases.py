"""What is particular to some KPIs when people look at them: the only place beside the funnel's
drawing where the page knows KPIs by name."""

from collections.abc import Mapping
from typing import Final

from funnel_stream.contract.event import LEAD, QUALIFIED, STAGES, WON
from funnel_stream.exposition.page.view import COHORT
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi

TIME_TO_CLOSE: Final = BY_ID["time_to_close_seconds"]
CONVERSIONS: Final = BY_ID["conversion_ratio"]
"""Those that are known on a matured basis."""

_MATURING: Final = ("activity_conversion_ratio", "lead_score")
_FROM_LEAD: Final = {"lead_quality_ratio": QUALIFIED, "sales_conversion_ratio": WON}
"""Conversions from lead that do not say so in labels."""
_COUNTED_BY: Final = {
    "deal_value": "deals_closed",
    "lost_value": "lost_deals",
}


def is_maturing(kpi: Kpi, labels: Mapping[str, str]) -> bool:
    """Whether young deals pull a figure down, or aside, because they have had less time: to get
    further, to be followed by a stage, to be qualified. It is not to be compared with an older one,
    and its trend would bend at its end."""
    return labels.get("basis") == COHORT or kpi.id in _MATURING


def per(kpi: Kpi, labels: Mapping[str, str]) -> str:
    """What is divided by what, ``won per lead``, where the deals of the one need not be those of
    the other and no label says so; else empty."""
    if kpi.id in _FROM_LEAD and not kpi.is_proportion(labels):
        return conversion(STAGES[LEAD], STAGES[_FROM_LEAD[kpi.id]])
    return ""


def conversion(since: str, to: str) -> str:
    """A conversion of the period, which is no share, in words."""
    return f"{to} per lead" if since == STAGES[LEAD] else f"{to} per deal at {since}"


def counted_by(kpi: Kpi, labels: Mapping[str, str]) -> tuple[str, tuple[str, ...]] | None:
    """The series that counts the deals which a sum of money is of; ``None`` for what is none."""
    counts = _COUNTED_BY.get(kpi.id)
    if counts is None:
        return None
    return counts, tuple(text for name, text in labels.items() if name != "currency")


def is_of_won_value(kpi: Kpi) -> bool:
    """Whether a figure is made of the amounts of won deals."""
    return kpi.id in ("deal_value", "pipeline_velocity", "won_value_per_day")


def is_sample(kpi: Kpi) -> bool:
    """Whether a figure is made of things that come by chance; what is spent is not."""
    return kpi.id != "spend"


def begins_at_once(kpi: Kpi) -> bool:
    """Whether a funnel has the figure as soon as it has leads, not a sales cycle later."""
    return kpi.stage == 1 and kpi is not CONVERSIONS
