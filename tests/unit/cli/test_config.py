"""``funnel-stream config``: is a funnel.yaml right, and what does it come to?"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from funnel_stream.cli.series_estimate import MANY, estimate
from funnel_stream.config.load import load
from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.kpis.samples import exported, series
from funnel_stream.replay.compute import compute
from tests.unit.cli.test_main import run

EXAMPLE = Path(__file__).parents[3] / "examples" / "funnel.yaml"


def test_a_right_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "funnel.yaml"
    path.write_text("windows: [7d]\ndimensions: [owner, channel]\n", encoding="utf-8")
    done = run("config", "check", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    number = f"{estimate(load(path)).series:,}"
    assert done.stdout == (
        f"{path}: no mistakes; 1 pipeline, 2 dimensions, 1 window, 0 targets; "
        f"at most {number} KPI series on /metrics\n"
    )


def test_all_mistakes_are_told_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "funnel.yaml"
    path.write_text("windows: [1h]\ndimensions: [chanel]\ntop_n: many\n", encoding="utf-8")
    done = run("config", "check", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {path} has 2 mistakes\n"
        f"{path}:2: dimensions[0]: 'chanel' is not a dimension; did you mean 'channel'?\n"
        f"{path}:3: top_n: 'many' is not a whole number\n"
        "hint: docs/configuration.md explains every key.\n"
    )


def test_a_missing_file_is_told() -> None:
    done = run("config", "check", "nowhere.yaml")
    assert done.returncode == 1
    assert done.stderr.startswith("error: nowhere.yaml cannot be read")


def test_the_file_is_that_of_the_worker_by_default(tmp_path: Path) -> None:
    path = tmp_path / "funnel.yaml"
    path.write_text("top_n: 0", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "funnel_stream", "config", "check"],
        env={**os.environ, "FUNNEL_CONFIG": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"{path}:1: top_n: 0 is too small" in done.stderr


@pytest.mark.parametrize("verb", ["check", "show"])
def test_its_verbs_explain_themselves_with_an_example(verb: str) -> None:
    done = run("config", verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"funnel-stream config {verb}") >= 2, "usage and an example"


@pytest.mark.parametrize("path", [None, EXAMPLE])
def test_what_is_shown_is_the_same_configuration(path: Path | None, tmp_path: Path) -> None:
    done = run("config", "show", *([] if path is None else [str(path)]))
    assert (done.returncode, done.stderr) == (0, "")
    copy = tmp_path / "funnel.yaml"
    copy.write_text(done.stdout, encoding="utf-8")
    shown, meant = load(copy), load(path)
    assert shown.fingerprint() == meant.fingerprint()
    assert exported(shown) == exported(meant)
    assert (shown.targets, shown.top_n_of) == (meant.targets, meant.top_n_of)
    again = run("config", "show", str(copy))
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


def test_the_number_of_series_adds_up() -> None:
    done = run("config", "show", str(EXAMPLE), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["configuration"]["rates"]["USD"]["2026-01-01"] == "0.8512"
    found = answer["series"]
    total = found["targets"]
    for blocks in found["pipelines"].values():
        for block in blocks:
            assert block["series"] == block["values"] * sum(block["each"].values())
            total += block["series"]
    assert found["at_most"] == total == estimate(load(EXAMPLE)).series
    assert [block["values"] for block in found["pipelines"]["direct"]] == [1, 22, 52]


def test_too_many_series_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "funnel.yaml"
    path.write_text("export: {dimensions: [channel, owner, product]}", encoding="utf-8")
    done = run("config", "show", str(path))
    assert done.returncode == 0
    assert done.stderr.startswith("warning: at most ")
    assert f"more than {MANY:,}" in done.stderr


def test_the_defaults_stay_below_what_is_many() -> None:
    assert estimate(Definition()).series < MANY


def crowded(number: int) -> list[bytes]:
    """Deals with more values of everything than are shown, in every stage and two currencies."""
    events = []
    for deal in range(number):
        at = datetime(2026, 3, 1, deal % 24, tzinfo=UTC)
        for step, stage in enumerate(islice((*STAGES[: 1 + deal % 6], "lost"), 7)):
            events.append(
                {
                    "type": "stage_changed",
                    "event_id": f"{deal}-{step}",
                    "deal_id": str(deal),
                    "stage": stage,
                    "occurred_at": at.replace(minute=step).isoformat(),
                    "channel": f"channel {deal % 31}",
                    "problems": [f"problem {deal % 37}"],
                    "desired_outcomes": [f"outcome {deal % 41}"],
                    "lost_reason": f"reason {deal % 29}",
                    "amount": deal,
                    "currency": ("EUR", "USD")[deal % 2],
                    "cost": 1,
                    "score": deal % 100,
                    "first_touch_at": at.replace(day=1, hour=0).isoformat(),
                }
            )
            if deal % 5 == 0 and step == deal % 6:
                break
    return [json.dumps(event).encode() for event in events]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"top_n": 3, "export": {"dimensions": ["channel", "owner"]}},
        {"export": {"matured_windows": ["7d", "30d"]}},
        {"stuck_after": {"offer": "1m"}, "windows": ["1h", "30d"], "top_n_of": {"reason": 30}},
    ],
)
def test_no_funnel_has_more_series_than_estimated(change: dict[str, object]) -> None:
    definition = Definition.model_validate(change)
    now_ms = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
    computed = compute(crowded(2000), definition, as_of=None, now_ms=now_ms)
    assert computed.rejected == []
    shown = sum(map(len, series(computed.snapshot, exported(definition)).values()))
    bound = estimate(definition).series
    assert bound / 3 < shown <= bound
