"""``funnel-stream import --since``: two exports compared, and what that came to."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console

from funnel_stream.cli.delivery import Stop
from funnel_stream.contract import timestamps
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.errors import UsageError
from funnel_stream.tools.importer import Import
from funnel_stream.tools.snapshots import ExportChanges, Gone, Snapshots

_KINDS: Final = {
    "new": "new events",
    "updated": "deals updated",
    "moved": "events for dates that were moved",
    "reopened": "deals reopened",
    "restaged": "deals moved to a stage other than their last event's",
    "confirmed": "events that confirm what others say",
    "raised": "spends raised",
    "erased": "deals erased",
}


def moment_of(
    since: Sequence[Path] | None, as_of: str | None, gone: Gone | None
) -> datetime | None:
    """When the newer export was made. Raises ``UsageError`` where the options make no sense."""
    if not since:
        for option, given in (("--as-of", as_of), ("--gone", gone)):
            if given is not None:
                raise UsageError(
                    f"{option} needs a comparison: give the older files with --since OLD"
                )
        return None
    if as_of is None:
        raise UsageError(
            "--since needs --as-of: when the newer export was made",
            hint="Most changes in an export have no date. Write it like "
            "2026-03-09T06:00:00Z, later than for the previous export.",
        )
    try:
        moment = timestamps.moment(timestamps.parse(as_of, "--as-of"))
    except RefusedError as refused:
        raise UsageError(f"--as-of: {refused.rejection.message}") from None
    if moment > datetime.now(UTC):
        raise UsageError(f"--as-of {as_of} is in the future; it is when the export was made")
    return moment


def compare(
    snapshots: Snapshots,
    old: Import,
    new: Import,
    stop: Stop,
    progress: Callable[[float, int], None],
) -> None:
    """Read both. Ends the command where it is interrupted: half an export says nothing."""
    for base, source in ((0.0, old), (0.5, new)):
        report = source.report
        source.on_progress = lambda done, total, base=base, report=report: progress(  # type: ignore[misc]
            base + (done / total if total else 1.0) / 2, report.events
        )
    snapshots.take_old(stop.until(old.lines()))
    if not stop.requested:
        snapshots.take_new(new, stop.until(new.lines()))
    if stop.requested:
        print("interrupted: nothing was written; it can be repeated", file=sys.stderr)
        raise typer.Exit(130)
    snapshots.ask_for_gone()


def changes_as_json(changes: ExportChanges) -> dict[str, Any]:
    """The comparison as one JSON object."""
    return vars(changes) | {"events": dict(changes.events), "kept": dict(changes.kept)}


def show_changes(changes: ExportChanges, console: Console) -> None:
    """The comparison on a terminal."""
    lines = [f"{changes.events.total():,} lines since the previous export"]
    for kind, what in _KINDS.items():
        if number := changes.events[kind]:
            lines.append(f"  {number:,} {what}")
    if changes.cleared:
        lines.append(f"  {changes.cleared:,} attributes cleared")
    lines.append(f"  {changes.unchanged:,} events unchanged")
    if changes.gone:
        lines.append(f"  {changes.gone:,} of {changes.deals:,} deals are gone")
    for what, number in changes.kept.items():
        lines.append(f"  {number:,} {what} no longer reported, and kept")
    if changes.withheld:
        lines.append(
            f"  {changes.withheld:,} deals from which nothing was removed, since parts of the "
            "newer files cannot be read"
        )
    if changes.cannot_be_said:
        lines.append(f"  {changes.cannot_be_said:,} changes that no event can express, left out")
    lines.append("Everything in the newer export:")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
