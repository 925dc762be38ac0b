"""Counts of the funnel the ordinary Faust way: one event at a time, one table update per event.

Stock Faust with its own transport, a ``faust.Table`` of deals in the memory store with its
changelog, and hourly counts by every dimension. The counts are a view of the deals, rebuilt from
the table at a restart, so that one table update per event is all that is needed; with
``--count-tables`` they are a Faust table too, as in most tutorials. What this app leaves out, to
its own advantage: most KPIs, late events, retractions, validation beyond JSON, dead letters,
exactly-once.

Prints one JSON line: ``{"events": …, "seconds": …, "events_per_s": …}``, from the first to the
last event processed. The changelog topics must exist with as many partitions as the events: see
``changelogs``.
"""

import argparse
import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import faust
from confluent_kafka.admin import AdminClient

APP_ID = "naive-faust"
"""Consumer group and prefix of the changelogs: a second run on a broker needs another one."""
STAGES = ("lead", "qualified", "potential", "offer", "negotiation", "won")
RANK = {stage: rank for rank, stage in enumerate(STAGES)}
DIMENSIONS = (
    "channel",
    "source",
    "contact_trigger",
    "product",
    "industry",
    "segment",
    "owner",
    "closing_document",
)
ATTRIBUTES = (*DIMENSIONS, "pipeline", "amount", "currency")
PATIENCE_S = 60.0
"""How long no event may arrive before the run is given up."""


def changelogs(app_id: str = APP_ID) -> list[str]:
    """The topics that the app needs beside that of the events."""
    return [f"{app_id}-deals-changelog", f"{app_id}-counts-changelog"]


class Progress:
    """When the first and the last of the expected events were processed."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.done = 0
        self.began = self.ended = 0.0
        self.finished = asyncio.Event()

    def begin(self) -> None:
        if not self.done:
            self.began = time.perf_counter()

    def end(self) -> None:
        self.done += 1
        if self.done == self.events:
            self.ended = time.perf_counter()
            self.finished.set()

    def result(self) -> dict[str, float]:
        seconds = self.ended - self.began
        return {
            "events": self.events,
            "seconds": seconds,
            "events_per_s": self.events / seconds,
        }


Fact = tuple[int, str, int | float]
"""Hour since the epoch, what is counted, how much of it."""


def update(deal: dict[str, Any], event: dict[str, Any]) -> list[Fact]:
    """Add one event to a deal; what it newly contributes to the KPIs."""
    if event["event_id"] in deal["seen"]:
        return []
    deal["seen"].append(event["event_id"])
    for name in ATTRIBUTES:
        if (value := event.get(name)) is not None:
            deal[name] = value
    if event["type"] != "stage_changed":
        return []
    at = datetime.fromisoformat(event["occurred_at"]).timestamp()
    stage, before, reached = event["stage"], deal.get("stage"), deal["reached"]
    hour = int(at) // 3600
    facts: list[Fact] = []
    for passed in STAGES[: RANK.get(stage, 0) + 1]:
        if passed not in reached:
            reached[passed] = at
            facts.append((hour, f"reached {passed}", 1))
            for base, since in reached.items():
                facts.append((int(since) // 3600, f"cohort {base} {passed}", 1))
    if stage == "offer":
        facts.append((hour, "offer", 1))
    if stage == before:
        return facts
    if before is not None:
        facts.append((hour, f"move {before} {stage}", 1))
    deal["stage"] = stage
    if stage == "negotiation":
        deal["negotiated"] = True
    if stage in ("won", "lost"):
        facts += _closing(deal, hour, at - reached["lead"])
    return facts


def _closing(deal: dict[str, Any], hour: int, spent_s: float) -> Iterator[Fact]:
    outcome = deal["stage"]
    yield hour, f"closed {outcome}", 1
    yield hour, f"close_seconds {outcome}", spent_s
    if "negotiated" in deal:
        yield hour, f"negotiated {outcome}", 1
    if "amount" in deal:
        yield hour, f"value {outcome} {deal.get('currency')}", float(deal["amount"])


def places(deal: dict[str, Any]) -> list[str]:
    """The total and every breakdown a deal counts in."""
    pipeline = deal.get("pipeline", "default")
    return [pipeline, *(f"{pipeline}|{d}|{deal.get(d, '__none__')}" for d in DIMENSIONS)]


def build(
    broker: str,
    topic: str,
    partitions: int,
    progress: Progress,
    *,
    app_id: str = APP_ID,
    count_tables: bool = False,
) -> faust.App:
    """The app: one agent over the events."""
    app = faust.App(
        app_id,
        broker=f"kafka://{broker}",
        store="memory://",
        consumer_auto_offset_reset="earliest",
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    events = app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="json")
    deals = app.Table("deals", partitions=partitions)
    table = app.Table("counts", default=int, partitions=partitions) if count_tables else None
    view: Counter[tuple[int, str, str]] = Counter()

    @app.agent(events)
    async def count(stream: faust.Stream) -> None:
        async for event in stream:
            progress.begin()
            if (deal_id := event.get("deal_id")) is not None:
                deal = deals.get(deal_id) or {"seen": [], "reached": {}}
                facts = update(deal, event)
                deals[deal_id] = deal
                for place in places(deal):
                    for hour, cell, weight in facts:
                        if table is None:
                            view[hour, place, cell] += weight
                        else:
                            table[f"{hour}|{place}|{cell}"] += weight
            progress.end()

    return app


async def measure(
    broker: str, topic: str, events: int, *, app_id: str = APP_ID, count_tables: bool = False
) -> dict[str, float]:
    """Process ``events`` records of ``topic``; ``TimeoutError`` if they do not come."""
    progress = Progress(events)
    partitions = partition_count(broker, topic)
    app = build(broker, topic, partitions, progress, app_id=app_id, count_tables=count_tables)
    app.finalize()
    await app.start()
    try:
        done = -1
        while not progress.finished.is_set():
            if done == progress.done:
                raise TimeoutError(f"only {done} of {events} events came")
            done = progress.done
            await _wait(progress.finished, PATIENCE_S)
    finally:
        await app.stop()
    return progress.result()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def partition_count(broker: str, topic: str) -> int:
    known = AdminClient({"bootstrap.servers": broker}).list_topics(topic, timeout=10).topics
    return len(known[topic].partitions)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--topic", default="funnel.events")
    parser.add_argument("--events", type=int, required=True, help="how many records to process")
    parser.add_argument("--app-id", default=APP_ID, help="consumer group; a new one for each run")
    parser.add_argument("--count-tables", action="store_true", help="keep the counts in a table")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)
    result = asyncio.run(
        measure(
            arguments.broker,
            arguments.topic,
            arguments.events,
            app_id=arguments.app_id,
            count_tables=arguments.count_tables,
        )
    )
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
