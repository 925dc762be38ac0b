"""Facts added up one by one: what the windows are made of, and much cheaper than they are.

Sums of a window are sums of facts, so where all facts agree – which deal's combination of values,
cell, minute and weight – all sums do. Nine of ten schedules take this in the place of the windows.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.measures import REACHED

_LEADS: Final = REACHED.cell("lead")

Facts = Mapping[Any, int]
"""Weights by combination, cell and minute; and how often a spend stands there."""


class FactSnapshot(NamedTuple):
    """All facts as of an instant (µs), by source; ``version`` 0: it is not audited."""

    as_of: int
    by_source: tuple[Facts, ...]
    leads: int
    version: int = 0

    def facts(self) -> dict[Any, int]:
        """Those of all sources together."""
        found: dict[Any, int] = {}
        for facts in self.by_source:
            _add(found, facts.items())
        return found


class FactTables:
    """Has what ``Aggregate`` asks of ``WindowTables``."""

    def __init__(self, _: Definition) -> None:
        self._as_of = 0
        self._sources: dict[int, dict[Any, int]] = {}
        self._shown: FactSnapshot | None = None

    def apply(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Add differences from a source."""
        self._shown = None
        facts = self._sources.setdefault(source, {})
        for block in blocks:
            combinations = [block.combinations[index] for index in block.combination.tolist()]
            keys = zip(combinations, block.cell.tolist(), block.minute.tolist(), strict=True)
            _add(facts, zip(keys, block.weight.tolist(), strict=True))
            _add(facts, block.spends)

    def replace(self, source: int, blocks: Iterable[FactBlock]) -> None:
        """Let these be all of a source."""
        self._sources[source] = {}
        self.apply(source, blocks)

    def advance(self, now_us: int) -> None:
        """Time never moves back."""
        if now_us > self._as_of:
            self._as_of = now_us
            self._shown = None

    def snapshot(self) -> FactSnapshot:
        """The facts as they are."""
        if self._shown is None:
            copied = tuple(dict(facts) for facts in self._sources.values())
            leads = sum(
                weight
                for facts in copied
                for key, weight in facts.items()
                if len(key) == 3 and key[1] == _LEADS
            )
            self._shown = FactSnapshot(self._as_of, copied, leads)
        return self._shown


def _add(facts: dict[Any, int], weights: Iterable[tuple[Any, int]]) -> None:
    for key, weight in weights:
        total = facts.get(key, 0) + weight
        if total:
            facts[key] = total
        else:
            del facts[key]
