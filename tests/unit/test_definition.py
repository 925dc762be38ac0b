"""funnel.yaml: read with messages that say what would be right."""

from pathlib import Path

import pytest

from funnel_stream.definition import Definition, load
from funnel_stream.errors import ConfigError


def written(path: Path, text: str) -> Path:
    (path / "funnel.yaml").write_text(text, encoding="utf-8")
    return path / "funnel.yaml"


def test_no_file_is_the_default_and_an_empty_file_too(tmp_path: Path) -> None:
    assert load(None) == load(written(tmp_path, "")) == Definition()


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    text = "aliases: {demo: potential}\nwindows: [6h, 30d]\ndimensions: [owner]\ntop_n: 5\n"
    definition = load(written(tmp_path, text))
    assert definition.aliases == {"demo": "potential"}
    assert [window.name for window in definition.window_list()] == ["6h", "30d"]
    assert (definition.dimensions, definition.top_n) == (("owner",), 5)
    assert definition.fingerprint() != Definition().fingerprint()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("windos: [1h]", "windos"),
        ("aliases: {demo: potental}", "potential"),
        ("windows: [150m]", "no multiple"),
        ("windows: [1y]", "whole number and m, h or d"),
        ("windows: [500d]", "400 days"),
        ("windows: []", "at least 1"),
        ("dimensions: [chanel]", "channel"),
        ("top_n: 0", "greater than or equal to 1"),
        ("- a list", "dictionary"),
        ("a: [", "no YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, text))
    assert said in str(raised.value)
    assert "funnel.yaml" in str(raised.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.yaml")
