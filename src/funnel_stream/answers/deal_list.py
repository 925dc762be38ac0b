"""The deals behind a figure: whether a deal is one of them, and a walk through many in pages."""

from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from funnel_stream.answers.question import Question
from funnel_stream.answers.story import plain
from funnel_stream.contract.event import LOST, STAGES, WON
from funnel_stream.contract.timestamps import moment
from funnel_stream.definition import Definition
from funnel_stream.definition.time import MINUTE_US, minutes_of
from funnel_stream.definition.values import Values, spelled
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import MATURED
from funnel_stream.facts.rules import MINUTE_BITS, NONE, FactRules
from funnel_stream.kpis.catalogue import Role, roles
from funnel_stream.kpis.contributions import MINUTE_MASK, value_under

_NAMES_PER_BATCH: Final = 10_000
_NAMES_PER_STEP: Final = 256


class Entry(msgspec.Struct):
    """A deal behind a figure. ``contribution`` in the KPI's unit; ``at``: the minute since which,
    or at which, it counts (the last one if there are several)."""

    deal_id: str
    pipeline: str
    stage: str | None
    contribution: float
    at: datetime
    attributes: dict[str, Any]


class _EventHeader(msgspec.Struct, array_like=True, gc=False):
    """When an event occurred, and its kind; decoding no more than that costs a twentieth."""

    at: int
    kind: int


_decode_headers = msgspec.msgpack.Decoder(list[_EventHeader]).decode


class Finder:
    """Decides whether a deal is behind a figure, as of an instant (µs)."""

    def __init__(self, question: Question, definition: Definition, as_of: int) -> None:
        self._question = question
        self._definition = definition
        self._as_of = as_of
        self._rules = FactRules(definition)
        self._parts = tuple(question.dimension.split("+")) if question.dimension else ()
        self._values = {question.value}
        if question.dimension in self._rules.spellings:
            self._values.add(self._rules.spellings[question.dimension][question.value] or NONE)
        self._roles: dict[str, dict[int, list[Role]]] = {}
        self._needles = _needles(question, definition)
        self._counts, self._may_count = _time_filters(question, as_of)

    def mentions(self, row: bytes) -> bool:
        """False only if the row cannot match, because it never names what the question asks for."""
        return all(needle in row for needle in self._needles)

    def find(self, name: bytes, row: bytes) -> Entry | None:
        """What the deal adds to the figure; ``None`` if nothing."""
        if not self._may_count(_decode_headers(row)):
            return None
        # Of several deals of this id the last is the one that windows can still hold.
        journey = self._rules.lives(row)[-1]
        question = self._question
        owner = self._rules.combination(journey)
        pipeline = owner[0]
        if question.pipeline not in (None, pipeline):
            return None
        if self._parts and value_under(self._parts, owner) not in self._values:
            return None
        total, scale, last = 0, 0, 0
        matching = self._roles.setdefault(pipeline, {})
        for key, weight in self._rules.facts(journey).items():
            cell = key >> MINUTE_BITS
            found = matching.get(cell)
            if found is None:
                found = matching[cell] = self._matching_roles(pipeline, cell)
            if found and self._counts(minute := key & MINUTE_MASK):
                for _, addition in found:
                    total += addition.worth(weight, self._as_of)
                    scale = addition.scale
                    last = max(last, minute)
        if not scale:
            return None
        return Entry(
            deal_id=name.decode(),
            pipeline=pipeline,
            stage=None if journey.stage is None else STAGES[journey.stage],
            contribution=total if scale == 1 else total / scale,
            at=moment(last * MINUTE_US),
            attributes=plain(spelled(journey.attributes, self._rules.spellings)),
        )

    def _matching_roles(self, pipeline: str, cell: int) -> list[Role]:
        """The roles of a cell that the question asks for."""
        question = self._question
        return [
            role
            for role in roles(cell, self._definition, pipeline)
            if role.kpi is question.kpi
            and role.addition.suffix == question.suffix
            and question.labels.items() <= role.addition.labels.items()
        ]


def _needles(question: Question, definition: Definition) -> list[bytes]:
    """Texts that the row of every matching deal contains."""
    texts = [] if question.pipeline in (None, "default") else [question.pipeline]
    spelling = definition.values.get(question.dimension, Values())
    if "+" not in question.dimension and not (spelling.aliases or spelling.fold_case):
        texts += question.value.split()  # between its words any white space may have been written
    form = question.kpi.form
    if form.series(()) is None:
        texts += [
            value
            for name, value in question.labels.items()
            if name not in form.known and not (name == "currency" and definition.base_currency)
        ]
    return [text.encode(errors="replace") for text in texts if text and text != NONE]


_MinuteFilter = Callable[[int], bool]
_EventFilter = Callable[[list[_EventHeader]], bool]


def _time_filters(question: Question, as_of: int) -> tuple[_MinuteFilter, _EventFilter]:
    """Which minutes of facts count as of an instant; and, from the events alone, whether a deal
    can have such a fact at all: every fact lies at the time of an event, if not a horizon later."""
    this_minute = as_of // MINUTE_US
    window = question.window
    if window is None:
        stage = question.labels.get("stage")
        return (lambda minute: minute <= this_minute), (lambda events: _is_open(events, stage))
    matured = question.labels.get("basis") == MATURED
    held = window.holds(this_minute, matured=matured)
    begin_us, end_us = held.start * MINUTE_US, held.stop * MINUTE_US
    if matured:  # its minute is the first that begins when the horizon has passed
        delay = minutes_of(question.labels["horizon"]) * MINUTE_US + MINUTE_US - 1
        begin_us, end_us = begin_us - delay, end_us - delay
    return (
        lambda minute: minute in held,
        lambda events: any(begin_us <= event.at < end_us for event in events),
    )


def _is_open(events: list[_EventHeader], stage: str | None) -> bool:
    moves = [(event.at, event.kind) for event in events if event.kind <= LOST]
    last = max(moves, default=(0, LOST))[1]
    return last < WON and stage in (None, STAGES[last])


# --- page by page ---------------------------------------------------------------------------------


class Cursor(NamedTuple):
    """Where a walk resumes: after a deal (UTF-8) of a partition."""

    partition: int
    name: bytes


class Walk:
    """Goes through the deals of partitions in the order of partition and id, in small steps.

    ``entries``: the deals found. ``cursor``: where to resume; ``None`` when all have been seen.
    ``progressed``: at least one deal has been judged. Deals may come, change and go meanwhile: each
    that is there all the time is met once.
    """

    def __init__(
        self, deals: Mapping[int, Deals], finder: Finder, after: Cursor, *, limit: int
    ) -> None:
        self.entries: list[Entry] = []
        self.cursor: Cursor | None = after
        self.progressed = False
        self._deals = deals
        self._finder = finder
        self._limit = limit

    def steps(self) -> Iterator[None]:
        """Do the work; whoever drives it may pause or stop at every step (some tens of µs)."""
        start = self.cursor
        assert start is not None
        for number in sorted(self._deals):
            if number < start.partition:
                continue
            deals = self._deals[number]
            after = start.name if number == start.partition else b""
            names = [after]
            while names:
                names = yield from self._next_names(deals, names[-1])
                for name in names:
                    row = deals.row(name)
                    if row is not None and (entry := self._finder.find(name, row)):
                        self.entries.append(entry)
                    self.cursor = Cursor(number, name)
                    self.progressed = True
                    if len(self.entries) == self._limit:
                        return
                    yield
        self.cursor = None

    def _next_names(self, deals: Deals, after: bytes) -> Generator[None, None, list[bytes]]:
        """The first names after one, of the deals that may match, in order."""
        found: list[bytes] = []
        bound: bytes | None = None
        for number, name in enumerate(deals.names()):
            if number % _NAMES_PER_STEP == 0:
                yield
            if name <= after or (bound is not None and name > bound):
                continue
            row = deals.row(name)
            if row is None or not self._finder.mentions(row):
                continue
            found.append(name)
            if len(found) == 2 * _NAMES_PER_BATCH:
                found.sort()
                del found[_NAMES_PER_BATCH:]
                bound = found[-1]
        found.sort()
        return found[:_NAMES_PER_BATCH]
