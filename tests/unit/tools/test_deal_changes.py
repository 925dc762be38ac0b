"""What is said of a deal that two exports tell of, and what its journey is then."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.facts.journey import Journey
from funnel_stream.facts.rules import FactRules
from funnel_stream.replay.compute import as_record, deals_of_file
from funnel_stream.tools.deal_changes import Difference, Moments, Said
from funnel_stream.tools.deal_changes import difference as difference_of

AS_OF = datetime(2026, 3, 9, tzinfo=UTC)
NOW_MS = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)


def said(label: str, day: str, **fields: Any) -> Said:
    """An event as an import makes it: its id is that of its name, whatever it says."""
    fields = {"stage": label} | fields if label in STAGES else fields
    kind = {"type": "stage_changed"} if label in STAGES else {}
    return (
        {"event_id": f"crm-{label}", "deal_id": "D1", "occurred_at": f"2026-{day}T00:00:00Z"}
        | kind
        | fields
    )


def difference(old: list[Said], new: list[Said], as_of: datetime, **more: bool) -> Difference:
    """Of a deal among many others, which tell of the day before either export was made."""
    before, latest = as_of - timedelta(days=8), as_of - timedelta(days=1)
    return difference_of(old, new, Moments(before, latest, as_of), **more)


def call(day: str, **fields: Any) -> Said:
    return said("call", day, type="activity_recorded", activity="call", **fields)


def eur(amount: int) -> Said:
    return {"amount": str(amount), "currency": "EUR"}


def journey(events: list[Said], definition: Definition | None = None) -> Journey:
    rules = FactRules(definition or Definition())
    deals = deals_of_file(definition or Definition())
    lines = [json.dumps(event).encode() for event in events]
    fold = deals.fold([as_record(number, line, NOW_MS) for number, line in enumerate(lines, 1)])
    assert not fold.rejected
    return rules.lives(deals.row(b"D1") or b"")[-1]


def after(old: list[Said], made: Difference, definition: Definition | None = None) -> Journey:
    return journey(old + [event for _, event in made.events], definition)


def kinds(made: Difference) -> list[str]:
    return [kind for kind, _ in made.events]


def micros(day: str) -> int:
    return round(datetime.fromisoformat(f"2026-{day}T00:00:00Z").timestamp() * 1e6)


LEAD = said("lead", "01-05", owner="Ann", **eur(100))
WON = said("won", "02-01", **eur(100))
LOST = said("lost", "02-01", lost_reason="price")


def test_the_same_again_says_nothing() -> None:
    assert difference([LEAD, WON], [LEAD, WON], AS_OF) == Difference()


def test_what_changed_is_one_update_as_of_the_snapshot() -> None:
    made = difference([LEAD], [said("lead", "01-05", owner="Bob", **eur(100))], AS_OF)
    [(kind, event)] = made.events
    assert kind == "updated"
    assert event["type"] == "deal_updated"
    assert event["occurred_at"] == "2026-03-09T00:00:00Z"
    assert event["owner"] == "Bob"
    assert "amount" not in event
    assert after([LEAD], made).attributes == {"owner": "Bob", "amount": [10_000, "EUR"]}


def test_what_is_missing_is_cleared() -> None:
    made = difference([LEAD], [said("lead", "01-05")], AS_OF)
    [(_, event)] = made.events
    assert event["cleared"] == ["owner", "amount"]
    assert after([LEAD], made).attributes == {}


def test_a_pipeline_cannot_be_cleared_but_named() -> None:
    old = [said("lead", "01-05", pipeline="b")]
    made = difference(old, [said("lead", "01-05")], AS_OF)
    assert after(old, made).attributes == {"pipeline": "default"}


def test_a_corrected_value_holds_where_the_first_one_does() -> None:
    first = Definition.model_validate({"values": {"owner": {"keep": "first"}}})
    made = difference([LEAD], [LEAD | {"owner": "Bob"}], AS_OF)
    assert after([LEAD], made, first).attributes["owner"] == "Bob"


def test_amounts_and_costs_of_two_currencies_are_two_updates() -> None:
    old = [said("lead", "01-05"), said("won", "02-01", **eur(1))]
    new = [said("lead", "01-05", cost="7", currency="USD"), said("won", "02-01", **eur(2))]
    made = difference(old, new, AS_OF)
    assert after(old, made).attributes == {"amount": [200, "EUR"], "cost": [700, "USD"]}


def test_there_and_back_again_are_different_events() -> None:
    other = LEAD | {"owner": "Bob"}
    later = datetime(2026, 3, 16, tzinfo=UTC)
    there, back = difference([LEAD], [other], AS_OF), difference([other], [LEAD], later)
    again = difference([LEAD], [other], datetime(2026, 3, 23, tzinfo=UTC))
    events = [LEAD, *(event for made in (there, back, again) for _, event in made.events)]
    assert len({event["event_id"] for event in events}) == 4
    assert journey(events).attributes["owner"] == "Bob"
    assert difference([LEAD], [other], AS_OF) == there


def told(first: list[Said], *exports: list[Said]) -> list[Said]:
    """All events of a deal after one export a week, the last of them at ``AS_OF``."""
    events, old = list(first), first
    for number, new in enumerate(exports, 1):
        as_of = AS_OF - timedelta(weeks=len(exports) - number)
        made = difference(old, new, as_of)
        assert not made.problems
        events += [event for _, event in made.events]
        old = new
    return events


def test_a_closing_is_told_of_its_date_and_its_attributes_again() -> None:
    won = said("won", "03-05", **eur(120))
    made = difference([LEAD], [LEAD, won], AS_OF)
    assert kinds(made) == ["new", "confirmed"]
    found = after([LEAD], made)
    assert (found.closed_at, found.attributes["amount"]) == (micros("03-05"), [12_000, "EUR"])


def test_a_value_of_a_closing_is_not_hidden_by_what_the_last_export_changed() -> None:
    """The amount was changed as of the export that was made after the deal was won."""
    changed, won = LEAD | eur(120), said("won", "02-28", **eur(150))
    events = told([LEAD], [changed], [changed, won])
    assert journey(events).attributes["amount"] == [15_000, "EUR"]


def test_a_closing_that_is_dated_back_is_said_twice_and_counts_of_its_date() -> None:
    made = difference([LEAD], [LEAD, WON], AS_OF)
    assert kinds(made) == ["new", "confirmed"]
    assert after([LEAD], made).closed_at == micros("02-01")


def test_a_deal_that_is_open_again_is_reopened() -> None:
    made = difference([LEAD, WON], [LEAD], AS_OF)
    assert kinds(made) == ["reopened"]
    found = after([LEAD, WON], made)
    assert (found.stage, found.closed_at) == (0, None)


@pytest.mark.parametrize("closing", [WON, LOST, said("qualified", "02-01")])
def test_an_entry_that_was_undone_and_is_told_again_counts(closing: Said) -> None:
    both = [LEAD, closing]
    stage = STAGES.index(closing["stage"])
    assert journey(told([LEAD], both, [LEAD], both)).stage == stage
    assert journey(told(both, [LEAD], both, [LEAD], both)).stage == stage
    assert journey(told(both, [LEAD], both, [LEAD])).stage == 0


def test_an_offer_is_sent_once() -> None:
    offer = said("offer", "02-01")
    assert len(journey(told([LEAD], [LEAD, offer])).offers) == 1
    events = told([LEAD], [LEAD, offer], [LEAD, offer, said("negotiation", "02-01")])
    found = journey(events)
    assert (found.stage, len(found.offers)) == (STAGES.index("negotiation"), 1)


def test_a_closing_of_before_the_last_export_is_closed_of_its_date() -> None:
    """Last week's export told of the negotiation, and was made after the deal was won."""
    negotiation, won = said("negotiation", "02-27"), said("won", "02-28")
    events = told([LEAD], [LEAD, negotiation], [LEAD, negotiation, won])
    assert journey(events).closed_at == micros("02-28")


@pytest.mark.parametrize("closing", [WON, LOST])
def test_the_date_of_a_closing_moves_there_and_back(closing: Said) -> None:
    first, later = [LEAD, closing], [LEAD, closing | {"occurred_at": "2026-02-12T00:00:00Z"}]
    found = journey(told(first, later, first))
    assert (found.closed_at or 0) // 60_000_000 == micros("02-01") // 60_000_000
    assert journey(told(first, later, first, later)).closed_at is not None


def test_a_closing_that_was_another_one_before_it_counts_and_its_date_is_reported() -> None:
    made = difference([LEAD, LOST], [LEAD, said("won", "01-20")], AS_OF)
    assert after([LEAD, LOST], made).outcome == STAGES.index("won")
    [problem] = made.problems
    assert (
        "won at 2026-01-20T00:00:00Z is before lost, which was dated 2026-02-01T00:00:00Z"
        in problem.message
    )


def test_the_other_closing_of_the_same_date_is_not_said_to_be_before_it() -> None:
    made = difference([LEAD, LOST], [LEAD, WON], AS_OF)
    assert after([LEAD, LOST], made).outcome == STAGES.index("won")
    [problem] = made.problems
    assert problem.message.startswith(
        "won at 2026-02-01T00:00:00Z is at the same time as lost, which was dated "
        "2026-02-01T00:00:00Z and cannot be undone; it counts as of 2026-03-08"
    )


def test_a_deal_that_went_back_is_put_into_its_stage() -> None:
    offer = said("offer", "01-10")
    made = difference([LEAD, offer], [LEAD], AS_OF)
    assert kinds(made) == ["restaged"]
    assert made.kept == ["offer"]
    assert after([LEAD, offer], made).stage == 0


def test_a_stage_that_is_told_instead_of_the_former_one_is_progress() -> None:
    made = difference([said("qualified", "01-10")], [said("offer", "01-20")], AS_OF)
    assert kinds(made) == ["new"]
    assert made.kept == ["qualified"]
    assert not made.problems


def test_a_stage_entered_again_later_is_no_duplicate_of_the_first() -> None:
    steps = ("qualified", "01-10"), ("negotiation", "02-01"), ("qualified", "03-01")
    events = told(*([said(*step)] for step in steps))
    assert journey(events).stage == STAGES.index("qualified")


def test_a_reason_outlives_the_reopening_that_a_snapshot_said() -> None:
    lead = LEAD | {"lost_reason": "price"}
    lost = said("lost", "02-01")
    reopening = difference([lead, lost], [lead], datetime(2026, 3, 2, tzinfo=UTC))
    known = [lead, lost, *(event for _, event in reopening.events)]
    made = difference([lead], [lead, said("lost", "03-05")], AS_OF)
    assert after(known, made).attributes["lost_reason"] == "price"


@pytest.mark.parametrize("day", ["01-20", "02-20"])
@pytest.mark.parametrize("closing", [WON, LOST])
def test_a_closing_is_moved_to_either_side(closing: Said, day: str) -> None:
    old = [LEAD, closing]
    moved = closing | {"occurred_at": f"2026-{day}T00:00:00Z"}
    made = difference(old, [LEAD, moved], AS_OF)
    found = after(old, made)
    assert not made.problems
    assert found.closed_at == micros(day)
    assert found.outcome == STAGES.index(closing["stage"])
    assert found.attributes.get("lost_reason") == closing.get("lost_reason")


def test_a_loss_after_an_offer_is_not_moved_later() -> None:
    """It would have to be put back into the offer, and that is one more offer sent."""
    offer = said("offer", "01-10")
    old = [LEAD, offer, LOST]
    made = difference(old, [LEAD, offer, LOST | {"occurred_at": "2026-02-20T00:00:00Z"}], AS_OF)
    assert made.events == []
    [problem] = made.problems
    assert problem.field == "lost"
    assert "2026-02-01T00:00:00Z" in problem.message
    assert "2026-02-20T00:00:00Z" in problem.message


def test_a_win_after_an_offer_is_moved_without_another_offer() -> None:
    offer = said("offer", "01-10")
    old = [LEAD, offer, WON]
    made = difference(old, [LEAD, offer, WON | {"occurred_at": "2026-02-20T00:00:00Z"}], AS_OF)
    found = after(old, made)
    assert (found.closed_at, len(found.offers)) == (micros("02-20"), 1)


def test_a_lead_is_moved_earlier() -> None:
    made = difference([LEAD], [LEAD | {"occurred_at": "2026-01-02T00:00:00Z"}], AS_OF)
    assert not made.problems
    assert after([LEAD], made).reached[0] == micros("01-02")


def test_a_lead_cannot_be_moved_later() -> None:
    made = difference([LEAD], [LEAD | {"occurred_at": "2026-01-08T00:00:00Z"}], AS_OF)
    assert made.events == []
    assert [problem.field for problem in made.problems] == ["lead"]


def test_an_offer_cannot_be_moved() -> None:
    offer = said("offer", "01-10")
    made = difference([offer], [said("offer", "01-08")], AS_OF)
    assert made.events == []
    assert [problem.field for problem in made.problems] == ["offer"]


def test_a_deal_without_any_event_stays_as_it_is() -> None:
    made = difference([LEAD], [], AS_OF)
    assert made.events == []
    assert [problem.field for problem in made.problems] == ["deal_id"]


def test_activities_are_added_but_not_taken_back() -> None:
    assert difference([LEAD], [LEAD, call("02-01")], AS_OF).events == [("new", call("02-01"))]
    moved = difference([LEAD, call("02-01")], [LEAD, call("02-02")], AS_OF)
    gone = difference([LEAD, call("02-01")], [LEAD], AS_OF)
    for made in (moved, gone):
        assert made.events == []
        assert [problem.field for problem in made.problems] == ["call"]
    kept = difference([LEAD, call("02-01")], [LEAD], AS_OF, keep=True)
    assert (kept.problems, kept.kept) == ([], ["activity_recorded"])


def test_an_update_of_its_own_date_moves_with_it() -> None:
    old = said("seen", "02-01", type="deal_updated", owner="Ann", product="x")
    new = said("seen", "03-01", type="deal_updated", owner="Bob")
    made = difference([old], [new], AS_OF)
    assert kinds(made)[0] == "new"
    assert not made.problems
    assert after([said("lead", "01-01"), old], made).attributes == {"owner": "Bob"}


def test_nothing_is_taken_away_for_what_cannot_be_read() -> None:
    """A closing date that is spoilt this week is no reopening, and no owner is no owner gone."""
    old = [LEAD, WON]
    made = difference(old, [said("lead", "01-05", **eur(120))], AS_OF, doubtful=True)
    found = after(old, made)
    assert made.withheld
    assert found.outcome == STAGES.index("won")
    assert found.attributes == {"owner": "Ann", "amount": [12_000, "EUR"]}


def test_a_deal_closed_long_ago_is_not_begun_anew_by_a_correction() -> None:
    later = datetime(2027, 6, 1, tzinfo=UTC)
    made = difference([LEAD, WON], [LEAD | {"owner": "Bob"}, WON], later)
    assert made.events == []
    assert "more than 400 days" in made.problems[0].message
