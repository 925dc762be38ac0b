"""The mapping of an import: which columns of which CSV files say what about a deal.

A mapping is YAML; ``docs/importing.md`` shows one, ``examples/`` holds two for public data sets.
Wherever a value is asked for, a text names a *column*; ``{constant: …}`` is a fixed value.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from funnel_stream.contract.event import ACTIVITIES, ACTIVITY_OUTCOMES, STAGES, TEXT_ATTRIBUTES
from funnel_stream.contract.money import checked_currency
from funnel_stream.contract.rejections import RefusedError, shown
from funnel_stream.documents import KeyPath, read, suggest
from funnel_stream.tools.columns import (
    Column,
    Condition,
    FromColumn,
    FromConstant,
    Model,
    Zone,
    column_named,
)
from funnel_stream.tools.constants import refused
from funnel_stream.tools.date_formats import LOCALES, DateFormat

LIST_ATTRIBUTES: Final = ("problems", "desired_outcomes")
NUMBER_ATTRIBUTES: Final = ("amount", "cost", "score")
DATE_ATTRIBUTES: Final = ("first_touch_at", "offer_requested_at")
PERIOD: Final = ("period_start", "period_end")
DEAL_ATTRIBUTES: Final = (
    *TEXT_ATTRIBUTES,
    *LIST_ATTRIBUTES,
    *NUMBER_ATTRIBUTES,
    *DATE_ATTRIBUTES,
    "currency",
)
SPEND_ATTRIBUTES: Final = ("pipeline", "channel", "amount", "currency", *PERIOD)


def _encoding(name: str) -> str:
    try:
        # Python has codecs for other things, too, like zip, hex and the names of hosts.
        "a".encode(name)
        b"\xe9".decode(name, "replace")
    except (LookupError, ValueError) as error:
        raise ValueError(f"{name!r} is not an encoding; write one like utf-8 or cp1252") from error
    return name


def _mapping_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name):
        raise ValueError(
            f"{shown(name)} is not a valid mapping name; it has 1 to 60 letters (A to Z), digits "
            "or signs of _ . -"
        )
    return name


def _currency(code: str) -> str:
    try:
        return checked_currency(code)
    except RefusedError as error:
        raise ValueError(error.rejection.message) from None


def _delimiter(sign: str) -> str:
    if sign in ('"', "\r", "\n", "\0"):
        raise ValueError(f"{sign!r} cannot separate columns; write one like , ; or \\t")
    return sign


class CsvFile(Model):
    """Which of the given files is meant, and how it is written."""

    file: str = Field(description="Pattern of the file's name, like *leads*.csv.")
    encoding: Annotated[str, AfterValidator(_encoding)] | None = Field(
        default=None, description="By default a byte order mark decides; without one, UTF-8."
    )
    delimiter: (
        Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_delimiter)] | None
    ) = Field(default=None, description="By default detected from the header.")
    sheet: str | None = Field(default=None, description="Of a workbook; by default the first.")
    skip_rows: int = Field(default=0, ge=0, description="Rows before the header.")
    footer_rows: int = Field(
        default=0, ge=0, description="Rows at the end that are not data, not counting blank ones."
    )


class Lookup(CsvFile):
    """A second file whose row with the same key adds columns."""

    column: str = Field(description="The key's column in the rows of the source.")
    equals: str = Field(description="The key's column in this file.")
    take: dict[str, str] = Field(description="Columns added: name here → name in this file.")

    @field_validator("take", mode="before")
    @classmethod
    def _same_names(cls, value: Any) -> Any:
        return {name: name for name in value} if isinstance(value, list) else value


class Skip(Model):
    """Rows that are left out on purpose: counted with the reason, not rejected."""

    when: Condition
    because: str


class When(Model):
    """A date column, or ``fallback``, where it has no date; if need be moved: earlier than
    ``not_before`` or later than ``not_after`` (other columns), it becomes that date."""

    column: str
    fallback: str | None = None
    not_before: str | None = None
    not_after: str | None = None

    @model_validator(mode="after")
    def _falls_back_on_another(self) -> Self:
        if self.fallback == self.column:
            raise ValueError(f"fallback is {self.column!r} itself; name another column")
        return self

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """The columns that may tell the date, in the order in which they are asked."""
        return (self.column,) if self.fallback is None else (self.column, self.fallback)

    @property
    def columns(self) -> dict[str, str]:
        """All columns, by the key that names them."""
        keys = ("column", "fallback", "not_before", "not_after")
        return {key: column for key in keys if (column := getattr(self, key)) is not None}


class EventRule(Model):
    """One event that a row may make."""

    name: str = Field(default="", description="In the event's id; default: stage or type.")
    type: Literal["stage_changed", "deal_updated", "activity_recorded", "spend_recorded"] = (
        "stage_changed"
    )
    stage: FromConstant | None = None
    activity: FromConstant | None = None
    outcome: FromConstant | None = None
    at: Annotated[When, BeforeValidator(column_named)]
    when: Condition = Field(default={})
    optional: bool = Field(
        default=False, description="Without a date no event; otherwise a rejection."
    )
    attributes: dict[str, FromColumn] = Field(default={})
    only: Literal["changes"] | None = Field(
        default=None,
        description="Of a history with a row for every edit: a stage is entered where it changes.",
    )
    period: Literal["day", "week", "month"] | None = Field(
        default=None, description="Spends only: spread over the whole one in which the date lies."
    )

    @model_validator(mode="after")
    def _has_one_period(self) -> Self:
        if self.period is not None:
            if self.type != "spend_recorded":
                raise ValueError(f"an event of type {self.type} has no period")
            if given := [name for name in PERIOD if name in self.attributes]:
                raise ValueError(f"give either period or {' and '.join(given)}")
        return self

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        for key, owner in (("stage", "stage_changed"), ("activity", "activity_recorded")):
            if (getattr(self, key) is None) == (self.type == owner):
                verb = "needs" if self.type == owner else "has no"
                raise ValueError(f"an event of type {self.type} {verb} {key}")
        if self.outcome and self.type != "activity_recorded":
            raise ValueError(f"an event of type {self.type} has no outcome")
        for key, known in (
            ("stage", STAGES),
            ("activity", ACTIVITIES),
            ("outcome", ACTIVITY_OUTCOMES),
        ):
            value = getattr(self, key)
            if value and value.split is not None:
                raise ValueError(f"{key} is one value, not a list; leave out split")
            if value and value.constant is not None and value.constant not in known:
                raise ValueError(
                    f"{value.constant!r} is not a valid {key}{suggest(str(value.constant), known)}"
                )
        self._know_attributes()
        return self

    @model_validator(mode="after")
    def _gathers_what_it_can(self) -> Self:
        if self.only and (self.stage is None or self.stage.column is None):
            raise ValueError("only: changes is for events whose stage comes from a column")
        for name in self.added_up:
            if name not in ("amount", "cost"):
                raise ValueError(f"attributes: {name} cannot be added up; amount and cost can")
        if self.added_up and self.only:
            raise ValueError("give either only: changes or combine: sum")
        return self

    @cached_property
    def added_up(self) -> tuple[str, ...]:
        """Names of what is added up over the rows of one event."""
        return tuple(name for name, value in self.attributes.items() if value.combine)

    def wrong_constants(self, currency: str | None) -> Iterator[tuple[str, str]]:
        """Attributes whose constants the contract refuses, and why; ``currency`` is that of amounts
        without one."""
        constants = {
            name: [value.constant]
            if name in LIST_ATTRIBUTES and isinstance(value.constant, str)
            else value.constant
            for name, value in self.attributes.items()
            if value.constant is not None
        }
        field_of_rule = self.attributes.get("currency")
        others = field_of_rule is not None and field_of_rule.constant is None
        return refused(self.type, constants, currency, others=others)

    def _know_attributes(self) -> None:
        known: tuple[str, ...] = ()
        if self.type in ("stage_changed", "deal_updated"):
            known = DEAL_ATTRIBUTES
        elif self.type == "spend_recorded":
            known = SPEND_ATTRIBUTES
        for name in self.attributes:
            if name not in known and name != "pipeline":
                allowed = suggest(name, known) if known else "; there is: pipeline"
                raise ValueError(f"an event of type {self.type} has no attribute {name!r}{allowed}")
        for name, value in self.attributes.items():
            if name not in LIST_ATTRIBUTES and (value.split or isinstance(value.constant, list)):
                raise ValueError(
                    f"attributes: {name} is one value; only {' and '.join(LIST_ATTRIBUTES)} are "
                    "lists"
                )

    @property
    def label(self) -> str:
        """Names the event in its id and in reports."""
        if self.name:
            return self.name
        field_of_rule = self.stage or self.activity
        return (
            str(field_of_rule.constant) if field_of_rule and field_of_rule.constant else self.type
        )


class Source(CsvFile):
    """A kind of file whose rows make events."""

    file: str = Field(default="*", description="Pattern of the file's name; any, by default.")
    deal_id: str | None = None
    id_columns: tuple[str, ...] = Field(
        default=(), description="Columns that distinguish events with the same deal and name."
    )
    columns: dict[str, Column] = Field(default={})
    lookups: tuple[Lookup, ...] = ()
    skip: tuple[Skip, ...] = ()
    events: tuple[EventRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _identifies_events(self) -> Self:
        if self.deal_id is None and any(rule.type != "spend_recorded" for rule in self.events):
            raise ValueError("deal_id is missing: name the column that holds the deal's id")
        self._know_lookups()
        labels = [rule.label for rule in self.events]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice:
            raise ValueError(f"events: two are called {twice!r}; give them different names")
        return self

    def _know_lookups(self) -> None:
        later = {name for lookup in self.lookups for name in lookup.take}
        for lookup in self.lookups:
            if lookup.column in later:
                raise ValueError(
                    f"lookups: {lookup.column!r} is the key of {lookup.file}, but is taken from "
                    "the same or a later lookup; put that one first"
                )
            later -= lookup.take.keys()

    @cached_property
    def decisive(self) -> dict[str, frozenset[str | None]]:
        """Columns without which nothing of a row can be told – whose it is, and what happened –,
        and the texts of them that conditions name."""
        conditions = [*(skip.when for skip in self.skip), *(rule.when for rule in self.events)]
        keys = [*self.id_columns, *(lookup.column for lookup in self.lookups)]
        keys += [self.deal_id] if self.deal_id is not None else []
        named: dict[str, set[str | None]] = {column: set() for column in keys}
        for condition in conditions:
            for column, texts in condition.items():
                named.setdefault(column, set()).update(texts)
        return {column: frozenset(texts) for column, texts in named.items()}

    def months(self) -> set[str]:
        """Columns that only date spends of whole months."""
        dated = {(column, rule.period) for rule in self.events for column in rule.at.dates}
        return {column for column, period in dated if period == "month"} - {
            column for column, period in dated if period != "month"
        }

    def columns_used(self) -> Iterator[tuple[str, str]]:
        """Every column that is asked for, with the key that asks."""
        if self.deal_id is not None:
            yield "deal_id", self.deal_id
        for column in self.id_columns:
            yield "id_columns", column
        for column in self.columns:
            yield "columns", column
        for lookup in self.lookups:
            yield "lookups.column", lookup.column
        for skip in self.skip:
            for column in skip.when:
                yield "skip.when", column
        for rule in self.events:
            where = f"events.{rule.label}"
            for column in rule.when:
                yield f"{where}.when", column
            for name, column in rule.at.columns.items():
                yield f"{where}.at.{name}", column
            field_of_rule = {
                "stage": rule.stage,
                "activity": rule.activity,
                "outcome": rule.outcome,
            }
            for name, value in (*field_of_rule.items(), *rule.attributes.items()):
                if value and value.column is not None:
                    yield f"{where}.{name}", value.column


class Mapping(Model):
    """A whole mapping. ``name`` is part of every event's id: keep it, and a second import of the
    same rows changes nothing."""

    name: Annotated[str, AfterValidator(_mapping_name)]
    timezone: Zone = "UTC"
    locale: Literal[LOCALES] = "en"  # type: ignore[valid-type]
    currency: Annotated[str, AfterValidator(_currency)] | None = Field(
        default=None, description="For amounts and costs without one."
    )
    missing: tuple[str, ...] = Field(default=("",), description="Texts that mean no value.")
    sources: dict[str, Source] = Field(min_length=1)

    @model_validator(mode="after")
    def _dates_can_be_meant(self) -> Self:
        for name, source in self.sources.items():
            for column, rule in source.columns.items():
                where = f"sources.{name}.columns.{column}.dates"
                for form in rule.dates:
                    try:
                        names_month = DateFormat(form, rule.locale or self.locale).names_month
                    except ValueError as error:
                        raise ValueError(f"{where}: {error}") from None
                    if names_month and column not in source.months():
                        raise ValueError(
                            f"{where}: {form!r} has no day; only spends with period: month may "
                            "be dated like that"
                        )
        return self


def _wrong_constants(mapping: Mapping) -> Iterator[tuple[KeyPath, str]]:
    """The places of what costs every row the same, and why."""
    for source, rules in mapping.sources.items():
        for index, rule in enumerate(rules.events):
            for name, problem in rule.wrong_constants(mapping.currency):
                key_path = ("sources", source, "events", index, "attributes", name)
                yield key_path, problem


def load(path: Path) -> Mapping:
    """Read a mapping. Raises ``ConfigError`` that names every mistake with its line."""
    document = read(path)
    mistakes = list(document.mistakes)
    try:
        mapping = Mapping.model_validate(document.value)
    except ValidationError as error:
        mistakes += document.mistakes_of(error, Mapping)
    else:
        mistakes += [document.mistake(*wrong) for wrong in _wrong_constants(mapping)]
    if mistakes:
        raise document.refusal(
            mistakes, "See docs/importing.md; texts like true, false and null need quotes."
        )
    return mapping
