"""Facts: what one journey contributes to the KPIs, at which minute.

A fact is a weight in a *cell* (a measure with its labels) at a minute. KPIs are sums of cells.
Facts are a pure function of the journey; what changes between two journeys is retracted and added.
"""

import math
from collections.abc import Iterable
from functools import cache
from typing import Final

from funnel_stream.contract.event import DIMENSIONS, LEAD, LOST, OFFER, STAGES, WON
from funnel_stream.definition import Definition
from funnel_stream.journey import Journey

Cell = tuple[str, ...]
"""A measure and its labels, like ``("progress", "lead", "offer")``."""

Facts = dict[int, int]
"""Weights by ``cell id << 32 | minute since the epoch``."""

ATTRIBUTES: Final = ("pipeline", *DIMENSIONS)
"""What a fact can be broken down by; a *combination* is one value for each, ``""`` for none."""

LABEL_LENGTH: Final = 120
_MINUTE_US: Final = 60_000_000
MINUTE_BITS: Final = 32

CELLS: Final[list[Cell]] = []
"""Every cell this process has met; a cell's id is its place. Grows, never shrinks."""
_cell_ids: Final[dict[Cell, int]] = {}


def cell_id(*cell: str) -> int:
    """The id of a cell, given on first use."""
    known = _cell_ids.get(cell)
    if known is None:
        known = _cell_ids[cell] = len(CELLS)
        CELLS.append(cell)
    return known


FATES: Final = ("lost", "moved_back", "still_there")
"""Fates of a deal that reached a stage and no later one; else it moved on."""

MATURED_TARGETS: Final = {
    stage: tuple(range(stage + 1, (WON if stage in (LEAD, OFFER) else stage + 1) + 1))
    for stage in range(WON)
}
"""Stages to which conversions mature: adjacent, from ``lead`` to all, from ``offer`` to ``won``."""

_REACHED = [cell_id("reached", stage) for stage in STAGES[:LOST]]
_PROGRESS = [[cell_id("progress", base, to) for to in STAGES[:LOST]] for base in STAGES[:LOST]]
_FATE = [{fate: cell_id("fate", stage, fate) for fate in FATES} for stage in STAGES[:LOST]]
_MOVE = [[cell_id("transition", before, after) for after in STAGES] for before in STAGES]
_OFFER_SENT = cell_id("offer_sent")
_CLOSED = {
    (outcome, offered, negotiated): cell_id(
        "closed", STAGES[outcome], str(offered).lower(), str(negotiated).lower()
    )
    for outcome in (WON, LOST)
    for offered in (False, True)
    for negotiated in (False, True)
}
_TIME_TO_CLOSE = {outcome: cell_id("time_to_close", STAGES[outcome]) for outcome in (WON, LOST)}

GROWTH: Final = 1.04
"""Ratio of a histogram cell's bounds: the answer within a cell is off by at most
(γ − 1) ÷ (γ + 1) = 1.96 % (DDSketch, Masson et al. 2019)."""
_LOG_GROWTH = math.log(GROWTH)


def histogram_cell(measure: str, label: str, duration_us: int) -> int:
    """The cell that counts durations of that size; an exact 0 has its own."""
    return _histogram_cell(
        measure, label, math.ceil(math.log(duration_us) / _LOG_GROWTH) if duration_us else None
    )


@cache
def _histogram_cell(measure: str, label: str, index: int | None) -> int:
    return cell_id(f"{measure}_histogram", label, "zero" if index is None else str(index))


def histogram_value(index: str) -> float:
    """The duration in microseconds that stands for a histogram cell."""
    return 0.0 if index == "zero" else 2 * math.exp(int(index) * _LOG_GROWTH) / (1 + GROWTH)


class FactRules:
    """How journeys become facts under one definition."""

    def __init__(self, definition: Definition) -> None:
        self._horizons = [
            (
                minutes * _MINUTE_US,
                [[cell_id("matured", base, name, to) for to in STAGES[:LOST]]
                 for base in STAGES[:WON]],
            )
            for name, minutes in definition.horizon_minutes()
        ]  # fmt: skip

    def facts(self, journey: Journey) -> Facts:
        """All facts of a journey; empty for a deal without a stage event."""
        found: Facts = {}
        if journey.stage is None:
            return found
        self._progress(journey, found)
        for at in journey.entered[OFFER]:
            _add(found, _OFFER_SENT, at)
        for at, before, after in journey.moves:
            _add(found, _MOVE[before][after], at)
        if journey.closed_at is not None:
            _closing(journey, journey.closed_at, found)
        return found

    def _progress(self, journey: Journey, found: Facts) -> None:
        reached = journey.reached
        furthest = journey.furthest
        for stage, at in enumerate(reached[: furthest + 1]):
            if at is None:
                continue
            minute = at // _MINUTE_US
            found[_REACHED[stage] << MINUTE_BITS | minute] = 1
            if stage < furthest:
                found[_PROGRESS[stage][furthest] << MINUTE_BITS | minute] = 1
            else:
                fate = _FATE[stage][_fate(journey, stage)]
                found[fate << MINUTE_BITS | minute] = 1
            if stage < WON:
                self._matured(stage, at, reached, found)

    def _matured(self, base: int, at: int, reached: list[int | None], found: Facts) -> None:
        """One fact per horizon, in the first minute that starts when the deal is of that age."""
        targets = MATURED_TARGETS[base]
        for horizon, cells in self._horizons:
            deadline = at + horizon
            furthest = base
            # Times of reaching never decrease from stage to stage, so the first miss is the last.
            for target in targets:
                then = reached[target]
                if then is None or then > deadline:
                    break
                furthest = target
            minute = -(-deadline // _MINUTE_US)
            found[cells[base][furthest] << MINUTE_BITS | minute] = 1


def _fate(journey: Journey, furthest: int) -> str:
    if journey.stage == LOST:
        return "lost"
    return "moved_back" if journey.stage is not None and journey.stage < furthest else "still_there"


def _closing(journey: Journey, at: int, found: Facts) -> None:
    outcome = LOST if journey.stage == LOST else WON
    _add(found, _CLOSED[outcome, journey.offered, journey.negotiated], at)
    lead_at = journey.reached[LEAD]
    if lead_at is not None:
        duration = at - lead_at
        _add(found, _TIME_TO_CLOSE[outcome], at, duration)
        _add(found, histogram_cell("time_to_close", STAGES[outcome], duration), at)
    if amount := journey.attributes.get("amount"):
        minor, currency = amount
        _add(found, cell_id("deal_value", STAGES[outcome], currency), at, minor)


def _add(found: Facts, cell: int, at: int, weight: int = 1) -> None:
    if weight:
        key = cell << MINUTE_BITS | at // _MINUTE_US
        found[key] = found.get(key, 0) + weight


def combination(journey: Journey) -> tuple[str, ...]:
    """The journey's value for each of ``ATTRIBUTES``."""
    given = journey.attributes.get
    values = [given(dimension, "") for dimension in DIMENSIONS]
    pipeline = given("pipeline", "default")
    if max(map(len, values)) > LABEL_LENGTH or len(pipeline) > LABEL_LENGTH:
        return tuple(value[:LABEL_LENGTH] for value in (pipeline, *values))
    return (pipeline, *values)


def difference(
    before: Facts, after: Facts
) -> tuple[Iterable[tuple[int, int]], Iterable[tuple[int, int]]]:
    """What to retract and what to add so that ``before`` becomes ``after``."""
    return before.items() - after.items(), after.items() - before.items()
