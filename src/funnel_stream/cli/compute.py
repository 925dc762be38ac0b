"""``funnel-stream compute``: the KPIs of a file of events, through the same core, without Kafka."""

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from funnel_stream.cli.delivery import progress_bar
from funnel_stream.cli.event_file import (
    explain_amended,
    explain_rejected,
    no_events,
    opened,
    watched,
)
from funnel_stream.cli.figure_request import FigureRequest, figure_request
from funnel_stream.cli.plot import check_picture
from funnel_stream.config.load import load
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import moment, parse
from funnel_stream.errors import UsageError
from funnel_stream.replay.compute import Computed
from funnel_stream.replay.compute import compute as compute_kpis

_PIPED_WIDTH: Final = 120


def compute(
    events: Annotated[
        Path, typer.Argument(metavar="EVENTS", help="Events, one JSON object per line; - is stdin.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option(
            help="The instant at which every window ends, like 2026-03-01T00:00:00Z, or now. Later "
            "events are ignored. Default: the time of the last event."
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", "-w", help="Only this window, like 30d.")
    ] = None,
    dimension: Annotated[
        str | None,
        typer.Option("--dimension", "-d", help="Break down by this dimension, like channel."),
    ] = None,
    kpi: Annotated[
        list[str] | None,
        typer.Option("--kpi", "-k", help="Only this KPI, like win_ratio; may be repeated."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The funnel.yaml (default: none).")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print what /api/kpis would return: a JSON array of samples."),
    ] = False,
    every: Annotated[
        str | None,
        typer.Option(
            help="Figures over history: at every whole 15m, 1h, 1d or 7d (UTC) instead of once.",
            rich_help_panel="Over history",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Start of the history. Default: the time of the first event.",
            rich_help_panel="Over history",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="End of the history, or now. Default: the time of the last event.",
            rich_help_panel="Over history",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the history to FILE.csv, .json, .ndjson or .parquet instead of CSV to "
            "standard output.",
            rich_help_panel="Over history",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the funnel to FILE.png or .svg; with --every also the KPIs over time "
            "(default: sales_conversion_ratio; with -d a line for each of the top values)."
        ),
    ] = None,
) -> None:
    """Compute the KPIs of a file of events, without a broker.

    The figures are those that /metrics would show at that instant. Lines that break the contract
    are left out, counted and explained on stderr; so are amendments to other lines. With --every
    the events are read once, and every row of the history has the figures that --as-of would give
    for its time.

    \b
    funnel-stream compute events.ndjson
    funnel-stream compute events.ndjson --as-of 2026-03-01T00:00:00Z -w 30d -d owner
    funnel-stream compute events.ndjson --every 1d -w 30d -k win_ratio -d channel --out days.csv
    funnel-stream compute events.ndjson --every 1d --plot funnel.png
    funnel-stream simulate --out - | funnel-stream compute - --json
    """
    request = figure_request(load(config), window, dimension, kpi or [])
    if every is not None or not as_json:
        request = request.of_one()
    if plot is not None:
        check_picture(plot)
    if every is not None:
        from funnel_stream.cli.compute_history import over_history

        if as_of is not None:
            raise UsageError("--as-of is one instant", hint="With --every use --from and --to.")
        begin = None if since is None else _instant(since, "--from")
        end = None if until is None else _instant(until, "--to")
        over_history(events, request, every, begin, end, out=out, plot=plot, as_json=as_json)
        return
    for option, given in (("--from", since), ("--to", until), ("--out", out)):
        if given is not None:
            raise UsageError(
                f"{option} needs a history", hint="Set its step, for example --every 1d."
            )
    instant = None if as_of is None else _instant(as_of, "--as-of")
    with opened(events) as file, progress_bar("reading") as show:
        now_ms = time.time_ns() // 1_000_000
        computed = compute_kpis(
            watched(file, show), request.definition, as_of=instant, now_ms=now_ms
        )
    explain_rejected(computed.rejected)
    explain_amended(computed.amended)
    if instant is None and not computed.snapshot.as_of:
        raise no_events(events)
    if plot is not None:
        from funnel_stream.cli.compute_history import draw_funnels

        draw_funnels(plot, computed.snapshot, request)
    if plot is None or as_json:
        _print(computed, request, as_json=as_json)


def _instant(text: str, option: str) -> int:
    if text == "now":
        return time.time_ns() // 1000
    try:
        return parse(text, option)
    except RefusedError as error:
        raise UsageError(str(error)) from error


def _print(computed: Computed, request: FigureRequest, *, as_json: bool) -> None:
    found = request.samples(computed.snapshot)
    if as_json:
        from funnel_stream.exposition.kpi_json import kpi_json

        sys.stdout.buffer.write(kpi_json(found))
        return
    from rich.console import Console

    from funnel_stream.cli.kpi_table import BASES, TOO_MANY, kpi_tables

    counts = computed.counts
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(
        f"As of [bold]{moment(computed.snapshot.as_of).isoformat()}[/bold]: "
        f"{counts['accepted']:,} events, {counts['duplicates']:,} duplicates dropped.\n"
    )
    tables = kpi_tables(
        found,
        request.definition,
        request.windows,
        by=request.dimension or None,
        console=console,
        brief=not request.named,
    )
    for table in tables:
        console.print(table)
        console.print()
    if any("basis" in sample.labels for sample in found):
        console.print(BASES, style="dim")
    if not request.named:
        more = " ".join(f"-k {name}" for name in (*TOO_MANY, "lost_deals", "conversion_ratio"))
        console.print(f"To see every row of a KPI: {more}", style="dim")
