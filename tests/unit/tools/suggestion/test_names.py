"""What columns of CRMs are taken for, by their names."""

import pytest

from funnel_stream.tools.suggestion.names import currency_in, rank


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("OpportunityId", "deal_id"), ("Deal - ID", "deal_id"), ("Record ID", "id")),
        *(("CreatedDate", "lead"), ("Deal - Deal created", "lead"), ("Erstellt am", "lead")),
        *(("DATE_CREATE", "lead"), ("BEGINDATE", "lead"), ("CLOSEDATE", "closed")),
        *(("OPPORTUNITY", "amount"), ("CURRENCY_ID", "currency"), ("ASSIGNED_BY_ID", "owner")),
        *(("SOURCE_ID", "source"), ("CLOSED", "is_closed"), ("LastName", "person")),
        *(("Fecha de cierre", "closed"), ("Deal - Currency of Value", "currency")),
        *(("Währung", "currency"), ("Amount (EUR)", "amount"), ("amount_usd", "amount")),
        *(
            ("Deal owner", "owner"),
            ("Ответственный", "owner"),
            ("Closed Lost Reason", "lost_reason"),
        ),
    ],
)
def test_usual_names_are_known_whatever_their_spelling(name: str, role: str) -> None:
    assert rank(name, role) is not None


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("Expected close date", "closed"), ("Weighted amount", "amount"), ("AccountId", "id")),
        *(("Associated Company IDs", "id"), ("Contact ID", "deal_id"), ("Amount", "cost")),
    ],
)
def test_names_of_other_things_are_not_taken(name: str, role: str) -> None:
    assert rank(name, role) is None


def test_a_name_may_name_a_currency() -> None:
    assert currency_in("Amount (EUR)") == "EUR"
    assert currency_in("amount_usd") == "USD"
    assert currency_in("Wert in €") == "EUR"
    assert currency_in("All sales") is None
    assert currency_in("top deals") is None
