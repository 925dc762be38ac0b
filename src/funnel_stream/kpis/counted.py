"""What the entries of several stages count."""

from typing import Final

from funnel_stream.contract.event import LOST, STAGES
from funnel_stream.facts.measures import CLOSED, REACHED
from funnel_stream.facts.rules import progress
from funnel_stream.kpis.quotients import Fraction, count
from funnel_stream.kpis.scope import CellIds

PIPELINE_STAGES: Final = STAGES[:LOST]
OUTCOMES: Final = ("won", "lost")
YES_OR_NO: Final = ("true", "false")


def reached(stage: int) -> CellIds:
    """Deals that reached a stage."""
    return (REACHED.cell(STAGES[stage]),)


def got_from(base: int, to: int) -> CellIds:
    """Of the deals that reached a stage, those that got to a later one by now."""
    return tuple(cell for far in PIPELINE_STAGES[to:] for cell in progress(STAGES[base], far))


def closed(
    outcomes: tuple[str, ...], *, offered_only: bool = False, negotiated_only: bool = False
) -> CellIds:
    """Deals that were closed."""
    return tuple(
        CLOSED.cell(outcome, offered, negotiated)
        for outcome in outcomes
        for offered in (("true",) if offered_only else YES_OR_NO)
        for negotiated in (("true",) if negotiated_only else YES_OR_NO)
    )


def by_period_and_cohort(base: int, to: int, **labels: str) -> tuple[Fraction, Fraction]:
    """Deals of a later stage per deal of an earlier one, and the share that got there."""
    return (
        Fraction({**labels, "basis": "period"}, count(*reached(to)), reached(base)),
        Fraction({**labels, "basis": "cohort"}, count(*got_from(base, to)), reached(base)),
    )
