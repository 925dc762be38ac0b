"""What will happen in a schedule, drawn from its seed before it begins, so that it can be cut."""

from random import Random
from typing import Final, NamedTuple

from tests.simulation.events import event_list, home_of, record_of

SESSION_SECONDS: Final = 1.0
_FEEDING_SECONDS: Final = 1.2
_LATE_SECONDS: Final = (2.0, 3.5)
"""When a late burst finds the partitions in other hands."""
_BURSTS: Final = 5
_BAD: Final = (b"", b"{", b'{"type":"stage_changed"}', b'{"type":"nothing","deal_id":"d0"}')


class Feed(NamedTuple):
    """A line is published: to its own partition (−1), or to another by mistake."""

    at: float
    line: bytes
    partition: int = -1

    @property
    def is_bad(self) -> bool:
        """Whether it is to be rejected."""
        return self.line in _BAD


class Fault(NamedTuple):
    """Something happens to a worker or a log at that time, or so many steps of the worker later.

    ``crash``: the worker is gone, and starts anew ``span`` seconds later; with a share below ¼ that
    is when it appends to a changelog next, which is under way for about as long; with one below 0.6
    its connection is slow before, so that something is under way. ``pause``: it stands still so
    long; with a share below ½ it does so when it appends to a changelog next, and what it appends
    is under way for about as long. ``leave``: it stops in order, and starts anew. ``join``: one
    more worker. ``lose``: its next append gets no answer, for which it dies after ``span``; below ½
    the batch does not arrive either, else so much later. ``slow``: its connection is slow for so
    long. ``marker``, ``delete``: a transaction's marker in the events, and the end of those that
    were read. ``cut``: when the panes get longer next, they lose a share of their rows, read or
    not.
    """

    at: float
    kind: str
    worker: int
    steps: int
    span: float
    share: float


class Plan(NamedTuple):
    """``small``: batches are small, so that many are cut. ``rounds``: between them all logs are
    compacted and all workers start anew."""

    seed: int
    partitions: int
    workers: int
    small: bool
    rounds: int
    feeds: tuple[Feed, ...]
    faults: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """After which all has begun to happen."""
        return max([0.0, *(feed.at for feed in self.feeds), *(fault.at for fault in self.faults)])

    @property
    def lines(self) -> tuple[bytes, ...]:
        """All that is to count."""
        return tuple(feed.line for feed in self.feeds if not feed.is_bad)


_KINDS: Final = (
    *("crash",) * 4,
    *("pause",) * 6,
    *("lose",) * 3,
    *("leave", "join", "slow", "marker", "marker", "delete", "cut", "cut"),
)


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = Random(seed)
    partitions = rng.choice((1, 1, 2, 3))
    bursts = [rng.random() * _FEEDING_SECONDS for _ in range(rng.randrange(2, _BURSTS))]
    if rng.random() < 0.6:
        bursts.append(rng.uniform(*_LATE_SECONDS))
    return Plan(
        seed=seed,
        partitions=partitions,
        workers=rng.choice((1, 2, 2, 3)),
        small=rng.random() < 0.5,
        rounds=2 if rng.random() < 0.1 else 1,
        feeds=tuple(_feeds(rng, event_list(seed), partitions, bursts)),
        faults=tuple(sorted(_fault(rng, bursts) for _ in range(rng.randrange(1, 6)))),
    )


def _feeds(
    rng: Random, lines: tuple[bytes, ...], partitions: int, bursts: list[float]
) -> list[Feed]:
    """Much at once, so that something happens amid it; and some in between."""
    feeds = []
    for line in lines:
        elsewhere = -1
        if partitions > 1 and rng.random() < 0.05:
            own = home_of(record_of(line).key or b"", partitions)
            elsewhere = (own + rng.randrange(1, partitions)) % partitions
        feeds.append(Feed(_moment(rng, bursts), line, elsewhere))
    for _ in range(rng.randrange(3)):
        bad = Feed(_moment(rng, bursts), rng.choice(_BAD), rng.randrange(partitions))
        feeds.insert(rng.randrange(len(feeds)), bad)
    times = sorted(feed.at for feed in feeds)
    return [feed._replace(at=time) for feed, time in zip(feeds, times, strict=True)]


def _moment(rng: Random, bursts: list[float]) -> float:
    burst = rng.random() < 0.8
    return rng.choice(bursts) if burst else rng.random() * _FEEDING_SECONDS


def _fault(rng: Random, bursts: list[float]) -> Fault:
    if rng.random() < 0.6:
        at = rng.choice(bursts) + 0.01 * rng.random()
    else:
        at = rng.random() * (_FEEDING_SECONDS + 0.3)
    long = rng.random() < 0.75
    return Fault(
        at=at,
        kind=rng.choice(_KINDS),
        worker=rng.randrange(3),
        steps=rng.randrange(30),
        span=(1.0 + 1.5 * rng.random()) * SESSION_SECONDS if long else 0.6 * rng.random(),
        share=rng.random(),
    )
