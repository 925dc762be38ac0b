"""Good records become events, in the units and order that the core expects."""

import msgspec
import pytest

from funnel_stream.contract import MAX_VALUE_BYTES, Decoder, Rejection
from funnel_stream.contract.event import (
    ACTIVITIES,
    ACTIVITY_OUTCOMES,
    KINDS,
    SPEND,
    STAGES,
    UPDATE,
    Event,
)
from tests.unit.contract.records import (
    NOW_MS,
    OCCURRED_AT_MICROS,
    accepted,
    attributes,
    body,
    decode,
    raw,
    record,
    refused,
)

AT = OCCURRED_AT_MICROS


@pytest.mark.parametrize(("rank", "stage"), list(enumerate(STAGES)))
def test_a_stage_becomes_its_rank(rank: int, stage: str) -> None:
    assert accepted(record(stage=stage)) == ("D-7", Event(at=AT, kind=rank, id="e-1"))


def test_an_alias_becomes_the_rank_of_its_stage() -> None:
    aliases = {"Angebot": "offer"}
    assert accepted(record(stage="Angebot"), aliases=aliases)[1].kind == STAGES.index("offer")
    assert accepted(record(stage="offer"), aliases=aliases)[1].kind == STAGES.index("offer")


def test_an_alias_cannot_change_a_canonical_stage() -> None:
    assert accepted(record(stage="won"), aliases={"won": "lost"})[1].kind == STAGES.index("won")


def test_an_alias_of_no_stage_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'demo', which is not a stage"):
        Decoder({"Vorstellung": "demo"})


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        ({"stage": "demo", "pipeline": "direct"}, "offer"),
        ({"stage": "demo", "pipeline": "partner"}, "potential"),
        ({"stage": "demo"}, "potential"),
        ({"stage": "demo", "pipeline": None}, "potential"),
        ({"stage": "signed", "pipeline": "direct"}, "won"),
        ({"stage": "signed", "pipeline": "partner"}, "won"),
        ({"stage": "intro"}, "lead"),
        ({"stage": "intro", "pipeline": " "}, "lead"),
        ({"stage": "intro", "pipeline": "default"}, "lead"),
        ({"stage": "intro", "pipeline": "direct"}, None),
        ({"stage": "lost", "pipeline": "direct"}, "lost"),
        ({"stage": "won", "pipeline": "default"}, "won"),
    ],
)
def test_an_alias_counts_by_the_pipeline_of_the_event(
    given: dict[str, str], stage: str | None
) -> None:
    aliases = {"demo": "potential", "signed": "won"}
    pipelines = {"direct": {"demo": "offer"}, "default": {"intro": "lead", "won": "lost"}}
    if stage is None:
        rejected = refused(record(**given), aliases=aliases, pipelines=pipelines)
        assert rejected.reason == "unknown_stage"
    else:
        _, event = accepted(record(**given), aliases=aliases, pipelines=pipelines)
        assert event.kind == STAGES.index(stage)


def test_an_alias_of_a_pipeline_of_no_stage_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'demo', which is not a stage"):
        Decoder(None, {"direct": {"Vorstellung": "demo"}})


def test_an_update_holds_its_attributes() -> None:
    value = record("deal_updated", owner="Anna", segment="smb", pipeline="export")
    given = {"pipeline": "export", "segment": "smb", "owner": "Anna"}
    assert accepted(value) == ("D-7", Event(at=AT, kind=UPDATE, id="e-1", attributes=given))


@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("outcome", [*ACTIVITY_OUTCOMES, None, ...])
def test_an_activity_has_a_kind_for_each_outcome(activity: str, outcome: object) -> None:
    _, event = accepted(record("activity_recorded", activity=activity, outcome=outcome))
    expected = KINDS["activity_recorded", activity, "no_show" if outcome == "no_show" else "held"]
    assert event == Event(at=AT, kind=expected, id="e-1")


def test_a_spend_belongs_to_its_channel() -> None:
    value = record(
        "spend_recorded",
        pipeline="export",
        period_start="2026-02-01T00:00:00Z",
        period_end="2026-02-02T00:00:00+00:00",
    )
    given = {
        "amount": [30_000, "EUR"],
        "pipeline": "export",
        "period_start": 1_769_904_000_000_000,
        "period_end": 1_769_990_400_000_000,
    }
    assert accepted(value) == ("paid_search", Event(at=AT, kind=SPEND, id="e-1", attributes=given))


def test_a_spend_may_have_no_period() -> None:
    expected = {"amount": [30_000, "EUR"]}
    assert attributes(record("spend_recorded")) == expected
    assert attributes(record("spend_recorded", period_start=None, period_end=None)) == expected


def test_all_attributes_arrive_in_their_units() -> None:
    value = record(
        channel="c",
        problems=["slow", "dear"],
        desired_outcomes=[],
        amount="12.5",
        currency="EUR",
        cost=7,
        score=0.25,
        first_touch_at="2026-02-01T00:00:00.5+01:00",
        offer_requested_at="1970-01-01T00:00:00Z",
    )
    assert attributes(value) == {
        "channel": "c",
        "problems": ["slow", "dear"],
        "desired_outcomes": [],
        "amount": [1_250, "EUR"],
        "cost": [700, "EUR"],
        "score": 250_000,
        "first_touch_at": 1_769_900_400_500_000,
        "offer_requested_at": 0,
    }


@pytest.mark.parametrize("nothing", [None, "", " ", "\t\n"])
def test_null_and_blank_texts_are_not_given(nothing: str | None) -> None:
    assert attributes(record(owner=nothing)) is None
    assert attributes(record(owner=nothing, channel="c")) == {"channel": "c"}
    assert attributes(record("activity_recorded", pipeline=nothing)) is None
    assert attributes(record("spend_recorded", pipeline=nothing)) == {"amount": [30_000, "EUR"]}


def test_blank_items_of_a_list_are_left_out() -> None:
    assert attributes(record(problems=["", "slow", " "])) == {"problems": ["slow"]}
    assert attributes(record(problems=[" "])) == {"problems": []}


@pytest.mark.parametrize(
    "text",
    [
        "שלום",
        "Zażółć gęślą",
        "e\u0301",
        "\u00e9",
        "👩‍🚀",
        "a\u0000b",
        "a\tb",
        " x ",
        "!",
        "\u00a0",
        "\ufeff",
    ],
)
def test_texts_are_kept_exactly(text: str) -> None:
    assert attributes(record(owner=text)) == {"owner": text}
    assert attributes(record(owner=text, problems=[text])) == {"owner": text, "problems": [text]}
    key, event = accepted(record(deal_id=text, event_id=text))
    assert (key, event.id) == (text, text)


def test_unescaped_utf8_is_read_like_escapes() -> None:
    assert attributes(raw(owner='"Żaneta 👍"')) == {"owner": "Żaneta 👍"}
    assert attributes(raw(owner=r'"\u017baneta \ud83d\udc4d"')) == {"owner": "Żaneta 👍"}


@pytest.mark.parametrize(
    ("literal", "millionths"),
    [
        ("0", 0),
        ("-0.0", 0),
        ("7", 7_000_000),
        ("-1.5", -1_500_000),
        ("0.1", 100_000),
        ("1e9", 10**15),
        ("-1000000000", -(10**15)),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("123456.7890125", 123_456_789_012),
        ("123456.7890135", 123_456_789_014),
    ],
)
def test_a_score_is_kept_to_the_millionth_half_even(literal: str, millionths: int) -> None:
    assert attributes(raw(score=literal)) == {"score": millionths}


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    value = raw(color='"red"', nested='{"deal_id": "other", "list": [1, {"a": null}]}', x="NaN")
    assert accepted(value) == ("D-7", Event(at=AT, kind=STAGES.index("offer"), id="e-1"))


def test_attributes_of_another_type_are_unknown_fields() -> None:
    assert attributes(record("activity_recorded", stage=5, amount="x", owner="Anna")) is None
    assert attributes(record("spend_recorded", deal_id=5)) == {"amount": [30_000, "EUR"]}


def test_of_repeated_names_the_last_wins() -> None:
    assert attributes(raw(owner='"a", "owner": "b"')) == {"owner": "b"}
    assert attributes(raw(amount='1.5, "amount": 2.5', currency='"EUR"')) == {
        "amount": [250, "EUR"]
    }
    assert accepted(raw(type='"deal_updated"'))[1].kind == UPDATE


def test_json_may_be_laid_out_freely() -> None:
    assert accepted(b"\r\n\t " + record().replace(b",", b" ,\n") + b"\n")[0] == "D-7"


def test_equal_events_are_packed_equally_however_they_are_written() -> None:
    fields = body(
        owner="Anna", channel="c", amount="12.50", currency="EUR", score=1, problems=["slow"]
    )
    one = accepted(msgspec.json.encode(fields))
    other = dict(reversed(fields.items())) | {"amount": 12.5, "score": 1.0, "industry": None}
    other["occurred_at"] = "2026-03-01T10:30:00.000000+01:00"
    two = accepted(msgspec.json.encode(other))
    assert msgspec.msgpack.encode(one) == msgspec.msgpack.encode(two)


def test_identifiers_and_texts_may_be_as_long_as_their_limits() -> None:
    key, event = accepted(record(deal_id="d" * 128, event_id="é" * 128, owner="x" * 1_000))
    assert (len(key), len(event.id)) == (128, 128)
    assert attributes(record(problems=["x" * 1_000] * 60)) == {"problems": ["x" * 1_000] * 60}
    assert attributes(record(problems=["x"] * 100)) == {"problems": ["x"] * 100}


def test_a_value_may_be_64_kib_long() -> None:
    value = record()
    assert accepted(value + b" " * (MAX_VALUE_BYTES - len(value)))[0] == "D-7"


def test_an_event_may_lie_five_minutes_ahead_of_its_record() -> None:
    value = record()
    stamp = AT // 1_000 - 300_000
    (entry,) = Decoder().decode([value], [stamp])
    assert not isinstance(entry, Rejection)
    (entry,) = Decoder().decode([value], [stamp - 1])
    assert isinstance(entry, Rejection)
    assert entry.reason == "future_timestamp"


def test_each_event_is_judged_by_its_own_record() -> None:
    early, late = AT // 1_000 - 300_001, NOW_MS
    entries = Decoder().decode([record()] * 3, [late, early, late])
    assert [isinstance(entry, Rejection) for entry in entries] == [False, True, False]


def test_nothing_is_in_the_future_of_a_record_without_a_timestamp() -> None:
    (entry,) = Decoder().decode([record()], [-1])
    assert not isinstance(entry, Rejection)


def test_an_empty_batch_is_nothing() -> None:
    assert decode() == []


def test_each_amount_is_read_from_its_own_record() -> None:
    literals = ["0.10", "2.50", "7", "0.3e1"]
    for event_type in ("spend_recorded", "deal_updated"):
        values = [raw(event_type=event_type, amount=x, currency='"EUR"') for x in literals]
        events = [entry[1] for entry in decode(*values) if not isinstance(entry, Rejection)]
        amounts = [event.attributes and event.attributes["amount"][0] for event in events]
        assert amounts == [10, 250, 700, 300]
