"""A stage that is not known takes nothing back, whichever conditions surround it."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.contract.event import STAGES
from tests.properties.test_snapshots import journeys
from tests.snapshots import Tables, compared, importing, mapped

KNOWN: Final = {"New": "qualified", "Demo": "potential", "Quote": "offer", "Won": "won"}
UNKNOWN: Final = ("Pilot", "new", "Wonn", "Won - upsell", "5")
FIRST: Final = datetime(2026, 3, 2, tzinfo=UTC)
DAYS: Final = ((0, "2026-02-01"), (1, "2026-03-05"))
SECOND: Final = datetime(2026, 3, 9, tzinfo=UTC)
ROUND: Final = mapped(
    """
name: crm
sources:
  deals:
    deal_id: id
    columns: {state: {values: {New: qualified, Demo: potential, Quote: offer, Won: won}}}
    events:
      - {stage: lead, at: created}
      - name: present
        stage: {column: state}
        at: {column: since, fallback: created}
        when: {state: [qualified, potential, offer], closed: "no"}
      - name: closing
        stage: {column: state}
        at: since
        when: {state: won, closed: "yes"}
"""
)


def exported(states: list[tuple[str, bool]], day: str) -> Tables:
    """One deal for each state, which it has since that day, and whether a flag says it is over."""
    rows = [
        f"{number},2026-01-05,{day},{state},{'yes' if closed else 'no'}"
        for number, (state, closed) in enumerate(states)
    ]
    return {"deals.csv": "\n".join(["id,created,since,state,closed", *rows, ""])}


def stage_of(state: str, closed: bool) -> str | None:
    """The stage that the mapping's author means, if it can be told."""
    if state in UNKNOWN:
        return None
    stage = KNOWN[state]
    return stage if closed == (stage == "won") else "lead"


states = st.tuples(st.sampled_from([*KNOWN, *UNKNOWN]), st.booleans())


@given(st.lists(st.tuples(states, states), min_size=1, max_size=8))
def test_a_deal_stays_where_it_was_known_to_be(
    deals: list[tuple[tuple[str, bool], tuple[str, bool]]],
) -> None:
    old, new = (exported([deal[place] for deal in deals], day) for place, day in DAYS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream = list(importing(folder, ROUND, old, FIRST).lines())
        made = compared(folder, ROUND, old, new, SECOND)
    found = journeys(stream + made.lines)
    unknown = []
    for number, (before, after) in enumerate(deals):
        stage = stage_of(*after)
        if stage is None:
            unknown.append((number + 2, "unknown_stage", "state"))
            stage = stage_of(*before) or "lead"
        now = found[str(number)].stage
        assert now is not None
        assert STAGES[now] == stage
    assert [one for one in made.left_out() if one[1] == "unknown_stage"] == unknown
