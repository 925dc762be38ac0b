"""Open deals, velocity and targets; worked out by hand."""

import pytest

from tests.oracle.asking import DAY, Ask
from tests.oracle.funnels import Event, Line, event, life

HOUR = 3600


def test_deals_are_open_in_the_stage_that_they_are_in_now(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2020-01-01T00:00:00Z", channel="web", amount=5, currency="EUR"),
            *life("b", {"channel": "web"}, offer="06-01", lead="06-14 12:00"),
            *life("c", lead="06-01", won="06-02"),
            *life("d", lead="06-01", lost="06-02", negotiation="06-03"),
            event("d", "negotiation", "06-04"),
            event("e", "updated", "06-01", amount=9, currency="EUR"),
        ]
    )
    open_deals = {s: f.now("open_deals", stage=s) for s in ("lead", "offer", "negotiation")}
    assert open_deals == {"lead": 2, "offer": 0, "negotiation": 1}
    assert f.labelled("open_value", "stage", currency="EUR") == {"lead": 5}
    assert f.now("open_deals_breakdown", stage="lead", dimension="channel", value="web") == 2
    assert f.now("open_deals_breakdown", stage="negotiation", dimension="channel",
                 value="__none__") == 1  # fmt: skip
    assert f.now("open_deals", stage="won") is None


def test_open_value_is_the_last_amount_of_the_open_deals(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2020-01-01T00:00:00Z", channel="web", amount=5, currency="EUR"),
            event("a", "updated", "06-01", amount="7.50", currency="EUR"),
            event("b", "lead", "06-01", amount=100, currency="JPY"),
            event("c", "lead", "06-01", amount=0, currency="PLN"),
            event("d", "offer", "06-01", amount=3, currency="EUR"),
            *life("e", {"amount": 50, "currency": "EUR"}, lead="06-01", won="06-02"),
        ]
    )
    assert f.labelled("open_value", "currency", stage="lead") == {"EUR": 7.5, "JPY": 100}
    assert f.now("open_value", stage="offer", currency="EUR") == 3
    web = f.labelled("open_value_breakdown", "value", dimension="channel", currency="EUR")
    assert web == {"web": 7.5, "__none__": 3}


def test_the_age_counts_from_the_entry_into_the_stage(ask: Ask) -> None:
    lines: list[Line] = [
        *life("a", lead="06-01", qualified="06-10"),
        event("a", "qualified", "06-12"),  # a repetition
        event("b", "qualified", "06-14"),
        event("c", "offer", "06-05"),
        event("c", "offer", "06-08"),  # one more offer, but the same stay
        *life("d", offer="06-01", lead="06-02"),
        event("d", "offer", "06-14 12:00"),
    ]
    f = ask(lines)
    age = 5.5 + 1.5
    assert f.now("open_age_seconds", stage="qualified") == age / 2 * DAY
    assert f.now("open_age_seconds_sum", stage="qualified") == age * DAY
    assert f.now("open_age_seconds_count", stage="qualified") == 2
    assert f.now("open_age_seconds_sum", stage="offer") == (10.5 + 1) * DAY
    assert f.now("open_age_seconds_count", stage="negotiation") == 0
    assert f.now("open_age_seconds", stage="negotiation") is None
    f = ask(lines, "2025-06-15T12:00:00.000001Z")
    assert f.now("open_age_seconds_sum", stage="qualified") == pytest.approx(age * DAY + 2e-6)


def test_deals_are_stuck_from_the_minute_after_their_limit(ask: Ask) -> None:
    config = {
        "stuck_after": {"lead": "1d", "offer": "90m"},
        "pipelines": {
            "default": {},
            "slow": {"stuck_after": {"lead": "3d"}},
            "never": {"stuck_after": {}},
        },
    }
    lines: list[Line] = [
        event(f"{pipeline} {i}", "lead", at, pipeline=pipeline)
        for pipeline in ("default", "slow", "never")
        for i, at in enumerate(("2025-06-14T11:59:59.999999Z", "06-14 12:00", "06-12 11:59"))
    ]
    f = ask(lines, config=config)
    assert f.now("stuck_deals", stage="lead") == 2
    assert f.now("stuck_deals", stage="offer") == 0
    assert f.now("stuck_deals", stage="qualified") is None
    assert f.now("stuck_deals", pipeline="slow", stage="lead") == 1
    assert f.now("stuck_deals", pipeline="slow", stage="offer") is None
    assert f.now("stuck_deals", pipeline="never", stage="lead") is None
    assert f.now("stuck_deals_breakdown", stage="lead", dimension="channel", value="__none__") == 2
    later = ask(lines, "06-15 12:01", config)
    assert later.now("stuck_deals", stage="lead") == 3
    assert ask([event("a", "lead", "05-01")]).labelled("stuck_deals", "stage") == {}


SOLD: Event = {"amount": 60, "currency": "EUR"}


def won(number: int, given: Event = SOLD, *, days: int = 4) -> list[Line]:
    """So many deals, each won after so many days."""
    return [
        line
        for i in range(number)
        for line in life(f"won {i}", given, lead="06-01", won=f"06-{1 + days:02}")
    ]


def test_velocity_is_open_deals_by_win_ratio_by_value_per_day(ask: Ask) -> None:
    """Three open, 5 of 6 won; 300 EUR over the two won deals that have an amount; 2, 6 and thrice
    4 days."""
    lines = [
        *life("a", {"amount": 200, "currency": "EUR"}, lead="06-01", won="06-03"),
        *life("b", {"amount": 100, "currency": "EUR"}, lead="06-01", won="06-07"),
        *won(3, {}),
        *life("c", {"amount": 900, "currency": "EUR"}, lead="06-01", lost="06-07"),
        event("d", "lead", "2020-01-01T00:00:00Z"),
        event("e", "offer", "06-01"),
        event("f", "negotiation", "06-01", channel="web"),
    ]
    f = ask(lines)
    assert f("pipeline_velocity", currency="EUR") == pytest.approx(3 * 5 / 6 * 150 / 4)
    # Yen are shared among all won deals with an amount; those without one count for the ratio only.
    f = ask([*lines, *life("g", {"amount": 60, "currency": "JPY"}, lead="06-01", won="06-05")])
    assert f("pipeline_velocity", currency="EUR") == pytest.approx(3 * 6 / 7 * 100 / 4)
    assert f("pipeline_velocity", currency="JPY") == pytest.approx(3 * 6 / 7 * 20 / 4)
    none = {"dimension": "channel", "value": "__none__", "currency": "JPY"}
    assert f("pipeline_velocity_breakdown", **none) == pytest.approx(2 * 6 / 7 * 20 / 4)
    assert f("pipeline_velocity", "24h", currency="EUR") is None


def test_velocity_needs_five_won_deals_in_its_window(ask: Ask) -> None:
    opened = [event(f"open {i}", "lead", "06-10", channel="web") for i in range(2)]
    assert ask([*won(4), *opened])("pipeline_velocity", currency="EUR") is None
    f = ask([*won(5), *opened])
    assert f("pipeline_velocity", currency="EUR") == pytest.approx(2 * 60 / 4)
    assert f("pipeline_velocity", "7d", currency="EUR") is None
    # Of the channel nothing was won, and what it has open is worth what nobody knows.
    assert f.labelled(
        "pipeline_velocity_breakdown", "value", window="30d", dimension="channel"
    ) == {"__none__": 0}
    # All five are needed, their amounts are not.
    f = ask([*won(4, {}), *life("priced", SOLD, lead="06-01", won="06-05"), *opened])
    assert f("pipeline_velocity", currency="EUR") == pytest.approx(2 * 60 / 4)


def test_velocity_leaves_out_deals_beyond_the_limit_of_their_stage(ask: Ask) -> None:
    """Leads are stuck after a day, offers never: of five open deals three move."""
    config = {"stuck_after": {"lead": "1d"}, "pipelines": {"slow": {"stuck_after": {}}}}
    opened = [
        event("a", "lead", "06-13", channel="web"),
        event("b", "lead", "06-14 11:59", channel="web"),
        event("c", "lead", "06-14 12:00"),
        event("d", "lead", "06-15", channel="web"),
        event("e", "offer", "2024-07-01T00:00:00Z"),
    ]
    f = ask([*won(5, {**SOLD, "channel": "web"}), *opened], config=config)
    assert f.now("stuck_deals", stage="lead") == 2
    assert f("pipeline_velocity", currency="EUR") == pytest.approx(3 * 60 / 4)
    web = {"dimension": "channel", "value": "web", "currency": "EUR"}
    assert f("pipeline_velocity_breakdown", **web) == pytest.approx(1 * 60 / 4)
    # Another pipeline has limits of its own.
    slow = {"pipeline": "slow"}
    f = ask([*won(5, SOLD | slow), *(each | slow for each in opened)], config=config)
    assert f("pipeline_velocity", pipeline="slow", currency="EUR") == pytest.approx(5 * 60 / 4)
    # All of them are stuck: nothing moves.
    f = ask([*won(5), *opened[:2]], config=config)
    assert f("pipeline_velocity", currency="EUR") == 0


def test_velocity_is_zero_without_open_deals_and_absent_without_time(ask: Ask) -> None:
    assert ask(won(5))("pipeline_velocity", currency="EUR") == 0
    f = ask([*won(5, days=0), event("b", "lead", "06-05")])
    assert f("deal_value", outcome="won", currency="EUR") == 300
    assert f("pipeline_velocity", currency="EUR") is None


def test_targets_stand_beside_their_kpi(ask: Ask) -> None:
    targets = [
        {"kpi": "leads", "value": 8, "window": "30d"},
        {"kpi": "leads", "value": 8, "window": "30d", "pipeline": "B"},
        {"kpi": "leads", "value": 5, "window": "30d",
         "labels": {"dimension": "channel", "value": "web"}},
        {"kpi": "win_ratio", "value": 0.5, "window": "30d"},
        {"kpi": "deals_closed", "value": 1, "at": "most", "window": "30d",
         "labels": {"outcome": "lost"}},
        {"kpi": "deals_closed", "value": 0, "at": "most", "window": "7d",
         "labels": {"outcome": "lost"}},
        {"kpi": "deals_closed", "value": 3, "at": "most", "window": "24h",
         "labels": {"outcome": "lost"}},
        {"kpi": "qualified_leads", "value": 0, "window": "30d"},
        {"kpi": "time_to_close_seconds", "value": 4 * DAY, "at": "most", "window": "30d",
         "labels": {"outcome": "lost", "quantile": "0.9"}},
        {"kpi": "open_deals", "value": 4, "labels": {"stage": "lead"}},
        {"kpi": "discount_ratio", "value": 0.1, "at": "most", "window": "30d"},
    ]  # fmt: skip
    f = ask(
        [
            event("a", "lead", "06-01", channel="web"),
            event("b", "lead", "06-01", channel="fair"),
            *life("c", lead="06-01", lost="06-03"),
            *life("d", lead="06-01", lost="06-09"),
        ],
        config={"targets": targets, "pipelines": {"default": {}, "B": {}}},
    )
    assert f("target", kpi="leads") == 8
    assert f("target_attainment_ratio", kpi="leads") == 0.5
    assert f("target", pipeline="B", kpi="leads") == 8
    assert f("target_attainment_ratio", pipeline="B", kpi="leads") == 0
    web = {"kpi": "leads", "dimension": "channel", "value": "web"}
    assert f("target_breakdown", **web) == 5
    assert f("target_attainment_ratio_breakdown", **web) == 0.2
    assert f("target_attainment_ratio", kpi="win_ratio") == 0
    lost = {"kpi": "deals_closed", "outcome": "lost"}
    assert f("target_attainment_ratio", **lost) == 0.5
    assert f("target", "7d", **lost) == 0
    assert f("target_attainment_ratio", "7d", **lost) is None
    assert f("target_attainment_ratio", "24h", **lost) is None  # 3 ÷ 0
    assert f("target_attainment_ratio", kpi="qualified_leads") is None
    slow = {"kpi": "time_to_close_seconds", "outcome": "lost", "quantile": "0.9"}
    assert f("target_attainment_ratio", **slow) == pytest.approx(0.5, rel=0.021)
    assert f.now("target_attainment_ratio", kpi="open_deals", stage="lead") == 0.5
    assert f("target", kpi="discount_ratio") == 0.1
    assert f("target_attainment_ratio", kpi="discount_ratio") is None
