"""A blank text says nothing, in whichever field that need not be given."""

import json

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from funnel_stream.contract import AnyEvent
from funnel_stream.contract.models import FunnelEvent
from funnel_stream.contract.schemas import json_schema
from tests.unit.contract.records import accepted, attributes, record, refused

BLANKS = ("", " ", "\t\u0000\n")
READ = TypeAdapter[FunnelEvent](AnyEvent)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("stage_changed", ("score", "first_touch_at", "offer_requested_at", "owner", "pipeline")),
        ("activity_recorded", ("outcome", "pipeline")),
        ("spend_recorded", ("period_start", "period_end", "pipeline")),
    ],
)
def test_a_blank_text_says_nothing(kind: str, names: tuple[str, ...], blank: str) -> None:
    value = record(kind, **dict.fromkeys(names, blank))
    assert accepted(value) == accepted(record(kind))
    event = READ.validate_json(value)
    assert Draft202012Validator(json_schema(type(event))).is_valid(json.loads(value))


def test_nor_does_a_blank_amount_though_it_have_a_currency() -> None:
    assert attributes(record(amount="", currency="EUR")) is None


def test_one_end_of_a_period_is_none_though_the_other_be_blank() -> None:
    value = record("spend_recorded", period_start="", period_end="2026-02-01T00:00:00Z")
    found = refused(value)
    assert (found.reason, found.field) == ("invalid_period", "period_start")
