"""``funnel-stream broker``: the embedded broker in the foreground."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from funnel_stream.errors import UsageError
from funnel_stream.tools.embedded_broker import DEFAULT_PARTITIONS, EmbeddedBroker, standard_topics


def broker(
    address_file: Annotated[
        Path | None,
        typer.Option(help="File that holds host:port while the broker is ready."),
    ] = None,
    partitions: Annotated[
        int, typer.Option(min=1, help="Partitions of the events, dead-letter and state topics.")
    ] = DEFAULT_PARTITIONS,
) -> None:
    """Run the embedded broker in the foreground, until Ctrl-C.

    It listens on a free port of 127.0.0.1, has the topics of funnel-stream, keeps the newest 5 MiB
    of each partition in memory, and forgets everything when it ends: for trials and tests.

    For tests, SIGUSR1 takes it down and SIGUSR2 up again, on the same port and with its data.

    Example: funnel-stream broker --address-file broker.address --partitions 4
    """
    awaited = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
    # Blocked before any thread begins, so that only sigwait below ever sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    if address_file:
        _remove(address_file)
    with EmbeddedBroker(standard_topics(partitions)) as running:
        typer.echo(f"broker ready at {running.address} (Ctrl-C stops it)")
        if address_file:
            _write_whole(address_file, running.address)
        while (number := signal.sigwait(awaited)) not in (signal.SIGINT, signal.SIGTERM):
            if number == signal.SIGUSR1:
                running.down()
            else:
                running.up()
    if address_file:
        _remove(address_file)


def _write_whole(path: Path, text: str) -> None:
    """So that who waits for the file never reads half of it."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _remove(path: Path) -> None:
    """The address of a broker that has ended would mislead."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
