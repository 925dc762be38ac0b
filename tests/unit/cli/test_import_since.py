"""``import --since`` as a user meets it: questions, exit codes, reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.errors import InputError, UsageError
from tests.mappings import DEALS

OLD = "id,created,state,closed,value,why\n1,2026-01-05,Open,,,\n2,2026-01-06,Open,,,\n"
NEW = "id,created,state,closed,value,why\n1,2026-01-05,Won,2026-02-01,100,\n"
AS_OF = ("--as-of", "2026-03-09T06:00:00Z")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, text in (("old.csv", OLD), ("new.csv", NEW), ("m.yaml", DEALS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    new, old, mapping = (str(tmp_path / name) for name in ("new.csv", "old.csv", "m.yaml"))
    return [new, "--since", old, "-m", mapping]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["import", *arguments])


def test_deals_that_are_gone_are_asked_for_before_anything_is_written(
    files: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "events.ndjson"
    asked = run(*files, *AS_OF, "--out", str(out))
    assert isinstance(asked.exception, UsageError)
    assert asked.exception.exit_code == 2
    assert "1 of 2 deals of the older files have no row in the newer ones: 2" in str(
        asked.exception
    )
    assert not out.exists()


def test_the_events_and_the_report(files: list[str], tmp_path: Path) -> None:
    done = run(*files, *AS_OF, "--gone", "erase", "--out", "-")
    assert done.exit_code == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["type"], event["deal_id"]) for event in events] == [
        ("stage_changed", "1"),
        ("deal_updated", "1"),
        ("deal_erased", "2"),
    ]
    for told in (
        "3 lines since the previous export",
        "1 new events",
        "1 events that confirm",
        "1 deals erased",
        "1 events unchanged",
        "1 of 2 deals are gone",
        "1 row: 2 events",
    ):
        assert told in done.stderr
    again = run(*files, *AS_OF, "--gone", "erase", "--out", "-")
    assert again.stdout == done.stdout


def test_the_report_as_json(files: list[str]) -> None:
    done = run(*files, *AS_OF, "--gone", "keep", "--check", "--json")
    found: dict[str, Any] = json.loads(done.stdout)["since"]
    assert found == {
        "deals": 2,
        "unchanged": 1,
        "gone": 1,
        "cleared": 0,
        "withheld": 0,
        "cannot_be_said": 0,
        "events": {"new": 1, "confirmed": 1},
        "kept": {"deals": 1},
    }


def test_what_cannot_be_said_is_left_out_and_strict_fails(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(OLD.replace("01-05", "01-08"), encoding="utf-8")
    rejects = tmp_path / "rejects.csv"
    checked = run(*files, *AS_OF, "--check", "--strict", "--rejects", str(rejects))
    assert checked.exit_code == 1
    assert "1 changes that no event can express" in checked.stdout
    [_, left_out] = rejects.read_text(encoding="utf-8").splitlines()
    assert left_out.startswith('new.csv,2,cannot_be_said,lead,"1: lead was dated 2026-01-05')
    assert run(*files, *AS_OF, "--check").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--since needs --as-of"),
        (("--as-of", "2026-03-09"), "--as-of"),
        (("--as-of", "2999-01-01T00:00:00Z"), "in the future"),
    ],
)
def test_the_moment_is_asked_for(files: list[str], arguments: tuple[str, ...], said: str) -> None:
    refused = run(*files, *arguments, "--check")
    assert isinstance(refused.exception, UsageError)
    assert said in refused.exception.message


@pytest.mark.parametrize("option", [AS_OF, ("--gone", "keep")])
def test_options_of_a_comparison_need_one(files: list[str], option: tuple[str, str]) -> None:
    new, _, _, *mapping = files
    refused = run(new, *mapping, *option, "--check")
    assert isinstance(refused.exception, UsageError)
    assert option[0] in refused.exception.message


def test_older_and_newer_files_exchanged_are_found_out(files: list[str], tmp_path: Path) -> None:
    refused = run(*files, "--as-of", "2026-01-31T00:00:00Z", "--check")
    assert isinstance(refused.exception, InputError)
    assert "2026-02-01" in refused.exception.message


def test_no_file_that_is_read_is_written_over(files: list[str]) -> None:
    refused = run(*files, *AS_OF, "--gone", "keep", "--out", files[2])
    assert isinstance(refused.exception, UsageError)
    assert Path(files[2]).read_text(encoding="utf-8") == OLD


def test_help_says_how_files_pair() -> None:
    told = " ".join(run("--help").stdout.split())
    for words in ("--since", "--as-of", "--gone", "Next week's export is compared"):
        assert words in told
