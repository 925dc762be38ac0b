"""A row of a table to contract events, by the rules of its source."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from funnel_stream.contract import Reason, Rejection
from funnel_stream.contract.event import STAGES
from funnel_stream.contract.money import DECIMALS, check_money
from funnel_stream.contract.rejections import RefusedError, shown
from funnel_stream.tools.columns import Column, Condition, Value
from funnel_stream.tools.date_columns import in_order_of_day
from funnel_stream.tools.dates import DateError, DateReader, Read
from funnel_stream.tools.mapping import (
    DATE_ATTRIBUTES,
    LIST_ATTRIBUTES,
    NUMBER_ATTRIBUTES,
    PERIOD,
    EventRule,
    Mapping,
    Source,
)
from funnel_stream.tools.numbers import NumberError, ParsedAmount, currency_of, may_be, read_amount
from funnel_stream.tools.tables import RowError, TableRow, check_cell

_AS_IT_STANDS: Final = Column()
_DATES: Final = frozenset((*DATE_ATTRIBUTES, *PERIOD))
_MONEY: Final = ("amount", "cost")
_RANKS: Final = {stage: rank for rank, stage in enumerate(STAGES)}
_encode: Final = msgspec.json.Encoder().encode


class Made(NamedTuple):
    """An event of a row. ``digest``: of its id, ``line``: as JSON, ``dated``: by which column."""

    rule: EventRule
    digest: bytes
    line: bytes
    event: dict[str, Any]
    dated: str


class _DatedEvent(NamedTuple):
    """When an event occurred, and the column that says so."""

    column: str
    read: Read


class RowEvents(NamedTuple):
    """What a row is: its events; why others, or parts of them, are not; and which columns' amounts
    were rounded."""

    made: list[Made]
    problems: list[RowError]
    rounded: list[str]


NO_EVENTS: Final = RowEvents([], [], [])


class EventMaker:
    """Makes the events of the rows of one source.

    Counted by rule: ``undated``, rows without a date for an optional event; ``from_fallback``,
    dates that ``fallback`` tells; ``moved`` and ``moved_within_day``, dates that a limit has moved
    to another local day, or not so far.
    """

    def __init__(
        self,
        mapping: Mapping,
        name: str,
        source: Source,
        number_of: Callable[[bytes], int] = lambda content: 0,
    ) -> None:
        """``number_of``: how many rows said just that before."""
        self._number_of = number_of
        self._mapping = mapping
        self._name = name
        self._source = source
        self.readers: dict[str, DateReader] = {
            column: self._reader(column) for column in dict.fromkeys(_date_columns(source))
        }
        self.undated: Counter[str] = Counter()
        self.from_fallback: Counter[str] = Counter()
        self.moved: Counter[str] = Counter()
        self.moved_within_day: Counter[str] = Counter()
        self._known_stages = {
            rule.stage.column: source.decisive[rule.stage.column].union(STAGES)
            for rule in source.events
            if rule.stage is not None
            and rule.stage.column is not None
            and rule.stage.column in rule.when
        }

    def events(self, row: TableRow) -> RowEvents:
        """What is good of a row counts; what is not is told."""
        found = RowEvents([], [], [])
        dated = [
            (rule, self._rank(rule, row), when)
            for rule in self._source.events
            if holds(rule.when, row)
            if (when := self._occurred(rule, row, found)) is not None
        ]
        moments = [(rank, when.read) for _, rank, when in dated if rank is not None]
        placed = iter(in_order_of_day(moments))
        for rule, rank, when in dated:
            at = when.read.at if rank is None else next(placed)
            try:
                found.made.append(self._make(rule, row, when.column, at, found))
            except RowError as problem:
                found.problems.append(problem)
        for column, known in self._known_stages.items():
            if (text := row[column]) is not None and text not in known:
                self._refuse_stage(column, text, found)
        return found

    def _refuse_stage(self, column: str, text: str, found: RowEvents) -> None:
        """A text that may be any stage is not passed over because the conditions of the events that
        take their stage from that column do not name it."""
        stages = (made.rule.stage for made in found.made)
        if any(stage is not None and stage.column == column for stage in stages):
            return  # of an event without such a condition, which will be refused
        message = (
            f"{shown(text)} is not a stage, and no when or skip names it; add it to the values"
        )
        found.problems.append(RowError(Reason.UNKNOWN_STAGE, column, message))

    def refusal(self, rule: EventRule, why: Rejection, dated: str | None = None) -> RowError:
        """What the contract refuses of an event, told of the column that says it; ``dated``: the
        one that says when it occurred."""
        if why.field == "occurred_at" and dated is not None:
            return RowError(why.reason, dated, why.message)
        return RowError(why.reason, self._column_of(rule, why.field), why.message)

    def _column_of(self, rule: EventRule, field: str) -> str:
        """The column that says a field of an event; the field itself where none does."""
        if field == "occurred_at":
            return rule.at.column
        fields_of_rule = {"stage": rule.stage, "activity": rule.activity, "outcome": rule.outcome}
        value = (fields_of_rule | rule.attributes).get(field)
        if value is not None and value.column is not None:
            return value.column
        return self._source.deal_id or field if field == "deal_id" else field

    def _make(
        self, rule: EventRule, row: TableRow, dated: str, at: datetime, found: RowEvents
    ) -> Made:
        source = self._source
        event: dict[str, Any] = {"event_id": "", "type": rule.type}
        if source.deal_id is not None and rule.type != "spend_recorded":
            event["deal_id"] = row[source.deal_id]
        event["occurred_at"] = at
        fields_of_rule = {"stage": rule.stage, "activity": rule.activity, "outcome": rule.outcome}
        for key, value in fields_of_rule.items():
            if value is not None:
                event[key] = _text(value, row)
        amounts: dict[str, ParsedAmount] = {}
        counts = True
        for key, value in rule.attributes.items():
            try:
                if key in _MONEY:
                    if (amount := self._amount(key, value, row)) is not None:
                        amounts[key] = amount
                elif (given := self._attribute(key, value, row)) is not None:
                    event[key] = given
            except RowError as problem:
                if rule.type == "spend_recorded":
                    raise
                found.problems.append(problem)
                counts = counts and key != "currency"
        if rule.period is not None:
            zone = ZoneInfo(self._rule(dated).timezone or self._mapping.timezone)
            event["period_start"], event["period_end"] = _period(rule.period, at, zone)
        # An amount of a currency that cannot be told is not one of the mapping's currency.
        self._add_money(rule, event, amounts if counts else {}, found)
        digest = self._digest(rule, event, row)
        event["event_id"] = f"{self._mapping.name}-{digest.hex()}"
        return Made(rule, digest, _encode(event), event, dated)

    def _digest(self, rule: EventRule, event: dict[str, Any], row: TableRow) -> bytes:
        """Who it is, not what it says, unless nothing else tells: a second import makes the same
        ids."""
        stage = event.get("stage") if rule.stage and rule.stage.column else None
        parts = [
            self._mapping.name,
            self._name,
            rule.label,
            stage,
            event.get("deal_id"),
            *(row[column] for column in self._source.id_columns),
        ]
        if rule.only:
            parts.append(event["occurred_at"])
        if rule.type == "spend_recorded" and not self._source.id_columns:
            # Every row counts, also where two say the same.
            content = _encode([self._name, rule.label, event])
            parts += [event, self._number_of(content)]
        return hashlib.blake2b(_encode(parts), digest_size=16).digest()

    # --- when -------------------------------------------------------------------------------------

    def _rank(self, rule: EventRule, row: TableRow) -> int | None:
        if rule.stage is None:
            return None
        column = rule.stage.column
        return _RANKS.get(str(rule.stage.constant if column is None else row[column]))

    def _occurred(self, rule: EventRule, row: TableRow, found: RowEvents) -> _DatedEvent | None:
        try:
            dated = self._date_of(rule, row)
            if dated is None:
                if rule.optional:
                    self.undated[f"{self._name}.{rule.label}"] += 1
                    return None
                first, *others = rule.at.dates
                message = f"the event {rule.label!r} has no date"
                message += "".join(f", nor one in {column!r}" for column in others)
                raise RowError(Reason.MISSING_FIELD, first, message)
            for limit, comes_after in ((rule.at.not_before, False), (rule.at.not_after, True)):
                bound = self._date(limit, row) if limit is not None else None
                read = dated.read
                if bound is not None and (
                    read.at > bound.at if comes_after else read.at < bound.at
                ):
                    counter = self.moved_within_day if _of_one_day(read, bound) else self.moved
                    counter[f"{self._name}.{rule.label}: {dated.column} put at {limit}"] += 1
                    dated = dated._replace(read=bound)
        except RowError as problem:
            found.problems.append(problem)
            return None
        if dated.column != rule.at.column:
            which = f"{self._name}.{rule.label}: {dated.column} instead of {rule.at.column}"
            self.from_fallback[which] += 1
        return dated

    def _date_of(self, rule: EventRule, row: TableRow) -> _DatedEvent | None:
        """The first of the columns that has a date. One that cannot be read is no missing one."""
        for column in rule.at.dates:
            if (read := self._date(column, row)) is not None:
                return _DatedEvent(column, read)
        return None

    def _rule(self, column: str) -> Column:
        return self._source.columns.get(column, _AS_IT_STANDS)

    def _reader(self, column: str) -> DateReader:
        rule, mapping = self._rule(column), self._mapping
        return DateReader(
            rule.dates,
            rule.timezone or mapping.timezone,
            locale=rule.locale or mapping.locale,
            precision=rule.precision,
        )

    def _date(self, column: str, row: TableRow) -> Read | None:
        text = row[column]
        if text is None:
            return None
        check_cell(row, column)
        try:
            return self.readers[column].read(text)
        except DateError as refused:
            raise RowError(Reason.INVALID_TIMESTAMP, column, str(refused)) from None

    # --- what -------------------------------------------------------------------------------------

    def _attribute(self, key: str, value: Value, row: TableRow) -> Any:
        if key in _DATES:
            if value.column is None:
                return value.constant
            read = self._date(value.column, row)
            return None if read is None else read.at
        given = _text(value, row)
        if given is None:
            return None
        if value.split is not None:
            given = [part.strip() for part in given.split(value.split) if part.strip()]
        if key in LIST_ATTRIBUTES:
            return given if isinstance(given, list) else [given]
        return self._score(value, given) if key in NUMBER_ATTRIBUTES else given

    def _read(self, value: Value, text: str, reason: Reason, key: str) -> ParsedAmount:
        try:
            return read_amount(text, self._rule(value.column or "").numbers)
        except NumberError as refused:
            raise RowError(reason, value.column or key, str(refused)) from None

    def _score(self, value: Value, text: str) -> int | float:
        number, currency = self._read(value, text, Reason.INVALID_VALUE, "score")
        if currency:
            message = f"{text!r} is money; a score has no currency"
            raise RowError(Reason.INVALID_VALUE, value.column or "score", message)
        return int(number) if number == int(number) else float(number)

    def _amount(self, key: str, value: Value, row: TableRow) -> ParsedAmount | None:
        text = _text(value, row)
        return None if text is None else self._read(value, text, Reason.INVALID_AMOUNT, key)

    def _add_money(
        self,
        rule: EventRule,
        event: dict[str, Any],
        amounts: dict[str, ParsedAmount],
        found: RowEvents,
    ) -> None:
        """Amounts with their currency: that of the row, that which stands beside them, or that of
        the mapping. What cannot be is left out of an event of a deal, and makes none of a spend."""
        row_currency = event.pop("currency", None)
        for key, amount in amounts.items():
            column = self._column_of(rule, key)
            try:
                code = self._currency(amount, row_currency, column)
                if code is not None and event.get("currency", code) != code:
                    raise RowError(
                        Reason.INVALID_AMOUNT,
                        column,
                        f"it is in {code}, another amount of the event in {event['currency']}",
                    )
                exact = self._exact(amount.number, code, column, found)
                check_money({key: exact, "currency": code})
            except (RowError, RefusedError) as refused:
                problem = (
                    refused
                    if isinstance(refused, RowError)
                    else self.refusal(rule, refused.rejection)
                )
                if rule.type == "spend_recorded":
                    raise problem from None
                found.problems.append(problem)
            else:
                event |= {key: exact, "currency": code}

    def _currency(self, amount: ParsedAmount, row_currency: str | None, column: str) -> str | None:
        """Raises ``RowError`` where two are named, or one that may be several."""
        mark = amount.currency
        code = row_currency or (currency_of(mark) if mark else None) or self._mapping.currency
        if mark and code is None:
            message = f"{mark!r} may be more than one currency; write currency: CODE"
            raise RowError(Reason.CURRENCY_MISSING, column, message)
        if mark and not may_be(mark, str(code)):
            message = f"{mark!r} stands beside the number, but the currency is {code}"
            raise RowError(Reason.INVALID_AMOUNT, column, message)
        return code

    def _exact(self, number: Decimal, code: str | None, column: str, found: RowEvents) -> str:
        """The amount as the contract takes it; more decimals than the currency has are rounded,
        unless they may be thousands."""
        decimals = DECIMALS.get(code or "")
        if decimals is not None and number != round(number, decimals):
            if decimals < 3 and number == round(number, 3) and abs(number) < 1000:
                raise RowError(
                    Reason.TOO_MANY_DECIMALS,
                    column,
                    f"{number} may be {number * 1000:.0f}: {code} has {decimals} decimals; "
                    "write which mark is decimal and which thousands",
                )
            number = round(number, decimals)
            found.rounded.append(column)
        exact = f"{number:f}"
        return exact.rstrip("0").rstrip(".") if "." in exact else exact


def _of_one_day(one: Read, other: Read) -> bool:
    """Whether two dates are of one local day of the first one's time zone."""
    return one.at.astimezone(one.zone).date() == other.at.astimezone(one.zone).date()


def _period(unit: str, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The beginning and the end of the local day, week (from Monday) or month around an instant."""
    first = at.astimezone(zone).date()
    if unit == "month":
        first = first.replace(day=1)
        end = (first + timedelta(days=31)).replace(day=1)
    else:
        first -= timedelta(days=first.weekday() if unit == "week" else 0)
        end = first + timedelta(days=7 if unit == "week" else 1)
    start, stop = (datetime.combine(day, time(), zone) for day in (first, end))
    return start, stop


def holds(condition: Condition, row: TableRow) -> bool:
    """Whether a row has the texts that a condition names."""
    return all(row[column] in texts for column, texts in condition.items())


def _text(value: Value, row: TableRow) -> Any:
    if value.column is None:
        return value.constant
    check_cell(row, value.column)
    return row[value.column]


def _date_columns(source: Source) -> Iterator[str]:
    for rule in source.events:
        yield from rule.at.columns.values()
        for key, value in rule.attributes.items():
            if key in _DATES and value.column is not None:
                yield value.column
