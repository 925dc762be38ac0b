"""What an import has to remember of rows, on disk: it may be more than the memory holds."""

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from funnel_stream.contract.timestamps import micros_of

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_TABLES: Final = """
    CREATE TABLE said (digest BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;
    CREATE TABLE alike (content BLOB PRIMARY KEY, number INT) WITHOUT ROWID;
    CREATE TABLE sums (place INTEGER PRIMARY KEY, digest BLOB UNIQUE, event BLOB, sums BLOB);
    CREATE TABLE stages (deal TEXT, at INT, place INTEGER, stage TEXT, event BLOB);
"""


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
        self._place = 0

    def meet(self, digest: bytes, content: bytes) -> Literal["new", "same", "other"]:
        """Whether an event of that id was met, and said the same."""
        content = _short(content)
        if self._run("INSERT OR IGNORE INTO said VALUES (?, ?)", (digest, content)).rowcount:
            return "new"
        ((known,),) = self._run("SELECT content FROM said WHERE digest = ?", (digest,))
        return "same" if known == content else "other"

    def number_of(self, content: bytes) -> int:
        """How many rows said just this before."""
        query = (
            "INSERT INTO alike VALUES (?, 0) ON CONFLICT DO UPDATE SET number = number + 1 "
            "RETURNING number"
        )
        ((number,),) = self._run(query, (_short(content),)).fetchall()
        return int(number)

    # --- rows that are one event ------------------------------------------------------------------

    def add_up(self, digest: bytes, event: dict[str, Any], names: tuple[str, ...]) -> bool:
        """Take a part of an event whose values of these names are added up; ``False`` if it says
        something else than the parts before."""
        # A part without an amount has no currency: that is no contradiction.
        apart = (*names, "currency")
        rest = {name: value for name, value in event.items() if name not in apart}
        given = {name: event[name] for name in apart if name in event}
        found = self._run("SELECT event, sums FROM sums WHERE digest = ?", (digest,)).fetchone()
        if found is None:
            self._place += 1
            row = (self._place, digest, _encode(rest), _encode(given))
            self._run("INSERT INTO sums VALUES (?, ?, ?, ?)", row)
            return True
        known, sums = found
        added = _decode(sums)
        code = given.pop("currency", None)
        if known != _encode(rest) or code not in (None, added.get("currency", code)):
            return False
        if code is not None:
            added["currency"] = code
        for name, value in given.items():
            added[name] = f"{Decimal(added.get(name, 0)) + Decimal(value):f}"
        self._run("UPDATE sums SET sums = ? WHERE digest = ?", (_encode(added), digest))
        return True

    def sums(self) -> Iterator[dict[str, Any]]:
        """The events that were added up, in the order of their first rows."""
        for event, sums in self._run("SELECT event, sums FROM sums ORDER BY place"):
            yield _decode(event) | _decode(sums)

    # --- histories --------------------------------------------------------------------------------

    def enter(self, event: dict[str, Any], at: datetime) -> None:
        """Take a row of a history that tells in which stage a deal was then."""
        self._place += 1
        row = (event["deal_id"], micros_of(at), self._place, event["stage"], _encode(event))
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
