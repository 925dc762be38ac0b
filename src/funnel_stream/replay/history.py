"""Figures over history: events read once, figures as of many instants.

As of T only what occurred up to T is seen, in the order of the file. Going from one instant to the
next, events are therefore folded in the order in which they *become visible*: by instant, and
within one in the order of the file. For nearly every deal that is as good as the order of the file,
since what a deal means does not depend on the order of arrival. It does for a few: events of one id
that contradict each other (the first in the file wins), deals at the limit of their size. Those
are *contested*: found while reading, and folded anew in the order of the file for every instant.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from funnel_stream.contract import Amended, Amendment, Decoder, Rejection
from funnel_stream.contract.decode import Decoded
from funnel_stream.contract.event import SPEND, Event
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, MINUTE_US
from funnel_stream.facts.deals import (
    FOREVER,
    MAX_EVENTS,
    MAX_ROW_BYTES,
    Deals,
    Fold,
    Record,
    erased_until,
)
from funnel_stream.replay.compute import LineRecord, batches
from funnel_stream.windows.tables import Snapshot, WindowTables

_EPOCH_TO_MONDAY: Final = 4 * DAY
_UNCONTESTED, _CONTESTED = 0, 1
"""Sources of the windowed tables: what is folded from instant to instant, and what is anew."""

_pack = msgspec.msgpack.Encoder().encode


class _Packed(msgspec.Struct, array_like=True):
    name: str
    event: Event
    reasons: tuple[Amendment, ...] = ()


_unpack = msgspec.msgpack.Decoder(_Packed).decode


def instants(first: int, last: int, every: int) -> range:
    """The instants (µs) at whole steps of ``every`` minutes UTC, from ``first`` to ``last``.

    A step of whole weeks begins on Mondays, any other where it would have begun in 1970.
    """
    step = every * MINUTE_US
    offset = _EPOCH_TO_MONDAY * MINUTE_US if every % (7 * DAY) == 0 else 0
    return range(-(-(first - offset) // step) * step + offset, last + 1, step)


class History:
    """A file of events, read and kept in packed form (about 300 bytes an event).

    ``first`` and ``last``: when the earliest and the latest event occurred (µs; ``None`` if there
    is none). ``rejected``: lines that are no event, and after ``snapshots`` also those that
    contradict an earlier one. ``counts``, ``amended``: as in ``Fold``, of what ``snapshots`` saw.
    ``contested``: number of lines that every instant has to fold anew.
    """

    def __init__(self, lines: Iterable[bytes], definition: Definition, *, now_ms: int) -> None:
        self.definition = definition
        self.rejected: list[tuple[int, Rejection]] = []
        self.counts: Counter[str] = Counter()
        self.amended: Counter[Amendment] = Counter()
        self._now_ms = now_ms
        reading = _FileRecords()
        reader = _ReplayedDeals(definition)
        for batch in batches(lines, now_ms):
            self.rejected += reading.take(batch, reader.read(batch))
        self._lines = reading.lines
        self._at = np.array(reading.at, dtype=np.int64)
        seen = self._at[self._at > 0]
        self.first = int(seen.min()) if len(seen) else None
        self.last = int(seen.max()) if len(seen) else None
        self._source = reading.settled()
        self.contested = int((self._source == _CONTESTED).sum())

    def snapshots(self, instants: Sequence[int]) -> Iterator[Snapshot]:
        """The figures as of each of the instants (µs, in ascending order)."""
        deals, tables = _ReplayedDeals(self.definition), WindowTables(self.definition)
        visible_from = np.searchsorted(np.array(instants, dtype=np.int64), self._at)
        uncontested = np.flatnonzero(self._source == _UNCONTESTED)
        contested = np.flatnonzero(self._source == _CONTESTED)
        order = uncontested[np.argsort(visible_from[uncontested], kind="stable")]
        ends = np.searchsorted(visible_from[order], np.arange(len(instants)), side="right")
        start = 0
        anew = Fold()
        for instant, end in zip(instants, ends.tolist(), strict=True):
            self._note(deals.fold([self._lines[i] for i in order[start:end].tolist()]))
            start = end
            if len(contested):
                seen = contested[self._at[contested] <= instant]
                again = _ReplayedDeals(self.definition)
                anew = again.fold([self._lines[i] for i in seen.tolist()])
                tables.replace(_CONTESTED, again.snapshot())
            tables.apply(_UNCONTESTED, deals.take_changes())
            tables.advance(instant)
            yield tables.snapshot()
        self._note(anew)

    def _note(self, fold: Fold) -> None:
        self.counts.update(fold.counts)
        self.amended.update(fold.amended)
        self.rejected += [(record.offset, why) for record, why in fold.rejected]


class _ReplayedDeals(Deals):
    """Deals of a file whose records hold events in packed form."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition, leaving=False, erasure_memory_us=FOREVER)
        self._of_contract = self._decoder
        self._decoder = _Unpacker()

    def read(self, records: Sequence[Record]) -> list[Decoded | Amended | Rejection | None]:
        """The events of a batch of records as they were published; ``None`` for an erasure."""
        given = [record for record in records if record.value is not None]
        decoded = iter(
            self._of_contract.decode(
                [record.value for record in given],  # type: ignore[misc]
                [record.timestamp for record in given],
            )
        )
        return [None if record.value is None else next(decoded) for record in records]


class _Unpacker(Decoder):
    """Takes back what was decoded and packed before."""

    def decode(
        self, values: Sequence[bytes], timestamps_ms: Sequence[int]
    ) -> list[Decoded | Amended | Rejection]:
        return [
            Amended(one.name, one.event, one.reasons) if one.reasons else (one.name, one.event)
            for one in map(_unpack, values)
        ]


class _ContestGroup:
    """What has to be known of a deal (or of one spend) to tell whether it is contested.

    ``erased_until``: what occurred up to then is erased (µs), −1: nothing.
    """

    __slots__ = ("bytes", "contested", "erased_until", "events")

    def __init__(self) -> None:
        self.events = self.bytes = 0
        self.contested = False
        self.erased_until = -1


class _FileRecords:
    """Lines in the order of the file, and which of them can be folded in another order.

    ``lines``: records with packed events, and erasures; ``at``: when they occurred (µs), 0 for an
    erasure, which is seen as of every instant.
    """

    def __init__(self) -> None:
        self.lines: list[LineRecord] = []
        self.at: list[int] = []
        self._groups: list[_ContestGroup] = []
        self._group_of: dict[Any, int] = {}
        self._owners: list[int] = []
        self._ids: list[int] = []
        self._contents: list[int] = []

    def take(
        self, records: Sequence[LineRecord], events: Sequence[Decoded | Amended | Rejection | None]
    ) -> list[tuple[int, Rejection]]:
        """Take a batch in; which of its lines are no events, and why."""
        rejected = []
        for record, event in zip(records, events, strict=True):
            if isinstance(event, Rejection):
                rejected.append((record.offset, event))
            elif event is None:
                if record.key:
                    self._erase(record, record.key.decode())
            elif record.key == event[0].encode():
                self._add(record, *event)
        return rejected

    def _owner(self, key: Any) -> int:
        known = self._group_of.get(key)
        if known is None:
            known = self._group_of[key] = len(self._groups)
            self._groups.append(_ContestGroup())
        return known

    def _erase(self, record: LineRecord, name: str) -> None:
        owner = self._owner(name)
        group = self._groups[owner]
        group.erased_until = max(group.erased_until, erased_until(record))
        self._append(record, 0, owner, 0, 0)

    def _append(self, record: LineRecord, at: int, owner: int, of_id: int, content: int) -> None:
        self.lines.append(record)
        self.at.append(at)
        self._owners.append(owner)
        self._ids.append(of_id)
        self._contents.append(content)

    def _add(
        self, record: LineRecord, name: str, event: Event, reasons: tuple[Amendment, ...] = ()
    ) -> None:
        content = _pack((name, event))
        packed = _pack((name, event, reasons)) if reasons else content
        owner = self._owner((name, event.id) if event.kind == SPEND else name)
        group = self._groups[owner]
        group.events += 1
        group.bytes += len(packed)
        if group.events > MAX_EVENTS or group.bytes >= MAX_ROW_BYTES:
            group.contested = True
        self._append(
            record._replace(value=packed), event.at, owner, hash((owner, event.id)), hash(content)
        )

    def settled(self) -> npt.NDArray[np.int8]:
        """Per line: the source it is folded into; −1: none, since it is erased or an erasure."""
        self._find_contradictions()
        source = np.full(len(self.lines), -1, dtype=np.int8)
        for index, owner in enumerate(self._owners):
            group = self._groups[owner]
            if group.contested:
                source[index] = _CONTESTED
            elif self.lines[index].value is not None and self.at[index] > group.erased_until:
                source[index] = _UNCONTESTED
        return source

    def _find_contradictions(self) -> None:
        """An event that contradicts the first of its id is refused as of every instant; where it
        depends on the instant which is the first, the deal is contested."""
        ids, contents = np.array(self._ids, dtype=np.int64), self._contents
        order = np.argsort(ids, kind="stable")
        again = np.flatnonzero(ids[order][1:] == ids[order][:-1])
        suspects = sorted({*order[again].tolist(), *order[again + 1].tolist()})
        for of_id, same in groupby(
            sorted(suspects, key=self._ids.__getitem__), self._ids.__getitem__
        ):
            first, *others = same
            different = [index for index in others if contents[index] != contents[first]]
            if not of_id or not different:
                continue
            group = self._groups[self._owners[first]]
            earlier = min(self.at[index] for index in different) < self.at[first]
            if earlier or group.erased_until >= 0:
                group.contested = True
