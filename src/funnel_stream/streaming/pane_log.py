"""The panes topic: numbered differences of facts, by which "track" keeps "aggregate" up to date.

All rows lie on partition 0. A row's key is ``source/epoch.edition/number``. An *edition* begins
with a snapshot (``Begin``, ``Block``…, ``End``), followed by ticks (``Block``…, ``Tick``); its rows
are numbered without a gap. A new epoch or edition of a source replaces all former ones at its
``End``. Blocks count at their end marker, so a reader never shows half of a change.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from funnel_stream.facts.blocks import FactBlock
from funnel_stream.streaming.log import Log, ProducerRecord

PARTITION: Final = 0
_SEND_BYTES: Final = 400_000
_MIN_EDITION_BYTES: Final = 4 << 20
_EDITION_GROWTH: Final = 4


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """How far a source was when it published: ``watermark`` in µs, ``oldest`` is the Kafka
    timestamp (ms) of the oldest record that is new in it, 0 if there is none."""

    watermark: int
    oldest: int = 0


class Begin(msgspec.Struct, array_like=True, tag="begin"):
    """A snapshot begins; ``generation`` of the consumer group in which it was claimed.

    ``fingerprint`` of the definition by which journeys became facts; rows of the first release
    have none.
    """

    generation: int
    fingerprint: str = ""


class BlockRow(msgspec.Struct, array_like=True, tag="block"):
    facts: bytes


class End(msgspec.Struct, array_like=True, tag="end"):
    progress: Progress


class Tick(msgspec.Struct, array_like=True, tag="tick"):
    progress: Progress


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Begin | BlockRow | End | Tick).decode
_KEY: Final = re.compile(rb"(\d+)/(\d+)\.(\d+)/(\d+)")


class Version(NamedTuple):
    """Orders what a source published: by epoch, within it by edition."""

    epoch: int
    edition: int


class PaneWriter:
    """Publishes one source partition's facts."""

    def __init__(
        self,
        log: Log,
        topic: str,
        source: int,
        *,
        epoch: int,
        generation: int,
        fingerprint: str,
    ) -> None:
        self._log = log
        self._topic = topic
        self._source = source
        self._version = Version(epoch, 0)
        self._begin = Begin(generation, fingerprint)
        self._number = 0
        self._snapshot_bytes = self._tick_bytes = 0

    @property
    def outgrown(self) -> bool:
        """Whether ticks outweigh the snapshot, so that a new one is due and the log may shrink."""
        limit = max(_EDITION_GROWTH * self._snapshot_bytes, _MIN_EDITION_BYTES)
        return self._tick_bytes > limit

    async def snapshot(self, blocks: Iterator[FactBlock], progress: Progress) -> None:
        """Start a new edition with everything there is."""
        self._version = Version(self._version.epoch, self._version.edition + 1)
        self._number = self._tick_bytes = 0
        self._snapshot_bytes = await self._send(self._begin, blocks, End(progress))

    async def tick(self, blocks: Iterable[FactBlock], progress: Progress) -> None:
        """Publish differences; one atomic batch, where they fit into one."""
        self._tick_bytes += await self._send(None, blocks, Tick(progress))

    async def _send(
        self, first: Begin | None, blocks: Iterable[FactBlock], last: End | Tick
    ) -> int:
        total = size = 0
        rows = [self._row(first)] if first else []
        for block in blocks:
            facts = block.encode()
            if rows and size + len(facts) > _SEND_BYTES:
                await self._log.append(self._topic, PARTITION, rows)
                rows, size = [], 0
            rows.append(self._row(BlockRow(facts)))
            size += len(facts)
            total += len(facts)
        await self._log.append(self._topic, PARTITION, [*rows, self._row(last)])
        return total

    def _row(self, value: Begin | BlockRow | End | Tick) -> ProducerRecord:
        key = _key(self._source, self._version, self._number)
        self._number += 1
        return ProducerRecord(key, _encode(value))


def _key(source: int, version: Version, number: int) -> bytes:
    return b"%d/%d.%d/%d" % (source, version.epoch, version.edition, number)


class Completed(NamedTuple):
    """What a marker completed: a source's whole content (``replaces``) or a difference."""

    source: int
    replaces: bool
    blocks: list[bytes]
    progress: Progress


class _PaneSource:
    """What a reader knows of one source partition."""

    def __init__(self) -> None:
        self.version = Version(0, 0)
        self.next_number = 0
        self.broken = True
        self.complete = False
        self.begin = self.new_begin = Begin(-1)
        self.blocks: list[bytes] = []
        self.last_numbers: dict[Version, int] = {}


class PaneReader:
    """Follows the panes topic from its beginning. Knows for each source whether it is complete.

    An edition that was made under another definition than the reader's is read, but never counts.
    """

    def __init__(self, sources: int, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._sources = [_PaneSource() for _ in range(sources)]
        self._outdated: list[bytes] = []

    def take(self, key: bytes | None, value: bytes | None) -> Completed | None:
        """Read one row; gives what it completes. Tombstones and foreign keys are skipped."""
        if key is None or value is None:
            return None
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        number, epoch, edition, row = map(int, match.groups())
        if number >= len(self._sources):
            return None
        source, version = self._sources[number], Version(epoch, edition)
        if version < source.version:
            self._outdated.append(key)
            return None
        source.last_numbers[version] = row
        if version > source.version:
            source.version, source.next_number, source.blocks = version, 0, []
            source.broken = False
        if source.broken or row != source.next_number:
            source.broken, source.complete, source.blocks = True, False, []
            return None
        source.next_number += 1
        return self._complete(number, source, _decode(value))

    def _complete(
        self, number: int, source: _PaneSource, row: Begin | BlockRow | End | Tick
    ) -> Completed | None:
        if isinstance(row, Begin):
            source.new_begin = row
            return None
        ours = source.new_begin.fingerprint == self._fingerprint
        if isinstance(row, BlockRow):
            if ours:
                source.blocks.append(row.facts)
            return None
        blocks, source.blocks = source.blocks, []
        replaces = isinstance(row, End)
        if replaces:
            source.complete, source.begin = ours, source.new_begin
            self._drop_former(number, source)
        return Completed(number, replaces, blocks, row.progress) if ours else None

    def _drop_former(self, number: int, source: _PaneSource) -> None:
        for version in [v for v in source.last_numbers if v < source.version]:
            last = source.last_numbers.pop(version)
            self._outdated += [_key(number, version, row) for row in range(last + 1)]

    def skip(self) -> None:
        """Rows were lost unread: nobody can tell of which sources, so each has to begin anew."""
        for source in self._sources:
            source.broken, source.complete, source.blocks = True, False, []

    def missing(self, generation: int) -> list[int]:
        """Sources without a complete snapshot that was claimed in this group generation."""
        return [
            number
            for number, source in enumerate(self._sources)
            if not source.complete or source.begin.generation != generation
        ]

    def foreign(self) -> list[int]:
        """Sources whose last whole edition was made under another definition."""
        return [
            number
            for number, source in enumerate(self._sources)
            if source.begin.generation >= 0 and source.begin.fingerprint != self._fingerprint
        ]

    def take_outdated(self) -> list[bytes]:
        """Keys of replaced editions, to be tombstoned; each is given once."""
        outdated, self._outdated = self._outdated, []
        return outdated
