"""Numbers come back as they were written, and any text means one thing or is refused."""

import re
import sys
import unicodedata
from decimal import Decimal
from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_stream.contract.money import DECIMALS
from funnel_stream.tools.numbers import (
    CURRENCY_WORDS,
    NumberError,
    NumberFormat,
    ParsedAmount,
    likely_formats,
    read_amount,
)

SPACES = [each for each in map(chr, range(0x10000)) if unicodedata.category(each) == "Zs"]
SIGNS = [each for each in map(chr, range(sys.maxunicode)) if unicodedata.category(each) == "Sc"]
CURRENCIES = [*SIGNS, *DECIMALS, *CURRENCY_WORDS]
SAME = {"": [""], ",": [","], ".": ["."], "'": ["'", "’"], "’": ["'", "’"], " ": SPACES}
FORMATS = [
    NumberFormat(decimal, thousands)
    for decimal, thousands in product(".,", SAME)
    if decimal != thousands
]
formats = st.sampled_from(FORMATS)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, NumberFormat, Decimal, str]:
    """A text, its format, and the number and currency that were written."""
    form = draw(formats)
    whole, decimals = draw(st.integers(0, 10**20)), draw(st.text("0123456789", max_size=8))
    negative = draw(st.booleans())
    digits = str(whole)
    if form.thousands and draw(st.booleans()):
        marks = SAME[form.thousands]
        while group := re.search(r"^[0-9]{4,}", digits):
            at = group.end() - 3
            digits = digits[:at] + draw(st.sampled_from(marks)) + digits[at:]
    number = digits + (form.decimal + decimals if decimals else "")

    space = st.sampled_from(["", " ", "\u00a0", "  "])
    currency = draw(st.sampled_from(["", *CURRENCIES]))
    # Without the space "Fr.5" would be in doubt where the point is the decimal mark.
    apart = " " if currency.endswith(".") else draw(space)
    if currency:
        around = st.sampled_from([f"{currency}{apart}{number}", f"{number}{apart}{currency}"])
        text = draw(around)
    else:
        text = number
    if negative:
        text = draw(
            st.sampled_from([f"-{text}", f"\u2212{text}", f"({text})", f"{text}-", f"- {text}"])
        )
    elif draw(st.booleans()):
        text = f"+{text}"
    text = draw(space) + text + draw(space)
    exact = Decimal(f"{'-' if negative else ''}{whole}.{decimals or '0'}")
    return text, form, exact, currency


@given(written())
def test_what_is_written_is_read(case: tuple[str, NumberFormat, Decimal, str]) -> None:
    text, form, number, currency = case
    assert read_amount(text, form) == ParsedAmount(number, currency)


@given(st.lists(written(), min_size=1, max_size=4), formats)
def test_the_format_of_texts_is_among_the_likely(
    cases: list[tuple[str, NumberFormat, Decimal, str]], form: NumberFormat
) -> None:
    texts = [text for text, each, _, _ in cases if each == form]
    usual = NumberFormat(form.decimal, form.thousands.replace("’", "'"))
    assert usual in likely_formats(texts)


CURRENCY = "(?:" + "|".join(map(re.escape, CURRENCIES)) + ")"
BEFORE = re.compile(
    rf"\s*(?:(?P<sign>[-−+(])\s*)?(?P<currency>{CURRENCY})?\s*|"
    rf"\s*(?P<currency2>{CURRENCY})\s*(?P<sign2>[-−+(])\s*"
)
AFTER = re.compile(
    rf"\s*(?:(?P<sign>[-−)])\s*)?(?P<currency>{CURRENCY})?\s*|"
    rf"\s*(?P<currency2>{CURRENCY})\s*(?P<sign2>[-−)])\s*"
)
SIGN = {"": 1, "+": 1, "-": -1, "()": -1}


def number_of(text: str, form: NumberFormat) -> Decimal | None:
    """Digits with marks, group by group."""
    mantissa, exponent = text, 0
    if found := re.fullmatch(r"(.*)[eE]([+-]?[0-9]+)", text, re.DOTALL):
        mantissa, exponent = found[1], int(found[2])
    whole, *decimals = mantissa.split(form.decimal)
    marks = "".join(SAME[form.thousands])
    groups = re.split(f"[{re.escape(marks)}]", whole) if marks else [whole]
    every = "".join([*groups, *decimals])
    if len(decimals) > 1 or not re.fullmatch("[0-9]+", every):
        return None
    if len(groups) > 1:
        first, *rest = groups
        if not 1 <= len(first) <= 3 or first[0] == "0" or {len(each) for each in rest} != {3}:
            return None
        if mantissa != text:
            return None
    if abs(exponent) > 9999:
        return None
    return Decimal(f"{every}e{exponent - sum(map(len, decimals))}")


def readings(text: str, form: NumberFormat) -> set[tuple[Decimal, str]]:
    """Everything that the text may mean, over every way to cut it into three."""
    plain = "".join(each for each in text if each not in form.remove).strip()
    places = [place for place, each in enumerate(plain) if each in "0123456789"]
    found: set[tuple[Decimal, str]] = set()
    if not places or len(plain) > 128:
        return found
    for start in range(places[0] + 1):
        before = BEFORE.fullmatch(plain[:start])
        for end in range(places[-1] + 1, len(plain) + 1) if before else ():
            after = AFTER.fullmatch(plain[end:])
            number = number_of(plain[start:end], form)
            if before is None or after is None or number is None:
                continue
            sides = before.groupdict(""), after.groupdict("")
            signs = "".join(side["sign"] + side["sign2"] for side in sides).replace("−", "-")
            names = [name for side in sides if (name := side["currency"] + side["currency2"])]
            if signs not in SIGN or len(names) > 1:
                continue
            if number and not Decimal("1e-30") <= number <= Decimal("1e30"):
                continue
            found.add((number.copy_sign(SIGN[signs]), "".join(names)))
            dash = after["sign"] or after["sign2"]
            if plain[end - 1] == form.decimal and dash in ("-", "−"):
                found.add((number, "the dash standing for no decimals"))
    return found


pieces = st.lists(
    st.sampled_from(
        [
            *("0123456789.,'’ -−+()eE%$€\u00a0\u202f\n٣"),
            *("12", "234", "567", "000", "EUR", "zł", "kr", "kr.", "Fr.", "e5", ",234", ".50"),
        ]
    ),
    max_size=9,
).map("".join)
removals = st.sampled_from(["", "$", "-", "%€"])


@settings(max_examples=1500)
@given(st.one_of(pieces, written().map(lambda case: case[0])), formats, removals)
@example("Fr.50", NumberFormat("."), "")
@example("Fr.50", NumberFormat(","), "")
@example("500,-", NumberFormat(","), "")
@example("1,234", NumberFormat("."), "")
@example("0e99999", NumberFormat("."), "")
def test_a_text_has_one_meaning_or_is_refused(text: str, form: NumberFormat, remove: str) -> None:
    form = NumberFormat(form.decimal, form.thousands, remove)
    meanings = readings(text, form)
    try:
        read = read_amount(text, form)
    except NumberError:
        assert len(meanings) != 1
    else:
        assert meanings == {tuple(read)}


@given(st.text(max_size=200), formats)
def test_nothing_but_a_refusal_comes_of_any_text(text: str, form: NumberFormat) -> None:
    try:
        read = read_amount(text, form)
    except NumberError:
        assert len(readings(text, form)) != 1
    else:
        assert readings(text, form) == {tuple(read)}
