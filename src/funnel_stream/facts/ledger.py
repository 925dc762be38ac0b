"""What the windows know of a partition's rows, and what has changed since."""

from collections.abc import Iterator, Mapping
from typing import Final

from funnel_stream.definition import Definition
from funnel_stream.facts import journey
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.rules import FactRules, Facts, difference
from funnel_stream.facts.spend import Spend

DEAL_KEY: Final = b"deal/"
SPEND_KEY: Final = b"spend/"
"""How the keys of rows begin: of deals with their id behind it, of spends with channel and id."""


_APART: Final = b"\xff"


def spend_key(channel: bytes, event_id: str) -> bytes:
    """The key of a spend's row. No two spends share one: a channel with a slash is parted from the
    id by a byte that no UTF-8 has."""
    return SPEND_KEY + channel + (_APART if b"/" in channel else b"/") + event_id.encode()


class Ledger:
    """Facts of ``rows``, which somebody else changes and announces by ``touch``."""

    def __init__(self, definition: Definition, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._rules = FactRules(definition)
        self._before: dict[bytes, bytes | None] = {}

    def touch(self, key: bytes) -> None:
        """This row is about to change."""
        if key not in self._before:
            self._before[key] = self._rows.get(key)

    def take_changes(self) -> Iterator[FactBlock]:
        """How the facts changed since the last call. Folding may go on between two blocks."""
        touched, self._before = self._before, {}
        builder = FactBlockBuilder()
        for key, before in touched.items():
            after = self._before[key] if key in self._before else self._rows.get(key)
            self._change(key, before, after, builder)
            if builder.full and (block := builder.take()):
                yield block
        if block := builder.take():
            yield block

    def snapshot(self) -> Iterator[FactBlock]:
        """All facts as of this call, which also restarts the differences."""
        self._before = {}
        keys = list(self._rows)
        return self._snapshot(keys)

    def _snapshot(self, keys: list[bytes]) -> Iterator[FactBlock]:
        builder = FactBlockBuilder()
        for key in keys:
            row = self._before[key] if key in self._before else self._rows.get(key)
            self._change(key, None, row, builder)
            if builder.full and (block := builder.take()):
                yield block
        if block := builder.take():
            yield block

    def _change(
        self, key: bytes, before: bytes | None, after: bytes | None, to: FactBlockBuilder
    ) -> None:
        if key.startswith(SPEND_KEY):
            if before:
                to.add_spend(self._spend(key, before), -1)
            if after:
                to.add_spend(self._spend(key, after))
            return
        old = self._facts_of(before) if before else []
        new = self._facts_of(after) if after else []
        if len(old) == len(new) == 1 and old[0][0] == new[0][0]:
            [(owner, old_facts)], [(_, new_facts)] = old, new
            retract, add = difference(old_facts, new_facts)
            to.add(owner, retract, -1)
            to.add(owner, add)
            return
        for owner, facts in old:
            to.add(owner, facts, -1)
        for owner, facts in new:
            to.add(owner, facts)

    def _facts_of(self, row: bytes) -> list[tuple[tuple[str, ...], Facts]]:
        """The facts of a row's deals that have any, with what they are broken down by."""
        rules = self._rules
        return [
            (rules.combination(life), facts)
            for life in rules.lives(row)
            if (facts := rules.facts(life))
        ]

    def _spend(self, key: bytes, row: bytes) -> Spend:
        """The one event of a spend's row; its key names the channel, then the event's id."""
        event = journey.events(row)[0]
        channel, apart, _ = key[len(SPEND_KEY) :].partition(_APART)
        if not apart:
            channel = channel[: -len(event.id.encode()) - 1]
        return Spend.of(self._rules.spellings["channel"][channel.decode()], event)
