"""``make bench-years``: what an event costs at the end of three and a half years of a funnel, and
whether memory stays on a plateau.

*Worker*: one process holds the state of a whole worker (journeys, panes, windows), without Kafka,
and is never restarted. Whatever it writes to its changelog goes to a file. At the end of every half
year another process begins with nothing but this file and must come to the same figures. The cost
of an event is CPU time by step: the median of the weeks, so that what else the machine does matters
less. *compute*: the command reads the file of all events so far, in a process of its own.
"""

import argparse
import gc
import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

from rich.console import Console
from rich.table import Table

from bench.long_funnel import DAY_S, START_S, arrivals
from bench.scale import PARTITIONS, rss_mb
from funnel_stream.definition import Definition
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.deals import FENCE_KEY, Deals
from funnel_stream.facts.measures import CELLS, cell_id
from funnel_stream.kpis.samples import exported, samples, series
from funnel_stream.replay.compute import LineRecord, as_record
from funnel_stream.streaming.heap import give_back
from funnel_stream.windows.tables import NOW, Snapshot, WindowTables

HALF_YEAR = 182
"""Days."""
_TICK = 600
"""Events that come before the figures are shown again: a day of this funnel."""
_TICKS_A_WEEK = 7
_WIDTH = 160
"""Columns of the tables on the terminal."""
_GC_THRESHOLDS = (50_000, 20, 20)
_STEPS = ("fold", "facts", "windows", "snapshot")
_TOLERANCE = 0.15
_SETTLED = 2
"""Half years after which everything has happened once: the longest window and the expiry."""


class Worker:
    """What one worker holds: the deals of every partition, and the tables over them."""

    def __init__(self) -> None:
        self.definition = Definition()
        self.partitions = [Deals(self.definition) for _ in range(PARTITIONS)]
        self.tables = WindowTables(self.definition)

    def tick(self, records: list[LineRecord], changelog: Callable[[Any], None]) -> Counter[str]:
        """Takes records in until they are shown; CPU seconds by step."""
        spent: Counter[str] = Counter()
        parts: dict[int, list[LineRecord]] = {}
        for record in records:
            parts.setdefault(crc32(record.key or b"") % PARTITIONS, []).append(record)
        for source, part in parts.items():
            began = time.thread_time()
            fold = self.partitions[source].fold(part)
            spent["fold"] += time.thread_time() - began
            assert not fold.rejected, fold.rejected[0]
            spent.update({f"n_{name}": number for name, number in fold.counts.items()})
            changelog((source, {**fold.changed, FENCE_KEY: fold.fence}))
        for source in parts:
            began = time.thread_time()
            blocks = [block.encode() for block in self.partitions[source].take_changes()]
            spent["facts"] += time.thread_time() - began
            began = time.thread_time()
            self.tables.apply(source, [FactBlock.decode(block) for block in blocks])
            spent["windows"] += time.thread_time() - began
        began = time.thread_time()
        self.tables.advance(self.watermark)
        spent["windows"] += time.thread_time() - began
        began = time.thread_time()
        self.tables.snapshot()
        spent["snapshot"] += time.thread_time() - began
        return spent

    @property
    def watermark(self) -> int:
        return max(deals.watermark for deals in self.partitions)

    def scrape(self) -> float:
        """CPU seconds of the figures of ``/metrics``."""
        snapshot = self.tables.snapshot()
        began = time.thread_time()
        series(snapshot, exported(self.definition))
        return time.thread_time() - began

    def restore(self, changelog: "Changelog") -> None:
        """Begin with what another one has written."""
        for source, deals in enumerate(self.partitions):
            for key, value in changelog[source].items():
                deals.restore(key, value)
            for _ in deals.settle():
                pass
            self.tables.replace(source, deals.snapshot())
        self.tables.advance(self.watermark)

    def holds(self) -> dict[str, int]:
        """How much there is of everything."""
        totals = self.tables.snapshot().totals[NOW]
        now = [totals[row] for row in totals if not row.dimension]
        open_cells = [cell_id("open", stage) for stage in OPEN_STAGES]
        breakdowns, sources = self.tables._breakdowns, self.tables._sources.values()
        return {
            "deals": sum(sum(1 for _ in deals.names()) for deals in self.partitions),
            "open": sum(cells.get(cell, 0) for cells in now for cell in open_cells),
            "untouched": sum(deals.untouched for deals in self.partitions),
            "stubs": sum(deals.stubs for deals in self.partitions),
            "facts": sum(len(panes) for source in sources for panes in source.every()),
            "combinations": len(breakdowns),
            "rows": len(breakdowns.rows),
            "cells": len(CELLS),
        }


Changelog = dict[int, dict[bytes, bytes]]
"""The last value of every row by partition, in order of writing: what Kafka keeps."""


def compacted(path: Path) -> Changelog:
    """What has been written, and is left there in its place."""
    kept: Changelog = {source: {} for source in range(PARTITIONS)}
    with path.open("rb") as file:
        while file.peek(1):
            source, rows = pickle.load(file)
            for key, value in rows.items():
                kept[source].pop(key, None)
                if value is not None:
                    kept[source][key] = value
    with path.open("wb") as file:
        for source in kept:
            pickle.dump((source, kept[source]), file)
    return kept


def fingerprints(snapshot: Snapshot) -> dict[str, int]:
    """One of all figures, and of everything in each table: equal where all is equal."""
    found = {"figures": sum(map(_digest, samples(snapshot)))}
    cell_digests = list(map(_digest, CELLS))
    for name, sums in snapshot.totals.items():
        found[name] = sum(
            _digest(row) * sum(cell_digests[cell] * total for cell, total in sums[row].items())
            for row in sums
        )
    return {name: total % (1 << 128) for name, total in found.items()}


def _digest(thing: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(thing).encode(), digest_size=16).digest(), "big")


def restarted(path: Path) -> dict[str, Any]:
    """A new process reads the changelog: its figures, CPU seconds, memory and what it holds."""
    gc.collect()
    base = rss_mb()
    changelog = compacted(path)
    began = time.process_time()
    worker = Worker()
    worker.restore(changelog)
    snapshot = worker.tables.snapshot()
    cpu = time.process_time() - began
    del changelog
    gc.collect()
    give_back()
    held = rss_mb() - base
    return {
        "figures": fingerprints(snapshot),
        "cpu_s": round(cpu, 1),
        "mb": round(held),
        "holds": worker.holds(),
    }


def live(events: Iterator[bytes], ends: list[int], folder: Path) -> Iterator[dict[str, Any]]:
    """A worker that lives through all half years; ``ends``: how many lines have come by then."""
    changelog = folder / "changelog"
    now_ms = (START_S + len(ends) * HALF_YEAR * DAY_S) * 1000
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)  # as a worker does
    base = rss_mb()
    worker = Worker()
    number = 0
    for end in ends:
        weeks: list[Counter[str]] = [Counter()]
        with changelog.open("ab") as file:
            ticks = 0
            while number < end:
                part = islice(events, min(_TICK, end - number))
                records = [as_record(number + n, line, now_ms) for n, line in enumerate(part, 1)]
                number += len(records)
                if ticks % _TICKS_A_WEEK == 0:
                    weeks.append(Counter())
                week = weeks[-1]
                week.update(worker.tick(records, lambda rows, to=file: pickle.dump(rows, to)))
                week["events"] += len(records)
                week["scrape"] += worker.scrape()
                week["ticks"] += 1
                ticks += 1
        yield _half_year(worker, weeks[1:], base) | _restart(worker, changelog)


def _half_year(worker: Worker, weeks: list[Counter[str]], base: float) -> dict[str, Any]:
    whole = [week for week in weeks if week["events"] == _TICK * _TICKS_A_WEEK]
    by_week = [
        {step: week[step] / week["events"] * 1e6 for step in _STEPS}
        | {"until shown": sum(week[step] for step in _STEPS) / week["events"] * 1e6}
        for week in whole
    ]
    counted = sum(weeks, Counter())
    gc.collect()
    give_back()
    return {
        "events": counted["events"],
        "cpu_us_per_event": {
            step: round(median(week[step] for week in by_week), 1) for step in by_week[0]
        },
        "worst_week": round(max(week["until shown"] for week in by_week), 1),
        "scrape_ms": round(median(week["scrape"] / week["ticks"] for week in whole) * 1000, 1),
        "mb": round(rss_mb() - base),
        "holds": worker.holds(),
        "counts": {name[2:]: n for name, n in counted.items() if name.startswith("n_")},
    }


def _restart(worker: Worker, changelog: Path) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        found = other.submit(restarted, changelog).result()
    before, after = fingerprints(worker.tables.snapshot()), found.pop("figures")
    assert before == after, f"figures differ after a restart: {before} {after}"
    return {"after_a_restart": found}


def computed(events: Path, number: int) -> dict[str, float]:
    """CPU and peak memory of ``funnel-stream compute``."""
    command = [sys.executable, "-m", "funnel_stream", "compute", str(events), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    cpu = used.ru_utime + used.ru_stime
    return {
        "cpu_s": round(cpu, 1),
        "us_per_event": round(cpu / number * 1e6, 1),
        "peak_mb": round(used.ru_maxrss / 1000),
    }


def grow(events: Path, half_years: int, seed: int) -> Iterator[int]:
    """Adds half a year of events to the file at a time; gives the number of lines by then."""
    days = arrivals(half_years * HALF_YEAR, seed)
    number = 0
    for _ in range(half_years):
        with events.open("ab") as file:
            for day in islice(days, HALF_YEAR):
                file.writelines(day)
                number += len(day)
        yield number


def judged(halves: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether what an event costs and what memory takes stay as they are."""
    later = halves[_SETTLED:]
    if not later:
        return {}
    found: dict[str, Any] = {}
    for name, costs in {
        "worker": [half["cpu_us_per_event"]["until shown"] for half in later],
        "compute": [half["compute"]["us_per_event"] for half in later],
    }.items():
        usual = mean(costs)
        deviation = max((cost / usual - 1 for cost in costs), key=abs)
        found[name] = {"deviation": round(deviation, 3), "flat": abs(deviation) <= _TOLERANCE}
    if len(halves) > _SETTLED + 2:
        first, last = halves[_SETTLED], halves[-1]
        years = (len(halves) - 1 - _SETTLED) / 2
        found["a_year"] = {
            "mb": round((last["mb"] - first["mb"]) / years),
            "mb_after_a_restart": round(
                (last["after_a_restart"]["mb"] - first["after_a_restart"]["mb"]) / years
            ),
            "compute_peak_mb": round(
                (last["compute"]["peak_mb"] - first["compute"]["peak_mb"]) / years
            ),
        } | {
            name: round((last["holds"][name] - first["holds"][name]) / years)
            for name in first["holds"]
        }
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.years", description=__doc__)
    parser.add_argument("--half-years", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/years.json"))
    arguments = parser.parse_args(argv)
    console = Console(stderr=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        events = folder / "events.ndjson"
        ends: list[int] = []
        by_compute = []
        for end in grow(events, arguments.half_years, arguments.seed):
            ends.append(end)
            console.print(f"compute reads {end:,} events")
            by_compute.append(computed(events, end))
        halves: list[dict[str, Any]] = []
        with events.open("rb") as lines:
            for found in live(lines, ends, folder):
                console.print(f"worker, half year {len(halves) + 1}: restarted, all figures equal")
                halves.append(found | {"compute": by_compute[len(halves)]})
    result = {"half_years": halves, "judged": judged(halves)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    console = Console(width=_WIDTH)
    for table in _tables(result):
        console.print(table)
    console.print(result["judged"])


def _tables(result: dict[str, Any]) -> Iterator[Table]:
    halves = result["half_years"]
    costs = Table("years", "events", *halves[0]["cpu_us_per_event"], "worst week", "scrape (ms)",
                  "compute", title="CPU per event (µs)")  # fmt: skip
    sizes = Table("years", "worker (MB)", "restarted (MB)", "in s", *halves[0]["holds"],
                  "compute, peak (MB)", title="memory, and what is held")  # fmt: skip
    for number, half in enumerate(halves, start=1):
        again, by_compute = half["after_a_restart"], half["compute"]
        costs.add_row(
            str(number / 2),
            f"{half['events']:,}",
            *map(str, half["cpu_us_per_event"].values()),
            *map(str, (half["worst_week"], half["scrape_ms"], by_compute["us_per_event"])),
        )
        sizes.add_row(
            *map(str, (number / 2, half["mb"], again["mb"], again["cpu_s"])),
            *(f"{held:,}" for held in half["holds"].values()),
            str(by_compute["peak_mb"]),
        )
    yield costs
    yield sizes


if __name__ == "__main__":
    main()
