"""Money in the base currency: exact, half-even, at the rate of the day."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY_US
from funnel_stream.facts.rates import Rates

FIRST = date(2026, 1, 1)
EXACT = Context(prec=200)
CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CLF")
"""With 2, 2, 0, 3 and 4 decimals."""

days = st.integers(0, 400).map(lambda number: FIRST + timedelta(days=number))
rates = st.decimals("1e-12", "1e9", places=12)
amounts = st.integers(0, 10**15 - 1)
instants = st.integers(-DAY_US, 402 * DAY_US).map(lambda us: micros(FIRST) + us)


def micros(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def definition(base: str, currency: str, dated: dict[date, Decimal]) -> Definition:
    return Definition(base_currency=base, rates={currency: dated})


def expected(
    minor: int, currency: str, base: str, dated: dict[date, Decimal], at: int
) -> tuple[int, str]:
    """By decimals alone: major units × rate, rounded to the decimals of the base currency."""
    today = datetime.fromtimestamp(at // 1_000_000, UTC).date()
    known = [day for day in dated if day <= today]
    if not known:
        return minor, currency
    major = EXACT.multiply(Decimal(minor).scaleb(-DECIMALS[currency]), dated[max(known)])
    units = major.scaleb(DECIMALS[base], EXACT).to_integral_value(ROUND_HALF_EVEN, EXACT)
    return (int(units), base) if units < 10**18 else (minor, currency)


@given(
    st.permutations(CURRENCIES).map(lambda names: names[:2]),
    st.dictionaries(days, rates, min_size=1, max_size=5),
    amounts,
    instants,
)
@example(["EUR", "USD"], {FIRST: Decimal("0.5")}, 1, micros(FIRST))
@example(["EUR", "USD"], {FIRST: Decimal("0.5")}, 3, micros(FIRST) - 1)
@example(["EUR", "JPY"], {FIRST: Decimal("0.00615")}, 1, micros(FIRST))
@example(["JPY", "KWD"], {FIRST: Decimal(500)}, 10**15 - 1, micros(FIRST))
@example(["KWD", "JPY"], {FIRST: Decimal(10**9)}, 10**15 - 1, micros(FIRST))
def test_an_amount_is_converted_exactly(
    names: list[str], dated: dict[date, Decimal], minor: int, at: int
) -> None:
    base, currency = names
    converted = Rates(definition(base, currency, dated)).convert(minor, currency, at)
    assert converted == expected(minor, currency, base, dated, at)


@given(st.dictionaries(days, rates, min_size=1, max_size=5), amounts, instants, instants)
@example(
    {FIRST: Decimal(2), FIRST + timedelta(days=1): Decimal(3)}, 5, micros(FIRST), micros(FIRST)
)
def test_a_course_agrees_with_every_later_instant(
    dated: dict[date, Decimal], minor: int, since: int, at: int
) -> None:
    rates = Rates(definition("EUR", "USD", dated))
    course = list(rates.course(minor, "USD", since))
    begins = [begin for begin, _ in course]
    assert begins == sorted(set(begins))
    assert begins[0] == since
    later = {at, since, *map(micros, dated), *(micros(day) - 1 for day in dated)}
    for instant in (each for each in later if each >= since):
        *_, (_, money) = (step for step in course if step[0] <= instant)
        assert money == rates.convert(minor, "USD", instant)


def test_halves_go_to_the_even_neighbour() -> None:
    rates = Rates(definition("EUR", "USD", {FIRST: Decimal("0.5")}))
    converted = [rates.convert(minor, "USD", micros(FIRST))[0] for minor in range(8)]
    assert converted == [0, 0, 1, 2, 2, 2, 3, 4]


def test_a_rate_holds_from_the_beginning_of_its_day_in_utc() -> None:
    later = FIRST + timedelta(days=31)
    rates = Rates(definition("EUR", "USD", {later: Decimal(3), FIRST: Decimal(2)}))
    moments = (micros(FIRST) - 1, micros(FIRST), micros(later) - 1, micros(later))
    wanted = [(100, "USD"), (200, "EUR"), (200, "EUR"), (300, "EUR")]
    assert [rates.convert(100, "USD", at) for at in moments] == wanted


@pytest.mark.parametrize("currency", ["EUR", "CHF"])
def test_the_base_and_a_currency_without_rates_stay(currency: str) -> None:
    rates = Rates(definition("EUR", "USD", {FIRST: Decimal(2)}))
    assert rates.convert(100, currency, micros(FIRST)) == (100, currency)
    assert list(rates.course(100, currency, 7)) == [(7, (100, currency))]
    assert not rates.is_dated(currency)


def test_without_a_base_currency_everything_stays() -> None:
    assert Rates(Definition()).convert(100, "USD", micros(FIRST)) == (100, "USD")


def test_what_would_be_too_much_keeps_its_currency() -> None:
    rates = Rates(definition("EUR", "USD", {FIRST: Decimal(1000)}))
    at = micros(FIRST)
    assert rates.convert(10**15 - 1, "USD", at) == (10**18 - 1000, "EUR")
    assert rates.convert(10**15, "USD", at) == (10**15, "USD")
