"""The past of a window: what a reader keeps is his, whatever the stream does meanwhile."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import cell_id
from funnel_stream.facts.rules import ATTRIBUTES, MINUTE_BITS
from funnel_stream.replay.compute import as_record
from funnel_stream.windows import panes
from funnel_stream.windows.columns.packed import PackedRun
from funnel_stream.windows.tables import WindowTables
from funnel_stream.windows.trends import MOST_BUCKETS, NO_PAST, Past, Trend
from tests.funnels import NOW, at, event, lines, micros, stage

LEADS = cell_id("reached", "lead")
MONTH, DAY, HOUR = (Window.named(name) for name in ("30d", "24h", "1h"))
DEFINITION = Definition.model_validate({"windows": ["1h", "24h", "30d"], "horizons": []})


def block(
    minute: int, deals: int, weight: int = 1, pipeline: str = "default", cell: int = LEADS,
    first: int = 0,
) -> FactBlock:  # fmt: skip
    """A fact of so many deals at a minute of the story, each with an owner of its own."""
    builder = FactBlockBuilder()
    start = micros() // 60_000_000
    for deal in range(first, first + deals):
        attributes = ["" for _ in ATTRIBUTES]
        attributes[ATTRIBUTES.index("owner")] = f"o{deal}"
        key = (pipeline, *attributes[1:])
        builder.add(key, {cell << MINUTE_BITS | start + minute: weight})
    made = builder.take()
    assert made is not None
    return made


def tables(*blocks: FactBlock, days: float = 40) -> WindowTables:
    made = WindowTables(DEFINITION)
    made.advance(micros(days=days))
    made.apply(0, blocks)
    return made


def counts(trend: Trend, cell: int = LEADS) -> dict[int, int]:
    """What the buckets hold, by their minute in the story; those that hold nothing left out."""
    start = micros() // 60_000_000
    held = {
        begin - start: cells.get(cell, 0)
        for begin, cells in zip(trend.starts, trend.buckets, strict=True)
    }
    return {begin: number for begin, number in held.items() if number}


def timeline(past: Past, window: Window = MONTH) -> tuple[Any, ...]:
    trend = past.trend("default", window)
    return trend.starts, trend.buckets, trend.whole, trend.before


MINUTES = 1440
LATELY = 39 * MINUTES + 60


# --- what a trend is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "buckets", "minutes"),
    [("1h", 60, 1), ("24h", 24, 60), ("7d", 56, 180), ("30d", 30, 1440), ("365d", 52, 7 * 1440)],
)
def test_how_long_buckets_are(window: str, buckets: int, minutes: int) -> None:
    trend = NO_PAST.trend("default", Window.named(window))
    assert (len(trend.starts), trend.minutes) == (buckets, minutes)
    assert len(trend.starts) <= MOST_BUCKETS


def test_the_last_bucket_has_not_ended_and_whole_leaves_it_out() -> None:
    """Day 40 goes on since midnight; the window before ends with day 9, for day 10 matches it."""
    days = (9, 10, 11, 39, 40)
    made = tables(*(block(day * MINUTES, 1) for day in days), days=40)
    made.advance(micros(days=40, hours=12))
    trend = made.snapshot().past.trend("default", MONTH)
    assert counts(trend) == {11 * MINUTES: 1, 39 * MINUTES: 1, 40 * MINUTES: 1}
    assert trend.whole == {LEADS: 2}
    assert trend.before == {LEADS: 1}


@pytest.mark.parametrize(("window", "kept"), [("180d", True), ("250d", False), ("365d", False)])
def test_there_is_a_window_before_where_all_of_it_is_kept(window: str, kept: bool) -> None:
    """Days are kept for the year: of the 250 days before these, only the later half."""
    definition = Definition.model_validate({"windows": ["180d", "250d", "365d"], "horizons": []})
    made = WindowTables(definition)
    made.advance(micros(days=600))
    made.apply(0, [block(300 * MINUTES, 1)])
    before = made.snapshot().past.trend("default", Window.named(window)).before
    assert before == ({LEADS: 1} if kept else None)


def test_sources_and_pipelines() -> None:
    made = tables(block(LATELY, 2), block(LATELY, 5, pipeline="other"))
    made.apply(1, [block(LATELY, 3)])
    past = made.snapshot().past
    assert counts(past.trend("default", MONTH)) == {39 * MINUTES: 5}
    assert counts(past.trend("other", MONTH)) == {39 * MINUTES: 5}
    assert counts(past.trend("nobody's", MONTH)) == {}
    assert past.trend("nobody's", MONTH).whole == {}


def test_what_cancels_out_is_not_there() -> None:
    past = tables(block(LATELY, 2), block(LATELY, 2, weight=-1)).snapshot().past
    assert past.trend("default", MONTH).whole == {}
    assert set(map(len, past.trend("default", MONTH).buckets)) == {0}


# --- since when ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "minute", "began"),
    [
        (MONTH, 3 * MINUTES + 700, 3 * MINUTES),
        (MONTH, 39 * MINUTES + 700, 39 * MINUTES),
        (DAY, 39 * MINUTES + 700, 39 * MINUTES + 660),
        (HOUR, 39 * MINUTES + 700, 39 * MINUTES + 700),
        # Of the beginning only the day is known: it had facts when that had ended.
        (DAY, 3 * MINUTES + 700, 4 * MINUTES),
        (HOUR, 3 * MINUTES + 700, 4 * MINUTES),
    ],
)
def test_since_when_a_pipeline_has_facts(window: Window, minute: int, began: int) -> None:
    made = tables(block(minute, 1), block(minute + 10, 1), block(5, 1, pipeline="other"), days=39.5)
    made.apply(1, [block(minute + 20, 1)])
    past = made.snapshot().past
    start = micros() // 60_000_000
    found = past.trend("default", window).began
    assert found is not None
    assert found - start == began
    assert past.trend("nobody's", window).began is None


def test_the_window_before_begins_one_window_before_the_ended_panes() -> None:
    trend = tables(days=40.5).snapshot().past.trend("default", MONTH)
    assert trend.before_from == micros(days=-19) // 60_000_000


# --- readers --------------------------------------------------------------------------------------


def a_lot(number: int) -> list[FactBlock]:
    """More facts than stay loose: they are packed."""
    return [block(LATELY - n, 3000, first=3000 * n) for n in range(number)]


@pytest.mark.parametrize("blocks", [[block(LATELY, 3)], a_lot(9)], ids=["loose", "packed"])
def test_later_facts_do_not_touch_what_a_reader_has(blocks: list[FactBlock]) -> None:
    made = tables(*blocks)
    kept = made.snapshot().past
    packed = any(frozen.runs for of_size in kept.panes.values() for frozen in of_size)
    assert packed == (len(blocks) > 1)
    untouched, asked_before = made.snapshot().past, timeline(kept)
    for later in (*a_lot(5), block(LATELY, 3000, weight=-1)):
        made.apply(0, [later])
        made.apply(1, [later])
    made.advance(micros(days=41, hours=5))
    made.replace(0, [])
    made.advance(micros(days=500))
    assert timeline(kept) == asked_before
    assert timeline(untouched) == asked_before, "nor what he asks for later"
    assert timeline(made.snapshot().past)[2] == {}


@pytest.mark.parametrize("asked_first", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_renumbered_combinations_do_not_touch_what_a_reader_has(
    monkeypatch: pytest.MonkeyPatch, asked_first: bool, packed: bool
) -> None:
    """A partition goes with its owners, so that the others get other ids, and those that come later
    get theirs."""
    monkeypatch.setattr("funnel_stream.windows.tables._FEW_COMBINATIONS", 10)
    if packed:
        monkeypatch.setattr(panes, "_LOOSE", 1)
    made = tables(days=39.5)
    made.apply(1, [block(9 * MINUTES - 1, 30)])
    made.apply(0, [block(LATELY, 30, first=30), block(LATELY, 7, first=60, pipeline="other")])
    past = made.snapshot().past
    before = counts(past.trend("default", MONTH)) if asked_first else {39 * MINUTES: 30}
    numbers = len(past.pipeline_of)
    made.replace(1, [])
    made._combinations_limit = 10
    made.advance(micros(days=60, hours=1))
    made.apply(0, [block(60 * MINUTES, 90, first=100, pipeline="third")])
    made.advance(micros(days=60, hours=2))
    assert before == counts(past.trend("default", MONTH)) == {39 * MINUTES: 30}
    assert counts(past.trend("other", MONTH)) == {39 * MINUTES: 7}
    assert counts(past.trend("third", MONTH)) == {}
    assert past.trend("default", MONTH).before == {LEADS: 30}
    now = made.snapshot().past
    assert len(now.pipeline_of) == numbers - 30 + 90, "those that went were forgotten"
    assert counts(now.trend("default", MONTH)) == {39 * MINUTES: 30}
    assert counts(now.trend("other", MONTH)) == {39 * MINUTES: 7}
    assert counts(now.trend("third", MONTH)) == {60 * MINUTES: 90}


def test_readers_in_other_threads_see_one_instant_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """While facts come, leave and are packed, and combinations are renumbered all the time."""
    monkeypatch.setattr(panes, "_LOOSE", 64)
    monkeypatch.setattr("funnel_stream.windows.tables._FEW_COMBINATIONS", 100)
    made = WindowTables(DEFINITION)
    made.advance(micros(days=40))

    def seen(past: Past) -> set[int]:
        trends = [past.trend("default", MONTH) for _ in range(2)]
        return {sum(cells.get(LEADS, 0) for cells in trend.buckets) for trend in trends}

    with ThreadPoolExecutor(2) as threads:
        readings: list[tuple[int, Future[set[int]]]] = []
        total = 0
        for step in range(60):
            made.apply(step % 2, [block(LATELY, 50, first=50 * step)])
            total += 50
            if step % 3 == 2:
                gone = step // 3
                made.apply(gone % 2, [block(LATELY, 50, weight=-1, first=50 * gone)])
                total -= 50
            made.advance(micros(days=40, minutes=step))
            readings.append((total, threads.submit(seen, made.snapshot().past)))
        assert [(number, reading.result(30)) for number, reading in readings] == [
            (number, {number}) for number, _ in readings
        ]
    assert total == 2000


# --- sums -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_sums_beyond_64_bits_are_exact(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """Three deals of 4 · 10¹⁸ minor units each on one day, and one of them a day before."""
    if packed:
        monkeypatch.setattr(panes, "_LOOSE", 1)
    cell, huge = cell_id("deal_value", "won", "JPY"), 4_000_000_000_000_000_000 + 1
    made = tables(
        *(block(LATELY, 1, huge, cell=cell, first=n) for n in range(3)),
        block(LATELY - MINUTES, 1, -huge, cell=cell),
        block(9 * MINUTES, 3, huge, cell=cell),
    )
    past = made.snapshot().past
    for _ in range(2):
        trend = past.trend("default", MONTH)
        assert counts(trend, cell) == {39 * MINUTES: 3 * huge, 38 * MINUTES: -huge}
        assert trend.whole == {cell: 2 * huge}
        assert trend.before == {cell: 3 * huge}
    assert 3 * huge > 1 << 63


def spending(amount: str, since: float, until: float) -> dict[str, Any]:
    given = event(
        "spend_recorded", "", at(days=since), channel="web", amount=amount, currency="EUR",
        period_start=at(days=since), period_end=at(days=until),
    )  # fmt: skip
    del given["deal_id"]
    return given


def test_money_that_is_spent_over_a_period_stands_in_every_bucket_of_it() -> None:
    deals = Deals(DEFINITION)
    events = [spending("90", 30, 40), spending("1", 5, 6), stage("a", "lead", at(days=31))]
    now_ms = int(NOW.timestamp() * 1000)
    deals.fold([as_record(n, line, now_ms) for n, line in enumerate(lines(events))])
    made = WindowTables(DEFINITION)
    made.advance(micros(days=40))
    made.replace(0, deals.snapshot())
    past = made.snapshot().past
    made.replace(0, [])
    cell = cell_id("spend", "EUR")
    trend = past.trend("default", MONTH)
    assert counts(trend, cell) == {day * MINUTES: 900 for day in range(30, 40)}
    assert counts(trend) == {31 * MINUTES: 1}
    assert (trend.whole[cell], trend.before) == (9000, {cell: 100})
    assert made.snapshot().past.trend("default", MONTH).whole == {}


# --- what it costs --------------------------------------------------------------------------------


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many facts of runs were unpacked to be summed by row."""
    done: Counter[str] = Counter()
    by_row, chunk = PackedRun.by_row, PackedRun.chunk
    within = [0]

    def counted_by_row(run: Any, row_of: Any) -> Any:
        within[0] += 1
        try:
            return by_row(run, row_of)
        finally:
            within[0] -= 1

    def counted_chunk(run: Any, first: int = 0, stop: int | None = None) -> Any:
        found = chunk(run, first, stop)
        if within[0]:
            done["facts"] += len(found.cell)
        return found

    monkeypatch.setattr(PackedRun, "by_row", counted_by_row)
    monkeypatch.setattr(PackedRun, "chunk", counted_chunk)
    return done


def test_asking_again_does_not_sum_up_again(packings: Counter[str]) -> None:
    made = tables(*a_lot(9))
    past = made.snapshot().past
    first = past.trend("default", MONTH)
    summed = packings["facts"]
    assert summed >= 20_000, "that many facts of one pipeline"
    assert past.trend("default", MONTH) == first
    assert packings["facts"] == summed
    past.trend("other", MONTH)
    assert packings["facts"] == summed, "other pipelines are summed up with it"


def test_later_snapshots_sum_up_what_has_come_since(packings: Counter[str]) -> None:
    made = tables(*a_lot(9))
    made.snapshot().past.trend("default", MONTH)
    summed = packings["facts"]
    made.apply(0, [block(LATELY, 5)])
    made.snapshot().past.trend("default", MONTH)
    assert packings["facts"] == summed, "few facts stay loose"
    for later in a_lot(3):
        made.apply(0, [later])
    trend = made.snapshot().past.trend("default", MONTH)
    assert packings["facts"] - summed <= 9_000
    assert trend.whole == {LEADS: 27_000 + 5 + 9_000}


def test_renumbering_keeps_what_was_summed(
    packings: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funnel_stream.windows.tables._FEW_COMBINATIONS", 10)
    made = tables(*a_lot(9))
    first = made.snapshot().past.trend("default", MONTH)
    summed = packings["facts"]
    made._combinations_limit = 10
    made.advance(micros(days=40, hours=1))
    assert made.snapshot().past.trend("default", MONTH).whole == first.whole
    assert packings["facts"] == summed
