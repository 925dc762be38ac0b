"""What ``docs/import_recipes.md`` shows: mappings load, commands run, figures are so."""

import csv
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.replay.compute import Computed, compute
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import load
from tests.exports import EXPORTS, HUBSPOT
from tests.funnels import figure, figures, lines
from tests.mappings import DEALS
from tests.snapshots import compared, importing, mapped

ROOT: Final = Path(__file__).parents[3]
EXAMPLES: Final = ROOT / "examples"
RECIPES: Final = (ROOT / "docs" / "import_recipes.md").read_text(encoding="utf-8")
IMPORTING: Final = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")

Events = list[dict[str, Any]]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return RECIPES.split(f"\n## {title}\n")[1].split("\n## ")[0]


def stories(title: str) -> list[Events]:
    """The blocks of events of a section."""
    return [
        [json.loads(line) for line in block.splitlines()]
        for block in blocks(section(title), "json")
    ]


def imported(mapping: str, text: str, folder: Path) -> Events:
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    (folder / "table.csv").write_text(text, encoding="utf-8")
    run = Import(load(folder / "mapping.yaml"), [folder / "table.csv"])
    events = [json.loads(line) for line in run.lines()]
    assert run.report.rejects == []
    return events


def as_of(events: Iterable[dict[str, Any]], when: str, *windows: str) -> Computed:
    definition = Definition(windows=list(windows or ("30d",)))
    at = round(datetime.fromisoformat(when).timestamp() * 1_000_000)
    return compute(lines(list(events)), definition, as_of=at, now_ms=at // 1000)


# --- mappings and commands ------------------------------------------------------------------------

MAPPINGS: Final = [
    block for text in (IMPORTING, RECIPES) for block in blocks(text, "yaml") if block[0] != "-"
]


@pytest.mark.parametrize("number", range(len(MAPPINGS)))
def test_every_mapping_of_the_documents_loads(number: int, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPINGS[number], encoding="utf-8")
    assert load(tmp_path / "mapping.yaml").sources


COMMANDS: Final = sorted(
    set(re.findall(r"^funnel-stream (import [^#\n]*)", RECIPES, re.MULTILINE))
    | {
        found.replace("\\\n#", "")
        for path in EXAMPLES.glob("*.yaml")
        for found in re.findall(
            r"^#   funnel-stream (import (?:[^\n]*\\\n#)*[^\n]*)", path.read_text(), re.MULTILINE
        )
    }
)


def test_every_example_is_among_the_commands() -> None:
    named = set(re.findall(r"--mapping examples/(\w+)\.yaml", "\n".join(COMMANDS)))
    assert named == set(EXPORTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_everything(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLES, "examples")
    shutil.copy(EXAMPLES / "hubspot_deals.yaml", "my_crm.yaml")
    arguments = shlex.split(command)
    mapping = Path(arguments[arguments.index("--mapping") + 1]).stem
    texts = EXPORTS[mapping if mapping in EXPORTS else "hubspot_deals"].files
    given = [name for name in arguments if name.endswith(".csv") and name != "left_out.csv"]
    # One file may be called otherwise; of several, each is meant by its name.
    named = dict(zip(given, texts.values(), strict=True)) if len(given) == 1 else texts
    for name in given:
        Path(name).write_text(named[name], encoding="utf-8")
    done = CliRunner().invoke(app, [*arguments, "--strict"], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_every_example_names_its_recipe() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.*)$", RECIPES, re.MULTILINE)
    }
    named = {
        path.stem: re.findall(r"docs/import_recipes\.md#([\w-]+)", path.read_text())
        for path in EXAMPLES.glob("*.yaml")
    }
    assert {anchor for anchors in named.values() for anchor in anchors} <= headings
    assert {name for name, anchors in named.items() if not anchors} == {
        "funnel",
        "maven_crm",
        "olist",
    }
    for anchor in re.findall(r"\]\(#([\w-]+)\)", RECIPES):
        assert anchor in headings


def test_a_second_pipeline_has_rules_of_its_own(tmp_path: Path) -> None:
    """A deal of Partners: its offer and its closing are in columns of their own."""
    [rules] = [block for block in blocks(RECIPES, "yaml") if block[0] == "-"]
    mapping = yaml.safe_load((EXAMPLES / "hubspot_deals.yaml").read_text())
    mapping["sources"]["deals"]["events"] += yaml.safe_load(rules)
    [text] = HUBSPOT.files.values()
    header, first, *_ = csv.reader(io.StringIO(text))
    header += [f'Date entered "{stage} (Partners)"' for stage in ("Offer sent", "Closed won")]
    other = [*first, "", ""]
    told = {
        "Record ID": "9",
        "Pipeline": "Partners",
        "Create Date": "2026-03-02 08:00",
        "Last Modified Date": "2026-03-18 12:00",
        'Date entered "Offer sent (Partners)"': "2026-03-09 10:00",
        'Date entered "Closed won (Partners)"': "2026-03-18 12:00",
        "Amount": "70",
    }
    table = io.StringIO()
    csv.writer(table).writerows([header, other, [told.get(name, "") for name in header]])
    events = imported(yaml.safe_dump(mapping), table.getvalue(), tmp_path)
    assert [
        (event["stage"], event["occurred_at"][:16], event.get("pipeline"), event.get("amount"))
        for event in events
        if event["deal_id"] == "9" and event["type"] == "stage_changed"
    ] == [
        ("lead", "2026-03-02T08:00", "Partners", None),
        ("offer", "2026-03-09T10:00", None, None),
        ("won", "2026-03-18T12:00", None, "70"),
    ]


def test_hubspot_without_dates_of_stages(tmp_path: Path) -> None:
    [mapping] = [block for block in blocks(section("HubSpot"), "yaml") if block[0] != "-"]
    table = (
        "Record ID,Deal Stage,Amount,Create Date,Date entered current stage,Deal owner,"
        "Closed Lost Reason\n"
        "1,Contract Sent,800,2026-03-03 08:00,2026-03-28 12:00,Ann,\n"
        "2,Closed Lost,,2026-03-04 13:00,2026-03-10 17:05,Bob,Price\n"
    )
    events = imported(mapping, table, tmp_path)
    assert [(event["deal_id"], event["stage"], event["occurred_at"][:16]) for event in events] == [
        ("1", "lead", "2026-03-03T08:00"),
        ("1", "offer", "2026-03-28T12:00"),
        ("2", "lead", "2026-03-04T13:00"),
        ("2", "lost", "2026-03-10T17:05"),
    ]
    assert (events[1]["amount"], events[3]["lost_reason"]) == ("800", "Price")


def test_line_items_are_added_up(tmp_path: Path) -> None:
    text = section("Line items")
    [mapping], [table] = blocks(text, "yaml"), blocks(text, "csv")
    events = imported(mapping, table, tmp_path)
    assert [(event["deal_id"], event["stage"], event["amount"]) for event in events] == [
        ("17", "won", "1200.5"),
        ("18", "won", "500"),
    ]
    assert "`won` of 17 with 1200.50 and of 18 with 500" in " ".join(text.split())


def test_a_sheet_with_a_column_for_each_channel(tmp_path: Path) -> None:
    [mapping] = blocks(section("Spend"), "yaml")
    events = imported(mapping, "Month,Google Ads,Facebook\n2026-03,1200,300\n", tmp_path)
    assert [(event["channel"], event["amount"], event["period_end"]) for event in events] == [
        ("paid_search", "1200", "2026-04-01T00:00:00+02:00"),
        ("paid_social", "300", "2026-04-01T00:00:00+02:00"),
    ]


# --- figures --------------------------------------------------------------------------------------

NOON: Final = "2026-03-30T12:00:00Z"


def shown(found: Computed, metric: str, window: str = "30d", **labels: str) -> str:
    """A figure as the tables of the document show it: a ratio by its parts, seconds as days."""
    if metric.endswith("_ratio"):
        parts = [
            figure(found, f"funnel_{metric}_{part}", window, **labels) or 0
            for part in ("numerator", "denominator")
        ]
        return f"{parts[0]:g} of {parts[1]:g}" if parts[1] else "–"
    if metric.startswith("open_"):
        value = figure(found, f"funnel_{metric}", None, **labels)
    else:
        value = figure(found, f"funnel_{metric}", window, **labels)
    if metric.endswith("_seconds"):
        return "–" if value is None else f"{value / 86_400:.1f} d"
    return "–" if value is None else f"{value:g}"


def is_in_the_table(title: str, row: str, cells: list[str]) -> None:
    assert f"| {row} | {' | '.join(cells)} |" in section(title)


SNAPSHOTS: Final = sorted(
    set(EXPORTS) - {"salesforce_opportunity_history", "monthly_spend", "olist", "maven_crm"}
)


def of_example(name: str, folder: Path) -> Computed:
    paths = [folder / file for file in EXPORTS[name].files]
    for path, text in zip(paths, EXPORTS[name].files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    run = Import(load(EXAMPLES / f"{name}.yaml"), paths)
    return as_of([json.loads(line) for line in run.lines()], "2026-04-02T12:00:00Z", "365d")


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_tells_no_discount(name: str, tmp_path: Path) -> None:
    """Of every export one deal of pipeline default is won, for what it is worth now."""
    found = of_example(name, tmp_path)
    assert figure(found, "funnel_deals_closed", outcome="won") == 1
    for metric in ("discount_ratio", "value_retention_ratio"):
        assert not figure(found, f"funnel_{metric}_count")


def test_a_history_tells_the_discount(tmp_path: Path) -> None:
    """Offered at 10,000 and won for 9,500."""
    found = of_example("salesforce_opportunity_history", tmp_path)
    assert figure(found, "funnel_discount_ratio") == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["salesforce_opportunity", "zoho_deals", "bitrix24_deals"])
def test_a_lost_deal_of_a_snapshot_was_nowhere_but_in_lead(name: str, tmp_path: Path) -> None:
    """One deal is lost, in whatever pipeline; of its stages before the file knows none."""
    lost = {
        labels
        for (metric, labels), number in figures(of_example(name, tmp_path)).items()
        if metric == "funnel_lost_deals" and number == 1
    }
    told = [dict(labels) for labels in lost]
    assert [(labels["lost_from"], labels["offered"]) for labels in told] == [("lead", "false")]


def test_the_figures_that_are_named_exist() -> None:
    named = re.findall(r"`([a-z]+(?:_[a-z]+)*)`", section("What an export cannot tell"))
    others = {"lead", "activity_recorded", "lost_from", "offered"}
    assert set(named) - others - set(BY_ID) == set()


LIVE: Final = {
    "Leads": ("leads", {}, ["6", "10", "9"]),
    "Offers sent": ("offers_sent", {}, ["3", "7", "3"]),
    "Sales conversion, cohort": (
        "sales_conversion_ratio",
        {"basis": "cohort"},
        ["1 of 6", "3 of 10", "3 of 9"],
    ),
    "Sales conversion, period": (
        "sales_conversion_ratio",
        {"basis": "period"},
        ["3 of 6", "3 of 10", "3 of 9"],
    ),
    "Win ratio": ("win_ratio", {}, ["3 of 5"] * 3),
    "Time to close, won": (
        "time_to_close_seconds",
        {"outcome": "won"},
        ["54.3 d", "22.7 d", "8.3 d"],
    ),
    "Offer acceptance": (
        "offer_acceptance_ratio",
        {"basis": "period"},
        ["3 of 5", "3 of 5", "1 of 2"],
    ),
    "Value of lost deals": (
        "deal_value",
        {"outcome": "lost", "currency": "EUR"},
        ["2000", "2000", "1000"],
    ),
    "Open in offer": ("open_deals", {"stage": "offer"}, ["2", "2", "1"]),
}


def test_going_live_in_the_middle(tmp_path: Path) -> None:
    title = "Going live with open deals"
    [mapping], [table] = blocks(section(title), "yaml"), blocks(section(title), "csv")
    true = imported(mapping, table, tmp_path)
    for column in ("created", "since"):
        mapping = mapping.replace(f"at: {column}", f"at: {{column: {column}, not_before: live}}")
    ways = [
        true,
        imported(mapping, table, tmp_path),
        [event for event in true if event["occurred_at"] >= "2026-03-01"],
    ]
    found = [as_of(events, NOON) for events in ways]
    for row, (metric, labels, cells) in LIVE.items():
        assert [shown(each, metric, **labels) for each in found] == cells, row
        is_in_the_table(title, row, cells)


MERGED: Final = {
    "Leads": ("leads", {}, ["2", "2", "1", "1"]),
    "Offers sent": ("offers_sent", {}, ["1", "1", "0", "1"]),
    "Win ratio": ("win_ratio", {}, ["1 of 1", "1 of 2", "1 of 1", "1 of 1"]),
    "Offer acceptance": (
        "offer_acceptance_ratio",
        {"basis": "period"},
        ["–", "0 of 1", "–", "1 of 1"],
    ),
    "Open value": ("open_value", {"stage": "offer", "currency": "EUR"}, ["700", "–", "–", "–"]),
}


def test_a_merged_duplicate() -> None:
    before, (erasure, offer) = stories("Merged duplicates")
    lost = {
        "type": "stage_changed",
        "event_id": "lost",
        "deal_id": "B",
        "occurred_at": "2026-03-21T09:00:00Z",
        "stage": "lost",
        "lost_reason": "duplicate",
    }
    ways = [before, [*before, lost], [*before, erasure], [*before, erasure, offer]]
    found = [as_of(events, NOON) for events in ways]
    for row, (metric, labels, cells) in MERGED.items():
        assert [shown(each, metric, **labels) for each in found] == cells, row
        is_in_the_table("Merged duplicates", row, cells)


WON: Final = {"outcome": "won", "currency": "EUR"}
REFUNDED: Final = {"reason": "refunded", "lost_from": "won", "offered": "false"}
REFUNDS: Final = {
    "Value won, of March and April (`60d`)": (
        "deal_value",
        "60d",
        WON,
        ["1500", "1300", "500", "500"],
    ),
    "Win ratio, of March and April (`60d`)": (
        "win_ratio",
        "60d",
        {},
        ["2 of 2", "2 of 2", "2 of 2", "1 of 2"],
    ),
    "Value won in April (`30d`)": ("deal_value", "30d", WON, ["–"] * 4),
    "Win ratio in April (`30d`)": ("win_ratio", "30d", {}, ["–", "–", "–", "0 of 1"]),
    "Value lost in April": (
        "deal_value",
        "30d",
        {"outcome": "lost", "currency": "EUR"},
        ["–", "–", "–", "1000"],
    ),
    "Lost in April, refunded": ("lost_deals", "30d", REFUNDED, ["–", "–", "–", "1"]),
}


def test_a_refund() -> None:
    sold, *told = stories("Refunds")
    at_the_end = "2026-04-30T12:00:00Z"
    found = [as_of(sold, at_the_end, "30d", "60d")]
    found += [as_of([*sold, *after], at_the_end, "30d", "60d") for after in told]
    for row, (metric, window, labels, cells) in REFUNDS.items():
        assert [shown(each, metric, window, **labels) for each in found] == cells, row
        is_in_the_table("Refunds", row, cells)


def test_the_reason_of_a_refund_has_an_event_of_its_own() -> None:
    sold, *_, (loss, reason) = stories("Refunds")
    for events in ([{**loss, "lost_reason": "refunded"}], [loss]):
        found = as_of([*sold, *events], "2026-04-30T12:00:00Z")
        assert shown(found, "lost_deals", **REFUNDED) == "–"
    found = as_of([*sold, loss, reason], "2026-04-30T12:00:00Z")
    assert shown(found, "lost_deals", **REFUNDED) == "1"


def test_a_table_of_refunds(tmp_path: Path) -> None:
    sold, (part, *_), *_ = stories("Refunds")
    [mapping] = blocks(section("Refunds"), "yaml")
    events = imported(mapping, "deal,refunded_on,left\n4711,2026-04-10T10:00:00Z,800\n", tmp_path)
    found = [as_of([*sold, *one], "2026-04-30T12:00:00Z", "60d") for one in (events, [part])]
    assert [shown(each, "deal_value", "60d", **WON) for each in found] == ["1300", "1300"]


# --- how to check ---------------------------------------------------------------------------------


def test_a_year_is_computed_as_the_recipes_say() -> None:
    [command] = re.findall(r"^funnel-stream compute \S+ --as-of (2025.*)$", RECIPES, re.MULTILINE)
    when, _, window = command.split()
    moments = [
        "2024-12-31T23:59:59Z",
        "2025-01-01T00:00:00Z",
        "2025-12-31T23:59:59Z",
        "2026-01-01T00:00:00Z",
    ]
    events = [
        {"type": "stage_changed", "event_id": at, "deal_id": at, "occurred_at": at, "stage": "lead"}
        for at in moments
    ]
    assert figure(as_of(events, when, window), "funnel_leads", window) == 2
    with pytest.raises(ValueError, match="401d is longer than the 400d"):
        Definition(windows=["401d"])


def test_a_closing_by_a_misclick_counts_as_of_the_export_and_afresh_as_of_its_date(
    tmp_path: Path,
) -> None:
    tables = blocks(section("Correcting an import"), "csv")
    mapping = mapped(DEALS.replace(", attributes: {lost_reason: why}", ""))
    old, new = ({"deals.csv": table} for table in tables)
    moment = datetime.fromisoformat("2026-03-09T06:00:00Z")
    changed = compared(tmp_path, mapping, old, new, moment)
    first = importing(tmp_path / "first", mapping, old, moment)
    afresh = importing(tmp_path / "afresh", mapping, new, moment)
    before, alone = ([json.loads(line) for line in one.lines()] for one in (first, afresh))
    for events, months in (([*before, *changed.events], [0, 1]), (alone, [1, 1])):
        found = [
            as_of(events, when, "60d") for when in ("2026-02-01T12:00:00Z", "2026-03-08T12:00:00Z")
        ]
        assert [
            figure(one, "funnel_deals_closed", "60d", outcome="won") or 0 for one in found
        ] == months
    assert [reason for _, reason, _ in changed.left_out()] == ["cannot_be_said"]
