"""The changelog of one partition: batches with a fence, claimed by one owner at a time.

State and input position move together because one record batch holds both (a batch is appended
whole or not at all). Against a paused worker that wakes up after losing its partition, a claim
starts a new *epoch*: every row carries its epoch, rows of an older one are skipped by every reader,
and an owner notices by the offset of its next acknowledgement that somebody else wrote.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from funnel_stream.errors import StateError
from funnel_stream.facts.deals import FENCE_KEY, STUB_KEY, Deals, Fence, Record
from funnel_stream.facts.ledger import DEAL_KEY
from funnel_stream.streaming.log import (
    BATCH_BYTES,
    Headers,
    Log,
    ProducerRecord,
    TopicPartition,
)

EPOCH_HEADER: Final = "epoch"
CLAIM_KEY: Final = b"claim/"
_ROW_OVERHEAD: Final = 50
_ROOM: Final = BATCH_BYTES - 20_000

Changes = Mapping[bytes, bytes | None]


class Claim(msgspec.Struct, array_like=True):
    """Value of a claim row: what its owner believed about the topics and the definition."""

    partitions: int
    definition: str


class AppendedClaim(NamedTuple):
    """A claim that was appended: its epoch, and its offset in the log."""

    epoch: int
    offset: int


class ForeignWriteError(Exception):
    """An acknowledged batch does not continue ours: somebody else has written in between."""


def row_bytes(key: bytes, value: bytes | None) -> int:
    """What a row takes in a batch, at most."""
    return len(key) + len(value or b"") + _ROW_OVERHEAD


def epoch_header(epoch: int) -> Headers:
    return [(EPOCH_HEADER, b"%d" % epoch)]


def encoded_fence(deals: Deals) -> bytes | None:
    """The fence row's value of a state, ``None`` before the first record."""
    if deals.fence is None:
        return None
    return msgspec.msgpack.encode(Fence(deals.fence, deals.watermark))


class ChangelogReplay:
    """A partition's state while its changelog is being read.

    ``stale``: keys whose last row is by an outdated epoch; the new owner writes them again, so that
    compaction cannot drop the valid row before the outdated one.
    """

    def __init__(self, deals: Deals, tp: TopicPartition, *, partitions: int) -> None:
        self.tp = tp
        self.deals = deals
        self.epoch = 0
        self.end = 0
        self.stale: set[bytes] = set()
        self._partitions = partitions
        self._claims: dict[int, int] = {}

    def take(self, record: Record) -> None:
        """Apply one row of the log. Raises ``StateError`` if it does not fit this version."""
        self.end = record.offset + 1
        key = record.key or b""
        epoch = self._epoch(record)
        if epoch < self.epoch:
            self.stale.add(key)
            return
        self.epoch = epoch
        self.stale.discard(key)
        if key.startswith(CLAIM_KEY):
            self._claims.setdefault(epoch, record.offset)
            self._check(msgspec.msgpack.decode(record.value or b"", type=Claim))
        else:
            self.deals.restore(key, record.value)

    def holds(self, epoch: int, offset: int) -> bool:
        """Whether that claim is the first of the newest epoch. Two who read equally far claim the
        same epoch; the later one has to claim again."""
        return epoch == self.epoch and self._claims.get(epoch) == offset

    def _epoch(self, record: Record) -> int:
        for name, value in record.headers:
            if name == EPOCH_HEADER:
                return int(value)
        raise StateError(
            f"Row {record.offset} of {self.tp} has no epoch; this is not a changelog of "
            "funnel-stream.",
            hint="Is the changelog topic's name right?",
        )

    def _check(self, claim: Claim) -> None:
        if claim.partitions != self._partitions:
            raise StateError(
                f"The state was built from {claim.partitions} partitions of events; now there are "
                f"{self._partitions}, and deals lie elsewhere.",
                hint="Copy the events to new topics of equal partition counts, or restore them.",
            )


class Changelog:
    """The end of a claimed partition of the changelog. ``end`` is where the next batch must lie."""

    def __init__(self, log: Log, tp: TopicPartition, *, epoch: int, end: int) -> None:
        self.epoch = epoch
        self.end = end
        self._log, self._tp = log, tp
        self._headers = epoch_header(epoch)
        self._fence: bytes | None = None

    async def rewrite(self, deals: Deals, keys: set[bytes]) -> None:
        """Write the valid rows of these keys once more, tombstones included."""
        self._fence = encoded_fence(deals)
        if keys:
            changes = {
                key: deals.stored(key)
                for key in sorted(keys)
                if key != FENCE_KEY and not key.startswith(CLAIM_KEY)
            }
            await self.append(changes, self._fence)

    async def append(self, changes: Changes, fence: bytes | None) -> None:
        """Write changed rows and how far the state has read; returns when acknowledged.

        One batch, atomic, if the rows fit. Where they do not, the ones before the last carry the
        old fence: replaying the records in between finds their events known and changes nothing.
        """
        pieces = list(_cut(changes))
        for piece in pieces:
            position = fence if piece is pieces[-1] else self._fence
            records = [ProducerRecord(FENCE_KEY, position, self._headers)]
            records += [ProducerRecord(key, value, self._headers) for key, value in piece.items()]
            [appended] = await self._log.append(*self._tp, records)
            if appended.offset != self.end:
                raise ForeignWriteError(f"expected offset {self.end}, got {appended.offset}")
            self.end += appended.records
        self._fence = fence


def _cut(changes: Changes) -> Iterator[Changes]:
    piece: dict[bytes, bytes | None] = {}
    size = 0
    last = b""
    for key, value in changes.items():
        size += row_bytes(key, value)
        # Who has left and the stub that remembers him go together.
        if size > _ROOM and piece and not (key.startswith(STUB_KEY) and last.startswith(DEAL_KEY)):
            yield piece
            piece, size = {}, row_bytes(key, value)
        piece[key] = value
        last = key
    yield piece
