"""``funnel-stream emit``: publish a file of events."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from funnel_stream.cli.delivery import progress_bar
from funnel_stream.cli.event_file import opened, watched
from funnel_stream.cli.kafka import (
    Broker,
    KafkaConfig,
    KafkaProperties,
    connection_by_options,
    diagnosing,
)
from funnel_stream.tools.publisher import EVENTS_TOPIC, publish


def emit(
    file: Annotated[Path, typer.Argument(help="Events, one JSON object per line; - is stdin.")],
    broker: Broker = None,
    kafka_config: KafkaConfig = None,
    kafka: KafkaProperties = None,
    topic: Annotated[str, typer.Option(envvar="FUNNEL_EVENTS_TOPIC")] = EVENTS_TOPIC,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Maximum events per second.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Publish events to Kafka, keyed by deal (by channel for spend) as Java's clients would.

    A line {"type": "deal_erased", "deal_id": "…"} is published as a null value, with its
    "occurred_at" as the record's timestamp: what occurred up to then is erased. Lines are not
    checked here: the worker sends invalid ones to the dead-letter topic, with the reason.

    Example: funnel-stream emit events.ndjson --broker localhost:9092 --rate 500
    """
    started = time.monotonic()
    connection = connection_by_options(broker, kafka_config, kafka)
    with diagnosing(connection), opened(file) as lines, progress_bar("publishing") as show:
        published = publish(watched(lines, show), connection, topic=topic, rate=rate)
    seconds = time.monotonic() - started
    if as_json:
        summary = {**published._asdict(), "seconds": round(seconds, 3), "topic": topic}
        typer.echo(json.dumps(summary))
        return
    events = "event" if published.lines == 1 else "events"
    typer.echo(f"published {published.lines:,} {events} to {topic} in {seconds:.1f} s")
    if published.without_key:
        typer.echo(
            f"{published.without_key:,} of them name no deal: look for them in the dead-letter "
            "topic",
            err=True,
        )
