"""What an import has to remember of rows, on disk: it may be more than the memory holds."""

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from funnel_stream.contract.event import STAGES, WON
from funnel_stream.contract.timestamps import micros_of
from funnel_stream.tools.mapping import EventRule

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_TABLES: Final = """
    CREATE TABLE said (
        digest BLOB PRIMARY KEY, content BLOB, file INT, row INT
    ) WITHOUT ROWID;
    CREATE TABLE alike (content BLOB PRIMARY KEY, number INT) WITHOUT ROWID;
    CREATE TABLE sums (
        place INTEGER PRIMARY KEY, digest BLOB UNIQUE, event BLOB, sums BLOB,
        file INT, row INT, rule TEXT
    );
    CREATE TABLE deals (
        place INTEGER PRIMARY KEY, deal TEXT UNIQUE, begun INT, closed INT
    );
    CREATE TABLE stages (deal TEXT, at INT, place INTEGER, stage TEXT, event BLOB);
"""


_BATCH: Final = 5000
"""Deals whose dates are written at once."""
_OPEN: Final = frozenset(STAGES[:WON])
_NEVER: Final = (2**62, -1)
"""When a deal began that has not, and when it was closed: before and after all that there is."""


class Origin(NamedTuple):
    """Where an event stands: the number of its file, and the row."""

    file: int
    row: int


class KnownEvent(NamedTuple):
    """What was known of an event, and where it was said first."""

    verdict: Literal["nothing", "the same", "something else"]
    first: Origin


class Gathered:
    """A temporary database of the events that were made so far."""

    def __init__(self) -> None:
        # An empty name: a file of its own that is gone when it is closed.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._run = self._database.execute
        self._run("PRAGMA journal_mode = OFF")
        self._run("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)
        self._run("BEGIN")
        self._position = 0
        self._dates: dict[str, tuple[int, int]] = {}
        """Of deals, when they began and were closed, as far as that is not written yet."""

    def meet(self, digest: bytes, content: bytes, origin: Origin) -> KnownEvent:
        """What earlier rows said of the event of that id."""
        content = _short(content)
        row = (digest, content, *origin)
        if self._run("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?)", row).rowcount:
            return KnownEvent("nothing", origin)
        query = "SELECT content, file, row FROM said WHERE digest = ?"
        ((known, *first),) = self._run(query, (digest,))
        return KnownEvent("the same" if known == content else "something else", Origin(*first))

    def number_of(self, content: bytes) -> int:
        """How many rows said just this before."""
        query = (
            "INSERT INTO alike VALUES (?, 0) ON CONFLICT DO UPDATE SET number = number + 1 "
            "RETURNING number"
        )
        ((number,),) = self._run(query, (_short(content),)).fetchall()
        return int(number)

    # --- rows that are one event ------------------------------------------------------------------

    def add_up(
        self, digest: bytes, event: dict[str, Any], rule: EventRule, origin: Origin
    ) -> Origin | None:
        """Take a part of an event of which a rule has something added up. If it says something
        else than the parts before, it is not taken: where the first of them stands."""
        # A part without an amount has no currency: that is no contradiction.
        apart = (*rule.added_up, "currency")
        remaining = {name: value for name, value in event.items() if name not in apart}
        given = {name: event[name] for name in apart if name in event}
        query = "SELECT event, sums, file, row FROM sums WHERE digest = ?"
        found = self._run(query, (digest,)).fetchone()
        if found is None:
            self._position += 1
            row = (self._position, digest, _encode(remaining), _encode(given), *origin, rule.label)
            self._run("INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return None
        known, sums, *first = found
        added = _decode(sums)
        code = given.pop("currency", None)
        if known != _encode(remaining) or code not in (None, added.get("currency", code)):
            return Origin(*first)
        if code is not None:
            added["currency"] = code
        for name, value in given.items():
            added[name] = f"{Decimal(added.get(name, 0)) + Decimal(value):f}"
        self._run("UPDATE sums SET sums = ? WHERE digest = ?", (_encode(added), digest))
        return None

    def sums(self) -> Iterator[tuple[dict[str, Any], Origin, str]]:
        """The events that were added up, in the order of their first rows; where these are, and
        the label of the rule."""
        query = "SELECT event, sums, file, row, rule FROM sums ORDER BY place"
        for event, sums, file, row, rule in self._run(query):
            yield _decode(event) | _decode(sums), Origin(file, row), rule

    # --- deals ------------------------------------------------------------------------------------

    def dated(self, deal: str, stage: str, at: datetime) -> None:
        """Take a stage that a deal entered, whichever row says it."""
        begun, closed = self._dates.get(deal, _NEVER)
        if stage in _OPEN:
            begun = min(begun, micros_of(at))
        else:
            closed = max(closed, micros_of(at))
        self._dates[deal] = begun, closed
        if len(self._dates) >= _BATCH:
            self._write_dates()

    def _write_dates(self) -> None:
        statement = (
            "INSERT INTO deals (deal, begun, closed) VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET begun = min(begun, excluded.begun), closed = max(closed, excluded.closed)"
        )
        rows = ((deal, *dates) for deal, dates in self._dates.items())
        self._database.executemany(statement, rows)
        self._dates.clear()

    def closed_first(self) -> Iterator[str]:
        """The deals that were closed for good before they entered any other stage, in the order in
        which they were met."""
        self._write_dates()
        query = (
            "SELECT deal FROM deals WHERE closed < begun AND begun < ? AND closed > ? "
            "ORDER BY place"
        )
        for (deal,) in self._run(query, _NEVER):
            yield deal

    # --- histories --------------------------------------------------------------------------------

    def enter(self, event: dict[str, Any], at: datetime) -> None:
        """Take a row of a history that tells in which stage a deal was then."""
        self._position += 1
        row = (event["deal_id"], micros_of(at), self._position, event["stage"], _encode(event))
        self._run("INSERT INTO stages VALUES (?, ?, ?, ?, ?)", row)

    def changes(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """The rows of all histories, deal by deal in order of time, and whether the stage is not
        the one before."""
        before: tuple[str, str] | None = None
        query = "SELECT deal, stage, event FROM stages ORDER BY deal, at, place"
        for deal, stage, event in self._run(query):
            yield _decode(event), (deal, stage) != before
            before = deal, stage


def _short(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
