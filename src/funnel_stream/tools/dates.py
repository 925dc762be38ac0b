"""Dates of a column of a CSV file: a text to an instant, or to a day."""

import unicodedata
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from funnel_stream.tools.date_formats import EPOCH, DateError, DateFormat, Written

__all__ = ["DateError", "DateFormat", "DateReader", "Read"]

_FIRST_DAY: Final = EPOCH.date()
# Two days before datetime ends: no offset and no time zone leads beyond.
_LAST_DAY: Final = date(9999, 12, 29)
_LONGEST: Final = 100
"""Characters: no date has more."""


class Read(NamedTuple):
    """One date as read."""

    at: datetime
    """Aware, with a fixed offset; where only the day is known: the beginning of that local day."""
    precise: bool
    """False: only the day is known."""
    written: datetime
    """As the text says it, in its own offset; naive where it names none. Epochs are UTC."""
    zone: ZoneInfo
    """The time zone of the column: its local days are meant where only the day is known."""

    def __str__(self) -> str:
        return self.at.isoformat() if self.precise else self.written.date().isoformat()


class DateReader:
    """Reads the dates of a column: the first of ``formats`` that fits, by default ISO 8601.

    A date without an offset is local time of ``timezone``; one that a change of the clocks skips or
    repeats is taken before the change. With ``precision="day"`` only the calendar day is kept, as
    it is written in its own offset (epochs: UTC): that is the local day of ``timezone``.

    Raises ``ValueError`` for a format or locale that cannot be meant.
    """

    def __init__(
        self,
        formats: tuple[str, ...],
        timezone: str,
        *,
        locale: str = "en",
        precision: Literal["auto", "day"] = "auto",
    ) -> None:
        self._formats = tuple(DateFormat(name, locale) for name in formats or ("iso",))
        self.formats: Final = tuple(each.name for each in self._formats)
        self.locale: Final = locale
        self._zone = ZoneInfo(timezone)
        self._days_only = precision == "day"
        self._known = lru_cache(maxsize=65_536)(self._judge)

    def read(self, text: str) -> Read:
        """Raises ``DateError`` that names the text and what would be right."""
        readings, problem = self._known(text)
        if not readings:
            raise DateError(problem)
        return readings[0][1]

    def readings(self, text: str) -> tuple[tuple[str, Read], ...]:
        """Every format that fits, in the order given, with what it reads."""
        return self._known(text)[0]

    def _judge(self, text: str) -> tuple[tuple[tuple[str, Read], ...], str]:
        """Readings, and what is wrong if there are none."""
        shown = repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
        if problem := _unreadable(text):
            return (), f"{shown} is not a date: {problem}"
        plain = unicodedata.normalize("NFC", text)
        readings: list[tuple[str, Read]] = []
        problems: dict[str, None] = {}
        for each in self._formats:
            try:
                readings.append((each.name, self._placed(each.written(plain))))
            except DateError as error:
                problems[str(error)] = None
        return tuple(readings), f"{shown} is not a date: {'; '.join(problems)}"

    def _placed(self, written: Written) -> Read:
        at, precise = written.at, written.precise and not self._days_only
        if not precise:
            at = datetime.combine(at.date(), time())
        if not _FIRST_DAY <= at.date() <= _LAST_DAY:
            raise DateError(f"it is not between {_FIRST_DAY} and {_LAST_DAY}")
        read = Read(at if at.tzinfo else self._local(at), precise, at, self._zone)
        if read.at < EPOCH:
            raise DateError(f"it is before {_FIRST_DAY} (UTC)")
        if not precise and read.at.astimezone(self._zone).date() != at.date():
            raise DateError(f"there was no {at.date()} in {self._zone.key}")
        return read

    def _local(self, wall: datetime) -> datetime:
        # A fixed offset: datetimes of one ZoneInfo are compared by the clock, not by the instant.
        offset = wall.replace(tzinfo=self._zone).utcoffset()
        return wall.replace(tzinfo=timezone(offset or timedelta()))


def _unreadable(text: str) -> str | None:
    if len(text) > _LONGEST:
        return f"it has {len(text)} characters"
    if any(char.isdigit() and not char.isascii() for char in text):
        return "its digits are not 0 to 9"
    return None
