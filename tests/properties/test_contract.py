"""What holds for any bytes, and for any event that the models can build."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from funnel_stream.contract import (
    ActivityRecorded,
    Amended,
    Amendment,
    AnyEvent,
    DealUpdated,
    Decoder,
    Event,
    Rejection,
    SpendRecorded,
    StageChanged,
)
from funnel_stream.contract.event import CLEARABLE, DIMENSIONS, STAGES
from funnel_stream.contract.models import MODELS, FunnelEvent
from funnel_stream.contract.money import DECIMALS, check_money
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.schemas import json_schema, type_of
from funnel_stream.contract.timestamps import micros_of

NOW_MS = 4_102_444_800_000
DECODER = Decoder()
SCHEMAS = {type_of(model): Draft202012Validator(json_schema(model)) for model in MODELS}
READ = TypeAdapter[FunnelEvent](AnyEvent)

ZONES = [UTC, *(timezone(timedelta(minutes=minutes)) for minutes in (-570, -1, 60, 345, 840))]

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
lists = st.none() | st.lists(texts.filter(lambda text: text is not None), max_size=5)
times = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30), timezones=st.sampled_from(ZONES))
currencies = st.sampled_from(sorted(DECIMALS))


@st.composite
def money(draw: st.DrawFn) -> tuple[Decimal, str]:
    currency = draw(currencies)
    minor = draw(st.integers(0, 10**15 - 1))
    return Decimal(minor).scaleb(-DECIMALS[currency]), currency


@st.composite
def events(draw: st.DrawFn) -> FunnelEvent:
    common: dict[str, Any] = {
        "event_id": draw(ids),
        "occurred_at": draw(times),
        "pipeline": draw(texts),
    }
    amount, currency = draw(money())
    kind = draw(st.sampled_from(MODELS))
    if kind is SpendRecorded:
        channel = draw(ids.filter(lambda text: any(character > " " for character in text)))
        return SpendRecorded(**common, channel=channel, amount=amount, currency=currency)
    common["deal_id"] = draw(ids)
    if kind is ActivityRecorded:
        outcome: Any = draw(st.sampled_from([None, "held", "no_show"]))
        return ActivityRecorded(**common, activity="audit", outcome=outcome)
    attributes: dict[str, Any] = {
        name: draw(texts) for name in ("channel", "source", "owner", "lost_reason")
    }
    attributes |= {"problems": draw(lists), "desired_outcomes": draw(lists)}
    attributes |= {"first_touch_at": draw(st.none() | times)}
    attributes |= {"cleared": draw(st.none() | st.lists(st.sampled_from(CLEARABLE), max_size=4))}
    attributes |= {"score": draw(st.none() | st.floats(-1e9, 1e9))}
    if draw(st.booleans()):
        attributes |= {"amount": amount, "currency": currency}
    if kind is DealUpdated:
        return DealUpdated(**common, **attributes)
    return StageChanged(**common, **attributes, stage=draw(st.sampled_from(STAGES)))


def decode(*values: bytes) -> list[tuple[str, Event] | Amended | Rejection]:
    return DECODER.decode(values, [NOW_MS] * len(values))


@given(events())
def test_what_the_models_build_is_accepted_by_schema_and_decoder(event: FunnelEvent) -> None:
    value = event.value()
    fields = json.loads(value)
    SCHEMAS[fields["type"]].validate(fields)
    (entry,) = decode(value)
    assert not isinstance(entry, Amended | Rejection), entry
    key, decoded = entry
    assert key.encode() == event.key()
    assert decoded.id == event.event_id
    assert decoded.at == micros_of(event.occurred_at)


@given(events())
def test_what_the_models_build_is_read_back(event: FunnelEvent) -> None:
    assert READ.validate_json(event.value()) == event


@given(events())
def test_attributes_arrive_as_they_were_given(event: FunnelEvent) -> None:
    (entry,) = decode(event.value())
    assert not isinstance(entry, Amended | Rejection), entry
    found = entry[1].attributes or {}
    cleared = [name for name in CLEARABLE if name in (getattr(event, "cleared", None) or ())]
    assert found.get("cleared", []) == [
        name for name in cleared if name not in found or name in DIMENSIONS
    ]
    for name in ("channel", "source", "owner", "lost_reason", "pipeline"):
        text = getattr(event, name, None)
        if name == "channel" and isinstance(event, SpendRecorded):
            continue
        says_something = text is not None and any(character > " " for character in text)
        assert found.get(name) == (text if says_something else None)
    if getattr(event, "currency", None) and getattr(event, "amount", None) is not None:
        amount: Decimal = event.amount  # type: ignore[attr-defined]
        currency: str = event.currency  # type: ignore[attr-defined]
        minor, in_currency = found["amount"]
        assert (Decimal(minor).scaleb(-DECIMALS[currency]), in_currency) == (amount, currency)
    assert None not in found.values()


@given(money())
def test_a_number_is_read_as_exactly_as_a_decimal_string(amount: tuple[Decimal, str]) -> None:
    decimal, currency = amount
    start = (
        '{"type": "deal_updated", "event_id": "e", "deal_id": "d", '
        f'"occurred_at": "2026-03-01T09:30:00Z", "currency": "{currency}", "amount": '
    )
    as_number, as_text, as_exponent = (
        (start + literal + "}").encode()
        for literal in (f"{decimal:f}", f'"{decimal:f}"', f"{decimal:e}")
    )
    first, second, third = decode(as_number, as_text, as_exponent)
    assert not isinstance(first, Amended | Rejection), first
    assert first == second == third


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
literals = st.from_regex(
    r"-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
amounts = json_values.map(json.dumps) | literals | literals.map('"{}"'.format)
"""As they stand in the text of an event."""
money_units = json_values | st.sampled_from(["EUR", "eur", "Jpy", "KWD", "XAU", "ABC", " "])


@given(amounts, amounts, money_units)
def test_no_stage_is_lost_over_money(amount: str, cost: str, currency: Any) -> None:
    """And it is amended unless models and importers would have taken it as it stands."""
    event = {"type": "stage_changed", "event_id": "e", "deal_id": "d", "stage": "won"}
    event |= {"occurred_at": "2026-03-01T09:30:00Z", "owner": "Anna", "currency": currency}
    value = f'{json.dumps(event)[:-1]}, "amount": {amount}, "cost": {cost}}}'.encode()
    SCHEMAS["stage_changed"].validate(json.loads(value))
    (entry,) = decode(value)
    assert not isinstance(entry, Rejection), entry
    attributes: Any = entry[1].attributes
    assert attributes["owner"] == "Anna"
    money = [attributes[name] for name in ("amount", "cost") if name in attributes]
    assert all(0 <= minor < 10**15 and code in DECIMALS for minor, code in money)
    fields = json.loads(value, parse_float=Decimal, parse_constant=float)
    said = {name: found for name, found in fields.items() if not is_blank(found)}
    if "amount" not in said and "cost" not in said:
        assert not isinstance(entry, Amended)
        return
    try:
        check_money(said)
    except (RefusedError, TypeError):
        assert isinstance(entry, Amended)
        left_out = sum(name in said for name in ("amount", "cost")) > len(money)
        assert (Amendment.UNREADABLE_AMOUNT in entry.reasons) is left_out
    else:
        assert not isinstance(entry, Amended)


def is_blank(found: Any) -> bool:
    return found is None or (isinstance(found, str) and all(each <= " " for each in found))


FIELDS = sorted({name for model in MODELS for name in model.model_fields})


@st.composite
def spoilt_events(draw: st.DrawFn) -> bytes:
    """An event in which some fields hold anything, then perhaps some bytes changed."""
    fields = json.loads(draw(events()).value())
    fields |= draw(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3))
    value = bytearray(json.dumps(fields).encode("utf-8", "surrogatepass"))
    for position, byte in draw(
        st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3)
    ):
        value[position % len(value)] = byte
    return bytes(value)


@given(st.lists(st.binary() | spoilt_events() | events().map(FunnelEvent.value), max_size=5))
def test_any_bytes_have_an_outcome_that_neighbours_do_not_change(values: list[bytes]) -> None:
    together = decode(*values)
    assert together == [decode(value)[0] for value in values]
    for entry in together:
        if isinstance(entry, Rejection):
            assert entry.message
            entry.message.encode()
        else:
            key, event = entry[:2]
            assert isinstance(event, Event)
            key.encode()
