"""A worker whose clock is the newest event shows, at any instant, what ``compute --as-of`` says."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import compute
from funnel_stream.tools.publisher import publish
from funnel_stream.tools.simulator import Simulator
from tests.integration.processes import Broker, Figures, Worker
from tests.integration.stories import RICH, written
from tests.oracle.funnels import RandomFunnel

pytestmark = pytest.mark.broker

END = datetime(2026, 5, 28, 12, 34, tzinfo=UTC)
DAYS = 60
INSTANTS = 100
CONFIG = RICH | {
    "windows": ["1h", "24h", "60d"],
    "dimensions": ["channel", "channel × product"],
    "top_n": 3,
    "top_n_of": {"reason": 1},
}


class Instant(NamedTuple):
    """Events that arrive together, and the time (µs) of the newest of all so far."""

    lines: list[bytes]
    as_of: int


def test_a_hundred_instants(
    start_broker: Callable[..., Broker], start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    """Two funnels, one drawn to stand on every edge and one simulated, in the order in which it
    all occurred; then what is left: erasures, and lines that come late."""
    config = written(tmp_path, CONFIG)
    definition = load(config)
    in_time, afterwards = by_time(funnel())
    broker = start_broker(3)
    worker = start_worker(broker, "--clock", "event", "--config", str(config))
    worker.wait_ready()
    compared = 0
    for lines, as_of in in_steps(in_time, INSTANTS):
        publish(lines, broker.address)
        expected = figures(in_time, definition, as_of)
        wait_for(worker, expected, as_of)
        compared += len(expected)

    publish(afterwards, broker.address)
    expected = figures([*in_time, *afterwards], definition, as_of)
    assert expected != figures(in_time, definition, as_of), "nothing was erased"
    wait_for(worker, expected, as_of)
    print(f"{compared} figures compared at {INSTANTS} instants")


def funnel() -> Iterator[bytes]:
    drawn = RandomFunnel(11, deals=150, end=END, days=DAYS).lines()
    yield from (
        line.encode() if isinstance(line, str) else json.dumps(line).encode() for line in drawn
    )
    simulator = Simulator(start=END - timedelta(days=DAYS), deals_per_day=4, seed=11)
    yield from simulator.history(END)


def by_time(lines: Iterator[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The lines in the order in which they occurred, those that are no events where they stood;
    and what is to follow: an erasure holds from its arrival on, so none is among the former."""
    timed: list[tuple[datetime, bytes]] = []
    afterwards: list[bytes] = []
    erased: set[str] = set()
    last = END - timedelta(days=10 * DAYS)
    for line in lines:
        if b'"deal_erased"' in line:
            erased.add(json.loads(line)["deal_id"])
            afterwards.append(line)
        if (at := occurred_at(line)) and at > END:
            continue  # for the worker, whose now is later than the end, this would be an event
        last = at or last
        timed.append((last, line))
    timed = [(at, line) for at, line in timed if line not in set(afterwards)]
    late = [line for _, line in timed if _deal(line) in erased]
    return [line for _, line in sorted(timed, key=lambda each: each[0])], [*afterwards, *late]


def occurred_at(line: bytes) -> datetime | None:
    """When it occurred, if it can have."""
    try:
        at = datetime.fromisoformat(json.loads(line)["occurred_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return at if at.tzinfo else None


def _deal(line: bytes) -> str | None:
    try:
        deal = json.loads(line)["deal_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return deal if isinstance(deal, str) else None


def in_steps(lines: Sequence[bytes], steps: int) -> Iterator[Instant]:
    """Cut where time moves on, so that nothing more can occur at the instant of a step."""
    newest = list(
        accumulate((occurred_at(line) or END.min.replace(tzinfo=UTC) for line in lines), max)
    )
    moves = [n for n in range(1, len(lines)) if newest[n] > newest[n - 1]] + [len(lines)]
    ends = [moves[(n + 1) * len(moves) // steps - 1] for n in range(steps)]
    for start, end in zip([0, *ends], ends, strict=False):
        since = newest[end - 1] - datetime(1970, 1, 1, tzinfo=UTC)
        yield Instant(list(lines[start:end]), since // timedelta(microseconds=1))


def figures(lines: Sequence[bytes], definition: Definition, as_of: int) -> Figures:
    result = compute(lines, definition, as_of=as_of, now_ms=time.time_ns() // 1_000_000)
    return {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in samples(result.snapshot)
    }


def wait_for(worker: Worker, expected: Figures, as_of: int) -> None:
    worker.wait_figures(expected)
    assert worker.metric("funnel_as_of_timestamp_seconds") == as_of / 1e6
