"""What texts and dates of CRMs are taken for."""

import pytest

from funnel_stream.tools.suggestion.stages import stage_of, stage_of_date


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        *(("Closed Won", "won"), ("closedwon", "won"), ("Geschlossen/Gewonnen", "won")),
        *(("Closed Lost", "lost"), ("VERLOREN", "lost"), ("Cerrado perdido", "lost")),
        *(("Proposal/Price Quote", "offer"), ("Angebot", "offer"), ("Proposal Made", "offer")),
        *(("Negotiation/Review", "negotiation"), ("contractsent", "negotiation")),
        *(("Appointment Scheduled", "qualified"), ("SQL", "qualified"), ("Qualifié", "qualified")),
        *(("MQL", "lead"), ("Neu", "lead"), ("Новая", "lead"), ("Needs Analysis", "potential")),
        # Bitrix24 writes the codes of stages, in other pipelines than the first after their number.
        *(("C6:WON", "won"), ("C2:LOSE", "lost"), ("LOSE", "lost"), ("C6:APOLOGY", "lost")),
        *(("APOLOGY", "lost"), ("C12:NEW", "lead")),
    ],
)
def test_usual_stages_are_known(text: str, stage: str) -> None:
    assert stage_of(text) == (stage, True)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        *(("Customer", "won"), ("Junk", "lost"), ("Decision maker bought-in", "negotiation")),
        *(("Won by partner", "won"), ("2nd proposal to board", "offer")),
        *(("C2:FINAL_INVOICE", "negotiation"), ("PREPARATION", "qualified"), ("Dead", "lost")),
    ],
)
def test_what_may_be_otherwise_is_unsure(text: str, stage: str) -> None:
    assert stage_of(text) == (stage, False)


@pytest.mark.parametrize(
    "text", ["", "?", "Not qualified", "Waiting", "Phase 3", "nicht gewonnen", "C6:4"]
)
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
