"""Every alert has its runbook, and what a runbook tells to type is right."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from funnel_stream.answers.question import parse_question
from funnel_stream.definition import Definition
from funnel_stream.exposition.operations import WORKER_METRICS
from funnel_stream.kpis.catalogue import families
from tests.ops.alertmanager import ROOT
from tests.programs import binary

RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["What it means", "Confirm", "What to do", "Silence"]


def _rules() -> list[dict[str, Any]]:
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [
        group for file in files for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


RULES = _rules()
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
LABELS = {"alertname", "pipeline", "from_stage", "to_stage", "channel", "currency", "stage"} | {
    "instance",
    "reason",
}
"""That a silence may name."""


def pages(page: Path) -> str:
    return page.stem


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def queries(page: Path) -> list[str]:
    """Each line of a block, and what stands in the text as code and asks for a metric."""
    lines = [line for block in blocks(page, "promql") for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose)]
    return [*lines, *(code for code in inline if re.search(r"funnel_\w+ *[{(\[)]", code))]


def test_there_is_a_runbook_for_every_alert_and_no_other() -> None:
    assert ALERTS
    assert [page.stem for page in PAGES] == sorted(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_runbook(name: str) -> None:
    assert ALERTS[name]["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")


@pytest.mark.parametrize("page", PAGES, ids=pages)
def test_a_runbook_says_what_it_means_how_to_confirm_what_to_do_and_how_to_silence(
    page: Path,
) -> None:
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == HEADINGS
    assert all(part.strip() for part in re.split(r"^## .*", text, flags=re.MULTILINE)[1:])


def test_the_index_lists_every_runbook_with_its_severity() -> None:
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", index, re.MULTILINE)
    assert sorted(listed) == sorted(
        (name, name, rule["labels"]["severity"]) for name, rule in ALERTS.items()
    )


def test_the_queries_are_promql(tmp_path: Path) -> None:
    asked = sorted({query for page in PAGES for query in queries(page)})
    assert len(asked) > 50
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}), "utf-8")
    done = subprocess.run(
        [binary("promtool"), "check", "rules", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_queries_ask_for_metrics_that_there_are() -> None:
    known = {family.name for family in families()} | {rule.get("record", "") for rule in RULES}
    known |= {"funnel_as_of_timestamp_seconds", "funnel_build_info"}
    for own in WORKER_METRICS:
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        known |= {own.name + suffix for suffix in suffixes.get(own.kind, [""])}
    for page in PAGES:
        for query in queries(page):
            without_texts = re.sub(r'"[^"]*"', "", query)
            asked = set(re.findall(r"(?:\w+:)?funnel_\w+(?::\w+)?", without_texts))
            assert asked <= known, f"{page.name}: {query}"


@pytest.mark.parametrize("page", PAGES, ids=pages)
def test_the_deals_that_are_asked_for_can_be(page: Path) -> None:
    for url in re.findall(r"http\S+?/api/deals\?[^'\s]+", page.read_text("utf-8")):
        asked = dict(parse_qsl(urlsplit(url).query))
        asked.pop("limit", None)
        parse_question(asked, Definition())


@pytest.mark.parametrize("page", PAGES, ids=pages)
def test_the_silence_is_of_this_alert(page: Path) -> None:
    section = page.read_text("utf-8").split("## Silence")[1]
    command = section.split("```sh\n")[1].split("```")[0].replace("\\\n", " ")
    matchers = dict(re.findall(r" (\w+)=~?(\S+)", command))
    if page.stem == "FunnelWatchdog":
        assert command.startswith("amtool silence query ")
        return
    assert command.startswith("amtool silence add ")
    assert re.fullmatch(matchers.pop("alertname").strip('~"'), page.stem)
    assert matchers.keys() <= LABELS
    assert re.search(r" --duration=\d+[hmd] ", command)


@pytest.mark.parametrize(
    "page", [RUNBOOKS / "README.md", *PAGES, ROOT / "docs" / "operations.md"], ids=pages
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in [_anchor(heading) for heading in headings], target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
