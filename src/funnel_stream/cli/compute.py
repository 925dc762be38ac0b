"""``funnel-stream compute``: the KPIs of a file of events, through the same core, without Kafka."""

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from funnel_stream.cli.delivery import progress_bar
from funnel_stream.cli.event_file import name_of, opened, watched
from funnel_stream.compute import Computed
from funnel_stream.compute import compute as compute_kpis
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import moment, parse
from funnel_stream.definition import Definition, load
from funnel_stream.errors import InputError, UsageError
from funnel_stream.samples import samples

_SHOWN: Final = 5
"""So many rejected lines are explained on the terminal."""
_PIPED_WIDTH: Final = 120


def compute(
    events: Annotated[
        Path, typer.Argument(metavar="EVENTS", help="Events, one JSON object a line; - is stdin.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option(
            help="The instant at which every window ends: like 2026-03-01T00:00:00Z, or now. Later "
            "events are not seen. Default: when the last event occurred."
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", "-w", help="Only this window, like 30d.")
    ] = None,
    dimension: Annotated[
        str | None, typer.Option("--dimension", "-d", help="Break down by this, like channel.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The funnel.yaml (default: none).")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print what /api/kpis would answer: a JSON array of samples."),
    ] = False,
) -> None:
    """Compute the KPIs of a file of events, without a broker.

    The figures are those that /metrics would show at that instant. Lines that break the contract
    are left out, counted and explained on stderr.

    \b
    funnel-stream compute events.ndjson
    funnel-stream compute events.ndjson --as-of 2026-03-01T00:00:00Z -w 30d -d owner
    funnel-stream simulate --out - | funnel-stream compute - --json
    """
    definition = load(config)
    instant = None if as_of is None else _instant(as_of)
    # A name that is not configured is to be told before the file is read, not after.
    samples(compute_kpis([], definition, as_of=0, now_ms=0).snapshot, **_only(window, dimension))
    with opened(events) as file, progress_bar("reading") as show:
        now_ms = time.time_ns() // 1_000_000
        computed = compute_kpis(watched(file, show), definition, as_of=instant, now_ms=now_ms)
    _explain(computed)
    if instant is None and not computed.snapshot.as_of:
        raise InputError(
            f"{name_of(events)} holds no valid event",
            hint="Each line is one event as a JSON object; schemas/ describes them.",
        )
    _print(computed, definition, window, dimension, as_json=as_json)


def _only(window: str | None, dimension: str | None) -> dict[str, str | None]:
    return {"window": window, "dimension": dimension}


def _instant(text: str) -> int:
    if text == "now":
        return time.time_ns() // 1000
    try:
        return parse(text, "--as-of")
    except RefusedError as error:
        raise UsageError(str(error)) from error


def _explain(computed: Computed) -> None:
    rejected = computed.rejected
    if not rejected:
        return
    lines = "line" if len(rejected) == 1 else "lines"
    print(f"{len(rejected):,} {lines} rejected", file=sys.stderr)
    for number, why in rejected[:_SHOWN]:
        field = f" {why.field}:" if why.field else ""
        print(f"  line {number}: {why.reason}:{field} {why.message}", file=sys.stderr)
    if len(rejected) > _SHOWN:
        print(f"  … and {len(rejected) - _SHOWN:,} more", file=sys.stderr)


def _print(
    computed: Computed,
    definition: Definition,
    window: str | None,
    dimension: str | None,
    *,
    as_json: bool,
) -> None:
    found = samples(computed.snapshot, **_only(window, dimension))
    if as_json:
        from funnel_stream.exposition.kpi_json import kpi_json

        sys.stdout.buffer.write(kpi_json(found))
        return
    from rich.console import Console

    from funnel_stream.cli.kpi_table import kpi_tables

    counts = computed.counts
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(
        f"As of [bold]{moment(computed.snapshot.as_of).isoformat()}[/bold]: "
        f"{counts['accepted']:,} events, {counts['duplicates']:,} duplicates dropped.\n"
    )
    windows = definition.windows if window is None else (window,)
    for table in kpi_tables(found, windows, by=dimension):
        console.print(table)
