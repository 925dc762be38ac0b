"""The ways in which CRM exports and spreadsheets write dates.

Where ``strptime`` would guess in silence, this refuses: a weekday that is not the date's, ``%H``
with ``%p``, ``%I`` without it, a zone's name other than UTC, ``2026111`` as ``%Y%m%d``.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from funnel_stream.documents import suggest

LOCALES: Final = ("en", "de", "fr", "es", "it", "pl", "nl", "pt", "cs", "sv", "da", "fi")
"""Languages whose names of months and weekdays are known."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DateError(ValueError):
    """A text that is not a date, and why."""


class Written(NamedTuple):
    """What a text says by itself, without regard to the time zone of its column."""

    at: datetime
    """Naive where the text names no offset."""
    precise: bool


class DateFormat:
    """One way to write a date: ``iso``, ``excel``, ``epoch``, ``epoch_ms`` or a strptime format.

    ``excel`` are serial numbers of the 1900 system in days, to the nearest second; whole ones are
    days. ``epoch`` counts seconds and ``epoch_ms`` milliseconds since 1970 UTC, both between 1973
    and 2200 only, so that neither is taken for the other, nor for a serial number.
    A strptime format without an hour is a day; one of year and month alone (``names_month``) is
    read as the first of the month. Years of ``%y`` are 1969 to 2068. Of numbers without
    anything between them, and only of these, all digits are needed.

    Raises ``ValueError`` for a format or locale that cannot be meant.
    """

    def __init__(self, name: str, locale: str = "en") -> None:
        if locale not in LOCALES:
            raise ValueError(f"there is no locale {locale!r}{suggest(locale, LOCALES)}")
        self.name = name
        pattern = None if name in _NAMED else _Pattern(name, locale)
        self.names_month = pattern is not None and pattern.names_month
        self._written = _NAMED[name] if pattern is None else pattern.written

    def written(self, text: str) -> Written:
        """Raises ``DateError`` that begins with *it*, for the text."""
        return self._written(text)


_ISO: Final = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3})"
    r"(?P<time>[Tt ].+)?"
)
_ISO_WEEK: Final = re.compile(r"[0-9]{4}-?W[0-9]{2}")
_NUMBER: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def _iso(text: str) -> Written:
    # datetime.fromisoformat takes any separator, even a digit, and a week for its Monday.
    if found := _ISO.fullmatch(text):
        try:
            return Written(datetime.fromisoformat(text), found["time"] is not None)
        except ValueError:
            pass
    if _ISO_WEEK.fullmatch(text):
        raise DateError("it is a week, not a day")
    hint = ""
    if _NUMBER.fullmatch(text):
        hint = "; for numbers, the mapping's dates can be excel, epoch or epoch_ms"
    raise DateError(f"it is not like 2026-01-31 or 2026-01-31T09:30:00Z (ISO 8601){hint}")


_SERIAL: Final = re.compile(r"[0-9]{1,7}(?:[.,][0-9]+)?")
_SERIALS: Final = (25_569, 2_958_465)
"""1970-01-01 and 9999-12-31. Spreadsheets count a 29 February 1900, but that is far away."""
_SERIAL_0: Final = datetime(1899, 12, 30)


def _excel(text: str) -> Written:
    days = Decimal(text.replace(",", ".")) if _SERIAL.fullmatch(text) else None
    if days is None or not _SERIALS[0] <= days <= _SERIALS[1]:
        first, last = _SERIALS
        raise DateError(
            f"it is not a spreadsheet serial number ({first} to {last}, of 1970 to 9999)"
        )
    seconds = round(days * 86_400)
    return Written(_SERIAL_0 + timedelta(seconds=seconds), seconds % 86_400 != 0)


_SECONDS: Final = re.compile(r"([0-9]+)(?:\.([0-9]{1,6}))?")
_MILLISECONDS: Final = re.compile(r"[0-9]+")
_EPOCHS: Final = range(100_000_000, 7_258_118_400)
"""Seconds, 1973-03-03 to 2199-12-31."""


def _epoch(text: str) -> Written:
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise DateError("it is not a number of seconds since 1970, like 1773568800 (epoch)")
    seconds = int(found[1])
    if seconds not in _EPOCHS:
        hint = "; if it counts milliseconds, write epoch_ms" if seconds // 1000 in _EPOCHS else ""
        raise DateError(f"as seconds since 1970 it is not between 1973 and 2200 (epoch){hint}")
    micros = int((found[2] or "").ljust(6, "0"))
    return Written(EPOCH + timedelta(seconds=seconds, microseconds=micros), True)


def _epoch_ms(text: str) -> Written:
    if not _MILLISECONDS.fullmatch(text):
        raise DateError(
            "it is not a number of milliseconds since 1970, like 1773568800000 (epoch_ms)"
        )
    seconds, millis = divmod(int(text), 1000)
    if seconds not in _EPOCHS:
        hint = "; if it counts seconds, write epoch" if int(text) in _EPOCHS else ""
        raise DateError(
            f"as milliseconds since 1970 it is not between 1973 and 2200 (epoch_ms){hint}"
        )
    return Written(EPOCH + timedelta(seconds=seconds, milliseconds=millis), True)


_NAMED: Final[dict[str, Callable[[str], Written]]] = {
    "iso": _iso,
    "excel": _excel,
    "epoch": _epoch,
    "epoch_ms": _epoch_ms,
}

_LETTERS: Final = {
    "year": "Yy",
    "month": "mbB",
    "day": "d",
    "day of the year": "j",
    "year of the week": "G",
    "week": "V",
    "weekday": "uaA",
    "hour": "HI",
    "half of the day": "p",
    "minute": "M",
    "second": "S",
    "fraction": "f",
    "offset": "zZ",
}
_UNIT_OF: Final = {letter: unit for unit, letters in _LETTERS.items() for letter in letters}
"""What a directive stands for; a format may contain each only once."""
_MONTH: Final = {"year", "month"}
_DAYS: Final = (
    {"year", "month", "day"},
    {"year", "day of the year"},
    {"year of the week", "week", "weekday"},
)
"""What makes a day."""
_NEEDS: Final = {"I": "p", "p": "I", "M": "HI", "S": "M", "f": "S"}
"""Directives that say nothing without one of those."""
_DIGITS: Final = dict.fromkeys("mdVHIMS", (1, 2)) | {
    "Y": (4, 4),
    "G": (4, 4),
    "y": (2, 2),
    "j": (1, 3),
    "u": (1, 1),
    "f": (1, 6),
}
"""Least and most of them."""
_OTHER_PATTERNS: Final = {
    "p": r"[ap]\.?\s?m\.?",
    "z": r"[+-][0-9]{2}(?::?[0-9]{2})?|Z",
    "Z": "UTC|GMT|Z",
}
_NAMES: Final = {"b": "months", "B": "months", "a": "days", "A": "days"}
_TOKENS: Final = re.compile(r"%.?|\s+|.", re.DOTALL)


class _Pattern:
    """A strptime format."""

    def __init__(self, name: str, locale: str) -> None:
        self._name = name
        self._locale = locale
        tokens = _TOKENS.findall(name)
        directives = [token[1:] for token in tokens if token[0] == "%" and token != "%%"]
        _check(name, directives)
        units = {_UNIT_OF[each] for each in directives}
        self._precise = "hour" in units
        self.names_month = units == _MONTH
        around = zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False)
        parts = [self._part(token, before, after) for before, token, after in around]
        self._pattern = re.compile("".join(parts), re.IGNORECASE)

    def _part(self, token: str, before: str, after: str) -> str:
        if token.isspace():
            return r"\s+"
        if token[0] != "%" or token == "%%":
            return re.escape(token[-1])
        letter = token[1]
        if letter in _DIGITS:
            least, most = _DIGITS[letter]
            least = most if _is_number(before) or _is_number(after) else least
            pattern = f"[0-9]{{{least},{most}}}"
        elif letter in _NAMES:
            # The longest first, so that März is not Mär and a letter too many.
            names = sorted(_numbers(self._locale, _NAMES[letter]), key=len, reverse=True)
            pattern = rf"(?:{'|'.join(map(re.escape, names))})\.?"
        else:
            pattern = _OTHER_PATTERNS[letter]
        return f"(?P<{letter}>{pattern})"

    def written(self, text: str) -> Written:
        found = self._pattern.fullmatch(text)
        if found is None:
            raise DateError(f"it is not like {self._name!r}")
        fields = found.groupdict()
        try:
            weekday = self._weekday(fields)
            day = self._day(fields, weekday)
            at = datetime.combine(day, _time(fields))
        # KeyError: a pattern takes İ for an i, the table of names does not.
        except (ValueError, KeyError) as error:
            raise DateError(f"as {self._name!r} it is a day or time that does not exist") from error
        if weekday is not None and weekday != day.isoweekday():
            raise DateError(f"as {self._name!r} it is {day}, which is another weekday")
        return Written(at, self._precise)

    def _number(self, fields: Mapping[str, str], letter: str) -> int:
        name = fields[letter].removesuffix(".").casefold()
        return _numbers(self._locale, _NAMES[letter])[name]

    def _weekday(self, fields: Mapping[str, str]) -> int | None:
        if "u" in fields:
            return int(fields["u"])
        return next((self._number(fields, letter) for letter in "aA" if letter in fields), None)

    def _day(self, fields: Mapping[str, str], weekday: int | None) -> date:
        if "G" in fields:
            return date.fromisocalendar(int(fields["G"]), int(fields["V"]), weekday or 0)
        year = int(fields["Y"]) if "Y" in fields else 1969 + (int(fields["y"]) - 69) % 100
        if "j" in fields:
            length = date(year, 12, 31).timetuple().tm_yday
            if not 1 <= int(fields["j"]) <= length:
                raise ValueError
            return date(year, 1, 1) + timedelta(days=int(fields["j"]) - 1)
        named = next((self._number(fields, letter) for letter in "bB" if letter in fields), None)
        return date(year, named or int(fields["m"]), int(fields.get("d", 1)))


def _time(fields: Mapping[str, str]) -> time:
    hour = int(fields.get("H", 0))
    if "I" in fields:
        if not 1 <= int(fields["I"]) <= 12:
            raise ValueError
        hour = int(fields["I"]) % 12 + 12 * (fields["p"][0] in "pP")
    minute, second = int(fields.get("M", 0)), int(fields.get("S", 0))
    return time(hour, minute, second, int(fields.get("f", "").ljust(6, "0")), _offset(fields))


def _offset(fields: Mapping[str, str]) -> timezone | None:
    if "Z" in fields or fields.get("z", "") in ("Z", "z"):
        return UTC
    if "z" not in fields:
        return None
    sign, digits = fields["z"][0], fields["z"][1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-size if sign == "-" else size)


def _check(name: str, directives: list[str]) -> None:
    """Raises ``ValueError`` for a format that leaves something open or says it twice."""
    if not directives:
        raise ValueError(f"{name!r} is not a date format{suggest(name, tuple(_NAMED))}")
    for letter in directives:
        if letter not in _UNIT_OF:
            known = ", ".join(f"%{each}" for each in _UNIT_OF)
            raise ValueError(f"{name!r}: %{letter} is not supported; there are: {known}")
        if letter in _NEEDS and not set(_NEEDS[letter]) & set(directives):
            needed = " or ".join(f"%{each}" for each in _NEEDS[letter])
            raise ValueError(f"{name!r}: %{letter} needs {needed}")
    units = [_UNIT_OF[letter] for letter in directives]
    twice = next((each for each in units if units.count(each) > 1), None)
    if twice:
        raise ValueError(f"{name!r} contains the {twice} twice")
    of_date = {each for day in _DAYS for each in day}
    given = {each for each in units if each in of_date}
    if set(units) != _MONTH and not any(given in (day, day | {"weekday"}) for day in _DAYS):
        raise ValueError(f"{name!r} has no day; write one like %d/%m/%Y")


def _is_number(token: str) -> bool:
    return token.isdecimal() or (token[:1] == "%" and token[1:] in _DIGITS)


_ALSO: Final = {
    ("en", "months"): {"sept": 9},
    ("de", "months"): {"mrz": 3},
    ("es", "months"): {"sep": 9},
    ("sv", "months"): {"mar": 3, "jun": 6, "jul": 7},
}
"""Names of spreadsheets and older exports that the Unicode locale data do not hold."""


@lru_cache
def _numbers(locale: str, kind: str) -> dict[str, int]:
    """Month (1 to 12) or weekday (1 is Monday) by its name in lower case, without a final dot."""
    # Needed by few imports, and slow to load.
    from babel import Locale

    data = Locale.parse(locale)
    forms = data.months if kind == "months" else data.days
    numbers = dict(_ALSO.get((locale, kind), {}))
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in forms[context][width].items():
                plain = name.removesuffix(".").casefold()
                numbers[plain] = number if kind == "months" else number + 1
    return numbers
