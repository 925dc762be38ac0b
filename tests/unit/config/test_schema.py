"""The JSON Schema of funnel.yaml: in step, and as strict as a schema can be."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from funnel_stream.config.load import load
from funnel_stream.config.schema import files, json_schema
from funnel_stream.definition import Definition
from funnel_stream.errors import ConfigError

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
VALIDATOR = Draft202012Validator(json_schema())


class YamlOfEditors(yaml.SafeLoader):
    """Days are texts, as in YAML 1.2."""


YamlOfEditors.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def is_valid(text: str) -> bool:
    return VALIDATOR.is_valid(yaml.load(text, YamlOfEditors))


def test_the_committed_schema_is_in_step() -> None:
    for name, text in files().items():
        assert (ROOT / "schemas" / name).read_text(encoding="utf-8") == text, "run `make schemas`"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_example_is_valid_and_points_to_the_schema() -> None:
    path = ROOT / "examples" / "funnel.yaml"
    text = path.read_text(encoding="utf-8")
    assert is_valid(text)
    pointer = text.splitlines()[0].split("$schema=")[1]
    assert json.loads((path.parent / pointer).read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("block", [b.split("\n```")[0] for b in DOCUMENT.split("```yaml\n")[1:]])
def test_what_the_document_shows_is_valid(block: str) -> None:
    assert is_valid(block)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pipelines: {direct: , partner: {}}",
        "base_currency: null",
        "dimensions: [channel × product, owner]",
        "dimensions: [channel+product]\ntop_n_of: {channel × product: 3, problem: 4}",
        "base_currency: EUR\nrates: {USD: {2026-01-31: 0.9, 2026-02-01: '0.91', 2026-03-01: 1}}",
        "targets: [{kpi: leads, value: '12.5', window: 30d}]",
    ],
)
def test_what_is_right_is_valid(tmp_path: Path, text: str) -> None:
    (tmp_path / "funnel.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "funnel.yaml")
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "windos: [1h]",
        "windows: 1h",
        "windows: [1y]",
        "windows: [24]",
        "windows: []",
        "windows: [1h, 1h]",
        "windows:",
        "dimensions: [chanel]",
        "dimensions: [channel-product]",
        "aliases: {demo: potental}",
        "aliases: [demo]",
        "pipelines: [direct]",
        "pipelines: {direct: {alias: {}}}",
        "pipelines: {direct: {stage_titles: {demo: Demo}}}",
        "stuck_after: {won: 3d}",
        "stuck_after: {offer: 3}",
        "activity_horizon: 30",
        "top_n: 0",
        "top_n: twenty",
        "top_n_of: {chanel: 3}",
        "top_n_of: {channel: 0}",
        "base_currency: eur",
        "base_currency: EUR\nrates: {USD: 0.9}",
        "base_currency: EUR\nrates: {USD: {}}",
        "base_currency: EUR\nrates: {usd: {2026-01-31: 0.9}}",
        "base_currency: EUR\nrates: {USD: {31.1.2026: 0.9}}",
        "base_currency: EUR\nrates: {USD: {2026-01-31: 0}}",
        "base_currency: EUR\nrates: {USD: {2026-01-31: '0,9'}}",
        "targets: [{kpi: win_rate, value: 1, window: 30d}]",
        "targets: [{kpi: leads, window: 30d}]",
        "targets: [{kpi: leads, value: -1, window: 30d}]",
        "targets: [{kpi: leads, value: many, window: 30d}]",
        "targets: [{kpi: leads, value: 1, window: 30d, at: max}]",
        "export: {window: [1h]}",
        "export: {breakdown_kpis: [funnel_leads]}",
        "closed_retention_days: 400d",
        "- windows",
    ],
)
def test_typical_mistakes_are_refused_as_by_the_loader(tmp_path: Path, text: str) -> None:
    (tmp_path / "funnel.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load(tmp_path / "funnel.yaml")
    assert not is_valid(text)


def keys(schema: dict[str, Any]) -> set[str]:
    parts = [schema, *schema["$defs"].values()]
    return {key for part in parts for key in part["properties"]}


def test_every_key_is_described_and_explained() -> None:
    schema = json_schema()
    assert set(Definition.model_fields) <= keys(schema)
    assert sorted(key for key in keys(schema) if f"`{key}`" not in DOCUMENT) == []
    for part in (schema, *schema["$defs"].values()):
        for key, field in part["properties"].items():
            assert field.get("description"), key
