"""The simulated company: reproducible, valid, and as unruly as real upstream applications."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from statistics import mean, median
from typing import Any

import pytest

from funnel_stream.contract import Decoder, Rejection
from funnel_stream.contract.event import DIMENSIONS, STAGES
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import families
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import compute
from funnel_stream.tools.market import PAID_CHANNELS
from funnel_stream.tools.simulator import Simulator, events

END = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAYS, DEALS_PER_DAY = 60, 100
START = END - timedelta(days=DAYS)
RANK = {stage: rank for rank, stage in enumerate(STAGES)}
OTHER_ATTRIBUTES = (
    "problems", "desired_outcomes", "amount", "cost", "score", "lost_reason", "first_touch_at",
    "offer_requested_at",
)  # fmt: skip
CORRECTED = (
    "channel", "product", "industry", "segment", "owner", "pipeline", "amount", "cost", "problems",
    "desired_outcomes", "lost_reason",
)  # fmt: skip

Event = dict[str, Any]


@pytest.fixture(scope="module")
def history() -> list[bytes]:
    return list(events(days=DAYS, deals_per_day=DEALS_PER_DAY, seed=3, end=END))


@pytest.fixture(scope="module")
def told(history: list[bytes]) -> list[Event]:
    """Every line, erasures and duplicates too."""
    return [json.loads(line) for line in history]


@pytest.fixture(scope="module")
def parsed(told: list[Event]) -> list[Event]:
    return [line for line in told if line["type"] != "deal_erased"]


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
    again = events(days=DAYS, deals_per_day=DEALS_PER_DAY, seed=3, end=END)
    assert list(again) == history
    assert random.getstate() == before


@pytest.mark.parametrize("other", [{"seed": 4}, {"end": END + timedelta(seconds=1)}])
def test_another_seed_or_another_time_is_about_other_deals(
    parsed: list[Event], other: dict[str, Any]
) -> None:
    same = {"days": DAYS, "deals_per_day": DEALS_PER_DAY, "seed": 3, "end": END}
    others = [json.loads(line) for line in islice(events(**(same | other)), 500)]
    for name in ("event_id", "deal_id"):
        ours = {event.get(name) for event in parsed} - {None}
        assert ours.isdisjoint(event.get(name) for event in others)


def test_the_contract_accepts_every_line(history: list[bytes]) -> None:
    lines = [line for line in history if b'"deal_erased"' not in line]
    verdicts = Decoder().decode(lines, [int(END.timestamp() * 1000)] * len(lines))
    assert [one for one in verdicts if isinstance(one, Rejection)] == []
    assert not any(b"\n" in line for line in history)


def test_nothing_arrives_before_it_has_occurred() -> None:
    simulator = Simulator(start=START, deals_per_day=DEALS_PER_DAY, seed=3, erasures=False)
    for hours in range(0, 15 * 24, 3):
        until = START + timedelta(hours=hours)
        late = [line for line in simulator.history(until) if occurred(json.loads(line)) > until]
        assert late == []


def test_history_told_in_parts_is_the_same_history(history: list[bytes]) -> None:
    simulator = Simulator(start=START, deals_per_day=DEALS_PER_DAY, seed=3)
    parts = [
        line
        for days in (3, 3.5, 20, DAYS)
        for line in simulator.history(START + timedelta(days=days))
    ]
    assert parts == history
    assert simulator.progress(START + timedelta(days=2 * DAYS)) == pytest.approx(0.5, abs=0.01)


def test_deals_have_about_six_events_and_tens_of_per_cent_of_them_end(
    journeys: dict[str, list[Event]],
) -> None:
    expected = DAYS * DEALS_PER_DAY
    assert 0.85 * expected < len(journeys) < 1.15 * expected
    assert 5 < sum(map(len, journeys.values())) / len(journeys) < 7.5
    last = Counter((stages_of(journey) or ["none"])[-1] for journey in journeys.values())
    assert 0.1 < last["won"] / len(journeys) < 0.2
    assert 0.55 < last["lost"] / len(journeys) < 0.75
    assert 0.002 < last["none"] / len(journeys) < 0.02
    taken = [days_to_end(journey) for journey in journeys.values() if "won" in stages_of(journey)]
    assert 7 < median(taken) < 12


def days_to_end(journey: list[Event]) -> float:
    staged = [occurred(event) for event in journey if "stage" in event]
    return (staged[-1] - staged[0]) / timedelta(days=1)


def test_channels_convert_differently(journeys: dict[str, list[Event]]) -> None:
    leads: Counter[str] = Counter()
    qualified: Counter[str] = Counter()
    for journey in journeys.values():
        channel = journey[0].get("channel", "none")
        leads[channel] += 1
        qualified[channel] += "qualified" in stages_of(journey)
    assert len(leads) == 9  # eight, and none
    assert qualified["referral"] / leads["referral"] > 1.15 * qualified["social"] / leads["social"]


def test_the_score_tells_who_will_be_qualified(journeys: dict[str, list[Event]]) -> None:
    scores: dict[bool, list[float]] = {True: [], False: []}
    for journey in journeys.values():
        if "score" in journey[0] and journey[0].get("stage") == "lead":
            scores["qualified" in stages_of(journey)].append(journey[0]["score"])
    assert mean(scores[True]) > mean(scores[False]) + 5
    everyone = scores[True] + scores[False]
    assert all(0 <= score <= 100 for score in everyone)
    assert any(isinstance(score, float) for score in everyone)
    assert 0.9 < len(everyone) / sum("lead" in stages_of(j)[:1] for j in journeys.values()) < 1


def test_deals_skip_go_back_come_back_and_repeat(journeys: dict[str, list[Event]]) -> None:
    moves = Counter(move for journey in journeys.values() for move in pairwise(stages_of(journey)))
    entered = Counter(stages[0] for journey in journeys.values() if (stages := stages_of(journey)))
    assert set(entered) >= {"lead", "potential", "offer", "negotiation", "won", "lost"}
    assert entered["lead"] > 0.9 * len(journeys)
    assert moves["qualified", "offer"], "skips potential"
    assert moves["offer", "won"], "skips negotiation"
    assert moves["qualified", "lead"], "goes back"
    assert moves["potential", "qualified"], "goes back"
    assert moves["negotiation", "offer"], "goes back"
    assert moves["lost", "qualified"], "comes back"
    assert moves["lost", "negotiation"], "comes back"
    assert moves["won", "lost"], "a contract that does not hold"
    assert moves["won", "negotiation"], "a contract that does not hold"
    assert moves["offer", "offer"], "sends another offer"
    for stage in ("qualified", "won", "lost"):
        assert moves[stage, stage], "is told twice"
    assert {stage for stage, to in moves if to == "lost"} == set(STAGES)


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


def test_every_kind_of_fact_occurs(told: list[Event]) -> None:
    def given(name: str) -> set[Any]:
        return {str(event[name]) for event in told if event.get(name) is not None}

    types = {"stage_changed", "deal_updated", "activity_recorded", "spend_recorded", "deal_erased"}
    assert given("type") == types
    assert given("stage") == set(STAGES)
    assert given("pipeline") == {"partner", "default"}
    assert given("currency") == {"EUR", "USD", "PLN", "JPY"}
    assert given("activity") == {"meeting", "audit", "call", "negotiation_round"}
    assert given("outcome") == {"held", "no_show"}
    assert given("closing_document") == {"contract", "pro_forma_invoice"}
    assert len(given("lost_reason")) >= 10
    assert len(given("owner")) == 10
    assert {type(event["amount"]) for event in told if "amount" in event} >= {str, float, int}
    assert {event["occurred_at"][-6:] for event in told if "occurred_at" in event} >= {
        "+01:00",
        "+02:00",
    }


@pytest.mark.parametrize("name", [*DIMENSIONS, *OTHER_ATTRIBUTES])
def test_every_attribute_is_given_by_some_and_missing_from_others(
    journeys: dict[str, list[Event]], name: str
) -> None:
    having = sum(any(event.get(name) is not None for event in j) for j in journeys.values())
    assert 0.02 < having / len(journeys) < 0.995


@pytest.mark.parametrize("name", CORRECTED)
def test_every_attribute_is_corrected_after_the_fact(
    journeys: dict[str, list[Event]], name: str
) -> None:
    given = [[e for e in journey if e.get(name) is not None] for journey in journeys.values()]
    corrected = [events for events in given if any(e["type"] == "deal_updated" for e in events[1:])]
    assert corrected


def share(of: Iterable[list[Event]], has: Callable[[list[Event]], Any]) -> float:
    verdicts = [bool(has(journey)) for journey in of]
    return sum(verdicts) / len(verdicts)


def entries(journey: list[Event], stage: str) -> list[Event]:
    return [event for event in journey if event.get("stage") == stage]


def offers_asked_for(journeys: Iterable[list[Event]]) -> list[timedelta]:
    """How long before its offer each was asked for."""
    return [
        occurred(offer) - datetime.fromisoformat(offer["offer_requested_at"])
        for journey in journeys
        for offer in entries(journey, "offer")
        if "offer_requested_at" in offer
    ]


def test_when_deals_began_and_offers_were_asked_for_is_mostly_known(
    journeys: dict[str, list[Event]],
) -> None:
    leads = [journey for journey in journeys.values() if entries(journey, "lead")]
    first = [entries(journey, "lead")[0] for journey in leads]
    touched = [
        occurred(event) - datetime.fromisoformat(event["first_touch_at"])
        for event in first
        if "first_touch_at" in event
    ]
    assert 0.6 < len(touched) / len(leads) < 0.8
    assert 0 < sum(ago < timedelta(0) for ago in touched) < 0.03 * len(touched)
    asked = offers_asked_for(journeys.values())
    offered = [journey for journey in journeys.values() if entries(journey, "offer")]
    assert 0.5 < len(asked) / len(offered) < 0.8
    assert 0 < sum(ago < timedelta(0) for ago in asked) < 0.05 * len(asked)


def test_offers_differ_and_what_is_won_is_less_or_more(journeys: dict[str, list[Event]]) -> None:
    def money(journey: list[Event]) -> list[tuple[float, str]]:
        return [(float(e["amount"]), e["currency"]) for e in journey if "amount" in e]

    offered = [journey for journey in journeys.values() if entries(journey, "offer")]
    assert 0.1 < share(offered, lambda j: len(entries(j, "offer")) > 1) < 0.4
    assert 0.02 < share(offered, lambda j: "amount" not in entries(j, "offer")[0]) < 0.2
    free = share(offered, lambda j: money(j)[:1] and not money(j)[0][0])
    assert 0 < free < 0.02
    won = [j for j in offered if stages_of(j)[-1] == "won" and all(m for m, _ in money(j)[:1])]
    won = [journey for journey in won if len(money(journey)) > 1]
    retained = [
        money(journey)[-1][0] / money(journey)[0][0]
        for journey in won
        if money(journey)[-1][1] == money(journey)[0][1]
    ]
    assert 0 < 1 - len(retained) / len(won) < 0.05, "another currency in the end"
    assert 0.85 < median(retained) < 0.97
    assert 0.02 < sum(part > 1 for part in retained) / len(retained) < 0.15, "an upsell"


def test_what_is_won_mostly_has_a_cost_seldom_in_another_currency(
    journeys: dict[str, list[Event]],
) -> None:
    won = [journey for journey in journeys.values() if stages_of(journey)[-1:] == ["won"]]

    def last(journey: list[Event], name: str) -> Event | None:
        return next((event for event in reversed(journey) if name in event), None)

    costs = [(cost, last(j, "amount")) for j in won if (cost := last(j, "cost"))]
    assert 0.5 < len(costs) / len(won) < 0.85
    pairs = [(cost, amount) for cost, amount in costs if amount is not None]
    alike = [
        float(amount["amount"]) > cost["cost"]
        for cost, amount in pairs
        if cost["currency"] == amount["currency"]
    ]
    assert 0 < 1 - len(alike) / len(pairs) < 0.05
    assert 0.9 < sum(alike) / len(alike) < 1, "few bring a loss"
    assert 0.9 < share(won, lambda j: last(j, "closing_document")) < 1


def test_losses_have_a_reason_mostly(journeys: dict[str, list[Event]]) -> None:
    lost = [journey for journey in journeys.values() if stages_of(journey)[-1:] == ["lost"]]
    assert 0.01 < share(lost, lambda j: not any("lost_reason" in e for e in j)) < 0.08


def test_activities_are_held_before_progress_and_sometimes_missed(
    journeys: dict[str, list[Event]],
) -> None:
    held: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    followed: Counter[str] = Counter()
    at_once = before_the_deal = after_the_end = 0
    for journey in journeys.values():
        staged = [(occurred(e), RANK[e["stage"]]) for e in journey if "stage" in e]
        for event in journey:
            if event["type"] != "activity_recorded":
                continue
            activity, at = event["activity"], occurred(event)
            if event.get("outcome") == "no_show":
                missed[activity] += 1
                continue
            held[activity] += 1
            then = [rank for when, rank in staged if when <= at]
            if not then:
                before_the_deal += 1
                continue
            after_the_end += then[-1] >= RANK["won"]
            at_once += any(when == at for when, _ in staged)
            followed[activity] += any(
                then[-1] < rank < RANK["lost"] for when, rank in staged if when > at
            )
    for activity in ("meeting", "audit", "call", "negotiation_round"):
        assert 0.01 < missed[activity] / (held[activity] + missed[activity]) < 0.3
        assert 0.2 < followed[activity] / held[activity] < 0.8
    assert before_the_deal
    assert after_the_end
    assert at_once


def test_instants_lie_on_the_borders_of_panes_too(parsed: list[Event]) -> None:
    instants = [micros(occurred(event)) for event in parsed]
    for unit_s, least in ((3_600, 0.005), (86_400, 0.001)):
        on_it = sum(at % (unit_s * 1_000_000) == 0 for at in instants)
        assert least < on_it / len(instants) < 0.05
    assert any(at % 1_000 for at in instants), "some know microseconds"


def test_nothing_of_a_deal_follows_its_erasure(told: list[Event]) -> None:
    erased: set[str] = set()
    seen = Counter(event.get("deal_id") for event in told)
    for line in told:
        if line["type"] == "deal_erased":
            assert set(line) == {"type", "deal_id"}
            erased.add(line["deal_id"])
        else:
            assert line.get("deal_id") not in erased
    assert 3 <= len(erased) <= 2 * DAYS * DEALS_PER_DAY / 500
    assert min(seen[deal] for deal in erased) > 1
    unforgotten = events(days=DAYS, deals_per_day=20, seed=3, end=END, erasures=False)
    assert not any(b"deal_erased" in line for line in unforgotten)


def test_a_tenth_of_the_deals_is_of_the_partners(journeys: dict[str, list[Event]]) -> None:
    assert 0.08 < share(journeys.values(), lambda j: any("pipeline" in e for e in j)) < 0.13
    alone = events(days=10, deals_per_day=60, seed=3, end=END, partners=False)
    assert not any(b'"pipeline"' in line for line in alone)


def spends_of(lines: list[Event]) -> list[Event]:
    spends = {line["event_id"]: line for line in lines if line["type"] == "spend_recorded"}
    return list(spends.values())


def test_channels_are_paid_by_the_day_the_week_and_the_month(parsed: list[Event]) -> None:
    bills: dict[str, list[Event]] = defaultdict(list)
    for spend in spends_of(parsed):
        if "pipeline" not in spend:
            bills[spend["channel"]].append(spend)
    daily = ("paid_search", "social", "outbound_call", "partner")
    assert set(bills) == {*daily, "email", "trade_fair"}
    for channel in daily:
        assert DAYS - 2 <= len(bills[channel]) <= DAYS
        for spend in bills[channel]:
            starts, ends = period(spend)
            assert starts < ends < occurred(spend)
            assert ends - starts <= timedelta(days=1)
    for spend in bills["email"]:
        assert "period_start" not in spend
        assert "period_end" not in spend
        assert occurred(spend).weekday() == 0
    months = sorted(period(spend) for spend in bills["trade_fair"])
    assert months[0][0] == START
    assert all(ends == following for (_, ends), (following, _) in pairwise(months))
    assert months[-1] == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    for spend in bills["trade_fair"]:
        assert occurred(spend) < period(spend)[1], "in advance"


def period(spend: Event) -> tuple[datetime, datetime]:
    starts, ends = spend["period_start"], spend["period_end"]
    return datetime.fromisoformat(starts), datetime.fromisoformat(ends)


def test_a_lead_costs_what_its_channel_costs(
    parsed: list[Event], journeys: dict[str, list[Event]]
) -> None:
    """Of the weeks that are billed: what was spent for them ÷ the leads that they brought."""
    first, last = START, END - timedelta(days=7.5)  # Monday to Monday
    leads: Counter[tuple[str, str]] = Counter()
    for journey in journeys.values():
        if first <= occurred(journey[0]) < last:
            name = journey[0].get("pipeline", "default"), journey[0].get("channel", "none")
            leads[name] += 1
    spent: Counter[tuple[str, str]] = Counter()
    for spend in spends_of(parsed):
        if "period_start" in spend:
            starts, ends = period(spend)
            part = (min(ends, last) - max(starts, first)) / (ends - starts)
        else:
            part = float(first < occurred(spend) < last + timedelta(days=1))
        name = spend.get("pipeline", "default"), spend["channel"]
        spent[name] += max(part, 0) * spend["amount"]
    for channel, _ in PAID_CHANNELS:
        name = "default", channel.name
        assert spent[name] / leads[name] == pytest.approx(channel.cost_per_lead, rel=0.25), name
    of_partners = "partner", "partner"
    assert spent[of_partners] / leads[of_partners] == pytest.approx(30, rel=0.25)
    assert {(s["channel"], s["currency"]) for s in spends_of(parsed) if s["currency"] != "EUR"} == {
        ("social", "USD")
    }


def test_every_kpi_of_the_catalogue_has_a_figure(history: list[bytes]) -> None:
    limits = dict.fromkeys(STAGES[:5], "3d")
    definition = Definition(windows=("30d",), dimensions=("channel",), stuck_after=limits)
    computed = compute(history, definition, as_of=None, now_ms=int(END.timestamp() * 1000))
    assert computed.rejected == []
    found = [
        sample for sample in samples(computed.snapshot) if sample.labels["pipeline"] == "default"
    ]
    missing = {family.name for family in families()} - {sample.metric for sample in found}
    assert {name for name in missing if not name.startswith("funnel_target")} == set()
    without_a_figure = {s.metric for s in found} - {s.metric for s in found if s.value}
    assert without_a_figure == set()


def test_weekends_are_quiet(journeys: dict[str, list[Event]]) -> None:
    by_weekday = Counter(occurred(journey[0]).weekday() for journey in journeys.values())
    assert max(by_weekday[5], by_weekday[6]) < min(by_weekday[day] for day in range(5))


def test_live_goes_on_with_the_deals_of_history_at_the_wall_clock(
    journeys: dict[str, list[Event]], parsed: list[Event]
) -> None:
    simulator = Simulator(start=START, deals_per_day=DEALS_PER_DAY, seed=3)
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
        if "event_id" not in event or event["event_id"] in known:
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
    assert first["type"] == "deal_updated" or first["stage"] in STAGES
    assert occurred(first) == END
