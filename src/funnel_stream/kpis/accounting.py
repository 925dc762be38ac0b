"""The accounting invariant: every deal that reached a stage is accounted for exactly once (it moved
on, was lost, moved back or is still there), and a stuck deal is open."""

from collections.abc import Mapping

from funnel_stream.contract.event import LEAD, LOST, STAGES
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.facts.measures import FATE, OPEN, REACHED, STUCK
from funnel_stream.facts.rules import FATES, progress
from funnel_stream.windows.tables import NOW, Cells, Snapshot

_STAGES = STAGES[:LOST]
_REACHED = [REACHED.cell(stage) for stage in _STAGES]
_FATES = [
    [
        *[cell for later in _STAGES[index + 1 :] for cell in progress(stage, later)],
        *[FATE.cell(stage, fate) for fate in FATES],
    ]
    for index, stage in enumerate(_STAGES)
]


_FATES_OF_LEADS = {
    STAGES[LEAD]: {fate: FATE.cell(STAGES[LEAD], fate) for fate in FATES},
    **{
        stage: dict(zip(FATES, progress(STAGES[LEAD], stage), strict=True))
        for stage in _STAGES[LEAD + 1 :]
    },
}


def fates_of_leads(cells: Cells) -> Mapping[str, Mapping[str, int]]:
    """Of the leads of a window: how many got to each stage and no further, by what became of
    them."""
    return {
        stage: {fate: cells.get(cell, 0) for fate, cell in fates.items()}
        for stage, fates in _FATES_OF_LEADS.items()
    }


_OPEN_AND_STUCK = [(stage, OPEN.cell(stage), STUCK.cell(stage)) for stage in OPEN_STAGES]


def violations(snapshot: Snapshot) -> list[str]:
    """Where deals reached ≠ moved on + lost + moved back + still there, or a count is negative.

    One sentence each; the list should always be empty.
    """
    found = _violations_of_now(snapshot)
    for window in snapshot.definition.windows:
        for row, cells in snapshot.totals.get(window, {}).items():
            for stage, reached, fates in zip(_STAGES, _REACHED, _FATES, strict=True):
                parts = [cells.get(fate, 0) for fate in fates]
                total = cells.get(reached, 0)
                if sum(parts) != total or min(parts) < 0:
                    found.append(
                        f"{total} deals reached {stage} in {window} of {tuple(row)}, "
                        f"{sum(parts)} are accounted for: {parts}"
                    )
    return found


def _violations_of_now(snapshot: Snapshot) -> list[str]:
    return [
        f"{cells.get(open_id, 0)} deals are open in {stage} of {tuple(row)}, "
        f"{cells.get(stuck_id, 0)} of them stuck"
        for row, cells in snapshot.totals.get(NOW, {}).items()
        for stage, open_id, stuck_id in _OPEN_AND_STUCK
        if not 0 <= cells.get(stuck_id, 0) <= cells.get(open_id, 0)
    ]
