"""``simulate``: what it writes, and that it can be stopped."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.contract import Decoder, Rejection
from funnel_stream.errors import UsageError
from funnel_stream.tools.simulator import events

EXAMPLES = Path(__file__).parents[3] / "examples"


def simulate(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "funnel_stream", "simulate", *arguments]


def test_the_same_options_write_the_same_file(tmp_path: Path) -> None:
    options = ["--days", "3", "--deals-per-day", "20", "--seed", "5", "--end", "2026-03-02"]
    for name in ("one", "two"):
        done = CliRunner().invoke(app, ["simulate", *options, "--out", str(tmp_path / name)])
        assert done.exit_code == 0
    lines = (tmp_path / "one").read_bytes().splitlines()
    end = datetime(2026, 3, 2, tzinfo=UTC)
    assert lines == list(events(days=3, deals_per_day=20, seed=5, end=end))
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert f"history: {len(lines):,} events in 3 days" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --out FILE or --broker ADDR"),
        (["--out", "-", "--broker", "localhost:1"], "give either"),
        (["--out", "-", "--rate", "5"], "--rate needs --broker"),
        (["--broker", "localhost:1", "--rate", "5", "--end", "2026-01-01"], "leave out --end"),
        (["--out", "-", "--end", "soon"], "--end: 'soon' is not a date like"),
    ],
)
def test_options_that_make_no_sense(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["simulate", *arguments])
    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message
    assert result.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_events(number: signal.Signals) -> None:
    with subprocess.Popen(
        simulate("--days", "800", "--deals-per-day", "5000", "--out", "-"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)
    assert process.returncode == 130
    told = first + rest
    assert told.endswith(b"}\n")
    assert all("event_id" in json.loads(line) for line in told.splitlines())
    assert b"interrupted: the history is incomplete" in said
    assert b"Traceback" not in said


def test_the_first_event_of_the_readme_is_one() -> None:
    text = (EXAMPLES / "first_event.ndjson").read_text(encoding="utf-8")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = text.replace("NOW", now).encode().splitlines()
    verdicts = Decoder().decode(lines, [int(datetime.now(UTC).timestamp() * 1000)] * len(lines))
    assert len(verdicts) == 1
    assert not isinstance(verdicts[0], Rejection)
