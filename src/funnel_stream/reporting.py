"""What a worker tells the world: written by the stream, read by the HTTP server's thread.

Every reading is an immutable copy, so that a scrape never blocks the stream and never sees half
of a change. Nothing here knows Kafka, Faust or Prometheus.
"""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from funnel_stream.facts.deals import Deals
from funnel_stream.windows.tables import Snapshot

BATCH_SIZE_BOUNDS: Final = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0)
"""Upper bounds of the batch size histogram, in records."""

LATENCY_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the event-to-metric latency histogram, in seconds."""

STALL_SECONDS: Final = 120.0
"""A stream that has work but does none of it for so long is reported as dead."""

# Runs on while the process is stopped or the machine asleep, unlike some monotonic clocks.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic() -> float:
    """Seconds on a clock that never stands still, whatever happens to the process."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Histogram:
    """A reading. ``counts[i]`` observations lie above ``bounds[i - 1]`` and at most at
    ``bounds[i]``; one more entry counts those beyond the last bound. Not cumulative."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Operations:
    """The operational figures at one instant. Counters began at 0 with the process."""

    events: int
    """Records taken from the events topic, good and bad, and contained in the state."""
    rejected: Mapping[str, int]
    """Records sent to the dead letters, by reason."""
    amended: Mapping[str, int]
    """Events that were accepted but not quite as they were written, by reason."""
    duplicates: int
    misrouted: int
    """Records re-published to the partition that their key belongs to."""
    late: int
    erased_dropped: int
    expired: int
    """Deals and spends that were over and left the state."""
    expired_dropped: int
    """Events of deals that had left."""
    repeated_outcomes: int
    stubs_evicted: int
    ticks: int
    """Batches of changed facts that were published to the panes topic."""
    invariant_violations: int
    batch_size: Histogram
    """Records per batch; its count is the number of batches."""
    latency: Histogram
    """Seconds from a record's Kafka timestamp until the KPIs contain it, the oldest per tick."""
    lag: Mapping[int, int]
    """By partition of the events topic: records that the state does not contain yet."""
    state_rows: Mapping[int, int]
    """By partition of the events topic: journeys and spend rows held."""
    stubs: Mapping[int, int]
    """By partition: deals that are remembered since they have left."""
    untouched: Mapping[int, int]
    """By partition: open deals without an event for as long as closed ones are kept."""
    recovery_seconds: float
    """From the last assignment of partitions until they were recovered, 0 before the first."""
    assignments: int
    reporting: bool
    """Whether this worker is the one that shows the KPIs."""
    newest: int
    """When the last event of the whole funnel occurred (µs); 0 unless this worker reports."""


class Held(NamedTuple):
    """The deals that a worker holds, by partition; the stream goes on changing them.

    ``partitions``: how many the events topic has. ``as_of``: this worker's now (µs).
    """

    deals: Mapping[int, Deals]
    partitions: int
    as_of: int


def _nobody_knows(deal_id: bytes) -> int:
    return -1


class Peers(NamedTuple):
    """The workers of the group by their addresses, as this one was told at its last assignment.

    Before the first there are none, and those that tell no address are missing. ``own`` may be
    another worker's as well, if an operator gave it to several.
    """

    own: str
    reporting: str | None
    """Who has the panes, and so shows the KPIs as soon as it can."""
    holders: Mapping[int, str]
    """Who holds which partition of the events."""
    partition_of: Callable[[bytes], int] = _nobody_knows
    """The partition that a deal's events lie on."""


class _Tally:
    """A histogram that is still counting."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def reading(self) -> Histogram:
        return Histogram(self._bounds, tuple(self._counts), self._sum)


class Reporter:
    """The one object that stream and HTTP server share. Every method may be called anywhere.

    The KPIs are shown by one worker alone, the owner of the panes. Two things must hold: its
    windows are complete (``publish``, until ``hide``), and it can prove that it is still a member
    of the group: the last confirmation (``confirm_membership``) is younger than the session
    timeout. Both are judged at every reading, so a worker that wakes up from a pause shows nothing
    before the broker has spoken to it.
    """

    def __init__(
        self,
        *,
        session_timeout: float = 10.0,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._session_timeout = session_timeout
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._reason = "starting"
        self._snapshot: Snapshot | None = None
        self._newest = 0
        self._owner = False
        self._owner_reason = ""
        self._confirmed = -session_timeout
        self._heartbeat = self._progress = clock()
        self._counts: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._amended: Counter[str] = Counter()
        self._batch_size = _Tally(BATCH_SIZE_BOUNDS)
        self._latency = _Tally(LATENCY_BOUNDS)
        self._lag: dict[int, int] = {}
        self._state_rows: dict[int, int] = {}
        self._stubs: dict[int, int] = {}
        self._untouched: dict[int, int] = {}
        self._recovery_seconds = 0.0
        self._deals: Mapping[int, Deals] = {}
        self._partitions = 0
        self._event_clock = False
        self._peers = Peers("", None, MappingProxyType({}))

    # --- read by the HTTP server ----------------------------------------------------------------

    def alive(self) -> bool:
        """Whether the stream's loop turns and, where there is work, makes progress."""
        with self._lock:
            now = self._clock()
            if now - self._heartbeat > STALL_SECONDS:
                return False
            return not any(self._lag.values()) or now - self._progress <= STALL_SECONDS

    def ready(self) -> tuple[bool, str]:
        """Whether all that is assigned has been recovered; if not, what is being waited for."""
        with self._lock:
            if self._reason:
                return False, self._reason
            if self._owner and self._shown() is None:
                return False, self._owner_reason or "confirming the membership in the group"
            return True, "ready"

    def reporting(self) -> bool:
        """Whether this worker, and no other, shows the KPIs now."""
        with self._lock:
            return self._shown() is not None

    def snapshot(self) -> Snapshot | None:
        """The KPIs' windows, or ``None`` unless this worker reports."""
        with self._lock:
            return self._shown()

    def peers(self) -> Peers:
        """Where the workers of the group are reached, and who has what."""
        with self._lock:
            return self._peers

    def held(self) -> Held | None:
        """The deals of this worker's partitions; ``None`` while it does not know them for sure.

        Where this worker reports, now is the instant of the figures that it shows.
        """
        with self._lock:
            if self._reason or self._in_doubt():
                return None
            if shown := self._shown():
                as_of = shown.as_of
            elif self._event_clock:
                as_of = max((deals.watermark for deals in self._deals.values()), default=0)
            else:
                as_of = int(self._wall() * 1_000_000)
            return Held(self._deals, self._partitions, as_of)

    def operations(self) -> Operations:
        """The operational figures."""
        with self._lock:
            counts = self._counts
            return Operations(
                events=counts["events"],
                rejected=dict(self._rejected),
                amended=dict(self._amended),
                duplicates=counts["duplicates"],
                misrouted=counts["misrouted"],
                late=counts["late"],
                erased_dropped=counts["erased_dropped"],
                expired=counts["expired"],
                expired_dropped=counts["expired_dropped"],
                repeated_outcomes=counts["repeated_outcomes"],
                stubs_evicted=counts["stubs_evicted"],
                ticks=counts["ticks"],
                invariant_violations=counts["invariant_violations"],
                batch_size=self._batch_size.reading(),
                latency=self._latency.reading(),
                lag=dict(self._lag),
                state_rows=dict(self._state_rows),
                stubs=dict(self._stubs),
                untouched=dict(self._untouched),
                recovery_seconds=self._recovery_seconds,
                assignments=counts["assignments"],
                reporting=self._shown() is not None,
                newest=self._newest,
            )

    def _shown(self) -> Snapshot | None:
        return None if self._in_doubt() else self._snapshot

    def _in_doubt(self) -> bool:
        return self._clock() - self._confirmed >= self._session_timeout

    # --- written by the stream ------------------------------------------------------------------

    def heartbeat(self) -> None:
        """The stream's loop turns."""
        with self._lock:
            self._heartbeat = self._clock()

    def confirm_membership(self, at: float) -> None:
        """The broker has accepted a request of this member that was *sent* at ``at``."""
        with self._lock:
            self._confirmed = max(self._confirmed, at)

    def assigning(self, reason: str) -> None:
        """Partitions are being revoked, assigned or recovered."""
        with self._lock:
            self._reason = reason
            for known in (self._lag, self._state_rows, self._stubs, self._untouched):
                known.clear()

    def assigned(self, *, owner: bool, seconds: float) -> None:
        """All is recovered; ``owner``: this worker has the panes."""
        with self._lock:
            self._reason = ""
            self._owner = owner
            self._recovery_seconds = seconds
            self._progress = self._clock()
            self._counts["assignments"] += 1

    def introduce(self, peers: Peers) -> None:
        """These are the workers of the group."""
        with self._lock:
            self._peers = peers

    def hold(self, deals: Mapping[int, Deals], *, partitions: int, event_clock: bool) -> None:
        """These partitions, of so many, are this worker's; ``event_clock``: now is the newest
        event."""
        with self._lock:
            self._deals = dict(deals)
            self._partitions = partitions
            self._event_clock = event_clock

    def publish(self, snapshot: Snapshot, newest: int = 0) -> None:
        """The windows are complete as they are here; ``newest``: when the last event of the whole
        funnel occurred (µs), 0 if there is none."""
        with self._lock:
            self._snapshot = snapshot
            self._newest = newest
            self._owner_reason = ""

    def hide(self, reason: str) -> None:
        """The windows are not complete (any more)."""
        with self._lock:
            self._snapshot = None
            self._owner_reason = reason

    def count_batch(
        self,
        records: int,
        counts: Mapping[str, int],
        rejected: Mapping[str, int],
        amended: Mapping[str, int],
    ) -> None:
        """A batch is contained in the state and written; ``counts`` as in ``Fold``, what was
        rejected and amended by reason."""
        with self._lock:
            self._progress = self._clock()
            self._counts["events"] += records
            self._counts.update(counts)
            self._rejected.update(rejected)
            self._amended.update(amended)
            self._batch_size.observe(records)

    def count_tick(self) -> None:
        with self._lock:
            self._counts["ticks"] += 1

    def count_violations(self, violations: int) -> None:
        """Deals whose fate the accounting invariant cannot explain."""
        with self._lock:
            self._counts["invariant_violations"] += violations

    def observe_latency(self, seconds: float) -> None:
        with self._lock:
            self._latency.observe(seconds)

    def observe_partition(
        self, partition: int, *, lag: int, rows: int, stubs: int = 0, untouched: int = 0
    ) -> None:
        with self._lock:
            self._lag[partition] = lag
            self._state_rows[partition] = rows
            self._stubs[partition] = stubs
            self._untouched[partition] = untouched
