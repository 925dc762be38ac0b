"""``compute --every``: figures over history in a file, and what can be wrong with the options."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from funnel_stream.tools.simulator import Simulator
from tests.funnels import at, stage
from tests.unit.cli.test_main import run

EVENTS = [
    stage("b", "lost", at(days=3, hours=2)),
    stage("a", "lead", at(hours=5), channel="fair"),
    stage("a", "won", at(days=2), amount=1250, currency="EUR"),
    stage("b", "lead", at(days=1, hours=1), channel="web", amount=8, currency="EUR"),
]
FOUR = ["-k", "leads", "-k", "win_ratio", "-k", "lead_score", "-k", "open_deals"]
Row = dict[str, Any]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS), encoding="utf-8")
    return path


def daily(path: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    return run("compute", str(path), "--every", "1d", *options)


def rows(done: subprocess.CompletedProcess[str]) -> list[Row]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_a_row_per_instant_and_figure(events: Path) -> None:
    done = daily(events, "-w", "365d", "-k", "leads", "-k", "win_ratio")
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "time,metric,pipeline,window,value"
    found = rows(done)
    assert [(row["time"], row["value"]) for row in found if row["metric"] == "funnel_leads"] == [
        ("2026-03-03T00:00:00Z", "1"),
        ("2026-03-04T00:00:00Z", "2"),
        ("2026-03-05T00:00:00Z", "2"),
    ]
    ratios = [(row["time"], row["value"]) for row in found if row["metric"] == "funnel_win_ratio"]
    assert ratios == [("2026-03-04T00:00:00Z", "1.0"), ("2026-03-05T00:00:00Z", "1.0")]
    assert {row["metric"] for row in found} == {
        "funnel_leads",
        "funnel_win_ratio",
        "funnel_win_ratio_numerator",
        "funnel_win_ratio_denominator",
    }


def test_columns_are_the_labels_that_the_kpis_can_have(events: Path) -> None:
    done = daily(events, "-k", "time_to_close_seconds", "-k", "open_value", "-d", "channel")
    header = "time,metric,pipeline,window,dimension,dimension_value,outcome,quantile,stage,currency"
    assert done.stdout.splitlines()[0] == f"{header},value"
    found = rows(done)
    assert {row["dimension"] for row in found} == {"channel"}
    assert {row["dimension_value"] for row in found} == {"fair", "web"}


def test_from_and_to(events: Path) -> None:
    options = ["-w", "365d", "-k", "leads", "--from", at(days=-2), "--to", at(days=1, hours=12)]
    assert [row["value"] for row in rows(daily(events, *options))] == ["0", "0", "0", "1"]
    hours = ["--every", "6h", "--from", at(days=1), "--to", at(days=1, hours=12)]
    found = rows(run("compute", str(events), *hours, "-w", "365d", "-k", "leads"))
    assert [row["value"] for row in found] == ["1", "2", "2"]


def figures(done: subprocess.CompletedProcess[str]) -> list[Row]:
    assert done.returncode == 0, done.stderr
    found: list[Row] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("options", [["-d", "channel"], ["-w", "30d"], ["-k", "stage_entries"]])
def test_every_instant_is_what_as_of_gives(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "events.ndjson"
    end = datetime(2026, 5, 1, tzinfo=UTC)
    lines = Simulator(start=datetime(2026, 4, 1, tzinfo=UTC), deals_per_day=8).history(end)
    path.write_bytes(b"\n".join(lines))
    history = figures(run("compute", str(path), "--every", "14d", "--json", *options))
    times = sorted({row["time"] for row in history})
    assert times == ["2026-04-13T00:00:00Z", "2026-04-27T00:00:00Z"]
    for time in times:
        alone = figures(run("compute", str(path), "--as-of", time, "--json", *options))
        if "-d" not in options:
            alone = [row for row in alone if "dimension" not in row["labels"]]
        assert [row for row in history if row["time"] == time] == [
            {"time": time, **row} for row in alone
        ]


def test_the_formats_say_the_same(events: Path, tmp_path: Path) -> None:
    def written(name: str) -> Path:
        options = ["-k", "win_ratio", "-k", "leads", "-d", "channel", "--out", str(tmp_path / name)]
        done = daily(events, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return tmp_path / name

    array: list[Row] = json.loads(written("a.json").read_bytes())
    assert len(array) > 20
    lines = written("a.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == array
    with written("a.csv").open(encoding="utf-8", newline="") as file:
        assert [unflat(row) for row in csv.DictReader(file)] == array
    table = parquet.read_table(written("a.parquet"))
    assert [str(field.type) for field in table.schema] == [
        "timestamp[us, tz=UTC]",
        *["string"] * (len(table.schema) - 2),
        "double",
    ]
    assert [unflat(row) for row in table.to_pylist()] == array


def unflat(row: Row) -> Row:
    """A row of columns as the object that JSON has."""
    time, metric, value = row.pop("time"), row.pop("metric"), row.pop("value")
    if isinstance(time, datetime):
        time = time.isoformat().replace("+00:00", "Z")
    labels = {"value" if k == "dimension_value" else k: v for k, v in row.items() if v}
    return {"time": time, "metric": metric, "labels": labels, "value": float(value)}


def test_standard_output_can_be_json(events: Path) -> None:
    array = figures(daily(events, "--json", "-k", "leads", "-w", "365d"))
    assert [row["value"] for row in array] == [1, 2, 2]
    nothing = figures(daily(events, "--json", "-k", "stuck_deals"))
    assert nothing == []


def test_rejected_lines_are_explained_after_all(events: Path) -> None:
    with events.open("a", encoding="utf-8") as file:
        file.write("{\n" + json.dumps({**EVENTS[1], "channel": "web"}) + "\n")
    done = daily(events, "-k", "leads")
    assert len(rows(done)) > 0
    lines = done.stderr.splitlines()
    assert lines[0] == "2 lines rejected"
    assert lines[1].startswith("  line 5: not_json: ")
    assert lines[2].startswith("  line 6: conflicting_duplicate: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--every", "3w"], "--every: '3w' is not a length; write a whole number and m, h or d"),
        (["--every", "30d"], "no step of 30d lies between 2026-03-02T05:00:00+00:00 and"),
        (["--every", "1d", "--as-of", "now"], "--as-of is one instant"),
        (["--every", "1d", "--from", "now"], "no step of 1d lies between"),
        (["--every", "1d", "--to", "2026-03-01"], "--to: '2026-03-01' is not RFC 3339"),
        (["--every", "1d", "--out", "days.xlsx"], "--out days.xlsx: its name must end in .csv"),
        (["--every", "1d", "--out", "no/days.csv"], "no/days.csv cannot be written: there"),
        (["--every", "1d", "--plot", "days.pdf"], "--plot days.pdf: its name must end in .png or"),
        (["--every", "1d", "--window", "3d"], "there is no window '3d'"),
        (["--every", "1d", "--plot", "a.png", *FOUR], "--plot draws at most 3 KPIs, not 4"),
        (["--kpi", "win_rate"], "--kpi: there is no KPI 'win_rate'; did you mean 'win_ratio'?"),
        (["--out", "days.csv"], "--out needs a history"),
        (["--from", "now"], "--from needs a history"),
    ],
)  # fmt: skip
def test_wrong_options_are_2(events: Path, options: list[str], said: str) -> None:
    done = run("compute", str(events), *options)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {said}")


def test_no_events_at_all(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text("{\n", encoding="utf-8")
    done = daily(path, "--out", str(tmp_path / "days.csv"))
    assert done.returncode == 1
    assert f"error: {path} contains no valid events" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.ndjson"]


def test_a_file_is_replaced_whole_or_not_at_all(events: Path, tmp_path: Path) -> None:
    out = tmp_path / "days.csv"
    out.write_text("of yesterday", encoding="utf-8")
    assert daily(events, "--every", "30d", "--out", str(out)).returncode == 2
    assert out.read_text(encoding="utf-8") == "of yesterday"
    assert daily(events, "--out", str(out)).returncode == 0
    assert out.read_text(encoding="utf-8").startswith("time,")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["days.csv", "events.ndjson"]


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the optional packages were not installed."""
    for name in ("matplotlib", "pyarrow"):
        (tmp_path / f"{name}.py").write_text("raise ImportError", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize(
    ("option", "extra"), [(["--out", "a.parquet"], "parquet"), (["--plot", "a.png"], "plot")]
)
def test_an_extra_that_is_missing_is_named(events: Path, option: list[str], extra: str) -> None:
    done = daily(events, *option)
    assert done.returncode == 2
    assert "which is not installed" in done.stderr
    assert f"hint: pip install 'funnel-stream[{extra}]'" in done.stderr
    assert len(rows(daily(events, "-k", "leads"))) > 0
