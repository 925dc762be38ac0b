"""Changelogs hold the numbers of the kinds of events, so these are for ever."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import funnel_stream
from funnel_stream.contract.event import KINDS, STAGES
from tests.funnels import at, event, lines, stage

A_TOUR = [
    stage("d", "lead", at()),
    event("activity_recorded", "d", at(hours=1), activity="tour"),
    event("activity_recorded", "d", at(hours=2), activity="tour", outcome="no_show"),
    stage("d", "offer", at(hours=3)),
]


def test_the_stored_numbers_of_kinds_are_these_and_stay() -> None:
    assert KINDS == {
        ("stage_changed", "lead"): 0,
        ("stage_changed", "qualified"): 1,
        ("stage_changed", "potential"): 2,
        ("stage_changed", "offer"): 3,
        ("stage_changed", "negotiation"): 4,
        ("stage_changed", "won"): 5,
        ("stage_changed", "lost"): 6,
        ("deal_updated",): 7,
        ("activity_recorded", "meeting", "held"): 8,
        ("activity_recorded", "meeting", "no_show"): 9,
        ("activity_recorded", "audit", "held"): 10,
        ("activity_recorded", "audit", "no_show"): 11,
        ("activity_recorded", "call", "held"): 12,
        ("activity_recorded", "call", "no_show"): 13,
        ("activity_recorded", "negotiation_round", "held"): 14,
        ("activity_recorded", "negotiation_round", "no_show"): 15,
        ("spend_recorded",): 16,
        ("former",): 32,
    }


def test_no_two_kinds_share_a_number_and_stages_sort_by_theirs() -> None:
    assert len(set(KINDS.values())) == len(KINDS)
    assert [KINDS["stage_changed", stage] for stage in STAGES] == list(range(7))


def test_a_further_activity_is_one_everywhere_whatever_its_number(tmp_path: Path) -> None:
    package = tmp_path / "funnel_stream"
    shutil.copytree(Path(funnel_stream.__file__).parent, package)
    table = package / "contract" / "event.py"
    spend = '    ("spend_recorded",): 16,\n'
    tour = "".join(
        f'    ("activity_recorded", "tour", "{outcome}"): {number},\n'
        for outcome, number in (("held", 18), ("no_show", 17))
    )
    text = table.read_text(encoding="utf-8")
    assert text.count(spend) == 1
    table.write_text(text.replace(spend, spend + tour), encoding="utf-8")

    events = tmp_path / "events.ndjson"
    events.write_bytes(b"".join(line + b"\n" for line in lines(A_TOUR)))

    def says(*arguments: str) -> Any:
        command = [sys.executable, "-m", "funnel_stream", *arguments, "--json"]
        surroundings = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, env=surroundings, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    counted = {
        (sample["metric"], sample["labels"].get("outcome")): sample["value"]
        for sample in says("compute", str(events), "--window", "30d")
        if sample["labels"].get("activity") == "tour" and "dimension" not in sample["labels"]
    }
    assert counted == {
        ("funnel_activities", "held"): 1,
        ("funnel_activities", "no_show"): 1,
        ("funnel_activity_conversion_ratio", None): 1,
        ("funnel_activity_conversion_ratio_numerator", None): 1,
        ("funnel_activity_conversion_ratio_denominator", None): 1,
    }
    told = [step["what"] for step in says("explain", "d", "--events", str(events))["journey"]]
    assert told == ["lead entered", "tour held", "tour: no show", "offer sent"]
