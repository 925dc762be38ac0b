"""What else there is to know: recovery of 200,000 deals, and a scrape of a funnel that shows as
many series as the default configuration lets it."""

import asyncio
import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench.whole_path import TimedReporter, ended
from funnel_stream.connection import Connection
from funnel_stream.contract.partitions import partition_of
from funnel_stream.definition import Definition
from funnel_stream.exposition import server
from funnel_stream.facts.deals import Deals
from funnel_stream.kpis.samples import exported, series
from funnel_stream.replay.compute import as_record, compute
from funnel_stream.reporting import Reporter, monotonic
from funnel_stream.settings import Settings
from funnel_stream.streaming.changelog import epoch_header
from funnel_stream.streaming.kafka.log import KafkaLog
from funnel_stream.streaming.kafka.options import options_of
from funnel_stream.streaming.kafka.process import run_worker
from funnel_stream.streaming.log import ProducerRecord
from funnel_stream.streaming.system import OwnProcess
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from funnel_stream.tools.simulator import Simulator

DEALS = 200_000
_PARTITIONS = 24
_CHANNEL = re.compile(rb'"channel":"(\w+)')


def measure(events: list[bytes]) -> dict[str, float]:
    """All of it, as entries of ``build/bench.json``."""
    return scrape() | asyncio.run(recovery(events))


def many_channels() -> Iterator[bytes]:
    """A month and a half of one pipeline whose leads come through five times the usual channels,
    so that the breakdown shows its full top N and the rest."""
    end = datetime.now(UTC)
    simulator = Simulator(
        start=end - timedelta(days=45), deals_per_day=300, seed=7, partners=False, erasures=False
    )
    for number, event in enumerate(simulator.history(end)):
        yield _CHANNEL.sub(rb'"channel":"\1 %d' % (number % 5), event)


def scrape() -> dict[str, float]:
    """Time of ``GET /metrics`` when the figures are new, and when nothing has changed since."""
    definition = Definition()
    now_ms = int(time.time() * 1000)
    snapshot = compute(many_channels(), definition, as_of=None, now_ms=now_ms).snapshot
    reporter = Reporter()
    reporter.confirm_membership(monotonic() + 1000)
    serving = server.start(reporter, definition, "127.0.0.1", 0)
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
        "scrape_series": sum(map(len, series(snapshot, exported(definition)).values())),
        "scrape_ms_new_figures": round(min(times["new"]) * 1000, 1),
        "scrape_ms_same_figures": round(min(times["same"]) * 1000, 1),
    }


async def recovery(events: list[bytes]) -> dict[str, float]:
    """From a restart until the partitions of 200,000 deals are claimed and read on."""
    with EmbeddedBroker(standard_topics(_PARTITIONS)) as broker:
        await _fill(broker.address, _rows(events))
        reporter = TimedReporter()
        worker = asyncio.create_task(
            run_worker(Settings(clock="event"), Connection(broker.address), Definition(), reporter)
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
    parts: list[list[ProducerRecord]] = [[] for _ in range(_PARTITIONS)]
    for key, row in rows:
        deal_id = key.removeprefix(b"deal/")
        record = ProducerRecord(key, row, epoch_header(1))
        parts[partition_of(deal_id, _PARTITIONS)].append(record)
    log = KafkaLog(options_of(Connection(broker)), OwnProcess())
    await log.start()
    for partition, part in enumerate(parts):
        await log.append("funnel.journeys.changelog", partition, part)
    await log.stop()
