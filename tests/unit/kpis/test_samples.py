"""Names, labels and values as every output shows them."""

import pytest

from funnel_stream.definition import Definition, Export, Pipeline
from funnel_stream.errors import UsageError
from funnel_stream.kpis.catalogue import KPIS, families
from funnel_stream.kpis.samples import exported, samples, series
from tests.funnels import at, computed, event, figure, figures, micros, stage

AS_OF = micros(days=40)

STORY = [
    stage("a", "lead", at(), channel="web", owner="ann"),
    stage("a", "qualified", at(days=1)),
    stage("a", "offer", at(days=2), amount="1000.50", currency="EUR"),
    stage("a", "negotiation", at(days=3)),
    stage("a", "won", at(days=4), amount=900, currency="EUR"),
    stage("b", "lead", at(), channel="fair"),
    stage("b", "negotiation", at(days=1)),
    stage("b", "lost", at(days=10), amount=5000, currency="JPY"),
    stage("c", "lead", at(days=30)),
]


@pytest.mark.parametrize(
    ("metric", "labels", "value"),
    [
        ("funnel_leads", {}, 3),
        ("funnel_qualified_leads", {}, 2),
        ("funnel_lead_quality_ratio", {"basis": "cohort"}, 2 / 3),
        ("funnel_lead_quality_ratio_denominator", {"basis": "period"}, 3),
        ("funnel_offers_sent", {}, 1),
        ("funnel_win_ratio", {}, 0.5),
        ("funnel_negotiation_success_ratio", {}, 0.5),
        ("funnel_sales_conversion_ratio", {"basis": "period"}, 1 / 3),
        ("funnel_deals_closed", {"outcome": "lost"}, 1),
        ("funnel_deal_value", {"outcome": "won", "currency": "EUR"}, 900.0),
        ("funnel_deal_value", {"outcome": "lost", "currency": "JPY"}, 5000.0),
        ("funnel_deal_value", {"outcome": "won", "currency": "JPY"}, None),
        ("funnel_time_to_close_seconds", {"outcome": "won"}, 4 * 86400.0),
        ("funnel_time_to_close_seconds_sum", {"outcome": "lost"}, 10 * 86400.0),
        ("funnel_time_to_close_seconds_count", {"outcome": "lost"}, 1),
        ("funnel_stage_entries", {"stage": "potential"}, 2),
        ("funnel_transitions", {"from_stage": "negotiation", "to_stage": "lost"}, 1),
        ("funnel_transitions", {"from_stage": "won", "to_stage": "lead"}, 0),
        ("funnel_leads_breakdown", {"dimension": "channel", "value": "web"}, 1),
        ("funnel_leads_breakdown", {"dimension": "channel", "value": "__none__"}, 1),
        ("funnel_win_ratio_breakdown", {"dimension": "owner", "value": "ann"}, 1.0),
        (
            "funnel_time_to_close_seconds_breakdown_sum",
            {"dimension": "channel", "value": "web", "outcome": "won"},
            4 * 86400.0,
        ),
    ],
)
def test_a_figure(metric: str, labels: dict[str, str], value: float | None) -> None:
    assert figure(computed(STORY, AS_OF), metric, **labels) == value


def test_quantiles_are_within_two_percent() -> None:
    events = []
    for n in range(1, 101):
        events.append(stage(f"d{n}", "lead", at()))
        events.append(stage(f"d{n}", "won", at(minutes=n * n)))
    result = computed(events, micros(days=30))
    for quantile, rank in (("0.5", 50), ("0.9", 90)):
        seen = figure(
            result,
            "funnel_time_to_close_seconds_quantile",
            outcome="won",
            quantile=quantile,
        )
        assert seen == pytest.approx(rank * rank * 60, rel=0.02)


def test_a_deal_won_at_once_took_exactly_no_time() -> None:
    result = computed([stage("d", "won", at())], AS_OF)
    name = "funnel_time_to_close_seconds_quantile"
    assert figure(result, name, outcome="won", quantile="0.5") == 0.0


def test_without_a_denominator_there_is_no_ratio_and_without_a_numerator_it_is_zero() -> None:
    result = computed([stage("d", "lost", at())], AS_OF)
    assert figure(result, "funnel_win_ratio") == 0.0
    assert figure(result, "funnel_win_ratio_numerator") == 0
    assert figure(result, "funnel_negotiation_success_ratio") is None
    assert figure(result, "funnel_negotiation_success_ratio_denominator") == 0
    assert figure(result, "funnel_time_to_close_seconds", outcome="won") is None
    assert figure(result, "funnel_time_to_close_seconds_count", outcome="won") == 0


def test_an_empty_funnel_shows_zeros_for_the_configured_pipelines() -> None:
    shown = figures(
        computed([], AS_OF, Definition(pipelines={"b2b": Pipeline(), "b2c": Pipeline()}))
    )
    pipelines = {dict(labels)["pipeline"] for _, labels in shown}
    assert pipelines == {"b2b", "b2c"}
    assert set(shown.values()) == {0}


def test_a_deal_moves_with_its_pipeline() -> None:
    events = [*STORY[:5], event("deal_updated", "a", at(days=5), pipeline="partner")]
    result = computed(events, AS_OF)
    assert figure(result, "funnel_leads") == 0
    assert figure(result, "funnel_leads", pipeline="partner") == 1


def test_the_rest_beyond_the_top_is_other() -> None:
    events = [
        stage(f"{channel}{n}", "lead", at(), channel=channel)
        for channel, count in {"a": 3, "b": 2, "c": 2, "d": 1}.items()
        for n in range(count)
    ]
    events.append(stage("none", "lead", at()))
    result = computed(events, micros(days=1), Definition(top_n=2))
    leads = {
        labels["value"]: value
        for metric, labels, value in samples(result.snapshot, window="7d", dimension="channel")
        if metric == "funnel_leads_breakdown"
    }
    assert leads == {"a": 3, "b": 2, "__other__": 3, "__none__": 1}


def test_long_values_are_cut_at_120_characters() -> None:
    result = computed([stage("d", "lead", at(), owner="é" * 300)], AS_OF)
    name = "funnel_leads_breakdown"
    assert figure(result, name, dimension="owner", value="é" * 120) == 1


def test_every_sample_belongs_to_a_family() -> None:
    names = {family.name for family in families()}
    assert {sample.metric for sample in samples(computed(STORY, AS_OF).snapshot)} <= names
    assert len({kpi.id for kpi in KPIS}) == len(KPIS)


@pytest.mark.parametrize(
    ("choice", "hint"), [({"window": "2d"}, "24h, 7d"), ({"dimension": "mood"}, "channel, source")]
)
def test_an_unknown_choice_says_what_there_is(choice: dict[str, str], hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        samples(computed(STORY, AS_OF).snapshot, **choice)
    assert hint in str(raised.value)


def test_breakdowns_show_matured_conversions_in_windows_of_their_own() -> None:
    def shown(**windows: tuple[str, ...]) -> dict[str, set[str]]:
        definition = Definition(export=Export(**windows))
        found = series(computed(STORY, micros(days=31), definition).snapshot, exported(definition))
        by_basis: dict[str, set[str]] = {}
        for place, own, _ in found["funnel_conversion_ratio_breakdown_denominator"]:
            by_basis.setdefault(own.labels["basis"], set()).add(place.labels["window"])
        return by_basis

    assert shown() == {"period": {"30d"}, "cohort": {"30d"}, "matured": {"24h"}}
    assert shown(breakdown_windows=("365d", "30d"), matured_windows=("365d", "30d")) == {
        "period": {"365d", "30d"},
        "cohort": {"365d", "30d"},
        "matured": {"365d", "30d"},
    }
    assert shown(matured_windows=()) == {"period": {"30d"}, "cohort": {"30d"}}


def test_one_window_and_dimension_are_a_part_of_all() -> None:
    snapshot = computed(STORY, AS_OF).snapshot
    part = samples(snapshot, window="30d", dimension="channel")
    assert part
    assert all(sample in samples(snapshot) for sample in part)
    assert {sample.labels.get("window", "now") for sample in part} == {"30d", "now"}


def test_a_value_that_has_nothing_to_show_takes_no_place_of_another() -> None:
    """Its lead has just matured, which no window below a day shows."""
    definition = Definition(windows=("6h",), horizons=("1d",), dimensions=("owner",), top_n=1)
    events = [
        stage("gone", "lead", at(), owner="ann"),
        stage("gone", "lost", at(hours=1)),
        event("activity_recorded", "called", at(days=1, minutes=5), activity="call"),
        event("deal_updated", "called", at(days=1), owner="bob"),
    ]
    result = computed(events, micros(days=1, minutes=30), definition)
    values = {
        labels["value"]
        for metric, labels, value in samples(result.snapshot)
        if metric == "funnel_activities_breakdown" and value
    }
    assert values == {"bob"}
