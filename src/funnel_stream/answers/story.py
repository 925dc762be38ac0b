"""A deal's journey as a timeline: what happened when, and what is remarkable about it."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from funnel_stream.contract.event import (
    ACTIVITY_OF,
    HELD,
    LEAD,
    LOST,
    OFFER,
    STAGES,
    WON,
    Event,
)
from funnel_stream.contract.money import DECIMALS
from funnel_stream.contract.timestamps import moment

_INSTANTS: Final = ("first_touch_at", "offer_requested_at", "period_start", "period_end")
_MICROS: Final = 1_000_000


@dataclass(frozen=True)
class AttributeChange:
    """An attribute that an event gave; ``before``: what it replaced, ``None`` if it was unknown.

    ``value`` is ``None`` where the event cleared it. ``kept``: the value given first, where that
    one still counts.
    """

    name: str
    value: Any
    before: Any = None
    kept: Any = None


@dataclass(frozen=True)
class Step:
    """An event of the journey. ``marks``: what is worth knowing about it."""

    at: datetime
    event_id: str
    what: str
    marks: list[str]
    given: list[AttributeChange]


def timeline(
    arrived: list[Event], keep_first: Set[str] = frozenset(), outcome: int | None = None
) -> Iterator[Step]:
    """The events of a deal, given in the order of their arrival, in the order of the journey.

    ``keep_first``: attributes whose first value counts. ``outcome``: how the previous deal with
    this id ended.
    """
    late = _late(arrived)
    given = _attribute_changes(arrived, keep_first)
    before: int | None = None
    furthest = -1
    for event in sorted(arrived):
        marks = ["late: arrived after events that occurred later"] if event.id in late else []
        if before is None and event.kind == outcome:
            what = f"{STAGES[event.kind]} reported again"
            marks = ["repeat: the previous deal ended this way", *marks]
        elif event.kind <= LOST:
            what, move_marks = _move(before, event.kind, furthest)
            marks = [*move_marks, *marks]
            before = event.kind
            if event.kind <= WON:
                furthest = max(furthest, event.kind)
        elif event.kind in ACTIVITY_OF:
            what = _activity(event.kind)
        else:
            what = "details given"
        yield Step(moment(event.at), event.id, what, marks, given[event.id])


def _late(arrived: list[Event]) -> set[str]:
    """Events that arrived after one that occurred later."""
    late, newest = set(), -1
    for event in arrived:
        if event.at < newest:
            late.add(event.id)
        newest = max(newest, event.at)
    return late


def _attribute_changes(
    arrived: list[Event], keep_first: Set[str]
) -> dict[str, list[AttributeChange]]:
    """By event: its attributes, with what each replaced, or left as it was."""
    known: dict[str, Any] = {}
    left = _left_a_closing(arrived)
    found: dict[str, list[AttributeChange]] = {}
    for event in sorted(arrived, key=lambda event: (event.at, event.id)):
        attributes = plain(event.attributes or {})
        cleared = dict.fromkeys(attributes.pop("cleared", ()))
        attributes = cleared | attributes
        for name in keep_first & cleared.keys() & attributes.keys():
            if attributes[name] is not None:
                known.pop(name, None)
        found[event.id] = [
            _attribute_change(name, value, known.get(name), keep_first)
            for name, value in attributes.items()
        ]
        for name, value in attributes.items():
            if value is None or name not in keep_first or known.get(name) is None:
                known[name] = value
        if event.id in left:
            known.pop("lost_reason", None)
    return found


def _attribute_change(name: str, value: Any, known: Any, keep_first: Set[str]) -> AttributeChange:
    if name in keep_first and value is not None and known is not None:
        return AttributeChange(name, value, kept=known)
    return AttributeChange(name, value, known)


def _left_a_closing(arrived: list[Event]) -> set[str]:
    """Events that moved the deal out of ``won`` or ``lost``: its reason goes with that closing."""
    stages = [event for event in sorted(arrived) if event.kind <= LOST]
    return {
        event.id
        for before, event in pairwise(stages)
        if before.kind >= WON and event.kind != before.kind
    }


def _move(before: int | None, stage: int, furthest: int) -> tuple[str, list[str]]:
    """A stage event in words, and what is remarkable about it after the previous one."""
    name = STAGES[stage]
    what = {OFFER: "offer sent", WON: "won", LOST: "lost"}.get(stage, f"{name} entered")
    if stage == before:
        return what, ["another offer"] if stage == OFFER else ["repeat: not a new entry"]
    marks = []
    if before is not None and before >= WON:
        marks.append(
            f"reopened: the closing as {STAGES[before]} no longer counts"
            if stage < WON
            else f"instead of {STAGES[before]}: that closing no longer counts"
        )
    elif before is not None and stage < before:
        marks.append(f"moved back from {STAGES[before]}")
    if skipped := STAGES[furthest + 1 : stage if stage <= WON else LEAD + 1]:
        marks.append(f"passed without an event: {', '.join(skipped)}")
    return what, marks


def _activity(kind: int) -> str:
    name = ACTIVITY_OF[kind][0].replace("_", " ")
    return f"{name} held" if kind in HELD else f"{name}: no show"


# --- attributes to read ---------------------------------------------------------------------------


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON has them: money as text, times in RFC 3339, the score as a number."""
    return {name: _plain(name, value) for name, value in attributes.items()}


def _plain(name: str, value: Any) -> Any:
    if name in ("amount", "cost"):
        return money(*value)
    if name in _INSTANTS:
        return moment(value).isoformat().replace("+00:00", "Z")
    return value / _MICROS if name == "score" else value


def money(minor: int, currency: str) -> str:
    """Minor units as an exact amount: ``1200.00 EUR``."""
    return f"{Decimal(minor).scaleb(-DECIMALS[currency]):f} {currency}"
