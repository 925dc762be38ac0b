"""``make bench-scale``: memory per million open deals, and whether an event costs the same however
many there are.

One process holds the state of a whole worker (journeys, panes, windows), without Kafka. Memory is
what the process takes (RSS) above what it took before the first deal. The cost of an event is CPU
time of folding, facts, windows and figures, with 10 thousand, 100 thousand and a million deals
in state; the three take turns, a simulated second each, so that what else the machine does falls
on all of them alike. After a minute, in which the windows have moved once, the mean is taken.
"""

import argparse
import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.open_deals import NOW_S, Writer, live
from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock
from funnel_stream.facts.deals import Deals
from funnel_stream.kpis.samples import exported, series
from funnel_stream.replay.compute import LineRecord
from funnel_stream.streaming.heap import give_back
from funnel_stream.windows.tables import WindowTables

PARTITIONS = 8
_BATCH = 500
"""Records that are folded at a time."""
_US = 1_000_000
_SHOWN = "until shown"
_SCRAPED = "scraped once a second"


class State:
    """What one worker holds: the deals of every partition, and the tables over them."""

    def __init__(self, seed: int) -> None:
        self.definition = Definition()
        self.partitions = [Deals(self.definition) for _ in range(PARTITIONS)]
        self.tables = WindowTables(self.definition)
        self.writer = Writer(seed)
        self.deals = 0
        self.now = NOW_S

    def grow(self, deals: int) -> None:
        """Have so many open deals; each is told to the tables once, as after a restart."""
        self.tables.advance(self.now * _US)
        while self.deals < deals:
            lot = range(self.deals, min(deals, self.deals + 10_000))
            lines = [line for number in lot for line in self.writer.a_deal(number)]
            for source, part in self._by_partition(lines):
                self._fold(source, part)
                self._apply(source)
            self.deals = lot.stop
        # What is tidied up now and then, whenever the state has doubled, is a part of its growth.
        self.now += 60
        self.tables.advance(self.now * _US)

    def second(self, events: int) -> Counter[str]:
        """A second passes that brings so many events; CPU seconds by step."""
        self.now += 1
        spent: Counter[str] = Counter()
        lines = live(self.writer, self.deals, events, self.now)
        parts = list(self._by_partition(lines))

        def timed(step: str, work: Callable[[], object]) -> None:
            began = time.thread_time()
            work()
            spent[step] += time.thread_time() - began

        for source, part in parts:
            timed("fold", lambda source=source, part=part: self._fold(source, part))
        for source, _ in parts:
            blocks: list[bytes] = []
            timed("facts", lambda source=source, blocks=blocks: blocks.extend(self._told(source)))
            timed("windows", lambda source=source, blocks=blocks: self._take(source, blocks))
        timed("windows", lambda: self.tables.advance(self.now * _US))
        timed("snapshot", self.tables.snapshot)
        spent[_SHOWN] = spent.total()
        snapshot = self.tables.snapshot()
        timed("figures", lambda: series(snapshot, exported(self.definition)))
        spent[_SCRAPED] = spent[_SHOWN] + spent["figures"]
        return spent

    def _by_partition(self, lines: list[LineRecord]) -> Iterator[tuple[int, list[LineRecord]]]:
        parts: list[list[LineRecord]] = [[] for _ in range(PARTITIONS)]
        for line in lines:
            assert line.key is not None
            parts[line.key[-1] % PARTITIONS].append(line)
        return ((source, part) for source, part in enumerate(parts) if part)

    def _fold(self, source: int, lines: list[LineRecord]) -> None:
        rest = iter(lines)
        while batch := list(islice(rest, _BATCH)):
            self.partitions[source].fold(batch)

    def _told(self, source: int) -> Iterator[bytes]:
        return (block.encode() for block in self.partitions[source].take_changes())

    def _take(self, source: int, blocks: list[bytes]) -> None:
        for block in blocks:
            self.tables.apply(source, [FactBlock.decode(block)])

    def _apply(self, source: int) -> None:
        for block in self._told(source):
            self._take(source, [block])


def memory(state: State, sizes: Sequence[int], tell: Callable[[str], None]) -> dict[str, Any]:
    """Grows the state and measures it at each size."""
    gc.collect()
    base = rss_mb()
    found = []
    for size in sizes:
        tell(f"memory with {size:,} open deals")
        began = time.process_time()
        state.grow(size)
        state.tables.snapshot()
        gc.collect()
        give_back()  # as a worker does after it has read its state
        held = rss_mb() - base
        found.append(
            {
                "open_deals": size,
                "mb": round(held),
                "mb_per_million": round(held / size * 1e6),
                "cpu_s": round(time.process_time() - began),
            }
        )
    return {"base_mb": round(base), "peak_mb": round(_peak_mb()), "memory": found}


def cost(states: dict[int, State], events: int, rounds: int) -> dict[str, Any]:
    """CPU per event with each of the states, side by side."""
    spent: dict[int, list[Counter[str]]] = {size: [] for size in states}
    gc.collect()
    gc.freeze()
    for turn in range(rounds + 2):
        for size, state in states.items():
            found = state.second(events)
            if turn >= 2:  # the first seconds meet new cells, rows and caches
                spent[size].append(found)
    steps = list(next(iter(spent.values()))[0])
    cpu = {
        size: {step: mean(one[step] for one in of_size) / events * 1e6 for step in steps}
        for size, of_size in spent.items()
    }
    least = cpu[min(states)]
    return {
        "events_a_second": events,
        "cpu_us_per_event": {
            size: {step: round(value, 1) for step, value in by_step.items()}
            for size, by_step in cpu.items()
        },
        "against_the_smallest": {
            size: {step: round(by_step[step] / least[step], 2) for step in (_SHOWN, _SCRAPED)}
            for size, by_step in cpu.items()
        },
    }


def rss_mb() -> float:
    """What this process takes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    [peak] = [line for line in status if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1000


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument(
        "--deals", type=int, nargs="+", default=[10_000, 100_000, 300_000, 1_000_000]
    )
    parser.add_argument("--events", type=int, default=1000, help="events of a simulated second")
    parser.add_argument("--rounds", type=int, default=60, help="simulated seconds of each state")
    parser.add_argument("--out", type=Path, default=Path("build/scale.json"))
    arguments = parser.parse_args(argv)
    console = Console(stderr=True)
    sizes = sorted(arguments.deals)
    largest = State(seed=1)
    result = memory(largest, sizes, console.print)
    console.print("cost of an event")
    states = {size: State(seed=size) for size in sizes[:-1] if size <= sizes[-1] // 10}
    for size, state in states.items():
        state.grow(size)
    result |= cost({**states, sizes[-1]: largest}, arguments.events, arguments.rounds)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    for table in _tables(result):
        Console().print(table)


def _tables(result: dict[str, Any]) -> Iterator[Table]:
    sizes = Table("open deals", "MB", "MB per million", title="memory of a worker's state")
    for row in result["memory"]:
        sizes.add_row(*(f"{row[name]:,}" for name in ("open_deals", "mb", "mb_per_million")))
    yield sizes
    by_size = result["cpu_us_per_event"]
    steps = list(next(iter(by_size.values())))
    costs = Table("deals in state", *steps, title="CPU per event (µs)")
    for size, found in by_size.items():
        costs.add_row(f"{size:,}", *(str(found[step]) for step in steps))
    yield costs


if __name__ == "__main__":
    main()
