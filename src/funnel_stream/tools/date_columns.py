"""What only a whole column or row tells of its dates: ambiguity, missing times, order of a day."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import combinations, permutations
from typing import Final, NamedTuple

from funnel_stream.tools.date_formats import Written
from funnel_stream.tools.dates import DateReader, Read

_ENOUGH: Final = 10
"""Dates with one time of day, before that looks like no coincidence."""


class Ambiguity(NamedTuple):
    """A text that two formats read as different instants."""

    text: str
    readings: tuple[tuple[str, Read], tuple[str, Read]]
    only: tuple[tuple[str, str], ...]
    """Text and format, for each of the two formats that alone fits some text of the column."""

    def __str__(self) -> str:
        readings = " and ".join(f"{read} as {name!r}" for name, read in self.readings)
        return f"{self.text!r} is {readings}; {self._evidence()}"

    def _evidence(self) -> str:
        fits = " and ".join(f"{text!r} fits only {name!r}" for text, name in self.only)
        if not fits:
            return "nothing in the file says which is meant: keep only that one in dates"
        if len(self.only) > 1:
            return f"{fits}: the column mixes both, and has to be corrected in the file"
        other = next(name for name, _ in self.readings if name != self.only[0][1])
        return f"{fits}: if that is meant throughout, leave {other!r} out of dates"


class FormatWatch:
    """Finds out whether the formats of a column contradict each other, in constant memory."""

    def __init__(self, reader: DateReader) -> None:
        self._reader = reader
        self._both: dict[tuple[str, str], str] = {}
        """The first text that the two read differently."""
        self._only: dict[tuple[str, str], str] = {}
        """The first text that the one fits, and the other does not."""

    def add(self, text: str) -> None:
        """Take a text of the column; one that is not a date is passed over."""
        readings = self._reader.readings(text)
        for (one, first), (other, second) in combinations(readings, 2):
            if first.at != second.at:
                self._both.setdefault((one, other), text)
        fitting = {name for name, _ in readings}
        for one, other in permutations(self._reader.formats, 2):
            if one in fitting and other not in fitting:
                self._only.setdefault((one, other), text)

    def ambiguity(self) -> Ambiguity | None:
        """The first that was met; None if every text had one reading."""
        for (one, other), text in self._both.items():
            readings = dict(self._reader.readings(text))
            pairs = ((one, other), (other, one))
            only = tuple((self._only[pair], pair[0]) for pair in pairs if pair in self._only)
            return Ambiguity(text, ((one, readings[one]), (other, readings[other])), only)
        return None


class TimesOfDay:
    """Finds out whether all dates of a column bear one time of day, in constant memory."""

    def __init__(self) -> None:
        self._count = 0
        self._shared: str | None = None
        self._differ = False
        self._day: date | None = None
        self._several_days = False

    def add(self, written: Written) -> None:
        """Take a date of the column; one without a time is passed over."""
        if not written.precise or self._differ:
            return
        time, day = written.at.timetz().isoformat(), written.at.date()
        if self._count == 0:
            self._shared, self._day = time, day
        self._count += 1
        self._differ = time != self._shared
        self._several_days = self._several_days or day != self._day

    def shared(self) -> str | None:
        """The time, as written, that ten dates or more have all; they look like dates without one.

        None, too, if all are of one day: that is one moment, like the start of a bulk import.
        """
        looks_so = self._count >= _ENOUGH and self._several_days and not self._differ
        return self._shared if looks_so else None


def in_order_of_day(moments: Sequence[tuple[int, Read]]) -> list[datetime]:
    """Instants for the ranks and dates of one row, in the order given.

    A date without a time is put at the latest moment of a lower rank on its own local day (of the
    time zone of its own column): it was then or later. No other moves, and none to another day.
    """
    return [
        read.at if read.precise else max([read.at, *_earlier(rank, read, moments)])
        for rank, read in moments
    ]


def _earlier(rank: int, day: Read, moments: Sequence[tuple[int, Read]]) -> Iterator[datetime]:
    """Moments of lower ranks on that day."""
    local = day.at.astimezone(day.zone).date()
    return (
        read.at
        for lower, read in moments
        if lower < rank and read.at.astimezone(day.zone).date() == local
    )
