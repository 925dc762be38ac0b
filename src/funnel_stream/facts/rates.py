"""Money in one currency: dated rates from ``funnel.yaml`` to the base currency."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import Definition

Money = tuple[int, str]
"""Minor units and their currency."""

_LIMIT: Final = 10**18
"""What would become more minor units than that keeps its own currency: no sum may overflow."""


class Rates:
    """Converts amounts at the latest rate on or before a UTC day, half-even to minor units.

    Without a base currency, and before the first rate, an amount stays what it is.
    """

    def __init__(self, definition: Definition) -> None:
        self.base = definition.base_currency
        self._dated = {
            currency: _RateHistory(currency, rates, self.base)
            for currency, rates in definition.rates.items()
            if self.base and rates
        }

    def convert(self, minor: int, currency: str, at: int) -> Money:
        """The amount at the rate of an instant's UTC day (µs)."""
        dated = self._dated.get(currency)
        return (minor, currency) if dated is None else dated.convert(minor, at)

    def course(self, minor: int, currency: str, since: int) -> Iterator[tuple[int, Money]]:
        """What the amount is worth from an instant on: first at ``since``, then whenever a later
        rate begins."""
        dated = self._dated.get(currency)
        if dated is None:
            yield since, (minor, currency)
            return
        yield since, dated.convert(minor, since)
        for day in dated.days[bisect_right(dated.days, since) :]:
            yield day, dated.convert(minor, day)

    def is_dated(self, currency: str) -> bool:
        """Whether an amount in it may be worth another one on another day."""
        return currency in self._dated


class _RateHistory:
    """The rates of one currency: when each begins (µs), as a fraction of minor units."""

    def __init__(self, currency: str, rates: dict[date, Decimal], base: str) -> None:
        self.currency = currency
        self.base = base
        self.days = [_micros(day) for day in sorted(rates)]
        fractions = [rates[day].as_integer_ratio() for day in sorted(rates)]
        shift = DECIMALS[base] - DECIMALS[currency]
        up, down = 10 ** max(shift, 0), 10 ** max(-shift, 0)
        self._fractions = [(top * up, bottom * down) for top, bottom in fractions]

    def convert(self, minor: int, at: int) -> Money:
        index = bisect_right(self.days, at) - 1
        if index < 0:
            return minor, self.currency
        top, bottom = self._fractions[index]
        converted = _half_even(minor * top, bottom)
        return (converted, self.base) if converted < _LIMIT else (minor, self.currency)


def _half_even(top: int, bottom: int) -> int:
    whole, remainder = divmod(top, bottom)
    return whole + (2 * remainder > bottom or (2 * remainder == bottom and whole % 2 == 1))


def _micros(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
