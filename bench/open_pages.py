"""``make bench-pages``: whether open pages slow the stream, and how live they are.

One worker holds a history of deals. Three sides take turns: nobody looks; every page shows another
view (windows, bases, dimensions, KPIs); all show the same one. Each side first sees a usual load
for a while, in which is noted when every page shows what (for longer where pages come round
seldom), then a backlog, which the worker has to work off as fast as it can. The backlog is
published while the worker is stopped, so that it shares the machine with the broker and the readers
alone.

Readers are one process that takes live pages (server-sent events) and throws them away. Sides are
compared within a round, and the median of the rounds counts; rounds begin with another side each.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice, pairwise
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from bench.__main__ import broker_process
from funnel_stream import connection as kafka
from funnel_stream.definition import Definition
from funnel_stream.exposition import server
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming import logs
from funnel_stream.streaming.kafka.process import run_worker
from funnel_stream.tools.embedded_broker import standard_topics
from funnel_stream.tools.publisher import publish
from funnel_stream.tools.simulator import Simulator

PAGES = 50
PARTITIONS = 16
DAYS, DEALS_PER_DAY = 60, 300
RATE = 200
"""Events a second of the usual load."""
MARKER_EVERY = 137
"""One of so many events of the usual load is a marker; in no step with the worker's seconds."""
PATIENCE_S = 180.0
_LONGEST_S = 120.0
"""The usual load goes on for no longer, however seldom pages come round."""
NOBODY, DIFFERENT, SAME = SIDES = ("no page", f"{PAGES} views", f"{PAGES} × one view")

_POLL_S = 0.002
_MARKER_STEP = 10**9
"""No other deals that are leads are worth so much together."""
_MOST_MARKERS = 9_999
_PASSING = {"state", "service"}
"""Parts of a page that tell the time, not figures."""
_VALUE = re.compile(r'<data value="([0-9.e+]+)"')
_spawn = multiprocessing.get_context("spawn")
_parts = msgspec.json.Decoder(dict[str, str]).decode


# --- the worker -----------------------------------------------------------------------------------


class _Counting(Reporter):
    """Tells another process how many events are consumed, and since when."""

    def __init__(self, progress: "SynchronizedArray[float]", session_timeout: float) -> None:
        super().__init__(session_timeout=session_timeout)
        self._consumed = progress

    def count_batch(
        self, records: int, counts: Mapping[str, int], rejected: Mapping[str, int]
    ) -> None:
        super().count_batch(records, counts, rejected)
        self._consumed[:] = [self._consumed[0] + records, time.monotonic()]


def _work(broker: str, progress: "SynchronizedArray[float]", port: Connection) -> None:
    logs.set_up("warning")
    settings, definition = Settings(), Definition()
    connection = kafka.Connection(broker)
    reporter = _Counting(progress, settings.session_timeout)
    serving = server.start(reporter, definition, "127.0.0.1", 0)
    port.send(serving.port)
    try:
        asyncio.run(run_worker(settings, connection, definition, reporter))
    finally:
        serving.stop()


class Worker:
    """A worker process; ``address`` is where its pages are."""

    def __init__(self, broker: str) -> None:
        self._progress = _spawn.Array("d", 2)
        here, there = _spawn.Pipe()
        self._process = _spawn.Process(
            target=_work, args=(broker, self._progress, there), daemon=True
        )
        self._process.start()
        self.address = f"http://127.0.0.1:{here.recv()}"

    @property
    def cpu(self) -> float:
        """CPU seconds it has taken."""
        return _cpu(self._process)

    def consumed(self, events: int) -> float:
        """Waits until it has so many events in its state; the instant when it had."""
        end = time.monotonic() + PATIENCE_S
        while True:
            number, at = map(float, self._progress[:])
            if number >= events:
                return at
            if not self._process.is_alive() or time.monotonic() > end:
                raise SystemExit(f"the worker has consumed only {number:.0f} of {events} events")
            time.sleep(_POLL_S)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still meanwhile; for less than the group's patience."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.terminate()
        self._process.join()


def _cpu(process: Any) -> float:
    """CPU seconds of another process (Linux)."""
    clock: int = ~process.pid << 3 | 2
    return time.clock_gettime(clock)


# --- the readers ----------------------------------------------------------------------------------


class Sight(NamedTuple):
    """A reader was shown new figures; ``marker``: the newest one in them, 0 on a KPI's page."""

    reader: int
    at: float
    marker: int


def views(definition: Definition) -> list[str]:
    """Addresses of different views: four funnels, then a KPI, and so on."""
    windows = [window.name for window in definition.window_list()]
    horizons = definition.horizons_of("default")
    bases = ["cohort", "period", *(f"matured:{horizon}" for horizon in horizons)]
    dimensions = definition.dimensions
    kpis = iter(KPIS)
    found = []
    for number in range(PAGES):
        path = f"/kpi/{next(kpis).id}" if number % 5 == 4 else "/"
        view = {
            "window": windows[number % len(windows)],
            "basis": bases[number // len(windows) % len(bases)],
            "dimension": dimensions[number % len(dimensions)],
            "currency": "EUR",
        }
        found.append(f"{path}?{urlencode(view)}")
    assert len(set(found)) == PAGES
    return found


class _Readers:
    """Open pages; ``open`` when each of them has shown figures."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._waiting = 0
        self.open = asyncio.Event()
        self.sights: list[Sight] = []

    async def read(self, pages: Sequence[str]) -> None:
        """All pages, until cancelled."""
        self._waiting = len(pages)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"Accept": "text/event-stream"},
                read_bufsize=2**22,
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for number, page in enumerate(pages):
                group.create_task(self._look(session, number, page))

    async def _look(self, session: aiohttp.ClientSession, number: int, page: str) -> None:
        waiting = True
        async with session.get(self._address + page) as answer:
            answer.raise_for_status()
            while True:
                event = await answer.content.readuntil(b"\n\n")
                at = time.monotonic()
                if not event.startswith(b"event: parts\ndata: "):
                    continue
                parts = _parts(event.split(b"data: ", 1)[1])
                if parts.keys() <= _PASSING:
                    continue
                self.sights.append(Sight(number, at, _marker(parts.get("kpi-open_value", ""))))
                if waiting:
                    waiting = False
                    self._waiting -= 1
                    if not self._waiting:
                        self.open.set()


def _marker(tile: str) -> int:
    return int(max(map(float, _VALUE.findall(tile)), default=0.0) // _MARKER_STEP)


async def _read(address: str, pages: Sequence[str], pipe: Connection) -> None:
    readers = _Readers(address)
    reading = asyncio.create_task(readers.read(pages))
    opened = asyncio.create_task(readers.open.wait())
    await asyncio.wait([reading, opened], return_when=asyncio.FIRST_COMPLETED)
    pipe.send("open")
    told_to_close = asyncio.create_task(asyncio.to_thread(pipe.recv))
    await asyncio.wait([reading, told_to_close], return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    reading.cancel()
    pipe.send(readers.sights)


def _readers(address: str, pages: Sequence[str], pipe: Connection) -> None:
    asyncio.run(_read(address, pages, pipe))


class OpenPages:
    """Readers in a process of their own; may be none. ``seconds``: until each had its figures."""

    def __init__(self, address: str, pages: Sequence[str]) -> None:
        self._here, there = _spawn.Pipe()
        self._process = _spawn.Process(target=_readers, args=(address, pages, there), daemon=True)
        self._pages = pages
        began = time.monotonic()
        if pages:
            self._process.start()
            there.close()
            self._here.recv()
        self.seconds = time.monotonic() - began

    def close(self) -> list[Sight]:
        """What they were shown, and when."""
        if not self._pages:
            return []
        self._here.send("close")
        sights: list[Sight] = self._here.recv()
        self._process.join()
        return sights


# --- the events -----------------------------------------------------------------------------------


class Story:
    """What is published: a company's events, and among them a deal that becomes worth more with
    every marker, so that a page tells by its value which one it has got."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._now = datetime.now(UTC)
        self._company = Simulator(
            start=self._now - timedelta(days=DAYS),
            deals_per_day=DEALS_PER_DAY,
            seed=7,
            erasures=False,
        )
        self._markers = count(1)
        self.published = 0
        self.marked: dict[int, float] = {}
        """When each marker was published."""

    def history(self) -> None:
        self._publish([self._worth(0, "stage_changed"), *self._company.history(self._now)])

    def usual(self, seconds: float) -> None:
        """A usual load, for so long."""
        self._publish(self._with_markers(int(RATE * seconds)), rate=RATE)

    def backlog(self, events: int) -> list[bytes]:
        """So many events, to be published together."""
        return list(islice(self._company.live(), events))

    def publish(self, events: list[bytes]) -> None:
        self._publish(events)

    def _publish(self, lines: Iterator[bytes] | list[bytes], rate: float | None = None) -> None:
        self.published += publish(lines, self._broker, rate=rate).lines

    def _with_markers(self, events: int) -> Iterator[bytes]:
        for number, event in enumerate(islice(self._company.live(), events)):
            if number % MARKER_EVERY == 0:
                marker = next(self._markers)
                if marker > _MOST_MARKERS:
                    raise SystemExit("no deal can be worth so much: fewer --rounds or --seconds")
                self.marked[marker] = time.monotonic()
                yield self._worth(marker, "deal_updated")
            yield event

    def _worth(self, marker: int, kind: str) -> bytes:
        event = {
            "event_id": f"marker-{marker}",
            "type": kind,
            "occurred_at": datetime.now(UTC),
            "deal_id": "marked",
            "amount": marker * _MARKER_STEP,
            "currency": "EUR",
        }
        if kind == "stage_changed":
            event["stage"] = "lead"
        return msgspec.json.encode(event)


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """One worker, and what it is measured with."""

    worker: Worker
    story: Story
    seconds: float
    events: int

    def side(self, pages: Sequence[str]) -> dict[str, float]:
        """A usual load and then a backlog, with these pages open."""
        self.worker.consumed(self.story.published)
        backlog = self.story.backlog(self.events)
        readers = OpenPages(self.worker.address, pages)
        began, cpu = time.monotonic(), self.worker.cpu
        self.story.usual(max(self.seconds, min(3 * readers.seconds, _LONGEST_S)))
        ended, used = time.monotonic(), self.worker.cpu - cpu
        found = {"usual_cpu_percent": used / (ended - began) * 100} | self._work_off(backlog)
        sights = readers.close()
        if pages:
            found |= _live(sights, self.story.marked, began, ended)
        return found

    def _work_off(self, backlog: list[bytes]) -> dict[str, float]:
        self.worker.consumed(self.story.published)
        with self.worker.stopped():
            self.story.publish(backlog)
            cpu = self.worker.cpu
        began = time.monotonic()
        seconds = self.worker.consumed(self.story.published) - began
        used = self.worker.cpu - cpu
        return {
            "events_per_s": len(backlog) / seconds,
            "cpu_us_per_event": used / len(backlog) * 1e6,
        }


def _live(
    sights: Sequence[Sight], marked: Mapping[int, float], began: float, ended: float
) -> dict[str, float]:
    """Seconds between new figures on a page, and from an event to the page, with a usual load."""
    # What begins in the first half: a page that comes round seldom has time to show what follows.
    half = (began + ended) / 2
    by_reader: dict[int, list[Sight]] = {}
    for sight in sights:
        by_reader.setdefault(sight.reader, []).append(sight)
    intervals = [
        later.at - sooner.at
        for own in by_reader.values()
        for sooner, later in pairwise(own)
        if began <= sooner.at < half
    ]
    awaited = {m: at for m, at in marked.items() if began <= at < half}
    delays = [
        next((sight.at for sight in own if sight.marker >= marker), ended) - at
        for own in by_reader.values()
        if any(sight.marker for sight in own)
        for marker, at in awaited.items()
    ]
    return {
        "refresh_median_s": median(intervals),
        "refresh_p90_s": quantiles(intervals, n=10)[-1],
        "event_to_page_median_s": median(delays),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.open_pages", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="of a backlog")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the usual load, at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one small round, to try it out")
    parser.add_argument("--out", type=Path, default=Path("build/pages.json"))
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.events, arguments.seconds, arguments.rounds = 40_000, 10.0, 1
    console = Console(stderr=True)
    different = views(Definition())
    pages = {NOBODY: [], DIFFERENT: different, SAME: different[:1] * PAGES}
    rounds: list[dict[str, dict[str, float]]] = []
    with broker_process(standard_topics(PARTITIONS)) as broker:
        story = Story(broker)
        with console.status("a history of deals"):
            story.history()
        worker = Worker(broker)
        try:
            bench = Bench(worker, story, arguments.seconds, arguments.events)
            for number in range(arguments.rounds):
                found: dict[str, dict[str, float]] = {}
                first = number % len(SIDES)
                for side in SIDES[first:] + SIDES[:first]:
                    with console.status(f"round {number + 1} of {arguments.rounds}: {side}"):
                        found[side] = bench.side(pages[side])
                    speed = found[side]["events_per_s"]
                    console.print(f"round {number + 1}  {side:16} {speed:>9,.0f} events/s")
                rounds.append(found)
                result = _result(rounds, arguments.events)
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                arguments.out.write_text(json.dumps(result, indent=2) + "\n")
        finally:
            worker.end()
    Console().print(_table(result))


def _result(rounds: list[dict[str, dict[str, float]]], events: int) -> dict[str, Any]:
    """Medians over the rounds; ratios are of two sides of the same round."""

    def middle(side: str, name: str) -> float:
        return round(median(found[side][name] for found in rounds), 3)

    def against_nobody(side: str, name: str) -> float:
        return round(median(found[side][name] / found[NOBODY][name] for found in rounds), 3)

    return {
        "sides": {side: {name: middle(side, name) for name in rounds[0][side]} for side in SIDES},
        "against_no_page": {
            side: {
                name: against_nobody(side, name) for name in ("events_per_s", "cpu_us_per_event")
            }
            for side in (DIFFERENT, SAME)
        },
        "rounds": rounds,
        "pages": PAGES,
        "backlog": events,
        "usual_events_per_s": RATE,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def _table(result: dict[str, Any]) -> Table:
    table = Table("figure", *SIDES, title="make bench-pages")
    sides, against = result["sides"], result["against_no_page"]
    for name in sides[DIFFERENT]:
        figures = [sides[side].get(name) for side in SIDES]
        table.add_row(name, *("" if figure is None else f"{figure:,.1f}" for figure in figures))
    for name in against[SAME]:
        table.add_row(f"{name}, ratio", "1", *(str(against[side][name]) for side in SIDES[1:]))
    return table


if __name__ == "__main__":
    main()
