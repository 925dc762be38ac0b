"""Numbers as people, spreadsheets and CRM exports write them.

``1,234`` is a thousand and more to some and little more than one to others. What a text means is
therefore never guessed: a ``NumberFormat`` says which mark is which, and a text that does not
follow it to the letter is refused, with the keys that would make it right.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import category

from funnel_stream.contract.money import DECIMALS
from funnel_stream.contract.rejections import shown

MAX_LENGTH: Final = 128
"""Characters of a number with its currency and signs."""
LARGEST: Final = Decimal("1e30")
SMALLEST: Final = Decimal("1e-30")

SPACES: Final = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space that groups digits: ordinary, non-breaking, narrow, thin … but no tab or line."""

_VARIANTS: Final = {"": "", ",": ",", ".": ".", "'": "'’", "’": "'’", " ": SPACES}
"""Thousands mark → the characters that count as it."""
_MARKS: Final = ".,'’" + SPACES

_CURRENCIES: Final[dict[str, tuple[str, ...]]] = {
    "€": ("EUR",), "£": ("GBP", "EGP", "LBP", "FKP", "GIP", "SHP", "SSP", "SYP"), "₹": ("INR",),
    "¥": ("JPY", "CNY"), "￥": ("JPY", "CNY"), "₽": ("RUB",), "₴": ("UAH",), "₺": ("TRY",),
    "₩": ("KRW", "KPW"), "₪": ("ILS",), "₫": ("VND",), "฿": ("THB",), "₦": ("NGN",),
    "₱": ("PHP", "CUP"), "₸": ("KZT",), "₾": ("GEL",), "₼": ("AZN",), "֏": ("AMD",),
    "zł": ("PLN",), "Kč": ("CZK",), "Ft": ("HUF",), "lei": ("RON", "MDL"),
    "лв": ("BGN",), "лв.": ("BGN",), "RM": ("MYR",), "Rp": ("IDR",), "R$": ("BRL",),
    "US$": ("USD",), "CA$": ("CAD",), "MX$": ("MXN",), "A$": ("AUD",), "NZ$": ("NZD",),
    "HK$": ("HKD",), "NT$": ("TWD",),
    **dict.fromkeys(("kr", "kr.", "Kr", "Kr."), ("DKK", "NOK", "SEK", "ISK")),
    **dict.fromkeys(("Fr", "Fr.", "SFr."), ("CHF",)),
    **dict.fromkeys(("Rs", "Rs."), ("INR", "PKR", "LKR", "NPR", "MUR", "SCR")),
    "₭": ("LAK",), "₮": ("MNT",), "₡": ("CRC",), "₲": ("PYG",), "₵": ("GHS",), "৳": ("BDT",),
    "៛": ("KHR",), "؋": ("AFN",), "﷼": ("IRR", "OMR", "QAR", "SAR", "YER"),
    "$": (
        "USD", "AUD", "ARS", "BBD", "BMD", "BND", "BRL", "BSD", "BZD", "CAD", "CLP", "COP", "CUP",
        "DOP", "FJD", "GYD", "HKD", "JMD", "KYD", "LRD", "MOP", "MXN", "NAD", "NIO", "NZD", "SBD",
        "SGD", "SRD", "TOP", "TTD", "TWD", "UYU", "WST", "XCD",
    ),
}  # fmt: skip
"""What the signs and words of currencies may stand for; a sign that is not here, like the cent's,
is no whole unit of any."""
CURRENCY_WORDS: Final = frozenset(mark for mark in _CURRENCIES if category(mark[0]) != "Sc")
"""Those that are no single sign."""

_AROUND: Final = re.compile(
    r"(?P<before>[^0-9]*?)(?P<digits>[.,'’]*[0-9](?:.*[0-9])?[.,'’]*)(?P<after>[^0-9]*)", re.DOTALL
)
_TOKEN: Final = re.compile(r"[-−+()]|[^-−+()\s]+")
_INDIAN: Final = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]*)?")
_WITH_EXPONENT: Final = re.compile(r"(.*)[eE][+-]?[0-9]+", re.DOTALL)


class NumberError(ValueError):
    """A text that is not a number of the format. The message quotes the text and says what is wrong
    with it and, where a key of the column would make it right, which."""


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    ``decimal`` is ``.`` or ``,``. ``thousands`` is empty or one of ``,``, ``.``, ``'``, ``’`` and
    a space: either apostrophe stands for both, the space for any of ``SPACES``. A number may do
    without it, but has it everywhere or nowhere. Each character of ``remove`` is taken out first.

    Raises ``ValueError`` for marks that are none, and for one mark with two meanings.
    """

    decimal: str = "."
    thousands: str = ""
    remove: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise ValueError(f'decimal: {self.decimal!r} is neither "." nor ","')
        if self.thousands not in _VARIANTS:
            raise ValueError(
                f'thousands: {self.thousands!r} is none of ",", ".", "\'", "’", " " and ""'
            )
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; they must differ")
        if self.decimal in self.remove:
            raise ValueError(
                f"remove: {self.decimal!r} is the decimal mark; without it 1{self.decimal}5 is 15"
            )
        if any(mark in self.remove for mark in _VARIANTS[self.thousands]):
            raise ValueError(
                f"remove: {self.thousands!r} is the thousands mark; it must stay to be checked"
            )


class ParsedAmount(NamedTuple):
    """A number, and the sign, word or code of a currency that stands with it (empty: none)."""

    number: Decimal
    currency: str


def currency_of(mark: str) -> str | None:
    """The ISO 4217 code that a currency's sign, word or code stands for; ``None`` if several may
    be meant, or nobody knows."""
    if mark in DECIMALS:
        return mark
    codes = _CURRENCIES.get(mark, ())
    return codes[0] if len(codes) == 1 else None


def may_be(mark: str, code: str) -> bool:
    """Whether a currency's sign, word or code may stand for that currency."""
    if mark in DECIMALS:
        return mark == code
    return code in _CURRENCIES.get(mark, ())


USUAL: Final = tuple(
    NumberFormat(decimal, thousands)
    for decimal in ".,"
    for thousands in ("", ",", ".", "'", " ")
    if decimal != thousands
)
"""The formats that are suggested."""


def read_number(text: str, form: NumberFormat) -> Decimal:
    """``read_amount`` without the currency."""
    return read_amount(text, form).number


def read_amount(text: str, form: NumberFormat) -> ParsedAmount:
    """The number that ``text`` is, exactly, and its currency as written.

    There may be one currency before or after the number – a code of ISO 4217 in capitals, one of
    ``CURRENCY_WORDS``, any currency sign of Unicode –, and one sign: a plus before, a minus before
    or after, or brackets, which mean minus. An exponent is read where there are no thousands.
    Zero has no sign and no decimals. The currency is not compared with anything.

    Raises ``NumberError``, and nothing else, for all other texts.
    """
    plain = text.translate({ord(sign): None for sign in form.remove}).strip()
    if len(plain) > MAX_LENGTH:
        raise _refused(text, f"it is longer than {MAX_LENGTH} characters")
    if any(each.isdigit() and not each.isascii() for each in plain):
        raise _refused(text, "only the digits 0 to 9 are read")
    parts = _AROUND.fullmatch(plain)
    if parts is None:
        raise _refused(text, "it has no digits; say under `missing` or `values` what it means")
    before, digits, after = parts["before"], parts["digits"], parts["after"]
    if digits[0] == "." and _last_token(before) + "." in CURRENCY_WORDS:
        if _pattern(form).fullmatch(digits):
            raise _refused(text, f"it may be {digits[1:]} or 0{digits}; put a space in between")
        before, digits = before + ".", digits[1:]
    negative, currency = _surroundings(text, before, after)
    if not _pattern(form).fullmatch(digits):
        raise _refused(text, _mistake(digits, form))
    if digits[-1] == form.decimal and ("-" in after or "−" in after):
        # Shops write 500,- for 500; it could be minus 500.
        raise _refused(text, "its dash may stand for no decimals or be a minus; leave one out")
    for mark in _VARIANTS[form.thousands]:
        digits = digits.replace(mark, "")
    number = Decimal(("-" if negative else "") + digits.replace(form.decimal, "."))
    if not number:
        return ParsedAmount(Decimal(0), currency)
    if not SMALLEST <= number.copy_abs() <= LARGEST:
        raise _refused(text, "it is not between 10^-30 and 10^30")
    return ParsedAmount(number, currency)


def likely_formats(texts: Iterable[str]) -> list[NumberFormat]:
    """The formats of ``USUAL`` that read every one of the texts: all of them if there are none.

    Where the texts are ambiguous, like ``1,234`` alone, formats with different readings remain.
    """
    forms = list(USUAL)
    for text in texts:
        forms = [form for form in forms if _reads(text, form)]
    return forms


def _reads(text: str, form: NumberFormat) -> bool:
    try:
        read_number(text, form)
    except NumberError:
        return False
    return True


@lru_cache(maxsize=64)
def _pattern(form: NumberFormat) -> re.Pattern[str]:
    """What a number without sign and currency looks like.

    No first group begins with 0: ``0,123`` is not how anybody writes 123.
    """
    point = re.escape(form.decimal)
    plain = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?0*[0-9]{{1,4}})?"
    if not form.thousands:
        return re.compile(plain)
    mark = f"[{_VARIANTS[form.thousands]}]"
    return re.compile(rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?|{plain}")


def _last_token(before: str) -> str:
    """The word that touches the number."""
    tokens = _TOKEN.findall(before)
    return tokens[-1] if tokens and before.endswith(tokens[-1]) else ""


def _surroundings(text: str, before: str, after: str) -> tuple[bool, str]:
    """Whether the number is negative, and its currency. Raises ``NumberError``."""
    left, right = _TOKEN.findall(before), _TOKEN.findall(after)
    currencies = [token for token in left + right if token not in "-−+()"]
    for token in currencies:
        if token.startswith("%"):
            raise _refused(
                text, 'a percentage is not a number; if the number is meant, write `remove: "%"`'
            )
        if not _is_currency(token):
            raise _refused(text, f"{shown(token)} is neither part of a number nor a currency")
    if len(currencies) > 1:
        raise _refused(text, "it has two currencies")
    signs = [
        "".join(token for token in tokens if token in "-−+()").replace("−", "-")
        for tokens in (left, right)
    ]
    match signs:
        case ["", ""] | ["+", ""]:
            negative = False
        case ["-", ""] | ["", "-"] | ["(", ")"]:
            negative = True
        case _:
            raise _refused(
                text, "a number has one sign: + before it, - before or after it, or (brackets)"
            )
    return negative, "".join(currencies)


def _is_currency(token: str) -> bool:
    return (
        token in DECIMALS
        or token in CURRENCY_WORDS
        or (len(token) == 1 and category(token) == "Sc")
    )


def _mistake(digits: str, form: NumberFormat) -> str:
    """What is wrong with digits and marks that are no number of the format, and the remedy."""
    exponent = _WITH_EXPONENT.fullmatch(digits)
    if exponent:
        digits = exponent[1]
        if _pattern(form).fullmatch(digits):
            return "its exponent is too large, or stands with thousands marks"
    odd = next((each for each in digits if each not in "0123456789" + _MARKS), None)
    if odd:
        return f"{shown(odd)} stands inside the number"
    if form.decimal == "." and _INDIAN.fullmatch(digits):
        return (
            "it is grouped the Indian way, not by thousands; "
            'if all numbers are, write `remove: ","` and no `thousands`'
        )
    meant = "0123456789" + form.decimal + _VARIANTS[form.thousands]
    strange = next((each for each in digits if each not in meant), None)
    if strange:
        problem = f"{shown(strange)} is neither the decimal nor the thousands mark"
    elif digits.count(form.decimal) > 1:
        problem = f"it has more than one decimal mark {form.decimal!r}"
    else:
        problem = (
            f"marks {form.thousands!r} separate groups of three digits, "
            "after a first one of one to three that does not begin with 0"
        )
    remedies = " or ".join(_remedies(digits, form))
    return f"{problem}; write {remedies}, if that is meant" if remedies else problem


def _remedies(digits: str, form: NumberFormat) -> Iterator[str]:
    """The smallest changes of keys after which the digits are read."""
    changes = [
        {
            key: mark
            for key, mark, now in (
                ("decimal", other.decimal, form.decimal),
                ("thousands", other.thousands, form.thousands),
            )
            if mark != now
        }
        for other in USUAL
        if other.thousands in ("", form.thousands)
        or any(mark in digits for mark in _VARIANTS[other.thousands])
        if _pattern(other).fullmatch(digits)
    ]
    fewest = min(map(len, changes), default=0)
    for change in changes:
        if len(change) == fewest:
            yield " and ".join(f'`{key}: "{mark}"`' for key, mark in change.items())


def _refused(text: str, why: str) -> NumberError:
    return NumberError(f"{shown(text)} is not a number here: {why}")
