"""The deals of one partition: records in, changed rows and changed facts out."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from funnel_stream.contract import Amendment, Decoder, Reason, Rejection
from funnel_stream.contract.event import LOST, SPEND, WON, Event
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY_US
from funnel_stream.errors import StateError
from funnel_stream.facts import journey
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.expiry import MAX_STUBS, DueDays, Stubs, digest_of, stub_of, stub_value
from funnel_stream.facts.journey import Former, Journey
from funnel_stream.facts.ledger import DEAL_KEY, SPEND_KEY, Ledger, spend_key

FENCE_KEY: Final = b"fence"
MISROUTED_HEADER: Final = "funnel.misrouted"
"""Stands on a record that was re-published once: a second mismatch is a rejection."""

MAX_EVENTS: Final = 1000
MAX_ROW_BYTES: Final = 512 * 1024
"""Limits of one deal, so that its row always fits into one Kafka record."""
_LEAST_BYTES: Final = 6
"""Of an event in a row: its array, time, kind, id of a letter, and nothing more."""

_ERASED: Final = b"erased/"
STUB_KEY: Final = b"stub/"
_STUB_BYTES: Final = 8
ERASURE_MEMORY_US: Final = 30 * DAY_US
FOREVER: Final = 1 << 62
_LATE_US: Final = 60_000_000
_MS: Final = 1000
_AT_ONCE: Final = 32
"""Rows that are due are looked at so many with each record."""
_STEP: Final = 500


class Record(Protocol):
    """A Kafka record, as any client gives it. ``timestamp`` is in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Fence(msgspec.Struct, array_like=True):
    """How far the state has read: the last input offset it contains, and its event time."""

    offset: int
    watermark: int


@dataclass(slots=True)
class Fold:
    """What one batch of records did.

    ``changed``: changelog rows to write, ``None`` for a tombstone; ``fence``: the fence row's
    value after them. ``misrouted``: records that belong elsewhere, with their right key.
    ``counts``: ``accepted``, ``duplicates``, ``late`` (accepted more than a minute behind the
    watermark), ``repeated_outcomes`` (accepted, but they say again how a deal ended that is over:
    they start nothing), ``erasures``, ``erased_dropped``, ``expired`` (deals and spends that left
    the state), ``expired_dropped`` (events of deals that had left), ``stubs_evicted``.
    ``amended``: how many accepted events were amended, by reason.
    """

    changed: dict[bytes, bytes | None] = field(default_factory=dict)
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)
    misrouted: list[tuple[Record, bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    amended: Counter[Amendment] = field(default_factory=Counter)
    fence: bytes = b""


class Deals:
    """Journeys of one partition, by changelog key; and what changed since the last look.

    The outcome depends on the records and their order alone, never on how they are cut into
    batches or on the clock of this machine.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        belongs: Callable[[bytes], bool] | None = None,
        max_stubs: int = MAX_STUBS,
        leaving: bool = True,
        erasure_memory_us: int = ERASURE_MEMORY_US,
    ) -> None:
        """``max_stubs``: how many deals that left are remembered. ``leaving``: whether what is over
        leaves at all. ``erasure_memory_us``: for how long an erasure keeps late events out."""
        self.watermark = 0
        self.fence: int | None = None
        own_aliases = {name: p.aliases for name, p in definition.pipelines.items() if p.aliases}
        self._decoder = Decoder(definition.aliases, own_aliases)
        self._belongs = belongs
        self._retention_us = definition.retention_us
        self._rows: dict[bytes, bytes] = {}
        self._erased: dict[bytes, int] = {}
        self._ledger = Ledger(definition, self._rows)
        self._leaving = leaving
        self._erasure_memory_us = erasure_memory_us
        self._stubs = Stubs(max_stubs)
        self._due = DueDays()
        self._today = 0
        self._untouched: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def stubs(self) -> int:
        """How many deals are remembered that have left."""
        return len(self._stubs)

    @property
    def untouched(self) -> int:
        """How many open deals have had no event for as long as closed ones are kept."""
        return len(self._untouched)

    # --- asked by any thread, without a lock ------------------------------------------------------

    def names(self) -> Iterator[bytes]:
        """The ids (UTF-8) of the deals held at the first step, in no order."""
        for key in list(self._rows):  # copied in one go: folding goes on in between
            if key.startswith(DEAL_KEY):
                yield key[len(DEAL_KEY) :]

    def row(self, name: bytes) -> bytes | None:
        """The row of the deal of that id, as it is now."""
        return self._rows.get(DEAL_KEY + name)

    # --- records in -----------------------------------------------------------------------------

    def fold(self, records: Sequence[Record], *, until: int | None = None) -> Fold:
        """Apply records in their order; ``until`` (µs) leaves out what occurred later."""
        result = Fold()
        if not records:
            return result
        given = [record for record in records if record.value is not None]
        decoded = iter(
            self._decoder.decode(
                [record.value for record in given],  # type: ignore[misc]
                [record.timestamp for record in given],
            )
        )
        rows, belongs, due = self._rows, self._belongs, self._due
        for record in records:
            if record.value is None:
                self._erase(record, result)
                continue
            outcome = next(decoded)
            reasons: tuple[Amendment, ...] = ()
            if type(outcome) is tuple:
                name, event = outcome  # type: ignore[misc]
            elif isinstance(outcome, Rejection):
                result.rejected.append((record, outcome))
                continue
            else:
                name, event, reasons = outcome  # type: ignore[misc]
            if until is not None and event.at > until:
                continue
            key = name.encode()
            deal = DEAL_KEY + key
            if record.key != key or (belongs and deal not in rows and not belongs(key)):
                self._misroute(record, key, result)
            elif event.kind == SPEND:
                self._add(self._spend_key(key, event), event, reasons, record, result)
            elif self._erased and self._was_erased(key, event):
                result.counts["erased_dropped"] += 1
            else:
                self._add(deal, event, reasons, record, result)
            if due.over:
                self._look_after(result)
        self.fence = records[-1].offset
        result.fence = msgspec.msgpack.encode(Fence(self.fence, self.watermark))
        return result

    def _add(
        self,
        key: bytes,
        event: Event,
        reasons: tuple[Amendment, ...],
        record: Record,
        result: Fold,
    ) -> None:
        row = self._rows.get(key)
        at = event.at
        changed: bytes | None
        if row is None:
            left = self._stubs.get(digest_of(key)) if self._stubs else None
            if left is None:
                changed = journey.new_row(event)
            elif at > left.at + self._retention_us:
                changed = journey.row_of([event], left)
            else:
                result.counts["expired_dropped"] += 1
                return
            self._due.add(key, _end_of(event) + self._retention_us)
        else:
            # Only what comes so late can be of a deal that left.
            left = journey.former(row) if at < self._today * DAY_US else None
            if left is not None and at <= left.at + self._retention_us:
                result.counts["expired_dropped"] += 1
                return
            try:
                changed = journey.append(row, event)
            except journey.ConflictError as conflict:
                result.rejected.append((record, _conflicting(event, conflict.known)))
                return
        if changed is None:
            result.counts["duplicates"] += 1
            # Newer than all that is known: of a changelog batch in several pieces the first were
            # written, but not the last, which has the fence.
            if at > self.watermark:
                self._pass_to(at, result)
            return
        # No event takes fewer bytes, so that few rows have to be asked for their number.
        if (
            row
            and len(row) >= _LEAST_BYTES * MAX_EVENTS
            and (journey.size(row) >= MAX_EVENTS or len(row) >= MAX_ROW_BYTES)
        ):
            reason = f"the deal has {journey.size(row)} events; no deal may have more"
            result.rejected.append((record, Rejection(Reason.TOO_MANY_EVENTS, "deal_id", reason)))
            return
        self._put(key, changed, result)
        if row is None and left is not None:
            self._forget_stub(key, result)
        result.counts["accepted"] += 1
        if reasons:
            result.amended.update(reasons)
        if at > self.watermark:
            self._pass_to(at, result)
        elif at < self.watermark - _LATE_US:
            result.counts["late"] += 1
        if key in self._untouched:
            self._untouched.discard(key)
            self._due.add(key, at + self._retention_us)
        if WON <= event.kind <= LOST and at - journey.first_at(changed) > self._retention_us:
            self._note_repeated(changed, event, result)

    def _pass_to(self, at: int, result: Fold) -> None:
        """Event time moves on."""
        self.watermark = at
        if at // DAY_US != self._today:
            self._begin_day(at // DAY_US, result)

    def _spend_key(self, channel: bytes, event: Event) -> bytes:
        """The key of a spend's row: its channel, then its id. Where the channel has a slash itself,
        they are parted by what is in no text; rows of former versions have a slash there, too."""
        key = spend_key(channel, event.id)
        if b"/" in channel:
            former = SPEND_KEY + channel + b"/" + event.id.encode()
            row = self._rows.get(former)
            if row is not None and journey.events(row)[0].id == event.id:
                return former
        return key

    def _put(self, key: bytes, row: bytes | None, result: Fold) -> None:
        self._ledger.touch(key)
        if row is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = row
        result.changed[key] = row

    def _misroute(self, record: Record, key: bytes, result: Fold) -> None:
        if any(name == MISROUTED_HEADER for name, _ in record.headers or ()):
            message = "came back to a wrong partition or with a wrong key after it was re-published"
            result.rejected.append((record, Rejection(Reason.MISROUTED, "key", message)))
        else:
            result.misrouted.append((record, key))

    # --- erasure ----------------------------------------------------------------------------------

    def _erase(self, record: Record, result: Fold) -> None:
        if not record.key:
            message = "a null value erases the deal that the key names, but there is no key"
            result.rejected.append((record, Rejection(Reason.MISSING_KEY, "key", message)))
            return
        key = DEAL_KEY + record.key
        if key not in self._rows and self._belongs and not self._belongs(record.key):
            self._misroute(record, record.key, result)
            return
        # Where a record bears no time, whatever has been read so far is meant.
        until = erased_until(record) if record.timestamp >= 0 else self.watermark
        # Whoever left before is forgotten, too, unless that was later.
        left = self._stubs.get(digest_of(key))
        if row := self._rows.get(key):
            left = journey.former(row)
            later = [event for event in journey.events(row) if event.at > until]
            kept = left if left and left.at > until else None
            if later:
                self._put(key, journey.row_of(later, kept), result)
            else:
                self._leave(key, kept, result)
            if key in self._untouched:
                self._untouched.discard(key)
                if later:
                    self._due.add(key, 0)
        elif left and left.at <= until:
            self._forget_stub(key, result)
        digest = _digest(record.key)
        until = max(until, self._erased.get(digest, 0))
        self._erased[digest] = until
        result.changed[_ERASED + digest] = msgspec.msgpack.encode(until)
        result.counts["erasures"] += 1

    def _was_erased(self, key: bytes, event: Event) -> bool:
        at = self._erased.get(_digest(key))
        return at is not None and event.at <= at and self.watermark <= at + self._erasure_memory_us

    # --- expiry -----------------------------------------------------------------------------------

    def _begin_day(self, day: int, result: Fold) -> None:
        """A new UTC day of event time is the moment at which old things are forgotten."""
        self._today = day
        remembered_since = day * DAY_US - self._erasure_memory_us
        for digest in [d for d, until in self._erased.items() if until < remembered_since]:
            del self._erased[digest]
            result.changed[_ERASED + digest] = None
        if self._leaving:
            self._due.pass_to(day)

    def _look_after(self, result: Fold) -> None:
        """Look at some of the rows that are due: a few with every record, so that a day on which
        very many are stops nobody."""
        over = self._due.over
        for _ in range(min(len(over), _AT_ONCE)):
            self._expire(over.popleft(), result)
        for digest in self._stubs.evict():
            result.changed[_stub_key(digest)] = None
            result.counts["stubs_evicted"] += 1

    def _expire(self, key: bytes, result: Fold) -> None:
        """Take away what is past keeping: its facts left every window long ago."""
        row = self._rows.get(key)
        if row is None:
            return
        today, kept = self._today * DAY_US, self._retention_us
        if key.startswith(SPEND_KEY):
            spend = journey.events(row)[0]
            if today <= _end_of(spend) + kept:
                self._due.add(key, _end_of(spend) + kept)
            else:
                self._put(key, None, result)
                result.counts["expired"] += 1
            return
        left: Former | None = None
        for life in journey.lives(row, kept):
            if today <= life.last_at + kept or life.is_open:
                self._look_again(key, life)
                if left is not None:
                    staying = [event for event in journey.events(row) if event.at > left.at]
                    self._put(key, journey.row_of(staying, left), result)
                return
            left = Former(life.last_at, life.outcome)
            result.counts["expired"] += 1
        self._leave(key, left, result)

    def _leave(self, key: bytes, left: Former | None, result: Fold) -> None:
        """Take a row away; its stub, if there is to be one, is written right behind it, so that no
        piece of a changelog batch has the one without the other."""
        digest = digest_of(key)
        result.changed.pop(key, None)
        self._put(key, None, result)
        if left is not None:
            result.changed.pop(_stub_key(digest), None)
            self._stubs.put(digest, left)
            result.changed[_stub_key(digest)] = stub_value(left)

    def _look_again(self, key: bytes, life: Journey) -> None:
        """When something of the deal may be over; an open one is not before it is touched."""
        over_at = life.last_at + self._retention_us
        if life.is_open and over_at < self._today * DAY_US:
            self._untouched.add(key)
        else:
            self._due.add(key, over_at)

    def _forget_stub(self, key: bytes, result: Fold) -> None:
        digest = digest_of(key)
        if self._stubs.pop(digest):
            result.changed[_stub_key(digest)] = None

    def _note_repeated(self, row: bytes, event: Event, result: Fold) -> None:
        """Whether an outcome only says again how the deal before ended."""
        for life in journey.lives(row, self._retention_us):
            if event.at <= life.last_at:
                result.counts["repeated_outcomes"] += life.stage is None
                return

    # --- recovery -------------------------------------------------------------------------------

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog row, in log order. Raises ``StateError`` for a key of no kind."""
        if key == FENCE_KEY:
            if value is not None:
                fence = msgspec.msgpack.decode(value, type=Fence)
                self.fence, self.watermark = fence.offset, fence.watermark
        elif key.startswith(_ERASED):
            erased = key.removeprefix(_ERASED)
            if value is None:
                self._erased.pop(erased, None)
            else:
                self._erased[erased] = msgspec.msgpack.decode(value, type=int)
        elif key.startswith(STUB_KEY):
            digest = int.from_bytes(key.removeprefix(STUB_KEY), "big")
            if value is None:
                self._stubs.pop(digest)
            else:
                self._stubs.put(digest, stub_of(value))
        elif key.startswith((DEAL_KEY, SPEND_KEY)):
            if value is None:
                self._rows.pop(key, None)
            else:
                if key not in self._rows:
                    self._due.add(key, journey.first_at(value) + self._retention_us)
                self._rows[key] = value
        else:
            raise StateError(
                f"the changelog contains a row {key!r} that this version does not know",
                hint="Was it written by a newer version? Start that one instead.",
            )

    def settle(self) -> Iterator[None]:
        """After restoring: find the open deals that nobody touches. For whoever goes through it,
        with something else between two steps; nothing is changed that would have to be written."""
        self._today = self.watermark // DAY_US
        self._due.pass_to(self._today)
        over, self._due.over = self._due.over, deque()
        for number, key in enumerate(over, start=1):
            if (row := self._rows.get(key)) is not None:
                if key.startswith(SPEND_KEY):
                    self._due.add(key, _end_of(journey.events(row)[0]) + self._retention_us)
                else:
                    self._look_again(key, journey.lives(row, self._retention_us)[0])
            if number % _STEP == 0:
                yield

    def stored(self, key: bytes) -> bytes | None:
        """The present value of a changelog row, so that it can be written again."""
        if key.startswith(_ERASED):
            at = self._erased.get(key.removeprefix(_ERASED))
            return None if at is None else msgspec.msgpack.encode(at)
        if key.startswith(STUB_KEY):
            left = self._stubs.get(int.from_bytes(key.removeprefix(STUB_KEY), "big"))
            return None if left is None else stub_value(left)
        return self._rows.get(key)

    # --- facts out ------------------------------------------------------------------------------

    def take_changes(self) -> Iterator[FactBlock]:
        """How the facts changed since the last call. Folding may go on between two blocks."""
        return self._ledger.take_changes()

    def snapshot(self) -> Iterator[FactBlock]:
        """All facts as of this call, which also restarts the differences."""
        return self._ledger.snapshot()


def erased_until(record: Record) -> int:
    """Up to when an erasure takes away what occurred (µs). A record knows its time to the
    millisecond, so that all within it is meant."""
    return record.timestamp * _MS + _MS - 1


def _end_of(event: Event) -> int:
    """When it is over: a spend lasts as long as its period."""
    period_end: int = (event.attributes or {}).get("period_end", 0)
    return max(event.at, period_end)


def _stub_key(digest: int) -> bytes:
    return STUB_KEY + digest.to_bytes(_STUB_BYTES, "big")


def _digest(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=16).digest()


def _conflicting(event: Event, known: Event) -> Rejection:
    parts: dict[str, tuple[Any, Any]] = {
        "occurred_at": (event.at, known.at),
        "type or stage": (event.kind, known.kind),
        "attributes": (event.attributes, known.attributes),
    }
    differing = [name for name, (ours, theirs) in parts.items() if ours != theirs]
    message = f"an event of this id is known and differs in: {', '.join(differing)}"
    return Rejection(Reason.CONFLICTING_DUPLICATE, "event_id", message)
