"""Which formats read the dates of a column, and which of them cannot be distinguished."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from funnel_stream.tools.date_columns import TimesOfDay
from funnel_stream.tools.date_formats import EPOCH, LOCALES, DateError, DateFormat, Written


class DateForm(NamedTuple):
    """A format, and the language of its names; empty where it has none."""

    name: str
    locale: str


_TIMES: Final = (
    *("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S"),
    *(", %I:%M %p", " %H:%M:%S %z", " %H:%M %z", " %H:%M:%S %Z", " %H:%M:%S.%f"),
)
_DAYS: Final = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%y/%m/%d"),
)
_MONTHS: Final = ("%Y-%m", "%m/%Y", "%m.%Y", "%m-%Y", "%Y/%m", "%Y%m")
_NAMED_DAYS: Final = (
    *("%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %b %Y", "%d %b %y"),
    *("%d de %b de %Y", "%a, %d %b %Y", "%a %b %d %Y"),
)
_NAMED_MONTHS: Final = ("%b %Y", "%b-%Y", "%b-%y", "%b %y", "%b. %Y", "%Y %b")
_COUNTS: Final = ("excel", "epoch", "epoch_ms")

_NUMERIC: Final = (
    DateForm("iso", ""),
    # What ISO 8601 does not write but many programs do.
    *(DateForm(f"%Y-%m-%d{time}", "") for time in _TIMES if "%I" in time or "Z" in time),
    *(DateForm("%Y-%m-%d %H:%M:%S %z", ""), DateForm("%Y-%m-%d, %H:%M", "")),
    *(DateForm(day + time, "") for day in _DAYS for time in _TIMES),
    *(DateForm(month, "") for month in _MONTHS),
)
_FROM_NUMBERS: Final = (
    DateForm("iso", ""),
    DateForm("%Y%m", ""),
    *(DateForm(one, "") for one in _COUNTS),
)
_WITH_NAMES: Final = (
    *((day + time) for day in _NAMED_DAYS for time in _TIMES[:9]),
    *_NAMED_MONTHS,
)
_LETTERS: Final = re.compile(r"[^\W\d_]{3,}")
_DIGIT: Final = re.compile(r"[0-9]")
_PLAIN: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_LONGEST: Final = 40
_TRIED: Final = 20
"""So many texts are tried with every format; after them only those that have read one."""
_LAST_YEAR: Final = 9998


@lru_cache(maxsize=4096)
def _format(form: DateForm) -> DateFormat:
    return DateFormat(form.name, form.locale or "en")


def _read(form: DateForm, text: str) -> Written | None:
    try:
        written = _format(form).written(text)
    except DateError:
        return None
    return written if EPOCH.year < written.at.year <= _LAST_YEAR else None


def _candidates(text: str, numbers: bool) -> Iterator[DateForm]:
    if _PLAIN.fullmatch(text) and (text.isdecimal() or not numbers):
        yield from _FROM_NUMBERS if numbers else ()
        return
    yield from _NUMERIC
    if numbers:
        yield DateForm("excel", "")
        yield DateForm("epoch", "")
    if _LETTERS.search(text):
        for locale in LOCALES:
            yield from (DateForm(name, locale) for name in _WITH_NAMES)


@dataclass
class _Days:
    """What the dates of a column have in common, as one format reads them."""

    of_month: set[int] = field(default_factory=set)
    weekdays: set[int] = field(default_factory=set)
    times: TimesOfDay = field(default_factory=TimesOfDay)
    local: bool = False
    """Some bear a time of day, and no offset."""


class DateChoice(NamedTuple):
    """The formats of a column."""

    forms: tuple[str, ...]
    locale: str
    doubt: tuple[str, str, str] | None
    """A text, its reading by the format chosen, and by another that reads every text, too."""
    rival: str
    unread: int
    unread_text: str
    same_time: bool
    local: bool
    period: str
    """How far apart the dates can be: month, week or day."""
    certain_period: bool
    day_first: bool | None
    """Which comes first in numbers, where that could be mistaken; None where it could not."""


class DateEvidence:
    """Which formats read which texts of a column. ``numbers``: whether those may be dates."""

    def __init__(self, numbers: bool) -> None:
        self._numbers = numbers
        self._tried = 0
        self._live: dict[DateForm, None] = {}
        self._dead = False
        self._fits: Counter[tuple[DateForm, ...]] = Counter()
        self._texts: dict[tuple[DateForm, ...], str] = {}
        self._differ: dict[tuple[DateForm, ...], str] = {}
        self._days: dict[DateForm, _Days] = {}

    def count(self, text: str, number: int) -> None:
        """Take a text that so many rows have."""
        if self._dead:
            return
        readings = dict(self._readings(text))
        fitting = tuple(readings)
        self._fits[fitting] += number
        self._texts.setdefault(fitting, text)
        if len({reading.at for reading in readings.values()}) > 1:
            self._differ.setdefault(fitting, text)
        for form, written in readings.items():
            days = self._days.setdefault(form, _Days())
            days.of_month.add(written.at.day)
            days.weekdays.add(written.at.weekday())
            days.times.add(written)
            days.local = days.local or (written.precise and written.at.tzinfo is None)

    def _readings(self, text: str) -> Iterator[tuple[DateForm, Written]]:
        if len(text) > _LONGEST or not _DIGIT.search(text):
            self._look_on({})
            return
        plain = unicodedata.normalize("NFC", text)
        trying = self._tried < _TRIED
        forms = _candidates(plain, self._numbers) if trying else self._live
        found = {form: written for form in forms if (written := _read(form, plain)) is not None}
        self._look_on(dict.fromkeys(found))
        yield from found.items()

    def _look_on(self, found: dict[DateForm, None]) -> None:
        if self._tried < _TRIED:
            self._tried += 1
            self._live |= found
            self._dead = self._tried == _TRIED and not self._live

    def choice(self, day_first: bool | None = None) -> DateChoice | None:
        """The formats, or None if these are no dates. ``day_first``: how other columns of the
        table write dates, where this one does not tell."""
        total = self._fits.total()
        unread = self._fits[()]
        if self._dead or total == 0 or (total - unread) * 5 < total * 4:
            return None
        chosen: list[DateForm] = []
        remaining = {forms: number for forms, number in self._fits.items() if forms}
        while remaining and len(chosen) < 4:
            best = self._best(remaining, chosen, day_first)
            if best is None:
                break
            chosen.append(best)
            remaining = {forms: number for forms, number in remaining.items() if best not in forms}
        unread += sum(remaining.values())
        first = chosen[0]
        rival = self._rival(chosen)
        days = self._days[first]
        period, certain = _period(first, days)
        text = self._texts.get(next(iter(remaining), ()), "")
        return DateChoice(
            forms=tuple(dict.fromkeys(form.name for form in chosen)),
            locale=next((form.locale for form in chosen if form.locale), ""),
            doubt=self._doubt(chosen, rival),
            rival=rival.name if rival else "",
            unread=unread,
            unread_text=text,
            same_time=all(self._days[form].times.shared() is not None for form in chosen),
            local=any(self._days[form].local for form in chosen),
            period=period,
            certain_period=certain,
            day_first=_day_first(first) if _twin(first) and rival is None else None,
        )

    def _best(
        self,
        remaining: dict[tuple[DateForm, ...], int],
        chosen: Sequence[DateForm],
        day_first: bool | None,
    ) -> DateForm | None:
        """The format that reads most; of several the usual one."""
        reads: Counter[DateForm] = Counter()
        for forms, number in remaining.items():
            reads.update(dict.fromkeys(forms, number))
        twins = {_twin(form) for form in chosen}
        locales = {form.locale for form in chosen} - {""}
        able = [
            form
            for form in reads
            if form not in twins and (not form.locale or not locales or form.locale in locales)
        ]

        def worth(form: DateForm) -> tuple[int, bool, bool, int]:
            agrees = day_first is not None and _day_first(form) is day_first
            names_day = not _format(form).names_month
            return reads[form], agrees, names_day, -LOCALES.index(form.locale or "en")

        return max(able, key=worth, default=None)

    def _rival(self, chosen: Sequence[DateForm]) -> DateForm | None:
        """Another format that reads all that a chosen one does, and some of it differently."""
        for form in chosen:
            sets = [set(forms) for forms in self._fits if form in forms]
            for other in sorted(set.intersection(*sets) - {form}):
                if self._doubt([form], other) is not None:
                    return other
        return None

    def _doubt(
        self, chosen: Sequence[DateForm], rival: DateForm | None
    ) -> tuple[str, str, str] | None:
        if rival is None:
            return None
        for forms, text in self._differ.items():
            for form in chosen:
                if form in forms and rival in forms:
                    plain = unicodedata.normalize("NFC", text)
                    one, other = _read(form, plain), _read(rival, plain)
                    if one and other and one.at != other.at:
                        return text, str(one.at), str(other.at)
        return None


def _twin(form: DateForm) -> DateForm | None:
    """The format with day and month the other way round."""
    name = form.name
    if "%d" not in name or "%m" not in name or name.startswith("%Y"):
        return None
    return DateForm(name.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m"), form.locale)


def _day_first(form: DateForm) -> bool | None:
    return form.name.index("%d") < form.name.index("%m") if _twin(form) else None


def _period(form: DateForm, days: _Days) -> tuple[str, bool]:
    if _format(form).names_month:
        return "month", True
    if days.of_month == {1}:
        return "month", False
    if days.weekdays == {0} and len(days.of_month) > 1:
        return "week", False
    return "day", False
