"""``funnel-stream explain``: a deal of a file and of a worker, to read and as JSON."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from funnel_stream.answers.explanation import as_json, explain
from funnel_stream.cli.main import app
from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from tests.funnels import at, event, micros, stage
from tests.unit.answers.test_explanation import folded
from tests.unit.cli.test_main import run
from tests.unit.exposition.test_deals_api import holding
from tests.unit.exposition.test_server import served

EVENTS = [
    stage("4711", "qualified", at(days=1), channel="web", owner="ann", event_id="1"),
    stage("4711", "offer", at(days=4), amount=1200, currency="EUR", event_id="2"),
    stage("4711", "potential", at(days=3), event_id="3"),
    stage("4711", "lost", at(days=5), lost_reason="price\x1b[31m", event_id="4"),
    stage("4711", "offer", at(days=9), owner="bob", event_id="5"),
    stage("4711", "offer", at(days=9), owner="bob", event_id="5"),
    stage("4711", "won", at(days=12), amount=900, currency="EUR", event_id="6"),
    event("activity_recorded", "4711", "no time at all", activity="call"),
    stage("b", "lead", at(days=20)),
]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS), encoding="utf-8")
    return path


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_a_deal_of_a_file_to_read(events: Path) -> None:
    done = run("explain", "4711", "--events", str(events))
    assert done.stderr.startswith("line 8 was rejected: ")
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    lines = lines_of(done)
    assert lines[0] == (
        "Deal 4711 · pipeline default · won since 2026-03-14 00:00 · as of 2026-03-22 00:00"
    )
    begin, end = lines.index("The journey"), lines.index("What follows from it")
    assert lines[begin + 3 : end - 1] == [
        "2026-03-03 00:00 qualified entered passed without an event: lead; channel web; owner ann",
        "2026-03-05 00:00 potential entered late: arrived after events that occurred later",
        "2026-03-06 00:00 offer sent amount 1200.00 EUR",
        "2026-03-07 00:00 lost lost reason price\\x1b[31m",
        "2026-03-11 00:00 offer sent reopened: the closing as lost no longer counts; corrected",
        "owner ann → bob",
        "2026-03-14 00:00 won passed without an event: negotiation; corrected amount",
        "1200.00 EUR → 900.00 EUR",
    ]
    for line in (
        "closing won 2026-03-14 00:00",
        "offer 1 2026-03-06 00:00, 1200.00 EUR",
        "amount 1200.00 EUR first offered, 900.00 EUR now",
        "Leads 1 2026-03-03 00:00 30d 365d",
        "Discount 25.0 % 2026-03-14 00:00 30d 365d",
        "won · EUR 900.00 EUR 2026-03-14 00:00 30d 365d",
        "EUR 900.00 of 1,200.00 EUR 2026-03-14 00:00 30d 365d",
        "lead → qualified · period 1 of 1 2026-03-03 00:00 30d 365d",
    ):
        assert line in lines


def test_as_of_an_instant_nothing_later_is_seen(events: Path) -> None:
    lines = lines_of(run("explain", "4711", "-e", str(events), "--as-of", at(days=6)))
    assert lines[0].endswith("lost since 2026-03-07 00:00 · as of 2026-03-08 00:00")
    assert "Discount" not in " ".join(lines)


def test_json_is_the_explanation(events: Path) -> None:
    done = run("explain", "4711", "--events", str(events), "--json")
    valid = [each for each in EVENTS if each["occurred_at"] != "no time at all"]
    row = folded(valid, definition=Definition()).row(b"4711")
    assert row
    assert done.stdout.encode() == as_json(explain("4711", row, Definition(), micros(days=20)))


def test_standard_input_and_a_definition(events: Path, tmp_path: Path) -> None:
    config = tmp_path / "funnel.yaml"
    config.write_text(
        "pipelines: {default: {title: Sales, stage_titles: {won: Customer}}}\nwindows: [90d]\n",
        encoding="utf-8",
    )
    done = run("explain", "4711", "-e", "-", "-c", str(config), stdin=events.read_text())
    lines = lines_of(done)
    assert lines[0].startswith("Deal 4711 · pipeline Sales (default) · Customer (won) since")
    assert "Leads 1 2026-03-03 00:00 90d" in lines


def test_a_deal_of_a_worker() -> None:
    with served(holding(0, count=1)) as address:
        shown = run("explain", "d0", "--url", address)
        document = run("explain", "d0", "--url", f"{address}/", "--json")
        odd = run("explain", "a/b?c=d&e#f%20g \U0001f600 ü{}..", "--url", address)
    assert lines_of(shown)[0].startswith("Deal d0 · pipeline default · lead since 2026-03-02")
    assert json.loads(document.stdout)["deal_id"] == "d0"
    assert lines_of(odd)[0].startswith("Deal a/b?c=d&e#f%20g")


def test_of_several_workers_the_one_that_knows_the_deal_answers() -> None:
    with served(holding(count=2)) as other, served(holding(0, count=2)) as address:
        found = run("explain", "d0", "--url", other, "--url", address)
        missed = run("explain", "nobody", "--url", address)
    assert found.returncode == 0, found.stderr
    assert missed.returncode == 1
    assert missed.stderr == (
        f"error: {address}: there is no deal 'nobody' here\n"
        "hint: Of partitions 0 to 1, this worker holds 0; another worker may have the deal.\n"
    )


def test_a_deal_that_a_file_does_not_have(events: Path) -> None:
    done = run("explain", "4712", "--events", str(events))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: there is no deal '4712' in {events}\nhint: ")


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--as-of", "now"], "--as-of only works with a file", 2),
        (["--config", "x"], "--config only works with a file", 2),
        (["--events", "x", "--url", "y"], "give either --events or --url", 2),
        (["--events", "no-such-file"], "no-such-file cannot be read", 2),
        (["--events", "-", "--as-of", "today"], "--as-of: 'today' is not RFC 3339", 2),
        (["--url", "http://127.0.0.1:9"], "no worker answers at http://127.0.0.1:9", 1),
        (["--url", "nonsense"], "no worker answers at nonsense", 1),
    ],
)
def test_what_makes_no_sense(options: list[str], said: str, code: int) -> None:
    with pytest.raises(FunnelError) as refused:
        CliRunner().invoke(app, ["explain", "a", *options], catch_exceptions=False)
    assert refused.value.message.startswith(said)
    assert refused.value.exit_code == code


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^funnel-stream (explain .*--as-of.*)$", text, re.MULTILINE)
    [story, *_] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "events.ndjson").write_text(story, encoding="utf-8")
    arguments = command.replace("events.ndjson", str(tmp_path / "events.ndjson")).split()
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if line not in lines] == []
