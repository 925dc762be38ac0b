"""The funnel that is drawn: how far deals got, and where the others went."""

from typing import Any

import pytest

from funnel_stream.exposition.page.funnel import Flow, Funnel, FunnelStage, funnel
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.kpis.accounting import fates_of_leads
from funnel_stream.kpis.samples import samples
from tests.funnels import at, stage
from tests.unit.exposition.page.looks import (
    Events,
    PageData,
    defined,
    funnel_of_six,
    look,
    query_of,
)

NAMES = ["lead", "qualified", "potential", "offer", "negotiation", "won"]


def drawn(events: Events, definition: Any = None, **query: str) -> Funnel:
    return of(look(events, definition, **query))


def of(seen: PageData) -> Funnel:
    ever = seen.scopes.leads(seen.view.pipeline)
    fates = fates_of_leads(seen.scopes.total(seen.view.pipeline, seen.view.window))
    links = DealLinks(seen.snapshot.definition)
    return funnel(seen.by_kpi, seen.view, links, ever=ever, fates=fates)


def by_name(shown: Funnel) -> dict[str, FunnelStage]:
    return {each.name: each for each in shown.stages}


def told(flows: list[Flow]) -> list[tuple[str, str]]:
    return [(flow.name, flow.count) for flow in flows]


@pytest.mark.parametrize(
    ("basis", "counts"),
    [
        ("cohort", [5, 5, 2, 2, 1, 1]),
        ("period", [5, 6, 3, 3, 2, 2]),
        ("matured:7d", [5, 5, 2, 2, 1, 1]),
        ("matured:1d", [5, 2, 0, 0, 0, 0]),
    ],
)
def test_how_many_got_how_far_on_each_basis(basis: str, counts: list[float]) -> None:
    """``e`` became a lead before the window, and is won in it. A day after they had become leads
    only ``a`` and ``b`` were qualified."""
    shown = drawn(funnel_of_six(), basis=basis)
    assert [each.name for each in shown.stages] == NAMES
    assert [each.count for each in shown.stages] == counts
    assert shown.stages[0].count_text == "5"


@pytest.mark.parametrize("basis", ["period", "cohort", "matured:7d", "matured:1d"])
@pytest.mark.parametrize("window", ["24h", "30d", "365d"])
def test_counts_are_those_of_the_metrics(basis: str, window: str) -> None:
    seen = look(funnel_of_six(), basis=basis, window=window)
    wanted = {"from_stage": "lead", **seen.view.basis_labels}
    exported = {
        (each.metric.removeprefix("funnel_conversion_ratio"), each.labels["to_stage"]): each.value
        for each in samples(seen.snapshot, window=window, dimension="")
        if each.metric.startswith("funnel_conversion_ratio")
        and wanted.items() <= each.labels.items()
    }
    assert len(exported) >= 10
    shown = by_name(of(seen))
    assert shown["lead"].count == exported["_denominator", "qualified"]
    for name in NAMES[1:]:
        assert shown[name].count == exported["_numerator", name]


def test_shares_of_leads_and_of_the_stage_before() -> None:
    shown = by_name(drawn(funnel_of_six(), basis="period"))
    assert (shown["lead"].of_leads, shown["lead"].of_before) == (("", ""), ("", ""))
    assert [shown[name].of_leads for name in NAMES[1:]] == [
        ("120.0 %", "÷ 5"), ("60.0 %", "÷ 5"), ("60.0 %", "÷ 5"), ("40.0 %", "÷ 5"),
        ("40.0 %", "÷ 5"),
    ]  # fmt: skip
    assert [shown[name].of_before for name in NAMES[1:]] == [
        ("120.0 %", "÷ 5"), ("50.0 %", "÷ 6"), ("100.0 %", "÷ 3"), ("66.7 %", "÷ 3"),
        ("100.0 %", "÷ 2"),
    ]  # fmt: skip
    cohort = by_name(drawn(funnel_of_six(), basis="cohort"))
    assert (cohort["offer"].of_leads, cohort["offer"].of_before) == (
        ("40.0 %", "of 5"), ("100.0 %", "of 2"),
    )  # fmt: skip


def test_a_stage_after_an_empty_one_has_no_share() -> None:
    shown = by_name(drawn([stage("a", "lead", at(days=39))], basis="cohort"))
    none = ("0.0 %", "of 1")
    assert (shown["qualified"].of_leads, shown["qualified"].of_before) == (none, none)
    assert (shown["potential"].of_leads, shown["potential"].of_before) == (none, ("–", ""))


@pytest.mark.parametrize(
    ("basis", "stopped"),
    [
        ("cohort", ["0", "3", "0", "1", "0", None]),
        ("matured:1d", ["3", "2", "0", "0", "0", None]),
    ],
)
def test_how_many_of_the_same_deals_got_no_further(basis: str, stopped: list[str | None]) -> None:
    """Lost, moved back or still there: with those that went on they are all that got there."""
    shown = drawn(funnel_of_six(), basis=basis)
    assert not shown.of_period
    assert [each.stopped for each in shown.stages] == stopped
    counts = [each.count or 0 for each in shown.stages]
    assert sum(int(each or 0) for each in stopped) + counts[-1] == counts[0]
    assert [each.stopped_width for each in shown.stages] == [
        100 * int(each or 0) / counts[0] for each in stopped
    ]


@pytest.mark.parametrize("basis", ["cohort", "matured:1d", "matured:7d"])
def test_what_was_lost_in_the_window_stands_apart_from_deals_of_another_basis(basis: str) -> None:
    shown = drawn(funnel_of_six(), basis=basis)
    assert [each.name for each in shown.losses] == ["qualified", "offer"]
    assert drawn(funnel_of_six(), basis="period").of_period
    assert drawn([stage("a", "lead", at(days=39))], basis=basis).losses == []


def test_every_count_leads_to_its_deals() -> None:
    shown = by_name(drawn(funnel_of_six(), basis="matured:7d"))
    same = {
        "kpi": "conversion_ratio", "from_stage": "lead", "basis": "matured", "horizon": "7d",
        "pipeline": "default", "window": "30d",
    }  # fmt: skip
    assert query_of(shown["lead"].deals) == {
        **same, "to_stage": "qualified", "part": "denominator",
    }  # fmt: skip
    for name in NAMES[1:]:
        assert query_of(shown[name].deals) == {**same, "to_stage": name, "part": "numerator"}


def test_losses_by_stage_with_their_reasons() -> None:
    shown = by_name(drawn(funnel_of_six(), basis="period"))
    assert {name: each.lost.count for name, each in shown.items()} == {
        "lead": "0", "qualified": "1", "potential": "0", "offer": "1", "negotiation": "0",
        "won": "0",
    }  # fmt: skip
    assert told(shown["offer"].reasons) == [("price", "1")]
    assert shown["lead"].reasons == []
    assert shown["lead"].lost.deals == ""
    assert shown["offer"].lost_width == 16.7, "of 6 that were qualified"
    other = by_name(drawn(funnel_of_six(), basis="cohort"))
    assert other["offer"].lost_width == 100.0, "of the losses alone"
    assert query_of(shown["offer"].lost.deals) == {
        "kpi": "lost_deals", "lost_from": "offer", "pipeline": "default", "window": "30d",
    }  # fmt: skip
    assert query_of(shown["offer"].reasons[0].deals) == {
        "kpi": "lost_deals", "lost_from": "offer", "reason": "price", "pipeline": "default",
        "window": "30d",
    }  # fmt: skip


def lost(reason: str, number: int, since: str = "offer") -> Events:
    return [
        each
        for n in range(number)
        for each in (
            stage(f"{reason}{since}{n}", since, at(days=30)),
            stage(f"{reason}{since}{n}", "lost", at(days=31), lost_reason=reason),
        )
    ]


def test_the_two_most_frequent_reasons_and_the_others_together() -> None:
    """A deal goes back to potential after its offer: lost from there, but it had an offer."""
    went_back = [stage("x", "offer", at(days=30)), stage("x", "potential", at(days=31))]
    went_back.append(stage("x", "lost", at(days=32), lost_reason="time"))
    events = [
        *lost("price", 3), *lost("time", 4), *lost("size", 2), *lost("trust", 1),
        *lost("time", 1, "potential"), *went_back,
    ]  # fmt: skip
    shown = by_name(drawn(events))
    assert told(shown["offer"].reasons) == [("time", "4"), ("price", "3"), ("others", "3")]
    assert shown["offer"].reasons[-1].deals == ""
    assert shown["offer"].lost.count == "10"
    assert told(shown["potential"].reasons) == [("time", "2")], "with and without an offer"


def test_the_rest_is_no_reason() -> None:
    events = [*lost("price", 3), *lost("time", 2), *(e for n in range(5) for e in lost(f"r{n}", 1))]
    shown = by_name(drawn(events, defined(top_n_of={"reason": 2})))
    assert told(shown["offer"].reasons) == [("price", "3"), ("time", "2"), ("others", "5")]


def test_no_reason_is_told_as_not_given() -> None:
    shown = by_name(drawn([stage("a", "lead", at(days=39)), stage("a", "lost", at(days=39.5))]))
    assert told(shown["lead"].reasons) == [("not given", "1")]
    assert query_of(shown["lead"].reasons[0].deals)["reason"] == "__none__"


def test_more_losses_than_deals_fill_the_bar() -> None:
    """Two old leads are lost in a window in which one came."""
    events = [
        *(stage(f"old{n}", "lead", at(days=1)) for n in range(2)),
        *(stage(f"old{n}", "lost", at(days=39)) for n in range(2)),
        stage("new", "lead", at(days=39)),
    ]
    assert by_name(drawn(events))["lead"].lost_width == 100.0


def test_moves_back_and_what_is_reopened() -> None:
    shown = drawn(funnel_of_six())
    assert {name: told(each.back) for name, each in by_name(shown).items() if each.back} == {
        "qualified": [("lead", "1")],
    }  # fmt: skip
    assert query_of(by_name(shown)["qualified"].back[0].deals) == {
        "kpi": "transitions", "from_stage": "qualified", "to_stage": "lead",
        "pipeline": "default", "window": "30d",
    }  # fmt: skip
    assert told(shown.reopened) == [("qualified", "1")]
    assert query_of(shown.reopened[0].deals)["from_stage"] == "lost"


def test_what_is_open_now() -> None:
    shown = by_name(drawn(funnel_of_six()))
    texts = {name: each.open and each.open.count for name, each in shown.items()}
    assert texts == {
        "lead": "1", "qualified": "1", "potential": "0", "offer": "0", "negotiation": "0",
        "won": None,
    }  # fmt: skip
    assert shown["lead"].open is not None
    assert query_of(shown["lead"].open.deals) == {
        "kpi": "open_deals", "stage": "lead", "pipeline": "default",
    }  # fmt: skip
    assert shown["offer"].open is not None
    assert shown["offer"].open.deals == ""


def test_stages_are_called_as_the_pipeline_calls_them() -> None:
    titles = {"won": "Customer", "lead": "Anfrage"}
    definition = defined(pipelines={"default": {"stage_titles": titles}, "other": {}})
    shown = drawn(funnel_of_six(), definition)
    assert [each.title for each in shown.stages] == [
        "Anfrage", "Qualified", "Potential", "Offer", "Negotiation", "Customer",
    ]  # fmt: skip
    assert told(by_name(shown)["qualified"].back) == [("Anfrage", "1")]
    assert drawn(funnel_of_six(), definition, pipeline="other").stages[0].title == "Lead"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"basis": "cohort"}, "No leads came in during this window: choose a longer one."),
        ({"basis": "period"}, "No leads came in during this window: choose a longer one."),
        ({"basis": "matured:7d"},
         "No lead in this window is old enough yet: choose another basis."),
        ({"basis": "matured:7d", "window": "1h"},
         "Matured conversions need a longer window: choose 24 h or more."),
    ],
)  # fmt: skip
def test_an_empty_funnel_says_why(query: dict[str, str], why: str) -> None:
    """The only lead came long before."""
    shown = drawn([stage("a", "lead", at(days=-60))], **query)
    assert shown.empty == why
    known = not why.startswith("Matured")
    assert {each.count for each in shown.stages} == {0 if known else None}
    assert {each.count_text for each in shown.stages} == {"0" if known else "–"}
    assert {each.deals != "" for each in shown.stages} == {known}


def test_a_pipeline_without_a_lead_says_what_to_do() -> None:
    assert "Publish events to Kafka" in drawn([]).empty
    events = [stage("a", "lead", at(days=39), pipeline="full")]
    assert drawn(events, pipeline="full", basis="cohort").empty == ""
    assert "or choose another pipeline" in drawn(events, pipeline="default").empty


def test_leads_that_are_too_young_to_be_judged() -> None:
    young = [stage("a", "lead", at(days=39))]
    assert drawn(young, basis="matured:7d").empty.startswith("No lead in this window is old")
    assert drawn(young, basis="cohort").empty == ""


def test_the_drawing_is_of_the_counts() -> None:
    shown = by_name(drawn(funnel_of_six(), basis="period"))
    assert shown["qualified"].slice.body.startswith("0,0 1000,0 "), "6 of 6"
    assert shown["offer"].slice.body.startswith("250,0 750,0 "), "3 of 6"
    assert shown["won"].slice.passage == ""


# --- what became of the cohort --------------------------------------------------------------------


def test_a_cohort_ends_as_its_own_deals_did() -> None:
    """Whatever was lost in the window of other deals: ``old`` is no lead of it."""
    events = [
        stage("old", "lead", at(days=-40)),
        stage("old", "lost", at(days=39)),
        stage("lost early", "lead", at(days=30)),
        stage("lost early", "lost", at(days=31)),
        stage("lost late", "lead", at(days=30)),
        stage("lost late", "offer", at(days=31)),
        stage("lost late", "qualified", at(days=32)),
        stage("lost late", "lost", at(days=33)),
        stage("back", "offer", at(days=30)),
        stage("back", "lead", at(days=31)),
        stage("here", "offer", at(days=30)),
        stage("won", "won", at(days=39)),
    ]
    found = by_name(drawn(events, window="30d", basis="cohort"))
    assert {name: each.fates for name, each in found.items() if each.fates} == {
        "lead": "1 lost",
        "offer": "1 lost, 1 moved back, 1 still there",
    }
    assert [found[name].stopped for name in NAMES] == ["1", "0", "0", "3", "0", None]
    for basis in ("period", "matured:7d"):
        assert not any(each.fates for each in drawn(events, window="30d", basis=basis).stages)


@pytest.mark.parametrize("window", ["24h", "30d", "365d"])
def test_the_ends_of_a_cohort_add_up(window: str) -> None:
    seen = look(funnel_of_six(), basis="cohort", window=window)
    fates = fates_of_leads(seen.scopes.total(seen.view.pipeline, seen.view.window))
    counts = [each.count or 0 for each in of(seen).stages]
    for place, name in enumerate(NAMES):
        further = counts[place + 1] if place < len(NAMES) - 1 else 0
        assert sum(fates[name].values()) == counts[place] - further
