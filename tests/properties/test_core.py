"""What must hold for every set of events, whatever their order, number and time."""

import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.accounting import violations
from funnel_stream.compute import as_record
from funnel_stream.deals import Deals
from funnel_stream.definition import DAY, HOUR, MINUTE, Definition
from funnel_stream.facts import CELLS, MINUTE_BITS, FactRules, combination
from funnel_stream.journey import Journey
from funnel_stream.samples import OTHER, samples
from funnel_stream.windows import NONE, WindowTables
from tests.funnels import NOW, computed, figures, funnels, instants, lines

DEFINITION = Definition()
NOW_MS = int(NOW.timestamp() * 1000)


@given(funnels(), st.randoms(use_true_random=False), instants)
def test_order_and_duplicates_do_not_matter(
    events: list[dict[str, Any]], rng: random.Random, as_of: int
) -> None:
    shuffled = events + rng.choices(events, k=len(events) // 2) if events else []
    rng.shuffle(shuffled)
    assert figures(computed(shuffled, as_of)) == figures(computed(events, as_of))


@given(funnels(), st.lists(instants, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_incremental_equals_recomputed(
    events: list[dict[str, Any]], instants: list[int], rng: random.Random
) -> None:
    """Differences published at any moments, between any moves of time, end at the same figures."""
    deals, tables = Deals(DEFINITION), WindowTables(DEFINITION)
    cuts = sorted(rng.choices(range(len(events) + 1), k=len(instants)))
    start = 0
    for cut, instant in zip(cuts, sorted(instants), strict=True):
        records = [as_record(n, line, NOW_MS) for n, line in enumerate(lines(events[start:cut]))]
        deals.fold(records)
        tables.apply(0, [type(block).decode(block.encode()) for block in deals.take_changes()])
        tables.advance(instant)
        start = cut
    folded = events[:start]
    as_of = max(instants)
    # Unlike "as of", the stream has seen all it was given: compare with all of it computed.
    expected = WindowTables(DEFINITION)
    fresh = Deals(DEFINITION)
    fresh.fold([as_record(n, line, NOW_MS) for n, line in enumerate(lines(folded))])
    expected.replace(0, fresh.snapshot())
    expected.advance(as_of)
    assert tables.snapshot().totals == expected.snapshot().totals


@given(funnels(), st.lists(instants, min_size=1, max_size=5))
def test_sliding_totals_are_the_sum_of_their_panes(
    events: list[dict[str, Any]], moments: list[int]
) -> None:
    deals, tables = Deals(DEFINITION), WindowTables(DEFINITION)
    deals.fold([as_record(n, line, NOW_MS) for n, line in enumerate(lines(events))])
    tables.replace(0, deals.snapshot())
    for moment in sorted(moments):
        tables.advance(moment)
        snapshot = tables.snapshot()
        for window in DEFINITION.window_list():
            shown = {
                (row, CELLS[cell]): weight
                for row, cells in snapshot.totals[window.name].items()
                for cell, weight in cells.items()
            }
            assert shown == _summed(deals, window.pane, window.panes, moment)


def _summed(deals: Deals, size: int, panes: int, now: int) -> dict[Any, int]:
    """The definition of a window, taken literally, over the facts of all journeys."""
    rules = FactRules(DEFINITION)
    sums: Counter[Any] = Counter()
    last = now // 60_000_000 // size
    for row in deals._rows.values():
        journey = Journey(row)
        values = combination(journey)
        for key, weight in rules.facts(journey).items():
            cell, minute = CELLS[key >> MINUTE_BITS], key & ((1 << MINUTE_BITS) - 1)
            if cell[0] == "matured":
                if size == MINUTE:
                    continue
                pane = -(-minute // size)
            else:
                pane = minute // size
            if not last - panes < pane <= last:
                continue
            sums[(values[0], "", ""), cell] += weight
            for dimension, value in zip(DEFINITION.dimensions, values[1:], strict=True):
                sums[(values[0], dimension, value or NONE), cell] += weight
    return {key: total for key, total in sums.items() if total}


ADDITIVE = ("leads", "qualified_leads", "offers_sent", "deals_closed", "stage_entries")


@given(funnels(), instants, st.integers(1, 3))
def test_breakdowns_sum_to_the_total(events: list[dict[str, Any]], as_of: int, top_n: int) -> None:
    definition = Definition(top_n=top_n)
    found = samples(computed(events, as_of, definition).snapshot)
    totals: Counter[Any] = Counter()
    parts: Counter[Any] = Counter()
    shown: dict[tuple[str, str], set[str]] = {}
    for metric, labels, value in found:
        kpi = metric.removeprefix("funnel_").split("_breakdown")[0]
        if kpi not in ADDITIVE and not metric.endswith(("_numerator", "_denominator", "_count")):
            continue
        own = {k: v for k, v in labels.items() if k not in ("dimension", "value")}
        key = metric.replace("_breakdown", ""), frozenset(own.items())
        if "dimension" in labels:
            parts[*key, labels["dimension"]] += round(value)
            values = shown.setdefault((labels["pipeline"], labels["dimension"]), set())
            values.update({labels["value"]} - {OTHER, NONE})
        elif value:
            for dimension in definition.dimensions:
                totals[*key, dimension] = round(value)
    assert {key: part for key, part in parts.items() if part} == dict(totals)
    assert all(len(values) <= top_n for values in shown.values())


@given(funnels(), instants)
def test_every_deal_that_reached_a_stage_has_one_fate(
    events: list[dict[str, Any]], as_of: int
) -> None:
    assert violations(computed(events, as_of).snapshot) == []


def test_pane_sizes_nest() -> None:
    assert HOUR % MINUTE == 0
    assert DAY % HOUR == 0
