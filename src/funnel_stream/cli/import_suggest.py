"""``funnel-stream import --suggest``: a first mapping, and what it would import."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import typer

from funnel_stream.cli.delivery import progress_bar, stoppable
from funnel_stream.errors import FunnelError, InputError, UsageError, printable
from funnel_stream.human import number_of
from funnel_stream.tools.importer import Import, Report
from funnel_stream.tools.mapping import load
from funnel_stream.tools.suggestion import suggested

_SHOWN: Final = 10
"""How many kinds of omissions are printed."""


def suggest(files: Sequence[Path], out: Path | None, refused: Sequence[str]) -> None:
    """Write a mapping for the files to ``out`` or standard output, and say on standard error what
    it would import. ``refused``: options that were given and have no meaning here.

    Raises ``UsageError``, and ``InputError`` where no mapping can be suggested.
    """
    if refused:
        raise UsageError(
            f"--suggest writes a mapping; leave out {' and '.join(refused)}",
            hint="Then import with it: funnel-stream import FILE… --mapping MAPPING --check",
        )
    to_stdout = out is None or out == Path("-")
    if not to_stdout and out is not None and out.exists():
        raise UsageError(
            f"--out {out} already exists and may contain your corrections",
            hint="Choose another file, or remove it first.",
        )
    with progress_bar("read") as progress:
        found = suggested(files, lambda done, total: progress(done / total if total else 1.0, 0))
    if to_stdout:
        sys.stdout.buffer.write(found.text.encode())
        sys.stdout.flush()
    else:
        assert out is not None
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(found.text)
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    for note in found.notes:
        print(f"not used: {note}", file=sys.stderr)
    _check(found.text, found.files)


def _check(text: str, files: Sequence[Path]) -> None:
    """Tell what an import with the mapping would make. Raises ``InputError`` where it refuses."""
    with TemporaryDirectory() as folder, stoppable() as stop, progress_bar("check") as progress:
        path = Path(folder) / "mapping.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            run = Import(load(path), files)
            run.on_progress = lambda done, total: progress(
                done / total if total else 1.0, run.report.events
            )
            for _ in stop.until(run.lines()):
                pass
        except FunnelError as error:
            raise InputError(
                f"the mapping was written, but importing with it fails: {printable(error.message)}",
                hint=error.hint,
            ) from error
    if stop.requested:
        print("interrupted: the check is incomplete", file=sys.stderr)
        raise typer.Exit(130)
    _print_summary(run.report)


def _print_summary(report: Report) -> None:
    stages = ", ".join(f"{count:,} {printable(what)}" for what, count in report.by_stage.items())
    events = number_of(report.events, "event") + (f" ({stages})" if stages else "")
    left_out = number_of(report.left_out.total(), "part")
    summary = f"{number_of(report.rows, 'row')}, {events}, {left_out} left out"
    if report.without_event:
        summary += f", {number_of(report.without_event, 'row')} without an event"
    print(f"checked: {summary}", file=sys.stderr)
    for kind, count in report.left_out.most_common(_SHOWN):
        reason, field = map(printable, kind)
        where = f" in {field!r}" if field else ""
        first = report.examples[kind]
        example = printable(f"{first.file}, row {first.row}: {first.message}")
        print(f"  {count:,} {reason}{where}, like {example}", file=sys.stderr)
    if len(report.left_out) > _SHOWN:
        print(f"  … and {len(report.left_out) - _SHOWN:,} more kinds", file=sys.stderr)
