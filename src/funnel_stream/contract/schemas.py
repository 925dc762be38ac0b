"""JSON Schemas and the AsyncAPI document, generated from the models.

``python -m funnel_stream.contract.schemas [--check | --release VERSION] [DIR]`` writes them to
``DIR`` (default ``schemas``), checks that they are in step, or keeps a copy of the schemas as
those of a released version, with which later ones must stay compatible.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from funnel_stream.contract.models import MODELS, FunnelEvent
from funnel_stream.contract.rejections import Reason

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CONTRACT_VERSION: Final = 1
EVENTS_TOPIC: Final = "funnel.events"
DEAD_LETTER_TOPIC: Final = "funnel.events.dlq"
ASYNCAPI_FILE: Final = "asyncapi.yaml"

_REQUIRES: Final = {
    "period_start": "period_end",
    "period_end": "period_start",
}
"""Where the first field is given and optional, the second must be given too."""

_BINDING: Final = {"bindingVersion": "0.5.0"}


def type_of(model: type[FunnelEvent]) -> str:
    """The value of ``type`` in events of this model."""
    return str(model.model_fields["type"].default)


def file_of(model: type[FunnelEvent]) -> str:
    return f"{type_of(model)}.v{CONTRACT_VERSION}.json"


def json_schema(model: type[FunnelEvent]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one event type, with the conditions between its fields."""
    generated = model.model_json_schema()
    properties = {
        name: _tidied(generated["properties"][name])
        for name in ("type", *(n for n in model.model_fields if n != "type"))
    }
    required = generated["required"]
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:funnel-stream:{type_of(model)}:v{CONTRACT_VERSION}",
        "title": model.__name__,
        "description": _one_line(generated["description"]),
        "type": "object",
        "properties": properties,
        "required": ["type", *required],
    }
    conditions = [
        _condition(field, other)
        for field, other in _REQUIRES.items()
        if field in properties and field not in required
    ]
    return schema | ({"allOf": conditions} if conditions else {})


def _tidied(field: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: part for name, part in field.items() if name not in ("title", "default")}
    # Pydantic nests what `Amount | None` allows; one list of alternatives reads better.
    if "anyOf" in kept:
        kept["anyOf"] = [inner for part in kept["anyOf"] for inner in part.get("anyOf", [part])]
    if "description" in kept:
        kept["description"] = _one_line(kept["description"])
    return kept


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _condition(field: str, other: str) -> dict[str, Any]:
    given = {"not": {"type": "null"}}
    return {
        "if": {"properties": {field: given}, "required": [field]},
        "then": {"properties": {other: given}, "required": [other]},
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: what funnel-stream receives and what it sends."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "funnel-stream events",
            "version": f"{CONTRACT_VERSION}.0.0",
            "description": "Events of a marketing-and-sales funnel, and the records refused.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": EVENTS_TOPIC,
                "description": "One JSON object in UTF-8 per record, at most 64 KiB.",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in (*map(type_of, MODELS), "deal_erased")
                },
                "bindings": {"kafka": {"topic": EVENTS_TOPIC} | _BINDING},
            },
            "dead_letters": {
                "address": DEAD_LETTER_TOPIC,
                "description": "Records refused, on the partition number they came from.",
                "messages": {"dead_letter": {"$ref": "#/components/messages/dead_letter"}},
                "bindings": {"kafka": {"topic": DEAD_LETTER_TOPIC} | _BINDING},
            },
        },
        "operations": {
            "receive_events": {"action": "receive", "channel": {"$ref": "#/channels/events"}},
            "send_dead_letters": {
                "action": "send",
                "channel": {"$ref": "#/channels/dead_letters"},
            },
        },
        "components": {
            "messages": {type_of(model): _event_message(model) for model in MODELS}
            | {"deal_erased": _erasure_message(), "dead_letter": _dead_letter_message()}
        },
    }


def _event_message(model: type[FunnelEvent]) -> dict[str, Any]:
    key = "deal_id" if "deal_id" in model.model_fields else "channel"
    return {
        "name": type_of(model),
        "summary": _one_line(json_schema(model)["description"]),
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{file_of(model)}"},
        },
        "bindings": _key_binding(f"The event's `{key}` in UTF-8."),
    }


def _erasure_message() -> dict[str, Any]:
    return {
        "name": "deal_erased",
        "summary": "Erase a deal: a record with the deal's key and a null value.",
        "description": "The deal and its part in all figures vanish. What occurred before the "
        "erasure and arrives after it is dropped. Spend is not touched.",
        "payload": {"type": "null"},
        "bindings": _key_binding("The `deal_id` of the deal in UTF-8."),
    }


def _dead_letter_message() -> dict[str, Any]:
    connect = "__connect.errors."
    reasons = "\n".join(f"- `{reason}`: {reason.sentence}" for reason in Reason)
    headers = {
        f"{connect}topic": "The topic that the record came from.",
        f"{connect}partition": "Its partition there, in decimal digits.",
        f"{connect}offset": "Its offset there, in decimal digits.",
        f"{connect}exception.class.name": "The kind of the error.",
        f"{connect}exception.message": "The field at fault, what was found, what is right.",
    }
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text} for name, text in headers.items()
    }
    properties["funnel.error.reason"] = {
        "type": "string",
        "enum": [str(reason) for reason in Reason],
        "description": f"Why the record was refused.\n{reasons}",
    }
    return {
        "name": "dead_letter",
        "summary": "A refused record: original key, value and headers, and why.",
        "headers": {"type": "object", "properties": properties, "required": list(properties)},
        "contentType": "application/octet-stream",
        "payload": {"description": "The original value, byte by byte."},
        "bindings": _key_binding("The original key, byte by byte; it may be absent."),
    }


def _key_binding(description: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": description}} | _BINDING}


def schema_files() -> dict[str, str]:
    """The JSON Schemas as texts, by file name."""
    return {
        file_of(model): json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for model in MODELS
    }


def files() -> dict[str, str]:
    """Everything that is generated, as texts, by file name."""
    document = yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=100)
    return schema_files() | {ASYNCAPI_FILE: f"# Generated by `make schemas`.\n{document}"}


def out_of_step(directory: Path) -> list[str]:
    """Names of the files in ``directory`` that are missing or differ from what is generated."""
    return [
        name
        for name, text in files().items()
        if not (directory / name).is_file()
        or (directory / name).read_text(encoding="utf-8") != text
    ]


def write(directory: Path, texts: Mapping[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m funnel_stream.contract.schemas", description="Write or check the schemas."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 if out of date")
    what.add_argument("--release", metavar="VERSION", help="keep a copy under released/VERSION")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("schemas"))
    given = parser.parse_args(arguments)
    if given.check:
        stale = out_of_step(given.directory)
        for name in stale:
            print(f"{given.directory / name} is out of date: run `make schemas`", file=sys.stderr)
        return 1 if stale else 0
    write(given.directory, files())
    if given.release:
        write(given.directory / "released" / given.release, schema_files())
    return 0


if __name__ == "__main__":
    sys.exit(main())
