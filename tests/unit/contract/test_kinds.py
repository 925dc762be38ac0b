"""Changelogs hold the numbers of the kinds of events, so these are for ever."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import funnel_stream
from funnel_stream.contract.event import KINDS, STAGES

A_FURTHER_ACTIVITY = """\
import json

from funnel_stream.answers.explanation import explain
from funnel_stream.catalogue import roles
from funnel_stream.cells import CELLS
from funnel_stream.contract import Decoder
from funnel_stream.definition import Definition
from funnel_stream.facts import MINUTE_BITS, FactRules
from funnel_stream.journey import append, new_row

def read(**fields):
    text = json.dumps({"occurred_at": f"2026-03-02T1{fields['event_id']}:00:00Z", "deal_id": "d"}
                      | fields)
    [(_, event)] = Decoder().decode([text.encode()], [-1])
    return event

row = new_row(read(event_id="0", type="stage_changed", stage="lead"))
for number, outcome in enumerate(("held", "no_show"), start=1):
    shown = read(event_id=f"{number}", type="activity_recorded", activity="tour", outcome=outcome)
    row = append(row, shown)
row = append(row, read(event_id="3", type="stage_changed", stage="offer"))

definition = Definition()
rules = FactRules(definition)
[journey] = rules.lives(row)
facts = rules.facts(journey)
explained = explain("d", row, definition, 1_772_500_000_000_000)
print(json.dumps({
    "kinds": [kind for _, kind, _ in journey.activities],
    "cells": sorted(CELLS[key >> MINUTE_BITS] for key in facts
                    if CELLS[key >> MINUTE_BITS][0] == "activity"),
    "figures": sorted({each.kpi for each in explained.contributions if "tour" in
                       each.labels.values()}),
    "told": [step.what for step in explained.journey],
}))
"""


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

    done = subprocess.run(
        [sys.executable, "-c", A_FURTHER_ACTIVITY],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "kinds": [18, 17],
        "cells": [
            ["activity", "tour", "held", "followed"],
            ["activity", "tour", "no_show", "none"],
        ],
        "figures": ["activities", "activity_conversion_ratio"],
        "told": ["lead entered", "tour held", "tour: no show", "offer sent"],
    }
