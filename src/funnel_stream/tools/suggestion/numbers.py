"""How the numbers of a column are written, and which currencies stand beside them."""

import re
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from funnel_stream.tools.numbers import USUAL, NumberError, NumberFormat, read_amount

_DIGITS: Final = re.compile(r"[0-9]+")
_LONGEST: Final = 40
_TRIED: Final = 20
"""After so many texts without a number the column has none."""


class _Shape(NamedTuple):
    """What a text of this shape can be: places in ``USUAL``, whether they read different numbers,
    the currency beside it, whether it is less than zero."""

    forms: tuple[int, ...]
    differ: bool
    mark: str
    negative: bool


_NONE: Final = _Shape((), False, "", False)


def _short(digits: re.Match[str]) -> str:
    """As many digits as tell groups of three from others, and whether a zero leads."""
    length = min(len(digits[0]), 4)
    return "1" * length if digits[0][0] != "0" else "0" + "1" * (length - 1)


@lru_cache(maxsize=16_384)
def _shape(text: str) -> _Shape:
    readings: dict[int, Decimal] = {}
    mark = ""
    for index, form in enumerate(USUAL):
        try:
            readings[index], mark = read_amount(text, form)
        except NumberError:
            continue
    values = set(readings.values())
    return _Shape(tuple(readings), len(values) > 1, mark, any(value < 0 for value in values))


class NumberChoice(NamedTuple):
    """How the numbers are written."""

    form: NumberFormat
    doubt: tuple[str, str, str] | None
    """A text, its reading, and that by ``rival``, which reads every text, too."""
    rival: NumberFormat | None
    unread: int
    unread_text: str
    negative: int
    marks: Counter[str]
    whole: bool
    """No text tells which mark is decimal and which parts thousands."""


class NumberEvidence:
    """Which formats read which texts of a column."""

    def __init__(self) -> None:
        self._tried = 0
        self._dead = False
        self._fits: Counter[tuple[int, ...]] = Counter()
        self._texts: dict[tuple[int, ...], str] = {}
        self._differ: dict[tuple[int, ...], str] = {}
        self.marks: Counter[str] = Counter()
        self.negative = 0

    def count(self, text: str, number: int) -> None:
        """Take a text that so many rows have."""
        if self._dead:
            return
        shape = _shape(_DIGITS.sub(_short, text)) if len(text) <= _LONGEST else _NONE
        self._fits[shape.forms] += number
        self._texts.setdefault(shape.forms, text)
        if shape.differ:
            self._differ.setdefault(shape.forms, text)
        if shape.mark:
            self.marks[shape.mark] += number
        if shape.negative:
            self.negative += number
        if self._tried < _TRIED:
            self._tried += 1
            self._dead = self._tried == _TRIED and list(self._fits) == [()]

    def choice(self, comma: bool | None = None) -> NumberChoice | None:
        """How the numbers are written, or None if these are none. ``comma``: whether it is the
        decimal mark elsewhere in the table, where this column does not tell."""
        total = self._fits.total()
        reads: Counter[int] = Counter()
        for forms, number in self._fits.items():
            reads.update(dict.fromkeys(forms, number))
        if self._dead or not reads or max(reads.values()) * 5 < total * 4:
            return None

        def worth(index: int) -> tuple[int, bool, bool, int]:
            form = USUAL[index]
            agrees = comma is not None and (form.decimal == ",") is comma
            return reads[index], agrees, not self._odd(index), -index

        best = max(reads, key=worth)
        sets = [set(forms) for forms in self._fits if best in forms]
        rivals = sorted(set.intersection(*sets) - {best})
        doubts = {
            other: doubt for other in rivals if (doubt := self._doubt(best, other)) is not None
        }
        rival = next(iter(doubts), None)
        misfits = {forms: number for forms, number in self._fits.items() if best not in forms}
        return NumberChoice(
            form=USUAL[best],
            doubt=None if rival is None else doubts[rival],
            rival=None if rival is None else USUAL[rival],
            unread=sum(misfits.values()),
            unread_text=self._texts.get(next(iter(misfits), ()), ""),
            negative=self.negative,
            marks=self.marks,
            whole=len(rivals) == len(USUAL) - 1,
        )

    def _odd(self, index: int) -> bool:
        """Whether the format would read decimals in threes, which money hardly has."""
        decimals = re.compile(rf"[{USUAL[index].decimal}][0-9]{{3}}\D*$")
        return any(index in forms and decimals.search(text) for forms, text in self._differ.items())

    def _doubt(self, one: int, other: int) -> tuple[str, str, str] | None:
        for forms, text in self._differ.items():
            if one in forms and other in forms:
                first = read_amount(text, USUAL[one]).number
                second = read_amount(text, USUAL[other]).number
                if first != second:
                    return text, f"{first:f}", f"{second:f}"
        return None
