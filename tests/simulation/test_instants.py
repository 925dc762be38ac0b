"""A worker whose clock is the newest event shows, at any instant, what ``compute --as-of`` says."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

from funnel_stream.config.load import load
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.history import History
from funnel_stream.tools.simulator import Simulator
from tests.integration.stories import RICH, written
from tests.oracle.funnels import RandomFunnel
from tests.simulation.broken import Broken
from tests.simulation.stage import computed, figures, staged

END = datetime(2026, 5, 28, 12, 34, tzinfo=UTC)
LATER = END + timedelta(days=100)
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


def test_a_hundred_instants(tmp_path: Path) -> None:
    """Two funnels, one drawn to stand on every edge and one simulated, in the order in which it
    all occurred; then what is left: erasures, and lines that come late."""
    definition = load(written(tmp_path, CONFIG))
    in_time, afterwards = by_time(funnel())
    steps = list(in_steps(in_time, INSTANTS))
    history = History(in_time, definition, now_ms=int(LATER.timestamp() * 1000))
    snapshots = history.snapshots([step.as_of for step in steps])
    compared = 0
    with staged(3, now=LATER) as stage:
        worker = stage.start(definition)
        stage.wait_ready(worker)
        for number, ((lines, as_of), snapshot) in enumerate(zip(steps, snapshots, strict=True)):
            expected = samples(snapshot)
            if number % 10 == 0:  # all of them in one pass cost less, and are the same
                alone = computed(in_time, definition, as_of=as_of, now=LATER)
                assert figures(snapshot) == alone
            stage.publish(lines)
            stage.until(lambda as_of=as_of: stage.shown.as_of >= as_of, "that instant")
            stage.wait_samples(expected)
            assert stage.shown.as_of == as_of
            compared += len(expected)

        before = figures(stage.shown)
        stage.publish(afterwards)
        everything = [*in_time, *afterwards]
        erased = computed(everything, definition, as_of=as_of, now=LATER)
        assert erased != before, "nothing was erased"
        stage.wait_figures(worker, erased)
    print(f"{compared} figures compared at {INSTANTS} instants")


def test_a_clock_that_is_the_walls_is_noticed(tmp_path: Path) -> None:
    broken = Broken(
        "time is that of the wall",
        "streaming.aggregate",
        "as_of = tables.watermark if clock_is_event else",
        "as_of = tables.watermark if not clock_is_event else",
    )
    with broken.in_place(), pytest.raises(AssertionError):
        test_a_hundred_instants(tmp_path)


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
