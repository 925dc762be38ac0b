"""What else there is to know: recovery of 200,000 deals, and a scrape of about 10,000 series."""

import asyncio
import time
import urllib.request

from bench.whole_path import TimedReporter, ended
from funnel_stream.compute import as_record, compute
from funnel_stream.deals import Deals
from funnel_stream.definition import Definition
from funnel_stream.exposition import server
from funnel_stream.reporting import Reporter, monotonic
from funnel_stream.samples import samples
from funnel_stream.settings import Settings
from funnel_stream.streaming.changelog import epoch_header
from funnel_stream.streaming.recovery import partition_of
from funnel_stream.streaming.worker import run_worker
from funnel_stream.streaming.writer import Row, Writer
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics

DEALS = 200_000
_PARTITIONS = 24
_SERIES = Definition(dimensions=("channel",), windows=("24h", "30d", "365d"))


def measure(events: list[bytes]) -> dict[str, float]:
    """All of it, as entries of ``build/bench.json``."""
    return scrape(events) | asyncio.run(recovery(events))


def scrape(events: list[bytes]) -> dict[str, float]:
    """Time of ``GET /metrics`` when the figures are new, and when nothing has changed since."""
    now_ms = int(time.time() * 1000)
    snapshot = compute(events, _SERIES, as_of=None, now_ms=now_ms).snapshot
    reporter = Reporter()
    reporter.confirm_membership(monotonic() + 1000)
    serving = server.start(reporter, _SERIES, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{serving.port}/metrics"
    times: dict[str, list[float]] = {"new": [], "same": []}
    try:
        for version in range(5):
            reporter.publish(snapshot._replace(version=version))
            for kind in times.values():
                began = time.perf_counter()
                with urllib.request.urlopen(url) as answer:
                    answer.read()
                kind.append(time.perf_counter() - began)
    finally:
        serving.stop()
    return {
        "scrape_series": len(samples(snapshot)),
        "scrape_ms_new_figures": round(min(times["new"]) * 1000, 1),
        "scrape_ms_same_figures": round(min(times["same"]) * 1000, 1),
    }


async def recovery(events: list[bytes]) -> dict[str, float]:
    """From a restart until the partitions of 200,000 deals are claimed and read on."""
    with EmbeddedBroker(standard_topics(_PARTITIONS)) as broker:
        await _fill(broker.address, _rows(events))
        reporter = TimedReporter()
        worker = asyncio.create_task(
            run_worker(Settings(broker=broker.address, clock="event"), Definition(), reporter)
        )
        while not reporter.opened:
            if worker.done():
                worker.result()
            await asyncio.sleep(0.01)
        # No wait for the figures: their snapshot is more than the embedded broker keeps.
        recovered = reporter.operations().recovery_seconds
        await ended(worker)
        return {"recovery_deals": DEALS, "recovery_s": round(recovered, 2)}


def _rows(events: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Rows of real journeys, repeated under other names until there are enough deals."""
    deals = Deals(Definition())
    now_ms = int(time.time() * 1000)
    fold = deals.fold([as_record(n, line, now_ms) for n, line in enumerate(events)])
    known = [(key, row) for key, row in fold.changed.items() if row and key.startswith(b"deal/")]
    return [
        (key + b"-%d" % copy, row) for copy in range(DEALS // len(known) + 1) for key, row in known
    ][:DEALS]


async def _fill(broker: str, rows: list[tuple[bytes, bytes]]) -> None:
    parts: list[list[Row]] = [[] for _ in range(_PARTITIONS)]
    for key, row in rows:
        deal_id = key.removeprefix(b"deal/")
        parts[partition_of(deal_id, _PARTITIONS)].append(Row(key, row, epoch_header(1)))
    writer = Writer(broker)
    await writer.start()
    for partition, part in enumerate(parts):
        await writer.append("funnel.journeys.changelog", partition, part)
    await writer.stop()
