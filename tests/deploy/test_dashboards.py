"""The dashboards: in step with the catalogue and with what is committed, and put down properly."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ops.dashboards import defaults, files, queries
from ops.dashboards.__main__ import main
from ops.dashboards.stages import stage_page

from funnel_stream.kpis.catalogue import HEADLINES, KPIS
from funnel_stream.kpis.kpi import Kpi

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
BOARDS: dict[str, Any] = {name: json.loads(text) for name, text in files().items()}
STAGES = (
    "1-lead",
    "2-qualification",
    "3-potential",
    "4-offer",
    "5-negotiation",
    "6-contract",
)
UIDS = {
    "funnel-overview",
    *(f"funnel-stage-{stage}" for stage in STAGES),
    "funnel-sales",
    "funnel-breakdowns",
    "funnel-operations",
}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())


def panels(board: Any) -> list[Any]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def texts(board: Any) -> str:
    return json.dumps(board, ensure_ascii=False)


# --- the files ------------------------------------------------------------------------------------


def test_the_committed_files_are_in_step() -> None:
    committed = {
        path.name: path.read_text(encoding="utf-8")
        for path in (GRAFANA / "dashboards").glob("*.json")
    }
    assert committed == files(), "run `make dashboards`"


def test_writing_again_changes_nothing_and_removes_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "stale.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("mine")
    main([str(tmp_path)])
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == {**files(), "mine.txt": "mine"}
    main([str(tmp_path)])
    assert written == {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}


@each_board
def test_grafanas_own_model_reads_all_of_it(board: Any) -> None:
    register_default_plugins()
    model = Dashboard.from_json(board)
    read = json.loads(json.dumps(model, cls=JSONEncoder))
    for annotation in board["annotations"]["list"]:
        # Read by Grafana's Prometheus source, not by the model.
        extra = {"titleFormat", "textFormat", "tagKeys"}
        assert extra <= annotation.keys()
        (same,) = [each for each in read["annotations"]["list"] if each["name"] == "Alerts"]
        same |= {name: annotation[name] for name in extra}
    assert read == board


def test_uids_are_those_that_alerts_link_to() -> None:
    assert [board["uid"] for board in BOARDS.values()] == [
        name.removesuffix(".json") for name in BOARDS
    ]
    assert {board["uid"] for board in BOARDS.values()} == UIDS
    assert all(len(uid) <= 40 for uid in UIDS)


# --- the catalogue --------------------------------------------------------------------------------


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_every_kpi_is_shown(kpi: Kpi) -> None:
    names = "|".join(f"{kpi.metric}{suffix}" for suffix in kpi.form.suffixes)
    boards = {uid for uid, _, expr in queries() if re.search(rf"\b({names})\b", expr)}
    assert boards
    if kpi.stage:
        assert f"funnel-stage-{STAGES[kpi.stage - 1]}" in boards


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_a_kpi_that_is_added_shows_up_by_itself(kpi: Kpi) -> None:
    stage = kpi.stage or 3
    new = replace(kpi, id=f"new_{kpi.id}", title="Brand new", help="What is new.", stage=stage)
    before = json.loads(json.dumps(stage_page(stage).build(), cls=JSONEncoder))
    after = json.loads(json.dumps(stage_page(stage, (*KPIS, new)).build(), cls=JSONEncoder))
    old = {panel["title"] for panel in panels(before)}
    added = [panel for panel in panels(after) if panel["title"] not in old]
    assert added
    for panel in added:
        assert panel["title"].startswith("Brand new")
        assert "What is new." in panel["description"]
        assert f"funnel_new_{kpi.id}" in texts(panel["targets"])
        assert ("$currency" in panel["title"]) == new.unit.startswith("money")
        unit = {"seconds": "s", "ratio": "percentunit"}.get(new.unit, "short")
        assert panel["fieldConfig"]["defaults"]["unit"] == unit


def test_what_is_broken_down_is_on_the_breakdowns() -> None:
    asked = " ".join(expr for uid, _, expr in queries() if uid == "funnel-breakdowns")
    for kpi in HEADLINES:
        assert re.search(rf"\bfunnel_{kpi}_breakdown\b", asked), kpi


# --- what is seen ---------------------------------------------------------------------------------


@each_board
def test_panels_say_what_they_show(board: Any) -> None:
    assert board["title"]
    assert board["description"]
    for panel in panels(board):
        assert panel["title"], panel
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


@each_board
def test_panels_fill_the_grid_and_never_overlap(board: Any) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    for place in places:
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    area = sum(place["w"] * place["h"] for place in places)
    assert area == 24 * max(place["y"] + place["h"] for place in places), "there are holes"


@each_board
def test_ids_are_unique(board: Any) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(board):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


@each_board
def test_what_overrides_name_is_there(board: Any) -> None:
    """A band needs the series that it is filled down to; a pattern has to meet a series."""
    for panel in panels(board):
        legends = [target.get("legendFormat", "") for target in panel["targets"]]
        renamed = [
            name
            for step in panel.get("transformations", [])
            for name in step["options"].get("renameByName", {}).values()
        ]
        for override in panel["fieldConfig"]["overrides"]:
            named = override["matcher"]["options"]
            if override["matcher"]["id"] == "byName":
                assert named in {*legends, *renamed, *expanded(legends)}, panel["title"]
            for each in override["properties"]:
                if each["id"] == "custom.fillBelowTo":
                    assert each["value"] in legends, panel["title"]


def expanded(legends: list[str]) -> set[str]:
    return {legend.replace("{{period}}", "now") for legend in legends}


# --- choices and links ----------------------------------------------------------------------------


@each_board
def test_variables_are_defined_and_start_with_their_defaults(board: Any) -> None:
    defined = {each["name"]: each for each in board["templating"]["list"]}
    for name, value in defaults().items():
        if not name.startswith("__"):
            assert defined[name]["current"]["value"] == value
    used = set(re.findall(r"\$\{?([a-z]\w*)", texts(board)))
    assert used <= defined.keys()
    hidden = {name for name, each in defined.items() if each.get("hide") == 2}
    asked = " ".join(target["expr"] for panel in panels(board) for target in panel["targets"])
    for name in hidden - {"matured_window", "breakdown_window", "matured_breakdown_window"}:
        assert not re.search(rf"\${name}\b", asked), f"{name} cannot be chosen"


def test_a_variable_asks_only_for_those_before_it() -> None:
    known: set[str] = set()
    for each in BOARDS["funnel-overview.json"]["templating"]["list"]:
        asked = set(re.findall(r"\$\{?(\w+)", json.dumps([each["query"], each.get("datasource")])))
        assert asked <= known, each["name"]
        known.add(each["name"])


@each_board
def test_links_lead_to_dashboards_and_keep_the_choices(board: Any) -> None:
    links = board["links"]
    assert {link["url"] for link in links if link["type"] == "link"} == {
        f"/d/funnel-{name}"
        for name in ("overview", "sales", "breakdowns", "operations")
        if f"funnel-{name}" != board["uid"]
    }
    assert all(link["includeVars"] and link["keepTime"] for link in links)
    (stages,) = [link for link in links if link["type"] == "dashboards"]
    assert stages["tags"] == ["funnel-stage"]
    for url in re.findall(r'"(/d/[^"]*\?[^"]*)"', texts(board)):
        uid, query = url.removeprefix("/d/").split("?")
        assert uid in UIDS
        for name in ("pipeline", "window", "dimension", "currency"):
            assert f"${{{name}:queryparam}}" in query or f"var-{name}=" in query


def test_the_funnel_leads_to_the_stages() -> None:
    funnel = next(
        panel for panel in panels(BOARDS["funnel-overview.json"]) if panel["title"] == "The funnel"
    )
    for stage in STAGES:
        assert f"/d/funnel-stage-{stage}?" in texts(funnel)
    for name, board in BOARDS.items():
        assert ("funnel-stage" in board["tags"]) == name.startswith("funnel-stage-")


@each_board
def test_firing_alerts_are_annotations(board: Any) -> None:
    (annotation,) = board["annotations"]["list"]
    assert annotation["enable"]
    assert annotation["expr"].startswith('ALERTS{alertstate="firing",alertname=~"Funnel.*"')
    assert 'pipeline=~"$pipeline|"' in annotation["expr"], "those of the service have none"


# --- provisioning ---------------------------------------------------------------------------------


def test_the_data_source_has_the_uid_that_dashboards_start_with() -> None:
    text = (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    sources = {each["uid"]: each for each in yaml.safe_load(text)["datasources"]}
    assert sources[defaults()["datasource"]]["type"] == "prometheus"
    assert [uid for uid, each in sources.items() if each.get("isDefault")] == ["prometheus"]


def test_dashboards_are_read_from_files() -> None:
    text = (GRAFANA / "provisioning" / "dashboards" / "funnel.yml").read_text()
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["type"] == "file"
    assert Path(provider["options"]["path"]).is_absolute()
