"""``make bench``: the whole path against ordinary Faust and against the ceiling, side by side.

Every side runs in a process of its own against the same records; the sides are interleaved, and the
best run of each counts, so that what else the machine does falls on all of them alike.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import costs
from bench.naive_faust import changelogs
from bench.whole_path import leads
from funnel_stream.definition import Definition
from funnel_stream.replay.compute import compute
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from funnel_stream.tools.publisher import publish
from funnel_stream.tools.simulator import Simulator

PARTITIONS = 16
"""Enough that events and changelog stay below what the embedded broker keeps of a partition."""
DAYS, DEALS_PER_DAY = 60, 600
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--naive-events", type=int, help="fewer for ordinary Faust, to save time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args(argv)
    console = Console(stderr=True)
    with console.status("simulating events"):
        # No erasures: ordinary Faust knows nothing of them, and all sides read the same records.
        start = END - timedelta(days=DAYS)
        story = Simulator(start=start, deals_per_day=DEALS_PER_DAY, seed=7, erasures=False)
        events = list(islice(story.history(END), arguments.events))
        expected = compute(events, Definition(), as_of=None, now_ms=int(time.time() * 1000))
    runs: dict[str, list[dict[str, float]]] = {"ceiling": [], "naive": [], "whole": []}
    for number in range(1, arguments.rounds + 1):
        for side, found in runs.items():
            with console.status(f"round {number} of {arguments.rounds}: {side}"):
                found.append(
                    _run(
                        side,
                        events,
                        arguments.naive_events or len(events),
                        leads(expected.snapshot),
                    )
                )
            console.print(f"round {number}  {side:8} {found[-1]['events_per_s']:>9,.0f} events/s")
    with console.status("recovery, scrape and memory"):
        more = costs.measure(events)
    result = _result(runs, more)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    Console().print(_table(result))


def _run(side: str, events: list[bytes], naive_events: int, leads: int) -> dict[str, float]:
    """One side against a fresh broker that holds the records already."""
    count = naive_events if side == "naive" else len(events)
    topics = standard_topics(PARTITIONS) | dict.fromkeys(changelogs(), PARTITIONS)
    with broker_process(topics) as address:
        publish(events[:count], address)
        module = {"ceiling": "ceiling", "naive": "naive_faust", "whole": "whole_path"}[side]
        arguments = ["--broker", address, "--events", str(count)]
        if side == "whole":
            arguments += ["--leads", str(leads)]
        command = [sys.executable, "-m", f"bench.{module}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def broker_process(topics: dict[str, int]) -> Iterator[str]:
    """An embedded broker in a process of its own; its address."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with EmbeddedBroker(topics) as broker:
            os.write(writing, broker.address.encode())
            while True:
                time.sleep(3600)
    try:
        yield os.read(reading, 100).decode()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def _result(runs: dict[str, list[dict[str, float]]], more: dict[str, float]) -> dict[str, Any]:
    best = {side: max(run["events_per_s"] for run in found) for side, found in runs.items()}
    whole = max(runs["whole"], key=lambda run: run["events_per_s"])
    return {
        "events_per_s": round(best["whole"]),
        "naive_faust_events_per_s": round(best["naive"]),
        "ceiling_events_per_s": round(best["ceiling"]),
        "ratio_vs_naive_faust": round(best["whole"] / best["naive"], 2),
        "ratio_of_ceiling": round(best["whole"] / best["ceiling"], 3),
        "cpu_us_per_event": round(min(run["cpu_us_per_event"] for run in runs["whole"]), 1),
        "memory_mb_per_100k_deals": round(whole["memory_mb"] / whole["deals"] * 100_000),
        **more,
        "events": whole["events"],
        "deals": whole["deals"],
        "rounds": {
            side: [round(run["events_per_s"]) for run in found] for side, found in runs.items()
        },
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def _table(result: dict[str, Any]) -> Table:
    table = Table("figure", "value", title="make bench")
    for name, value in result.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int | float) else str(value))
    return table


if __name__ == "__main__":
    main()
