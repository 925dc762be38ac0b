"""Where made events go: a file, standard output or a broker."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from funnel_stream.cli.kafka import connection_by_options, diagnosing
from funnel_stream.connection import Connection
from funnel_stream.errors import UsageError


class Stop:
    """Becomes true at SIGINT or SIGTERM; lines that pass through it then end."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def until(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            yield line
            if self.requested:
                return


@contextmanager
def stoppable() -> Iterator[Stop]:
    """SIGINT and SIGTERM end the lines instead of the process, so that all of them arrive."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


Destination = Path | Connection
"""Where lines go: a file (``-`` is standard output), or Kafka."""


def destination_of(
    out: Path | None,
    broker: str | None,
    kafka_config: Path | None,
    kafka: Sequence[str] | None,
) -> Destination:
    """Exactly one of file and Kafka. Raises ``UsageError`` or ``ConfigError``."""
    to_kafka = broker is not None or kafka_config is not None or bool(kafka)
    if (out is not None) == to_kafka:
        raise UsageError(
            "give either --out FILE or --broker ADDR (or --kafka-config FILE)",
            hint="--out - writes to standard output.",
        )
    return connection_by_options(broker, kafka_config, kafka) if out is None else out


def deliver(lines: Iterator[bytes], destination: Destination, *, rate: float | None = None) -> int:
    """Write or publish all lines; how many there were."""
    if isinstance(destination, Connection):
        from funnel_stream.tools.publisher import publish

        with diagnosing(destination):
            return publish(lines, destination, rate=rate).lines
    if destination == Path("-"):
        return _write(lines, sys.stdout.buffer.write)
    try:
        with destination.open("wb") as file:
            return _write(lines, file.write)
    except OSError as error:
        raise UsageError(f"{destination} cannot be written: {error.strerror}") from error


def _write(lines: Iterator[bytes], write: Callable[[bytes], int]) -> int:
    number = 0
    for number, line in enumerate(lines, start=1):  # noqa: B007
        write(line + b"\n")
    return number


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, int], None]]:
    """A bar on stderr (if that is a terminal); call it with the share done and a count."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=1.0, events=0)

        def show(share: float, events: int) -> None:
            progress.update(task, completed=share, events=events)

        yield show
