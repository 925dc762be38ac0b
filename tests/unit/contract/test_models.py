"""The models an upstream application builds events with."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from funnel_stream.contract import (
    ActivityRecorded,
    AnyEvent,
    DealUpdated,
    Event,
    SpendRecorded,
    StageChanged,
)
from funnel_stream.contract.event import OFFER
from tests.unit.contract.records import OCCURRED_AT_MICROS, accepted

WHEN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def offer(**changes: Any) -> StageChanged:
    fields = {"event_id": "e-1", "deal_id": "D-7", "stage": "offer", "occurred_at": WHEN}
    return StageChanged(**(fields | changes))


def test_an_event_is_written_as_key_and_value() -> None:
    event = offer(amount=Decimal("12500.00"), currency="EUR")
    assert event.key() == b"D-7"
    assert event.value() == (
        b'{"event_id":"e-1","occurred_at":"2026-03-01T09:30:00Z","deal_id":"D-7",'
        b'"amount":"12500.00","currency":"EUR","type":"stage_changed","stage":"offer"}'
    )
    given = {"amount": [1_250_000, "EUR"]}
    assert accepted(event.value()) == (
        "D-7",
        Event(at=OCCURRED_AT_MICROS, kind=OFFER, id="e-1", attributes=given),
    )


def test_a_spend_is_keyed_by_its_channel() -> None:
    spend = SpendRecorded(
        event_id="s", occurred_at=WHEN, channel="płatne", amount=Decimal(3), currency="PLN"
    )
    assert spend.key() == "płatne".encode()


@pytest.mark.parametrize(
    "amount",
    [Decimal("12.5"), Decimal("1.25E+1"), "12.50", Decimal("12.5000")],
)
def test_amounts_are_exact_whatever_they_are_built_from(amount: object) -> None:
    _, event = accepted(offer(amount=amount, currency="EUR").value())
    assert event.attributes == {"amount": [1_250, "EUR"]}


def test_times_of_any_zone_are_written_in_utc() -> None:
    zone = timezone(timedelta(hours=1, minutes=24, seconds=30))
    event = offer(occurred_at=WHEN.astimezone(zone))
    assert accepted(event.value())[1].at == OCCURRED_AT_MICROS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"occurred_at": datetime(2026, 3, 1)}, "occurred_at: .* no offset"),
        ({"occurred_at": datetime(1969, 3, 1, tzinfo=UTC)}, "not between 1970 and 9999"),
        ({"occurred_at": 1_772_357_400}, "not a datetime"),
        ({"occurred_at": "2026-03-01T09:30:00"}, "no offset"),
        ({"amount": 12.5, "currency": "EUR"}, "the float 12.5"),
        ({"amount": Decimal("12.345"), "currency": "EUR"}, "2 decimals of EUR"),
        ({"amount": Decimal(12)}, "amount has no currency"),
        ({"cost": Decimal(-1), "currency": "EUR"}, "number of zero or more"),
        ({"currency": "ABC"}, "not in ISO 4217"),
        ({"deal_id": ""}, "at least 1 character"),
        ({"deal_id": 7}, "valid string"),
        ({"event_id": "\ud800"}, "valid string|unicode"),
        ({"score": float("nan")}, "finite"),
        ({"problems": ["x"] * 101}, "at most 100"),
        ({"amount": Decimal(1), "currency": "eur"}, "pattern"),
        ({"cleared": ["ownr"]}, "'ownr' cannot be cleared; what can is channel"),
        ({"cleared": ["pipeline"]}, "'pipeline' cannot be cleared"),
    ],
)
def test_a_mistake_is_found_where_the_event_is_built(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        offer(**changes)


def test_a_period_has_two_ends_in_order() -> None:
    fields: dict[str, Any] = {
        "event_id": "s", "occurred_at": WHEN, "channel": "c", "amount": "1", "currency": "EUR"
    }  # fmt: skip
    SpendRecorded(**fields, period_start=WHEN, period_end=WHEN + timedelta(days=28))
    with pytest.raises(ValidationError, match="both of its ends"):
        SpendRecorded(**fields, period_start=WHEN)
    with pytest.raises(ValidationError, match="ends after its start"):
        SpendRecorded(**fields, period_start=WHEN, period_end=WHEN)


def test_any_event_is_read_back_as_its_own_type() -> None:
    read = TypeAdapter(AnyEvent).validate_json
    call = ActivityRecorded(event_id="a", deal_id="D-7", occurred_at=WHEN, activity="call")
    update = DealUpdated(event_id="u", deal_id="D-7", occurred_at=WHEN, score=0.5)
    for event in (offer(amount="12.5", currency="EUR"), call, update):
        assert read(event.value()) == event


def test_numbers_in_json_are_read_as_they_are_written() -> None:
    value = offer(amount="0.1", currency="EUR").value().replace(b'"0.1"', b"0.1")
    assert StageChanged.model_validate_json(value).amount == Decimal("0.1")


def test_attributes_are_cleared_by_their_names() -> None:
    event = offer(cleared=["owner", "currency"], channel="fair")
    assert accepted(event.value())[1].attributes == {
        "channel": "fair",
        "cleared": ["owner", "amount"],
    }
    assert TypeAdapter(AnyEvent).validate_json(event.value()) == event
