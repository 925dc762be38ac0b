"""The deals behind a figure: as many, or worth as much, as the figure says; and page by page."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.answers.deal_list import Cursor, Entry, Finder, Walk
from funnel_stream.answers.question import parse_question
from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.facts.deals import Deals
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import as_record
from tests.funnels import at, computed, event, funnels, instants, lines, micros, stage
from tests.unit.answers.test_explanation import DEFINITION, NOW_MS, SPELLED, additive, folded

START = Cursor(-1, b"")


def parameters(sample: Sample) -> dict[str, str]:
    """What to ask for so that the deals behind a sample are found."""
    name, _, part = sample.metric.removeprefix("funnel_").rpartition("_")
    if part not in ("numerator", "denominator", "sum", "count"):
        name, part = sample.metric.removeprefix("funnel_"), ""
    asked = {"kpi": name.removesuffix("_breakdown"), **sample.labels}
    return {**asked, "part": part} if part else asked


def listed(
    deals: Deals, asked: dict[str, str], as_of: int, definition: Definition = DEFINITION
) -> list[Entry]:
    walk = Walk(
        {0: deals},
        Finder(parse_question(asked, definition), definition, as_of),
        START,
        limit=1_000_000,
    )
    for _ in walk.steps():
        pass
    assert walk.cursor is None
    return walk.entries


@settings(max_examples=60)
@given(funnels(), instants, st.data())
def test_the_deals_behind_a_figure_add_up_to_it(
    events: list[dict[str, Any]], as_of: int, data: st.DataObject
) -> None:
    definition = data.draw(st.sampled_from([DEFINITION, SPELLED]))
    deals = folded(events, as_of, definition)
    found = additive(samples(computed(events, as_of, definition).snapshot))
    if not found:
        return
    for sample in data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=20)):
        entries = listed(deals, parameters(sample), as_of, definition)
        total = float(sum(Fraction(entry.contribution) for entry in entries))
        assert total == pytest.approx(sample.value, rel=1e-12), sample


EVENTS = [
    stage("b", "lead", at(), channel="web"),
    stage("b", "won", at(days=1), amount="12.50", currency="EUR"),
    stage("a", "lead", at(), channel="web", product="x", problems=["p", "q"]),
    stage("c", "offer", at(days=2), channel="fair", score=7.5),
    stage("d", "lost", at(days=2), lost_reason="price", pipeline="other"),
    event("activity_recorded", "e", at(days=2), activity="call"),
]
AS_OF = micros(days=3)


def ids(definition: Definition = DEFINITION, **asked: str) -> list[str]:
    entries = listed(folded(EVENTS, definition=definition), asked, AS_OF, definition)
    return [entry.deal_id for entry in entries]


def test_labels_that_are_left_out_of_a_count_mean_any() -> None:
    assert ids(kpi="leads", window="30d") == ["a", "b", "c", "d"]
    assert ids(kpi="funnel_leads", window="30d", pipeline="default") == ["a", "b", "c"]
    assert ids(kpi="leads", window="30d", dimension="channel", value="web") == ["a", "b"]
    assert ids(kpi="leads", window="30d", dimension="channel", value="__none__") == ["d"]
    assert ids(kpi="leads", window="30d", dimension="channel+product", value="web + x") == ["a"]
    assert ids(kpi="leads", window="1h") == []
    assert ids(kpi="open_deals") == ["a", "c"]
    assert ids(kpi="open_deals", stage="offer") == ["c"]
    assert ids(kpi="problems", window="30d", problem="q") == []
    assert ids(kpi="lost_deals", window="30d", reason="price") == ["d"]
    assert ids(kpi="activities", window="30d", activity="call") == ["e"]


def test_deals_are_asked_for_by_value_in_any_spelling() -> None:
    own = {"fold_case": True, "aliases": {"adwords": "Paid Search"}}
    read = Definition.model_validate({"values": {"channel": own, "product": {"keep": "first"}}})
    events = [
        stage("a", "lead", at(), channel="paid  search ", product="x"),
        stage("b", "lead", at(), channel="AdWords"),
        stage("c", "lead", at(), channel="fair", owner="Ann\u00a0 Lee"),
        stage("a", "won", at(days=1), product="y"),
    ]
    deals = folded(events, definition=read)

    def found(dimension: str, value: str) -> list[str]:
        asked = {"kpi": "leads", "window": "30d", "dimension": dimension, "value": value}
        return [entry.deal_id for entry in listed(deals, asked, AS_OF, read)]

    for value in ("Paid Search", "paid search", " PAID SEARCH", "adWords"):
        assert found("channel", value) == ["a", "b"]
    assert found("owner", "Ann Lee") == found("owner", "Ann  Lee ") == ["c"]
    assert found("owner", "ann lee") == found("product", "y") == []
    [entry] = listed(deals, {"kpi": "deals_closed", "window": "30d"}, AS_OF, read)
    assert entry.attributes == {"channel": "Paid Search", "product": "x"}


def test_an_entry_says_what_the_deal_adds_and_what_it_is() -> None:
    asked = {"kpi": "deal_value", "window": "30d", "outcome": "won", "currency": "EUR"}
    [entry] = listed(folded(EVENTS), asked, AS_OF)
    assert entry.deal_id == "b"
    assert entry.pipeline == "default"
    assert entry.stage == "won"
    assert entry.contribution == 12.5
    assert entry.at.isoformat() == at(days=1)
    assert entry.attributes == {"channel": "web", "amount": "12.50 EUR"}
    [without] = listed(folded(EVENTS), {"kpi": "activities", "window": "30d"}, AS_OF)
    assert without.stage is None


def test_a_ratio_has_deals_above_and_below_the_line() -> None:
    asked = {"kpi": "sales_conversion_ratio", "basis": "cohort", "window": "30d"}
    assert ids(**asked) == ["b"]
    assert ids(**asked, part="denominator") == ["a", "b", "c", "d"]


def test_a_mean_has_the_deals_that_it_counts() -> None:
    asked = {"kpi": "time_to_close_seconds", "outcome": "won", "window": "30d"}
    assert ids(**asked) == ["b"]
    [entry] = listed(folded(EVENTS), {**asked, "part": "sum"}, AS_OF)
    assert entry.contribution == 86_400.0


@pytest.mark.parametrize(
    ("asked", "error", "allowed"),
    [
        ({}, "kpi: which figure", "leads, conversion_ratio"),
        ({"kpi": "lead"}, "kpi: there is no KPI 'lead'", "leads"),
        ({"kpi": "spend", "window": "1h"}, "kpi: spend has no deals behind it: money", "leads"),
        ({"kpi": "cost_per_lead"}, "cost_per_lead has no deals behind it: it is spend", "leads"),
        ({"kpi": "pipeline_velocity"}, "pipeline_velocity has no deals behind it", "leads"),
        ({"kpi": "leads", "windows": "1h"}, "leads has no parameter 'windows'", "window"),
        ({"kpi": "leads", "stage": "lead"}, "leads has no parameter 'stage'", "pipeline"),
        ({"kpi": "leads"}, "window: which one", "1h, 24h, 7d, 30d, 365d"),
        ({"kpi": "leads", "window": "3h"}, "window: leads has no window '3h' here", "1h, 24h"),
        ({"kpi": "leads", "window": "1h", "part": "sum"}, "part: leads has no parts", ""),
        ({"kpi": "open_deals", "window": "1h"}, "window: open_deals describes the present", ""),
        ({"kpi": "open_deals", "stage": "won"}, "stage: 'won' is not possible", "lead, qualified"),
        ({"kpi": "win_ratio", "window": "1h", "part": "sum"}, "part: win_ratio has no 'sum'",
         "numerator, denominator"),
        ({"kpi": "time_to_close_seconds", "window": "1h", "outcome": "won", "part": "quantile"},
         "part: time_to_close_seconds has no 'quantile'", "sum, count"),
        ({"kpi": "time_to_close_seconds", "window": "1h"}, "outcome: which outcome", "won, lost"),
        ({"kpi": "lead_quality_ratio", "window": "1h"}, "basis: which basis", "period, cohort"),
        ({"kpi": "lead_quality_ratio", "window": "1h", "basis": "matured"},
         "basis: 'matured' is not possible", "period, cohort"),
        ({"kpi": "conversion_ratio", "window": "1h", "from_stage": "won"},
         "from_stage: 'won' is not possible", "lead, qualified, potential, offer, negotiation"),
        ({"kpi": "conversion_ratio", "window": "1h", "from_stage": "offer", "to_stage": "lead"},
         "to_stage: 'lead' is not possible", "negotiation, won"),
        ({"kpi": "conversion_ratio", "window": "30d", "from_stage": "lead", "to_stage": "won",
          "basis": "matured"}, "horizon: which horizon", "1d, 7d, 30d"),
        ({"kpi": "conversion_ratio", "window": "30d", "from_stage": "lead", "to_stage": "won",
          "basis": "matured", "horizon": "2d"}, "horizon: '2d' is not possible", "1d, 7d, 30d"),
        ({"kpi": "conversion_ratio", "window": "30d", "from_stage": "lead", "to_stage": "won",
          "basis": "period", "horizon": "1d"}, "horizon: '1d' is not possible", "none"),
        ({"kpi": "conversion_ratio", "window": "1h", "from_stage": "lead", "to_stage": "won",
          "basis": "matured", "horizon": "1d"}, "no window '1h' here", "24h, 7d, 30d, 365d"),
        ({"kpi": "deal_value", "window": "1h", "outcome": "won"}, "currency: which currency", ""),
        ({"kpi": "deal_value", "window": "1h", "currency": "EURO"},
         "currency: 'EURO' is not in ISO 4217", ""),
        ({"kpi": "deal_value", "window": "1h", "currency": "EUR", "outcome": "open"},
         "outcome: there is no 'open'", "won, lost"),
        ({"kpi": "lost_deals", "window": "1h", "lost_from": "lost"},
         "lost_from: there is no 'lost'", "lead, qualified, potential, offer, negotiation, won."),
        ({"kpi": "lost_deals", "window": "1h", "offered": "yes"},
         "offered: there is no 'yes'", "true, false"),
        ({"kpi": "open_value", "stage": "won", "currency": "EUR"},
         "stage: there is no 'won'", "lead, qualified, potential, offer, negotiation."),
        ({"kpi": "lead_score", "window": "1h", "qualified": "maybe"},
         "qualified: 'maybe' is not possible", "true, false"),
        ({"kpi": "activities", "window": "1h", "outcome": "won"},
         "outcome: 'won' is not possible", "held, no_show"),
        ({"kpi": "transitions", "window": "1h", "from_stage": "won", "to_stage": "won"},
         "to_stage: 'won' is not possible", "lead, qualified, potential, offer, negotiation, lost"),
        ({"kpi": "lost_deals", "window": "1h", "reason": "__other__"},
         "reason: __other__ is the sum", ""),
        ({"kpi": "leads", "window": "1h", "dimension": "colour"},
         "dimension: there is no 'colour'", "channel, channel+product"),
        ({"kpi": "leads", "window": "1h", "dimension": "channel"},
         "value: which channel is meant? __none__", ""),
        ({"kpi": "leads", "window": "1h", "value": "web"}, "dimension: which dimension", ""),
        ({"kpi": "leads", "window": "1h", "dimension": "channel", "value": "__other__"},
         "value: __other__ is the sum", ""),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_right(
    asked: dict[str, str], error: str, allowed: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse_question(asked, DEFINITION)
    assert error in refused.value.message
    assert allowed in (refused.value.hint or "")


def test_the_questions_of_the_documentation_are_right() -> None:
    text = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")
    asked = [dict(parse_qsl(query)) for query in re.findall(r"/api/deals\?([^' ]+)'", text)]
    assert [parse_question(_figure(each), Definition()).kpi.id for each in asked] == [
        "win_ratio",
        "open_deals",
    ]


def _figure(asked: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if name != "limit"}


def test_a_pipeline_has_its_own_horizons() -> None:
    definition = Definition.model_validate(
        {"pipelines": {"default": {}, "fast": {"horizons": ["6h"]}}}
    )
    asked = {
        "kpi": "conversion_ratio",
        "from_stage": "lead",
        "to_stage": "won",
        "basis": "matured",
        "horizon": "6h",
        "window": "30d",
    }
    assert parse_question({**asked, "pipeline": "fast"}, definition).pipeline == "fast"
    assert parse_question(asked, definition).pipeline is None
    with pytest.raises(UsageError, match="horizon: '6h' is not possible"):
        parse_question({**asked, "pipeline": "default"}, definition)


# --- page by page ---------------------------------------------------------------------------------


def many(*names: str) -> Deals:
    return folded([stage(name, "lead", at()) for name in names])


def pages(deals: dict[int, Deals], limit: int) -> list[list[str]]:
    finder = Finder(
        parse_question({"kpi": "leads", "window": "30d"}, DEFINITION), DEFINITION, AS_OF
    )
    place: Cursor | None = START
    found = []
    while place is not None:
        walk = Walk(deals, finder, place, limit=limit)
        for _ in walk.steps():
            pass
        found.append([entry.deal_id for entry in walk.entries])
        place = walk.cursor
    return found


def test_pages_go_by_partition_and_id() -> None:
    deals = {3: many("c", "a", "b"), 1: many("z", "é", "y"), 2: many()}
    assert pages(deals, 2) == [["y", "z"], ["é", "a"], ["b", "c"], []]
    assert pages(deals, 100) == [["y", "z", "é", "a", "b", "c"]]
    assert pages({}, 5) == [[]]


def test_a_walk_goes_on_after_changes_and_at_any_step() -> None:
    deals = many(*(f"d{number:02}" for number in range(20)))
    finder = Finder(
        parse_question({"kpi": "leads", "window": "30d"}, DEFINITION), DEFINITION, AS_OF
    )
    walk = Walk({0: deals}, finder, START, limit=1000)
    steps = walk.steps()
    while not walk.progressed:
        next(steps)
    assert [entry.deal_id for entry in walk.entries] == ["d00"]
    erased = [{"type": "deal_erased", "deal_id": deal} for deal in ("d00", "d05")]
    news = [stage("c", "lead", at()), stage("d011", "lead", at()), *erased]
    deals.fold([as_record(number, line, NOW_MS) for number, line in enumerate(lines(news))])
    assert walk.cursor is not None
    rest = Walk({0: deals}, finder, walk.cursor, limit=1000)
    for _ in rest.steps():
        pass
    expected = ["d01", "d011", *(f"d{number:02}" for number in range(2, 20) if number != 5)]
    assert [entry.deal_id for entry in rest.entries] == expected
