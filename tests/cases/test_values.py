"""One value in several spellings, and deals that change theirs."""

from typing import Any

from funnel_stream.replay.compute import Computed
from tests.cases import case
from tests.funnels import figure, figures, micros


def by_channel(found: Computed, metric: str, **labels: str) -> dict[str, float]:
    """A breakdown by channel over the last 365 days, by value."""
    wanted = {"dimension": "channel", "window": "365d", **labels}.items()
    return {
        dict(labels)["value"]: value
        for (name, labels), value in figures(found).items()
        if name == metric and wanted <= set(labels)
    }


def test_four_spellings_of_a_channel_meet_the_money_spent_on_it() -> None:
    channel = {"fold_case": True, "aliases": {"paid search": "paid_search"}}
    found = case("07-channel-spelling", micros(days=5), values={"channel": channel})
    assert by_channel(found, "funnel_leads_breakdown") == {"paid_search": 4}
    cost = by_channel(found, "funnel_cost_per_lead_breakdown", currency="EUR")
    assert cost == {"paid_search": 100}
    assert figure(found, "funnel_leads") == 4


def test_without_a_word_about_channels_only_white_space_is_ignored() -> None:
    found = case("07-channel-spelling", micros(days=5))
    leads = {"Paid Search": 2, "paid search": 1, "paid_search": 1}
    assert by_channel(found, "funnel_leads_breakdown") == leads


def test_a_deal_stays_with_the_channel_that_brought_it() -> None:
    first: dict[str, Any] = {"values": {"channel": {"keep": "first"}}}
    for as_of in (micros(days=5), micros(days=30)):
        found = case("18-first-touch", as_of, **first)
        assert by_channel(found, "funnel_leads_breakdown") == {"paid_search": 1}
        cost = by_channel(found, "funnel_cost_per_lead_breakdown", currency="EUR")
        assert cost == {"paid_search": 100}
    won = by_channel(found, "funnel_deal_value_breakdown", outcome="won", currency="EUR")
    assert won == {"paid_search": 900}


def test_by_default_the_last_channel_counts() -> None:
    found = case("18-first-touch", micros(days=30))
    assert by_channel(found, "funnel_leads_breakdown") == {"direct": 1}
