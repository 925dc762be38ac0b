"""What one deal adds to every figure: which series, how much, in which panes, and for how long."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, HOUR, MINUTE, MINUTE_US, Window, minutes_of, pane_of
from funnel_stream.definition.values import LABEL_LENGTH
from funnel_stream.facts.measures import CELLS, MATURED, NOW_MEASURES
from funnel_stream.facts.rules import ATTRIBUTES, MINUTE_BITS, NONE, Facts
from funnel_stream.kpis.catalogue import KPIS, roles
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.windows.tables import NOW

BASES: Final = ("period", "cohort", MATURED)
MINUTE_MASK: Final = (1 << MINUTE_BITS) - 1


class WindowStay(NamedTuple):
    """When a fact counts in a window: from ``enters`` to before ``leaves`` (µs). Facts of the
    present have the window ``now`` and stay (``None``) as long as the deal is what it is."""

    window: str
    enters: int
    leaves: int | None

    def holds(self, as_of: int) -> bool:
        """Whether the fact counts as of an instant."""
        return self.enters <= as_of and (self.leaves is None or as_of < self.leaves)


@dataclass(frozen=True)
class Contribution:
    """What a deal adds to one series from one minute on; ``weight ÷ scale`` in the KPI's unit.

    ``minute``: of the fact, since the epoch. ``panes``: the start (minutes) of the pane of each
    size (minutes) that the fact lies in; none for the KPIs of now.
    """

    kpi: Kpi
    suffix: str
    labels: dict[str, str]
    minute: int
    weight: int
    scale: int
    panes: dict[int, int]
    stays: tuple[WindowStay, ...]

    @property
    def value(self) -> float:
        return self.weight if self.scale == 1 else self.weight / self.scale


def contributions(
    facts: Facts, definition: Definition, pipeline: str, as_of: int
) -> list[Contribution]:
    """All that facts of a deal in a pipeline add, in the order of the catalogue and of time."""
    windows = definition.window_list()
    found: dict[tuple[str, str, tuple[str, ...], int], Contribution] = {}
    for key, weight in facts.items():
        cell, minute = key >> MINUTE_BITS, key & MINUTE_MASK
        measure = CELLS[cell][0]
        panes = panes_of(measure, minute)
        stays = tuple(stays_of(measure, minute, windows))
        for kpi, addition in roles(cell, definition, pipeline):
            suffix, labels, amount = addition.suffix, addition.labels, addition.worth(weight, as_of)
            same = kpi.id, suffix, tuple(labels.values()), minute
            if known := found.get(same):  # whole discounts and parts of one
                amount += known.weight
            found[same] = Contribution(
                kpi, suffix, labels, minute, amount, addition.scale, panes, stays
            )
    return sorted(found.values(), key=_order)


_CATALOGUE_ORDER: Final = {kpi.id: index for index, kpi in enumerate(KPIS)}
_RANKS: Final = {name: f"{rank}" for rank, name in enumerate((*STAGES, *BASES))}


def _order(contribution: Contribution) -> tuple[int, list[str], int, int]:
    kpi = contribution.kpi
    return (
        _CATALOGUE_ORDER[kpi.id],
        [_rank(name, value) for name, value in contribution.labels.items()],
        contribution.minute,
        kpi.form.suffixes.index(contribution.suffix),
    )


def _rank(label: str, value: str) -> str:
    if label == "horizon":
        return f"{minutes_of(value):09}"
    return _RANKS.get(value, value)


def panes_of(measure: str, minute: int) -> dict[int, int]:
    """Where the pane of each size that a fact lies in starts, by size; all in minutes."""
    if measure in NOW_MEASURES:
        return {}
    matured = measure == MATURED
    sizes = (HOUR, DAY) if matured else (MINUTE, HOUR, DAY)
    return {size: pane_of(minute, size, matured) * size for size in sizes}


def stays_of(measure: str, minute: int, windows: Iterable[Window]) -> Iterator[WindowStay]:
    """When a fact of a minute counts in each of the windows that it ever counts in."""
    if measure in NOW_MEASURES:
        yield WindowStay(NOW, minute * MINUTE_US, None)
        return
    matured = measure == MATURED
    for window in windows:
        if matured and not window.judges:
            continue
        enters, leaves = window.stay(minute, matured=matured)
        yield WindowStay(window.name, enters * MINUTE_US, leaves * MINUTE_US)


def value_under(parts: tuple[str, ...], combination: tuple[str, ...]) -> str:
    """The value of a dimension, made of these attributes, that a deal counts under."""
    values = [combination[ATTRIBUTES.index(part)] for part in parts]
    if not any(values):
        return NONE
    return " + ".join(value or NONE for value in values)[:LABEL_LENGTH]
