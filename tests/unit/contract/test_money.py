"""Amounts are exact, in minor units, or refused."""

from decimal import Decimal

import pytest

from funnel_stream.contract.money import (
    DECIMALS,
    MAX_MINOR_UNITS,
    checked_currency,
    major,
    minor_units,
)
from funnel_stream.contract.rejections import Reason, RefusedError
from tests.unit.contract.records import amended, attributes, raw

EXACT = [
    ("0", "EUR", 0),
    ("0.00", "JPY", 0),
    ("0e9", "EUR", 0),
    ("0.0e-999999", "EUR", 0),
    ("-0", "EUR", 0),
    ("-0.0", "EUR", 0),
    ("-0e5", "EUR", 0),
    ("-0.000e-999", "EUR", 0),
    ("12500", "EUR", 1_250_000),
    ("12500", "JPY", 12_500),
    ("12500", "KWD", 12_500_000),
    ("12500.5", "EUR", 1_250_050),
    ("0.07", "EUR", 7),
    ("0.007", "KWD", 7),
    ("1.10", "EUR", 110),
    ("1.1000000000000000000000000000", "EUR", 110),
    ("1.0000000000000000000000000000", "JPY", 1),
    ("1e2", "EUR", 10_000),
    ("1.25E+1", "EUR", 1_250),
    ("125e-2", "EUR", 125),
    ("12000e-3", "JPY", 12),
    ("9999999999999.99", "EUR", MAX_MINOR_UNITS),
    ("9007199254740.99", "EUR", 900_719_925_474_099),
    ("999999999999.999", "KWD", MAX_MINOR_UNITS),
    ("999999999999999", "JPY", MAX_MINOR_UNITS),
]
ROUNDED = [
    ("1234.5678", "EUR", 123_457),
    ("100.10000000000001", "EUR", 10_010),
    ("1500.5", "JPY", 1_500),
    ("1501.5", "JPY", 1_502),
    ("12500e-3", "JPY", 12),
    ("13500e-3", "JPY", 14),
    ("0.125", "EUR", 12),
    ("0.135", "EUR", 14),
    ("0.12500000000000000000000000000001", "EUR", 13),
    ("0.12499999999999999999999999999999", "EUR", 12),
    ("0.0005", "KWD", 0),
    ("0.0015", "KWD", 2),
    ("9007199254740.993", "EUR", 900_719_925_474_099),
    ("9999999999999.9949", "EUR", MAX_MINOR_UNITS),
    ("0.001", "EUR", 0),
    ("0.00999", "EUR", 1),
    ("1e-400", "EUR", 0),
    ("1e-999999999", "EUR", 0),
]
UNREADABLE = [
    ("1e13", "EUR"),
    ("1000000000000000", "JPY"),
    ("9999999999999.995", "EUR"),
    ("10000000000000", "EUR"),
    ("1e999999999", "EUR"),
    ("1e99999999999999999999999", "EUR"),
    ("-1", "EUR"),
    ("-0.001", "EUR"),
    ("-1e-400", "EUR"),
]


def written(literal: str, currency: str) -> list[bytes]:
    """The amount as a number and as a text."""
    code = f'"{currency}"'
    return [raw(amount=number, currency=code) for number in (literal, f'"{literal}"')]


@pytest.mark.parametrize(("text", "currency", "minor"), EXACT)
def test_an_amount_is_read_exactly(text: str, currency: str, minor: int) -> None:
    for value in written(text, currency):
        assert attributes(value) == {"amount": [minor, currency]}
    assert attributes(raw(cost=text, currency=f'"{currency}"')) == {"cost": [minor, currency]}


@pytest.mark.parametrize(("text", "currency", "minor"), ROUNDED)
def test_decimals_that_the_currency_has_not_are_rounded_half_even(
    text: str, currency: str, minor: int
) -> None:
    for value in written(text, currency):
        assert amended(value) == ({"amount": [minor, currency]}, {"rounded_amount"})
    with pytest.raises(RefusedError) as refusal:
        minor_units(text, currency, "amount")
    assert refusal.value.rejection.reason == Reason.TOO_MANY_DECIMALS


@pytest.mark.parametrize(("text", "currency"), UNREADABLE)
def test_what_is_negative_or_too_large_is_left_out(text: str, currency: str) -> None:
    for value in written(text, currency):
        assert amended(value) == (None, {"unreadable_amount"})


@pytest.mark.parametrize(
    "text",
    [
        " 1", "1 ", "1_000", "1,5", "1 000", "+1", "-1", "--0", ".5", "5.", "00", "007", "0x10",
        "NaN", "nan", "sNaN", "Infinity", "inf", "1e", "1e+", "e5", "", "²", "١٢", "1\n", "1e1_0",
    ],
)  # fmt: skip
def test_a_decimal_string_is_written_like_a_json_number(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        minor_units(text, "EUR", "amount")
    assert refusal.value.rejection.reason == Reason.INVALID_AMOUNT


def test_the_exact_text_is_read_beside_what_only_some_parsers_allow() -> None:
    value = raw(amount="12.5", currency='"EUR"', color='"\\u00e9"', cost="3.25")
    assert attributes(value) == {"amount": [1_250, "EUR"], "cost": [325, "EUR"]}
    with_nan = raw(amount="12.5", currency='"EUR"', color="NaN", cost="Infinity")
    assert amended(with_nan) == ({"amount": [1_250, "EUR"]}, {"unreadable_amount"})


def test_floats_are_refused_because_they_are_not_exact() -> None:
    with pytest.raises(RefusedError, match=r"the float 0\.1"):
        minor_units(0.1, "EUR", "amount")


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("-1"), Decimal("Infinity")])
def test_decimals_are_finite_and_not_negative(amount: Decimal) -> None:
    with pytest.raises(RefusedError) as refusal:
        minor_units(amount, "EUR", "amount")
    assert refusal.value.rejection.reason == Reason.INVALID_AMOUNT


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HRK", 2), ("BGN", 2), ("BYR", 0)],
)
def test_currencies_of_today_and_of_the_last_years_are_known(currency: str, decimals: int) -> None:
    assert checked_currency(currency) == currency
    assert DECIMALS[currency] == decimals


@pytest.mark.parametrize("currency", ["XAU", "XTS", "XXX", "eur", "EURO", "", "€", "ABC"])
def test_other_codes_are_refused(currency: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        checked_currency(currency)
    assert refusal.value.rejection.reason == Reason.UNKNOWN_CURRENCY


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [(1_250, "EUR", 12.5), (1_250, "JPY", 1250.0), (1, "KWD", 0.001), (0, "EUR", 0.0)],
)
def test_output_is_in_major_units(minor: int, currency: str, expected: float) -> None:
    assert major(minor, currency) == expected
