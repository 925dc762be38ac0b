"""What became of the rows of an import."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from funnel_stream.tools.day_and_month import Swapped
from funnel_stream.tools.named_texts import Unsaid

LISTED: Final = 1000
"""Rows and deals that are listed one by one; all are counted."""


class Reject(NamedTuple):
    """Why a row, an event of it or a part of that is left out. ``row`` counts as a spreadsheet
    does: the header is row 1. ``field``: the column, or a field of the event that none says."""

    file: str
    row: int
    reason: str
    field: str
    message: str


def _sums() -> defaultdict[Any, Decimal]:
    return defaultdict(Decimal)


@dataclass
class Report:
    """What became of the rows; complete once all lines have been taken."""

    rows: int = 0
    blank: int = 0
    """Rows without any text, which are not among the rows."""
    events: int = 0
    without_event: int = 0
    """Rows that make no event, though nothing of them is refused and no rule skips them."""
    unsaid: dict[str, list[Unsaid]] = field(default_factory=dict)
    """Texts of the mapping that no row says, by source."""
    unnamed: dict[str, Counter[str]] = field(default_factory=dict)
    """Texts that no ``when`` of an event names, by source and column of one that has it."""
    unnamed_others: Counter[str] = field(default_factory=Counter)
    """Rows with further such texts, by source and column."""
    unfulfilled: list[str] = field(default_factory=list)
    """Events of whose ``when`` no row fulfils all, as source and name."""
    repeated: int = 0
    """Events that an earlier row has made already, word for word: not written again."""
    unchanged: int = 0
    """Rows of histories in which the stage is the one before."""
    contradictions: int = 0
    """Rows that say something else than an earlier one about the same event."""
    contradicting_money: defaultdict[str, Decimal] = field(default_factory=_sums)
    """Sum of their amounts by currency."""
    rejects: list[Reject] = field(default_factory=list)
    """The first that were left out."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What was left out, by reason and column."""
    examples: dict[tuple[str, str], Reject] = field(default_factory=dict)
    """The first that was left out, by reason and column."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows left out by rule, by reason."""
    moved: Counter[str] = field(default_factory=Counter)
    """Dates that ``not_before`` or ``not_after`` has moved to another local day, by rule."""
    moved_within_day: Counter[str] = field(default_factory=Counter)
    """Dates that were moved, and are of the same local day still, by rule."""
    undated: Counter[str] = field(default_factory=Counter)
    """Rows that have no date for an optional event, by source and event."""
    from_fallback: Counter[str] = field(default_factory=Counter)
    """Dates that ``fallback`` tells, by rule."""
    rounded: Counter[str] = field(default_factory=Counter)
    """Amounts rounded to the decimals of their currency, by column."""
    unmatched: Counter[str] = field(default_factory=Counter)
    """Keys that a lookup does not hold, by its pattern."""
    unused: Counter[str] = field(default_factory=Counter)
    """Rows of a lookup that no row has asked for, by its pattern."""
    by_stage: Counter[str] = field(default_factory=Counter)
    """Events by the stage entered; others by their type."""
    first: datetime | None = None
    last: datetime | None = None
    """When the first and the last of the events occurred."""
    money: defaultdict[tuple[str, str], Decimal] = field(default_factory=_sums)
    """Sum of the amounts by stage (or type) and currency."""
    without_mapping: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Texts that stand for no stage, by column."""
    backwards: int = 0
    """Deals that are closed before any other of their stages, whichever rows say so: they are open
    again."""
    backwards_deals: list[str] = field(default_factory=list)
    """The first of these deals."""
    notes: list[str] = field(default_factory=list)
    """What was found out about how the files are written."""
    swapped: dict[str, Swapped] = field(default_factory=dict)
    """Columns some of whose dates are only read with day and month in each other's place."""
    times_of_day: dict[str, str] = field(default_factory=dict)
    """Columns of which every date has the same time: they look like dates without one."""

    def leave_out(self, one: Reject) -> None:
        """Count something that is left out."""
        kind = one.reason, one.field
        self.left_out[kind] += 1
        self.examples.setdefault(kind, one)
        if len(self.rejects) < LISTED:
            self.rejects.append(one)

    def count(self, event: dict[str, Any], at: datetime) -> None:
        """Count an event that is written; ``at``: when it occurred."""
        what = str(event.get("stage") or event["type"])
        self.events += 1
        self.by_stage[what] += 1
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        if "amount" in event:
            self.money[what, event["currency"]] += Decimal(event["amount"])

    def contradict(self, event: dict[str, Any]) -> None:
        """Count an event that says something else than an earlier one of its id."""
        self.contradictions += 1
        if "amount" in event:
            self.contradicting_money[event["currency"]] += Decimal(event["amount"])
