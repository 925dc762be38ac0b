"""Values of Kafka records, good ones and parts to spoil them with."""

import json
from typing import Any

from funnel_stream.contract import Amended, Decoded, Decoder, Rejection

NOW_MS = 1_780_000_000_000
"""The records' own timestamp: 2026-05-28T20:26:40Z."""

OCCURRED_AT = "2026-03-01T09:30:00Z"
OCCURRED_AT_MICROS = 1_772_357_400_000_000


def body(event_type: str = "stage_changed", **changes: Any) -> dict[str, Any]:
    """A good event with fields changed; ``...`` as a value takes the field away."""
    fields: dict[str, Any] = {"type": event_type, "event_id": "e-1", "occurred_at": OCCURRED_AT}
    if event_type == "spend_recorded":
        fields |= {"channel": "paid_search", "amount": "300.00", "currency": "EUR"}
    else:
        fields |= {"deal_id": "D-7"}
    if event_type == "stage_changed":
        fields["stage"] = "offer"
    if event_type == "activity_recorded":
        fields["activity"] = "call"
    return {name: value for name, value in (fields | changes).items() if value is not ...}


def record(event_type: str = "stage_changed", **changes: Any) -> bytes:
    return json.dumps(body(event_type, **changes)).encode()


def raw(*, event_type: str = "stage_changed", **literals: str) -> bytes:
    """A good event with more fields, given as they stand in the JSON text."""
    more = "".join(f', "{name}": {literal}' for name, literal in literals.items())
    return f"{json.dumps(body(event_type))[:-1]}{more}}}".encode()


def decode(
    *values: bytes,
    aliases: dict[str, str] | None = None,
    pipelines: dict[str, dict[str, str]] | None = None,
) -> list[Decoded | Amended | Rejection]:
    return Decoder(aliases, pipelines).decode(values, [NOW_MS] * len(values))


def accepted(value: bytes, **options: Any) -> Decoded:
    (entry,) = decode(value, **options)
    assert not isinstance(entry, Amended | Rejection), entry
    return entry


def amended(value: bytes, **options: Any) -> tuple[dict[str, Any] | None, set[str]]:
    """The attributes of an event that is accepted, and why they are not those that it wrote."""
    (entry,) = decode(value, **options)
    assert isinstance(entry, Amended), entry
    return entry.event.attributes, set(entry.reasons)


def refused(value: bytes, **options: Any) -> Rejection:
    (entry,) = decode(value, **options)
    assert isinstance(entry, Rejection), entry
    return entry


def attributes(value: bytes) -> dict[str, Any] | None:
    return accepted(value)[1].attributes
