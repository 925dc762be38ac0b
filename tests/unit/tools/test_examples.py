"""The mappings in ``examples/``: each imports a small export of its product, as it is said."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from tests.exports import EXPORTS, Export

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
NO_MAPPINGS: Final = {"funnel"}
"""YAML files that configure the funnel."""


def told(event: dict[str, Any]) -> str:
    """An event in one line, as ``tests/exports.py`` writes them."""
    event = {name: value for name, value in event.items() if name != "event_id"}
    kind, when = event.pop("type"), event.pop("occurred_at")
    what = [event.pop("deal_id", ""), event.pop("stage", kind), when]
    if "amount" in event:
        event["amount"] = f"{event['amount']} {event.pop('currency')}"
    rest = "; ".join(f"{name}={value}" for name, value in sorted(event.items()))
    return " ".join(filter(None, [*what, rest]))


def imported(
    mapping: Path, export: Export, folder: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Events and report."""
    paths = [folder / name for name in export.files]
    for path, text in zip(paths, export.files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    command = ["import", "-m", str(mapping), "--out", "-", "--json", *map(str, paths)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    return [json.loads(line) for line in done.stdout.splitlines()], json.loads(done.stderr)


def test_every_mapping_has_an_export() -> None:
    found = {path.stem for path in EXAMPLES.glob("*.yaml")}
    assert found - NO_MAPPINGS == set(EXPORTS)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_imported(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    events, report = imported(EXAMPLES / f"{name}.yaml", export, tmp_path)
    assert [told(event) for event in events] == export.events.splitlines()
    sums = {f"{one['of']} {one['currency']}": one["amount"] for one in report["money"]}
    assert sums == export.money
    assert report["left_out"] == []
    assert report["closed_before_begun"]["number"] == 0
    assert sum(report["skipped"].values()) == export.skipped
    assert report["unchanged"] == export.unchanged
