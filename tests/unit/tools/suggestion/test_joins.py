"""Several tables of one CRM: no deal counts twice, and what is not of deals makes none."""

import json
import re
from pathlib import Path
from typing import Any, Final

from tests.unit.tools.suggestion.test_import_suggest import Suggesting, invoke, suggesting

__all__ = ["suggesting"]

HISTORY: Final = (
    "Id,OpportunityId,StageName,Amount,CurrencyIsoCode,CreatedDate,CreatedById\n"
    "H1,A1,Prospecting,100,USD,2026-01-11 10:00:00,U1\n"
    "H2,A1,Closed Won,100,USD,2026-02-20 10:00:00,U1\n"
    "H3,A2,Prospecting,70,USD,2026-01-12 10:00:00,U2\n"
    "H4,A2,Closed Lost,70,USD,2026-02-21 10:00:00,U1\n"
)
SNAPSHOT: Final = (
    "Id,StageName,Amount,CurrencyIsoCode,CreatedDate,CloseDate,OwnerId,LeadSource\n"
    "A1,Closed Won,100,USD,2026-01-11 10:00:00,2026-02-20,U1,Web\n"
    "A2,Closed Lost,70,USD,2026-01-12 10:00:00,2026-02-21,U2,Fair\n"
)
USERS: Final = "Id,Username,CreatedDate\nU1,ann,2025-05-05 10:00:00\nU2,bob,2025-05-06 10:00:00\n"
CHANGES: Final = [
    *(("A1", "lead", "2026-01-11T10:00:00Z"), ("A1", "won", "2026-02-20T10:00:00Z")),
    *(("A2", "lead", "2026-01-12T10:00:00Z"), ("A2", "lost", "2026-02-21T10:00:00Z")),
]
THREE: Final = {
    "OpportunityHistory.csv": HISTORY,
    "Opportunity.csv": SNAPSHOT,
    "User.csv": USERS,
}


def test_of_a_history_and_a_snapshot_the_history_counts(suggesting: Suggesting) -> None:
    for files in (THREE, dict(reversed(THREE.items()))):
        found = suggesting(dict(files))
        assert sorted(found.events) == CHANGES
        assert (
            "not used: Opportunity.csv: 2 of 2 ids of its deals are also in "
            "OpportunityHistory.csv, with their history"
        ) in found.said
        assert "not used: User.csv: " in found.said


def test_a_history_of_few_deals_is_left_for_the_snapshot(suggesting: Suggesting) -> None:
    more = "A3,Closed Won,9,USD,2026-01-13 10:00:00,2026-02-22,U2,Fair\n"
    few = "".join(line + "\n" for line in HISTORY.splitlines() if ",A2," not in line)
    found = suggesting({"History.csv": few, "Opportunity.csv": SNAPSHOT + more})
    assert sorted(event[:2] for event in found.events) == [
        *(("A1", "lead"), ("A1", "won"), ("A2", "lead"), ("A2", "lost")),
        *(("A3", "lead"), ("A3", "won")),
    ]
    assert "not used: History.csv: UNSURE: 1 of 1 ids of its deals are also in " in found.said


def with_lookups(mapping: str) -> str:
    """The mapping, with its comments on lookups and their attributes taken in."""
    told = re.search(r"    # and then in the attributes of an event: \{(.*)\}\n", mapping)
    assert told is not None
    attributes = "".join(f"          {one}\n" for one in told[1].split(", "))
    mapping = mapping.replace("    # lookups:", "    lookups:")
    mapping = mapping.replace("    #   - {", "      - {")
    return mapping.replace("        attributes:\n", "        attributes:\n" + attributes)


def imported(mapping: str, *files: str) -> list[dict[str, Any]]:
    Path("joined.yaml").write_text(mapping, encoding="utf-8")
    result = invoke(*files, "-m", "joined.yaml", "--out", "-")
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_lookups_that_are_hinted_at_work_as_they_stand(suggesting: Suggesting) -> None:
    found = suggesting(dict(THREE))
    events = imported(with_lookups(found.mapping), *THREE)
    assert sorted(
        (one["deal_id"], one["stage"], one["owner"], one["channel"]) for one in events
    ) == [
        *(("A1", "lead", "ann", "Web"), ("A1", "won", "ann", "Web")),
        *(("A2", "lead", "bob", "Fair"), ("A2", "lost", "bob", "Fair")),
    ]


def test_owners_of_a_snapshot_are_looked_up_too_in_the_encoding_of_their_file(
    suggesting: Suggesting,
) -> None:
    users = USERS.replace("ann", "José").encode("cp1252")
    found = suggesting({"Opportunity.csv": SNAPSHOT, "User.csv": users})
    mapping = found.mapping.replace("          owner: OwnerId\n", "", 1)
    events = imported(with_lookups(mapping), "Opportunity.csv", "User.csv")
    owners = {one["deal_id"]: one["owner"] for one in events if one["stage"] == "lead"}
    assert owners == {"A1": "José", "A2": "bob"}


def test_what_deals_only_refer_to_makes_none(suggesting: Suggesting) -> None:
    people = "Id,Called,Created Date\nU1,Ann,2025-05-05\nU2,Bob,2025-05-06\n"
    found = suggesting({"Opportunity.csv": SNAPSHOT, "others.csv": people})
    assert {event[0] for event in found.events} == {"A1", "A2"}
    assert "its rows are not deals, but what 'OwnerId' of Opportunity.csv refers to" in found.said


def test_leads_that_deals_refer_to_have_a_funnel_of_their_own(suggesting: Suggesting) -> None:
    deals = "Deal ID,Lead ID,Status,Created,Closed\nD1,7,Won,2026-01-05,2026-01-06\n"
    deals += "D2,8,Lost,2026-01-05,2026-01-06\n"
    leads = "ID,Created,Source\n7,2026-01-01,Web\n8,2026-01-02,Fair\n"
    found = suggesting({"deals.csv": deals, "leads.csv": leads})
    assert {event[0] for event in found.events} == {"D1", "D2", "7", "8"}


def test_of_two_tables_that_close_the_same_deals_one_counts(suggesting: Suggesting) -> None:
    few = "Opportunity ID,Result,Closed on\nA1,Won,2026-02-20\nA2,Lost,2026-02-21\n"
    few += "A9,Won,2026-02-22\n"
    found = suggesting({"a.csv": few, "Opportunity.csv": SNAPSHOT})
    assert {event[0] for event in found.events} == {"A1", "A2"}
    assert (
        "not used: a.csv: UNSURE: 2 of 3 ids of its deals are also in Opportunity.csv: with "
        "both, deals would count twice; the others are left out"
    ) in found.said


def test_tables_that_share_few_deals_both_count(suggesting: Suggesting) -> None:
    rows = "".join(f"B{place},Won,2026-02-20\n" for place in range(5))
    found = suggesting(
        {"a.csv": f"Opportunity ID,Result,Closed on\nA1,Won,2026-02-20\n{rows}", "o.csv": SNAPSHOT}
    )
    assert len({event[0] for event in found.events}) == 7
    assert (
        "UNSURE: 1 of 6 ids of a.csv are also here, and both have events for won: remove these "
        "from one"
    ) in found.mapping


def test_tables_that_tell_different_stages_of_the_same_deals_both_count(
    suggesting: Suggesting,
) -> None:
    leads = "Lead ID,Created,Source\n7,2026-01-01,Web\n8,2026-01-02,Fair\n"
    closed = "Lead ID,Result,Closed on\n7,Won,2026-02-20\n8,Lost,2026-02-21\n"
    found = suggesting({"leads.csv": leads, "closings.csv": closed})
    assert sorted(found.events) == [
        *(("7", "lead", "2026-01-01T00:00:00Z"), ("7", "won", "2026-02-20T00:00:00Z")),
        *(("8", "lead", "2026-01-02T00:00:00Z"), ("8", "lost", "2026-02-21T00:00:00Z")),
    ]
    assert "2 of 2 ids of leads.csv are also here: both describe the same deals" in found.mapping


def test_tables_of_other_deals_say_nothing_of_each_other(suggesting: Suggesting) -> None:
    other = SNAPSHOT.replace("Id,", "Opportunity ID,", 1).replace("\nA", "\nB")
    found = suggesting({"a.csv": other, "o.csv": SNAPSHOT})
    assert {event[0] for event in found.events} == {"A1", "A2", "B1", "B2"}
    assert "also here" not in found.mapping
