"""Whether the dates of a column are written month first where its formats say day first, or the
other way round."""

import re
from typing import NamedTuple

from funnel_stream.tools.dates import DateReader, Read


class Swapped(NamedTuple):
    """What speaks for another format than the given one. Numbers of texts."""

    given: str
    other: str
    only_other: int
    """Texts that only the other format reads."""
    example: str
    """The first of them."""
    only_given: int
    both: int
    """Texts that both read, as different days."""

    def __str__(self) -> str:
        dates = "1 date fits" if self.only_other == 1 else f"{self.only_other:,} dates fit"
        summary = f"{dates} {self.other!r} and not {self.given!r}, like {self.example!r}"
        if self.only_given:
            return (
                f"{summary}, and {self.only_given:,} the other way round: the column mixes both; "
                f"{self.both:,} that fit both may be read wrongly"
            )
        return (
            f"{summary}: is {self.other!r} the format? Then {self.both:,} that fit both are read "
            "wrongly"
        )


class DayAndMonth:
    """Takes the texts of a column, and compares its formats with those that have day and month
    (both numbers) in each other's place; in constant memory."""

    def __init__(self, reader: DateReader) -> None:
        pairs = {name: _swapped(name) for name in reader.formats if {"%d", "%m"} <= _parts(name)}
        self._others = {name: other for name, other in pairs.items() if other not in reader.formats}
        self._given, self._other = (
            DateReader(tuple(names), "UTC", locale=reader.locale)
            for names in (self._others.keys(), self._others.values())
        )
        self._only_given = self._only_other = self._both = 0
        self._first = ("", "")

    def add(self, text: str) -> None:
        """Take a text of the column, also one that is not a date."""
        if not self._others:
            return
        given, other = _reading(self._given, text), _reading(self._other, text)
        if given is None and other is not None:
            self._first = self._first if self._only_other else (text, other[0])
            self._only_other += 1
        elif given is not None and other is None:
            self._only_given += 1
        elif given is not None and other is not None:
            self._both += given[1].written != other[1].written

    def finding(self) -> Swapped | None:
        """None where no text speaks for the other format."""
        if not self._only_other:
            return None
        example, other = self._first
        given = next(name for name, swapped in self._others.items() if swapped == other)
        return Swapped(given, other, self._only_other, example, self._only_given, self._both)


def _parts(name: str) -> set[str]:
    return set(re.findall("%.", name))


def _swapped(name: str) -> str:
    swapped = {"%d": "%m", "%m": "%d"}
    return re.sub("%.", lambda found: swapped.get(found[0], found[0]), name)


def _reading(reader: DateReader, text: str) -> tuple[str, Read] | None:
    return next(iter(reader.readings(text)), None)
