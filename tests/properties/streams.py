"""A stream in small: deals in partitions, the changelog of their state, the tables over them."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from zlib import crc32

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.deals import FENCE_KEY, Deals
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import as_record
from funnel_stream.windows.tables import Snapshot, WindowTables
from tests.funnels import NOW, Figures, lines

NOW_US = int(NOW.timestamp()) * 1_000_000


class Stream:
    """What workers do with events, without Kafka: nothing is shown before it is published."""

    def __init__(self, definition: Definition, partitions: int = 3) -> None:
        self.definition = definition
        self.partitions = range(partitions)
        self._deals = [Deals(definition) for _ in self.partitions]
        self._changelogs: list[dict[bytes, bytes]] = [{} for _ in self.partitions]
        self._tables = WindowTables(definition)
        self._now: int | None = None

    def fold(self, *events: dict[str, Any], now_us: int = NOW_US) -> Counter[str]:
        """Records published at ``now_us``, one batch for each partition; what became of them."""
        counts: Counter[str] = Counter()
        for partition in self.partitions:
            own = [each for each in events if self.home_of(each) == partition]
            records = [as_record(n, line, now_us // 1000) for n, line in enumerate(lines(own))]
            fold = self._deals[partition].fold(records)
            changelog = self._changelogs[partition]
            for key, row in fold.changed.items():
                if row is None:
                    changelog.pop(key, None)
                else:
                    changelog[key] = row
            if records:
                changelog[FENCE_KEY] = fold.fence
            counts += fold.counts
            counts["rejected"] += len(fold.rejected)
        return counts

    def home_of(self, event: dict[str, Any]) -> int:
        name = event["channel"] if event["type"] == "spend_recorded" else event["deal_id"]
        return crc32(name.encode()) % len(self.partitions)

    def publish(self, *partitions: int) -> None:
        """Tell the tables what has changed, of all partitions if none is named."""
        for partition in partitions or self.partitions:
            self._tables.apply(partition, list(_sent(self._deals[partition].take_changes())))

    def publish_anew(self, *partitions: int) -> None:
        """Tell the tables everything."""
        for partition in partitions or self.partitions:
            self._tables.replace(partition, list(_sent(self._deals[partition].snapshot())))

    def hand_over(self, partition: int, rng: random.Random) -> None:
        """Another worker recovers the partition from its changelog, whose keys have any order."""
        deals = Deals(self.definition)
        rows = list(self._changelogs[partition].items())
        rng.shuffle(rows)
        for key, row in rows:
            deals.restore(key, row)
        for _ in deals.settle():
            pass
        self._deals[partition] = deals
        self.publish_anew(partition)

    def report_elsewhere(self) -> None:
        """Another worker builds the tables, before it looks at the clock."""
        self._tables = WindowTables(self.definition)
        self.publish_anew()
        if self._now is not None:
            self._tables.advance(self._now)

    def advance(self, now_us: int) -> None:
        self._now = now_us
        self._tables.advance(now_us)

    def snapshot(self) -> Snapshot:
        return self._tables.snapshot()


def _sent(blocks: Iterable[FactBlock]) -> Iterator[FactBlock]:
    return (FactBlock.decode(block.encode()) for block in blocks)


def at_once(
    definition: Definition, events: Iterable[dict[str, Any]], as_of: int, now_us: int = NOW_US
) -> Snapshot:
    """The same events in one go, as of an instant; also those that occurred after it."""
    stream = Stream(definition, partitions=1)
    stream.fold(*events, now_us=now_us)
    stream.publish_anew()
    stream.advance(as_of)
    return stream.snapshot()


def shown(found: Iterable[Sample]) -> Figures:
    """All samples by metric and labels; fails where two have the same."""
    figures: Figures = {}
    for metric, labels, value in found:
        key = metric, frozenset(labels.items())
        assert key not in figures, key
        figures[key] = value
    return figures


def all_figures(snapshot: Snapshot) -> Figures:
    return shown(samples(snapshot))


def differing(ours: Figures, theirs: Figures) -> dict[Any, tuple[float | None, float | None]]:
    """The figures that are not the same, with both values; easier to read than two dictionaries."""
    return {
        key: (ours.get(key), theirs.get(key))
        for key in ours.keys() | theirs.keys()
        if ours.get(key) != theirs.get(key)
    }
