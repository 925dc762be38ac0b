"""Money: exact decimals to integers in minor units of an ISO 4217 currency."""

import json
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from iso4217 import Currency

from funnel_stream.contract.rejections import Reason, RefusedError, shown

MAX_DIGITS: Final = 15
MAX_MINOR_UNITS: Final = 10**MAX_DIGITS - 1

AMOUNT_PATTERN: Final = r"^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
"""A decimal string: written like a JSON number, not negative."""
MINUS_ZERO_PATTERN: Final = r"^-0(\.0+)?([eE][+-]?[0-9]+)?$"
"""Minus zero is zero."""

_WITHDRAWN: Final = {
    "ANG": 2, "BGN": 2, "BYR": 0, "CUC": 2, "HRK": 2, "LTL": 2, "LVL": 2, "MRO": 2,
    "SLL": 2, "STD": 2, "VEF": 2, "ZMK": 2, "ZWL": 2,
}  # fmt: skip
"""Currencies that left the standard since 2013: events from before must stay readable."""

DECIMALS: Final[dict[str, int]] = _WITHDRAWN | {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""Decimals of every currency that has minor units (0 for those that have only whole units)."""

_WITHOUT_MINOR_UNITS: Final = frozenset(c.code for c in Currency if c.exponent is None)
_DECIMAL: Final = re.compile(AMOUNT_PATTERN.replace("^", "-?").replace("$", r"\Z"))
_EXACT: Final = Context(prec=100_000)
"""More digits than a record of 64 KiB can hold: shifting the point never rounds."""


class _Literals(msgspec.Struct):
    """The amounts of an event as they stand in the JSON text."""

    amount: msgspec.Raw = msgspec.Raw(b"")
    cost: msgspec.Raw = msgspec.Raw(b"")


_read_literals = msgspec.json.Decoder(_Literals).decode
_read_lax = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode


def _literal(value: bytes, field: str) -> bytes:
    """The text of the JSON number in ``field``, for a number that a parser made a float.

    It costs 0.4 µs, and only amounts with a decimal point or an exponent pay it. An event with
    ``NaN`` or ``Infinity`` anywhere, which the first parser lets pass, is for a slower one.
    """
    try:
        return bytes(getattr(_read_literals(value), field))
    except msgspec.DecodeError:
        return str(_read_lax(value.decode())[field]).encode()


def _usual(text: bytes, decimals: int) -> int:
    """Minor units of digits with at most one point, -1 for anything else.

    Three times as fast as ``Decimal``; what it declines is not wrong, only unusual.
    """
    whole, point, fraction = text.partition(b".")
    if (
        whole.isdigit()
        and (fraction.isdigit() or not point)
        and len(fraction) <= decimals
        and len(whole) + decimals <= MAX_DIGITS
        and (len(whole) == 1 or not whole.startswith(b"0"))
    ):
        return int(whole + fraction.ljust(decimals, b"0"))
    return -1


def checked_currency(currency: str) -> str:
    """The currency, or ``RefusedError``."""
    if currency in DECIMALS:
        return currency
    problem = "has no minor units" if currency in _WITHOUT_MINOR_UNITS else "is not in ISO 4217"
    raise RefusedError(
        Reason.UNKNOWN_CURRENCY, "currency", f"{shown(currency)} {problem}; write a code like EUR"
    )


def read_currency(currency: object) -> str:
    """The code that a currency stands for, which may be written in any case, or
    ``RefusedError``."""
    if not isinstance(currency, str):
        raise RefusedError(
            Reason.CURRENCY_MISSING, "currency", f"{shown(currency)} is not a currency"
        )
    if currency in DECIMALS:
        return currency
    code = currency.upper() if currency.isascii() else ""
    return code if code in DECIMALS else checked_currency(currency)


def exact_decimal(amount: object, field: str) -> Decimal:
    """The amount as an exact decimal of zero or more, or ``RefusedError``. Floats are refused."""
    if isinstance(amount, str):
        if not _DECIMAL.match(amount):
            raise _no_amount(amount, field)
        try:
            decimal = Decimal(amount)
        except InvalidOperation:
            raise _out_of_range(amount, field) from None
    elif isinstance(amount, Decimal):
        decimal = amount
    elif isinstance(amount, int) and not isinstance(amount, bool):
        decimal = Decimal(amount)
    else:
        found = f"the float {amount}" if isinstance(amount, float) else shown(amount)
        raise RefusedError(
            Reason.WRONG_TYPE, field, f"{found} is not a whole number or an exact decimal"
        )
    if not decimal.is_finite() or decimal < 0:
        raise _no_amount(str(amount), field)
    return decimal


def minor_units(amount: object, currency: str, field: str) -> int:
    """The amount in minor units of a currency of ``DECIMALS``, exactly, or ``RefusedError``.

    Zeros at the end are not decimals too many.
    """
    units, rounded = rounded_units(amount, currency, field)
    if rounded:
        raise RefusedError(
            Reason.TOO_MANY_DECIMALS,
            field,
            f"{shown(str(amount))} has more than the {DECIMALS[currency]} decimals of {currency}",
        )
    return units


def rounded_units(amount: object, currency: str, field: str) -> tuple[int, bool]:
    """The amount in minor units of a currency of ``DECIMALS``, and whether it had to be rounded
    (half-even) to be that. Raises ``RefusedError``; what is negative is so before rounding."""
    decimals = DECIMALS[currency]
    if type(amount) is str:
        units = _usual(amount.encode("ascii", "replace"), decimals)
        if units >= 0:
            return units, False
    if type(amount) is int and 0 <= amount <= MAX_MINOR_UNITS:
        units = amount * int(10**decimals)
        if units > MAX_MINOR_UNITS:
            raise _out_of_range(amount, field)
        return units, False
    decimal = exact_decimal(amount, field)
    if not decimal:
        return 0, False
    if decimal.adjusted() + decimals >= MAX_DIGITS:
        raise _out_of_range(amount, field)
    # Anything below the hundredth part of a minor unit would only make the shift slow.
    if decimal.adjusted() + decimals < -2:
        return 0, True
    shifted = decimal.scaleb(decimals, context=_EXACT)
    units = int(shifted.to_integral_value(ROUND_HALF_EVEN, context=_EXACT))
    if units > MAX_MINOR_UNITS:
        raise _out_of_range(amount, field)
    return units, units != shifted


def from_json(amount: Any, currency: str, field: str, value: bytes) -> tuple[int, bool]:
    """``rounded_units`` of what a JSON parser made of the field of the record ``value``."""
    if type(amount) is not float:
        return rounded_units(amount, currency, field)
    text = _literal(value, field)
    units = _usual(text, DECIMALS[currency])
    if units >= 0:
        return units, False
    return rounded_units(text.decode(), currency, field)


def check_money(event: Mapping[str, Any]) -> None:
    """Refuses what would not count as it stands: amounts and costs (texts or exact numbers) that
    are none, have no currency or more decimals than it, and other currencies than those of
    ``DECIMALS``. Raises ``RefusedError``."""
    currency = event.get("currency")
    if currency is not None:
        checked_currency(currency)
    for field in ("amount", "cost"):
        amount = event.get(field)
        if amount is None:
            continue
        if currency is None:
            raise RefusedError(
                Reason.CURRENCY_MISSING, "currency", f"{field} has no currency; add a code like EUR"
            )
        minor_units(amount, currency, field)


def major(minor: int, currency: str) -> float:
    """Minor units as major units, for output only."""
    return float(minor / 10 ** DECIMALS[currency])


def _out_of_range(amount: object, field: str) -> RefusedError:
    return RefusedError(
        Reason.AMOUNT_OUT_OF_RANGE,
        field,
        f"{shown(str(amount) if not isinstance(amount, int) else amount)} is more than "
        f"{MAX_MINOR_UNITS} minor units",
    )


def _no_amount(amount: str, field: str) -> RefusedError:
    return RefusedError(
        Reason.INVALID_AMOUNT,
        field,
        f"{shown(amount)} is not a decimal number of zero or more; write it like 1250.00",
    )
