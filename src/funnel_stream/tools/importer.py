"""Any CSV to contract events, by a mapping: streaming, all of a row or nothing of it."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from funnel_stream.contract import Amended, Decoded, Decoder, Reason, Rejection
from funnel_stream.contract.money import check_money
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.tools.mapping import (
    DATE_ATTRIBUTES,
    LIST_ATTRIBUTES,
    NUMBER_ATTRIBUTES,
    PERIOD,
    Column,
    Condition,
    EventRule,
    Mapping,
    Source,
    Value,
    When,
)
from funnel_stream.tools.tables import (
    LookupTable,
    Row,
    RowError,
    Table,
    check_columns,
    clean,
    place,
)

_BATCH: Final = 500
"""Rows that are validated at once."""
_AS_IT_STANDS: Final = Column()
_DATES: Final = frozenset((*DATE_ATTRIBUTES, *PERIOD))
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_Made = tuple[bytes, bytes]
"""Digest of the event's id, line."""


class Reject(NamedTuple):
    """Why a row made no event. ``row`` counts as a spreadsheet does: the header is row 1."""

    file: str
    row: int
    reason: str
    field: str
    message: str


@dataclass
class Report:
    """What became of the rows; complete once all lines have been taken."""

    rows: int = 0
    events: int = 0
    repeated: int = 0
    """Events that an earlier row has made already, word for word: not written again."""
    rejects: list[Reject] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows left out by rule, by reason."""
    moved: Counter[str] = field(default_factory=Counter)
    """Dates that ``not_before`` or ``not_after`` has moved, by rule."""
    unmatched: Counter[str] = field(default_factory=Counter)
    """Keys that a lookup does not hold, by its pattern."""
    unused: Counter[str] = field(default_factory=Counter)
    """Rows of a lookup that no row has asked for, by its pattern."""


class Import:
    """One import of ``files`` by ``mapping``.

    The constructor finds every file's place, checks every column and loads the lookups: errors in
    the mapping show before anything is written. ``on_progress`` is told bytes read and in all.
    """

    def __init__(
        self,
        mapping: Mapping,
        files: Sequence[Path],
        *,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.report = Report()
        self._mapping = mapping
        self.on_progress = on_progress
        self._now = now
        self._decoder = Decoder()
        self._said: dict[bytes, int] = {}
        places = place(mapping, files)
        self._inputs: list[tuple[str, Path]] = []
        self._lookups: dict[str, list[LookupTable]] = {}
        for name, source in mapping.sources.items():
            for path in places[source.file]:
                check_columns(name, source, path)
                self._inputs.append((name, path))
            tables = [LookupTable(name, one, places[one.file]) for one in source.lookups]
            for problem in (problem for table in tables for problem in table.problems):
                self._reject(problem.path, problem.row, problem.refused)
            self._lookups[name] = tables

    def lines(self) -> Iterator[bytes]:
        """Contract events as ndjson lines without line ends, in the order of the rows."""
        total = sum(path.stat().st_size for _, path in self._inputs)
        done = 0
        for name, path in self._inputs:
            with path.open("rb") as raw:
                batch: list[tuple[int, list[_Made]]] = []
                for numbered in self._rows(name, path, raw):
                    batch.append(numbered)
                    if len(batch) == _BATCH:
                        yield from self._valid(path, batch)
                        batch.clear()
                        self.on_progress(done + raw.tell(), total)
                yield from self._valid(path, batch)
            done += path.stat().st_size
            self.on_progress(done, total)
        for table in (table for tables in self._lookups.values() for table in tables):
            self.report.unmatched[table.lookup.file] += table.unmatched
            self.report.unused[table.lookup.file] += table.unused
        self.report.rejects.sort(key=lambda one: (one.file, one.row))

    def _rows(self, name: str, path: Path, raw: IO[bytes]) -> Iterator[tuple[int, list[_Made]]]:
        source = self._mapping.sources[name]
        table = Table(raw, path, source)
        for number, record in table.records():
            self.report.rows += 1
            try:
                table.fit(record)
                texts = zip(table.header, record, strict=True)
                row = {column: clean(self._mapping, source, column, text) for column, text in texts}
                yield number, self._events(name, source, row)
            except RowError as refused:
                self._reject(path, number, refused)

    def _events(self, name: str, source: Source, row: Row) -> list[_Made]:
        for lookup in self._lookups[name]:
            lookup.join(self._mapping, source, row)
        for skip in source.skip:
            if _holds(skip.when, row):
                self.report.skipped[skip.because] += 1
                return []
        if source.deal_id is not None and row[source.deal_id] is None:
            raise RowError(Reason.MISSING_FIELD, source.deal_id, "the deal has no id")
        maker = _EventMaker(self._mapping, name, source, row)
        made = [made for rule in source.events if (made := maker.make(rule)) is not None]
        self.report.moved.update(maker.moved)
        return made

    def _valid(self, path: Path, batch: list[tuple[int, list[_Made]]]) -> Iterator[bytes]:
        """The lines of those rows of which the contract accepts every event."""
        lines = [line for _, events in batch for _, line in events]
        timestamp = int(self._now() * 1000)
        verdicts = iter(self._decoder.decode(lines, [timestamp] * len(lines)))
        for number, events in batch:
            judged = [_refusal(next(verdicts), line) for _, line in events]
            refused = next((one for one in judged if one is not None), None)
            try:
                if refused is not None:
                    raise RowError(refused.reason, refused.field, refused.message)
                new = self._not_said_yet(events)
            except RowError as problem:
                self._reject(path, number, problem)
                continue
            self.report.events += len(new)
            yield from new

    def _not_said_yet(self, events: list[_Made]) -> list[bytes]:
        """The lines whose event is new. Two rows may not say two things about one event."""
        said = self._said
        for digest, line in events:
            if said.get(digest, hash(line)) != hash(line):
                raise RowError(
                    Reason.CONFLICTING_DUPLICATE,
                    "",
                    "an earlier row says something else about the same event of this deal; "
                    "if they are two events, the mapping needs id_columns",
                )
        new = [line for digest, line in events if digest not in said]
        said.update((digest, hash(line)) for digest, line in events)
        self.report.repeated += len(events) - len(new)
        return new

    def _reject(self, path: Path, row: int, refused: RowError) -> None:
        self.report.rejects.append(
            Reject(path.name, row, refused.reason, refused.field, refused.message)
        )


class _EventMaker:
    """Makes the events of one row."""

    def __init__(self, mapping: Mapping, name: str, source: Source, row: Row) -> None:
        self._mapping = mapping
        self._name = name
        self._source = source
        self._row = row
        self.moved: list[str] = []

    def make(self, rule: EventRule) -> _Made | None:
        """Digest and line of the rule's event, None where the rule does not apply."""
        if not _holds(rule.when, self._row):
            return None
        occurred = self._occurred(rule)
        if occurred is None:
            return None
        row, source = self._row, self._source
        event: dict[str, Any] = {"event_id": "", "type": rule.type}
        if source.deal_id is not None and rule.type != "spend_recorded":
            event["deal_id"] = row[source.deal_id]
        event["occurred_at"] = occurred
        told = {"stage": rule.stage, "activity": rule.activity, "outcome": rule.outcome}
        for key, value in told.items():
            if value is not None:
                event[key] = self._text(value)
        for key, value in rule.attributes.items():
            if (given := self._attribute(key, value)) is not None:
                event[key] = given
        self._complete_money(event)
        digest = self._digest(rule, event)
        event["event_id"] = f"{self._mapping.name}-{digest.hex()}"
        return digest, _encode(event)

    def _digest(self, rule: EventRule, event: dict[str, Any]) -> bytes:
        """Who it is, not what it says: a second import makes the same ids."""
        stage = event.get("stage") if rule.stage and rule.stage.column else None
        parts = [
            self._mapping.name,
            self._name,
            rule.label,
            stage,
            event.get("deal_id"),
            *(self._row[column] for column in self._source.id_columns),
        ]
        return hashlib.blake2b(_encode(parts), digest_size=16).digest()

    def _occurred(self, rule: EventRule) -> datetime | None:
        when: When = rule.at
        at = self._date(when.column)
        if at is None:
            if rule.optional:
                return None
            raise RowError(
                Reason.MISSING_FIELD, when.column, f"the event {rule.label!r} has no date"
            )
        for limit, comes_after in ((when.not_before, False), (when.not_after, True)):
            bound = self._date(limit) if limit is not None else None
            if bound is not None and (at > bound if comes_after else at < bound):
                self.moved.append(f"{self._name}.{rule.label}: {when.column} put at {limit}")
                at = bound
        return at

    def _rule(self, column: str) -> Column:
        return self._source.columns.get(column, _AS_IT_STANDS)

    def _date(self, column: str) -> datetime | None:
        text = self._row[column]
        if text is None:
            return None
        rule = self._rule(column)
        date = _parse_date(text, rule.dates, rule.timezone or self._mapping.timezone)
        if date is None:
            expected = (
                " or ".join(rule.dates) or "ISO 8601, like 2026-01-31 or 2026-01-31T09:30:00Z"
            )
            raise RowError(
                Reason.INVALID_TIMESTAMP,
                column,
                f"{text!r} is no date; the mapping expects {expected}",
            )
        return date

    def _text(self, value: Value) -> Any:
        return value.constant if value.column is None else self._row[value.column]

    def _attribute(self, key: str, value: Value) -> Any:
        if key in _DATES:
            return self._date(value.column) if value.column is not None else value.constant
        given = self._text(value)
        if given is None:
            return None
        if value.split is not None:
            given = [part.strip() for part in given.split(value.split) if part.strip()]
        if key in LIST_ATTRIBUTES:
            return given if isinstance(given, list) else [given]
        return self._number(key, value, given) if key in NUMBER_ATTRIBUTES else given

    def _number(self, key: str, value: Value, text: str) -> str | int | float:
        rule = self._rule(value.column or "")
        plain = text.translate({ord(sign): None for sign in rule.remove})
        if rule.decimal == ",":
            plain = plain.replace(",", ".")
        try:
            number = Decimal(plain.strip())
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or abs(number.adjusted()) > 30:
            reason = Reason.INVALID_VALUE if key == "score" else Reason.INVALID_AMOUNT
            raise RowError(reason, value.column or key, f"{text!r} is no number")
        if key == "score":
            return int(number) if number == int(number) else float(number)
        exact = f"{number:f}"
        return exact.rstrip("0").rstrip(".") if "." in exact else exact

    def _complete_money(self, event: dict[str, Any]) -> None:
        if "amount" not in event and "cost" not in event:
            event.pop("currency", None)
        elif "currency" not in event and self._mapping.currency is not None:
            event["currency"] = self._mapping.currency


def _refusal(verdict: Decoded | Amended | Rejection, line: bytes) -> Rejection | None:
    """Why an event is not written. What a stream would amend is still to be mended in the file."""
    if isinstance(verdict, Amended):
        try:
            check_money(_decode(line))
        except RefusedError as refused:
            return refused.rejection
    return verdict if isinstance(verdict, Rejection) else None


def _holds(condition: Condition, row: Row) -> bool:
    return all(row[column] in texts for column, texts in condition.items())


@lru_cache(maxsize=65_536)
def _parse_date(text: str, formats: tuple[str, ...], zone: str) -> datetime | None:
    """A date as ``formats`` (or ISO 8601) say; one without an offset is local time of ``zone``."""
    parsed = None
    for form in formats or (None,):
        try:
            parsed = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
            break
        except ValueError:
            continue
    if parsed is not None and parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(zone))
    return parsed
