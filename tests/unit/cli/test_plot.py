"""``--plot``: what the pictures show, and that the same figures make the same picture."""

import json
import re
from itertools import pairwise
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.cli import plot
from funnel_stream.cli.plot import colours_of, spread
from funnel_stream.cli.plot_data import Curves, FunnelBars, PlotLine, Recorder, chosen, funnels
from funnel_stream.definition import Definition
from funnel_stream.replay.history import History
from tests.funnels import NOW, at, computed, lines, micros, stage
from tests.unit.cli.test_main import run

DAYS = range(1, 5)
EVENTS = [
    *(stage(f"f{n}", "lead", at(hours=n), channel="fair") for n in range(12)),
    *(stage(f"w{n}", "lead", at(days=1, hours=n), channel="web") for n in range(11)),
    stage("x", "lead", at(days=1), channel="xing"),
    stage("n", "lead", at(days=1)),
    *(stage(f"f{n}", "qualified", at(days=2)) for n in range(6)),
    stage("f0", "won", at(days=3), amount=100, currency="EUR"),
    stage("f1", "lost", at(days=3)),
    stage("p", "lost", at(days=3), pipeline="partner"),
]


def recorded(kpi: str, by: str) -> Curves:
    history = History(lines(EVENTS), Definition(), now_ms=int(NOW.timestamp() * 1000))
    recorder = Recorder(chosen([kpi]), "30d", by)
    for snapshot in history.snapshots([micros(days=day) for day in DAYS]):
        recorder.add(snapshot)
    [curves] = recorder.curves("default")
    return curves


def told(curves: Curves) -> list[tuple[str, list[float | None], bool]]:
    return [
        (line.name, [None if isnan(value) else value for value in line.values], line.others)
        for line in curves.lines
    ]


def test_the_funnel_is_of_the_leads_of_the_window() -> None:
    found = funnels(computed(EVENTS).snapshot, "30d")
    names = ("Leads", "Qualified", "Potential", "Offer", "Negotiation", "Won")
    assert found == [
        FunnelBars("default", names, (25, 6, 1, 1, 1, 1)),
        FunnelBars("partner", names, (1, 0, 0, 0, 0, 0)),
    ]
    assert found[0].conversions() == [6 / 25, 1 / 6, 1, 1, 1]
    assert found[1].conversions() == [0, None, None, None, None]


def test_a_line_for_every_label() -> None:
    assert told(recorded("deals_closed", "")) == [
        ("won", [0, 0, 1, 1], False),
        ("lost", [0, 0, 1, 1], False),
    ]


def test_a_line_for_each_value_with_enough_cases_and_one_for_the_rest() -> None:
    curves = recorded("lead_quality_ratio", "channel")
    assert curves.detail == "cohort"
    assert told(curves) == [
        ("fair", [0, 6 / 12, 6 / 12, 6 / 12], False),
        ("web", [0, 0, 0, 0], False),
        ("all others", [0, 0, 0, 0], True),
    ]
    assert told(recorded("win_ratio", "channel")) == [
        ("all others", [None, None, 0.5, 0.5], True),
    ]


def test_what_stands_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plot._STYLE, "svg.fonttype", "none")
    path = tmp_path / "funnel.svg"
    curves = recorded("lead_quality_ratio", "channel")
    plot.draw(
        path,
        Definition.model_validate({"pipelines": {"default": {"title": "Sales & more"}}}),
        micros(days=4),
        [(found, [curves]) for found in funnels(computed(EVENTS).snapshot, "30d")],
        times=[micros(days=day) for day in DAYS],
        windows=("30d", "30d"),
        by="channel",
    )
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
    assert {
        "The funnel of Sales &amp; more",
        "The funnel of partner",
        "Leads of the last 30 days, and how far they have got",
        "25",
        "6   24.0 % of leads",
        "↓ 16.7 % moved on",
        "Lead quality: Sales &amp; more",
        "fair",
        "web",
        "all others",
        "As of 6 Mar 2026 UTC · funnel-stream",
    } <= set(texts)


@pytest.mark.parametrize(
    ("options", "name", "begins"),
    [
        ([], "a.png", b"\x89PNG"),
        (["--every", "1d"], "a.png", b"\x89PNG"),
        (["--every", "1d", "-k", "leads", "-d", "channel"], "a.svg", b"<?xml"),
        (["--every", "1d", "-k", "open_deals", "-k", "pipeline_velocity"], "a.svg", b"<?xml"),
    ],
)
def test_the_same_figures_make_the_same_picture(
    tmp_path: Path, options: list[str], name: str, begins: bytes
) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS), encoding="utf-8")
    pictures = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / name
        done = run("compute", str(events), *options, "--plot", str(path))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert done.stderr.splitlines()[-1] == f"{path} written"
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(begins)


def test_a_name_has_one_colour_in_all_pipelines() -> None:
    known: dict[str, str] = {}
    first = colours_of(["won", "lost"], known)
    second = colours_of(["lost", "won"], known)
    assert first == second
    assert len(set(first.values())) == 2
    assert colours_of(["new", "lost"], known) == {"lost": first["lost"], "new": known["new"]}
    assert known["new"] not in first.values()


_names = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=5)


@given(st.lists(_names, max_size=4))
def test_no_two_lines_of_a_picture_have_one_colour(panels: list[list[str]]) -> None:
    known: dict[str, str] = {}
    for names in panels:
        found = colours_of(names, known)
        assert found.keys() == set(names)
        assert len(set(found.values())) == len(names)


@given(st.lists(st.floats(0, 1), max_size=6).map(sorted))
def test_names_of_lines_do_not_cover_each_other(places: list[float]) -> None:
    moved = spread(places, 0.1)
    assert len(moved) == len(places)
    assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(moved))
    assert all(place <= 1 + 1e-9 for place in moved)
    if all(after - before >= 0.1 for before, after in pairwise(places)):
        assert moved == pytest.approx(places)


def test_a_line_without_any_figure_is_no_error(tmp_path: Path) -> None:
    [win_ratio] = chosen(["win_ratio"])
    empty = Curves("default", win_ratio, "", [PlotLine("", [float("nan")] * 2)])
    stages = ("Leads", "Qualified", "Potential", "Offer", "Negotiation", "Won")
    funnel = FunnelBars("default", stages, (0,) * 6)
    path = tmp_path / "empty.png"
    plot.draw(path, Definition(), 0, [(funnel, [empty])], times=[0, 1], windows=("1h", "1h"))
    assert path.read_bytes().startswith(b"\x89PNG")
