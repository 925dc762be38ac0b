"""The events that take a deal from what one export says to what the next one says.

Events can only be added: none that was published is undone or moved. What no event can express is
a ``Problem``.

What exports before these two contained is unknown here, and three rules make up for that:

- Attributes are dated *as of the snapshot*, after everything in any export so far.
- A deal enters another stage just after the latest moment in either export (``_behind``: a second
  later for every eleven days to the snapshot).
- A stage whose date is not after everything in the older export may have been undone by such a
  move: it is published with its date and once more where a move would be. Repeating a stage is not
  an entry.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from funnel_stream.contract import Decoder
from funnel_stream.contract.event import (
    CLEARABLE,
    DIMENSIONS,
    LEAD,
    LOST,
    OFFER,
    POTENTIAL,
    STAGES,
    WON,
)
from funnel_stream.contract.timestamps import micros_of
from funnel_stream.definition import Definition
from funnel_stream.facts.journey import Journey

Said = dict[str, Any]
"""An event as the contract writes it: the fields of its JSON."""

_ATTRIBUTES: Final = ("pipeline", *CLEARABLE)
_MONEY: Final = ("amount", "cost")
_SCALE: Final = 1_000_000
_NO_TIMESTAMP: Final = -1
_GAP: Final = timedelta(days=Definition().closed_retention_days)
_decoder: Final = Decoder()
encode: Final = msgspec.json.Encoder().encode


class Problem(NamedTuple):
    """What cannot be said: the id of the event that says it, the field, and why."""

    event_id: str
    field: str
    message: str


@dataclass
class Difference:
    """What a deal needs.

    ``events``: each with its kind, as ``Changes`` counts them. ``kept``: stages (or types) of what
    the newer export tells no more and what stays. ``withheld``: something would have been taken
    away, had the newer export been readable.
    """

    events: list[tuple[str, Said]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    withheld: bool = False


def renewed(event: Said, *why: Any) -> Said:
    """The event under another id, made of the former one, of what it says and of ``why``: the
    former may have been published already, with other words."""
    name, _, _ = event["event_id"].rpartition("-")
    digest = hashlib.blake2b(encode([event, *why]), digest_size=16)
    return event | {"event_id": f"{name}-{digest.hexdigest()}"}


class Moments(NamedTuple):
    """Of two exports: the latest moment that the older one tells, the latest that either tells,
    and when the newer one was made."""

    before: datetime
    latest: datetime
    as_of: datetime


def difference(
    old: Sequence[Said],
    new: Sequence[Said],
    moments: Moments,
    *,
    doubtful: bool = False,
    keep: bool = False,
) -> Difference:
    """What is to be said of a deal that both exports tell of.

    ``doubtful``: parts of what the newer export tells could not be read, so that nothing is taken
    away only because it does not stand there.
    """
    return _Comparison(old, new, moments, doubtful, keep).made


class _Comparison:
    def __init__(
        self,
        old: Sequence[Said],
        new: Sequence[Said],
        moments: Moments,
        doubtful: bool,
        keep: bool,
    ) -> None:
        self.made = Difference()
        self._old, self._new = old, new
        self._moments, self._doubtful, self._keep = moments, doubtful, keep
        self._template = {"event_id": old[0]["event_id"], "deal_id": old[0]["deal_id"]}
        if not new:
            why = "none of its rows makes an event any more; what is known about it stays"
            self.made.problems.append(Problem(old[0]["event_id"], "deal_id", why))
            return
        self._then, self._target = _journey(old), _journey(new)
        self._moved: list[tuple[Said, Said]] = []
        self._say_what_is_new()
        self._keep_what_is_gone()
        if self._is_over():
            return
        self._close_again()
        self._say_stage()
        self._check_dates()
        self._say_as_of()

    # --- event by event ---------------------------------------------------------------------------

    def _say_what_is_new(self) -> None:
        known = {event["event_id"]: event for event in self._old}
        for event in self._new:
            before = known.get(event["event_id"])
            if before == event:
                continue
            if event["type"] == "activity_recorded":
                if before is None:
                    self._say("new", event)
                else:
                    self._refuse(
                        event,
                        f"it was {_summary(before)}, and is now {_summary(event)}; an activity "
                        "cannot be undone: if they are two, the mapping needs id_columns",
                    )
            elif before is None or event["type"] == "deal_updated":
                self._say("new", renewed(event))
            elif _at(before) != _at(event):
                self._moved.append((before, event))
                if _at(event) < _at(before) and event["stage"] != STAGES[OFFER]:
                    self._say("moved", renewed(event))

    def _keep_what_is_gone(self) -> None:
        current = {event["event_id"] for event in self._new}
        for event in self._old:
            if event["event_id"] in current or event["type"] == "deal_updated":
                continue
            if event["type"] == "activity_recorded":
                if self._keep or self._doubtful:
                    self.made.kept.append("activity_recorded")
                else:
                    self._refuse(
                        event,
                        f"{_summary(event)} is no longer reported, and an activity cannot be "
                        "undone; if the export has only the latest, write --gone keep",
                    )
            elif STAGES.index(event["stage"]) < WON:
                self.made.kept.append(event["stage"])

    def _is_over(self) -> bool:
        """Whether what would be said as of the snapshot would be said of a new deal."""
        if self._then.closed_at is None or not self._then.last_at < micros_of(
            self._moments.as_of - _GAP
        ):
            return False
        if any(kind == "new" for kind, _ in self.made.events):
            return False
        if self._now() == _attributes(self._new) and self._then.stage == self._target.stage:
            self._check_dates()
            return True
        why = (
            f"it was closed more than {_GAP.days} days before; only a new deal with its id can be "
            "published"
        )
        self._refuse(max(self._new, key=_at), why)
        return True

    # --- the stage --------------------------------------------------------------------------------

    def _behind(self, at: datetime) -> datetime:
        """Just after an instant, and after what any earlier snapshot published there."""
        return at + (self._moments.as_of - at) / _SCALE

    def _close_again(self) -> None:
        """Have a closing that had an earlier date left just after that date."""
        for before, after in self._moved:
            stage = STAGES.index(after["stage"])
            if stage < WON or after is not _last_stage(self._new):
                continue
            if _at(after) > _at(before):
                left = self._target.moves[-1].before if self._target.moves else LEAD
                if left == OFFER and stage == WON:
                    left = POTENTIAL  # no figure asks where it was won from
                if left in _COUNTED:
                    continue
                self._say("moved", self._entry(left, self._behind(_at(before))))
                self._say("moved", renewed(after))
            # The date may have been this one before, and left then.
            self._say("confirmed", self._entry(stage, self._behind(_at(after))))

    def _say_stage(self) -> None:
        """Put the deal into the last stage of the newer export."""
        target, now = self._target.stage, self._reported().stage
        last = _last_stage(self._new)
        if target is None or last is None:
            if now is not None:
                self._refuse(self._new[0], "it has no stage any more; the last one known stays")
            return
        entry = self._entry(target, self._behind(self._moments.latest))
        known = _last_stage(self._all())
        if now == target:
            dated_back = _at(last) <= self._behind(self._moments.before)
            # An offer published twice is two offers.
            if dated_back and target not in (self._then.stage, OFFER):
                self._say("confirmed", entry)
        elif self._doubtful:
            self.made.withheld = True
        else:
            self._say("reopened" if self._then.outcome and target < WON else "restaged", entry)
            if target >= WON and known is not None:
                when = "at the same time as" if _at(last) == _at(known) else "before"
                self._refuse(
                    last,
                    f"{last['stage']} at {last['occurred_at']} is {when} {known['stage']}, which "
                    f"was dated {known['occurred_at']} and cannot be undone; it counts as of "
                    f"{entry['occurred_at']}",
                )

    def _entry(self, stage: int, at: datetime) -> Said:
        return self._event("stage_changed", {"stage": STAGES[stage], "occurred_at": _text(at)})

    def _check_dates(self) -> None:
        """Refuse the changes of dates that had no effect."""
        now, target = self._reported(), self._target
        for before, after in self._moved:
            rank = STAGES.index(after["stage"])
            if rank >= WON and after is _last_stage(self._new):
                reported = now.closed_at == target.closed_at
            else:
                former = micros_of(_at(before))
                reported = former not in now.entered[rank] or former in target.entered[rank]
            if not reported:
                self._refuse(
                    after,
                    f"{after['stage']} was dated {before['occurred_at']}, and is now dated "
                    f"{after['occurred_at']}; no event can move it, so the former date stays",
                )

    # --- what is known as of the snapshot ---------------------------------------------------------

    def _say_as_of(self) -> None:
        target, then, now = _attributes(self._new), _attributes(self._old), self._now()
        changed = [n for n in _ATTRIBUTES if not target.get(n) == then.get(n) == now.get(n)]
        if "lost_reason" in target and "lost_reason" not in changed and self._moves():
            changed.append("lost_reason")  # one given before a reopening does not outlive it
        given = {name: target[name] for name in changed if name in target}
        gone = [name for name in changed if name not in target]
        if gone and self._doubtful:
            self.made.withheld = True
            gone = []
        if "pipeline" in gone:
            gone.remove("pipeline")
            given["pipeline"] = "default"
        if not given and not gone:
            return
        # Where the first value of a dimension holds, a corrected one has to begin anew.
        cleared = [*gone, *(name for name in given if name in DIMENSIONS)]
        fields = {name: value for name, value in given.items() if name not in _MONEY}
        money = {name: given[name] for name in _MONEY if name in given}
        apart = len({currency for _, currency in money.values()}) > 1
        for name, (amount, currency) in money.items():
            if not (apart and name == "cost"):
                fields |= {name: amount, "currency": currency}
        if cleared:
            fields["cleared"] = [name for name in CLEARABLE if name in cleared]
        changed_value = any(target.get(name) != now.get(name) for name in changed)
        self._say("updated" if changed_value else "confirmed", self._update(fields, then))
        if apart:
            amount, currency = money["cost"]
            self._say("confirmed", self._update({"cost": amount, "currency": currency}, then))

    def _moves(self) -> bool:
        return any(event["type"] == "stage_changed" for _, event in self.made.events)

    def _update(self, fields: Said, then: Any) -> Said:
        return self._event(
            "deal_updated", {"occurred_at": _text(self._moments.as_of)} | fields, then
        )

    # --- saying it --------------------------------------------------------------------------------

    def _event(self, type_: str, fields: Said, *why: Any) -> Said:
        return renewed(self._template | {"type": type_} | fields, *why)

    def _say(self, kind: str, event: Said) -> None:
        self.made.events.append((kind, event))

    def _refuse(self, event: Said, message: str) -> None:
        name = event.get("stage") or event.get("activity") or event["type"]
        self.made.problems.append(Problem(event["event_id"], name, message))

    def _all(self) -> list[Said]:
        return [*self._old, *(event for _, event in self.made.events)]

    def _reported(self) -> Journey:
        return _journey(self._all())

    def _now(self) -> dict[str, Any]:
        return _attributes(self._all())


_COUNTED: Final = (OFFER, WON, LOST)
"""Stages whose entries are counted one by one, so that none is entered for the sake of a date."""


def _journey(events: Iterable[Said]) -> Journey:
    lines = [encode(event) for event in events]
    decoded = _decoder.decode(lines, [_NO_TIMESTAMP] * len(lines))
    # An import gives only what the contract takes as it stands.
    found = [one[1] for one in decoded if type(one) is tuple]
    assert len(found) == len(lines)
    return Journey(sorted(found))


def _last_stage(events: Iterable[Said]) -> Said | None:
    """The event by which the deal is in its stage, or repeats it."""
    entries = [event for event in events if event["type"] == "stage_changed"]
    return max(entries, key=lambda one: (_at(one), STAGES.index(one["stage"])), default=None)


def _attributes(events: Iterable[Said]) -> dict[str, Any]:
    """The last value given of each attribute, as it was written; money with its currency."""
    known: dict[str, Any] = {}
    for event in sorted(events, key=lambda one: (_at(one), one["event_id"])):
        for name in event.get("cleared", ()):
            known.pop(name, None)
        for name in _ATTRIBUTES:
            if name in event:
                value = event[name]
                known[name] = (value, event["currency"]) if name in _MONEY else value
    return known


def _summary(event: Said) -> str:
    what = event["activity"] + (f", {event['outcome']}" if event.get("outcome") else "")
    return f"{what} at {event['occurred_at']}"


def _at(event: Said) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
