"""``funnel-stream simulate``: an invented company's funnel, as a file or as a live stream."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from funnel_stream.cli.delivery import deliver, destination_of, progress_bar, stoppable
from funnel_stream.cli.kafka import KafkaConfig, KafkaProperties
from funnel_stream.errors import UsageError
from funnel_stream.tools.simulator import Simulator


def simulate(
    days: Annotated[float, typer.Option(min=0, max=800, help="Days of history, up to now.")] = 60,
    deals_per_day: Annotated[int, typer.Option(min=1, help="New deals on an average day.")] = 500,
    seed: Annotated[int, typer.Option(help="Another seed gives another history.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the history to this file; - is standard output."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="Publish to Kafka at host:port instead.")
    ] = None,
    kafka_config: KafkaConfig = None,
    kafka: KafkaProperties = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="After the history continue live, at this many events/s, until Ctrl-C."
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            help="End of the history, like 2026-11-01T00:00:00Z (default: now). "
            "With it, the same options give the same bytes."
        ),
    ] = None,
    partners: Annotated[
        bool,
        typer.Option(
            help="Put a tenth of the deals into a second pipeline, partner, or all into one."
        ),
    ] = True,
    erasures: Annotated[
        bool,
        typer.Option(help="Erase one deal in 500 at some point (deal_erased in a file), or none."),
    ] = True,
) -> None:
    """Generate a realistic history of deals: into a file, or to Kafka and then live.

    Eight channels, ten owners, two pipelines, four currencies. Deals skip
    stages, go back, are lost with a reason, come back, are corrected, are
    erased. Events arrive late, out of order or twice. About six events per deal.

    \b
    funnel-stream simulate --days 30 --out events.ndjson
    funnel-stream simulate --broker localhost:9092 --rate 50
    """
    destination = destination_of(out, broker, kafka_config, kafka)
    if rate is not None and isinstance(destination, Path):
        raise UsageError("--rate needs --broker", hint="A file cannot continue live.")
    if rate is not None and end is not None:
        raise UsageError("--rate continues from now: leave out --end")
    until = _instant(end) if end is not None else datetime.now(UTC)
    start = until - timedelta(days=days)
    simulator = Simulator(
        start=start, deals_per_day=deals_per_day, seed=seed, partners=partners, erasures=erasures
    )
    with stoppable() as stop:
        with progress_bar("history") as show:
            history = _watched(simulator, until, stop.until(simulator.history(until)), show)
            delivered = deliver(history, destination)
        print(f"history: {delivered:,} events in {days:g} days", file=sys.stderr)
        if stop.requested:
            print("interrupted: the history is incomplete", file=sys.stderr)
            raise typer.Exit(130)
        if rate is not None:
            print(f"live at {rate:g} events/s; Ctrl-C stops it", file=sys.stderr)
            delivered = deliver(stop.until(simulator.live()), destination, rate=rate)
            print(f"live: {delivered:,} events", file=sys.stderr)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--end: {text!r} is not a date like 2026-11-01T00:00:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _watched(
    simulator: Simulator,
    until: datetime,
    lines: Iterator[bytes],
    show: Callable[[float, int], None],
) -> Iterator[bytes]:
    number = 0
    for number, line in enumerate(lines, start=1):
        yield line
        if number % 2_000 == 0:
            show(simulator.progress(until), number)
    show(1.0, number)
