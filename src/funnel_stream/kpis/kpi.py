"""An entry of the catalogue: what a KPI is, in words and in a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from funnel_stream.kpis.forms import Form


class NoDeals(NamedTuple):
    """Why no deals can be listed behind a figure, and the parameters of the figure whose deals are
    the best answer, if there is one."""

    why: str
    instead: Mapping[str, str]


@dataclass(frozen=True)
class Kpi:
    """One entry of the catalogue.

    ``id``: the metric's name without ``funnel_``. ``stage``: of the six of the funnel, 0 for those
    across stages. ``formula``: the definition, as a sentence. ``unit``: ``deals``, ``leads``,
    ``offers``, ``moves``, ``activities``, ``rounds``, ``points``, ``ratio``, ``seconds``, ``money``
    or ``money a day``. ``headline``: broken down on ``/metrics`` unless ``funnel.yaml`` names
    others. ``out_of_range``: when a ratio is below 0 or above 1. ``example``: labels of the series
    that examples ask for. ``no_deals``: set if no deals can be listed behind it."""

    id: str
    stage: int
    title: str
    help: str
    formula: str
    unit: str
    form: Form
    headline: bool = False
    out_of_range: str = ""
    example: Mapping[str, str] = field(default_factory=dict)
    no_deals: NoDeals | None = None

    @property
    def metric(self) -> str:
        return f"funnel_{self.id}"

    @property
    def of_now(self) -> bool:
        """Whether the KPI describes the present and has no window."""
        return self.form.of_now

    def is_proportion(self, labels: Mapping[str, str]) -> bool:
        """Whether a series, identified by its labels, is a share of what it is divided by: only
        then is it between 0 and 1, with an interval."""
        return self.form.is_proportion(labels)
