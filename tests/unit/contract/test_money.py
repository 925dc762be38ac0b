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
from tests.unit.contract.records import attributes, raw, refused

AS_STRING_AND_NUMBER = [
    ("0", "EUR", 0),
    ("0.00", "JPY", 0),
    ("0e9", "EUR", 0),
    ("0.0e-999999", "EUR", 0),
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
    ("12500e-3", "JPY", None),
    ("12000e-3", "JPY", 12),
    ("1e13", "EUR", None),
    ("9999999999999.99", "EUR", MAX_MINOR_UNITS),
    ("9007199254740.993", "EUR", None),
    ("9007199254740.99", "EUR", 900_719_925_474_099),
    ("999999999999.999", "KWD", MAX_MINOR_UNITS),
    ("999999999999999", "JPY", MAX_MINOR_UNITS),
    ("1000000000000000", "JPY", None),
    ("10000000000000", "EUR", None),
    ("0.001", "EUR", None),
    ("1e-400", "EUR", None),
    ("1e-999999999", "EUR", None),
    ("1e999999999", "EUR", None),
    ("1e99999999999999999999999", "EUR", None),
    ("1e-99999999999999999999999", "EUR", None),
]


@pytest.mark.parametrize(("text", "currency", "minor"), AS_STRING_AND_NUMBER)
def test_an_amount_is_read_exactly_or_refused(text: str, currency: str, minor: int | None) -> None:
    if minor is None:
        for literal in (text, f'"{text}"'):
            rejection = refused(raw(amount=literal, currency=f'"{currency}"'))
            assert rejection.reason in (Reason.TOO_MANY_DECIMALS, Reason.AMOUNT_OUT_OF_RANGE)
        return
    expected = {"amount": [minor, currency]}
    assert attributes(raw(amount=f'"{text}"', currency=f'"{currency}"')) == expected
    assert attributes(raw(amount=text, currency=f'"{currency}"')) == expected
    assert attributes(raw(cost=text, currency=f'"{currency}"')) == {"cost": [minor, currency]}


@pytest.mark.parametrize(
    "text",
    [
        " 1", "1 ", "1_000", "1,5", "1 000", "+1", "-1", "-0", ".5", "5.", "00", "007", "0x10",
        "NaN", "nan", "sNaN", "Infinity", "inf", "1e", "1e+", "e5", "", "²", "١٢", "1\n", "1e1_0",
    ],
)  # fmt: skip
def test_a_decimal_string_is_written_like_a_json_number(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        minor_units(text, "EUR", "amount")
    assert refusal.value.rejection.reason == Reason.INVALID_AMOUNT


@pytest.mark.parametrize("zero", ["-0", "-0.0", "-0e5", "-0.000e-999"])
def test_minus_zero_as_a_number_is_zero(zero: str) -> None:
    assert attributes(raw(amount=zero, currency='"EUR"')) == {"amount": [0, "EUR"]}


def test_the_exact_text_is_read_beside_what_only_some_parsers_allow() -> None:
    value = raw(amount="12.5", currency='"EUR"', color='"\\u00e9"', cost="3.25")
    assert attributes(value) == {"amount": [1_250, "EUR"], "cost": [325, "EUR"]}


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
