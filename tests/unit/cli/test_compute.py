"""``funnel-stream compute``: the figures of a file, as a table and as JSON."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from funnel_stream.kpis.samples import samples
from tests.funnels import at, computed, micros, stage
from tests.unit.cli.test_main import run

EVENTS = [
    stage("a", "lead", at(), channel="fair"),
    stage("a", "won", at(days=2), amount=1250, currency="EUR"),
    stage("b", "lead", at(days=1), channel="web"),
    stage("b", "lost", at(days=2)),
    stage("c", "lead", at(days=40), channel="web"),
]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS), encoding="utf-8")
    return path


def compute(path: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    return run("compute", str(path), *options)


def figures(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def value(found: list[dict[str, Any]], metric: str, **labels: str) -> float | None:
    labels = {"pipeline": "default", **labels}
    same = [each for each in found if each["metric"] == metric and each["labels"] == labels]
    assert len(same) <= 1
    return same[0]["value"] if same else None


def test_json_is_the_samples(events: Path) -> None:
    wanted = samples(computed(EVENTS).snapshot)
    assert figures(compute(events, "--json")) == [sample._asdict() for sample in wanted]


def test_json_of_one_window_by_one_dimension(events: Path) -> None:
    options = ["--window", "365d", "--dimension", "channel", "--as-of", at(days=3)]
    wanted = samples(computed(EVENTS, micros(days=3)).snapshot, window="365d", dimension="channel")
    assert figures(compute(events, "--json", *options)) == [sample._asdict() for sample in wanted]


def test_as_of_sees_nothing_later(events: Path) -> None:
    early = figures(compute(events, "--json", "--as-of", at(days=1, hours=1)))
    late = figures(compute(events, "--json"))
    assert value(early, "funnel_leads", window="365d") == 2
    assert value(early, "funnel_win_ratio", window="365d") is None
    assert value(late, "funnel_leads", window="365d") == 3
    assert value(late, "funnel_win_ratio", window="365d") == 0.5
    assert value(late, "funnel_leads", window="30d") == 1


def test_standard_input(events: Path) -> None:
    piped = run("compute", "-", "--json", stdin=events.read_text(encoding="utf-8"))
    assert piped.stdout == compute(events, "--json").stdout


def test_the_table_is_for_people(events: Path) -> None:
    done = compute(events, "--window", "365d")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "As of 2026-04-11T00:00:00+00:00: 5 events, 0 duplicates dropped."
    assert "Pipeline default" in lines
    for line in (
        "Leads 3",
        "Win ratio 50.0 % of 2 9.5–90.5 %",
        "won · EUR 1,250.00",
        "matured 7d 50.0 % of 2 9.5–90.5 %",
    ):
        assert line in lines, done.stdout


def test_the_table_of_all_windows_has_a_column_each(events: Path) -> None:
    lines = [" ".join(line.split()) for line in compute(events).stdout.splitlines()]
    assert "KPI 1h 24h 7d 30d 365d" in lines
    assert "Leads 1 1 1 1 3" in lines
    assert "Win ratio – – – – 50.0 % of 2" in lines


def test_the_table_by_a_dimension_has_a_row_for_each_value(events: Path) -> None:
    done = compute(events, "--dimension", "channel", "--window", "365d")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "Pipeline default, by channel" in lines
    leads = lines.index("Leads")
    assert lines[leads + 1 : leads + 3] == ["web 2", "fair 1"]


def test_rejected_lines_are_counted_and_explained(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    naive = stage("a", "lead", "2026-03-01T00:00:00")
    bad = ["{", "[]", *[json.dumps(naive)] * 5]
    path.write_text("\n".join([*bad, json.dumps(EVENTS[0])]), encoding="utf-8")
    done = compute(path, "--json")
    assert value(figures(done), "funnel_leads", window="365d") == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "7 lines rejected"
    assert lines[1].startswith("  line 1: not_json: ")
    assert lines[2].startswith("  line 2: not_an_object: ")
    assert lines[3].startswith("  line 3: naive_timestamp: occurred_at: ")
    assert lines[6] == "  … and 2 more"


def test_amended_events_are_told_by_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    amounts: list[dict[str, Any]] = [
        {"amount": 1.005, "currency": "EUR"},
        {"amount": 2.005, "currency": "eur"},
        {"amount": "1,5", "currency": "EUR"},
    ]
    won = [stage(f"d{n}", "won", at(), **amount) for n, amount in enumerate(amounts)]
    path.write_text("\n".join(map(json.dumps, won)), encoding="utf-8")
    told = [
        "2 events amended: rounded_amount: An amount or a cost had more decimals than its "
        "currency: it was rounded half-even.",
        "1 event amended: currency_case: A currency was not written in capitals: it was read as "
        "if it were.",
        "1 event amended: unreadable_amount: An amount or a cost could not be read, or had no "
        "currency: it was left out.",
    ]
    done = compute(path, "--json")
    assert done.stderr.splitlines() == told
    labels = {"window": "365d", "outcome": "won"}
    assert value(figures(done), "funnel_deals_closed", **labels) == 3
    assert value(figures(done), "funnel_deal_value", **labels, currency="EUR") == 3.0
    assert compute(path, "--every", "1d").stderr.splitlines() == told


def test_an_erasure_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    erasure = {"type": "deal_erased", "deal_id": "a"}
    path.write_text("\n".join(map(json.dumps, [*EVENTS, erasure])), encoding="utf-8")
    assert value(figures(compute(path, "--json")), "funnel_leads", window="365d") == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--as-of", "2026-03-01"], "--as-of: '2026-03-01' is not RFC 3339"),
        (["--as-of", "2026-03-01T00:00:00"], "--as-of: '2026-03-01T00:00:00' has no offset"),
        (["--window", "3d"], "there is no window '3d'"),
        (["--dimension", "colour"], "there is no dimension 'colour'"),
    ],
)
def test_wrong_options_are_2(events: Path, options: list[str], said: str) -> None:
    done = compute(events, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {said}")


def test_a_definition_decides(events: Path, tmp_path: Path) -> None:
    config = tmp_path / "funnel.yaml"
    config.write_text("windows: [90d]\ndimensions: [channel]\n", encoding="utf-8")
    found = figures(compute(events, "--json", "--config", str(config)))
    assert {each["labels"].get("window", "now") for each in found} == {"90d", "now"}
    config.write_text("windows: [90x]\n", encoding="utf-8")
    wrong = compute(events, "--config", str(config))
    assert wrong.returncode == 1
    assert "windows" in wrong.stderr
