"""The accounting invariant: every deal that reached a stage has exactly one fate."""

from funnel_stream.contract.event import LOST, STAGES
from funnel_stream.facts import FATES, cell_id
from funnel_stream.windows import Snapshot

_STAGES = STAGES[:LOST]
_REACHED = [cell_id("reached", stage) for stage in _STAGES]
_FATES = [
    [
        *[cell_id("progress", stage, later) for later in _STAGES[place + 1 :]],
        *[cell_id("fate", stage, fate) for fate in FATES],
    ]
    for place, stage in enumerate(_STAGES)
]


def violations(snapshot: Snapshot) -> list[str]:
    """Where deals reached ≠ moved on + lost + moved back + still there, or a count is negative.

    Each as a sentence; an empty list is what there should always be.
    """
    found = []
    for window, totals in snapshot.totals.items():
        for row, cells in totals.items():
            for stage, reached, fates in zip(_STAGES, _REACHED, _FATES, strict=True):
                parts = [cells.get(fate, 0) for fate in fates]
                total = cells.get(reached, 0)
                if sum(parts) != total or min(parts) < 0:
                    found.append(
                        f"{total} deals reached {stage} in {window} of {tuple(row)}, "
                        f"their fates are {sum(parts)}: {parts}"
                    )
    return found
