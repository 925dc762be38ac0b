"""Cases that a fault once slipped through (``make mutants``), with figures worked out by hand."""

from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import cell_id
from funnel_stream.facts.rules import MINUTE_BITS
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import LineRecord, as_record
from funnel_stream.windows.tables import Row, WindowTables
from tests.funnels import NOW, at, computed, lines, micros, stage


@pytest.mark.parametrize("weight", [127, 128, 255, 256, -128, -129])
def test_a_block_arrives_as_it_was_sent(weight: int) -> None:
    builder = FactBlockBuilder()
    builder.add(("default",), {3 << MINUTE_BITS | 5: weight})
    block = builder.take()
    assert block is not None
    assert FactBlock.decode(block.encode()).weight.tolist() == [weight]


def test_a_deal_that_stays_where_it_got_to_has_not_moved_back() -> None:
    events = [
        stage("stays", "lead", at()),
        stage("stays", "offer", at(hours=1)),
        stage("went back", "offer", at()),
        stage("went back", "lead", at(hours=1)),
        stage("lost", "offer", at()),
        stage("lost", "lost", at(hours=1)),
        stage("won", "won", at()),
    ]
    cells = computed(events, micros(days=1)).snapshot.totals["7d"][Row("default")]
    fates = {
        (stage_name, fate): cells.get(cell_id("fate", stage_name, fate), 0)
        for stage_name in ("offer", "won")
        for fate in ("still_there", "moved_back", "lost")
    }
    assert fates == {
        ("offer", "still_there"): 1,
        ("offer", "moved_back"): 1,
        ("offer", "lost"): 1,
        ("won", "still_there"): 1,
        ("won", "moved_back"): 0,
        ("won", "lost"): 0,
    }


def test_matured_conversions_are_shown_in_windows_of_a_day_and_more() -> None:
    events = [stage("d", "lead", at(minutes=30)), stage("d", "qualified", at(hours=1))]
    result = computed(events, micros(days=1, hours=2), Definition(windows=("6h", "24h")))
    windows = {
        sample.labels["window"]
        for sample in samples(result.snapshot)
        if sample.labels.get("basis") == "matured"
    }
    assert windows == {"24h"}


def test_an_erasure_is_remembered_for_thirty_days_to_the_hour() -> None:
    erased_at = micros(hours=12) // 1000
    for hours, accepted in ((11, 0), (13, 1)):
        deals = Deals(Definition())
        deals.fold([record({"type": "deal_erased", "deal_id": "d"}, erased_at)])
        deals.fold([record(stage("other", "lead", at(days=30, hours=hours)))])
        counts = deals.fold([record(stage("d", "lead", at(hours=6)))]).counts
        assert counts["accepted"] == accepted


def record(event: dict[str, Any], published_ms: int = int(NOW.timestamp() * 1000)) -> LineRecord:
    [line] = lines([event])
    return as_record(1, line, published_ms)


def test_what_a_reader_holds_does_not_change() -> None:
    definition = Definition()
    deals, tables = Deals(definition), WindowTables(definition)
    tables.advance(micros(days=1))
    deals.fold([record(stage("a", "lead", at()))])
    tables.apply(0, deals.take_changes())
    held = tables.snapshot()
    copy = {
        window: {row: dict(cells) for row, cells in rows.items()}
        for window, rows in held.totals.items()
    }
    deals.fold([record(stage("a", "won", at(hours=1))), record(stage("b", "lead", at()))])
    tables.apply(0, deals.take_changes())
    assert tables.snapshot().totals != copy
    assert held.totals == copy
