"""Windows, panes, bases and breakdowns; worked out by hand."""

from datetime import datetime, timedelta

import pytest

from tests.oracle.asking import DAY, Ask
from tests.oracle.funnels import Line, event, life, spend

PAIR = {"from_stage": "lead", "to_stage": "qualified"}


def test_nothing_after_the_instant_is_seen(ask: Ask) -> None:
    later = "2025-06-15T12:00:00.000001Z"
    f = ask(
        [
            event("a", "lead", "06-15 12:00", channel="web"),
            event("a", "won", later, channel="fair", pipeline="B"),
            event("a", "call", later),
            spend("web", later, 1),
        ]
    )
    assert f("leads", window="1h") == 1
    assert f("qualified_leads", window="1h") == 0
    assert f("leads_breakdown", dimension="channel", value="web") == 1
    assert f("leads", pipeline="B") is None
    assert f.total("activities") == 0
    assert "funnel_spend" not in f.metrics()


@pytest.mark.parametrize(
    ("window", "first"),
    [
        ("1h", "2025-06-15T11:02:00Z"),
        ("2h", "2025-06-15T10:02:00Z"),
        ("3h", "2025-06-15T10:00:00Z"),
        ("24h", "2025-06-14T13:00:00Z"),
        ("36h", "2025-06-14T01:00:00Z"),
        ("7d", "2025-06-08T13:00:00Z"),
        ("35d", "2025-05-11T13:00:00Z"),
        ("36d", "2025-05-11T00:00:00Z"),
        ("365d", "2024-06-16T00:00:00Z"),
        ("400d", "2024-05-12T00:00:00Z"),
    ],
)
def test_a_window_begins_with_a_whole_pane(ask: Ask, window: str, first: str) -> None:
    """Up to 2 h it lies on minutes, up to 35 d on hours, then on days."""
    before = (datetime.fromisoformat(first) - timedelta(microseconds=1)).isoformat()
    lines: list[Line] = [event("a", "lead", first), event("b", "lead", before)]
    names = [window] if window == "400d" else [window, "400d"]
    config = {"windows": names, "closed_retention_days": 430}
    assert ask(lines, "2025-06-15T12:01:30Z", config)("leads", window=window) == 1


def test_period_and_cohort(ask: Ask) -> None:
    f = ask(
        [
            *life("old", lead="05-01", won="06-14 18:00"),
            event("a", "lead", "06-14 18:00"),
            *life("b", lead="06-14 19:00", qualified="06-15 10:00"),
        ]
    )
    assert f("lead_quality_ratio", "24h", basis="period") == 1  # old and b of a and b
    assert f("lead_quality_ratio", "24h", basis="cohort") == 0.5
    assert f("sales_conversion_ratio", "24h", basis="period") == 0.5
    assert f("sales_conversion_ratio", "24h", basis="cohort") == 0
    assert f("sales_conversion_ratio", "365d", basis="cohort") == 1 / 3
    pair = {"from_stage": "negotiation", "to_stage": "won", "basis": "period"}
    assert f("conversion_ratio", "24h", **pair) == 1
    assert f("conversion_ratio", "1h", **pair) is None
    assert f("conversion_ratio_denominator", "1h", **pair) == 0


def test_a_period_conversion_may_exceed_one(ask: Ask) -> None:
    sold = [line for deal in "ab" for line in life(deal, lead="05-01", won="06-15 09:00")]
    f = ask([*sold, event("c", "lead", "06-15 09:00")])
    assert f("sales_conversion_ratio", "24h", basis="period") == 2


def test_matured_counts_from_the_first_pane_that_starts_after_the_horizon(ask: Ask) -> None:
    pair = PAIR | {"basis": "matured", "horizon": "1d"}
    lines = [
        *life("on the hour", lead="06-14 11:00", qualified="06-15 11:00"),
        *life("just after", lead="2025-06-14T11:00:00.000001Z", qualified="06-14 12:00"),
    ]
    f = ask(lines, "2025-06-15T11:59:59.999999Z")
    assert f("conversion_ratio_denominator", "24h", **pair) == 1
    assert f("conversion_ratio", "24h", **pair) == 1  # exactly one day is within one day
    assert f("conversion_ratio_denominator", "365d", **pair) == 0  # day panes: from midnight on
    assert f("conversion_ratio_denominator", "1h", **pair) is None
    for as_of, window, counted in (
        ("2025-06-15T12:00:00Z", "24h", 2),
        ("2025-06-16T00:00:00Z", "365d", 2),
        ("2025-06-16T11:00:00Z", "24h", 1),
    ):
        f = ask(lines, as_of)
        assert f("conversion_ratio_denominator", window, **pair) == counted, as_of


def test_matured_converts_within_the_horizon_only(ask: Ask) -> None:
    f = ask(
        [
            *life("a", offer="06-01", won="06-05"),
            *life("b", offer="06-01", won="2025-06-08T00:00:00.000001Z"),
            *life("c", offer="06-14", won="06-14 01:00"),
        ]
    )
    pair = {"from_stage": "offer", "to_stage": "won", "basis": "matured"}
    assert f.parts("conversion_ratio", horizon="1d", **pair) == (1, 3)
    assert f.parts("conversion_ratio", horizon="7d", **pair) == (1, 2)
    assert f("conversion_ratio", horizon="30d", **pair) is None
    skipping = {"from_stage": "qualified", "to_stage": "won", "basis": "matured"}
    assert f("conversion_ratio_denominator", horizon="1d", **skipping) is None


def test_every_pipeline_matures_by_its_own_horizons(ask: Ask) -> None:
    config = {
        "horizons": ["1d"],
        "pipelines": {"default": {}, "slow": {"horizons": ["10d"]}, "none": {"horizons": []}},
    }
    f = ask(
        [
            line
            for pipeline in ("default", "slow", "none", "new")
            for line in life(pipeline, {"pipeline": pipeline}, lead="06-01", qualified="06-09")
        ],
        config=config,
    )

    def matured(pipeline: str) -> dict[str, float]:
        return f.labelled("conversion_ratio", "horizon", window="30d", pipeline=pipeline, **PAIR,
                          basis="matured")  # fmt: skip

    assert matured("default") == {"1d": 0}
    assert matured("new") == {"1d": 0}
    assert matured("slow") == {"10d": 1}
    assert matured("none") == {}
    assert f("lead_quality_ratio", pipeline="none", basis="cohort") == 1


def test_quantiles_are_the_value_at_the_rank(ask: Ask) -> None:
    days = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20]
    lines = [line for d in days for line in life(f"{d}", lead=f"05-{25 - d:02}", won="05-25")]
    f = ask(lines)
    assert f("time_to_close_seconds", outcome="won") == 6.5 * DAY
    assert f("time_to_close_seconds_count", outcome="won") == 10
    quantiles = f.labelled(
        "time_to_close_seconds_quantile", "quantile", window="30d", outcome="won"
    )
    assert quantiles["0.5"] == pytest.approx(5 * DAY, rel=0.02)
    assert quantiles["0.9"] == pytest.approx(9 * DAY, rel=0.02)
    assert f("time_to_close_seconds_quantile", outcome="lost", quantile="0.5") is None


def test_the_quantiles_of_one_sample_are_that_sample(ask: Ask) -> None:
    """One deal took 19 days; of two others in another channel the longer one is within the sum."""
    lines = [
        *life("a", {"channel": "fair"}, lead="05-06", won="05-25"),
        *life("b", {"channel": "web"}, lead="05-25 00:00", won="05-25 00:00"),
        *life("c", {"channel": "web"}, lead="05-02", won="05-25"),
    ]
    f = ask(lines)

    def within(tenths: str, channel: str) -> float | None:
        place = {"dimension": "channel", "value": channel, "quantile": tenths}
        return f("time_to_close_seconds_breakdown_quantile", outcome="won", **place)

    assert within("0.5", "fair") == within("0.9", "fair") == 19 * DAY
    assert within("0.5", "web") == 0
    assert within("0.9", "web") == 23 * DAY


def test_closed_counts_are_zero_where_nothing_happened_and_ratios_absent(ask: Ask) -> None:
    f = ask([event("a", "lead", "06-01", channel="web")])
    assert f("leads", "1h") == 0
    assert f("deals_closed", "1h", outcome="won") == 0
    assert f("time_to_close_seconds_count", outcome="won") == 0
    assert f("activities", activity="audit", outcome="no_show") == 0
    assert f.parts("activity_conversion_ratio", activity="audit") == (0, 0)
    assert f.parts("lead_score", qualified="true") == (0, 0)
    assert f.parts("discount_ratio") == (0, 0)
    assert f.parts("stage_duration_seconds", stage="negotiation") == (0, 0)
    assert len(f.labelled("transitions", "window", from_stage="won", to_stage="lost")) == 5
    assert f("win_ratio") is None
    assert f("time_to_close_seconds", outcome="won") is None
    assert f("lead_quality_ratio", basis="cohort") == 0
    assert f("leads_breakdown", "1h", dimension="channel", value="web") is None
    absent = ("deals_closed_breakdown", "spend", "cost_per_lead_denominator", "offer_value_count",
              "margin_ratio_denominator", "open_value", "problems", "lost_deals", "stuck_deals",
              "pipeline_velocity", "target")  # fmt: skip
    assert f.metrics().isdisjoint(f"funnel_{name}" for name in absent)


def test_a_pipeline_is_known_while_anything_of_it_is_in_a_window_or_open(ask: Ask) -> None:
    past = "2024-05-01T00:00:00Z"
    f = ask(
        [
            *life("a", {"pipeline": "matured"}, lead="2024-06-01T00:00:00Z", lost=past),
            *life("b", {"pipeline": "over"}, lead=past, lost="2024-05-20T00:00:00Z"),
            event("c", "lead", past, pipeline="open"),
            event("d", "updated", "06-01", pipeline="no stage"),
            event("e", "call", "06-01", pipeline="called"),
            spend("web", "06-01", 1, pipeline="paid"),
            spend("web", "06-01", 0, pipeline="nothing paid"),
        ]
    )
    for pipeline in ("default", "open", "called", "paid"):
        assert f("leads", pipeline=pipeline) == 0, pipeline
    for pipeline in ("over", "no stage", "nothing paid"):
        assert f("leads", pipeline=pipeline) is None, pipeline
    assert f.now("open_deals", pipeline="open", stage="lead") == 1
    assert f.now("open_deals", pipeline="paid", stage="lead") == 0


def test_a_pipeline_is_known_by_a_deal_that_has_just_matured(ask: Ask) -> None:
    pair = PAIR | {"basis": "matured", "horizon": "30d"}
    f = ask(
        life("a", {"pipeline": "old"}, lead="2024-06-01T00:00:00Z", lost="2024-06-01T01:00:00Z")
    )
    assert f("conversion_ratio", "365d", pipeline="old", **pair) == 0
    assert f("leads", "365d", pipeline="old") == 0
