"""The Prometheus rules: in step with their source, tested one by one, and told as people need it.

What each rule does is shown by the unit tests in deploy/prometheus/tests; here they are run, and it
is held that they leave nothing out and that they can fail.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ops.rules.__main__ import files
from ops.rules.rule import Links

from tests.programs import binary

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SEVERITIES = {"critical", "warning", "info"}
KINDS = {"drop", "level", "flow", "software"}
DASHBOARDS = {
    "funnel-overview",
    "funnel-stage-1-lead",
    "funnel-stage-2-qualification",
    "funnel-stage-3-potential",
    "funnel-stage-4-offer",
    "funnel-stage-5-negotiation",
    "funnel-stage-6-contract",
    "funnel-breakdowns",
    "funnel-sales",
    "funnel-operations",
}
BUDGET = "FunnelSeriesBudgetExceeded"
ALWAYS_FIRES = "FunnelWatchdog"
COMPARISON = re.compile(r" (==|>=|<=|>|<) ")

Document = dict[str, Any]


class Rule(NamedTuple):
    file: str
    document: Document

    @property
    def name(self) -> str:
        found: str = self.document.get("alert") or self.document["record"]
        return found


def read(file: Path) -> Document:
    document: Document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


RULES = {file.name: read(file) for file in sorted((PROMETHEUS / "rules").glob("*.yml"))}
CASES = {file.name: read(file) for file in UNIT_TESTS}


def rules(kind: str) -> list[Rule]:
    return [
        Rule(file, rule)
        for file, document in RULES.items()
        for group in document["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


ALERTS, RECORDS = rules("alert"), rules("record")


@pytest.fixture(scope="session")
def promtool() -> str:
    return binary("promtool")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        # Years of samples: a third of its time promtool would look for garbage.
        env={**os.environ, "GOGC": "off", "GOMEMLIMIT": "1GiB"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_files_are_in_step() -> None:
    committed = {
        file.name: file.read_text(encoding="utf-8") for file in (PROMETHEUS / "rules").iterdir()
    }
    assert committed == files(Links()), "run `make rules`"


def test_promtool_accepts_the_rules(promtool: str) -> None:
    done = run(promtool, "check", "rules", *(PROMETHEUS / "rules").iterdir())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_unit_tests_pass(promtool: str, file: Path) -> None:
    done = run(promtool, "test", "rules", file)
    assert done.returncode == 0, done.stdout


# --- the unit tests leave nothing out -------------------------------------------------------------


def cases_of(kind: str) -> list[Document]:
    """All ``alert_rule_test`` or ``promql_expr_test`` of the unit tests."""
    groups = [group for document in CASES.values() for group in document["tests"]]
    return [case for group in groups for case in group.get(kind, ())]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_fires_in_one_case_and_not_in_another(alert: Rule) -> None:
    cases = [case for case in cases_of("alert_rule_test") if case["alertname"] == alert.name]
    fires = {bool(case["exp_alerts"]) for case in cases}
    assert fires == {
        BUDGET: {False},  # see test_the_budget_of_series
        ALWAYS_FIRES: {True},
    }.get(alert.name, {True, False})


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_recorded_figure_is_asserted(record: Rule) -> None:
    named = re.compile(rf"(?<![\w:]){record.name}(?![\w:])")
    assert any(
        named.search(case["expr"]) and case["exp_samples"] for case in cases_of("promql_expr_test")
    )


def test_groups_are_evaluated_in_the_order_of_their_files() -> None:
    """Else promtool takes any order, and an alert might see what was recorded a step before."""
    for document in CASES.values():
        order = [
            group["name"]
            for file in document["rule_files"]
            for group in RULES[Path(file).name]["groups"]
        ]
        assert len(order) == 1 or document["group_eval_order"] == order


# --- what people read -----------------------------------------------------------------------------


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_says_what_and_leads_on(alert: Rule) -> None:
    labels, told = alert.document["labels"], alert.document["annotations"]
    assert labels["severity"] in SEVERITIES
    assert labels["kind"] in KINDS
    assert told.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert told["summary"].strip()
    assert told["description"].strip()
    assert told["runbook_url"] == f"{Links().runbooks}/{alert.name}.md"
    path = told["dashboard_url"].removeprefix(f"{Links().grafana}/d/")
    assert path.partition("?")[0] in DASHBOARDS


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_names_say_level_metric_and_operations(record: Rule) -> None:
    assert re.fullmatch(r"(pipeline|channel|job):[a-z][a-z0-9_]*:[a-z0-9][a-z0-9_]*", record.name)


# --- the unit tests can fail ----------------------------------------------------------------------


def changed(alert: Rule, comparison: str) -> Document:
    """The rules of the alert's file with another first comparison of the alert."""
    document = deepcopy(RULES[alert.file])
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == alert.name:
                rule["expr"], count = COMPARISON.subn(comparison, rule["expr"], count=1)
                assert count == 1
    return document


def written(folder: Path, rule_file: Document, cases: Document) -> Path:
    """Rules and their unit tests in a folder of their own."""
    folder.mkdir()
    (folder / "rules.yml").write_text(yaml.safe_dump(rule_file), encoding="utf-8")
    test_file = folder / "tests.yml"
    text = yaml.safe_dump({**cases, "rule_files": ["rules.yml"]})
    test_file.write_text(text, encoding="utf-8")
    return test_file


def passing(promtool: str, test_files: Sequence[Path]) -> set[Path]:
    """Those of the unit tests, each beside its rules, that pass."""
    valid = run(promtool, "check", "rules", *(file.parent / "rules.yml" for file in test_files))
    assert valid.returncode == 0, valid.stdout
    told = run(promtool, "test", "rules", *test_files).stdout
    found = re.findall(r"^Unit Testing:  (.*)\n  (SUCCESS|FAILED)", told, re.MULTILINE)
    assert len(found) == len(test_files), told
    return {Path(file) for file, verdict in found if verdict == "SUCCESS"}


def groups_of(alert: Rule) -> list[Document]:
    """The unit tests that ask for an alert, each group by itself, the shortest first."""
    found: list[tuple[float, Document]] = []
    for document in CASES.values():
        step = minutes(document["evaluation_interval"])
        for group in document["tests"]:
            cases = group.get("alert_rule_test", []) + group.get("promql_expr_test", [])
            if any(alert.name in case.get("alertname", case.get("expr")) for case in cases):
                lasts = max(minutes(case["eval_time"]) for case in cases)
                found.append((lasts / step, {**document, "tests": [group]}))
    return [document for _, document in sorted(found, key=lambda each: each[0])]


def minutes(duration: str) -> int:
    parts = re.findall(r"(\d+)([dhm])", duration)
    return sum(int(number) * {"d": 1440, "h": 60, "m": 1}[unit] for number, unit in parts)


def test_the_unit_tests_notice_other_thresholds(promtool: str, tmp_path: Path) -> None:
    """A threshold that every figure is beyond, and one that none is, are noticed by some group."""
    watched = [alert for alert in ALERTS if alert.name not in (BUDGET, ALWAYS_FIRES)]
    unnoticed = {
        (alert.name, holds): (changed(alert, comparison), groups_of(alert))
        for alert in watched
        for holds, comparison in (("always", " > -Inf + "), ("never", " > Inf + "))
    }
    assert len(unnoticed) == 2 * len(watched)
    while unnoticed:
        test_files = {}
        for (name, holds), (rule_file, groups) in unnoticed.items():
            assert groups, f"nobody notices when {name} {holds} holds"
            folder = tmp_path / f"{name} {holds} {len(groups)}"
            test_files[written(folder, rule_file, groups.pop(0))] = (name, holds)
        passed = passing(promtool, list(test_files))
        unnoticed = {test_files[file]: unnoticed[test_files[file]] for file in passed}


@pytest.mark.parametrize(("series", "fires"), [(3, False), (4, True)])
def test_the_budget_of_series(promtool: str, tmp_path: Path, series: int, fires: bool) -> None:
    """With a budget of three: promtool loads no more than 10,000 series at once."""
    (alert,) = [alert for alert in ALERTS if alert.name == BUDGET]
    rule_file = deepcopy(RULES[alert.file])
    for group in rule_file["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"> 12000$", "> 3", rule["expr"])
    told = {
        "summary": f"Pipeline default has {series} series",
        "description": "More than a default configuration can produce. `funnel-stream config show` "
        "shows where they come from; `export:` in funnel.yaml limits them.\n",
        "runbook_url": f"{Links().runbooks}/{BUDGET}.md",
        "dashboard_url": f"{Links().grafana}/d/funnel-operations",
    }
    labels = {"pipeline": "default", "severity": "warning", "kind": "software"}
    fired = [{"exp_labels": labels, "exp_annotations": told}]
    ours = [f'funnel_leads{{pipeline="default", window="{hours}h"}}' for hours in range(series)]
    others = ['funnel_leads{pipeline="partner"}', "funnel_reporting", 'up{pipeline="default"}']
    cases = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": "1x20"} for name in ours + others],
                "alert_rule_test": [
                    {"eval_time": "14m", "alertname": BUDGET, "exp_alerts": []},
                    {"eval_time": "15m", "alertname": BUDGET, "exp_alerts": fired * fires},
                ],
            }
        ],
    }
    test_file = written(tmp_path / "budget", rule_file, cases)
    assert passing(promtool, [test_file]) == {test_file}
