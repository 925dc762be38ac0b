"""The whole path, as a worker runs it: fetch → decode → journeys → changelog acknowledged → panes.

Starts a worker in this process against a broker that holds the events already. Prints one JSON
line: ``{"events": …, "seconds": …, "events_per_s": …}``, from the moment the partitions are open
until the KPIs *shown* contain every event and every changelog batch is acknowledged.
"""

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from funnel_stream.connection import Connection
from funnel_stream.definition import Definition
from funnel_stream.facts.measures import REACHED
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming import logs
from funnel_stream.streaming.kafka.process import run_worker
from funnel_stream.windows.tables import Snapshot

PATIENCE_S = 120.0
_POLL_S = 0.01
_LEADS = REACHED.cell("lead")


class TimedReporter(Reporter):
    """Notes when the partitions were opened."""

    opened = cpu_opened = 0.0

    def assigned(self, *, owner: bool, seconds: float) -> None:
        self.opened, self.cpu_opened = time.perf_counter(), time.process_time()
        super().assigned(owner=owner, seconds=seconds)


@dataclass
class Run:
    """One worker's run over so many events with so many leads."""

    broker: str
    events: int
    leads: int

    async def measure(self) -> dict[str, float]:
        settings, connection = Settings(), Connection(self.broker)
        definition = Definition()
        reporter = TimedReporter(session_timeout=settings.session_timeout)
        before = memory_mb()
        worker = asyncio.create_task(run_worker(settings, connection, definition, reporter))
        began = time.perf_counter()
        while not self._complete(reporter):
            if worker.done():
                worker.result()
            if time.perf_counter() - began > PATIENCE_S:
                raise TimeoutError(f"only {reporter.operations().events} of {self.events} events")
            await asyncio.sleep(_POLL_S)
        seconds = time.perf_counter() - reporter.opened
        cpu = time.process_time() - reporter.cpu_opened
        rows = sum(reporter.operations().state_rows.values())
        await ended(worker)
        return {
            "events": self.events,
            "seconds": seconds,
            "events_per_s": self.events / seconds,
            "cpu_us_per_event": cpu / self.events * 1e6,
            "memory_mb": memory_mb() - before,
            "deals": rows,
        }

    def _complete(self, reporter: Reporter) -> bool:
        if reporter.operations().events < self.events:
            return False
        snapshot = reporter.snapshot()
        return snapshot is not None and leads(snapshot) == self.leads


async def ended(worker: "asyncio.Task[None]") -> None:
    """Stop the worker in this process the way a service manager would."""
    os.kill(os.getpid(), signal.SIGTERM)
    await worker


def leads(snapshot: Snapshot) -> int:
    """Leads of all pipelines in the longest window."""
    longest = snapshot.totals[snapshot.definition.windows[-1]]
    pipelines = {row for row in longest.candidates() if not row.dimension}
    return sum(longest.sum(row, _LEADS) for row in pipelines)


def memory_mb() -> float:
    """Most memory this process has held, in MB (Linux; elsewhere 0)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    [peak] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1024


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--events", type=int, required=True, help="how many records to read")
    parser.add_argument("--leads", type=int, required=True, help="how many leads they make")
    arguments = parser.parse_args(argv)
    logs.set_up("warning")
    run = Run(arguments.broker, arguments.events, arguments.leads)
    print(json.dumps(asyncio.run(run.measure())), flush=True)


if __name__ == "__main__":
    main()
