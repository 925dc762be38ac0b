"""The simulated company: reproducible, valid, and as unruly as real upstream applications."""

import json
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest

from funnel_stream.contract import Decoder, Rejection
from funnel_stream.contract.event import STAGES
from funnel_stream.tools.simulator import Simulator, events

END = datetime(2026, 11, 2, 12, tzinfo=UTC)
START = END - timedelta(days=40)
RANK = {stage: rank for rank, stage in enumerate(STAGES)}

Event = dict[str, Any]


@pytest.fixture(scope="module")
def history() -> list[bytes]:
    return list(events(days=40, deals_per_day=60, seed=3, end=END))


@pytest.fixture(scope="module")
def parsed(history: list[bytes]) -> list[Event]:
    return [json.loads(line) for line in history]


@pytest.fixture(scope="module")
def journeys(parsed: list[Event]) -> dict[str, list[Event]]:
    """Each deal's events once each, by time of occurrence."""
    unique = {event["event_id"]: event for event in parsed if "deal_id" in event}
    deals = defaultdict(list)
    for event in sorted(unique.values(), key=occurred):
        deals[event["deal_id"]].append(event)
    return deals


def occurred(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def stages_of(journey: list[Event]) -> list[str]:
    return [event["stage"] for event in journey if event["type"] == "stage_changed"]


def micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_global_generator_alone(
    history: list[bytes],
) -> None:
    before = random.getstate()
    assert list(events(days=40, deals_per_day=60, seed=3, end=END)) == history
    assert random.getstate() == before


@pytest.mark.parametrize("other", [{"seed": 4}, {"end": END + timedelta(seconds=1)}])
def test_another_seed_or_another_time_is_about_other_deals(
    parsed: list[Event], other: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {"days": 40, "deals_per_day": 60, "seed": 3, "end": END} | other
    others = [json.loads(line) for line in islice(events(**arguments), 500)]
    for name in ("event_id", "deal_id"):
        ours = {event.get(name) for event in parsed} - {None}
        assert ours.isdisjoint(event.get(name) for event in others)


def test_the_contract_accepts_every_line(history: list[bytes]) -> None:
    verdicts = Decoder().decode(history, [int(END.timestamp() * 1000)] * len(history))
    assert [one for one in verdicts if isinstance(one, Rejection)] == []
    assert not any(b"\n" in line for line in history)


def test_nothing_arrives_before_it_has_occurred() -> None:
    simulator = Simulator(start=START, deals_per_day=60, seed=3)
    for hours in range(0, 15 * 24, 3):
        until = START + timedelta(hours=hours)
        late = [line for line in simulator.history(until) if occurred(json.loads(line)) > until]
        assert late == []


def test_history_told_in_parts_is_the_same_history(history: list[bytes]) -> None:
    simulator = Simulator(start=START, deals_per_day=60, seed=3)
    told = [
        line
        for days in (3, 3.5, 20, 40)
        for line in simulator.history(START + timedelta(days=days))
    ]
    assert told == history
    assert simulator.progress(START + timedelta(days=80)) == pytest.approx(0.5, abs=0.01)


def test_deals_have_about_six_events_and_tens_of_per_cent_of_them_end(
    journeys: dict[str, list[Event]],
) -> None:
    assert 40 * 60 * 0.85 < len(journeys) < 40 * 60 * 1.15
    assert 5 < sum(map(len, journeys.values())) / len(journeys) < 7.5
    last = Counter(stages_of(journey)[-1] for journey in journeys.values())
    assert 0.06 < last["won"] / len(journeys) < 0.2
    assert 0.4 < last["lost"] / len(journeys) < 0.8


def test_channels_convert_differently(journeys: dict[str, list[Event]]) -> None:
    leads: Counter[str] = Counter()
    qualified: Counter[str] = Counter()
    for journey in journeys.values():
        channel = journey[0].get("channel", "none")
        leads[channel] += 1
        qualified[channel] += "qualified" in stages_of(journey)
    assert len(leads) == 9
    assert qualified["referral"] / leads["referral"] > 1.15 * qualified["social"] / leads["social"]


def test_deals_skip_go_back_come_back_and_repeat(journeys: dict[str, list[Event]]) -> None:
    moves = Counter(move for journey in journeys.values() for move in pairwise(stages_of(journey)))
    entered = Counter(stages_of(journey)[0] for journey in journeys.values())
    assert set(entered) >= {"lead", "potential", "offer"}
    assert moves["qualified", "offer"], "skips potential"
    assert moves["offer", "won"], "skips negotiation"
    assert moves["potential", "qualified"], "goes back"
    assert moves["negotiation", "offer"], "goes back"
    assert moves["lost", "qualified"] + moves["lost", "negotiation"], "comes back"
    assert moves["won", "lost"] + moves["won", "negotiation"], "a contract that does not hold"
    assert moves["offer", "offer"], "sends another offer"
    assert moves["qualified", "qualified"], "is told twice"
    assert {stage for stage, to in moves if to == "lost"} > set(STAGES[:5])


def test_arrival_is_late_out_of_order_and_doubled(parsed: list[Event]) -> None:
    seen: dict[str, Event] = {}
    doubled = 0
    lag = Counter()
    newest = START
    for event in parsed:
        if event["event_id"] in seen:
            doubled += 1
            assert event == seen[event["event_id"]]
            continue
        seen[event["event_id"]] = event
        behind = newest - occurred(event)
        for name, floor in (("some", 0), ("minutes", 120), ("hours", 3_600), ("days", 86_400)):
            lag[name] += behind.total_seconds() > floor
        newest = max(newest, occurred(event))
    share = {name: number / len(seen) for name, number in lag.items()}
    assert 0.005 < doubled / len(seen) < 0.02
    assert 0.02 < share["minutes"] < 0.05
    assert share["some"] > share["minutes"] > share["hours"] > share["days"] > 0


def test_clean_has_none_of_these_but_the_same_kinds_of_deals() -> None:
    clean = [
        json.loads(line) for line in events(days=5, deals_per_day=60, seed=3, end=END, clean=True)
    ]
    assert [occurred(event) for event in clean] == sorted(occurred(event) for event in clean)
    assert len({event["event_id"] for event in clean}) == len(clean)


def test_every_kind_of_fact_occurs(parsed: list[Event]) -> None:
    def given(name: str) -> set[Any]:
        return {str(event[name]) for event in parsed if name in event}

    types = {"stage_changed", "deal_updated", "activity_recorded", "spend_recorded"}
    assert given("type") == types
    assert given("stage") == set(STAGES)
    assert given("pipeline") == {"partner"}
    assert given("currency") == {"EUR", "USD", "PLN", "JPY"}
    assert given("activity") == {"meeting", "audit", "call", "negotiation_round"}
    assert given("outcome") == {"held", "no_show"}
    assert given("closing_document") == {"contract", "pro_forma_invoice"}
    assert len(given("lost_reason")) >= 10
    assert len(given("owner")) == 10
    for name in ("first_touch_at", "offer_requested_at", "problems", "desired_outcomes", "cost"):
        assert given(name), name
    assert {type(event["amount"]) for event in parsed if "amount" in event} >= {str, float}
    corrected = {key for event in parsed if event["type"] == "deal_updated" for key in event}
    assert {"owner", "channel", "amount"} <= corrected
    assert {event["occurred_at"][-6:] for event in parsed} >= {"+01:00", "+02:00"}


def test_each_paid_channel_records_its_spend_of_every_day_the_day_after(
    parsed: list[Event],
) -> None:
    spend = [event for event in parsed if event["type"] == "spend_recorded"]
    periods = {(event["channel"], event["period_start"], event["period_end"]) for event in spend}
    by_channel = Counter(channel for channel, _, _ in periods)
    assert set(by_channel) == {
        "paid_search", "social", "outbound_call", "email", "partner", "trade_fair",
    }  # fmt: skip
    assert set(by_channel.values()) <= {38, 39, 40}
    for event in spend:
        ends = datetime.fromisoformat(event["period_end"])
        assert datetime.fromisoformat(event["period_start"]) < ends < occurred(event)


def test_weekends_are_quiet(journeys: dict[str, list[Event]]) -> None:
    by_weekday = Counter(occurred(journey[0]).weekday() for journey in journeys.values())
    assert max(by_weekday[5], by_weekday[6]) < min(by_weekday[day] for day in range(5))


def test_live_goes_on_with_the_deals_of_history_at_the_wall_clock(
    journeys: dict[str, list[Event]], parsed: list[Event]
) -> None:
    simulator = Simulator(start=START, deals_per_day=60, seed=3)
    for _ in simulator.history(END):
        pass
    wall = [micros(END) + 7_000_000]

    def clock() -> int:
        wall[0] += 250_000
        return wall[0]

    known = {event["event_id"] for event in parsed}
    carried_on = on_time = late = 0
    for line in islice(simulator.live(clock), 3_000):
        event = json.loads(line)
        if event["event_id"] in known:
            continue
        known.add(event["event_id"])
        carried_on += event.get("deal_id") in journeys
        at = micros(occurred(event))
        assert at <= wall[0]
        on_time += at == wall[0]
        late += at < wall[0]
        assert "period_start" not in event or at <= micros(END)
    assert carried_on > 500
    assert on_time > 2_700
    assert late > 20


def test_live_alone_begins_with_new_deals() -> None:
    simulator = Simulator(start=END, deals_per_day=60, seed=3)
    assert list(simulator.history(END)) == []
    first = json.loads(next(simulator.live(lambda: micros(END))))
    assert first["stage"] in ("lead", "potential", "offer")
    assert RANK[first["stage"]] < RANK["negotiation"]
    assert occurred(first) == END
