"""The whole thing in one process: events in, figures as of an instant out. No Kafka."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from pydantic_core import from_json

from funnel_stream.contract import Amendment, Rejection, timestamps
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.definition import Definition
from funnel_stream.facts.deals import FOREVER, Deals
from funnel_stream.windows.tables import Snapshot, WindowTables

_BATCH = 5_000
_UNLIMITED = 1 << 62


class LineRecord(NamedTuple):
    """A line of a file, as a record: its offset is the line number, from 1."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Computed:
    """The figures, and what became of the lines."""

    snapshot: Snapshot
    rejected: list[tuple[int, Rejection]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    amended: Counter[Amendment] = field(default_factory=Counter)


class _Named(msgspec.Struct):
    type: Any = None
    deal_id: Any = None
    channel: Any = None
    occurred_at: Any = None


_decode_named = msgspec.json.Decoder(_Named).decode


def _named(line: bytes) -> _Named:
    """What a line says of itself. What this parser does not take the contract may, as ``NaN``."""
    try:
        return _decode_named(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        found = from_json(line)
    except ValueError:
        found = None
    names = _Named.__struct_fields__
    return _Named(**{n: found.get(n) for n in names}) if isinstance(found, dict) else _Named()


def as_record(number: int, line: bytes, now_ms: int) -> LineRecord:
    """The record that publishing a line of a file makes: its key, and ``null`` for an erasure.

    An erasure has the time that it names, which is what it erases up to. A line without a name is
    given no key, and an erasure whose time cannot be read or is to come stays what it is: it is for
    the decoder to say what is wrong with them.
    """
    named = _named(line)
    name = named.channel if named.type == "spend_recorded" else named.deal_id
    key = name.encode() if isinstance(name, str) else None
    if named.type != "deal_erased":
        return LineRecord(number, now_ms, key, line)
    until_ms = now_ms if named.occurred_at is None else _millis(named.occurred_at)
    if until_ms is None or until_ms > now_ms:
        return LineRecord(number, now_ms, key, line)
    return LineRecord(number, until_ms, key, None)


def _millis(given: object) -> int | None:
    """Milliseconds of a time with an offset; ``None`` for anything else."""
    try:
        return timestamps.parse(given, "occurred_at") // 1000 if isinstance(given, str) else None
    except RefusedError:
        return None


def batches(lines: Iterable[bytes], now_ms: int) -> Iterator[list[LineRecord]]:
    """The lines of a file as records, some thousands at a time; blank ones are none."""
    numbered = ((n, line) for n, line in enumerate(lines, start=1) if not line.isspace())
    while batch := list(islice(numbered, _BATCH)):
        yield [as_record(n, line, now_ms) for n, line in batch]


def deals_of_file(definition: Definition, *, leaving: bool = False) -> Deals:
    """Deals of a file, of which all is known in the end: what it says is erased is so wherever it
    stands, and nobody leaves who could come back, or (``leaving``) everybody is remembered."""
    return Deals(definition, max_stubs=_UNLIMITED, leaving=leaving, erasure_memory_us=FOREVER)


def compute(
    lines: Iterable[bytes], definition: Definition, *, as_of: int | None, now_ms: int
) -> Computed:
    """Figures of a file of events as of an instant (µs); ``None``: of the last event's.

    ``now_ms``: the time of this computing; what lies ahead of it is rejected.

    Where ``lines`` can be read again (they are no iterator), deals that are over leave memory as
    they do in a stream. Should an event of one of them follow, all is read again and kept.
    """
    readable_again = iter(lines) is not lines
    covered = definition.closed_retention_days >= definition.needed_retention_days()
    deals = deals_of_file(definition, leaving=readable_again and covered)
    computed = _fold(deals, lines, definition, as_of, now_ms)
    if computed.counts["expired_dropped"]:
        deals = deals_of_file(definition)
        computed = _fold(deals, lines, definition, as_of, now_ms)
    tables = WindowTables(definition)
    tables.replace(0, deals.snapshot())
    tables.advance(deals.watermark if as_of is None else as_of)
    computed.snapshot = tables.snapshot()
    return computed


def _fold(
    deals: Deals, lines: Iterable[bytes], definition: Definition, until: int | None, now_ms: int
) -> Computed:
    """Take in all lines; stops at the first event of a deal that has left."""
    computed = Computed(Snapshot(definition, 0, {}, 0))
    for records in batches(lines, now_ms):
        fold = deals.fold(records, until=until)
        computed.counts.update(fold.counts)
        computed.amended.update(fold.amended)
        computed.rejected += [(record.offset, why) for record, why in fold.rejected]
        if fold.counts["expired_dropped"]:
            break
    return computed
