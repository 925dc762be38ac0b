"""Money, spend over its period and the base currency; worked out by hand."""

from typing import Any

import pytest

from tests.oracle.asking import Ask
from tests.oracle.funnels import Line, event, life, spend

EUR = {"currency": "EUR"}


def test_money_is_exact_in_every_currency(ask: Ask) -> None:
    amounts: list[tuple[Any, str]] = [
        (0.1, "EUR"),
        ("0.20", "EUR"),
        (1234567, "JPY"),
        ("0.001", "KWD"),
        (99999999999.99, "USD"),
        (0, "PLN"),
    ]
    f = ask(
        [
            event(f"deal {i}", "won", "06-10", amount=amount, currency=currency)
            for i, (amount, currency) in enumerate(amounts)
        ]
    )
    values = f.labelled("deal_value", "currency", window="30d", outcome="won")
    assert values == {"EUR": 0.3, "JPY": 1234567, "KWD": 0.001, "USD": 99999999999.99}


def test_won_value_per_day_is_by_the_time_of_the_window_that_has_passed(ask: Ask) -> None:
    lines: list[Line] = [
        event("a", "won", "06-14 13:00", amount="900.50", channel="web", **EUR),
        event("b", "won", "05-20", amount=200, **EUR),
        event("c", "won", "06-15 12:00", amount=60, currency="JPY"),
        event("d", "won", "06-15 12:00", amount=0, currency="PLN"),
        event("e", "won", "06-15 12:00"),
        event("f", "lost", "06-15 12:00", amount=5000, **EUR),
        event("g", "offer", "06-15 12:00", amount=5000, **EUR),
    ]
    f = ask(lines)
    # At noon a new pane of an hour begins, in which no time has passed yet; today has passed half.
    for window, days in (("24h", 23 / 24), ("7d", 7 - 1 / 24)):
        assert f("won_value_per_day", window, currency="EUR") == pytest.approx(900.5 / days)
    for window, days in (("30d", 30 - 1 / 24), ("365d", 364.5)):
        assert f("won_value_per_day", window, currency="EUR") == pytest.approx(1100.5 / days)
        assert f("won_value_per_day", window, currency="JPY") == pytest.approx(60 / days)
        assert f("won_value_per_day", window, currency="PLN") is None
        web = {"dimension": "channel", "value": "web", "currency": "EUR"}
        breakdown = f("won_value_per_day_breakdown", window, **web)
        assert breakdown == pytest.approx(900.5 / days)
    assert f("won_value_per_day", "1h", currency="EUR") is None
    assert f("won_value_per_day", "1h", currency="JPY") == pytest.approx(60 / 59 * 60 * 24)
    # The clock alone moves it, as long as nothing leaves the window.
    later = ask(lines, "2025-06-15T12:45:00.000001Z")
    days = 23.75 / 24 + 1e-6 / 86_400
    assert later("won_value_per_day", "24h", currency="EUR") == pytest.approx(
        900.5 / days, rel=1e-13
    )


def test_nothing_is_won_per_day_before_any_time_has_passed(ask: Ask) -> None:
    config = {"windows": ["1d", "36d", "40d", "1m"], "dimensions": []}
    lines = [event("a", "won", "06-15", amount=90, **EUR)]
    f = ask(lines, "06-15 00:00", config)
    assert f("won_value_per_day", "1m", currency="EUR") is None
    assert f("won_value_per_day", "40d", currency="EUR") == pytest.approx(90 / 39)
    f = ask(lines, "2025-06-15T00:00:30Z", config)
    assert f("won_value_per_day", "1m", currency="EUR") == pytest.approx(90 * 24 * 60 * 2)


def test_cost_per_lead_is_spend_by_leads_in_all_and_by_channel(ask: Ask) -> None:
    f = ask(
        [
            spend("web", "06-10", "30.05"),
            spend("web", "06-11", 1000, "JPY"),
            spend("tv", "06-12", 7),
            event("a", "lead", "06-10", channel="web"),
            event("b", "lead", "06-10", channel="web"),
            event("c", "lead", "06-10", channel="fair"),
            event("d", "updated", "06-10", channel="tv"),
        ]
    )
    assert f("spend", **EUR) == 37.05
    assert f("cost_per_lead", **EUR) == pytest.approx(37.05 / 3, rel=1e-9)
    assert f.parts("cost_per_lead", **EUR) == (37.05, 3)
    assert f("cost_per_lead", currency="JPY") == pytest.approx(1000 / 3, rel=1e-9)
    by_channel = {"window": "30d", "dimension": "channel", "currency": "EUR"}
    assert f.labelled("cost_per_lead_breakdown", "value", **by_channel) == {"web": 15.025}
    assert f.labelled("cost_per_lead_breakdown_denominator", "value", **by_channel) == {
        "web": 2,
        "tv": 0,
    }
    assert f.labelled("spend_breakdown", "dimension", value="tv", window="30d") == {"channel": 7}
    assert f("spend", "24h", **EUR) is None
    assert f("cost_per_lead_denominator", "24h", **EUR) is None


def test_spend_belongs_to_its_own_pipeline(ask: Ask) -> None:
    f = ask(
        [
            spend("web", "06-10", 5, pipeline="B"),
            spend("web", "06-11", 3),
            event("a", "lead", "06-11", channel="web", pipeline="B"),
        ]
    )
    assert f("cost_per_lead", pipeline="B", **EUR) == 5
    assert f("spend", **EUR) == 3
    assert f("cost_per_lead", **EUR) is None
    assert f("cost_per_lead_numerator", **EUR) == 3


def test_spend_over_a_period_is_rounded_down_at_every_edge_of_a_pane(ask: Ask) -> None:
    """1.00 over three hours from 10:30: at 11:00 there are 16 cents of it, at 12:00 50, at 13:00
    83; the pane that has begun counts whole."""
    lines: list[Line] = [
        event("a", "lead", "05-01"),
        spend("web", "06-15 09:00", 1, period_start="2025-06-15T10:30:00Z",
              period_end="2025-06-15T13:30:00Z"),
    ]  # fmt: skip
    config = {"windows": ["1h", "3h", "24h", "36d"]}
    for as_of, day in (
        ("06-15 10:29", 0.16),
        ("06-15 11:59", 0.5),
    ):
        f = ask(lines, as_of, config)
        assert f("spend", "24h", **EUR) == day, as_of
        assert f("spend", "36d", **EUR) == 1, as_of  # the day has begun
    f = ask(lines, "06-15 12:00", config)
    # Minutes 11:01 to 12:00: from 11:01 (31 of 180 minutes) to 12:01 (91): 50 - 17 cents.
    assert f("spend", "1h", **EUR) == 0.33
    assert f("spend", "3h", **EUR) == 0.83
    f = ask(lines, "06-15 14:00", config)
    # From 13:01 (151 of 180 minutes) on: 100 - 83 cents. From 12:00 on: 100 - 50.
    assert f("spend", "1h", **EUR) == 0.17
    assert f("spend", "3h", **EUR) == 0.5


def test_spend_of_the_future_counts_when_its_panes_begin(ask: Ask) -> None:
    over = {"period_start": "2025-06-15T13:00:00Z", "period_end": "2025-06-25T13:00:00Z"}
    lines: list[Line] = [spend("web", "06-15 09:00", 240, **over), event("a", "lead", "06-15")]
    assert ask(lines)("spend", "24h", **EUR) is None
    assert ask(lines)("spend", "365d", **EUR) == 11  # of the day that has begun
    assert ask(lines, "06-15 13:00")("spend", "24h", **EUR) == 1
    assert ask(lines, "06-25 14:00")("spend", "30d", **EUR) == 240
    assert ask(lines, "2025-06-15T08:59:00Z")("spend", "365d", **EUR) is None


RATES = {
    "base_currency": "EUR",
    "rates": {
        "USD": {"2025-06-01": 0.9, "2025-06-10": 0.95},
        "JPY": {"2025-06-01": "0.005"},
        "KWD": {"2025-06-01": 3},
    },
    "windows": ["24h", "30d"],
}


def test_each_fact_is_converted_at_the_rate_of_its_day(ask: Ask) -> None:
    def won(deal: str, at: str, amount: Any, currency: str) -> Line:
        return event(deal, "won", at, amount=amount, currency=currency)

    f = ask(
        [
            won("before any rate", "2025-05-31T23:59:59.999999Z", 10, "USD"),
            won("first", "06-01", 10, "USD"),  # 9
            won("last of the old rate", "2025-06-09T23:59:59.999999Z", 10, "USD"),  # 9
            won("new rate", "06-10", 10, "USD"),  # 9.50
            won("a day of UTC", "2025-06-10T01:00:00+02:00", 10, "USD"),  # 9
            won("already", "06-10", 1, "EUR"),
            won("no rate", "06-10", 1, "PLN"),
            won("1 yen", "06-10", 1, "JPY"),  # half a cent: 0
            won("3 yen", "06-10", 3, "JPY"),  # a cent and a half: 2
            won("5 yen", "06-10", 5, "JPY"),  # 2.5: 2
            won("a fil", "06-10", "0.005", "KWD"),  # 1.5 cents: 2
        ],
        config=RATES,
    )
    values = f.labelled("deal_value", "currency", window="30d", outcome="won")
    assert values == {"USD": 10, "EUR": 37.56, "PLN": 1}


def test_each_offer_is_converted_at_the_rate_of_its_own_day(ask: Ask) -> None:
    """The first at 0.9, the second one of the same deal at 0.95."""
    offers = [event("a", "offer", day, amount=10, currency="USD") for day in ("06-09", "06-10")]
    f = ask(offers, config=RATES)
    assert f.parts("offer_value", currency="EUR") == (9 + 9.5, 2)


def test_discount_and_margin_are_of_one_currency_before_they_are_converted(ask: Ask) -> None:
    f = ask(
        [
            # At the rate of the closing, 0.95: 95 of 190.
            event("a", "offer", "06-01", amount=200, currency="USD"),
            event("a", "won", "06-10", amount=100, cost=60, currency="USD"),
            # As good as one currency after, but not before.
            event("b", "offer", "06-10", amount=100, currency="USD"),
            event("b", "won", "06-10", amount=95, cost=10, **EUR),
            event("b", "updated", "06-11", cost=10, currency="USD"),
            event("c", "lost", "06-09", amount=100, currency="USD", lost_reason="price"),
        ],
        config=RATES,
    )
    assert f.parts("value_retention_ratio", **EUR) == (95, 190)
    assert f.parts("discount_ratio") == (0.5, 1)
    assert f.parts("margin_ratio", **EUR) == (38, 95)
    assert f.parts("offer_value", **EUR) == (180 + 95, 2)
    assert f("lost_value", reason="price", lost_from="lead", offered="false", **EUR) == 90
    assert "USD" not in f.labelled("deal_value", "currency", window="30d", outcome="won")


def test_open_value_is_converted_at_the_day_of_the_instant(ask: Ask) -> None:
    lines: list[Line] = [
        event("a", "offer", "05-20", amount=100, currency="USD"),
        event("b", "lead", "05-20", amount=7, currency="EUR"),
        event("b", "offer", "05-21"),
    ]
    for as_of, expected in (
        ("05-31 12:00", {"USD": 100, "EUR": 7}),
        ("2025-06-09T23:59:59Z", {"EUR": 97}),
        ("06-10", {"EUR": 102}),
    ):
        f = ask(lines, as_of, RATES)
        values = {
            c: v for c in ("USD", "EUR") if (v := f.now("open_value", stage="offer", currency=c))
        }
        assert values == expected, as_of


def test_spend_is_converted_at_the_day_of_each_pane(ask: Ask) -> None:
    over = {"period_start": "2025-06-09T12:00:00Z", "period_end": "2025-06-10T12:00:00Z"}
    f = ask(
        [
            *life("a", lead="06-01"),
            spend("web", "06-09 10:00", 2400, "USD", **over),
            spend("fair", "2025-05-31T10:00:00Z", 5, "USD"),
            spend("fair", "06-01", 10, "USD"),
        ],
        config=RATES,
    )
    # Half of it at 0.9, half at 0.95, and 9.
    assert f("spend", **EUR) == 1080 + 1140 + 9
    assert f("spend", currency="USD") == 5
    assert f("cost_per_lead", currency="USD") == 5


def test_every_pane_is_converted_by_itself(ask: Ask) -> None:
    """3 yen over three hours are one in each hour, which is half a cent: nothing. In one day they
    are a cent and a half: 2."""
    over = {"period_start": "2025-06-10T08:00:00Z", "period_end": "2025-06-10T11:00:00Z"}
    lines: list[Line] = [spend("web", "06-10 07:00", 3, "JPY", **over)]
    f = ask(lines, "06-10 12:00", RATES | {"windows": ["24h", "36d"]})
    assert f("spend", "24h", **EUR) is None
    assert f("spend", "36d", **EUR) == 0.02
