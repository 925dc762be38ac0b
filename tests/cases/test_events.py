"""Cases about events: what they mean, and what is refused."""

from datetime import datetime

import pytest

from funnel_stream.contract import Reason
from funnel_stream.definition import Definition
from funnel_stream.facts.deals import Deals
from funnel_stream.replay.compute import Computed, as_record
from funnel_stream.windows.tables import WindowTables
from tests.cases import case
from tests.funnels import NOW, figure, figures, lines, stage


def instant(text: str) -> int:
    """In microseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def parts(found: Computed, ratio: str, **labels: str) -> tuple[float | None, float | None]:
    """Numerator and denominator."""
    metric = f"funnel_{ratio}_ratio"
    return (
        figure(found, f"{metric}_numerator", **labels),
        figure(found, f"{metric}_denominator", **labels),
    )


def test_a_horizon_of_days_is_one_of_hours_when_clocks_change() -> None:
    """Case 03: qualified 167.5, 168 and 168.5 hours after the lead; summer time began between."""
    found = case("03-dst", instant("2026-04-10T00:00:00Z"))
    labels = {"from_stage": "lead", "to_stage": "qualified", "basis": "matured", "horizon": "7d"}
    assert parts(found, "conversion", window="30d", **labels) == (2, 3)


def won(found: Computed, window: str) -> float | None:
    return figure(found, "funnel_deal_value", window, outcome="won", currency="EUR")


def test_a_refund_restates_the_month_of_the_closing() -> None:
    """Case 04: won for 1,000 on 5 March; on 10 April 200 are paid back, told as what is left."""
    before, after = instant("2026-03-31T23:59:00Z"), instant("2026-04-30T23:59:00Z")
    assert won(case("04-refund", before), "30d") == 1000
    assert won(case("04-refund", after, windows=["30d", "60d"]), "60d") == 800
    assert won(case("04-refund", after), "30d") is None, "nothing was won in April"


def test_a_negative_amount_takes_nothing_away() -> None:
    """Case 04, as people try it first: the deal keeps the amount that it had."""
    found = case("04-refund-negative")
    assert won(found, "365d") == 1000


def leads_and_win_ratio(found: Computed) -> tuple[float | None, float | None]:
    return figure(found, "funnel_leads"), figure(found, "funnel_win_ratio")


def test_a_merged_duplicate_is_gone_once_it_is_erased() -> None:
    """Case 06: A and B were one deal all the time; B was closed as lost, reason duplicate."""
    assert leads_and_win_ratio(case("06-merged-duplicate")) == (2, 0.5)
    erased = case("06-merged-duplicate-erased")
    assert leads_and_win_ratio(erased) == (1, 1.0)
    lost = [key for key in figures(erased) if ("reason", "duplicate") in key[1]]
    assert lost == []


def test_a_renamed_stage_needs_its_alias() -> None:
    """Case 08: "Proposal sent" is what somebody calls an offer."""
    found = case("08-stage-renamed", aliases={"Proposal sent": "offer"})
    assert found.rejected == []
    assert figure(found, "funnel_offers_sent") == 1
    assert figure(found, "funnel_offer_value", currency="EUR") == 500


@pytest.mark.parametrize("aliases", [{}, {"proposal sent": "offer"}])
def test_a_stage_that_nobody_knows_is_refused_by_its_name(aliases: dict[str, str]) -> None:
    found = case("08-stage-renamed", aliases=aliases)
    [(line, rejection)] = found.rejected
    assert (line, rejection.reason) == (2, Reason.UNKNOWN_STAGE)
    assert "'Proposal sent'" in rejection.message
    assert figure(found, "funnel_offers_sent") == 0


def test_a_loop_of_automations_sends_many_offers_for_one_deal() -> None:
    """Case 16: 30 offers within half an hour, moved back each time, and one the day after."""
    found = case("16-bouncing")
    assert figure(found, "funnel_offers_sent") == 31
    assert figure(found, "funnel_deals_offered") == 1
    assert figure(found, "funnel_leads") == 1
    assert figure(found, "funnel_deals_closed", outcome="lost") == 1


def test_deals_that_began_before_the_events_are_leads_of_their_first_event() -> None:
    """Case 17: five known from their offer on, five from the lead on, one from its loss on. By
    contract all of them reached the lead with their first event."""
    found = case("17-left-truncated", instant("2026-03-20T00:00:00Z"))
    assert figure(found, "funnel_leads") == 11
    assert parts(found, "sales_conversion", basis="cohort") == (5, 11)
    assert figure(found, "funnel_time_to_close_seconds", outcome="won") == 10 * 86_400
    assert figure(found, "funnel_time_to_close_seconds_count", outcome="won") == 5
    assert figure(found, "funnel_time_to_close_seconds", outcome="lost") == 0
    # Who passed a stage without an event has no duration there.
    assert figure(found, "funnel_stage_duration_seconds_count", stage="lead") == 0


def test_a_deal_takes_its_past_along_into_another_pipeline() -> None:
    """Case 19: a lead of 1 March moves from inbound to enterprise on 10 March."""

    def leads(as_of: str) -> dict[str, float]:
        found = figures(case("19-pipeline-move", instant(as_of)))
        return {
            dict(labels)["pipeline"]: value
            for (metric, labels), value in found.items()
            if metric == "funnel_leads" and ("window", "30d") in labels and value
        }

    assert leads("2026-03-09T00:00:00Z") == {"inbound": 2}
    assert leads("2026-03-11T00:00:00Z") == {"inbound": 1, "enterprise": 1}


def test_what_is_no_timestamp_is_refused_with_what_to_write() -> None:
    """Case 22: nine ways in which producers write times."""
    found = case("22-timestamps")
    assert [line for line, _ in found.rejected] == list(range(1, 10))
    for _, rejection in found.rejected:
        assert rejection.field == "occurred_at"
        assert "write it like 2026-03-01T09:30:00Z" in rejection.message


@pytest.mark.parametrize(
    "money",
    [{}, {"base_currency": "EUR", "rates": {"USD": {"2026-01-01": "0.8"}}}],
    ids=["each currency for itself", "a base currency"],
)
def test_a_price_in_another_currency_is_no_discount(money: dict[str, object]) -> None:
    """Case 26: offered at 1,000 USD and won for 900 EUR; the other one is 1,000 and 900 EUR."""
    found = case("26-renegotiated-currency", **money)
    assert figure(found, "funnel_discount_ratio") == pytest.approx(0.1)
    assert figure(found, "funnel_discount_ratio_count") == 1


def test_a_window_slides_while_nothing_happens() -> None:
    """Case 25-silence-window: a lead, then silence; the clock alone takes it out of the hour."""
    definition = Definition()
    lead = lines([stage("d", "lead", "2026-03-02T10:54:45Z")])
    deals = Deals(definition)
    now_ms = int(NOW.timestamp() * 1000)
    deals.fold([as_record(number, line, now_ms) for number, line in enumerate(lead)])
    tables = WindowTables(definition)
    tables.replace(0, deals.snapshot())

    def leads(as_of: str) -> float | None:
        tables.advance(instant(as_of))
        return figure(Computed(tables.snapshot()), "funnel_leads", "1h")

    assert leads("2026-03-02T11:53:15Z") == 1
    assert leads("2026-03-02T11:54:26Z") == 0
