"""Numbers in texts: read as the format says, or refused with what would make them right."""

import re
import unicodedata
from decimal import Decimal, localcontext
from typing import Any

import pytest

from funnel_stream.contract.money import DECIMALS
from funnel_stream.tools.numbers import (
    CURRENCY_WORDS,
    MAX_LENGTH,
    SPACES,
    NumberError,
    NumberFormat,
    ParsedAmount,
    likely_formats,
    read_amount,
    read_number,
)

POINT = NumberFormat()
COMMA = NumberFormat(",")
ENGLISH = NumberFormat(".", ",")
GERMAN = NumberFormat(",", ".")
SWISS = NumberFormat(".", "'")
FRENCH = NumberFormat(",", " ")


def refusal(text: str, form: NumberFormat) -> str:
    with pytest.raises(NumberError) as caught:
        read_number(text, form)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "form", "number"),
    [
        ("1234.5", POINT, "1234.5"),
        ("1234,5", COMMA, "1234.5"),
        ("007", POINT, "7"),
        (".5", POINT, "0.5"),
        ("5.", POINT, "5"),
        ("0.00", POINT, "0"),
        ("1,234,567.89", ENGLISH, "1234567.89"),
        ("1234567.89", ENGLISH, "1234567.89"),
        ("12,345", ENGLISH, "12345"),
        ("1.234,50", GERMAN, "1234.5"),
        ("1.234", GERMAN, "1234"),
        ("1'234.50", SWISS, "1234.5"),
        ("1’234.50", SWISS, "1234.5"),
        ("1'234.50", NumberFormat(".", "’"), "1234.5"),
        ("1 234 567,5", FRENCH, "1234567.5"),
        ("1\u00a0234\u202f567,5", FRENCH, "1234567.5"),
        ("\t 12 \n", POINT, "12"),
    ],
)
def test_a_number_is_read_as_its_format_says(text: str, form: NumberFormat, number: str) -> None:
    assert read_number(text, form) == Decimal(number)


@pytest.mark.parametrize("space", SPACES)
def test_every_space_groups_where_spaces_group(space: str) -> None:
    assert read_number(f"1{space}234", FRENCH) == 1234
    assert '`thousands: " "`' in refusal(f"1{space}234", POINT)


def test_spaces_are_those_of_unicode() -> None:
    every = (chr(code) for code in range(0x10000))
    assert set(SPACES) == {each for each in every if unicodedata.category(each) == "Zs"}


@pytest.mark.parametrize("space", ["\n", "\t", "\u2028", "  "])
def test_lines_tabs_and_two_spaces_do_not_group(space: str) -> None:
    refusal(f"1{space}234", FRENCH)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-5", -5),
        ("\u22125", -5),
        ("- 5", -5),
        ("5-", -5),
        ("5 \u2212", -5),
        ("(5)", -5),
        ("( 5 )", -5),
        ("+5", 5),
        ("-0", 0),
    ],
)
def test_signs(text: str, number: int) -> None:
    read = read_number(text, POINT)
    assert read == number
    assert read.is_signed() == (number < 0)


@pytest.mark.parametrize(
    "text",
    [
        "--5",
        "-5-",
        "+-5",
        "+5-",
        "5+",
        "(-5)",
        "(+5)",
        "-(5)",
        "((5))",
        "(5",
        "5)",
        ")5(",
        "-",
        "()",
    ],
)
def test_more_or_other_signs_are_refused(text: str) -> None:
    refusal(text, POINT)


@pytest.mark.parametrize(
    "currency", ["€", "$", "£", "¥", "₿", "﷼", "EUR", "BHD", *sorted(CURRENCY_WORDS)]
)
@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("{} 1,5", "1.5"),
        ("1,5{}", "1.5"),
        ("1,5 {}", "1.5"),
        ("1,5\u00a0{}", "1.5"),
        ("{}1,5", "1.5"),
        ("-{}1,5", "-1.5"),
        ("{}-1,5", "-1.5"),
        ("1,5- {}", "-1.5"),
        ("1,5 {}-", "-1.5"),
        ("({} 1,5)", "-1.5"),
        ("{} (1,5)", "-1.5"),
        ("(1,5) {}", "-1.5"),
    ],
)
def test_a_currency_stands_on_either_side(currency: str, written: str, number: str) -> None:
    read = read_amount(written.format(currency), COMMA)
    assert read == ParsedAmount(Decimal(number), currency)


@pytest.mark.parametrize("code", DECIMALS)
def test_every_currency_with_minor_units_is_known(code: str) -> None:
    assert read_amount(f"5 {code}", POINT) == ParsedAmount(Decimal(5), code)


@pytest.mark.parametrize(
    "text", ["€ 5 €", "$5 USD", "€5 USD", "5 eur", "5 XYZ", "5 E U R", "U$5", "5 XAU", "zł"]
)
def test_other_words_and_two_currencies_are_refused(text: str) -> None:
    refusal(text, POINT)


def test_the_point_of_a_short_word_is_no_decimal_mark_where_that_is_sure() -> None:
    assert read_number("Fr.1'234", SWISS) == 1234
    assert read_number("Fr.5.50", SWISS) == Decimal("5.5")
    assert read_number("Fr.50", COMMA) == 50
    assert read_number("Fr. .50", POINT) == Decimal("0.5")
    assert read_number("Fr .50", POINT) == Decimal("0.5")
    assert read_number("$.50", POINT) == Decimal("0.5")
    assert "50 or 0.50; put a space" in refusal("Fr.50", POINT)


@pytest.mark.parametrize("text", ["500,-", "500,\u2212", "500, - kr", "kr 500,-"])
def test_a_dash_for_no_decimals_is_not_taken_for_a_minus(text: str) -> None:
    assert "no decimals" in refusal(text, COMMA)
    assert read_number(text, NumberFormat(",", remove="-\u2212")) == 500


@pytest.mark.parametrize(
    ("text", "number"), [("1e5", "1e5"), ("1.2E+3", "1200"), ("5e-2 EUR", "0.05"), ("-1e2", "-100")]
)
def test_exponents_are_read_without_thousands(text: str, number: str) -> None:
    assert read_number(text, POINT) == Decimal(number)
    assert read_number(text, ENGLISH) == Decimal(number)


@pytest.mark.parametrize("text", ["1,234e2", "1e1,234", "1e", "e5", "1e2.5", "1 e5", "1e5e5"])
def test_other_exponents_are_refused(text: str) -> None:
    refusal(text, ENGLISH)


@pytest.mark.parametrize(
    "text",
    ["1,23", "12,3456", "1,234,56", ",123", "1234,567", "1,,234", "1,234,", "1,234.567,8", "0,123"],
)
def test_groups_that_are_no_thousands_are_refused(text: str) -> None:
    assert text in refusal(text, ENGLISH)


@pytest.mark.parametrize("form", [POINT, ENGLISH])
@pytest.mark.parametrize("text", ["12,34,567", "1,23,45,678.90"])
def test_indian_groups_are_named(text: str, form: NumberFormat) -> None:
    assert "Indian" in refusal(text, form)
    assert '`remove: ","`' in refusal(text, form)
    assert read_number(text, NumberFormat(remove=",")) == Decimal(text.replace(",", ""))


@pytest.mark.parametrize(
    ("text", "form", "remedy"),
    [
        ("1,234", POINT, '; write `thousands: ","` or `decimal: ","`,'),
        ("1,5", POINT, '; write `decimal: ","`,'),
        ("1,234.50", POINT, '; write `thousands: ","`,'),
        ("1.234", COMMA, '; write `decimal: "."` or `thousands: "."`,'),
        ("1.234.567", COMMA, '; write `thousands: "."`,'),
        ("1234.5", COMMA, '; write `decimal: "."`,'),
        ("1'234", POINT, '; write `thousands: "\'"`,'),
        ("1.234,50", POINT, '; write `decimal: ","` and `thousands: "."`,'),
        ("1.234.567", POINT, '; write `decimal: ","` and `thousands: "."`,'),
        ("1234.5", GERMAN, '; write `decimal: "."` and `thousands: ""`,'),
        ("12 %", POINT, '`remove: "%"`'),
        ("12,34,567", COMMA, "more than one decimal mark"),
        ("٣", POINT, "only the digits 0 to 9"),
    ],
)
def test_a_refusal_quotes_the_text_and_says_what_would_be_right(
    text: str, form: NumberFormat, remedy: str
) -> None:
    message = refusal(text, form)
    assert message.startswith(repr(text))
    assert remedy in message


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "NaN", "Infinity", "-inf", "abc", "1.2.3", "1..2", "1_000", "1-5", "5 5"),
        *("٣", "１", "5²", "½", "5\u200e", "\ufeff5", "1\x00", "\ud800", "5‰", ".", "0x10"),
    ],
)
@pytest.mark.parametrize("form", [POINT, NumberFormat(".", " ")])
def test_what_is_no_number_is_refused(text: str, form: NumberFormat) -> None:
    refusal(text, form)


@pytest.mark.parametrize("text", ["1e30", "1e-30", "0e9999", "0." + "0" * 100])
def test_the_range_is_closed_and_zero_is_in_it(text: str) -> None:
    assert read_number(text, POINT) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.1e30",
        "1" + "0" * 30 + ".1",
        "1" + "0" * 31,
        "9e-31",
        "0." + "0" * 30 + "1",
        "1e9999",
        "1e" + "9" * 50,
    ],
)
def test_what_is_out_of_range_is_refused(text: str) -> None:
    assert re.search("not between|exponent is too large", refusal(text, POINT))


def test_a_long_text_is_refused_in_a_short_message() -> None:
    assert read_number(" " * 1000 + "0" * (MAX_LENGTH - 1) + "5" + " " * 1000, POINT) == 5
    for text in ("0" * MAX_LENGTH + "5", "9" * 100_000, "1e" + "9" * 100_000, "(" * 100_000):
        assert len(refusal(text, ENGLISH)) < 200


def test_no_digit_is_lost_whatever_the_context() -> None:
    digits = "-123456789012345678901234567890.12345678901234567890"
    with localcontext(prec=3):
        assert str(read_number(digits, POINT)) == digits


def test_characters_are_taken_out_first() -> None:
    assert read_number("$1'000", NumberFormat(remove="$'")) == 1000
    assert read_number("$ 1.000,5", NumberFormat(",", remove="$. ")) == Decimal("1000.5")
    assert refusal("$1", NumberFormat(remove="1$")).startswith("'$1'")


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"decimal": ";"}, "decimal"),
        ({"decimal": ""}, "decimal"),
        ({"thousands": "_"}, "thousands"),
        ({"thousands": ",."}, "thousands"),
        ({"decimal": ".", "thousands": "."}, "both"),
        ({"decimal": ",", "thousands": ","}, "both"),
        ({"remove": "$."}, "remove"),
        ({"decimal": ",", "remove": ","}, "remove"),
        ({"thousands": ",", "remove": "$,"}, "remove"),
        ({"thousands": " ", "remove": "\u00a0"}, "remove"),
    ],
)
def test_a_format_that_cannot_be_meant_is_refused(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        NumberFormat(**keys)


@pytest.mark.parametrize(
    ("texts", "likely"),
    [
        (["1,234"], [ENGLISH, COMMA, GERMAN, NumberFormat(",", "'"), FRENCH]),
        (["1,234", "1,234.5"], [ENGLISH]),
        (["1,234", "0,5"], [COMMA, GERMAN, NumberFormat(",", "'"), FRENCH]),
        (["€ 1.234", "-5,50"], [GERMAN]),
        (["1'234", "1’234.5"], [SWISS]),
        (["1 234", "1\u00a0234,5"], [FRENCH]),
        (["1,234.5", "1.234,5"], []),
        (["n/a"], []),
    ],
)
def test_likely_formats_read_every_text(texts: list[str], likely: list[NumberFormat]) -> None:
    assert likely_formats(iter(texts)) == likely


def test_whole_numbers_tell_no_format_from_another() -> None:
    assert likely_formats(["5", "17"]) == likely_formats([])
    assert len(likely_formats([])) == 8
