"""What an event may say, and what a deal knows of it."""

import pytest

from tests.cases import case
from tests.funnels import figure, figures, micros


@pytest.mark.parametrize("name", ["15-lost-reason-sticks", "15-lost-reason-sticks-2"])
def test_a_reason_does_not_stick_to_the_next_loss(name: str) -> None:
    found = case(name)
    reasons = {
        (dict(labels)["reason"], value)
        for (metric, labels), value in figures(found).items()
        if metric == "funnel_lost_deals" and dict(labels)["window"] == "365d" and value
    }
    assert reasons == {("__none__", 1)}


def test_the_reason_of_the_first_loss_counted_while_it_lasted() -> None:
    """As of 3 March the deal is lost for its price, as of 6 March it is open."""
    lost = {"lost_from": "lead", "offered": "false"}
    before = case("15-lost-reason-sticks", as_of=micros(days=1))
    assert figure(before, "funnel_lost_deals", reason="price", **lost) == 1
    reopened = case("15-lost-reason-sticks", as_of=micros(days=4))
    assert figure(reopened, "funnel_lost_deals", reason="price", **lost) is None
    assert figure(reopened, "funnel_open_deals", None, stage="qualified") == 1


def test_no_deal_is_lost_over_its_amount() -> None:
    """1234.57, 0.10 and 100.10 EUR and 1500 JPY of seven deals, all of which are won."""
    found = case("24-float-amount")
    assert found.rejected == []
    assert figure(found, "funnel_deals_closed", outcome="won") == 7
    assert figure(found, "funnel_deal_value", outcome="won", currency="EUR") == 1334.77
    assert figure(found, "funnel_deal_value", outcome="won", currency="JPY") == 1500
    assert found.amended == {"rounded_amount": 3, "currency_case": 1, "unreadable_amount": 2}


def test_an_owner_can_be_taken_away() -> None:
    """Anna until 4 March: null and a blank text say nothing."""
    for until, owner in ((1.9, "anna"), (3, "__none__")):
        found = case("27-clear-attribute", as_of=micros(days=until))
        owners = {
            (dict(labels)["value"], value)
            for (metric, labels), value in figures(found).items()
            if metric == "funnel_leads_breakdown"
            and {("dimension", "owner"), ("window", "365d")} <= labels
        }
        assert owners == {(owner, 1)}
