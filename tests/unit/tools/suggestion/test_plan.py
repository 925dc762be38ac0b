"""Which events a suggested mapping makes of one table, and what it says of those it does not."""

from pathlib import Path
from typing import Final

import pytest

from funnel_stream.errors import FunnelError
from tests.unit.tools.suggestion.test_import_suggest import Suggesting, invoke, suggesting

__all__ = ["suggesting"]

DEALS: Final = "Deal ID,Stage,Amount,Currency,Created,Close Date\n"


# --- when -----------------------------------------------------------------------------------------


def test_a_deal_closed_before_its_creation_is_closed(suggesting: Suggesting) -> None:
    rows = "1,Closed Won,9,EUR,2026-01-15,2026-01-12\n2,Closed Lost,9,EUR,2026-01-15,2026-01-11\n"
    found = suggesting({"d.csv": DEALS + rows})
    assert found.events == [
        *(("1", "lead", "2026-01-15T00:00:00Z"), ("1", "won", "2026-01-15T00:00:00Z")),
        *(("2", "lead", "2026-01-15T00:00:00Z"), ("2", "lost", "2026-01-15T00:00:00Z")),
    ]


OPEN: Final = (
    "1,Negotiation,2026-01-10 10:00:00,\n2,Negotiation,2026-01-11 10:00:00,2026-01-15 10:00:00\n"
)


def test_an_open_deal_that_never_changed_its_stage_is_in_it_since_its_creation(
    suggesting: Suggesting,
) -> None:
    table = "Deal ID,Stage,Created Date,Last Stage Change Date\n"
    found = suggesting({"d.csv": table + OPEN})
    assert [event for event in found.events if event[1] != "lead"] == [
        ("1", "negotiation", "2026-01-10T10:00:00Z"),
        ("2", "negotiation", "2026-01-15T10:00:00Z"),
    ]


def test_a_text_that_is_mapped_later_needs_no_second_edit(suggesting: Suggesting) -> None:
    table = "Deal ID,Stage,Created Date,Last Stage Change Date\n" + OPEN
    found = suggesting(
        {"d.csv": table + "3,Interes,2026-01-12 10:00:00,2026-01-16 10:00:00\n"},
        edit=lambda text: text.replace("# Interes: #", "Interes: qualified #"),
    )
    assert ("3", "qualified", "2026-01-16T10:00:00Z") in found.events


def test_without_a_creation_open_deals_of_no_date_are_told(suggesting: Suggesting) -> None:
    table = "Deal ID,Stage,Remark,Last Stage Change Date\n"
    found = suggesting({"d.csv": table + OPEN})
    assert found.events == [("2", "negotiation", "2026-01-15T10:00:00Z")]
    assert "UNSURE: 1 row, including closed ones, without this date" in found.mapping
    assert "1 row without an event" in found.said


def test_a_present_stage_makes_no_second_lead(suggesting: Suggesting) -> None:
    table = "Deal ID,Stage,Created Date,Last Stage Change Date\n"
    found = suggesting({"d.csv": table + "3,New,2026-01-12,\n" + "4,Offer,2026-01-12,2026-01-13\n"})
    assert [event[:2] for event in found.events] == [("3", "lead"), ("4", "lead"), ("4", "offer")]


def test_where_no_date_is_the_beginning_the_others_are_named(suggesting: Suggesting) -> None:
    table = "Deal ID,Stage,Close Date,Birthday\n1,Won,2026-01-12,2026-01-02\n2,,,\n"
    found = suggesting({"d.csv": table})
    assert found.events == [("1", "won", "2026-01-12T00:00:00Z")]
    assert "UNSURE: no event says when a deal began; other columns with dates: " in found.mapping
    assert "'Birthday'" in found.mapping
    assert "1 row without an event" in found.said


def test_a_known_beginning_is_not_missed(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": DEALS + "1,Won,9,EUR,2026-01-15,2026-01-16\n"})
    assert "when a deal began" not in found.mapping
    assert "without an event" not in found.said


# --- what -----------------------------------------------------------------------------------------


def test_a_lost_deal_has_its_amount(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": DEALS + "1,Lost,9,EUR,2026-01-15,2026-01-16\n"})
    lost = found.event("1", "lost")
    assert (lost["amount"], lost["currency"]) == ("9", "EUR")


STATUS: Final = (
    "Deal ID,Deal Status,Deal Stage,Close Date,Created Date\n"
    "R1,Won,A. Lead Generated,2026-01-20,2026-01-01\n"
    "R2,Won,G. Project Won,2026-01-21,2026-01-02\n"
    "R3,Dead,L. Project Lost,2026-01-22,2026-01-03\n"
    "R4,Dead,B. Sales Qualified Leads,2026-01-23,2026-01-03\n"
)


def test_a_status_tells_the_outcome_and_a_stage_that_contradicts_it_is_told(
    suggesting: Suggesting,
) -> None:
    found = suggesting({"d.csv": STATUS})
    assert [event for event in found.events if event[1] != "lead"] == [
        *(("R1", "won", "2026-01-20T00:00:00Z"), ("R2", "won", "2026-01-21T00:00:00Z")),
        *(("R3", "lost", "2026-01-22T00:00:00Z"), ("R4", "lost", "2026-01-23T00:00:00Z")),
    ]
    assert (
        "UNSURE: whether 'Deal Status' says which deals are closed: 2 won, 2 lost; "
        "by 'Deal Stage' it would be 1 and 1"
    ) in found.mapping


def test_a_status_that_may_be_a_stage_leaves_a_deal_open(suggesting: Suggesting) -> None:
    table = (
        "Deal ID,Deal Status,Deal Stage,Created Date,Last Stage Change Date,Close Date\n"
        "1,On Hold,Negotiation,2026-01-01,2026-01-05,\n2,Open,Offer,2026-01-02,2026-01-06,\n"
        "3,Won,Offer,2026-01-03,2026-01-07,2026-01-08\n"
    )
    found = suggesting({"d.csv": table})
    assert [event[:2] for event in found.events if event[1] != "lead"] == [
        *(("1", "negotiation"), ("2", "offer"), ("3", "won")),
    ]


def test_a_stage_that_agrees_with_the_status_is_not_told(suggesting: Suggesting) -> None:
    rows = [row for row in STATUS.splitlines() if row[:2] not in ("R1", "R4")]
    found = suggesting({"d.csv": "\n".join(rows) + "\n"})
    assert [event[1] for event in found.events] == ["lead", "won", "lead", "lost"]
    assert "it would be" not in found.mapping


def test_deals_that_another_column_calls_closed_are_told(suggesting: Suggesting) -> None:
    table = (
        "Deal ID,Stage,Created,Close Date,Is Closed\n"
        "1,Won,2026-01-05,2026-01-06,true\n2,Shelved,2026-01-05,2026-01-06,true\n"
        "3,Offer,2026-01-05,2026-01-06,false\n"
    )
    found = suggesting({"d.csv": table})
    assert (
        "UNSURE: 2 rows are closed according to 'Is Closed', 1 to 'Stage': more of its texts may "
        "stand for won or lost"
    ) in found.mapping
    found = suggesting({"e.csv": table.replace("Shelved", "Lost")})
    assert "its texts may stand" not in found.mapping


def test_closings_without_a_date_are_told_with_the_other_dates(suggesting: Suggesting) -> None:
    table = (
        "Deal ID,Stage,Created,Close Date,Tentative Close Date\n1,Won,2026-01-05,2026-01-06,\n"
        "2,Won,2026-01-05,,2026-01-07\n3,Lost,2026-01-05,,2026-01-08\n"
    )
    found = suggesting({"d.csv": table})
    assert (
        "UNSURE: at least 2 of 3 closed rows have no 'Close Date' and are left out; other columns "
        "with dates: 'Tentative Close Date'"
    ) in found.mapping
    assert found.left_out == 2
    whole = table.replace("05,,", "05,2026-01-06,")
    assert "closed rows have no" not in suggesting({"e.csv": whole}).mapping


BITRIX: Final = (
    "ID,TITLE,STAGE_ID,OPPORTUNITY,CURRENCY_ID,DATE_CREATE,CLOSEDATE,CLOSED,ASSIGNED_BY_ID,"
    "SOURCE_ID\n"
    "1,a,WON,100.00,RUB,2026-01-10T10:00:00+03:00,2026-01-20T03:00:00+03:00,Y,7,WEB\n"
    "2,b,C2:LOSE,50.00,RUB,2026-01-02T11:00:00+03:00,2026-01-30T03:00:00+03:00,Y,8,CALL\n"
    "3,c,NEW,70.00,RUB,2026-01-05T09:00:00+03:00,,N,8,WEB\n"
    "4,d,C6:APOLOGY,70.00,RUB,2026-01-05T09:00:00+03:00,2026-01-29T03:00:00+03:00,Y,8,WEB\n"
)


def test_deals_as_the_interface_of_bitrix24_gives_them(suggesting: Suggesting) -> None:
    found = suggesting({"deals.csv": BITRIX})
    assert found.left_out == 0
    assert [(deal, stage, at[:10]) for deal, stage, at in found.events] == [
        *(("1", "lead", "2026-01-10"), ("1", "won", "2026-01-20")),
        *(("2", "lead", "2026-01-02"), ("2", "lost", "2026-01-30")),
        *(("3", "lead", "2026-01-05"), ("4", "lead", "2026-01-05"), ("4", "lost", "2026-01-29")),
    ]
    lead = found.event("2", "lead")
    told = {name: lead[name] for name in ("amount", "currency", "owner", "channel")}
    assert told == {"amount": "50", "currency": "RUB", "owner": "8", "channel": "CALL"}
    assert "'ASSIGNED_BY_ID' holds ids of owners" in found.mapping


# --- tables of something else ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        (
            "User.csv",
            "Id,Name,CreatedDate\nU1,Ann,2025-05-05\nU2,Bob,2025-05-06\n",
            "it has such a name",
        ),
        ("t.csv", "Id,Username,CreatedDate\nU1,ann,2025-05-05\nU2,bob,2025-05-06\n", "'Username'"),
    ],
)
def test_people_are_no_deals(tmp_path: Path, name: str, table: str, said: str) -> None:
    (tmp_path / name).write_text(table)
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(tmp_path / name))
    assert "its rows are people, not deals" in caught.value.message
    assert said in caught.value.message


def test_people_who_may_buy_are_leads(suggesting: Suggesting) -> None:
    table = "Id,First Name,Email,Created Date\n"
    table += "L1,Ann,a@x.org,2025-05-05\nL2,Bob,b@x.org,2025-05-06\n"
    found = suggesting({"leads.csv": table})
    assert [event[:2] for event in found.events] == [("L1", "lead"), ("L2", "lead")]


def test_without_an_id_it_is_said_what_to_do(tmp_path: Path) -> None:
    rows = "Sakura,Won,2026-01-05\nSakura,,2026-01-06\n"
    (tmp_path / "t.csv").write_text("Deal,Stage,Created\n" + rows)
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(tmp_path / "t.csv"))
    assert "add a column that numbers the rows" in caught.value.message
