"""Which figures are sums over deals, activities and spends, and whether they add up."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import fsum, isclose
from typing import Final

from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.products import Velocity
from funnel_stream.kpis.samples import Sample

PARTS: Final = ("_sum", "_count", "_numerator", "_denominator")


def _is_sum(kpi: Kpi, suffix: str) -> bool:
    if isinstance(kpi.form, Velocity):
        return False
    # Leads of a channel stand beside its cost only where something was spent on it.
    if (kpi.id, suffix) == ("cost_per_lead", "_denominator"):
        return False
    return suffix in PARTS or kpi.form.suffixes == ("",)


SUMS: Final[dict[str, tuple[str, Kpi]]] = {
    f"{kpi.metric}{breakdown}{suffix}": (kpi.metric + suffix, kpi)
    for kpi in KPIS
    for suffix in kpi.form.suffixes
    if _is_sum(kpi, suffix)
    for breakdown in ("", "_breakdown")
}
"""Series that are sums, totals and breakdowns: the total's name and the KPI."""

Key = tuple[str, frozenset[tuple[str, str]]]


def unreconciled(found: Iterable[Sample], definition: Definition) -> list[str]:
    """Where the values of a dimension do not sum to the total, or stand where none may."""
    totals: dict[Key, float] = {}
    parts: defaultdict[tuple[str, Key], list[float]] = defaultdict(list)
    kpi_of: dict[Key, Kpi] = {}
    for metric, labels, value in found:
        if metric not in SUMS:
            continue
        name, kpi = SUMS[metric]
        own = {k: v for k, v in labels.items() if k not in ("dimension", "value")}
        key = name, frozenset(own.items())
        kpi_of[key] = kpi
        if dimension := labels.get("dimension"):
            parts[dimension, key].append(value)
        else:
            totals[key] = value
    return list(_wrong(definition, totals, parts, kpi_of))


def _wrong(
    definition: Definition,
    totals: dict[Key, float],
    parts: dict[tuple[str, Key], list[float]],
    kpi_of: dict[Key, Kpi],
) -> Iterator[str]:
    for key, kpi in kpi_of.items():
        allowed = kpi.form.dimensions or definition.dimensions
        for dimension in definition.dimensions:
            values = parts.get((dimension, key), [])
            if dimension not in allowed:
                if values:
                    yield f"{key} cannot be broken down by {dimension}"
            elif not same(fsum(values), totals.get(key, 0.0)):
                yield f"{key}: {totals.get(key, 0.0)} in total, {dimension} {values}"


def same(one: float, other: float) -> bool:
    """Equal but for the rounding of a float; a count, a cent or a microsecond off is not."""
    return isclose(one, other, rel_tol=1e-13, abs_tol=1e-9)
