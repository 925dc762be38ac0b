"""What the events of a table do not tell, though columns of it may."""

from collections.abc import Iterator, Sequence
from typing import Final

from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.roles import CLOSED, TRUE, ColumnRoles, texts
from funnel_stream.tools.suggestion.rules import TablePlan

_NAMED: Final = 5
"""So many columns are named that may be the missing one."""


def doubts(plan: TablePlan, columns: ColumnRoles, outcome: Profile | None) -> Iterator[str]:
    """Notes on a table with one row of each deal; ``outcome``: what tells which are closed."""
    if outcome is not None:
        yield from _of_outcomes(columns, outcome)
        yield from _of_closings_without_a_date(plan, columns, outcome)
    if all(event.stage != "lead" for event in plan.events):
        yield f"UNSURE: no event says when a deal began{_other_dates(plan, columns)}"


def _other_dates(plan: TablePlan, columns: ColumnRoles) -> str:
    used = plan.used()
    return _named("; other columns with dates: ", [one for one in columns.dates if one not in used])


def _named(before: str, names: Sequence[str]) -> str:
    return before + ", ".join(map(repr, names[:_NAMED])) if names else ""


def _of_outcomes(columns: ColumnRoles, outcome: Profile) -> Iterator[str]:
    """Where another column says otherwise which deals are closed."""
    won, lost = columns.closings(outcome)
    for other in columns.outcomes():
        won_there, lost_there = columns.closings(other)
        if (won, lost) != (won_there, lost_there):
            yield (
                f"UNSURE: whether {outcome.name!r} says which deals are closed: {won:,} won, "
                f"{lost:,} lost; by {other.name!r} it would be {won_there:,} and {lost_there:,}"
            )
    flag = columns.flag("is_closed")
    closed = sum(flag.kept[text] for text in texts(flag, TRUE)) if flag else won + lost
    if flag and closed != won + lost:
        yield (
            f"UNSURE: {closed:,} rows are closed according to {flag.name!r}, {won + lost:,} to "
            f"{outcome.name!r}: more of its texts may stand for won or lost"
        )


def _of_closings_without_a_date(
    plan: TablePlan, columns: ColumnRoles, outcome: Profile
) -> Iterator[str]:
    """Where there are more closings than dates of them."""
    counts = dict(zip(CLOSED, columns.closings(outcome), strict=True))
    closings = [
        event for event in plan.events if event.stage in counts and outcome.name in event.when
    ]
    for name in dict.fromkeys(event.at for event in closings):
        closed = sum(counts[event.stage] for event in closings if event.at == name)
        missing = closed - columns.named(name).filled
        if missing > 0:
            yield (
                f"UNSURE: at least {missing:,} of {closed:,} closed rows have no {name!r} and are "
                f"left out{_other_dates(plan, columns)}"
            )
