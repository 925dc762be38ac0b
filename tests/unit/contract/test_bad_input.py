"""What is refused, why, and that its neighbours do not notice."""

import json
from random import Random

import pytest

from funnel_stream.contract import Decoder, Reason, Rejection
from tests.unit.contract.records import NOW_MS, accepted, body, decode, raw, record, refused

SPEND = "spend_recorded"

BAD: list[tuple[bytes, str, str]] = [
    # The value as a whole
    (b"", "not_json", ""),
    (b" ", "not_json", ""),
    (b"offer", "not_json", ""),
    (b'{"type": "stage_changed"', "not_json", ""),
    (record() + b"x", "not_json", ""),
    (record() + record(), "not_json", ""),
    (record()[:-1] + b",}", "not_json", ""),
    (record().replace(b'"', b"'"), "not_json", ""),
    (b"\xef\xbb\xbf" + record(), "not_json", ""),
    (record().replace(b"D-7", b"D\n7"), "not_json", ""),
    (raw(amount="01"), "not_json", ""),
    (raw(amount="+1"), "not_json", ""),
    (b"\x00\x00\x00\x00\x01" + record(), "not_json", ""),
    (json.dumps(body()).encode("utf-16"), "invalid_utf8", ""),
    (record().replace(b"D-7", b"D-\xff"), "invalid_utf8", ""),
    (raw(color='"x"').replace(b'"x"', b'"\xc3"'), "invalid_utf8", ""),
    (raw(owner=r'"\ud83d"'), "invalid_utf8", ""),
    (raw(owner=r'"\ud83d x"'), "invalid_utf8", ""),
    (raw(owner=r'"\ude00"'), "invalid_utf8", ""),
    (b"null", "not_an_object", ""),
    (b"[]", "not_an_object", ""),
    (b"[" + record() + b"]", "not_an_object", ""),
    (b"5", "not_an_object", ""),
    (b"NaN", "not_an_object", ""),
    (json.dumps(json.dumps(body())).encode(), "not_an_object", ""),
    (record(color="x" * 65_536), "too_large", ""),
    (b"x" * 1_000_000, "too_large", ""),
    (b"[" * 10_000 + b"]" * 10_000, "too_deep", ""),
    (raw(color="[" * 10_000 + "]" * 10_000), "too_deep", ""),
    (raw(color='{"a":' * 10_000 + "1" + "}" * 10_000), "too_deep", ""),
    # The type
    (b"{}", "missing_field", "type"),
    (record(type=...), "missing_field", "type"),
    (record(type=None), "missing_field", "type"),
    (record(type=5), "wrong_type", "type"),
    (record(type=["stage_changed"]), "wrong_type", "type"),
    (record(type="Stage_Changed"), "unknown_type", "type"),
    (record(type="stage_changed.v2"), "unknown_type", "type"),
    (b'{"type": "deal_erased", "deal_id": "D-7"}', "unknown_type", "type"),
    # Common fields
    (record(event_id=...), "missing_field", "event_id"),
    (record(event_id=None), "missing_field", "event_id"),
    (record(event_id=17), "wrong_type", "event_id"),
    (record(event_id=""), "invalid_value", "event_id"),
    (record(event_id="x" * 129), "too_long", "event_id"),
    (record(deal_id=...), "missing_field", "deal_id"),
    (record(deal_id=7), "wrong_type", "deal_id"),
    (record(deal_id=""), "invalid_value", "deal_id"),
    (record(deal_id="x" * 129), "too_long", "deal_id"),
    (record("deal_updated", deal_id=...), "missing_field", "deal_id"),
    (record(pipeline=5), "wrong_type", "pipeline"),
    # Timestamps
    (record(occurred_at=...), "missing_field", "occurred_at"),
    (record(occurred_at=None), "missing_field", "occurred_at"),
    (record(occurred_at=1_772_357_400), "wrong_type", "occurred_at"),
    (record(occurred_at=1_772_357_400.5), "wrong_type", "occurred_at"),
    (record(occurred_at="1772357400"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at=""), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="yesterday"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01T09:30Z"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01 09:30:00Z"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="2026-02-30T09:30:00Z"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="1969-12-31T23:59:59Z"), "invalid_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01T09:30:00"), "naive_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01T09:30:00.123"), "naive_timestamp", "occurred_at"),
    (record(occurred_at="2026-03-01 09:30:00"), "naive_timestamp", "occurred_at"),
    (record(occurred_at="2026-05-28T20:31:41Z"), "future_timestamp", "occurred_at"),
    (record(occurred_at="9999-12-31T23:59:59-23:59"), "invalid_timestamp", "occurred_at"),
    (record(first_touch_at="2026-03-01T09:30:00"), "naive_timestamp", "first_touch_at"),
    (record(first_touch_at="2026-02-30T09:30:00Z"), "invalid_timestamp", "first_touch_at"),
    (record(offer_requested_at=0), "wrong_type", "offer_requested_at"),
    # Stages and attributes
    (record(stage=...), "missing_field", "stage"),
    (record(stage=None), "missing_field", "stage"),
    (record(stage=4), "wrong_type", "stage"),
    (record(stage=""), "unknown_stage", "stage"),
    (record(stage="Offer"), "unknown_stage", "stage"),
    (record(stage="x" * 5_000), "unknown_stage", "stage"),
    (record(owner=5), "wrong_type", "owner"),
    (record(owner=True), "wrong_type", "owner"),
    (record(owner=["Anna"]), "wrong_type", "owner"),
    (record(owner={"name": "Anna"}), "wrong_type", "owner"),
    (record(owner="x" * 1_001), "too_long", "owner"),
    (record(problems="slow"), "wrong_type", "problems"),
    (record(problems=[1]), "wrong_type", "problems"),
    (record(problems=[None]), "wrong_type", "problems"),
    (record(problems=["x"] * 101), "too_long", "problems"),
    (record(problems=["x" * 1_001]), "too_long", "problems"),
    (record(score="1"), "wrong_type", "score"),
    (record(score=True), "wrong_type", "score"),
    (record(score=1e10), "invalid_value", "score"),
    (raw(score="NaN"), "invalid_value", "score"),
    (raw(score="-Infinity"), "invalid_value", "score"),
    (raw(score="1e400"), "invalid_value", "score"),
    (raw(score="1" * 5_000), "invalid_value", ""),
    # Money: a spend without its amount is none
    (record(SPEND, currency=" "), "unknown_currency", "currency"),
    (record(SPEND, currency="XAU"), "unknown_currency", "currency"),
    (record(SPEND, currency="eurx"), "unknown_currency", "currency"),
    (record(SPEND, currency="u\u017fd"), "unknown_currency", "currency"),
    (record(SPEND, currency=978), "wrong_type", "currency"),
    (record(SPEND, amount=True), "wrong_type", "amount"),
    (record(SPEND, amount=[1]), "wrong_type", "amount"),
    (record(SPEND, amount={"value": 1}), "wrong_type", "amount"),
    (record(SPEND, amount=""), "invalid_amount", "amount"),
    (record(SPEND, amount="12,50"), "invalid_amount", "amount"),
    (record(SPEND, amount="NaN"), "invalid_amount", "amount"),
    (record(SPEND, amount=-1), "invalid_amount", "amount"),
    (record(SPEND, amount=-0.001), "invalid_amount", "amount"),
    (record(SPEND, amount="-0.001"), "invalid_amount", "amount"),
    (raw(event_type=SPEND, amount="NaN"), "invalid_amount", "amount"),
    (raw(event_type=SPEND, amount="-Infinity"), "invalid_amount", "amount"),
    (raw(event_type=SPEND, amount="1e400"), "amount_out_of_range", "amount"),
    (record(SPEND, amount=10**13), "amount_out_of_range", "amount"),
    (record(SPEND, amount="9999999999999.995"), "amount_out_of_range", "amount"),
    (record(SPEND, amount="9" * 60_000), "amount_out_of_range", "amount"),
    (raw(event_type=SPEND, amount="1" * 4_000), "amount_out_of_range", "amount"),
    # What is taken away
    (record(cleared="owner"), "wrong_type", "cleared"),
    (record(cleared=[None]), "wrong_type", "cleared"),
    (record(cleared=["x"] * 101), "too_long", "cleared"),
    # Activities
    (record("activity_recorded", activity=...), "missing_field", "activity"),
    (record("activity_recorded", activity="lunch"), "invalid_value", "activity"),
    (record("activity_recorded", activity=1), "wrong_type", "activity"),
    (record("activity_recorded", outcome="cancelled"), "invalid_value", "outcome"),
    (record("activity_recorded", outcome=False), "wrong_type", "outcome"),
    # Spend
    (record(SPEND, channel=...), "missing_field", "channel"),
    (record(SPEND, channel=""), "invalid_value", "channel"),
    (record(SPEND, channel=" "), "invalid_value", "channel"),
    (record(SPEND, channel="x" * 1_001), "too_long", "channel"),
    (record(SPEND, amount=...), "missing_field", "amount"),
    (record(SPEND, amount=None), "missing_field", "amount"),
    (record(SPEND, currency=...), "currency_missing", "currency"),
    (record(SPEND, currency=None), "currency_missing", "currency"),
    (record(SPEND, period_start="2026-02-01T00:00:00Z"), "invalid_period", "period_end"),
    (record(SPEND, period_end="2026-02-01T00:00:00Z"), "invalid_period", "period_start"),
    (
        record(SPEND, period_start="2026-02-01T00:00:00Z", period_end="2026-02-01T01:00:00+01:00"),
        "invalid_period",
        "period_end",
    ),
    (
        record(SPEND, period_start="1980-01-01T00:00:00Z", period_end="2026-01-01T00:00:00Z"),
        "invalid_period",
        "period_end",
    ),
]


@pytest.mark.parametrize(("value", "reason", "field"), BAD)
def test_a_bad_record_is_refused_with_reason_and_field(
    value: bytes, reason: str, field: str
) -> None:
    rejection = refused(value)
    assert (rejection.reason, rejection.field) == (reason, field)
    assert rejection.message
    assert len(rejection.message) < 400
    assert rejection.message.isprintable()


def test_every_reason_of_the_decoder_is_shown() -> None:
    elsewhere = {"missing_key", "misrouted", "conflicting_duplicate", "too_many_events"}
    elsewhere.add("too_many_decimals")  # rounded; only models and the importer refuse them
    assert {reason for _, reason, _ in BAD} == {str(reason) for reason in Reason} - elsewhere


def test_bad_records_do_not_reject_or_move_their_neighbours() -> None:
    entries: list[tuple[bytes, str | None]] = [(value, reason) for value, reason, _ in BAD]
    entries += [(record(event_id=f"e-{i}", deal_id=f"D-{i}"), None) for i in range(500)]
    Random(7).shuffle(entries)
    outcomes = decode(*(value for value, _ in entries))
    assert len(outcomes) == len(entries)
    for (value, reason), outcome in zip(entries, outcomes, strict=True):
        if reason is None:
            assert outcome == accepted(value)
        else:
            assert isinstance(outcome, Rejection)
            assert outcome.reason == reason


def test_a_batch_of_nothing_but_bad_records_is_refused_record_by_record() -> None:
    reasons = [entry.reason for entry in decode(*[b"{"] * 300) if isinstance(entry, Rejection)]
    assert reasons == ["not_json"] * 300


def test_a_batch_of_many_megabytes_is_read_in_parts() -> None:
    good = [record(event_id=f"e-{i}", color="x" * 60_000) for i in range(100)]
    values = [value for pair in zip(good, [b"{}"] * 100, strict=True) for value in pair]
    ids = [None if isinstance(entry, Rejection) else entry[1].id for entry in decode(*values)]
    assert ids == [value for i in range(100) for value in (f"e-{i}", None)]


def test_json_cannot_reach_the_next_record() -> None:
    first, second = record()[:-1], b"," + record()[1:]
    assert all(isinstance(entry, Rejection) for entry in decode(first, second))


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (record(stage="demo"), ["'demo'", "lead, qualified", "alias"]),
        (record(occurred_at="2026-03-01T09:30:00"), ["'2026-03-01T09:30:00'", "offset", "Z"]),
        (record(occurred_at="2026-05-28T21:26:40Z"), ["3600 s ahead", "300 s"]),
        (record(SPEND, amount="1,005.00"), ["'1,005.00'", "1250.00"]),
        (record(owner="x" * 1_001), ["1001 characters", "1000"]),
        (record(problems=["x"] * 101), ["101 items", "100"]),
        (record(deal_id=7), ["7", "string"]),
        (record(type="deal_erased"), ["deal_erased", "null value"]),
        (b"\xef\xbb\xbf" + record(), ["byte order mark"]),
        (b"x" * 70_000, ["70000 bytes", "65536"]),
    ],
)
def test_a_message_names_what_was_found_and_what_is_right(value: bytes, parts: list[str]) -> None:
    message = refused(value).message
    assert [part for part in parts if part not in message] == []


def test_timestamps_of_records_must_match_the_values() -> None:
    with pytest.raises(ValueError, match="2 values, but 1 timestamps"):
        Decoder().decode([record(), record()], [NOW_MS])


def test_of_several_mistakes_the_first_field_is_named() -> None:
    assert refused(record(event_id=1, deal_id=2, owner=3)).field == "event_id"
