"""Which series of a KPI a view shows, in which order, and how they are written."""

from typing import Any

import pytest

from funnel_stream.exposition.page.figures import (
    Figure,
    chosen,
    in_words,
    ranked,
    unit,
    written,
)
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.label_values import value_in_words
from tests.funnels import at, event, stage
from tests.unit.exposition.page.looks import PageData, defined, funnel_of_six, look


def shown(seen: PageData, kpi: str) -> list[dict[str, str]]:
    return [dict(figure.labels) for figure in chosen(seen.by_kpi[kpi], seen.view)]


def only(seen: PageData, kpi: str) -> Figure:
    [found] = chosen(seen.by_kpi[kpi], seen.view)
    return found


def spend(channel: str, amount: Any, currency: str) -> dict[str, Any]:
    given = event("spend_recorded", "", at(days=39), amount=amount, currency=currency)
    del given["deal_id"]
    return {**given, "channel": channel}


# --- chosen by the view ---------------------------------------------------------------------------


def test_series_are_those_of_the_basis() -> None:
    events = funnel_of_six()
    assert shown(look(events, basis="period"), "lead_quality_ratio") == [{"basis": "period"}]
    assert shown(look(events, basis="cohort"), "lead_quality_ratio") == [{"basis": "cohort"}]
    matured = shown(look(events, basis="matured:7d"), "conversion_ratio")
    assert {(each["basis"], each["horizon"]) for each in matured} == {("matured", "7d")}
    assert len(matured) == 10
    assert len(shown(look(events, basis="period"), "conversion_ratio")) == 15


def test_a_kpi_without_matured_figures_shows_those_of_the_cohort() -> None:
    seen = look(funnel_of_six(), basis="matured:7d")
    assert shown(seen, "lead_quality_ratio") == [{"basis": "cohort"}]
    assert shown(look(funnel_of_six(), basis="matured:7d", window="1h"), "conversion_ratio")[0] == {
        "from_stage": "lead",
        "to_stage": "qualified",
        "basis": "cohort",
    }
    assert shown(seen, "win_ratio") == [{}], "it has no basis at all"


def test_series_are_those_of_the_currency() -> None:
    events = [
        stage("a", "won", at(days=39), amount=10, currency="EUR"),
        stage("b", "won", at(days=39), amount=70, currency="USD"),
    ]
    assert only(look(events, currency="EUR"), "deal_value").value == 10
    assert only(look(events, currency="USD"), "deal_value").value == 70
    assert shown(look(events, currency="JPY"), "deal_value") == []
    assert only(look(events, currency="JPY"), "leads").value == 2, "it is in no currency"


# --- in order -------------------------------------------------------------------------------------


def lost(reason: str, number: int, **more: Any) -> list[dict[str, Any]]:
    return [
        stage(f"{reason}{n}", "lost", at(days=39), lost_reason=reason, **more)
        for n in range(number)
    ]


def test_labels_that_anybody_invents_are_ranked_and_the_rest_is_last() -> None:
    events = [
        *lost("price", 2),
        *lost("time", 3),
        *(each for n in range(9) for each in lost(f"rare{n}", 1)),
        stage("none", "lost", at(days=39)),
    ]
    seen = look(events, defined(top_n_of={"reason": 2}))
    found = ranked(seen.by_kpi["lost_deals"])
    assert [(each.labels["reason"], each.value) for each in found] == [
        ("time", 3),
        ("price", 2),
        ("__none__", 1),
        ("__other__", 9),
    ]


def test_known_labels_stay_in_the_order_of_the_catalogue() -> None:
    found = ranked(look(funnel_of_six()).by_kpi["stage_entries"])
    assert [each.labels["stage"] for each in found] == [
        "lead", "qualified", "potential", "offer", "negotiation", "won",
    ]  # fmt: skip
    assert [each.value for each in found] == [5, 6, 3, 3, 2, 2]


def test_of_many_known_labels_only_those_that_have_anything_are_shown() -> None:
    found = ranked(look(funnel_of_six()).by_kpi["transitions"])
    assert found[0].key == ("lead", "qualified")
    assert len(found) == 12
    assert [each.value for each in found] == [3, *[1] * 11]
    assert ranked([]) == []


# --- in words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, ""),
        ({"basis": "matured", "horizon": "7d", "currency": "EUR"}, ""),
        ({"from_stage": "lead", "to_stage": "won", "basis": "cohort"}, "lead → won"),
        ({"from_stage": "lead", "to_stage": "won", "basis": "period"}, "won per lead"),
        ({"from_stage": "offer", "to_stage": "won", "basis": "period"}, "won per deal at offer"),
        ({"from_stage": "offer", "to_stage": "won"}, "offer → won"),
        ({"reason": "price", "lost_from": "offer", "offered": "true"},
         "price · from offer · with an offer"),
        ({"reason": "__none__", "lost_from": "lead", "offered": "false", "currency": "EUR"},
         "not given · from lead · without an offer"),
        ({"reason": "no_show"}, "no_show"),
        ({"reason": "no_budget"}, "no_budget"),
        ({"activity": "negotiation_round", "outcome": "no_show"}, "negotiation round · no show"),
        ({"qualified": "true"}, "qualified"),
        ({"qualified": "false"}, "not qualified"),
        ({"problem": "true"}, "true"),
        ({"problem": "__other__"}, "all others"),
        ({"problem": "<b> · x"}, "<b> · x"),
    ],
)  # fmt: skip
def test_labels_as_people_say_them(labels: dict[str, str], words: str) -> None:
    given = dict(labels)
    assert in_words(labels) == words
    assert labels == given, "they are the series' own"
    assert Figure(BY_ID["leads"], labels).name == words


def test_values_of_dimensions_as_people_say_them() -> None:
    values = ("web_ads", "__none__", "__other__", "true", "offer")
    assert [value_in_words(value) for value in values] == [
        "web_ads", "not given", "all others", "true", "offer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kpi", "value", "text", "behind"),
    [
        ("leads", 12_345.0, "12,345", "leads"),
        ("leads", None, "–", "leads"),
        ("win_ratio", 0.12345, "12.3 %", ""),
        ("win_ratio", None, "–", ""),
        ("time_to_close_seconds", 858_232.7, "9.9 d", ""),
        ("deal_value", 934.5, "934.50", "EUR"),
        ("deal_value", 1_234_567.8, "1,234,568", "EUR"),
        ("deal_value", None, "–", "EUR"),
        ("pipeline_velocity", 12.0, "12.00", "EUR a day"),
        ("lead_score", 1_000.25, "1,000.2", "points"),
        ("lead_score", None, "–", "points"),
        ("negotiation_rounds", 2.0, "2.0", "rounds"),
        ("activities", 3.0, "3", "activities"),
        ("transitions", 3.0, "3", "moves"),
    ],
)
def test_a_value_and_its_unit(kpi: str, value: float | None, text: str, behind: str) -> None:
    entry = BY_ID[kpi]
    assert written(entry, value) == text
    assert unit(entry, "EUR") == behind
    labels = {"currency": "EUR"} if "money" in entry.unit else {}
    figure = Figure(entry, labels, {} if value is None else {"": value})
    assert (figure.text, figure.unit, figure.value) == (text, behind, value)
    assert figure.written(value) == text


def test_money_of_no_currency_has_no_unit() -> None:
    assert unit(BY_ID["spend"]) == ""
    assert unit(BY_ID["pipeline_velocity"]) == "a day"


# --- what stands beneath --------------------------------------------------------------------------


def test_what_a_figure_is_made_of() -> None:
    """Two leads that cost 30,000 € and 4.50 €; one is won for 900 € of 1,000 €, in two days."""
    events = [
        stage("a", "offer", at(days=36), amount=1000, currency="EUR", score=80),
        stage("a", "negotiation", at(days=37)),
        stage("a", "won", at(days=38), amount=900, cost=300, currency="EUR"),
        stage("b", "offer", at(days=37), amount=50_000, currency="EUR"),
        spend("web", 30_000, "EUR"),
        spend("web", 4.5, "EUR"),
    ]
    seen = look(events, basis="period")
    beneath = {kpi: only(seen, kpi).beneath for kpi in (
        "leads", "spend", "cost_per_lead", "lead_quality_ratio", "offer_value", "discount_ratio",
        "value_retention_ratio", "negotiation_rounds", "negotiation_seconds", "margin_ratio",
    )}  # fmt: skip
    assert beneath == {
        "leads": "",
        "spend": "",
        "cost_per_lead": "30,004 ÷ 2",
        "lead_quality_ratio": "2 ÷ 2",
        "offer_value": "2 samples",
        "discount_ratio": "1 sample",
        "value_retention_ratio": "900.00 of 1,000.00",
        "negotiation_rounds": "1 sample",
        "negotiation_seconds": "half within 1.0 d · 90 % within 1.0 d · 1 sample",
        "margin_ratio": "600.00 of 900.00",
    }
    assert only(seen, "cost_per_lead").value == 15_002.25
    assert only(seen, "negotiation_seconds").quantiles.keys() == {"0.5", "0.9"}


@pytest.mark.parametrize(
    ("basis", "made_of", "interval", "per"),
    [
        ("period", "3 ÷ 4", "", "won per lead"),
        ("cohort", "2 of 4", "95 % interval 15.0–85.0 %", ""),
    ],
)
def test_only_a_share_is_of_something_and_has_an_interval(
    basis: str, made_of: str, interval: str, per: str
) -> None:
    """Of four leads two are won; and one is won that came before the window."""
    events = [stage(f"d{n}", "lead", at(days=20)) for n in range(4)]
    events += [stage(f"d{n}", "won", at(days=30)) for n in range(2)]
    events += [stage("old", "lead", at(days=1)), stage("old", "won", at(days=30))]
    found = only(look(events, basis=basis), "sales_conversion_ratio")
    assert (found.made_of, found.interval, found.per) == (made_of, interval, per)
    assert found.number == 4
    assert found.beneath == " · ".join(text for text in (made_of, interval) if text)


def test_of_how_many_a_figure_is() -> None:
    events = [
        stage("a", "offer", at(days=36), amount=1000, currency="EUR"),
        stage("a", "won", at(days=38), amount=900, currency="EUR"),
        stage("b", "lead", at(days=37)),
        spend("web", 9, "EUR"),
    ]
    seen = look(events, basis="period")
    numbers = {kpi: only(seen, kpi).number for kpi in (
        "leads", "spend", "cost_per_lead", "offer_value", "discount_ratio", "deal_value",
        "value_retention_ratio", "win_ratio",
    )}  # fmt: skip
    assert numbers == {
        "leads": 2, "spend": None, "cost_per_lead": 2, "offer_value": 1, "discount_ratio": 1,
        "deal_value": None, "value_retention_ratio": None, "win_ratio": 1,
    }  # fmt: skip


def test_half_and_most_are_told_apart() -> None:
    """Nine deals are closed after a day, the tenth after ten: 90 % within a day."""
    events = [
        each
        for n in range(10)
        for each in (
            stage(f"d{n}", "lead", at(days=20)),
            stage(f"d{n}", "won", at(days=21 if n < 5 else 23 if n < 9 else 30)),
        )
    ]
    seen = look(events)
    [won, _] = chosen(seen.by_kpi["time_to_close_seconds"], seen.view)
    assert won.beneath == "half within 1.0 d · 90 % within 3.0 d · 10 samples"
    assert won.text == "2.7 d"


def test_where_nothing_was_counted_there_is_no_figure() -> None:
    seen = look([])
    assert (only(seen, "win_ratio").text, only(seen, "win_ratio").beneath) == ("–", "0 of 0")
    assert only(seen, "negotiation_seconds").beneath == "0 samples"
    assert only(seen, "leads").text == "0"
