"""What a set of events means for one deal (design: *What a journey means*)."""

from itertools import permutations
from typing import Any

import pytest

from funnel_stream import journey
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
from funnel_stream.journey import ConflictError, Journey


def row(*events: Event) -> bytes:
    packed = journey.new_row(events[0])
    for event in events[1:]:
        packed = journey.append(packed, event) or packed
    return packed


def moved(*stages: tuple[int, int], **attributes: Any) -> Journey:
    """A journey of (time, stage) pairs; the event's id is its place."""
    return Journey(
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
    deal = Journey(row(Event(10, UPDATE, "a", {"channel": "web"})))
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
        assert Journey(row(*order)).attributes == {
            "channel": "web",
            "owner": "ann",
            "source": "friend",
        }


def test_the_first_attribute_given_wins_where_it_is_to_be_kept() -> None:
    """By time, then id, whatever the stage and the order of arrival; all others stay the last."""
    events = [
        Event(20, WON, "b", {"channel": "late", "owner": "last"}),
        Event(10, LEAD, "d", {"channel": "second", "owner": "first"}),
        Event(10, UPDATE, "c", {"channel": "first"}),
        Event(5, UPDATE, "a", {"product": "gtx"}),
    ]
    for arrived in permutations(events):
        deal = Journey(row(*arrived), frozenset({"channel", "segment"}))
        assert deal.attributes == {"channel": "first", "owner": "last", "product": "gtx"}


def test_after_a_clearing_the_first_attribute_given_since_is_kept() -> None:
    events = [
        Event(10, LEAD, "a", {"channel": "web"}),
        Event(20, UPDATE, "b", {"cleared": ["channel", "owner"], "channel": "fair"}),
        Event(30, WON, "c", {"channel": "tv", "cleared": ["owner"]}),
    ]
    for arrived in permutations(events):
        deal = Journey(row(*arrived), frozenset({"channel"}))
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
