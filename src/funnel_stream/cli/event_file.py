"""Reading a file of events (or standard input), with progress by bytes."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from funnel_stream.contract import Amendment, Rejection
from funnel_stream.errors import InputError, UsageError

_LINES_PER_UPDATE: Final = 5_000
_SHOWN: Final = 5
"""So many rejected lines are explained on the terminal."""


def name_of(path: Path) -> str:
    """The file's name for messages."""
    return "standard input" if path == Path("-") else str(path)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, or standard input for ``-``. Raises ``UsageError``."""
    if path == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file


def watched(file: BinaryIO, show: Callable[[float, int], None]) -> Iterable[bytes]:
    """The file's lines; ``show`` gets the share read so far, and how many lines.

    They can be read again where that is possible; those of a pipe are an iterator.
    """
    return _FileLines(file, show) if file.seekable() else _lines(file, show)


class _FileLines:
    def __init__(self, file: BinaryIO, show: Callable[[float, int], None]) -> None:
        self._file, self._show = file, show
        self._start = file.tell()

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        return _lines(self._file, self._show)


def _lines(file: BinaryIO, show: Callable[[float, int], None]) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size  # 0 where it cannot be known, as of a pipe
    number = read = 0
    try:
        for number, line in enumerate(file, start=1):
            read += len(line)
            yield line
            if number % _LINES_PER_UPDATE == 0:
                show(read / size if size else 0.0, number)
    except OSError as error:
        raise InputError(f"the events cannot be read: {error.strerror}") from error
    show(1.0, number)


def explain_rejected(rejected: Sequence[tuple[int, Rejection]]) -> None:
    """Say on stderr how many lines were left out, and why the first ones were."""
    if not rejected:
        return
    lines = "line" if len(rejected) == 1 else "lines"
    print(f"{len(rejected):,} {lines} rejected", file=sys.stderr)
    for number, why in sorted(rejected, key=lambda line: line[0])[:_SHOWN]:
        field = f" {why.field}:" if why.field else ""
        print(f"  line {number}: {why.reason}:{field} {why.message}", file=sys.stderr)
    if len(rejected) > _SHOWN:
        print(f"  … and {len(rejected) - _SHOWN:,} more", file=sys.stderr)


def explain_amended(amended: Mapping[Amendment, int]) -> None:
    """Say on stderr how many events count otherwise than they were written, and why."""
    for reason in Amendment:
        if number := amended.get(reason):
            events = "event" if number == 1 else "events"
            print(f"{number:,} {events} amended: {reason}: {reason.sentence}", file=sys.stderr)


def no_events(path: Path) -> InputError:
    """What to raise where not one line is an event."""
    return InputError(
        f"{name_of(path)} contains no valid events",
        hint="Each line is one event as a JSON object; schemas/ describes them.",
    )
