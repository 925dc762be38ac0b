"""Spend: a period's amount falls into panes without losing or inventing a minor unit."""

import random
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from funnel_stream.contract.event import SPEND, Event
from funnel_stream.definition import Definition
from funnel_stream.definition.time import MINUTE_US, Span
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import CELLS
from funnel_stream.facts.rates import Rates
from funnel_stream.facts.spend import Spend, SpendBook
from funnel_stream.replay.compute import as_record
from funnel_stream.windows.tables import Row, Snapshot, WindowTables
from tests.funnels import NOW, at, event, lines, micros

WEEK = Definition(windows=("1h", "24h", "7d", "400d"))


def spend(minor: int, start: int, end: int, channel: str = "tv", currency: str = "EUR") -> Spend:
    return Spend("default", channel, minor, currency, start, end)


def block(*changes: tuple[Spend, int]) -> FactBlock:
    builder = FactBlockBuilder()
    for each, sign in changes:
        builder.add_spend(each, sign)
    made = builder.take()
    assert made is not None
    return FactBlock.decode(made.encode())


def spent(snapshot: Snapshot, window: str, *channel: str) -> dict[str, int]:
    """By currency: of the default pipeline, or of one channel in it."""
    cells = snapshot.totals[window].get(Row("default", *channel and ("channel", *channel)), {})
    return {CELLS[cell][1]: w for cell, w in cells.items() if CELLS[cell][0] == "spend"}


def literally(all_spends: list[Spend], definition: Definition, now: int) -> dict[str, Any]:
    """The fine print of the catalogue, pane by pane."""
    rates = Rates(definition)
    found: dict[str, Any] = {}
    for window in definition.window_list():
        step = window.pane * MINUTE_US
        last = now // step
        sums: Counter[str] = Counter()
        for each in all_spends:
            for pane in range(last - window.panes + 1, last + 1):
                a, b = pane * step, (pane + 1) * step
                if each.start == each.end:
                    share = each.minor if a <= each.start < b else 0
                else:
                    length = each.end - each.start
                    ends = (min(max(x, each.start), each.end) - each.start for x in (a, b))
                    before, after = (each.minor * x // length for x in ends)
                    share = after - before
                minor, currency = rates.convert(share, each.currency, a)
                sums[currency] += minor
        found[window.name] = {currency: total for currency, total in sums.items() if total}
    return found


def random_spends(rng: random.Random, number: int) -> list[Spend]:
    found = []
    for _ in range(number):
        start = micros(minutes=rng.randrange(-20_000, 20_000), seconds=rng.choice([0, 1, 59]))
        length = rng.choice([0, 1, 60 * 10**6, 3600 * 10**6 + 7, 86_400 * 10**6 * 30, 10**12])
        amount = rng.choice([0, 1, 59, 10**4, 10**15 - 1, 10**15 - 3])
        currency = rng.choice(["EUR", "JPY", "USD"])
        found.append(spend(amount, start, start + length, rng.choice("ab"), currency))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_windows_hold_the_shares_of_the_panes_they_cover(seed: int) -> None:
    """Added, taken back and replaced at any time, while time moves in any steps."""
    rng = random.Random(seed)
    rates = {"JPY": {date(2026, 3, 3): Decimal("0.0061"), date(2026, 3, 9): Decimal("0.0067")}}
    definition = Definition(windows=WEEK.windows, base_currency="EUR", rates=rates)
    tables = WindowTables(definition)
    held: dict[int, list[Spend]] = {0: [], 1: []}
    moment = micros(days=-3)
    for _ in range(25):
        source = rng.choice([0, 1])
        match rng.randrange(4):
            case 0:
                moment += rng.choice([1, 60, 3000, 3600, 86_400, 86_400 * 9]) * 10**6
                tables.advance(moment)
            case 1:
                new = random_spends(rng, 4)
                tables.apply(source, [block(*[(each, 1) for each in new])])
                held[source] += new
            case 2 if held[source]:
                gone = held[source].pop(rng.randrange(len(held[source])))
                tables.apply(source, [block((gone, -1))])
            case 3 if rng.random() < 0.3:
                held[source] = random_spends(rng, 3)
                tables.replace(source, [block(*[(each, 1) for each in held[source]])])
        snapshot = tables.snapshot()
        if not snapshot.as_of:
            continue
        expected = literally(held[0] + held[1], definition, snapshot.as_of)
        for window in definition.windows:
            assert spent(snapshot, window) == expected[window]


def test_a_spend_counts_for_its_pipeline_and_its_channel_and_nothing_else() -> None:
    tables = WindowTables(Definition(dimensions=("channel", "product", "channel+product")))
    tables.advance(micros(days=1))
    tables.apply(0, [block((spend(100, micros(), micros()), 1))])
    rows = {Row("default"), Row("default", "channel", "tv")}
    assert set(tables.snapshot().totals["7d"]) == rows
    assert spent(tables.snapshot(), "7d", "tv") == {"EUR": 100}
    without = WindowTables(Definition(dimensions=("product",)))
    without.advance(micros(days=1))
    without.apply(0, [block((spend(100, micros(), micros()), 1))])
    assert set(without.snapshot().totals["7d"]) == {Row("default")}


def test_the_current_pane_counts_whole_and_the_next_not_at_all() -> None:
    tables = WindowTables(WEEK)
    tables.apply(0, [block((spend(2400, micros(), micros(days=1)), 1))])
    tables.advance(micros(minutes=90))
    assert spent(tables.snapshot(), "24h") == {"EUR": 200}
    assert spent(tables.snapshot(), "1h") == {"EUR": 2400 * 91 // 1440 - 2400 * 31 // 1440}
    assert spent(tables.snapshot(), "400d") == {"EUR": 2400}


def test_what_ended_before_every_window_is_forgotten() -> None:
    book = SpendBook(Definition())
    book.add(0, [(spend(5, micros(), micros(days=1)), 1), (spend(7, micros(), micros(days=3)), 1)])
    book.forget(micros(days=2))
    book.add(0, [(spend(5, micros(), micros(days=1)), -1)])
    whole = micros(days=-10) // MINUTE_US // 1440, micros(days=10) // MINUTE_US // 1440
    kept = book.remove(0)
    assert [int(minor) for minor in kept.minor] == [7]
    [cells] = book.shares(kept, Span(1440, *whole)).values()
    assert list(cells.values()) == [7]


def test_equal_spends_count_each_and_are_taken_back_one_by_one() -> None:
    book = SpendBook(Definition())
    day = micros() // MINUTE_US // 1440
    once = spend(10, micros(), micros(hours=1))
    totals = []
    for sign in (1, 1, 1, -1, -1, -1):
        book.add(0, [(once, sign)])
        cells = list(book.shares_of_all(Span(1440, day, day)).values())
        totals.append(sum(cells[0].values()) if cells else 0)
    assert totals == [10, 20, 30, 20, 10, 0]


def folded(*events: dict[str, Any]) -> Deals:
    deals = Deals(Definition())
    now_ms = int(NOW.timestamp() * 1000)
    deals.fold([as_record(n, line, now_ms) for n, line in enumerate(lines(list(events)))])
    return deals


def recorded(channel: str = "tv", **fields: Any) -> dict[str, Any]:
    fields = {"amount": 12.5, "currency": "EUR"} | fields
    body = event("spend_recorded", "", at(), channel=channel, **fields)
    del body["deal_id"]
    return body


def test_a_spend_event_becomes_a_spend() -> None:
    deals = folded(
        recorded("a/b", event_id="x/y"),
        recorded("ż" * 200, pipeline="partner", period_start=at(days=1), period_end=at(days=2)),
    )
    [changes] = deals.take_changes()
    assert changes.spends == [
        (Spend("default", "a/b", 1250, "EUR", micros(), micros()), 1),
        (Spend("partner", "ż" * 120, 1250, "EUR", micros(days=1), micros(days=2)), 1),
    ]
    [snapshot] = deals.snapshot()
    assert snapshot.spends == changes.spends
    assert list(deals.take_changes()) == []


def test_an_expired_spend_is_taken_back() -> None:
    deals = folded(recorded(event_id="x"))
    list(deals.take_changes())
    now_ms = int(NOW.timestamp() * 1000)
    later = event("stage_changed", "d", at(days=402), stage="lead")
    deals.fold([as_record(1, line, now_ms) for line in lines([later])])
    changes = [change for block in deals.take_changes() for change in block.spends]
    assert changes == [(Spend("default", "tv", 1250, "EUR", micros(), micros()), -1)]


def test_a_spend_outlives_its_period() -> None:
    period = {"period_start": at(days=300), "period_end": at(days=500)}
    deals = folded(recorded(event_id="x", **period))
    list(deals.take_changes())
    now_ms = int(NOW.timestamp() * 1000)
    for days, gone in ((450, 0), (899, 0), (902, 1)):
        later = event("stage_changed", f"d{days}", at(days=days), stage="lead")
        records = [as_record(1, line, now_ms + 10**11) for line in lines([later])]
        assert deals.fold(records).counts["expired"] == gone


def test_of_an_event() -> None:
    attributes = {"amount": [5, "USD"], "pipeline": "p"}
    assert Spend.of("c", Event(9, SPEND, "i", attributes)) == Spend("p", "c", 5, "USD", 9, 9)


def test_no_two_spends_share_a_row() -> None:
    """Names of channels and ids may hold anything; and rows of former versions are read."""
    names = [
        ("google", "ads/2026"),
        ("google/ads", "2026"),
        ("a/b", "c/d"),
        ("a/b/c", "d"),
        ("/", "/"),
    ]
    events = [
        event("spend_recorded", "", at(), channel=channel, event_id=id_, amount=1, currency="EUR")
        for channel, id_ in names
    ]
    for each in events:
        del each["deal_id"]
    now_ms = int(NOW.timestamp() * 1000)
    records = [as_record(n, line, now_ms) for n, line in enumerate(lines([*events, *events]))]
    deals = Deals(WEEK)
    fold = deals.fold(records)
    assert fold.counts == {"accepted": 5, "duplicates": 5}
    assert sorted(each.channel for block in deals.take_changes() for each, _ in block.spends) == [
        "/", "a/b", "a/b/c", "google", "google/ads",
    ]  # fmt: skip

    row = fold.changed[b"spend/a/b\xffc/d"]
    former = Deals(WEEK)
    former.restore(b"spend/a/b/c/d", row)
    assert former.fold(records).counts["duplicates"] == 6
    assert len(former) == 5
