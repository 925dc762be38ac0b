"""The same export again: two snapshots of one CRM, and the events that lead from one to the other.

Both are imported by one mapping, and what they say is compared deal by deal. Spends are compared by
what was spent on one channel at one time: no event takes money back, so that a sum can only grow.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from funnel_stream.errors import InputError, UsageError
from funnel_stream.tools.deal_changes import Moments, Problem, Said, difference, encode, renewed
from funnel_stream.tools.importer import Import, Reject

Gone = Literal["erase", "keep"]

CANNOT_BE_SAID: Final = "cannot_be_said"
"""The reason of what differs between two snapshots and no event can tell."""
_SHOWN: Final = 5
_CACHE_KIB: Final = 65_536
_decode: Final = msgspec.json.Decoder(Said).decode
_TABLES: Final = """
    CREATE TABLE old (owner TEXT, id TEXT, line BLOB, same INT, PRIMARY KEY (owner, id))
        WITHOUT ROWID;
    CREATE INDEX spends ON old (id) WHERE owner GLOB 's*';
    CREATE TABLE new (owner TEXT, id TEXT, line BLOB, file TEXT, row INT, PRIMARY KEY (owner, id))
        WITHOUT ROWID;
    CREATE TABLE met (owner TEXT PRIMARY KEY, doubtful INT) WITHOUT ROWID;
"""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_DEAL, _SPEND = "d", "s"
"""How the name of an owner begins: whose an event is."""


@dataclass
class ExportChanges:
    """What the newer snapshot says that the older one does not; complete with the lines.

    ``events``: lines by kind: ``new`` events, ``updated`` (attributes given or cleared), ``moved``
    (dates), ``reopened``, ``restaged`` (into another stage than the last one known), ``confirmed``
    (what other lines say, once more), ``raised`` spends, ``erased`` deals.
    ``kept``: what is no longer reported and stays, by stage or type; ``deals`` among them.
    """

    deals: int = 0
    """Deals that the older snapshot tells of."""
    unchanged: int = 0
    """Events that both tell, word for word."""
    gone: int = 0
    """Deals that the newer one has no row of."""
    cleared: int = 0
    """Attributes taken away."""
    withheld: int = 0
    """Deals of which nothing was taken away, because parts of their rows cannot be read."""
    cannot_be_said: int = 0
    events: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


class Snapshots:
    """Compares two imports by one mapping, the older one first.

    ``as_of``: when the newer export was made. What changed without a date of its own is said to
    have changed then, behind all that either tells.
    """

    def __init__(self, as_of: datetime, gone: Gone | None) -> None:
        self.changes = ExportChanges()
        self._as_of, self._gone = as_of, gone
        # An empty name: a file of its own that is gone when it is closed.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._run = self._database.execute
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._run(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES)
        self._run("BEGIN")
        self._reject: Callable[[Reject], None] = lambda reject: None
        self._doubtful = False
        self._latest = {"older": _NEVER, "newer": _NEVER}

    def take_old(self, lines: Iterable[bytes]) -> None:
        """What the older import says. Raises ``InputError`` where it tells of later times."""
        for line in lines:
            event = self._earlier(line, "older")
            row = (_owner(event), event["event_id"], line)
            self._run("INSERT INTO old VALUES (?, ?, ?, 0)", row)

    def take_new(self, source: Import, lines: Iterable[bytes]) -> None:
        """What the newer import says, and what it has rows of. Raises as ``take_old`` does."""
        source.on_deal = self._meet
        same = "UPDATE old SET same = 1 WHERE owner = ? AND id = ? AND line = ?"
        for line in lines:
            event = self._earlier(line, "newer")
            row = (_owner(event), event["event_id"], line)
            if self._run(same, row).rowcount:
                self.changes.unchanged += 1
            else:
                self._run("INSERT INTO new VALUES (?, ?, ?, ?, ?)", (*row, *source.position))
        self._reject = source.reject
        self._doubtful = source.unreadable > 0

    def _earlier(self, line: bytes, which: str) -> Said:
        event = _decode(line)
        at = datetime.fromisoformat(event["occurred_at"])
        if at > self._latest[which]:
            self._latest[which] = at
        if at >= self._as_of:
            raise InputError(
                f"the {which} files have the date {event['occurred_at']}, which is not before "
                f"--as-of {self._as_of.isoformat()}",
                hint="--as-of is when the newer export was made, later than every date in it; the "
                "older files come after --since.",
            )
        return event

    def _meet(self, deal: str, doubtful: bool) -> None:
        upsert = "INSERT INTO met VALUES (?, ?) ON CONFLICT DO UPDATE SET doubtful = max(doubtful"
        self._run(f"{upsert}, excluded.doubtful)", (_DEAL + deal, int(doubtful)))

    # --- deals that are gone ----------------------------------------------------------------------

    def ask_for_gone(self) -> None:
        """Count the deals that are gone. Raises ``UsageError`` where it was not said what that
        means, and ``InputError`` where they may be in rows that cannot be read."""
        changes = self.changes
        deals = f"SELECT DISTINCT owner FROM old WHERE owner GLOB '{_DEAL}*'"
        ((changes.deals,),) = self._run(f"SELECT count(*) FROM ({deals})")
        missing = f"{deals} AND owner NOT IN (SELECT owner FROM met)"
        ((changes.gone,),) = self._run(f"SELECT count(*) FROM ({missing})")
        if not changes.gone:
            return
        first = self._run(f"{missing} ORDER BY owner LIMIT {_SHOWN}").fetchall()
        named = ", ".join(owner[len(_DEAL) :] for (owner,) in first)
        named += ", …" if changes.gone > _SHOWN else ""
        which = (
            f"{changes.gone:,} of {changes.deals:,} deals of the older files have no row in the "
            f"newer ones: {named}"
        )
        if self._gone is None:
            raise UsageError(
                which,
                hint="Nothing was written. If they were deleted or merged, write --gone erase: "
                "their journeys and figures vanish. If this export only leaves them out, write "
                "--gone keep.",
            )
        if self._gone == "erase" and self._doubtful:
            raise InputError(
                f"{which}; but some rows cannot be read at all, and may belong to these deals",
                hint="Nothing was written. Fix the newer files (--check --gone keep lists the "
                "rows), or write --gone keep.",
            )

    # --- what is to be said -----------------------------------------------------------------------

    def lines(self) -> Iterator[bytes]:
        """The events, deal by deal in the order of their ids."""
        self.ask_for_gone()
        owners = "SELECT owner FROM new UNION SELECT owner FROM old WHERE NOT same ORDER BY 1"
        for (owner,) in self._run(owners):
            old = self._lines_of("SELECT line, same FROM old WHERE owner = ? ORDER BY id", owner)
            new = self._lines_of("SELECT line, 0 FROM new WHERE owner = ? ORDER BY id", owner)
            events = [event for event, _ in old]
            newer = [event for event, same in old if same] + [event for event, _ in new]
            compare = self._spend if owner.startswith(_SPEND) else self._deal
            for kind, event in compare(owner, events, newer):
                self.changes.events[kind] += 1
                self.changes.cleared += len(set(event.get("cleared", ())) - event.keys())
                yield encode(event)

    def _lines_of(self, query: str, owner: str) -> list[tuple[Said, int]]:
        return [(_decode(line), same) for line, same in self._run(query, (owner,))]

    def _deal(self, owner: str, old: list[Said], new: list[Said]) -> Iterator[tuple[str, Said]]:
        if not old:
            yield from (("new", event) for event in new)
            return
        met = self._run("SELECT doubtful FROM met WHERE owner = ?", (owner,)).fetchone()
        if met is None:
            if self._gone == "erase":
                deal = owner[len(_DEAL) :]
                until = self._as_of.isoformat()
                yield (
                    "erased",
                    {"type": "deal_erased", "deal_id": deal, "occurred_at": until},
                )
            else:
                self.changes.kept["deals"] += 1
            return
        made = difference(
            old,
            new,
            Moments(self._latest["older"], max(self._latest.values()), self._as_of),
            doubtful=self._doubtful or bool(met[0]),
            keep=self._gone == "keep",
        )
        self.changes.kept.update(made.kept)
        self.changes.withheld += made.withheld
        for problem in made.problems:
            self._refuse(owner, problem)
        yield from made.events

    def _spend(self, owner: str, old: list[Said], new: list[Said]) -> Iterator[tuple[str, Said]]:
        """What was spent on a channel at one time: new rows, or the difference of the sums."""
        left = {encode(event) for event in old}
        encoded = {encode(event) for event in new}
        if left <= encoded:
            for event in new:
                if encode(event) not in left:
                    yield "new", self._unmet(event)
            return
        was, now = (sum(Decimal(event["amount"]) for event in some) for some in (old, new))
        if now > was:
            yield "raised", renewed(new[0] | {"amount": f"{now - was:f}"}, f"{was:f}", f"{now:f}")
        elif now < was and not new and (self._gone == "keep" or self._doubtful):
            self.changes.kept["spend_recorded"] += len(old)
        elif now < was:
            one = old[0]
            what = f"{one['channel']} at {one['occurred_at']}"
            message = (
                f"{was:f} {one['currency']} was spent on {what}, and is now {now:f}; no event can "
                "reduce it, so the former sum stays"
            )
            if not new:
                message += "; if the export has only the latest spends, write --gone keep"
            self._refuse(owner, Problem((new or old)[0]["event_id"], "amount", message))

    def _unmet(self, event: Said) -> Said:
        """The spend under an id that no other one of the older files has."""
        query = f"SELECT 1 FROM old WHERE owner GLOB '{_SPEND}*' AND id = ? LIMIT 1"
        known = self._run(query, (event["event_id"],)).fetchone()
        return renewed(event) if known else event

    def _refuse(self, owner: str, problem: Problem) -> None:
        query = "SELECT file, row FROM new WHERE owner = ? AND id = ?"
        file, row = self._run(query, (owner, problem.event_id)).fetchone() or ("", 0)
        message = problem.message
        if owner.startswith(_DEAL):
            message = f"{owner[len(_DEAL) :]}: {message}"
        self.changes.cannot_be_said += 1
        self._reject(Reject(file, row, CANNOT_BE_SAID, problem.field, message))


def _owner(event: Said) -> str:
    if event["type"] != "spend_recorded":
        return _DEAL + str(event["deal_id"])
    names = ("pipeline", "channel", "currency", "occurred_at", "period_start", "period_end")
    key: list[Any] = [event.get(name) for name in names]
    return _SPEND + encode(key).decode()
