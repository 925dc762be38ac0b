"""Any table to contract events, by a mapping: streaming; of a row what is good counts."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from funnel_stream.contract import Amended, Decoded, Decoder, Reason, Rejection
from funnel_stream.contract.money import check_money
from funnel_stream.contract.rejections import RefusedError, shown
from funnel_stream.errors import InputError
from funnel_stream.tools.date_columns import FormatWatch, TimesOfDay
from funnel_stream.tools.date_formats import Written
from funnel_stream.tools.dates import DateError
from funnel_stream.tools.day_and_month import DayAndMonth
from funnel_stream.tools.event_maker import NO_EVENTS, EventMaker, Made, RowEvents, holds
from funnel_stream.tools.files import open_file
from funnel_stream.tools.gathered import Gathered, KnownEvent, Origin
from funnel_stream.tools.mapping import Mapping
from funnel_stream.tools.named_texts import NamedTexts
from funnel_stream.tools.outcome import LISTED, Reject, Report
from funnel_stream.tools.tables import (
    LookupTable,
    RowError,
    Table,
    TableRow,
    assign_files,
    check_cell,
    check_columns,
    clean,
)

__all__ = ["Import", "Reject", "Report"]

_BATCH: Final = 500
"""Rows that are validated at once."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Import:
    """One import of ``files`` by ``mapping``.

    The constructor finds every file's place, checks every column and loads the lookups: errors in
    the mapping show before anything is written. ``on_progress`` is told bytes read and in all,
    ``on_reject`` whatever is left out.
    """

    def __init__(
        self,
        mapping: Mapping,
        files: Sequence[Path],
        *,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        on_reject: Callable[[Reject], None] = lambda reject: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.report = Report()
        self._mapping = mapping
        self.on_progress = on_progress
        self.on_reject = on_reject
        self.on_deal: Callable[[str, bool], None] = lambda deal, doubtful: None
        """Told of the deal of every row, and whether something of it was left out."""
        self.position = ("", 0)
        """File and row of the line that was given last; of one that many rows make, none."""
        self.unreadable = 0
        """Rows, of lookups too, of which it is not known whose they are or what they say."""
        self._now = now
        self._decoder = Decoder()
        self._gathered = Gathered()
        files_by_pattern = assign_files(mapping, files)
        self._makers = {
            name: EventMaker(mapping, name, source, self._gathered.number_of)
            for name, source in mapping.sources.items()
        }
        self._times: dict[tuple[str, str], TimesOfDay] = {
            (name, column): TimesOfDay()
            for name, maker in self._makers.items()
            for column in maker.readers
        }
        self._texts = {name: NamedTexts(source) for name, source in mapping.sources.items()}
        self._days_and_months = {
            (name, column): DayAndMonth(reader)
            for name, maker in self._makers.items()
            for column, reader in maker.readers.items()
        }
        self._inputs: list[tuple[str, Path]] = []
        self._lookups: dict[str, list[LookupTable]] = {}
        for name, source in mapping.sources.items():
            for path in files_by_pattern[source.file]:
                check_columns(name, source, path)
                self._inputs.append((name, path))
            self._check_dates(name, files_by_pattern[source.file])
            tables = [LookupTable(name, one, files_by_pattern[one.file]) for one in source.lookups]
            for problem in (problem for table in tables for problem in table.problems):
                self.unreadable += 1
                self._reject(problem.path, problem.row, problem.refused)
            self._lookups[name] = tables

    def lines(self) -> Iterator[bytes]:
        """Contract events as ndjson lines without line ends, in the order of the rows."""
        total = sum(path.stat().st_size for _, path in self._inputs)
        done = 0
        for file, (name, path) in enumerate(self._inputs):
            with open_file(path) as raw:
                batch: list[tuple[int, Made]] = []
                for number, made in self._rows(name, path, raw):
                    batch += [(number, one) for one in made]
                    if len(batch) >= _BATCH:
                        yield from self._valid(file, batch)
                        batch.clear()
                        self.on_progress(done + raw.tell(), total)
                yield from self._valid(file, batch)
            done += path.stat().st_size
            self.on_progress(done, total)
        yield from self._gathered_lines()
        self._conclude()

    def _conclude(self) -> None:
        """What is known of the files only when all rows are read."""
        for table in (table for tables in self._lookups.values() for table in tables):
            self.report.notes += table.notes
            self.report.unmatched[table.lookup.file] += table.unmatched
            self.report.unused[table.lookup.file] += table.unused
        for (name, column), both in self._days_and_months.items():
            if (swapped := both.finding()) is not None:
                self.report.swapped[f"{name}.{column}"] = swapped
        for (name, column), times in self._times.items():
            if (shared := times.shared()) is not None:
                self.report.times_of_day[f"{name}.{column}"] = shared
        for maker in self._makers.values():
            self.report.moved += maker.moved
            self.report.moved_within_day += maker.moved_within_day
            self.report.undated += maker.undated
            self.report.from_fallback += maker.from_fallback
        for name, texts in self._texts.items():
            self._conclude_texts(name, texts)
        for deal in self._gathered.closed_first():
            self.report.backwards += 1
            if len(self.report.backwards_deals) < LISTED:
                self.report.backwards_deals.append(deal)
        self.report.rejects.sort(key=lambda one: (one.file, one.row))

    def _conclude_texts(self, name: str, texts: NamedTexts) -> None:
        report = self.report
        for table in self._lookups[name]:
            for column, text in table.texts(texts.columns):
                texts.found(column, text)
        if unsaid := list(texts.unsaid()):
            report.unsaid[name] = unsaid
        for column, others, beyond in texts.unnamed():
            report.unnamed[f"{name}.{column}"] = others
            report.unnamed_others[f"{name}.{column}"] += beyond
        report.unfulfilled += [f"{name}.{label}" for label in texts.unfulfilled()]

    def _check_dates(self, name: str, paths: Sequence[Path]) -> None:
        """Raise ``InputError`` where formats of a column contradict each other in these files."""
        source, readers = self._mapping.sources[name], self._makers[name].readers
        watches = {
            column: FormatWatch(reader)
            for column, reader in readers.items()
            if len(reader.formats) > 1
        }
        if not watches:
            return
        for path in paths:
            with open_file(path) as raw:
                table = Table(raw, path, source)
                for _, record in table.records():
                    row = dict(zip(table.header, record, strict=False))
                    for column, watch in watches.items():
                        text = clean(self._mapping, source, column, row.get(column))
                        if text is not None:
                            watch.add(text)
            for column, watch in watches.items():
                if (ambiguity := watch.ambiguity()) is not None:
                    raise InputError(f"{path.name}, column {column!r}: {ambiguity}")

    def _rows(self, name: str, path: Path, raw: IO[bytes]) -> Iterator[tuple[int, list[Made]]]:
        source = self._mapping.sources[name]
        table = Table(raw, path, source)
        texts_of = self._texts[name]
        files_by_pattern = texts_of.columns_of(table.header)
        for number, record in table.records():
            self.report.rows += 1
            try:
                table.fit(record)
                for column, assign_files in files_by_pattern:
                    texts_of.found(column, record[assign_files])
                texts = zip(table.header, record, strict=True)
                row = {column: clean(self._mapping, source, column, text) for column, text in texts}
                found = self._events(name, row)
            except RowError as refused:
                self.unreadable += 1
                self._reject(path, number, table.explained(record, refused))
                continue
            for problem in found.problems:
                if problem.reason == Reason.UNKNOWN_STAGE:
                    self.report.without_mapping[problem.field, str(row[problem.field])] += 1
                self._reject(path, number, table.explained(record, problem))
            yield number, found.made
        self.report.blank += table.blank
        self.report.notes += table.notes

    def _events(self, name: str, row: TableRow) -> RowEvents:
        source, maker = self._mapping.sources[name], self._makers[name]
        for lookup in self._lookups[name]:
            lookup.join(self._mapping, source, row)
        for column, named in source.decisive.items():
            if row[column] not in named:
                check_cell(row, column)
        for skip in source.skip:
            if holds(skip.when, row):
                self.report.skipped[skip.because] += 1
                self._texts[name].add(row, skipped=True)
                return NO_EVENTS
        self._texts[name].add(row, skipped=False)
        if source.deal_id is not None and row[source.deal_id] is None:
            raise RowError(Reason.MISSING_FIELD, source.deal_id, "the deal has no id")
        found = maker.events(row)
        self.report.without_event += not found.made and not found.problems
        if source.deal_id is not None:
            self.on_deal(str(row[source.deal_id]), bool(found.problems))
        if found.rounded:
            self.report.rounded.update(found.rounded)
        for column, reader in maker.readers.items():
            if (text := row[column]) is not None:
                self._days_and_months[name, column].add(text)
                with suppress(DateError):  # told already, where it is asked for
                    read = reader.read(text)
                    self._times[name, column].add(Written(read.written, read.precise))
        return found

    def _valid(self, file: int, batch: list[tuple[int, Made]]) -> Iterator[bytes]:
        """The lines of those events that the contract accepts."""
        name, path = self._inputs[file]
        lines = [made.line for _, made in batch]
        timestamp = int(self._now() * 1000)
        verdicts = self._decoder.decode(lines, [timestamp] * len(lines))
        for (number, made), verdict in zip(batch, verdicts, strict=True):
            try:
                while (refused := _refusal(verdict, made.line)) is not None:
                    problem = self._makers[name].refusal(made.rule, refused, made.dated)
                    remaining = _without(made, refused.field)
                    if remaining is None:
                        if refused.reason is Reason.UNKNOWN_STAGE:
                            stage = str(made.event["stage"])
                            self.report.without_mapping[problem.field, stage] += 1
                        raise problem
                    self._refuse(path, number, made, problem)
                    made = remaining
                    (verdict,) = self._decoder.decode([made.line], [timestamp])
                if not self._is_new(made, file, number):
                    continue
            except RowError as problem:
                self._refuse(path, number, made, problem)
                continue
            self._count(made.event)
            self.position = (path.name, number)
            yield made.line

    def _is_new(self, made: Made, file: int, row: int) -> bool:
        """Whether the event is to be written now: no earlier row has made it, and no later one adds
        to it. Two rows may not say two things about one event."""
        if made.rule.only:
            self._gathered.enter(made.event, made.event["occurred_at"])
            return False
        origin = Origin(file, row)
        if made.rule.added_up:
            first = self._gathered.add_up(made.digest, made.event, made.rule, origin)
            met = KnownEvent("something else" if first else "nothing", first or origin)
        else:
            met = self._gathered.meet(made.digest, made.line, origin)
        if met.verdict == "something else":
            self.report.contradict(made.event)
            raise RowError(
                Reason.CONFLICTING_DUPLICATE,
                "",
                f"{self._place_in_file(met.first, file)} says something else about the same "
                f"{_what(made.event)}; if they are two events, the mapping needs id_columns; "
                "if parts of one, combine: sum",
            )
        self.report.repeated += met.verdict == "the same"
        return met.verdict == "nothing" and not made.rule.added_up

    def _place_in_file(self, origin: Origin, file: int) -> str:
        """An earlier row, to somebody who reads another, perhaps of another file."""
        within = "" if origin.file == file else f" of {self._inputs[origin.file][1].name}"
        return f"row {origin.row}{within}"

    def _gathered_lines(self) -> Iterator[bytes]:
        """Events that only all rows together tell."""
        for event, first, rule in self._gathered.sums():
            if (within := self._within_limits(event, first, rule)) is not None:
                self.position = (self._inputs[first.file][1].name, first.row)
                yield self._written(within)
        self.position = ("", 0)
        for event, changed in self._gathered.changes():
            if changed:
                yield self._written(event)
            else:
                self.report.unchanged += 1

    def _within_limits(
        self, event: dict[str, Any], first: Origin, label: str
    ) -> dict[str, Any] | None:
        """The event without sums that are too large; None where it is nothing without."""
        name, path = self._inputs[first.file]
        rule = next(one for one in self._mapping.sources[name].events if one.label == label)
        try:
            check_money(event)
        except RefusedError as refused:
            problem = self._makers[name].refusal(rule, refused.rejection)
            message = f"all rows of one {_what(event)} together: {problem.message}"
            self._reject(path, first.row, RowError(problem.reason, problem.field, message))
            if "deal_id" in event:
                self.on_deal(event["deal_id"], True)
            if rule.type == "spend_recorded":
                return None
            left = _left_of(event, refused.rejection.field)
            return self._within_limits(left, first, label)
        return event

    def _written(self, event: dict[str, Any]) -> bytes:
        self._count(event)
        return _encode(event)

    def _count(self, event: dict[str, Any]) -> None:
        at = event["occurred_at"]
        at = datetime.fromisoformat(at) if isinstance(at, str) else at
        self.report.count(event, at)
        if "stage" in event:
            self._gathered.dated(event["deal_id"], event["stage"], at)

    def _refuse(self, path: Path, row: int, made: Made, refused: RowError) -> None:
        self._reject(path, row, refused)
        if "deal_id" in made.event:
            self.on_deal(made.event["deal_id"], True)

    def _reject(self, path: Path, row: int, refused: RowError) -> None:
        self.reject(Reject(path.name, row, refused.reason, refused.field, refused.message))

    def reject(self, one: Reject) -> None:
        """Count and tell something that is left out."""
        self.report.leave_out(one)
        self.on_reject(one)


def _without(made: Made, field: str) -> Made | None:
    """The event without an attribute that is refused; None where it is nothing without that."""
    if made.rule.type == "spend_recorded" or field == "pipeline":
        return None
    if field not in made.rule.attributes or field not in made.event:
        return None
    event = {name: value for name, value in made.event.items() if name != field}
    return made._replace(event=event, line=_encode(event))


def _left_of(event: dict[str, Any], field: str) -> dict[str, Any]:
    """The event without an amount or cost; without either, a currency says nothing."""
    left = {name: value for name, value in event.items() if name != field}
    if "amount" in left or "cost" in left:
        return left
    return {name: value for name, value in left.items() if name != "currency"}


def _what(event: dict[str, Any]) -> str:
    return f"event of deal {shown(event['deal_id'])}" if "deal_id" in event else "spend"


def _refusal(verdict: Decoded | Amended | Rejection, line: bytes) -> Rejection | None:
    """Why an event is not written. What a stream would amend is still to be mended in the file."""
    if isinstance(verdict, Amended):
        try:
            check_money(_decode(line))
        except RefusedError as refused:
            return refused.rejection
    return verdict if isinstance(verdict, Rejection) else None
