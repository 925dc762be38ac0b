"""``funnel-stream import``: CSV files to contract events, by a declarative mapping."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from funnel_stream.cli.delivery import check_target, deliver, progress_bar, stoppable
from funnel_stream.errors import UsageError
from funnel_stream.tools.importer import Import, Reject, Report
from funnel_stream.tools.mapping import load

_SHOWN: int = 20
"""So many rejected rows are listed on the terminal."""


def import_(
    files: Annotated[
        list[Path], typer.Argument(help="The CSV files of the mapping, lookups too, in any order.")
    ],
    mapping: Annotated[Path, typer.Option("--mapping", "-m", help="What the columns mean (YAML).")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the events to this file; - is standard output."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="Publish to Kafka at host:port instead.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write every rejected row with its reason to this CSV.")
    ] = None,
) -> None:
    """Turn any CSV into funnel events with a declarative mapping.

    All of a row is imported or nothing: rejected rows are listed with their
    numbers, and the command still succeeds. Events have the same ids each
    time, so that a second import of the same files changes nothing.

    \b
    funnel-stream import leads.csv deals.csv -m mapping.yaml --out events.ndjson
    funnel-stream import leads.csv -m mapping.yaml --broker localhost:9092
    """
    check_target(out, broker)
    with stoppable() as stop, progress_bar("import") as show:
        source = Import(load(mapping), files)
        source.on_progress = lambda done, total: show(
            done / total if total else 1.0, source.report.events
        )
        deliver(stop.until(source.lines()), out, broker)
    _show(source.report, rejects)
    if rejects is not None:
        _write_rejects(rejects, source.report.rejects)
    if stop.asked:
        print("interrupted: the import is incomplete; it may be repeated", file=sys.stderr)
        raise typer.Exit(130)


def _show(report: Report, rejects: Path | None) -> None:
    bad = report.rejects
    print(
        f"{report.rows:,} rows: {report.events:,} events, {sum(report.skipped.values()):,} rows "
        f"skipped by rule, {len(bad):,} rejected",
        file=sys.stderr,
    )
    notes = (
        ("rows skipped", report.skipped),
        ("dates moved", report.moved),
        ("keys not found in", report.unmatched),
        ("rows never asked for in", report.unused),
    )
    for what, counter in notes:
        for which, number in counter.items():
            if number:
                print(f"  {number:,} {what}: {which}", file=sys.stderr)
    if report.repeated:
        print(f"  {report.repeated:,} events repeated word for word, left out", file=sys.stderr)
    if not bad:
        return
    table = Table("file", "row", "reason", "field", "message", title="Rejected rows")
    for one in bad[:_SHOWN]:
        table.add_row(*(escape(str(part)) for part in one))
    console = Console(stderr=True)
    console.print(table)
    if len(bad) > _SHOWN:
        more = "all of them are in" if rejects else "list them all with --rejects"
        console.print(f"… and {len(bad) - _SHOWN:,} more; {more} {rejects or 'FILE.csv'}")


def _write_rejects(path: Path, rejects: list[Reject]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Reject._fields)
            writer.writerows(rejects)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
