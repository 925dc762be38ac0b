"""What a set of events means for one deal (design: *What a journey means*)."""

from itertools import permutations
from typing import Any

import pytest

from funnel_stream.contract.event import (
    LEAD,
    LOST,
    NEGOTIATION,
    OFFER,
    POTENTIAL,
    QUALIFIED,
    UPDATE,
    WON,
    Event,
)
from funnel_stream.facts import journey
from funnel_stream.facts.journey import ConflictError, Journey, lives


def row(*events: Event) -> bytes:
    packed = journey.new_row(events[0])
    for event in events[1:]:
        packed = journey.append(packed, event) or packed
    return packed


def deal_of(packed: bytes, keep_first: frozenset[str] = frozenset()) -> Journey:
    [deal] = lives(packed, 1 << 62, keep_first)
    return deal


def moved(*stages: tuple[int, int], **attributes: Any) -> Journey:
    """A journey of (time, stage) pairs; the event's id is its place."""
    return deal_of(
        row(
            *(Event(at, stage, f"e{n}", attributes or None) for n, (at, stage) in enumerate(stages))
        )
    )


def test_skipped_stages_count_as_passed() -> None:
    deal = moved((10, LEAD), (20, NEGOTIATION))
    assert deal.reached == [10, 20, 20, 20, 20, None]
    assert deal.entered[OFFER] == []


def test_a_deal_that_begins_in_the_middle_was_a_lead_then() -> None:
    assert moved((10, OFFER)).reached == [10, 10, 10, 10, None, None]


def test_going_back_retracts_nothing() -> None:
    deal = moved((10, LEAD), (20, OFFER), (30, QUALIFIED), (40, OFFER))
    assert deal.reached == [10, 20, 20, 20, None, None]
    assert deal.entered[OFFER] == [20, 40]
    assert [(before, after) for _, before, after in deal.moves] == [
        (LEAD, OFFER),
        (OFFER, QUALIFIED),
        (QUALIFIED, OFFER),
    ]


def test_a_loss_reaches_nothing_but_lead() -> None:
    deal = moved((10, LOST))
    assert deal.reached == [10, None, None, None, None, None]
    assert (deal.stage, deal.closed_at) == (LOST, 10)


def test_won_counts_while_it_lasts() -> None:
    assert moved((10, LEAD), (20, WON)).reached[WON] == 20
    reopened = moved((10, LEAD), (20, WON), (30, POTENTIAL))
    assert reopened.reached == [10, 20, 20, 20, 20, None]
    assert reopened.closed_at is None
    assert moved((10, LEAD), (20, WON), (30, POTENTIAL), (40, WON)).reached[WON] == 40


def test_won_after_lost_is_won() -> None:
    deal = moved((10, LEAD), (20, LOST), (30, WON))
    assert (deal.stage, deal.closed_at, deal.reached[WON]) == (WON, 30, 30)


def test_at_the_same_instant_lost_comes_last() -> None:
    deal = moved((10, LOST), (10, WON), (10, LEAD))
    assert [move.after for move in deal.moves] == [WON, LOST]
    assert deal.stage == LOST


def test_a_repeated_stage_is_no_entry_but_a_repeated_offer_is() -> None:
    deal = moved((10, LEAD), (20, OFFER), (30, OFFER), (40, WON), (50, WON))
    assert deal.entered[OFFER] == [20, 30]
    assert deal.entered[WON] == [40]
    assert deal.closed_at == 40
    assert len(deal.moves) == 2


def test_a_deal_without_a_stage_is_nowhere() -> None:
    deal = deal_of(row(Event(10, UPDATE, "a", {"channel": "web"})))
    assert deal.stage is None
    assert deal.reached == [None] * 6
    assert deal.attributes == {"channel": "web"}


def test_the_last_attribute_given_wins_by_time_then_id() -> None:
    events = [
        Event(10, LEAD, "b", {"channel": "web", "owner": "ann"}),
        Event(10, QUALIFIED, "a", {"channel": "fair"}),
        Event(5, UPDATE, "c", {"channel": "phone", "source": "friend"}),
    ]
    for order in permutations(events):
        assert deal_of(row(*order)).attributes == {
            "channel": "web",
            "owner": "ann",
            "source": "friend",
        }


@pytest.mark.parametrize("at", [10, 11])
def test_what_is_cleared_is_unknown_until_it_is_given_again(at: int) -> None:
    """Among events of one instant the ids decide, as they do for what is given."""
    given = Event(10, LEAD, "a", {"owner": "ann", "channel": "web", "amount": [1, "EUR"]})
    taken = Event(at, UPDATE, "b", {"cleared": ["owner", "amount", "score"]})
    again = Event(at, UPDATE, "c", {"owner": "bob", "cleared": ["channel"]})
    for order in permutations([given, taken]):
        assert deal_of(row(*order)).attributes == {"channel": "web"}
    for order in permutations([given, taken, again]):
        assert deal_of(row(*order)).attributes == {"owner": "bob"}


def test_an_offer_after_the_amount_was_cleared_has_none() -> None:
    events = [
        Event(10, LEAD, "a", {"amount": [7, "EUR"]}),
        Event(20, OFFER, "b"),
        Event(30, UPDATE, "c", {"cleared": ["amount"]}),
        Event(40, OFFER, "d"),
        Event(50, UPDATE, "e", {"amount": [8, "EUR"]}),
        Event(60, OFFER, "f"),
        Event(60, UPDATE, "g", {"cleared": ["amount"]}),
    ]
    for order in (events, events[::-1]):
        deal = deal_of(row(*order))
        assert [offer.amount for offer in deal.offers] == [(7, "EUR"), None, (8, "EUR")]
        assert "amount" not in deal.attributes


def reason(*events: Event) -> str | None:
    """Of the loss, whatever order the events arrive in."""
    found = {deal_of(row(*order)).attributes.get("lost_reason") for order in permutations(events)}
    assert len(found) == 1, found
    return found.pop()


PRICE: dict[str, Any] = {"lost_reason": "price"}
TIME: dict[str, Any] = {"lost_reason": "time"}


def test_a_reason_does_not_outlive_a_reopening() -> None:
    lost, reopened = Event(10, LOST, "a", PRICE), Event(20, QUALIFIED, "b")
    again = Event(30, LOST, "c")
    assert reason(lost) == "price"
    assert reason(lost, reopened) is None
    assert reason(lost, reopened, again) is None
    assert reason(lost, Event(20, QUALIFIED, "b", TIME), again) is None, "it left with a reason"
    assert reason(lost, Event(20, WON, "b"), again) is None
    assert reason(lost, reopened, Event(30, LOST, "c", TIME)) == "time"
    assert reason(lost, reopened, Event(25, UPDATE, "u", TIME), again) == "time"
    assert reason(lost, reopened, again, Event(40, UPDATE, "u", TIME)) == "time"


def test_a_repeated_loss_and_a_correction_keep_the_reason() -> None:
    lost = Event(10, LOST, "a", PRICE)
    assert reason(lost, Event(20, LOST, "b")) == "price"
    assert reason(lost, Event(20, UPDATE, "b", TIME)) == "time"
    assert reason(Event(5, UPDATE, "z", TIME), Event(10, LOST, "a")) == "time"


def test_at_the_instant_of_the_reopening_what_sorts_behind_it_counts() -> None:
    lost, reopened = Event(10, LOST, "l", PRICE), Event(20, QUALIFIED, "m")
    assert reason(lost, reopened, Event(20, UPDATE, "a", TIME)) == "time"
    assert reason(lost, reopened, Event(20, OFFER, "a", TIME)) == "time"
    assert reason(lost, reopened, Event(20, LEAD, "z", TIME)) is None, "that one reopened it"


def test_a_reason_can_be_cleared() -> None:
    cleared: dict[str, Any] = {"cleared": ["lost_reason"]}
    lost, reopened = Event(10, LOST, "a", PRICE), Event(20, QUALIFIED, "b")
    assert reason(lost, Event(20, UPDATE, "b", cleared)) is None
    again = [lost, reopened, Event(30, LOST, "c", TIME)]
    assert reason(*again, Event(40, UPDATE, "d", cleared)) is None
    assert reason(*again, Event(25, UPDATE, "d", cleared)) == "time"


def test_the_first_attribute_given_wins_where_it_is_to_be_kept() -> None:
    """By time, then id, whatever the stage and the order of arrival; all others stay the last."""
    events = [
        Event(20, WON, "b", {"channel": "late", "owner": "last"}),
        Event(10, LEAD, "d", {"channel": "second", "owner": "first"}),
        Event(10, UPDATE, "c", {"channel": "first"}),
        Event(5, UPDATE, "a", {"product": "gtx"}),
    ]
    for arrived in permutations(events):
        deal = deal_of(row(*arrived), frozenset({"channel", "segment"}))
        assert deal.attributes == {"channel": "first", "owner": "last", "product": "gtx"}


def test_after_a_clearing_the_first_attribute_given_since_is_kept() -> None:
    events = [
        Event(10, LEAD, "a", {"channel": "web"}),
        Event(20, UPDATE, "b", {"cleared": ["channel", "owner"], "channel": "fair"}),
        Event(30, WON, "c", {"channel": "tv", "cleared": ["owner"]}),
    ]
    for arrived in permutations(events):
        deal = deal_of(row(*arrived), frozenset({"channel"}))
        assert deal.attributes["channel"] == "fair"


def test_a_duplicate_changes_nothing_and_a_conflict_is_named() -> None:
    event = Event(10, LEAD, "a", {"channel": "web"})
    packed = row(event)
    assert journey.append(packed, event) is None
    with pytest.raises(ConflictError) as raised:
        journey.append(packed, Event(11, LEAD, "a"))
    assert raised.value.known == event


def test_an_id_inside_another_text_is_no_duplicate() -> None:
    packed = row(Event(10, LEAD, "a", {"channel": "b", "owner": "\xa1b"}))
    longer = journey.append(packed, Event(11, QUALIFIED, "b"))
    assert longer is not None
    assert journey.size(longer) == 2
    assert [event.id for event in journey.events(longer)] == ["a", "b"]
