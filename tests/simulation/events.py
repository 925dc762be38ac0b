"""Lists of events, and the sums that they come to: drawn from a seed, kept for many schedules."""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from random import Random
from typing import Any, Final

from funnel_stream.contract.partitions import partition_of
from funnel_stream.definition import Definition
from funnel_stream.replay.compute import LineRecord, as_record, batches, compute, deals_of_file
from funnel_stream.windows.tables import Snapshot
from tests.funnels import NOW, at
from tests.simulation.facts import FactSnapshot, FactTables


class _Definition(Definition):
    """One whose fingerprint is taken once."""

    @lru_cache(maxsize=1)  # noqa: B019
    def fingerprint(self) -> str:
        return super().fingerprint()

    __hash__ = object.__hash__


DEFINITION: Final = _Definition(
    windows=("7d", "365d"), dimensions=("channel", "product"), horizons=("7d",), top_n=5
)
NOW_MS: Final = int(NOW.timestamp() * 1000)
_LISTS: Final = 128
_STAGES: Final = ("lead", "qualified", "potential", "offer", "negotiation")
_CHANNELS: Final = ("a", "b", "c/d")
_DAYS: Final = 25
"""An erasure is remembered for thirty days, and a file knows of it for ever."""


def event_list(seed: int) -> tuple[bytes, ...]:
    """Some dozens of lines: one of some hundred lists."""
    return _event_list(seed % _LISTS)


@lru_cache(maxsize=_LISTS)
def _event_list(seed: int) -> tuple[bytes, ...]:
    return tuple(json.dumps(event).encode() for event in _events(Random(seed)))


@lru_cache(maxsize=1 << 16)
def record_of(line: bytes) -> LineRecord:
    """The record that a line is published as."""
    return as_record(0, line, NOW_MS)


home_of = lru_cache(maxsize=1 << 12)(partition_of)
"""The partition of a key; there are few."""


@lru_cache(maxsize=64)
def greeting(partition: int, partitions: int, number: int) -> bytes:
    """An event of a deal of its own that belongs to the partition."""
    for salt in count():
        name = f"g{number}.{salt}"
        if home_of(name.encode(), partitions) == partition:
            return json.dumps(_stage(name, 0, at(days=_DAYS, seconds=number), "lead")).encode()
    raise AssertionError


@lru_cache(maxsize=1 << 10)
def expected(lines: tuple[bytes, ...]) -> Snapshot:
    """What these come to in the windows, in whatever order, unless deals are erased: sort them, so
    that it is known."""
    return compute(lines, DEFINITION, as_of=None, now_ms=NOW_MS).snapshot


@lru_cache(maxsize=1 << 10)
def expected_facts(lines: tuple[bytes, ...]) -> FactSnapshot:
    """The facts of these; so much for the order, too."""
    deals = deals_of_file(DEFINITION)
    for records in batches(lines, NOW_MS):
        deals.fold(records)
    tables = FactTables(DEFINITION)
    tables.replace(0, deals.snapshot())
    tables.advance(deals.watermark)
    return tables.snapshot()


def expect() -> None:
    """Work out what all lists come to, for the processes that are forked from this one."""
    for seed in range(_LISTS):
        lines = event_list(seed)
        expected(tuple(sorted(lines)))
        expected_facts(tuple(sorted(lines)))
        for partitions in (1, 2, 3):
            greetings = [greeting(number, partitions, number) for number in range(partitions)]
            expected_facts(tuple(sorted([*lines, *greetings])))


def _stage(deal: str, number: int, when: str, stage: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "stage_changed",
        "event_id": f"{deal}.{number}",
        "deal_id": deal,
        "occurred_at": when,
        "stage": stage,
        **more,
    }


def _events(rng: Random) -> list[dict[str, Any]]:
    """Deals that go on, spends and erasures; some of it late, and some said twice."""
    made = [event for number in range(rng.randrange(3, 9)) for event in _deal(rng, f"d{number}")]
    made += [_spend(rng, f"s{number}") for number in range(rng.randrange(3))]
    made.sort(key=lambda event: str(event["occurred_at"]))
    for _ in range(rng.randrange(6)):
        index = rng.randrange(len(made))
        made.insert(min(len(made), index + rng.randrange(8)), made.pop(index))
    for _ in range(rng.randrange(5)):
        made.insert(rng.randrange(len(made)), rng.choice(made))
    if rng.random() < 0.3:
        when = at(days=rng.randrange(_DAYS))
        erased = {"type": "deal_erased", "event_id": "x", "deal_id": "d0", "occurred_at": when}
        made.insert(rng.randrange(len(made)), erased)
    return made


def _deal(rng: Random, name: str) -> Iterator[dict[str, Any]]:
    day = rng.randrange(_DAYS - 10)
    place = {"channel": rng.choice(_CHANNELS), "product": rng.choice("xy")}
    for number in range(rng.randrange(1, 5)):
        day += rng.randrange(3)
        when = at(days=day, seconds=rng.randrange(86_400))
        more = place if number == 0 or rng.random() < 0.2 else {}
        if number and rng.random() < 0.25:
            money = {"amount": rng.randrange(1, 500), "currency": "EUR"}
            yield _stage(name, number, when, rng.choice(("won", "lost")), **more, **money)
        else:
            yield _stage(name, number, when, _STAGES[number], **more)


def _spend(rng: Random, name: str) -> dict[str, Any]:
    begin = rng.randrange(_DAYS)
    return {
        "type": "spend_recorded",
        "event_id": name,
        "channel": rng.choice(_CHANNELS),
        "amount": rng.randrange(1, 100),
        "currency": "EUR",
        "period_start": at(days=begin),
        "period_end": at(days=begin + rng.randrange(1, 20)),
        "occurred_at": at(days=_DAYS),
    }
