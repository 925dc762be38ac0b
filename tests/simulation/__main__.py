"""``python -m tests.simulation``: run schedules, and tell which fail; ``--broken``: show that they
would.

A failing seed is run again by ``--seed SEED --schedules 1``, which also makes its plan as small as
it can be. Exit code 1 if a schedule fails, or a broken build is not noticed.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from tests.simulation.broken import BROKEN
from tests.simulation.plan import Plan, draw
from tests.simulation.running import Failure, caught_after, in_processes, quietly
from tests.simulation.shrink import failure, shrunk

_TOLD_EVERY: Final = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--broken", action="store_true", help="run the builds broken on purpose")
    arguments = parser.parse_args(argv)
    seeds = range(arguments.seed, arguments.seed + arguments.schedules)
    if arguments.broken:
        return _run_broken(seeds)
    began = time.monotonic()
    done, failed = 0, list[Failure]()
    for number, found in in_processes(seeds, min(arguments.processes, len(seeds))):
        done += number
        failed += found
        for each in found:
            print(f"\nseed {each.seed}: {each.what}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{done:,} of {len(seeds):,}", end="", file=sys.stderr, flush=True)
        elif done % _TOLD_EVERY == 0:
            print(f"{done:,} of {len(seeds):,}, {len(failed)} failed", flush=True)
    seconds = time.monotonic() - began
    print(f"\n{done:,} schedules in {seconds:.0f} s, {len(failed)} failed")
    if failed:
        seed = failed[0].seed
        print(f"Once more: make simulate-faults SEED={seed} N=1")
        with quietly():
            plan = shrunk(draw(seed))
            print(f"As small as it gets: {failure(plan)}\n{_told(plan)}")
    return int(bool(failed))


def _run_broken(seeds: range) -> int:
    missed = 0
    for broken in BROKEN:
        found = caught_after(broken, seeds)
        missed += found is None
        after = f"{found.seed - seeds.start + 1:6,}" if found else "  none"
        print(f"{after}  {broken.name}", flush=True)
    return int(bool(missed))


def _told(plan: Plan) -> str:
    about = f"{plan.partitions} partitions, {plan.workers} workers, {plan.rounds} rounds"
    feeds = [f"{feed.at:.3f} {feed.line.decode()} → {feed.partition}" for feed in plan.feeds]
    faults = [
        f"{fault.at:.3f} {fault.kind} of {fault.worker}, {fault.steps} steps later, "
        f"{fault.span:.2f} s, {fault.share:.2f}"
        for fault in plan.faults
    ]
    return "\n".join([about, *feeds, *faults])


if __name__ == "__main__":
    sys.exit(main())
