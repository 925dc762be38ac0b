"""The deals of one partition: records in, changed rows and changed facts out."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from funnel_stream import journey
from funnel_stream.blocks import FactBlock, FactBlockBuilder
from funnel_stream.contract import Decoder, Reason, Rejection
from funnel_stream.contract.event import SPEND, WON, Event
from funnel_stream.definition import Definition
from funnel_stream.errors import StateError
from funnel_stream.facts import FactRules, difference
from funnel_stream.journey import Journey
from funnel_stream.spend import Spend

FENCE_KEY: Final = b"fence"
MISROUTED_HEADER: Final = "funnel.misrouted"
"""Stands on a record that was re-published once: a second mismatch is a rejection."""

MAX_EVENTS: Final = 1000
MAX_ROW_BYTES: Final = 512 * 1024
"""Limits of one deal, so that its row always fits into one Kafka record."""

_DEAL: Final = b"deal/"
_SPEND: Final = b"spend/"
_ERASED: Final = b"erased/"
_DAY_US: Final = 86_400_000_000
_ERASURE_MEMORY_US: Final = 30 * _DAY_US
_LATE_US: Final = 60_000_000
_MS: Final = 1000
_NEVER: Final = 1 << 62


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
    watermark), ``erasures``, ``erased_dropped``, ``expired``.
    """

    changed: dict[bytes, bytes | None] = field(default_factory=dict)
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)
    misrouted: list[tuple[Record, bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    fence: bytes = b""


class Deals:
    """Journeys of one partition, by changelog key; and what changed since the last look.

    The outcome depends on the records and their order alone, never on how they are cut into
    batches or on the clock of this machine.
    """

    def __init__(
        self, definition: Definition, *, belongs: Callable[[bytes], bool] | None = None
    ) -> None:
        self.watermark = 0
        self.fence: int | None = None
        self._rules = FactRules(definition)
        own_aliases = {name: p.aliases for name, p in definition.pipelines.items() if p.aliases}
        self._decoder = Decoder(definition.aliases, own_aliases)
        self._belongs = belongs
        self._retention_us = definition.closed_retention_days * _DAY_US
        self._rows: dict[bytes, bytes] = {}
        self._erased: dict[bytes, int] = {}
        self._before: dict[bytes, bytes | None] = {}
        self._swept_day = 0
        # Until that event time no deal can expire, so that nearly always nothing has to be asked.
        self._safe_until = _NEVER

    def __len__(self) -> int:
        return len(self._rows)

    # --- asked by any thread, without a lock ------------------------------------------------------

    def names(self) -> Iterator[bytes]:
        """The ids (UTF-8) of the deals held at the first step, in no order."""
        for key in list(self._rows):  # copied in one go: folding goes on in between
            if key.startswith(_DEAL):
                yield key[len(_DEAL) :]

    def row(self, name: bytes) -> bytes | None:
        """The row of the deal of that id, as it is now."""
        return self._rows.get(_DEAL + name)

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
        for record in records:
            if record.value is None:
                self._erase(record, result)
                continue
            outcome = next(decoded)
            if type(outcome) is Rejection:
                result.rejected.append((record, outcome))
                continue
            name, event = outcome  # type: ignore[misc]
            if until is not None and event.at > until:
                continue
            key = name.encode()
            if record.key != key or (
                _DEAL + key not in self._rows and self._belongs and not self._belongs(key)
            ):
                self._misroute(record, key, result)
            elif event.kind == SPEND:
                self._add(_SPEND + key + b"/" + event.id.encode(), event, record, result)
            elif self._erased and self._was_erased(key, event):
                result.counts["erased_dropped"] += 1
            else:
                self._add(_DEAL + key, event, record, result)
        self.fence = records[-1].offset
        result.fence = msgspec.msgpack.encode(Fence(self.fence, self.watermark))
        return result

    def _add(self, key: bytes, event: Event, record: Record, result: Fold) -> None:
        row = self._rows.get(key)
        at = event.at
        if row and (at > self._safe_until or self.watermark > self._safe_until):
            row = self._unexpired(row, max(self.watermark, at), result)
        if row is None:
            changed: bytes | None = journey.new_row(event)
        else:
            try:
                changed = journey.append(row, event)
            except journey.ConflictError as conflict:
                result.rejected.append((record, _conflicting(event, conflict.known)))
                return
        if changed is None:
            result.counts["duplicates"] += 1
            return
        if row and (journey.size(row) >= MAX_EVENTS or len(row) >= MAX_ROW_BYTES):
            reason = f"the deal has {journey.size(row)} events; no deal may have more"
            result.rejected.append((record, Rejection(Reason.TOO_MANY_EVENTS, "deal_id", reason)))
            return
        self._put(key, changed, result)
        result.counts["accepted"] += 1
        if at + self._retention_us < self._safe_until:
            self._safe_until = at + self._retention_us
        if at > self.watermark:
            self._pass(at, result)
        elif at < self.watermark - _LATE_US:
            result.counts["late"] += 1

    def _put(self, key: bytes, row: bytes | None, result: Fold) -> None:
        if key not in self._before:
            self._before[key] = self._rows.get(key)
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

    # --- erasure and expiry ---------------------------------------------------------------------

    def _erase(self, record: Record, result: Fold) -> None:
        if not record.key:
            message = "a null value erases the deal that the key names, but there is no key"
            result.rejected.append((record, Rejection(Reason.MISSING_KEY, "key", message)))
            return
        key = _DEAL + record.key
        if key not in self._rows and self._belongs and not self._belongs(record.key):
            self._misroute(record, record.key, result)
            return
        if key in self._rows:
            self._put(key, None, result)
        digest = _digest(record.key)
        self._erased[digest] = record.timestamp * _MS
        result.changed[_ERASED + digest] = msgspec.msgpack.encode(record.timestamp * _MS)
        result.counts["erasures"] += 1

    def _was_erased(self, key: bytes, event: Event) -> bool:
        at = self._erased.get(_digest(key))
        return at is not None and event.at <= at and self.watermark <= at + _ERASURE_MEMORY_US

    def _pass(self, at: int, result: Fold) -> None:
        """Event time moves on; a new UTC day is the moment at which old things are forgotten."""
        self.watermark = at
        day = at // _DAY_US
        if day == self._swept_day:
            return
        self._swept_day = day
        today = day * _DAY_US
        for digest in [d for d, t in self._erased.items() if t + _ERASURE_MEMORY_US < today]:
            del self._erased[digest]
            result.changed[_ERASED + digest] = None
        if today > self._safe_until:
            self._expire(today, result)

    def _unexpired(self, row: bytes, now: int, result: Fold) -> bytes | None:
        if not self._has_expired(row, now):
            return row
        result.counts["expired"] += 1
        return None

    def _has_expired(self, row: bytes, now: int) -> bool:
        """Whether a deal's last event is past keeping and the deal closed; open ones stay."""
        if now - journey.first_at(row) <= self._retention_us:
            return False
        return now - _last_at(row) > self._retention_us and (Journey(row).stage or 0) >= WON

    def _expire(self, today: int, result: Fold) -> None:
        """Drop what is past keeping; its facts left every window long ago."""
        expired = []
        self._safe_until = _NEVER
        for key, row in self._rows.items():
            last = journey.first_at(row)
            if today - last > self._retention_us:
                last = _last_at(row)
            if today - last <= self._retention_us:
                self._safe_until = min(self._safe_until, last + self._retention_us)
            elif key.startswith(_SPEND) or self._has_expired(row, today):
                expired.append(key)
        for key in expired:
            self._put(key, None, result)
        result.counts["expired"] += len(expired)

    # --- recovery -------------------------------------------------------------------------------

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog row, in log order. Raises ``StateError`` for a key of no kind."""
        if key == FENCE_KEY:
            if value is not None:
                fence = msgspec.msgpack.decode(value, type=Fence)
                self.fence, self.watermark = fence.offset, fence.watermark
                self._swept_day = self.watermark // _DAY_US
        elif key.startswith(_ERASED):
            digest = key.removeprefix(_ERASED)
            if value is None:
                self._erased.pop(digest, None)
            else:
                self._erased[digest] = msgspec.msgpack.decode(value, type=int)
        elif key.startswith((_DEAL, _SPEND)):
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
                safe = journey.first_at(value) + self._retention_us
                self._safe_until = min(self._safe_until, safe)
        else:
            raise StateError(
                f"the changelog holds a row {key!r} that this version does not know",
                hint="Was it written by a newer version? Start that one instead.",
            )

    def stored(self, key: bytes) -> bytes | None:
        """The present value of a changelog row, so that it can be written again."""
        if key.startswith(_ERASED):
            at = self._erased.get(key.removeprefix(_ERASED))
            return None if at is None else msgspec.msgpack.encode(at)
        return self._rows.get(key)

    # --- facts out ------------------------------------------------------------------------------

    def take_changes(self) -> Iterator[FactBlock]:
        """How the facts changed since the last call. Folding may go on between two blocks."""
        touched, self._before = self._before, {}
        builder = FactBlockBuilder()
        for key, before in touched.items():
            after = self._before[key] if key in self._before else self._rows.get(key)
            self._change(key, before, after, builder)
            if builder.full and (block := builder.take()):
                yield block
        if block := builder.take():
            yield block

    def snapshot(self) -> Iterator[FactBlock]:
        """All facts as of this call, which also restarts the differences."""
        self._before = {}
        keys = list(self._rows)
        return self._snapshot(keys)

    def _snapshot(self, keys: list[bytes]) -> Iterator[FactBlock]:
        builder = FactBlockBuilder()
        for key in keys:
            row = self._before[key] if key in self._before else self._rows.get(key)
            self._change(key, None, row, builder)
            if builder.full and (block := builder.take()):
                yield block
        if block := builder.take():
            yield block

    def _change(
        self, key: bytes, before: bytes | None, after: bytes | None, to: FactBlockBuilder
    ) -> None:
        if key.startswith(_SPEND):
            if before:
                to.add_spend(self._spend(key, before), -1)
            if after:
                to.add_spend(self._spend(key, after))
            return
        first = self._rules.keep_first
        old = Journey(before, first) if before else None
        new = Journey(after, first) if after else None
        old_facts = self._rules.facts(old) if old else {}
        new_facts = self._rules.facts(new) if new else {}
        old_owner = self._rules.combination(old) if old_facts and old else None
        new_owner = self._rules.combination(new) if new_facts and new else None
        if old_owner == new_owner:
            retract, add = difference(old_facts, new_facts)
        else:
            retract, add = old_facts, new_facts
        if old_owner:
            to.add(old_owner, retract, -1)
        if new_owner:
            to.add(new_owner, add)

    def _spend(self, key: bytes, row: bytes) -> Spend:
        """The one event of a spend's row; its key names the channel, then the event's id."""
        [event] = journey.events(row)
        channel = key[len(_SPEND) : -len(event.id.encode()) - 1].decode()
        return Spend.of(self._rules.spellings["channel"][channel], event)


def _last_at(row: bytes) -> int:
    """When the last event of a row occurred; a spend lasts as long as its period."""
    events = journey.events(row)
    ends: list[int] = [(event.attributes or {}).get("period_end", 0) for event in events]
    return max(*ends, *(event.at for event in events))


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
