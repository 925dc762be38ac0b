"""``funnel-stream import``: tables to contract events, by a declarative mapping."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from funnel_stream.cli.delivery import Destination, deliver, destination_of, progress_bar, stoppable
from funnel_stream.cli.import_report import as_json, show
from funnel_stream.cli.import_since import changes_as_json, compare, moment_of, show_changes
from funnel_stream.cli.import_suggest import suggest as write_suggestion
from funnel_stream.cli.kafka import KafkaConfig, KafkaProperties
from funnel_stream.errors import UsageError
from funnel_stream.tools.importer import Import, Reject
from funnel_stream.tools.mapping import load
from funnel_stream.tools.snapshots import ExportChanges, Gone, Snapshots


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="The CSV and XLSX files that the mapping describes, lookups included."),
    ],
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", "-m", help="YAML file that says what the columns mean."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the events to this file; - is standard output."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="Publish the events to Kafka at host:port instead.")
    ] = None,
    kafka_config: KafkaConfig = None,
    kafka: KafkaProperties = None,
    since: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of the previous export, as it was imported then; repeat it for each file. "
            "Only what has changed since becomes events.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="With --since: when the newer export was made, like 2026-03-09T06:00:00Z."
        ),
    ] = None,
    gone: Annotated[
        Gone | None,
        typer.Option(
            help="With --since: what it means if a deal is only in the older files. erase: it "
            "was deleted; keep: this export leaves it out."
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(help="List everything that is left out, and why, in this CSV file."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write no events, only report what they would be.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 if anything was left out, a row made no event, or a closing is "
            "undone by a stage with a later date.",
        ),
    ] = False,
    as_object: Annotated[
        bool,
        typer.Option("--json", help="Report as one JSON object; with --out - on stderr."),
    ] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Write a first mapping for the files instead.")
    ] = False,
) -> None:
    """Turn tables (CSV or XLSX) into funnel events. A mapping says what their columns mean.

    What can be read from a row is imported; the rest is left out, and listed with its file, row,
    column and reason. Events have the same ids each time, so importing the same files again changes
    nothing. docs/importing.md explains how to write a mapping.

    Without a mapping start with --suggest: it writes one from what it finds in the files, with
    comments, and reports what it would import. Correct it, then --check.

    \b
    funnel-stream import leads.csv deals.xlsx --suggest --out mapping.yaml
    funnel-stream import leads.csv deals.xlsx -m mapping.yaml --check
    funnel-stream import leads.csv deals.xlsx -m mapping.yaml --out events.ndjson
    funnel-stream import leads.csv -m mapping.yaml --broker localhost:9092

    Next week's export is compared with the previous one: give each of the old files after a
    --since and all of the new ones first, lookups included. Only what has changed becomes events.
    Changes without a date of their own (an owner, an amount, a deal that is open again) are dated
    --as-of, which is later each time. The same command makes the same events again.

    \b
    funnel-stream import mon9/deals.csv --since mon2/deals.csv -m mapping.yaml \\
        --as-of 2026-03-09T06:00:00Z --gone keep --out week.ndjson
    """
    if suggest:
        given = {
            "--mapping": mapping is not None,
            "--broker": broker is not None,
            "--kafka-config": kafka_config is not None,
            "--kafka": bool(kafka),
            "--since": bool(since),
            "--as-of": as_of is not None,
            "--gone": gone is not None,
            "--rejects": rejects is not None,
            "--check": check,
            "--strict": strict,
            "--json": as_object,
        }
        write_suggestion(files, out, [option for option, is_given in given.items() if is_given])
        return
    if mapping is None:
        raise UsageError(
            "give the mapping with --mapping FILE", hint="--suggest writes a first one."
        )
    destination: Destination | None = None
    if not check:
        destination = destination_of(out, broker, kafka_config, kafka)
    elif out is not None or broker is not None or kafka_config is not None or kafka:
        raise UsageError("--check writes nothing; leave out --out and --broker")
    moment = moment_of(since, as_of, gone)
    _check_overwrites([*files, *(since or ()), mapping], out, rejects)
    changes: ExportChanges | None = None
    with stoppable() as stop, progress_bar("import") as progress, _reject_log(rejects) as on_reject:
        rules = load(mapping)
        source = Import(rules, files, on_reject=on_reject)
        if since and moment is not None:
            snapshots = Snapshots(moment, gone)
            compare(snapshots, Import(rules, since), source, stop, progress)
            lines, changes = stop.until(snapshots.lines()), snapshots.changes
        else:
            source.on_progress = lambda done, total: progress(
                done / total if total else 1.0, source.report.events
            )
            lines = stop.until(source.lines())
        if destination is None:
            for _ in lines:
                pass
        else:
            deliver(lines, destination)
    report = source.report
    if as_object:
        summary = as_json(report) | ({} if changes is None else {"since": changes_as_json(changes)})
        print(json.dumps(summary), file=sys.stderr if out == Path("-") else sys.stdout)
    else:
        console = Console(stderr=not check)
        if changes is not None:
            show_changes(changes, console)
        show(report, console, str(rejects) if rejects else None)
    if stop.requested:
        print("interrupted: the import is incomplete; it can be repeated", file=sys.stderr)
        raise typer.Exit(130)
    if strict and (report.left_out or report.without_event or report.backwards):
        raise typer.Exit(1)


def _check_overwrites(read: Sequence[Path], out: Path | None, rejects: Path | None) -> None:
    """Raise ``UsageError`` where a file that is read, or written, is to be written over."""
    taken = {path.resolve() for path in read}
    for option, path in (("--out", out), ("--rejects", rejects)):
        if path is None or path == Path("-") or (path.exists() and not path.is_file()):
            continue
        if path.resolve() in taken:
            raise UsageError(f"{option} {path} would overwrite a file of this import")
        taken.add(path.resolve())


@contextmanager
def _reject_log(path: Path | None) -> Iterator[Callable[[Reject], None]]:
    """Whatever is left out goes to a CSV as it is met, so that it need not be remembered."""
    if path is None:
        yield lambda reject: None
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        writer = csv.writer(file)
        writer.writerow(Reject._fields)
        yield lambda reject: writer.writerow(reject)
