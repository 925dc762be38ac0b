"""The KPI catalogue: one entry per KPI, from which metrics, API and documentation follow.

What sets a KPI apart is its entry in the file of its stage, above all its form; everything else
(total and breakdowns, windows, pipelines, names) is the same for all and lives in ``samples``.
"""

from functools import cache, lru_cache
from typing import Final, NamedTuple

from funnel_stream.definition import Definition
from funnel_stream.facts.measures import CELLS
from funnel_stream.kpis.beyond import BEYOND
from funnel_stream.kpis.contracts import CONTRACTS
from funnel_stream.kpis.forms import Addition
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.leads import LEADS
from funnel_stream.kpis.negotiation import NEGOTIATION
from funnel_stream.kpis.offers import OFFERS
from funnel_stream.kpis.potential import POTENTIAL
from funnel_stream.kpis.qualification import QUALIFICATION

KPIS: Final[tuple[Kpi, ...]] = (
    *LEADS,
    *QUALIFICATION,
    *POTENTIAL,
    *OFFERS,
    *NEGOTIATION,
    *CONTRACTS,
    *BEYOND,
)
HEADLINES: Final = tuple(kpi.id for kpi in KPIS if kpi.headline)


def broken_down(definition: Definition) -> tuple[str, ...]:
    """The KPIs whose breakdowns are exported."""
    chosen = definition.export.breakdown_kpis
    return HEADLINES if chosen is None else chosen


BY_ID: Final = {kpi.id: kpi for kpi in KPIS}


class Role(NamedTuple):
    """A series that a cell adds to: its KPI, which of its series, and what a weight is worth."""

    kpi: Kpi
    addition: Addition


def roles(cell: int, definition: Definition, pipeline: str) -> tuple[Role, ...]:
    """All series that a cell adds to, in the order of the catalogue."""
    return _roles(cell, definition.horizons_of(pipeline))


@lru_cache(maxsize=1 << 16)
def _roles(cell: int, horizons: tuple[str, ...]) -> tuple[Role, ...]:
    return tuple(
        Role(kpi, addition)
        for kpi in KPIS
        for addition in kpi.form.additions(CELLS[cell], horizons)
    )


class Family(NamedTuple):
    """A series name that may appear, with its metadata."""

    name: str
    kind: str
    help: str
    unit: str
    kpi: str


_SUFFIX_HELP: Final = {
    "": "",
    "_numerator": " (numerator)",
    "_denominator": " (denominator)",
    "_sum": " (sum)",
    "_count": " (number of samples)",
    "_quantile": " (quantile, within 2 %)",
}

TARGET: Final = "target"
ATTAINMENT: Final = "target_attainment_ratio"
_TARGETS: Final = {
    TARGET: ("Target of a KPI as set in funnel.yaml, in the KPI's unit.", ""),
    ATTAINMENT: ("KPI ÷ target, or target ÷ KPI where the target is an upper limit.", "ratio"),
}


@cache
def families() -> tuple[Family, ...]:
    """Every KPI series name, in the order of the catalogue; the targets come last."""
    found = [
        Family(
            f"{kpi.metric}{breakdown}{suffix}",
            "gauge",
            f"{kpi.help}{_SUFFIX_HELP[suffix]}{' By dimension.' if breakdown else ''}",
            kpi.unit,
            kpi.id,
        )
        for kpi in KPIS
        for breakdown in ("", "_breakdown")
        for suffix in kpi.form.suffixes
    ]
    for name, (text, unit) in _TARGETS.items():
        for breakdown in ("", "_breakdown"):
            by = " By dimension." if breakdown else ""
            found.append(Family(f"funnel_{name}{breakdown}", "gauge", text + by, unit, name))
    return tuple(found)
