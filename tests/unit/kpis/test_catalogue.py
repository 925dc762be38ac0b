"""Every KPI of the catalogue on a small funnel, with its figures worked out by hand."""

from functools import cache
from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from tests.funnels import Figures, at, computed, event, figure, figures, micros, stage

DAY = 86_400.0


def activity(deal: str, kind: str, when: str, outcome: str = "held") -> dict[str, Any]:
    return event("activity_recorded", deal, when, activity=kind, outcome=outcome)


def spend(channel: str, amount: object, when: str, **fields: Any) -> dict[str, Any]:
    made = event("spend_recorded", "", when, channel=channel, amount=amount, **fields)
    made.setdefault("currency", "EUR")
    del made["deal_id"]
    return made


# Four deals: a is won with a discount after two offers, b is lost, c is open in negotiation, d is a
# lead that nobody has touched since.
STORY = [
    stage("a", "lead", at(days=1), channel="paid", score=80, first_touch_at=at()),
    activity("a", "call", at(days=1, hours=1)),
    stage("a", "qualified", at(days=2)),
    activity("a", "meeting", at(days=2, hours=1), "no_show"),
    stage("a", "potential", at(days=4), problems=["time", "price", "time"],
          desired_outcomes=["more sales"]),
    stage("a", "offer", at(days=6), amount=2000, currency="EUR", offer_requested_at=at(days=5)),
    stage("a", "offer", at(days=7), amount=1500, currency="EUR"),
    stage("a", "negotiation", at(days=8)),
    activity("a", "negotiation_round", at(days=8, hours=1)),
    activity("a", "negotiation_round", at(days=9)),
    activity("a", "negotiation_round", at(days=11)),
    stage("a", "won", at(days=10), amount=1800, currency="EUR", cost=450),
    stage("b", "lead", at(days=2), channel="paid", score=20),
    stage("b", "potential", at(days=3), problems=["price"]),
    activity("b", "audit", at(days=4)),
    stage("b", "lost", at(days=5), lost_reason="price", amount="99.90", currency="USD"),
    stage("c", "lead", at(days=3), channel="web", amount=500, currency="EUR"),
    stage("c", "offer", at(days=4)),
    stage("c", "negotiation", at(days=12)),
    stage("d", "lead", at(days=4), channel="web", first_touch_at=at(days=5)),
    spend("paid", 300, at(days=1)),
    spend("web", "100.00", at(days=20), period_start=at(days=10), period_end=at(days=30)),
]  # fmt: skip

FIGURES: list[tuple[str, dict[str, str], float | None]] = [
    ("leads", {}, 4),
    ("spend", {"currency": "EUR"}, 355.0),
    ("cost_per_lead", {"currency": "EUR"}, 88.75),
    ("cost_per_lead_numerator", {"currency": "EUR"}, 355.0),
    ("cost_per_lead_denominator", {"currency": "EUR"}, 4),
    ("lead_acquisition_seconds", {}, DAY),
    ("lead_acquisition_seconds_count", {}, 1),
    ("qualified_leads", {}, 3),
    ("problems", {"problem": "price"}, 2),
    ("problems", {"problem": "time"}, 1),
    ("desired_outcomes", {"outcome": "more sales"}, 1),
    ("activities", {"activity": "meeting", "outcome": "no_show"}, 1),
    ("activities", {"activity": "negotiation_round", "outcome": "held"}, 3),
    ("activities", {"activity": "audit", "outcome": "no_show"}, 0),
    ("activity_conversion_ratio", {"activity": "call"}, 1.0),
    ("activity_conversion_ratio", {"activity": "audit"}, 0.0),
    ("activity_conversion_ratio", {"activity": "meeting"}, None),
    ("activity_conversion_ratio_denominator", {"activity": "negotiation_round"}, 2),
    ("offers_sent", {}, 3),
    ("deals_offered", {}, 2),
    ("offer_preparation_seconds_sum", {}, DAY),
    ("offer_preparation_seconds_count", {}, 1),
    ("offer_acceptance_ratio", {"basis": "period"}, 1.0),
    ("offer_acceptance_ratio", {"basis": "cohort"}, 0.5),
    ("offer_value", {"currency": "EUR"}, 4000 / 3),
    ("offer_value_count", {"currency": "EUR"}, 3),
    ("negotiation_seconds", {}, 2 * DAY),
    ("negotiation_rounds", {}, 2.0),
    ("negotiation_success_ratio", {}, 1.0),
    ("discount_ratio", {}, 0.1),
    ("discount_ratio_count", {}, 1),
    ("value_retention_ratio", {"currency": "EUR"}, 0.9),
    ("value_retention_ratio_denominator", {"currency": "EUR"}, 2000.0),
    ("deal_value", {"outcome": "lost", "currency": "USD"}, 99.9),
    ("lost_deals", {"reason": "price", "lost_from": "potential", "offered": "false"}, 1),
    (
        "lost_value",
        {"reason": "price", "lost_from": "potential", "offered": "false", "currency": "USD"},
        99.9,
    ),
    ("stage_duration_seconds", {"stage": "lead"}, DAY),
    ("stage_duration_seconds_count", {"stage": "lead"}, 3),
    ("stage_duration_seconds", {"stage": "potential"}, 2 * DAY),
    ("stage_duration_seconds", {"stage": "offer"}, 5 * DAY),
    ("stage_duration_seconds_count", {"stage": "qualified"}, 1),
    ("lead_score", {"qualified": "true"}, 50.0),
    ("lead_score", {"qualified": "false"}, None),
    ("margin_ratio", {"currency": "EUR"}, 0.75),
    # One won deal is too few to say anything about the two that are open.
    ("pipeline_velocity", {"currency": "EUR"}, None),
    # The day in progress has passed by an hour.
    ("won_value_per_day", {"currency": "EUR"}, 1800 / (364 + 1 / 24)),
    ("won_value_per_day", {"currency": "USD"}, None),
]


@cache
def figures_of_the_story() -> Figures:
    # The day pane of the instant counts whole: eleven of the twenty days of the spend's period.
    return figures(computed(STORY, micros(days=20, hours=1)))


@pytest.mark.parametrize(("kpi", "labels", "value"), FIGURES)
def test_a_figure_of_a_window(kpi: str, labels: dict[str, str], value: float | None) -> None:
    key = frozenset({"pipeline": "default", "window": "365d", **labels}.items())
    shown = figures_of_the_story().get((f"funnel_{kpi}", key))
    assert shown == (None if value is None else pytest.approx(value, rel=1e-12))


@pytest.mark.parametrize(
    ("kpi", "labels", "value"),
    [
        ("open_deals", {"stage": "negotiation"}, 1),
        ("open_deals", {"stage": "lead"}, 1),
        ("open_deals", {"stage": "offer"}, 0),
        ("open_value", {"stage": "negotiation", "currency": "EUR"}, 500.0),
        ("open_value", {"stage": "lead", "currency": "EUR"}, None),
        ("open_age_seconds", {"stage": "negotiation"}, 8.5 * DAY),
        ("open_age_seconds_count", {"stage": "offer"}, 0),
        ("stuck_deals", {"stage": "negotiation"}, 0),
        ("stuck_deals", {"stage": "lead"}, 1),
        ("stuck_deals", {"stage": "offer"}, None),
    ],
)
def test_a_figure_of_now(kpi: str, labels: dict[str, str], value: float | None) -> None:
    limits = Definition(stuck_after={"lead": "16d", "negotiation": "9d"})
    result = computed(STORY, micros(days=20, hours=12), limits)
    assert figure(result, f"funnel_{kpi}", window=None, **labels) == value


def test_velocity_is_what_moves_by_what_five_won_deals_were_like() -> None:
    """3 open of which 1 is stuck × 5 of 6 won × 1,800 a won deal ÷ 9 days. Of one of the five
    nobody knows what it was worth."""
    closed = [(f"won {i}", "won") for i in range(5)] + [("lost", "lost")]
    events = [
        *(stage(deal, "lead", at(days=1)) for deal, _ in closed),
        *(
            event("deal_updated", deal, at(days=2), amount=1800, currency="EUR")
            for deal, _ in closed[1:]
        ),
        *(stage(deal, outcome, at(days=10)) for deal, outcome in closed),
        *(stage(f"open {day}", "lead", at(days=day)) for day in (1, 15, 19)),
    ]
    limits = Definition(stuck_after={"lead": "10d"})
    result = computed(events, micros(days=20), limits)
    velocity = figure(result, "funnel_pipeline_velocity", currency="EUR")
    assert velocity == pytest.approx(2 * 5 / 6 * 1800 / 9)
    of_four = [each for each in events if each["deal_id"] != "won 0"]
    result = computed(of_four, micros(days=20), limits)
    assert figure(result, "funnel_pipeline_velocity", currency="EUR") is None


def test_a_deal_is_stuck_from_the_minute_after_its_limit() -> None:
    events = [stage("d", "lead", at(seconds=30))]
    limit = Definition(stuck_after={"lead": "1h"})
    stuck = [
        figure(computed(events, micros(seconds=second), limit), "funnel_stuck_deals",
               window=None, stage="lead")
        for second in (3630, 3659, 3660)
    ]  # fmt: skip
    assert stuck == [0, 0, 1]


def test_time_alone_ages_the_open_deals() -> None:
    events = [stage("d", "lead", at())]
    age = [
        figure(computed(events, instant), "funnel_open_age_seconds", window=None, stage="lead")
        for instant in (micros(hours=1), micros(hours=1) + 1, micros(days=900))
    ]
    assert age == [3600.0, 3600.000001, 900 * DAY]


def test_spend_is_of_its_channel_alone() -> None:
    result = computed(STORY, micros(days=40))
    by = {"dimension": "channel", "currency": "EUR"}
    assert figure(result, "funnel_spend_breakdown", value="web", **by) == 100.0
    assert figure(result, "funnel_cost_per_lead_breakdown", value="paid", **by) == 150.0
    assert figure(result, "funnel_cost_per_lead_breakdown", value="web", **by) == 50.0
    owner = {"dimension": "owner", "value": "__none__", "currency": "EUR"}
    assert figure(result, "funnel_spend_breakdown", **owner) is None


def test_spend_over_a_period_reaches_each_pane_as_it_begins() -> None:
    events = [spend("web", "0.10", at(), period_start=at(), period_end=at(minutes=3))]
    shown = [
        figure(computed(events, micros(seconds=second)), "funnel_spend", window="1h",
               currency="EUR")
        for second in (0, 59, 60, 120, 4000)
    ]  # fmt: skip
    # floor(10 · n ÷ 3) cents after n minutes
    assert shown == [0.03, 0.03, 0.06, 0.1, None]


RATES = {"base_currency": "EUR", "rates": {"USD": {"2026-03-03": "0.5", "2026-03-10": "0.25"}}}


def test_money_is_converted_at_the_rate_of_its_day() -> None:
    events = [
        stage("early", "won", at(), amount=100, currency="USD"),
        stage("middle", "won", at(days=2), amount=100, currency="USD"),
        stage("late", "won", at(days=9), amount="0.02", currency="USD"),
        stage("own", "won", at(days=9), amount=7, currency="EUR"),
    ]
    result = computed(events, micros(days=10), Definition.model_validate(RATES))
    value = "funnel_deal_value"
    # Half a cent is rounded to the even one.
    assert figure(result, value, outcome="won", currency="EUR") == 57.0
    assert figure(result, value, outcome="won", currency="USD") == 100.0


def test_open_value_follows_the_rate_of_today() -> None:
    events = [stage("d", "lead", at(), amount=100, currency="USD")]
    definition = Definition.model_validate(RATES)
    shown = [
        (
            figure(result, "funnel_open_value", window=None, stage="lead", currency="USD"),
            figure(result, "funnel_open_value", window=None, stage="lead", currency="EUR"),
        )
        for result in (computed(events, micros(days=day), definition) for day in (0.5, 1, 8))
    ]
    assert shown == [(100.0, None), (None, 50.0), (None, 25.0)]


def test_amounts_in_two_currencies_have_no_discount() -> None:
    events = [
        stage("d", "offer", at(), amount=100, currency="USD"),
        stage("d", "won", at(days=1), amount=100, currency="EUR", cost=10),
        stage("e", "won", at(days=1), amount=100, currency="USD"),
        event("deal_updated", "e", at(days=2), amount=50, currency="EUR", cost=1),
    ]
    result = computed(events, micros(days=3), Definition.model_validate(RATES))
    assert figure(result, "funnel_discount_ratio_count") == 0
    assert figure(result, "funnel_value_retention_ratio", currency="EUR") is None
    assert figure(result, "funnel_margin_ratio", currency="EUR") == pytest.approx(139 / 150)


def test_each_pipeline_has_its_own_horizons() -> None:
    definition = Definition.model_validate(
        {"horizons": ["1d"], "pipelines": {"default": {}, "slow": {"horizons": ["9d"]}}}
    )
    events = [
        stage("a", "lead", at()),
        stage("b", "lead", at(), pipeline="slow"),
        stage("b", "qualified", at(days=8)),
    ]
    result = computed(events, micros(days=10), definition)
    matured = {"basis": "matured", "from_stage": "lead", "to_stage": "qualified"}
    name = "funnel_conversion_ratio"
    assert figure(result, name, horizon="1d", **matured) == 0.0
    assert figure(result, name, horizon="9d", **matured) is None
    assert figure(result, name, pipeline="slow", horizon="9d", **matured) == 1.0
    assert figure(result, name, pipeline="slow", horizon="1d", **matured) is None


TARGETS = [
    {"kpi": "leads", "window": "30d", "value": 8},
    {"kpi": "leads", "window": "30d", "value": 1,
     "labels": {"dimension": "channel", "value": "web"}},
    {"kpi": "time_to_close_seconds", "window": "30d", "value": 18 * DAY, "at": "most",
     "labels": {"outcome": "won", "quantile": "0.5"}},
    {"kpi": "lead_quality_ratio", "window": "30d", "value": 0, "labels": {"basis": "cohort"}},
    {"kpi": "open_deals", "value": 10, "labels": {"stage": "lead"}, "at": "most"},
    {"kpi": "win_ratio", "window": "1h", "value": 0.25},
]  # fmt: skip


def test_targets_and_what_of_them_is_attained() -> None:
    definition = Definition.model_validate({"targets": TARGETS})
    result = computed(STORY, micros(days=20), definition)

    def attained(kpi: str, window: str | None = "30d", breakdown: str = "", **labels: str) -> Any:
        name = f"funnel_target_attainment_ratio{breakdown}"
        return figure(result, name, window, kpi=kpi, **labels)

    assert figure(result, "funnel_target", "30d", kpi="leads") == 8
    assert attained("leads") == 0.5
    assert attained("leads", breakdown="_breakdown", dimension="channel", value="web") == 2.0
    quantile = attained("time_to_close_seconds", outcome="won", quantile="0.5")
    assert quantile == pytest.approx(2.0, rel=0.02)
    assert figure(result, "funnel_target", "30d", kpi="lead_quality_ratio", basis="cohort") == 0
    assert attained("lead_quality_ratio", basis="cohort") is None
    assert attained("open_deals", None, stage="lead") == 10.0
    assert figure(result, "funnel_target", "1h", kpi="win_ratio") == 0.25
    assert attained("win_ratio", "1h") is None


def test_a_combination_of_dimensions_joins_their_values() -> None:
    definition = Definition.model_validate({"dimensions": ["channel × product"]})
    events = [
        stage("a", "lead", at(), channel="paid", product="gtx"),
        stage("b", "lead", at(), channel="paid"),
        stage("c", "lead", at()),
    ]
    result = computed(events, micros(days=1), definition)
    by = {"dimension": "channel+product"}
    name = "funnel_leads_breakdown"
    assert figure(result, name, value="paid + gtx", **by) == 1
    assert figure(result, name, value="paid + __none__", **by) == 1
    assert figure(result, name, value="__none__", **by) == 1


def test_reasons_beyond_the_top_are_other() -> None:
    definition = Definition.model_validate({"top_n_of": {"reason": 1}})
    events = [
        stage(f"{reason}{n}", "lost", at(days=1), lost_reason=reason, channel=reason)
        for reason, count in {"price": 3, "time": 2, "trust": 1}.items()
        for n in range(count)
    ]
    events.append(stage("silent", "lost", at(days=1)))
    result = computed(events, micros(days=2), definition)
    labels = {"lost_from": "lead", "offered": "false"}
    shown = {
        reason: figure(result, "funnel_lost_deals", reason=reason, **labels)
        for reason in ("price", "time", "trust", "__other__", "__none__")
    }
    assert shown == {"price": 3, "time": None, "trust": None, "__other__": 3, "__none__": 1}
    by = {"dimension": "channel", "value": "time"}
    name = "funnel_lost_deals_breakdown"
    assert figure(result, name, reason="__other__", **labels, **by) == 2


def test_reopening_retracts_the_closing_and_its_reason() -> None:
    events = [
        stage("d", "lead", at()),
        stage("d", "lost", at(days=1), lost_reason="price", amount=5, currency="EUR"),
        stage("d", "qualified", at(days=2)),
    ]
    labels = {"reason": "price", "lost_from": "lead", "offered": "false"}
    before, after = (computed(events, micros(days=day)) for day in (1, 2))
    assert figure(before, "funnel_lost_deals", **labels) == 1
    assert figure(after, "funnel_lost_deals", **labels) is None
    assert figure(after, "funnel_deals_closed", outcome="lost") == 0
    assert figure(after, "funnel_transitions", from_stage="lost", to_stage="qualified") == 1
    assert figure(after, "funnel_open_deals", window=None, stage="qualified") == 1


def test_a_deal_without_a_stage_counts_for_its_activities_alone() -> None:
    result = computed([activity("d", "call", at())], micros(days=1))
    assert figure(result, "funnel_activities", activity="call", outcome="held") == 1
    assert figure(result, "funnel_activity_conversion_ratio_denominator", activity="call") == 0
    assert figure(result, "funnel_leads") == 0


def test_ratios_of_counts_of_different_deals_are_no_proportions() -> None:
    """Two deals of last month are won beside the one lead of today: two won per lead."""
    events = [
        *(stage(deal, "lead", at()) for deal in "ab"),
        *(stage(deal, "won", at(days=40)) for deal in "ab"),
        stage("c", "lead", at(days=40)),
    ]
    above_one = set()
    for (metric, labels), value in figures(computed(events, micros(days=40, hours=1))).items():
        kpi = BY_ID.get(metric.removeprefix("funnel_"))
        if kpi and kpi.unit == "ratio" and value > 1:
            above_one.add(kpi.id)
            assert not kpi.is_proportion(dict(labels))
    assert above_one == {"conversion_ratio", "lead_quality_ratio", "sales_conversion_ratio"}
    money = {"discount_ratio", "value_retention_ratio", "margin_ratio"}
    for basis, others in (("period", above_one), ("cohort", set()), ("matured", set())):
        ratios = [kpi for kpi in KPIS if kpi.unit == "ratio"]
        different = {kpi.id for kpi in ratios if not kpi.is_proportion({"basis": basis})}
        assert different == money | others
