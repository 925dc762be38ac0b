"""What the dashboards ask: PromQL about what there is, with an answer from the first scrape."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from ops.dashboards import defaults, files, queries, resolved
from ops.dashboards.variables import VARIABLES
from prometheus_client.parser import text_string_to_metric_families

from funnel_stream.answers.question import parse_question
from funnel_stream.definition import Definition
from funnel_stream.exposition.metrics import Exposition
from funnel_stream.exposition.operations import WORKER_METRICS
from funnel_stream.kpis.catalogue import KPIS, families
from funnel_stream.replay.compute import compute
from funnel_stream.reporting import monotonic
from funnel_stream.tools.simulator import Simulator
from tests.programs import binary
from tests.unit.exposition.workers import busy

END = datetime(2026, 3, 1, tzinfo=UTC)
EXPRS = sorted({expr for _, _, expr in queries()})
RATIOS = [kpi.metric for kpi in KPIS if kpi.form.of_counts]
RECORDED = {
    f"pipeline:{metric}:wilson_{bound}95" for metric in RATIOS for bound in ("lower", "upper")
} | {"channel:funnel_conversion_drop:zscore"}
SCRAPED = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
OTHERS = {"ALERTS", "funnel_as_of_timestamp_seconds", "funnel_build_info"}
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^{}]*)\}(?:\[[^]]*\])?( offset \S+?)?(?=[\s)]|$)")
LABEL = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')

Labels = dict[str, str]


@pytest.fixture(scope="module")
def promtool() -> str:
    return binary("promtool")


@pytest.fixture(scope="module")
def scraped() -> list[tuple[str, Labels, float]]:
    """All samples of a worker's ``/metrics``, after two months of a simulated company."""
    lines = Simulator(start=END - timedelta(days=60), deals_per_day=40).history(END)
    now = round(END.timestamp() * 1000)
    reporter = busy()
    reporter.assigned(owner=True, seconds=0.5)
    reporter.confirm_membership(monotonic())
    reporter.publish(compute(lines, Definition(), as_of=None, now_ms=now).snapshot)
    text = Exposition(reporter).render("")[0].decode()
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def selectors(expr: str) -> Iterator[tuple[str, dict[str, tuple[str, str]], str]]:
    for metric, labels, offset in SELECTOR.findall(expr):
        yield metric, {name: (how, value) for name, how, value in LABEL.findall(labels)}, offset


def test_every_query_is_promql(promtool: str, tmp_path: Path) -> None:
    # A name for each: promtool finds rules alike that are not.
    rules = [{"record": f"q:{n}", "expr": resolved(expr)} for n, expr in enumerate(EXPRS)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    run(promtool, "check", "rules", str(file))


def test_every_query_has_an_answer_without_any_history(
    promtool: str, scraped: list[tuple[str, Labels, float]], tmp_path: Path
) -> None:
    target = {"job": defaults()["job"], "instance": "worker:6066"}
    series = [(name, labels | target, value) for name, labels, value in scraped]
    series += [(name, target, 1.0) for name in SCRAPED]
    # What the recording rules make of the ratios has the same labels.
    series += [
        (f"pipeline:{name}:wilson_{bound}95", labels, 0.5)
        for name, labels, _ in series
        if name in RATIOS
        for bound in ("lower", "upper")
    ]
    test = {
        "interval": "15s",
        "input_series": [
            {"series": f"{name}{{{quoted(labels)}}}", "values": f"{value}+0x20"}
            for name, labels, value in series
        ],
        "promql_expr_test": [
            {
                "expr": f"count({resolved(expr)}) > bool 0",
                "eval_time": "4m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
            for expr in EXPRS
        ],
    }
    file = tmp_path / "answers.yml"
    # JSON is YAML, and is written much faster.
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    run(promtool, "test", "rules", str(file))


def quoted(labels: Labels) -> str:
    return ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())


def test_every_metric_exists() -> None:
    own = {each.name + suffix for each in WORKER_METRICS for suffix in suffixes(each.kind)}
    known = {family.name for family in families()} | own | RECORDED | SCRAPED | OTHERS
    unknown = {
        metric
        for expr in EXPRS
        for metric, _, _ in selectors(expr)
        if metric and metric not in known and not metric.startswith("process_")
    }
    assert unknown == set()
    bare = re.compile(r"\b(?:funnel|pipeline|channel):?_?\w*\b(?=\)| )")
    assert {name for expr in EXPRS for name in bare.findall(expr) if "_" in name} <= known


def suffixes(kind: str) -> tuple[str, ...]:
    return {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(kind, ("",))


def test_labels_asked_for_are_those_of_the_metric() -> None:
    labels = {kpi.id: {"pipeline", *kpi.form.labels} for kpi in KPIS}
    windows = {kpi.id: set() if kpi.of_now else {"window"} for kpi in KPIS}
    kpi_of = {family.name: family.kpi for family in families() if family.kpi in labels}
    seen = 0
    for expr in EXPRS:
        for metric, asked, _ in selectors(expr):
            name = metric.removeprefix("pipeline:").split(":")[0]
            if kpi := kpi_of.get(name):
                seen += 1
                allowed = labels[kpi] | windows[kpi]
                allowed |= {"dimension"} if "_breakdown" in name else set()
                allowed |= {"quantile"} if name.endswith("_quantile") else set()
                assert asked.keys() <= allowed, (metric, asked)
                assert "pipeline" in asked
                assert windows[kpi] <= asked.keys(), "windows overlap"
    assert seen > 500


def test_matured_conversions_are_asked_where_there_are_some() -> None:
    seen = 0
    for expr in EXPRS:
        for metric, asked, _ in selectors(expr):
            if asked.get("basis") == ("=", "matured"):
                seen += 1
                window = "matured_breakdown_window" if "_breakdown" in metric else "matured_window"
                assert asked["window"] == ("=", f"${window}")
                assert asked["horizon"] == ("=", "$horizon")
    assert seen > 50


def test_breakdowns_are_asked_in_windows_that_they_are_exported_in() -> None:
    windows = {
        asked["window"][1]
        for expr in EXPRS
        for metric, asked, _ in selectors(expr)
        if "_breakdown" in metric and "window" in asked
    }
    assert windows == {"$breakdown_window", "$matured_breakdown_window"}


def test_the_period_before_ends_where_the_window_begins() -> None:
    seen = 0
    for expr in EXPRS:
        for _, asked, offset in selectors(expr):
            if offset:
                seen += 1
                window = asked.get("window", ("=", "$window"))[1]
                assert offset == f" offset {window}"
    assert seen > 100


def test_ratios_and_means_are_never_added_up_or_averaged() -> None:
    assert not any(re.search(r"\bavg|quantile\(0\.\d+, [^s]", expr) for expr in EXPRS)
    countable = {"deals", "leads", "offers", "moves", "activities", "money"}
    means = {"cost_per_lead", "offer_value"}
    addable = {
        kpi.metric + part
        for kpi in KPIS
        if kpi.unit in countable and kpi.id not in means
        for part in ("", "_breakdown")
    }
    own = (*(each.name for each in WORKER_METRICS), "up", "process_cpu_seconds_total")
    inside = re.compile(r"\bsum (?:by|without) \([^)]*\) \((?:max by \([^)]*\) \()?([\w:]+)")
    summed = {name for expr in EXPRS for name in inside.findall(expr)} - {"rate", "increase"}
    assert summed
    assert {name for name in summed if name not in addable and not name.startswith(own)} == set()


@pytest.mark.parametrize("chosen", ["1h", "24h", "30d"])
def test_windows_follow_the_chosen_one_where_there_is_such_a_figure(chosen: str) -> None:
    """The expressions name the chosen window first, then a day, then any."""
    following = [v for v in VARIABLES if not v.shown]
    assert len(following) == 3
    for variable in following:
        asked = variable.query.replace("$window", chosen)
        parts = asked.removeprefix("query_result(")[:-1].split(" or on () ")
        ends = [f'window="{chosen}"', 'window="24h"', 'window!=""']
        assert [end in part for part, end in zip(parts, ends, strict=True)] == [True] * 3
        value = re.compile(variable.regex.strip("/"))
        assert value.findall(f'{{window="{chosen}"}} 12 1767225600000') == [chosen]


# --- the deals behind a figure --------------------------------------------------------------------


def data_links(item: Any) -> Iterator[str]:
    """Every link to the worker."""
    if isinstance(item, dict):
        for value in item.values():
            yield from data_links(value)
    elif isinstance(item, list):
        for value in item:
            yield from data_links(value)
    elif isinstance(item, str) and item.startswith("${worker}"):
        yield item


LINKS = sorted({link for text in files().values() for link in data_links(json.loads(text))})
EXAMPLES = {
    "from": "offer",
    "to": "won",
    "value": "fair",
    "reason": "price",
    "problem": "cost",
    "outcome": "won",
    "stage": "offer",
    "activity": "meeting",
    "from_stage": "offer",
    "to_stage": "lost",
    "lost_from": "offer",
    "offered": "true",
    "qualified": "true",
    "basis": "cohort",
}
"""What series and rows may have in a label."""


@pytest.mark.parametrize("link", LINKS)
def test_the_worker_understands_every_link_to_the_deals(link: str) -> None:
    assert urlsplit(link).path == "${worker}/api/deals"
    asked = dict(parse_qsl(urlsplit(link).query))
    outcome = "growth" if asked["kpi"] == "desired_outcomes" else "won"
    outcome = "held" if asked["kpi"] == "activities" else outcome
    known = {**defaults(), **EXAMPLES, "outcome": outcome}
    for name, text in asked.items():
        written = re.fullmatch(r"\$\{([\w.]+)(:percentencode)?\}", text)
        if written:
            variable = written[1].split(".")[-1]
            asked[name] = known[variable]
            assert written[2] or variable.endswith("window") or variable in ("from", "to")
    found = parse_question(asked, Definition())
    assert found.pipeline == "default"


def test_figures_of_deals_have_links() -> None:
    linked = {dict(parse_qsl(urlsplit(link).query))["kpi"] for link in LINKS}
    not_of_deals = {"spend", "cost_per_lead", "pipeline_velocity", "won_value_per_day"}
    assert linked == {kpi.id for kpi in KPIS} - not_of_deals
