"""The log as a port: everything by which a worker's stream talks to the world.

``kafka/`` is the real world, ``memory/`` one in which everything can be made to happen. What stands
on this port alone knows neither. All of it is asyncio in one thread, unless it says otherwise.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn, Protocol

from funnel_stream.facts.deals import Record
from funnel_stream.reporting import Peers

BATCH_BYTES: Final = 900_000
"""Uncompressed size at which a batch is full; brokers take 1 MiB (compressed) by default."""

Headers = list[tuple[str, bytes]]
_NO_HEADERS: Final[Headers] = []


class TopicPartition(NamedTuple):
    """Names one log: a partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class ProducerRecord(NamedTuple):
    """One record to be written; ``timestamp`` in milliseconds, ``None`` for now."""

    key: bytes | None
    value: bytes | None
    headers: Headers = _NO_HEADERS
    timestamp: int | None = None


class Appended(NamedTuple):
    """Where an acknowledged batch lies: its first offset (−1: nobody knows), its records."""

    offset: int
    records: int


class Bounds(NamedTuple):
    """First offset there is, and the one that the next record will get."""

    begin: int
    end: int


class Batch:
    """Records that were fetched at once from one partition.

    ``start`` and ``end`` are positions: where the last batch ended, and where the next one begins.
    Offsets that are missing inside belong to transaction markers or aborted records, so batches
    join without a gap. ``highwater`` is the partition's end at the time of the fetch; ``stamp``
    tells whether the batch has become stale.
    """

    __slots__ = ("end", "highwater", "partition", "records", "stamp", "start", "topic")

    def __init__(
        self,
        tp: tuple[str, int],
        records: Sequence[Record],
        *,
        start: int,
        end: int,
        highwater: int,
        stamp: int,
    ) -> None:
        self.topic, self.partition = tp
        self.records = records
        self.start, self.end = start, end
        self.highwater = highwater
        self.stamp = stamp


class TooLargeError(Exception):
    """The log does not take a record of this size."""


class SupersededError(Exception):
    """Another assignment has begun; what is being built is of no use."""


class UnavailableError(Exception):
    """The log cannot be read just now; it may be later."""


class LogReader(Protocol):
    """Reads whole partitions from end to end, outside of any group."""

    async def bounds(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Where each partition begins and ends now. Raises ``UnavailableError``."""
        ...

    def read(
        self, spans: Mapping[TopicPartition, Bounds]
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Record]]]:
        """All records of the spans, in order per partition, and possibly some beyond.

        Offsets may be missing. Raises ``SupersededError`` as soon as they are not needed any more,
        ``UnavailableError`` where the log does not answer.
        """
        ...


class Log(Protocol):
    """Partitions to which batches of records are appended."""

    async def append(
        self, topic: str, partition: int, records: Iterable[ProducerRecord]
    ) -> list[Appended]:
        """Append in order, in as few batches as they fit into; returns when acknowledged.

        One batch is atomic: it is appended whole or not at all, and nobody's records lie within
        it. Several are not: they are sent one after the other, so that a reader sees a beginning of
        them. Of what is appended at once no more may be assumed than that each call's records keep
        their order. Where it is not known whether a batch has been appended, the caller never goes
        on: the process dies. Raises ``TooLargeError`` for a record beyond the limit.
        """
        ...

    def reader(self, is_needed: Callable[[], bool]) -> AbstractAsyncContextManager[LogReader]:
        """``is_needed`` is asked between reads: ``False`` ends the reading."""
        ...


class Membership(Protocol):
    """This worker's part in its group: which partitions it has, and what is fetched of them.

    A partition is fetched only between ``open_partitions`` and the next assignment. ``generation``
    counts this worker's assignments, and changes whenever one begins or ends; the whole group goes
    by ``group_generation``. May be asked while the group is assigning anew, so that no two answers
    need to fit together.
    """

    @property
    def generation(self) -> int: ...

    @property
    def group_generation(self) -> int: ...

    def assigned(self) -> AbstractSet[TopicPartition]:
        """What this worker has been given."""
        ...

    def peers(self) -> Peers:
        """Who has what, as of the last assignment."""
        ...

    async def open_partitions(
        self, positions: Mapping[TopicPartition, int], generation: int
    ) -> bool:
        """Fetch from there; refused (``False``) if the assignment is another by now."""
        ...

    async def close_partition(self, tp: TopicPartition, generation: int) -> bool:
        """Fetch nothing more of it until it is opened again, and make stale what is under way;
        refused (``False``) if the assignment is another by now."""
        ...

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit input offsets; ``False`` if the group does not take them from this member."""
        ...

    async def heartbeat(self) -> None:
        """Ask the group now whether this is still a member."""
        ...

    async def bounds(self, tp: TopicPartition) -> Bounds:
        """Where the partition begins and ends now."""
        ...

    def is_stale(self, batch: Batch) -> bool:
        """Whether its partition was closed or opened anew since the batch was fetched."""
        ...

    def end_of(self, tp: TopicPartition) -> int | None:
        """The partition's end as of the last fetch."""
        ...


class Clock(Protocol):
    """What time it is. Whoever waits does so by asyncio."""

    def monotonic(self) -> float:
        """Seconds, on a clock that never stands still."""
        ...

    def wall(self) -> float:
        """Seconds since 1970."""
        ...

    def cpu(self) -> float:
        """Seconds that this thread has computed."""
        ...


class Process(Protocol):
    """What is the business of the process as a whole."""

    def die(self, reason: str, error: BaseException | None = None) -> NoReturn:
        """End now, without a last write: the next start recovers from the changelog.

        For failed writes above all: a batch that timed out may still land, so whatever this
        process would do next could contradict it.
        """
        ...

    def give_back(self) -> None:
        """Give freed memory back to the system."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All that a worker needs from outside."""

    log: Log
    membership: Membership
    clock: Clock
    process: Process
