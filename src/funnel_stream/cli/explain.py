"""``funnel-stream explain``: one deal, its journey and what it adds to every figure."""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
import typer

from funnel_stream.answers.explanation import Explanation, as_json, from_json
from funnel_stream.answers.explanation import explain as explain_row
from funnel_stream.cli.delivery import progress_bar
from funnel_stream.cli.event_file import name_of, opened, watched
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import parse
from funnel_stream.errors import FunnelError, UsageError

DEFAULT_URL: Final = "http://localhost:6066"
_TIMEOUT_S: Final = 10.0
_PIPED_WIDTH: Final = 100


def explain(
    deal_id: Annotated[
        str, typer.Argument(metavar="DEAL_ID", help="The deal's id, as in the events.")
    ],
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            "-e",
            metavar="FILE",
            help="Read the deal from this event file; - is stdin. Without it, a running worker "
            "is asked.",
        ),
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="A running worker; may be repeated, as each knows only the deals of its own "
            f"partitions.  [default: {DEFAULT_URL}]",
            show_default=False,
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="With --events: the instant at which every window ends, like "
            "2026-03-01T00:00:00Z, or now. Later events are ignored. Default: the time of the "
            "last event in the file."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="With --events: the funnel.yaml.")
    ] = None,
    as_json_: Annotated[
        bool, typer.Option("--json", help="Print what /api/deals/DEAL_ID would return.")
    ] = False,
) -> None:
    """Explain one deal: its journey, what follows from it, and where it counts.

    For checking a figure: every KPI the deal adds to, what it adds, and from when until when it
    counts in each window.

    \b
    funnel-stream explain 4711                      (asks the worker on this machine)
    funnel-stream explain 4711 --url http://funnel:6066
    funnel-stream explain 4711 --events events.ndjson --as-of 2026-03-01T00:00:00Z
    """
    if events is None:
        for name, given in (("--as-of", as_of), ("--config", config)):
            if given is not None:
                raise UsageError(
                    f"{name} only works with a file",
                    hint="Give the file with --events; - is stdin.",
                )
        document = _fetch(deal_id, url or [DEFAULT_URL])
        explanation = _parse(document)
    elif url:
        raise UsageError("give either --events or --url: the deal is read from one of them")
    else:
        explanation = _read(deal_id, events, as_of, config)
        document = as_json(explanation)
    if as_json_:
        sys.stdout.buffer.write(document)
        return
    from rich.console import Console

    from funnel_stream.cli.explanation_view import view

    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    for part in view(explanation):
        console.print(part)


def _read(deal_id: str, path: Path, as_of: str | None, config: Path | None) -> Explanation:
    """The deal as a file has it. Raises ``FunnelError`` if it does not."""
    from funnel_stream.config.load import load
    from funnel_stream.replay.compute import batches, deals_of_file

    definition = load(config)
    until = None if as_of is None else _instant(as_of)
    deals, name_bytes = deals_of_file(definition), deal_id.encode(errors="replace")
    with opened(path) as file, progress_bar("reading") as show:
        for records in batches(watched(file, show), time.time_ns() // 1_000_000):
            fold = deals.fold(records, until=until)
            for record, why in fold.rejected:
                if record.key == name_bytes:
                    print(f"line {record.offset} was rejected: {why.message}", file=sys.stderr)
    row = deals.row(name_bytes)
    if row is None:
        seen = "" if as_of is None else f" up to {as_of}"
        raise FunnelError(
            f"there is no deal {deal_id!r} in {name_of(path)}{seen}",
            hint="Is the id written as in the events? An erased deal is gone.",
        )
    return explain_row(deal_id, row, definition, deals.watermark if until is None else until)


def _instant(text: str) -> int:
    if text == "now":
        return time.time_ns() // 1000
    try:
        return parse(text, "--as-of")
    except RefusedError as error:
        raise UsageError(str(error)) from error


def _fetch(deal_id: str, urls: list[str]) -> bytes:
    """What the first of the workers answers that knows the deal."""
    unknown: FunnelError | None = None
    for url in urls:
        address = f"{url.rstrip('/')}/api/deals/{quote(deal_id, safe='', errors='replace')}"
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
                document: bytes = answer.read()
                return document
        except urllib.error.HTTPError as error:
            with error:
                unknown = _error_of(url, error.code, error.read())
            if error.code != 404:
                raise unknown from error
        except (OSError, ValueError) as error:
            raise FunnelError(
                f"no worker answers at {url}: {getattr(error, 'reason', error)}",
                hint="Give its address with --url, or a file of events with --events.",
            ) from error
    assert unknown is not None
    raise unknown


def _error_of(url: str, status: int, body: bytes) -> FunnelError:
    try:
        problem = json.loads(body)
        return FunnelError(f"{url}: {problem['error']}", hint=problem["reason"])
    except (ValueError, KeyError, TypeError):
        return FunnelError(
            f"{url} answered {status}", hint="Is that a funnel-stream worker of this version?"
        )


def _parse(document: bytes) -> Explanation:
    try:
        return from_json(document)
    except msgspec.MsgspecError as error:
        raise FunnelError(
            f"the response is not an explanation of a deal: {error}",
            hint="Is that a funnel-stream worker of this version?",
        ) from error
