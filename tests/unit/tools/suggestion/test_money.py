"""Which column is taken for the amount, and which for its currency."""

from typing import Final

import pytest

from funnel_stream.tools.suggestion.names import may_be_amount
from tests.unit.tools.suggestion.test_import_suggest import Suggesting, suggesting

__all__ = ["suggesting"]

FOREIGN: Final = (
    "deal_id;stage;amount_usd;close_date;created_date;invoice_amount_local;currency\n"
    "D1;Closed Won;85306;2026-04-22;2026-03-03;1452000;{}\n"
    "D2;Discovery;1000;2026-08-15;2026-03-09;;\n"
)


def test_the_currency_in_the_name_of_an_amount_is_its_own(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": FOREIGN.format("MXN")})
    for deal, stage in (("D1", "lead"), ("D1", "won"), ("D2", "lead")):
        assert found.event(deal, stage)["currency"] == "USD"
    assert (
        "UNSURE: whether 'amount_usd' is in USD, as its name says; 'currency' (\"MXN\")"
        in found.mapping
    )


def test_a_currency_that_agrees_with_the_name_is_no_doubt(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": FOREIGN.format("USD")})
    assert found.event("D1", "won")["currency"] == "USD"
    assert "UNSURE: that 'amount_usd'" not in found.mapping


def test_a_name_that_only_ends_like_an_amount_is_one_perhaps(suggesting: Suggesting) -> None:
    table = (
        "Deal ID,Status,Masked Deal value,Currency,Created,Closed\n"
        "1,Won,7,EUR,2026-01-01,2026-01-02\n"
    )
    found = suggesting({"d.csv": table})
    assert found.event("1", "won")["amount"] == "7"
    assert "UNSURE: whether 'Masked Deal value' is the amount of a deal" in found.mapping


def test_without_an_amount_the_columns_of_numbers_are_named(suggesting: Suggesting) -> None:
    table = (
        "Deal ID,Status,Volume 2,Open days,Flag,Created,Closed\n1,Won,7,3,1,2026-01-01,2026-01-02\n"
    )
    found = suggesting({"d.csv": table})
    assert (
        "UNSURE: no column of amounts was found; columns with numbers: 'Volume 2'\n"
        in found.mapping
    )


def test_an_amount_that_is_known_by_its_name_is_no_doubt(suggesting: Suggesting) -> None:
    table = "Deal ID,Status,Amount,List value,Created,Closed\n1,Won,7,8,2026-01-01,2026-01-02\n"
    found = suggesting({"d.csv": table}, edit=lambda text: "currency: EUR\n" + text)
    assert found.event("1", "won")["amount"] == "7"
    assert "amount of a deal" not in found.mapping
    assert "no column of amounts" not in found.mapping


@pytest.mark.parametrize("name", ["Masked Deal value", "Order amount (EUR)", "gross_amount_usd"])
def test_names_that_end_like_an_amount(name: str) -> None:
    assert may_be_amount(name)


@pytest.mark.parametrize(
    "name", ["Invoice amount", "Expected value", "Valued", "Discount amount", "Value type", ""]
)
def test_names_of_something_else(name: str) -> None:
    assert not may_be_amount(name)
