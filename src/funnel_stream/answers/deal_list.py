"""The deals behind a figure: how a deal is judged, and a walk through many, page by page."""

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

_NAMES_AT_ONCE: Final = 10_000
_NAMES_A_STEP: Final = 256


class Entry(msgspec.Struct):
    """A deal behind a figure. ``contribution`` in the KPI's unit; ``at``: the minute since which,
    or at which, it counts (the last one if there are several)."""

    deal_id: str
    pipeline: str
    stage: str | None
    contribution: float
    at: datetime
    attributes: dict[str, Any]


class _Brief(msgspec.Struct, array_like=True, gc=False):
    """When an event was and of which kind; decoding no more than that costs a twentieth."""

    at: int
    kind: int


_decode_brief = msgspec.msgpack.Decoder(list[_Brief]).decode


class Finder:
    """Judges deals by a question, as of an instant (µs)."""

    def __init__(self, asked: Question, definition: Definition, as_of: int) -> None:
        self._asked = asked
        self._definition = definition
        self._as_of = as_of
        self._rules = FactRules(definition)
        self._parts = tuple(asked.dimension.split("+")) if asked.dimension else ()
        self._values = {asked.value}
        if asked.dimension in self._rules.spellings:
            self._values.add(self._rules.spellings[asked.dimension][asked.value] or NONE)
        self._roles: dict[str, dict[int, list[Role]]] = {}
        self._needles = _needles(asked, definition)
        self._counts, self._may_count = _times(asked, as_of)

    def mentions(self, row: bytes) -> bool:
        """False only if the row cannot be one, for it never names what is asked for."""
        return all(needle in row for needle in self._needles)

    def find(self, name: bytes, row: bytes) -> Entry | None:
        """What the deal adds to the figure; ``None`` if nothing."""
        if not self._may_count(_decode_brief(row)):
            return None
        # Of several deals of this id the last is the one that windows can still hold.
        journey = self._rules.lives(row)[-1]
        asked = self._asked
        owner = self._rules.combination(journey)
        pipeline = owner[0]
        if asked.pipeline not in (None, pipeline):
            return None
        if self._parts and value_under(self._parts, owner) not in self._values:
            return None
        total, scale, last = 0, 0, 0
        wanted = self._roles.setdefault(pipeline, {})
        for key, weight in self._rules.facts(journey).items():
            cell = key >> MINUTE_BITS
            found = wanted.get(cell)
            if found is None:
                found = wanted[cell] = self._wanted(pipeline, cell)
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

    def _wanted(self, pipeline: str, cell: int) -> list[Role]:
        """The roles of a cell that are asked for."""
        asked = self._asked
        return [
            role
            for role in roles(cell, self._definition, pipeline)
            if role.kpi is asked.kpi
            and role.addition.suffix == asked.suffix
            and asked.labels.items() <= role.addition.labels.items()
        ]


def _needles(asked: Question, definition: Definition) -> list[bytes]:
    """Texts that the row of a deal names if it is one."""
    texts = [] if asked.pipeline in (None, "default") else [asked.pipeline]
    own = definition.values.get(asked.dimension, Values())
    if "+" not in asked.dimension and not (own.aliases or own.fold_case):
        texts += asked.value.split()  # between its words any white space may have been written
    form = asked.kpi.form
    if form.series(()) is None:
        texts += [
            value
            for name, value in asked.labels.items()
            if name not in form.known and not (name == "currency" and definition.base_currency)
        ]
    return [text.encode(errors="replace") for text in texts if text and text != NONE]


_CountsThen = Callable[[int], bool]
_MayCount = Callable[[list[_Brief]], bool]


def _times(asked: Question, as_of: int) -> tuple[_CountsThen, _MayCount]:
    """Which minutes of facts count as of an instant; and, from the events alone, whether a deal
    can have such a fact at all: every fact lies at the time of an event, if not a horizon later."""
    this_minute = as_of // MINUTE_US
    window = asked.window
    if window is None:
        stage = asked.labels.get("stage")
        return (lambda minute: minute <= this_minute), (lambda events: _is_open(events, stage))
    matured = asked.labels.get("basis") == MATURED
    held = window.holds(this_minute, matured=matured)
    begin_us, end_us = held.start * MINUTE_US, held.stop * MINUTE_US
    if matured:  # its minute is the first that begins when the horizon has passed
        later = minutes_of(asked.labels["horizon"]) * MINUTE_US + MINUTE_US - 1
        begin_us, end_us = begin_us - later, end_us - later
    return (
        lambda minute: minute in held,
        lambda events: any(begin_us <= event.at < end_us for event in events),
    )


def _is_open(events: list[_Brief], stage: str | None) -> bool:
    moves = [(event.at, event.kind) for event in events if event.kind <= LOST]
    last = max(moves, default=(0, LOST))[1]
    return last < WON and stage in (None, STAGES[last])


# --- page by page ---------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a walk goes on: behind a deal (UTF-8) of a partition."""

    partition: int
    name: bytes


class Walk:
    """Goes through the deals of partitions in the order of partition and id, in small steps.

    ``entries``: the deals found. ``place``: where to go on; ``None`` when all have been seen.
    ``progressed``: at least one deal has been judged. Deals may come, change and go meanwhile: each
    that is there all the time is met once.
    """

    def __init__(
        self, deals: Mapping[int, Deals], finder: Finder, after: Place, *, limit: int
    ) -> None:
        self.entries: list[Entry] = []
        self.place: Place | None = after
        self.progressed = False
        self._deals = deals
        self._finder = finder
        self._limit = limit

    def steps(self) -> Iterator[None]:
        """Do the work; whoever drives it may pause or stop at every step (some tens of µs)."""
        start = self.place
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
                    self.place = Place(number, name)
                    self.progressed = True
                    if len(self.entries) == self._limit:
                        return
                    yield
        self.place = None

    def _next_names(self, deals: Deals, after: bytes) -> Generator[None, None, list[bytes]]:
        """The first names behind one, of the deals that may be what is looked for, in order."""
        found: list[bytes] = []
        bound: bytes | None = None
        for number, name in enumerate(deals.names()):
            if number % _NAMES_A_STEP == 0:
                yield
            if name <= after or (bound is not None and name > bound):
                continue
            row = deals.row(name)
            if row is None or not self._finder.mentions(row):
                continue
            found.append(name)
            if len(found) == 2 * _NAMES_AT_ONCE:
                found.sort()
                del found[_NAMES_AT_ONCE:]
                bound = found[-1]
        found.sort()
        return found[:_NAMES_AT_ONCE]
