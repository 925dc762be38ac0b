"""The generated schemas: in step, valid, compatible, and as strict as the decoder."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from funnel_stream.contract import MAX_VALUE_BYTES, Decoder, Reason, Rejection
from funnel_stream.contract.compatibility import breaking_changes
from funnel_stream.contract.models import MODELS, FunnelEvent
from funnel_stream.contract.schemas import (
    ASYNCAPI_FILE,
    file_of,
    json_schema,
    main,
    out_of_step,
    type_of,
)
from tests.unit.contract.records import NOW_MS, accepted, body
from tests.unit.contract.test_bad_input import BAD

SCHEMAS = Path(__file__).parents[3] / "schemas"

BEYOND_JSON_SCHEMA = {
    "invalid_timestamp": "days that do not exist, years before 1970",
    "future_timestamp": "the record's own timestamp",
    "unknown_stage": "aliases are configured where the events are read",
    "unknown_currency": "the list of currencies changes with ISO 4217",
    "amount_out_of_range": "the currency's decimals",
    "invalid_period": "which of two instants is earlier",
}
"""What only the decoder can judge, and what that depends on."""


def validator(event_type: str) -> Draft202012Validator:
    (model,) = (model for model in MODELS if type_of(model) == event_type)
    return Draft202012Validator(json_schema(model))


def test_the_committed_files_are_in_step() -> None:
    assert out_of_step(SCHEMAS) == []


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    (tmp_path / ASYNCAPI_FILE).write_text("asyncapi: 2.6.0\n")
    capsys.readouterr()
    assert main(["--check", str(tmp_path)]) == 1
    assert f"{ASYNCAPI_FILE} is out of date: run `make schemas`" in capsys.readouterr().err


def test_the_command_keeps_released_schemas(tmp_path: Path) -> None:
    assert main(["--release", "9.9.9", str(tmp_path)]) == 0
    kept = sorted(path.name for path in (tmp_path / "released" / "9.9.9").iterdir())
    assert kept == sorted(map(file_of, MODELS))


@pytest.mark.parametrize("model", MODELS)
def test_a_schema_is_valid(model: type[FunnelEvent]) -> None:
    Draft202012Validator.check_schema(json_schema(model))


def released_schemas() -> list[Path]:
    return sorted((SCHEMAS / "released").glob("*/*.json"))


def test_there_is_a_released_version_to_be_compatible_with() -> None:
    assert released_schemas()


@pytest.mark.parametrize(
    "path", released_schemas(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_events_of_every_released_version_stay_valid(path: Path) -> None:
    current = {file_of(model): json_schema(model) for model in MODELS}
    assert path.name in current, "a released event type was removed"
    assert breaking_changes(json.loads(path.read_text()), current[path.name]) == []


@pytest.mark.parametrize("model", MODELS)
def test_examples_are_accepted_by_schema_and_decoder(model: type[FunnelEvent]) -> None:
    schema = json_schema(model)
    tried = 0
    for name, field in schema["properties"].items():
        for example in field.get("examples", []):
            event = body(type_of(model), **{name: example})
            if name in ("amount", "cost"):
                event["currency"] = "EUR"
            Draft202012Validator(schema).validate(event)
            accepted(json.dumps(event).encode())
            tried += 1
    assert tried >= 2


def is_valid(value: bytes) -> bool:
    """Whether a record is a JSON object that the schema of its type accepts."""
    try:
        event = msgspec.json.decode(value)
        return validator(event["type"]).is_valid(event)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


@pytest.mark.parametrize(("value", "reason"), [(value, reason) for value, reason, _ in BAD])
def test_schemas_refuse_what_the_decoder_refuses(value: bytes, reason: str) -> None:
    if len(value) <= MAX_VALUE_BYTES and reason not in BEYOND_JSON_SCHEMA:
        assert not is_valid(value)


def test_what_is_left_to_the_decoder_is_no_excuse() -> None:
    """Each exemption above is needed."""
    assert {reason for value, reason, _ in BAD if is_valid(value)} - {"too_large"} == set(
        BEYOND_JSON_SCHEMA
    )


@pytest.mark.parametrize(
    ("event", "valid"),
    [
        (body(amount=1), True),
        (body(amount="1,234.00", currency=5), True),
        (body(cleared=["owner", "whatever"]), True),
        (body(amount=1, currency="EUR"), True),
        (body(amount=None), True),
        (body(currency="EUR"), True),
        (body(color="red"), True),
        (body(occurred_at="2026-03-01T09:30:00"), False),
        (body("spend_recorded", period_start="2026-02-01T00:00:00Z"), False),
        (body("spend_recorded", period_start=None, period_end=None), True),
        (body("spend_recorded", amount="1_000"), False),
        (body("spend_recorded", amount="-0.00", currency="eur"), True),
        (body("spend_recorded", amount="-0.01"), False),
        (body("activity_recorded", outcome=None), True),
    ],
)
def test_conditions_between_fields_are_part_of_the_schema(
    event: dict[str, Any], valid: bool
) -> None:
    assert validator(event["type"]).is_valid(event) is valid
    (entry,) = Decoder().decode([json.dumps(event).encode()], [NOW_MS])
    assert isinstance(entry, Rejection) is not valid


def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SCHEMAS / ASYNCAPI_FILE).read_text())
    return document


def test_asyncapi_refers_only_to_what_exists() -> None:
    document = asyncapi()
    references: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            references.extend(value for key, value in node.items() if key == "$ref")
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                collect(child)

    collect(document)
    assert len(references) >= 12
    for reference in references:
        if reference.startswith("./"):
            assert (SCHEMAS / reference).is_file(), reference
            continue
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in target, reference
            target = target[part]


def test_asyncapi_describes_events_erasures_and_dead_letters() -> None:
    document = asyncapi()
    events = document["channels"]["events"]
    assert events["address"] == "funnel.events"
    assert set(events["messages"]) == {*map(type_of, MODELS), "deal_erased"}
    messages = document["components"]["messages"]
    assert messages["deal_erased"]["payload"] == {"type": "null"}
    assert "channel" in messages["spend_recorded"]["bindings"]["kafka"]["key"]["description"]
    assert "deal_id" in messages["stage_changed"]["bindings"]["kafka"]["key"]["description"]
    headers = messages["dead_letter"]["headers"]["properties"]
    assert headers["funnel.error.reason"]["enum"] == [str(reason) for reason in Reason]
    assert "__connect.errors.exception.message" in headers
