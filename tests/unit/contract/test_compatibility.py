"""Which changes of a schema break the events that are already in the topic."""

from copy import deepcopy
from typing import Any

import pytest

from funnel_stream.contract.compatibility import breaking_changes

OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 128, "minLength": 2},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "owner": {"anyOf": [{"type": "string", "maxLength": 100}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 9},
        "score": {"type": "number", "minimum": 0, "maximum": 5},
    },
    "required": ["id"],
}


def changed(path: str, value: object) -> dict[str, Any]:
    """``OLD`` with the value at a path replaced, or removed for ``...``."""
    schema = deepcopy(OLD)
    *parents, last = path.split("/")
    node: Any = schema
    for part in parents:
        node = node[int(part) if part.isdigit() else part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("properties/owner", ..., "/owner: was removed"),
        ("required", ["id", "kind"], "/kind: is now required"),
        ("properties/id/maxLength", 64, "/id: maxLength was 128, is 64"),
        ("properties/id/minLength", 3, "/id: minLength was 2, is 3"),
        ("properties/id/pattern", "^x", "/id: pattern was absent, is ^x"),
        ("properties/id/type", "integer", "/id: type was string, is integer"),
        ("properties/kind/enum", ["a", "c"], "/kind: no longer allowed: ['b']"),
        ("properties/kind/const", "a", "/kind: no longer allowed: ['b']"),
        ("properties/owner/anyOf", [{"type": "string"}], "/owner: type was null, is string"),
        ("properties/owner", {"type": "string"}, "/owner: type was null, is string"),
        ("properties/owner/anyOf/0/maxLength", 99, "/owner: maxLength was 100, is 99"),
        ("properties/tags/items/type", "number", "/tags/items: type was string, is number"),
        ("properties/tags/maxItems", 8, "/tags: maxItems was 9, is 8"),
        ("properties/score/minimum", 1, "/score: minimum was 0, is 1"),
        ("properties/score/maximum", 4.5, "/score: maximum was 5, is 4.5"),
        ("additionalProperties", False, "the event: unknown fields are no longer allowed"),
        ("allOf", [{"if": {}}], "the event: a new condition {'if': {}}"),
    ],
)
def test_a_narrower_schema_breaks_old_events(path: str, value: object, problem: str) -> None:
    assert breaking_changes(OLD, changed(path, value)) == [problem]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "renamed"),
        ("required", []),
        ("properties/new", {"type": "string"}),
        ("properties/id/maxLength", 129),
        ("properties/id/maxLength", ...),
        ("properties/id/minLength", 1),
        ("properties/id/description", "other words"),
        ("properties/kind/enum", ["b", "a", "c"]),
        ("properties/kind/enum", ...),
        ("properties/tags/items", ...),
        ("properties/score/maximum", 6),
        ("properties/score", {"anyOf": [{"type": "number"}, {"type": "string"}]}),
        ("properties/owner/anyOf", [{"type": "null"}, {"type": "string"}, {"type": "number"}]),
    ],
)
def test_a_wider_schema_is_compatible(path: str, value: object) -> None:
    assert breaking_changes(OLD, changed(path, value)) == []
