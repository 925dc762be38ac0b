"""One deal: the set of its events, and what follows from that set.

A *row* is the stored form: a msgpack array of events in order of arrival. Adding an event is an
append; what the journey means is derived from the sorted events, so arrival order cannot matter.

A row holds all events of an id, and these may tell of several deals, one after the other: where a
deal is over (won, lost, or never in any stage) and nothing happens for longer than a *gap*, what
comes later is a new deal. What left the state is remembered by a ``Former`` at the row's begin.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from funnel_stream.contract.event import (
    ACTIVITY_OF,
    FORMER,
    LEAD,
    LOST,
    NEGOTIATION,
    OFFER,
    WON,
    Event,
)
from funnel_stream.definition.values import Spellings

_HEADER: Final = 5
"""Bytes of a msgpack array32 header: a marker and the number of events, big-endian."""

_FIRST_AT: Final = _HEADER + 1
"""Where the first event's time is: behind the marker of the event's array."""
_UINT64: Final = 0xCF
_FIRST_KIND: Final = _FIRST_AT + 9
"""Where the first event's kind is, if its time takes 64 bits."""

_encode_event = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[Event]).decode
_encode_id = msgspec.msgpack.Encoder().encode


class Former(NamedTuple):
    """What is left of deals of this id: when the last event of the last one occurred (µs), and how
    it ended, ``won`` or ``lost``; ``None`` if none of them was ever closed."""

    at: int
    outcome: int | None


class ConflictError(Exception):
    """An event of the same id is there already and says something else."""

    def __init__(self, known: Event) -> None:
        super().__init__(known.id)
        self.known = known


def new_row(event: Event) -> bytes:
    """The row of a deal whose only event is this one."""
    return b"\xdd\x00\x00\x00\x01" + _encode_event(event)


def row_of(kept: list[Event], former: Former | None = None) -> bytes:
    """The row of these events, in this order, that remembers who was there before."""
    if former is not None:
        outcome = None if former.outcome is None else {"outcome": former.outcome}
        kept = [Event(former.at, FORMER, "", outcome), *kept]
    return b"\xdd" + len(kept).to_bytes(4, "big") + b"".join(map(_encode_event, kept))


def append(row: bytes, event: Event) -> bytes | None:
    """The row with the event added; ``None`` if it is there already.

    Raises ``ConflictError`` when an event of the same id says something else.
    """
    # The id's bytes occur in the row if the event does (and seldom else), so that only a
    # suspected duplicate costs a decode: 0.4 µs an event instead of 4.
    if _encode_id(event.id) in row:
        for known in events(row):
            if known.id == event.id:
                if known == event:
                    return None
                raise ConflictError(known)
    return b"\xdd%b%b%b" % (
        (size(row) + 1).to_bytes(4, "big"),
        row[_HEADER:],
        _encode_event(event),
    )


def size(row: bytes) -> int:
    """Number of events in a row."""
    return int.from_bytes(row[1:_HEADER], "big")


def events(row: bytes) -> list[Event]:
    """The events of a row, in order of arrival."""
    found = _decode_events(row)
    return found[1:] if found and found[0].kind == FORMER else found


def former(row: bytes) -> Former | None:
    """Who was there before, if the row remembers; quick where it does not."""
    if row[_FIRST_AT] == _UINT64 and row[_FIRST_KIND] != FORMER:
        return None
    first = _decode_events(row)[0]
    return _former(first) if first.kind == FORMER else None


def _former(first: Event) -> Former:
    return Former(first.at, first.attributes["outcome"] if first.attributes else None)


def first_at(row: bytes) -> int:
    """When the event occurred that arrived first (µs), without decoding the row."""
    if row[_FIRST_AT] != _UINT64:
        return 0  # the first hour of 1970 is stored shorter
    return int.from_bytes(row[_FIRST_AT + 1 : _FIRST_AT + 9], "big")


class Move(NamedTuple):
    """A change between two different stages, at a time in microseconds."""

    at: int
    before: int
    after: int


Activity = tuple[int, int, int | None]
"""Something that took place with the customer: its time in microseconds, its kind (as in
``Event``), and the deal's stage at that time (``None`` before the first)."""


class Offer(NamedTuple):
    """An offer sent: its time in microseconds, and its amount ``[minor units, currency]``."""

    at: int
    amount: tuple[int, str] | None


class Journey:
    """What a deal's events mean (design: *What a journey means*).

    ``stage``: the stage now, ``None`` for a deal without a stage event (which has activities and
    attributes alone). ``since``: when its stay in that stage began; a repeated offer does not begin
    it anew. ``reached``: per stage before ``won`` the earliest time at which the deal entered it or
    a later one, and for ``won`` the closing if the outcome now is won; microseconds or ``None``.
    ``entered``: times of the explicit entries, per stage (``offer``: of every offer sent).
    ``closed_at``: time of the closing in force. ``attributes``: the last of each that was given
    (of those in ``keep_first`` the first) and not cleared since; a ``lost_reason`` only if it was
    given after the deal's last move out of ``won`` or ``lost``.
    ``first_at`` and ``last_at``: when its first and last event occurred. ``outcome``: ``won`` or
    ``lost``, ``None`` while it is open; where it has no stage, that of the deal before it.
    """

    __slots__ = (
        "activities",
        "attributes",
        "closed_at",
        "entered",
        "first_at",
        "last_at",
        "moves",
        "offers",
        "outcome",
        "reached",
        "since",
        "stage",
    )

    def __init__(
        self,
        history: list[Event],
        tied: bool = True,
        outcome: int | None = None,
        keep_first: Set[str] = frozenset(),
    ) -> None:
        """``history``: its events, sorted; ``tied``: some may have occurred at the same time.

        ``outcome``: how the deal before it ended. To say so again is no news: an event of that
        stage is none until the deal has been in another one.
        """
        attributes: dict[str, Any] = _attributes(history) if tied else {}
        entered: list[list[int]] = [[], [], [], [], [], [], []]
        moves: list[Move] = []
        activities: list[Activity] = []
        offers: list[Event] = []
        before: int | None = None
        since = 0
        left: Event | None = None  # by which the deal last moved out of a closing
        said_again = False
        for event in history:
            kind, at, given = event.kind, event.at, event.attributes
            if given and not tied:
                attributes.update(given)
            if kind > LOST:
                if kind in ACTIVITY_OF:
                    activities.append((at, kind, before))
                continue
            if kind == OFFER:
                offers.append(event)
            if kind == before:
                if kind == OFFER:
                    entered[OFFER].append(at)
                continue
            if before is not None:
                moves.append(Move(at, before, kind))
                if before >= WON:
                    left = event
            elif kind == outcome:
                said_again = True
                continue
            elif said_again:
                left = event
            entered[kind].append(at)
            since, before = at, kind
        if "cleared" in attributes:
            attributes = _attributes(history)
        if keep_first:
            attributes.update(_first_given(history, keep_first))
        if left is not None and "lost_reason" in attributes:
            reason = _reason_since(left, history)
            if reason is None:
                del attributes["lost_reason"]
            else:
                attributes["lost_reason"] = reason
        self.attributes = attributes
        self.first_at, self.last_at = history[0].at, history[-1].at
        self.stage, self.since = before, since
        self.entered, self.moves, self.activities = entered, moves, activities
        self.closed_at: int | None = None
        self.outcome: int | None = None
        if before is None:
            self.outcome = outcome
        elif before >= WON:
            self.outcome, self.closed_at = before, since
        self.offers: list[Offer] = _offers(offers, history) if offers else []
        self.reached = _reached(entered, before, self.closed_at)

    @property
    def is_open(self) -> bool:
        """It is in a stage, and neither won nor lost."""
        return self.stage is not None and self.stage < WON

    @property
    def furthest(self) -> int:
        """The highest stage reached (a journey without stages has none: do not ask)."""
        stage = WON
        while self.reached[stage] is None:
            stage -= 1
        return stage

    @property
    def offered(self) -> bool:
        """An offer was sent."""
        return bool(self.entered[OFFER])

    @property
    def negotiated(self) -> bool:
        """Negotiation was entered explicitly."""
        return bool(self.entered[NEGOTIATION])

    @property
    def lost_from(self) -> int:
        """The stage before the last loss; ``lead`` if there was none."""
        return next((move.before for move in reversed(self.moves) if move.after == LOST), LEAD)


def lives(
    row: bytes,
    gap: int,
    keep_first: Set[str] = frozenset(),
    unsaid: Mapping[str, Spellings] | None = None,
) -> list[Journey]:
    """The deals that a row tells of, in order of time: a new one begins where the one before is
    over and nothing happened for more than ``gap`` microseconds.

    ``unsaid``: attributes of which some texts count as not given.
    """
    history = _decode_events(row)
    if unsaid:
        history = [_with_spellings(event, unsaid) for event in history]
    last = -(1 << 63)
    tied = False
    for event in history:
        at = event.at
        if at <= last:
            history.sort()
            tied = True
            break
        last = at
    if history[0].kind != FORMER and history[-1].at - history[0].at <= gap:
        return [Journey(history, tied, None, keep_first)]
    return list(_split(history, tied, gap, keep_first))


def _with_spellings(event: Event, unsaid: Mapping[str, Spellings]) -> Event:
    """The event without what counts as not given."""
    given = event.attributes or {}
    nothing = [name for name in unsaid if name in given and unsaid[name].means_none(given[name])]
    if not nothing:
        return event
    kept = {name: value for name, value in given.items() if name not in nothing}
    return replace(event, attributes=kept or None)


def _split(history: list[Event], tied: bool, gap: int, keep_first: Set[str]) -> Iterator[Journey]:
    def journey_of(some: list[Event]) -> Journey:
        return Journey(some, tied, outcome, keep_first)

    outcome = None
    if history[0].kind == FORMER:
        first, *history = history
        outcome = _former(first).outcome
    start = 0
    for index in range(1, len(history)):
        if history[index].at - history[index - 1].at > gap:
            life = journey_of(history[start:index])
            if life.stage is None or life.stage >= WON:
                yield life
                start, outcome = index, life.outcome
    yield journey_of(history[start:])


def _as_given(history: list[Event]) -> list[Event]:
    """In the order of attributes; in the history a tie in time is sorted by rank."""
    return sorted(history, key=lambda event: (event.at, event.id))


def _attributes(history: list[Event]) -> dict[str, Any]:
    """The last value given of each that was not cleared since."""
    known: dict[str, Any] = {}
    for event in _as_given(history):
        if given := event.attributes:
            if "cleared" in given:
                for name in given["cleared"]:
                    known.pop(name, None)
            known.update(given)
    known.pop("cleared", None)
    return known


def _reason_since(left: Event, history: list[Event]) -> str | None:
    """The last reason for a loss that sorts behind the event by which the deal left its closing.

    Whatever that event or one before it gave was the reason of something else.
    """
    reason: str | None = None
    moved_out = left.at, left.kind, left.id
    for event in _as_given(history):
        given = event.attributes or {}
        if "lost_reason" in given.get("cleared", ()):
            reason = None
        elif (event.at, event.kind, event.id) > moved_out:
            reason = given.get("lost_reason", reason)
    return reason


def _first_given(history: list[Event], names: Set[str]) -> dict[str, Any]:
    """First value given by ``(at, id)`` of each of the attributes, since it was last cleared."""
    known: dict[str, Any] = {}
    for event in _as_given(history):
        if given := event.attributes:
            for name in names & set(given.get("cleared", ())):
                known.pop(name, None)
            for name in names & given.keys():
                known.setdefault(name, given[name])
    return known


def _offers(offers: list[Event], history: list[Event]) -> list[Offer]:
    """Each with the last amount that sorts at or before it by ``(at, id)``; none if cleared."""
    amounts = [
        (event.at, event.id, event.attributes.get("amount"))
        for event in history
        if event.attributes
        and ("amount" in event.attributes or "amount" in event.attributes.get("cleared", ()))
    ]
    amounts.sort(key=lambda given: given[:2])
    found = []
    for offer in offers:
        index = bisect_right(amounts, (offer.at, offer.id), key=lambda given: given[:2])
        amount = amounts[index - 1][2] if index else None
        found.append(Offer(offer.at, amount and (amount[0], amount[1])))
    return found


def _reached(
    entered: list[list[int]], stage: int | None, closed_at: int | None
) -> list[int | None]:
    """Skipped stages count as passed; a loss reaches nothing but ``lead``."""
    reached: list[int | None] = [None] * 6
    earliest = entered[WON][0] if entered[WON] else None
    for rank in range(NEGOTIATION, LEAD - 1, -1):
        entries = entered[rank]
        if entries and (earliest is None or entries[0] < earliest):
            earliest = entries[0]
        reached[rank] = earliest
    if entered[LOST]:
        lost = entered[LOST][0]
        if earliest is None or lost < earliest:
            reached[LEAD] = lost
    if stage == WON:
        reached[WON] = closed_at
    return reached
