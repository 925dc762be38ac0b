"""The KPIs of the six stages, each with a case worked out by hand."""

import pytest

from tests.oracle.asking import DAY, Ask
from tests.oracle.funnels import Line, event, life

HOUR = 3600


def test_lead_acquisition_is_from_the_first_touch_to_the_lead(ask: Ask) -> None:
    def touched(deal: str, first: str) -> Line:
        return event(deal, "lead", "06-10", first_touch_at=first)

    f = ask(
        [
            touched("a", "2025-06-08T00:00:00Z"),
            touched("b", "2025-06-09T00:00:00Z"),
            touched("same instant", "2025-06-10T02:00:00+02:00"),
            touched("touched after the lead", "2025-06-10T00:00:00.000001Z"),
            event("never", "lead", "06-10"),
            touched("corrected", "2025-06-01T00:00:00Z"),
            event("corrected", "updated", "06-12", first_touch_at="2025-06-04T00:00:00Z"),
        ]
    )
    assert f.parts("lead_acquisition_seconds") == ((2 + 1 + 0 + 6) * DAY, 4)
    assert f("lead_acquisition_seconds") == 9 * DAY / 4
    quantiles = f.labelled("lead_acquisition_seconds_quantile", "quantile", window="30d")
    assert quantiles["0.5"] == pytest.approx(DAY, rel=0.02)
    assert quantiles["0.9"] == pytest.approx(6 * DAY, rel=0.02)


def test_a_quantile_of_nothing_but_zeros_is_zero(ask: Ask) -> None:
    f = ask(life("a", lead="06-10", qualified="06-10"))
    assert f("stage_duration_seconds_quantile", stage="lead", quantile="0.9") == 0


def test_lead_score_by_whether_the_lead_was_qualified(ask: Ask) -> None:
    f = ask(
        [
            *life("a", {"score": 0.1}, lead="06-01", qualified="06-02"),
            *life("b", {"score": 0.2}, lead="06-01", potential="06-02"),
            *life("c", {"score": -4}, lead="06-01", lost="06-02"),
            *life("d", lead="06-01", lost="06-02"),
            event("e", "updated", "06-01", score=50),
            *life("f", {"score": 9}, lead="04-01"),
            event("f", "qualified", "06-01"),
            *life("g", {"score": 1e-7}, lead="06-01"),  # kept to the millionth
        ]
    )
    assert f.parts("lead_score", qualified="true") == (pytest.approx(0.3, rel=1e-9), 2)
    assert f("lead_score", qualified="true") == pytest.approx(0.15, rel=1e-9)
    assert f.parts("lead_score", qualified="false") == (-4, 2)
    assert f("lead_score", "365d", qualified="true") == pytest.approx(3.1, rel=1e-9)


def test_activities_convert_if_a_later_stage_follows_in_time(ask: Ask) -> None:
    """What follows at the instant of the activity is already there; 30 d later is still in time."""
    f = ask(
        [
            *life("a", lead="05-01", qualified="05-02", potential="06-01"),
            event("a", "call", "05-02"),  # potential follows exactly 30 d later
            event("a", "call", "2025-05-01T23:59:59.999999Z"),  # qualified follows
            event("a", "call", "04-30"),  # not open then
            event("a", "call", "06-01"),  # nothing follows
            event("a", "meeting", "05-02", outcome="no_show"),
            *life("b", lead="05-01", lost="05-03"),
            event("b", "audit", "05-01"),  # lost is no later stage
            event("b", "audit", "05-03"),  # no longer open
            *life("c", potential="05-01", lead="05-03", qualified="05-04"),
            event("c", "meeting", "05-02"),  # qualified is below potential
            event("c", "meeting", "05-03"),  # above lead
            *life("d", lead="05-01", won="2025-05-31T00:00:00.000001Z"),
            event("d", "audit", "05-01"),  # too late
            event("d", "audit", "05-01 01:00"),  # won counts
            event("nobody", "negotiation_round", "05-05", outcome="held"),
        ]
    )
    held = f.labelled("activities", "activity", window="365d", outcome="held")
    assert held == {"call": 4, "meeting": 2, "audit": 4, "negotiation_round": 1}
    assert f("activities", "365d", activity="meeting", outcome="no_show") == 1
    assert f.parts("activity_conversion_ratio", "365d", activity="call") == (2, 3)
    assert f("activity_conversion_ratio", "365d", activity="call") == 2 / 3
    assert f.parts("activity_conversion_ratio", "365d", activity="meeting") == (1, 2)
    assert f.parts("activity_conversion_ratio", "365d", activity="audit") == (1, 3)
    assert f("activity_conversion_ratio", "365d", activity="negotiation_round") is None
    assert f("activities", "30d", activity="call", outcome="held") == 1


def test_the_horizon_of_activities_can_be_set(ask: Ask) -> None:
    lines = [*life("a", lead="06-01", offer="06-03"), event("a", "call", "06-01")]
    ratio = {"window": "30d", "activity": "call"}
    assert ask(lines, config={"activity_horizon": "48h"})("activity_conversion_ratio", **ratio) == 1
    assert ask(lines, config={"activity_horizon": "47h"})("activity_conversion_ratio", **ratio) == 0


def test_offer_preparation_starts_with_the_request_or_with_the_potential(ask: Ask) -> None:
    def offered(deal: str, requested: str | None, **stages: str) -> list[Line]:
        return life(deal, {"offer_requested_at": requested}, **stages)

    f = ask(
        [
            *offered("asked", "2025-06-08T00:00:00Z", potential="06-01", offer="06-10"),
            *offered("asked later", "2025-06-11T00:00:00Z", potential="06-05", offer="06-10"),
            *offered("never asked", None, potential="06-07", offer="06-10 06:00"),
            *offered("asked later only", "2025-06-11T00:00:00Z", lead="06-01", offer="06-10"),
            *offered("unknown", None, lead="06-01", offer="06-10"),
            *offered("at once", "2025-06-10T00:00:00Z", offer="06-10"),
            # The last entry into potential before the first offer counts, and no repetition of it.
            *life("back", potential="06-01", lead="06-02"),
            event("back", "potential", "06-04"),
            event("back", "potential", "06-05"),
            event("back", "offer", "06-06"),
            event("back", "potential", "06-07"),
            event("back", "offer", "06-08"),
        ]
    )
    days = 2 + 5 + 3.25 + 0 + 2
    assert f.parts("offer_preparation_seconds") == (days * DAY, 5)
    assert f("offer_preparation_seconds") == days * DAY / 5
    median = f("offer_preparation_seconds_quantile", quantile="0.5")
    assert median == pytest.approx(2 * DAY, rel=0.02)


def test_offer_acceptance_counts_deals_that_were_offered_anything(ask: Ask) -> None:
    f = ask(
        [
            *life("a", offer="06-01", won="06-02"),
            *life("b", offer="06-01", lost="06-02"),
            *life("c", lead="06-01", won="06-02"),  # never offered anything
            *life("d", offer="06-01"),
            *life("e", offer="05-01", won="06-14 18:00"),
            *life("f", offer="05-01", won="05-02", negotiation="06-01"),  # reopened
        ]
    )
    assert f.parts("offer_acceptance_ratio", basis="period") == (2, 3)
    assert f.parts("offer_acceptance_ratio", basis="cohort") == (1, 3)
    assert f.parts("offer_acceptance_ratio", "365d", basis="cohort") == (2, 5)
    assert f.parts("offer_acceptance_ratio", "24h", basis="period") == (1, 1)
    assert f("offer_acceptance_ratio", "24h", basis="cohort") is None
    assert f("deals_offered") == 3
    assert f("deals_offered", "365d") == 5


def test_offer_value_is_the_last_amount_at_or_before_each_offer(ask: Ask) -> None:
    f = ask(
        [
            event("a", "offer", "06-01", amount=100, currency="EUR"),
            event("a", "offer", "06-02"),
            event("a", "updated", "06-03", amount=40, currency="USD"),
            event("a", "offer", "06-04"),
            event("a", "won", "06-05", amount=1, currency="EUR"),
            # Of two events of one instant the id decides which comes first.
            event("b", "updated", "06-01", amount=30, currency="EUR") | {"event_id": "1"},
            event("b", "offer", "06-01") | {"event_id": "2"},
            event("c", "updated", "06-01", amount=70, currency="EUR") | {"event_id": "2"},
            event("c", "offer", "06-01") | {"event_id": "1"},
            event("d", "offer", "06-01", amount=0, currency="EUR"),
            event("e", "offer", "06-01", amount=0, currency="PLN"),
        ]
    )
    assert f.parts("offer_value", currency="EUR") == (230, 4)
    assert f("offer_value", currency="EUR") == 57.5
    assert f("offer_value", currency="USD") == 40
    assert f("offer_value", currency="PLN") == 0
    assert f("offers_sent") == 7


def test_negotiations_are_timed_from_the_first_entry_to_the_closing(ask: Ask) -> None:
    f = ask(
        [
            *life("a", negotiation="06-01", offer="06-03", lost="06-08"),
            *life("b", negotiation="06-01", won="06-04"),
            *life("c", lead="06-01", won="06-04"),
            event("d", "negotiation", "06-01"),
        ]
    )
    assert f.parts("negotiation_seconds") == (10 * DAY, 2)
    median = f("negotiation_seconds_quantile", quantile="0.5")
    assert median == pytest.approx(3 * DAY, rel=0.02)


def test_rounds_of_negotiation_are_those_recorded_else_the_entries(ask: Ask) -> None:
    def met(deal: str, at: str, **fields: str) -> Line:
        return event(deal, "negotiation_round", at, **fields)

    f = ask(
        [
            *life("a", negotiation="06-01", won="06-04"),
            met("a", "05-01"),
            met("a", "06-04"),
            met("a", "06-03", outcome="no_show"),
            met("a", "2025-06-04T00:00:00.000001Z"),  # after the closing
            *life("b", negotiation="06-01", offer="06-02"),
            event("b", "negotiation", "06-03"),
            event("b", "negotiation", "06-04"),
            event("b", "lost", "06-05"),
            met("b", "06-03", outcome="no_show"),
            *life("c", lead="06-01", won="06-04"),
            met("c", "06-02"),  # never entered negotiation
        ]
    )
    assert f.parts("negotiation_rounds") == (2 + 2, 2)
    assert f("negotiation_rounds") == 2


def test_discount_and_retention_compare_the_first_offer_with_the_final_amount(ask: Ask) -> None:
    def sold(
        deal: str, offered: float, final: float, to: str = "EUR", by: str = "EUR"
    ) -> list[Line]:
        return [
            event(deal, "offer", "06-01", amount=offered, currency=to),
            event(deal, "offer", "06-02", amount=1, currency=to),
            event(deal, "won", "06-03", amount=final, currency=by),
        ]

    f = ask(
        [
            *sold("discount", 100, 80),  # 0.2
            *sold("upsell", 200, 300),  # -0.5
            *sold("gift", 50, 0),  # 1
            *sold("from nothing", 0, 10),
            *sold("other currency", 100, 90, "EUR", "USD"),
            *sold("yen", 300, 200, "JPY", "JPY"),  # 1/3
            *life("never offered", {"amount": 5, "currency": "EUR"}, lead="06-01", won="06-02"),
            *life("no amount then", offer="06-01", won="06-02"),
            event("no amount then", "updated", "06-03", amount=7, currency="EUR"),
            *sold("lost", 100, 80)[:2],
            event("lost", "lost", "06-03"),
        ]
    )
    assert f.parts("discount_ratio") == (pytest.approx(0.7 + 1 / 3, abs=1e-11), 4)
    assert f("discount_ratio") == pytest.approx((0.7 + 1 / 3) / 4, abs=1e-11)
    assert f.parts("value_retention_ratio", currency="EUR") == (380, 350)
    assert f("value_retention_ratio", currency="EUR") == 380 / 350
    assert f("value_retention_ratio", currency="JPY") == 2 / 3
    assert f("value_retention_ratio", currency="USD") is None


def test_margin_needs_a_cost_in_the_currency_of_the_amount(ask: Ask) -> None:
    def sold(deal: str, cost: float, currency: str, amount: float = 100) -> list[Line]:
        return [
            event(deal, "won", "06-01", amount=amount, currency="EUR"),
            event(deal, "updated", "06-02", cost=cost, currency=currency),
        ]

    f = ask(
        [
            *sold("a", 60, "EUR"),
            *sold("b", 150, "EUR"),  # at a loss
            *sold("c", 1, "USD"),
            *sold("corrected", 1, "USD", 50),
            event("corrected", "updated", "06-03", cost=20, currency="EUR"),
            event("d", "won", "06-01", amount=100, currency="EUR"),
            event("e", "won", "06-01", cost=5, currency="EUR"),
            event("f", "lost", "06-01", amount=100, cost=10, currency="EUR"),
            event("g", "won", "06-01", amount=0, cost=3, currency="PLN"),
        ]
    )
    assert f.parts("margin_ratio", currency="EUR") == (40 - 50 + 30, 250)
    assert f("margin_ratio", currency="EUR") == 20 / 250
    assert f.parts("margin_ratio", currency="PLN") == (-3, 0)
    assert f("margin_ratio", currency="PLN") is None
    assert f("margin_ratio_numerator", currency="USD") is None


def test_lost_deals_by_reason_last_stage_and_offer(ask: Ask) -> None:
    f = ask(
        [
            *life("a", {"lost_reason": "price"}, offer="06-01", lead="06-02", lost="06-03"),
            *life("b", {"lost_reason": "price", "amount": 5, "currency": "EUR"}, lost="06-03"),
            *life("c", won="06-01", lost="06-03"),
            *life("d", lost="06-01", negotiation="06-02"),
            event("d", "lost", "06-03", lost_reason="time", amount="0.5", currency="KWD"),
            event("d", "updated", "06-04", lost_reason="fit"),
            *life("e", {"lost_reason": "price"}, lead="06-01", won="06-03"),
        ]
    )

    def lost(reason: str, lost_from: str, offered: str) -> float | None:
        return f("lost_deals", reason=reason, lost_from=lost_from, offered=offered)

    assert lost("price", "lead", "true") == 1
    assert lost("price", "lead", "false") == 1
    assert lost("__none__", "won", "false") == 1
    assert lost("fit", "negotiation", "false") == 1
    assert f.total("lost_deals", window="30d") == 4
    assert f.labelled("lost_value", "currency", window="30d") == {"EUR": 5, "KWD": 0.5}
    assert f("deals_closed", outcome="lost") == 4


def test_a_stage_lasts_from_its_own_entry_to_the_next_stage_or_the_loss(ask: Ask) -> None:
    f = ask(
        [
            *life("a", lead="06-01", qualified="06-02", offer="06-05", won="06-07"),
            *life("b", lead="06-01", qualified="06-02", lost="06-04"),
            *life("c", offer="06-01", lead="06-02", lost="06-06"),  # never entered lead first
            *life("d", potential="06-01", lead="06-02"),
            *life("e", lost="06-01", lead="06-02"),
            event("e", "lost", "06-03"),
            *life("f", lead="06-01", won="06-03", negotiation="06-04"),
        ]
    )
    spent = f.labelled("stage_duration_seconds_sum", "stage", window="30d")
    counted = f.labelled("stage_duration_seconds_count", "stage", window="30d")
    # lead: a, b 1 d, f 2 d; qualified: a 3 d (to the offer that skips potential), b 2 d (lost);
    # offer: a 2 d (won passes negotiation), c 5 d (lost); negotiation of f was passed with won.
    assert {s: n / DAY for s, n in spent.items()} == {
        "lead": 4, "qualified": 5, "potential": 0, "offer": 7, "negotiation": 0}  # fmt: skip
    assert counted == {"lead": 3, "qualified": 2, "potential": 0, "offer": 2, "negotiation": 0}
    assert f("stage_duration_seconds", stage="qualified") == 2.5 * DAY


def test_a_stage_duration_belongs_to_the_time_when_the_stage_was_left(ask: Ask) -> None:
    f = ask(life("a", lead="04-01", qualified="06-15 11:30"))
    assert f.parts("stage_duration_seconds", "1h", stage="lead") == (75 * DAY + 11.5 * HOUR, 1)
