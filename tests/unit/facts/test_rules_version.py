"""Whoever changes what facts a journey makes counts up ``RULES_VERSION``: workers of two versions
would add up old and new facts else, as long as an upgrade takes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import funnel_stream
from funnel_stream.contract.event import KINDS, STAGES
from funnel_stream.contract.models import MODELS
from funnel_stream.definition import RULES_VERSION
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.forms import Listing
from tests.mutants.faults import FAULTS
from tests.unit.facts.corpus import LINES, digest, facts

DIGESTS: Final = {
    3: "425e2d4161814fdba1f197e2909be4a9",
}
"""By ``RULES_VERSION``: the digest of the facts of the corpus. That of a released version stays."""

NOT_OF_DEALS: Final = ("spend", "cost_per_lead", "pipeline_velocity", "won_value_per_day")

WHAT_TO_DO = """
The same journeys yield other facts than RULES_VERSION {version} has had so far.
If that is meant: count up RULES_VERSION in src/funnel_stream/definition/funnel.py (once per
release), and write what `python -m tests.unit.facts.corpus` then prints into DIGESTS of
tests/unit/facts/test_rules_version.py. It prints now:
{line}
"""
ROOT = Path(__file__).parents[3]


def test_the_rules_version_counts_the_changes_of_facts() -> None:
    found = digest()
    assert DIGESTS.get(RULES_VERSION) == found, WHAT_TO_DO.format(
        version=RULES_VERSION, line=f'    {RULES_VERSION}: "{found}",'
    )


def test_no_two_versions_have_the_same_facts() -> None:
    assert max(DIGESTS) == RULES_VERSION
    assert len(set(DIGESTS.values())) == len(DIGESTS)


# --- the corpus has something of everything -------------------------------------------------------


def test_the_corpus_says_all_that_events_can_say() -> None:
    events = [json.loads(line) for line in LINES]
    said = {
        tuple(filter(None, (e["type"], e.get("stage") or e.get("activity"), outcome_of(e))))
        for e in events
    }
    types = {event["type"] for event in events}
    assert {kind for kind in KINDS if kind[0] in types} <= said
    for model in MODELS:
        kind = model.model_fields["type"].default
        fields = {name for event in events if event["type"] == kind for name in event}
        assert model.model_fields.keys() <= fields, f"add lines to the corpus: {kind}"


def outcome_of(event: dict[str, str]) -> str:
    return event.get("outcome", "held") if event["type"] == "activity_recorded" else ""


def test_the_corpus_adds_to_every_figure() -> None:
    weights, spends = facts()
    cells = {cell for _, cell, _ in weights}
    assert spends
    for kpi in KPIS:
        added = [cell for cell in cells if kpi.form.additions(cell, ("1d", "7d", "2d", "36h"))]
        assert added or kpi.id in NOT_OF_DEALS, kpi.id


def test_the_corpus_moves_between_all_stages() -> None:
    weights, _ = facts()
    moves = {cell[1:] for _, cell, _ in weights if cell[0] == "transition"}
    backwards = {(a, b) for a, b in moves if STAGES.index(a) > STAGES.index(b)}
    assert {a for a, _ in moves} == {b for _, b in moves} == set(STAGES)
    assert {a for a, _ in backwards} == set(STAGES[1:])
    assert {b for a, b in backwards if a in ("won", "lost")} >= set(STAGES[:5])


def test_labels_that_nobody_can_invent_have_no_other_values() -> None:
    weights, _ = facts()
    forms = [kpi.form for kpi in KPIS if isinstance(kpi.form, Listing) and kpi.form.known]
    assert forms
    for form in forms:
        cells = {cell[1:] for _, cell, _ in weights if cell[0] == form.measure.name}
        for label, known in form.known.items():
            assert {cell[form.labels.index(label)] for cell in cells} == set(known), label


# --- and the digest notices what somebody changes -------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "closing-is-the-first",
        "two-moves-in-a-minute-are-one",
        "changed-weights-not-retracted",
        "rate-of-the-next-day",
    ],
)
def test_a_changed_rule_changes_the_digest(tmp_path: Path, name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    package = tmp_path / "funnel_stream"
    shutil.copytree(Path(funnel_stream.__file__).parent, package)
    fault.put_into(package)
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.facts.corpus"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    version, found = done.stdout.split()
    assert version == f"{RULES_VERSION}:"
    assert found != f'"{digest()}",'
