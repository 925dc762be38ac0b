"""What columns and texts of CRMs are taken for."""

import pytest

from funnel_stream.tools.suggestion_names import currency_in, rank
from funnel_stream.tools.suggestion_stages import stage_of, stage_of_date


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        *(("Closed Won", "won"), ("closedwon", "won"), ("Geschlossen/Gewonnen", "won")),
        *(("Closed Lost", "lost"), ("VERLOREN", "lost"), ("Cerrado perdido", "lost")),
        *(("Proposal/Price Quote", "offer"), ("Angebot", "offer"), ("Proposal Made", "offer")),
        *(("Negotiation/Review", "negotiation"), ("contractsent", "negotiation")),
        *(("Appointment Scheduled", "qualified"), ("SQL", "qualified"), ("Qualifié", "qualified")),
        *(("MQL", "lead"), ("Neu", "lead"), ("Новая", "lead"), ("Needs Analysis", "potential")),
    ],
)
def test_usual_stages_are_known(text: str, stage: str) -> None:
    assert stage_of(text) == (stage, True)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        *(("Customer", "won"), ("Junk", "lost"), ("Decision maker bought-in", "negotiation")),
        *(("Won by partner", "won"), ("2nd proposal to board", "offer")),
    ],
)
def test_what_may_be_otherwise_is_unsure(text: str, stage: str) -> None:
    assert stage_of(text) == (stage, False)


@pytest.mark.parametrize("text", ["", "?", "Not qualified", "Waiting", "Phase 3", "nicht gewonnen"])
def test_what_nothing_tells_is_not_guessed(text: str) -> None:
    assert stage_of(text) is None


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ('Date entered "Appointment Scheduled (Sales Pipeline)"', "qualified"),
        ("hs_v2_date_entered_closedwon", "won"),
        ("Became a Sales Qualified Lead Date", "qualified"),
        ("Deal - Lost time", "lost"),
        ("Angebotsdatum", "offer"),
        ("won_at", "won"),
    ],
)
def test_dates_that_name_a_stage(name: str, stage: str) -> None:
    assert stage_of_date(name) == (stage, True)


@pytest.mark.parametrize(
    "name",
    [
        *('Date exited "Contract Sent"', "Expected close date", "Next activity date", "Close Date"),
        *("Last contacted", "Date entered current stage", "Modified on", "Birthday"),
    ],
)
def test_dates_that_name_none(name: str) -> None:
    assert stage_of_date(name) is None


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("OpportunityId", "deal_id"), ("Deal - ID", "deal_id"), ("Record ID", "id")),
        *(("CreatedDate", "lead"), ("Deal - Deal created", "lead"), ("Erstellt am", "lead")),
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
