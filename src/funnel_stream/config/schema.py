"""The JSON Schema of ``funnel.yaml``, for editors.

``python -m funnel_stream.config.schema [DIR]`` writes it to ``DIR`` (default ``schemas``).
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from funnel_stream.contract.schemas import DIALECT, write
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import HEADLINES, KPIS

FILE: Final = "funnel.schema.json"
_TITLE: Final = "funnel.yaml"


def json_schema() -> dict[str, Any]:
    """What ``Definition`` accepts, as far as a schema can tell: names of windows that are not
    among the configured ones, and the like, only ``funnel-stream config check`` finds."""
    schema = Definition.model_json_schema()
    parts = {name: _tidied(part) for name, part in schema["$defs"].items()}
    kpis = {"type": "string", "enum": [kpi.id for kpi in KPIS]}
    parts["Target"]["properties"]["kpi"] |= kpis
    broken_down = parts["Export"]["properties"]["breakdown_kpis"]
    broken_down["anyOf"][0]["items"] = kpis
    broken_down["default"] = list(HEADLINES)
    properties = _tidied(schema)["properties"]
    # A name with nothing behind it is a pipeline that has nothing particular.
    pipeline = properties["pipelines"]["additionalProperties"]
    properties["pipelines"]["additionalProperties"] = {"anyOf": [pipeline, {"type": "null"}]}
    return {
        "$schema": DIALECT,
        "$id": "urn:funnel-stream:funnel.yaml",
        "title": _TITLE,
        "description": "Definition of a funnel; docs/configuration.md explains every key.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": parts,
    }


def _tidied(part: Any) -> Any:
    """Without the noise of the generator, and as strict as the loader."""
    if isinstance(part, list):
        return [_tidied(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept: dict[str, Any] = {
        key: {name: _tidied(each) for name, each in value.items()}
        if key in ("properties", "patternProperties")
        else value
        if key in ("default", "enum", "required")
        else _tidied(value)
        for key, value in part.items()
        if key not in ("title", "ge")
    }
    if "description" in kept:
        kept["description"] = kept["description"].replace("``", "`")
    if [each.get("type") for each in kept.get("anyOf", ())] == ["number", "string"]:
        kept["anyOf"] = [_number(part), {"type": "string", "pattern": r"^\d*\.?\d+([eE]-?\d+)?$"}]
    if kept.get("type") == "array":
        kept["uniqueItems"] = True
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept


def _number(part: dict[str, Any]) -> dict[str, Any]:
    """Pydantic forgets the least value of a decimal that is not alone."""
    number: dict[str, Any] = part["anyOf"][0]
    return number if "exclusiveMinimum" in number else number | {"minimum": part["ge"]}


def files() -> dict[str, str]:
    """The schema as text, by file name."""
    return {FILE: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"), files())
