"""A window is the sum of its panes, taken literally over the facts of all deals and spends."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, HOUR, MINUTE, Window
from funnel_stream.definition.values import spellings
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import CELLS, MATURED, NOW_MEASURES
from funnel_stream.facts.rates import Rates
from funnel_stream.facts.rules import ATTRIBUTES, MINUTE_BITS, NONE, FactRules
from funnel_stream.replay.compute import as_record
from funnel_stream.windows.tables import NOW, Row, Snapshot, WindowTables
from tests.funnels import lines
from tests.properties.stories import MINUTE_US, Story, micros_of, stories
from tests.properties.streams import NOW_US

Totals = dict[tuple[Row, tuple[str, ...]], int]


@settings(max_examples=60)
@given(stories(moments=5))
def test_sliding_totals_are_the_sum_of_their_panes(story: Story) -> None:
    _, definition, moments = story
    tables, facts, spends = held(story)
    for moment in moments:
        tables.advance(moment)
        snapshot = tables.snapshot()
        for window in definition.window_list():
            expected = in_window(facts, window, moment)
            expected.update(spent_in(spends, definition, window, moment))
            assert shown(snapshot, window.name) == non_zero(expected)
        assert shown(snapshot, NOW) == non_zero(in_force(facts, moment))


def held(story: Story) -> tuple[WindowTables, "list[Fact]", list[dict[str, Any]]]:
    """Tables that hold a story, the facts of its deals and its spends."""
    events, definition, _ = story
    deals, tables = Deals(definition), WindowTables(definition)
    deals.fold([as_record(n, line, NOW_US // 1000) for n, line in enumerate(lines(events))])
    tables.replace(0, deals.snapshot())
    spends = [event for event in events if event["type"] == "spend_recorded"]
    return tables, list(deal_facts(deals, definition)), spends


def shown(snapshot: Snapshot, window: str) -> Totals:
    return {
        (row, CELLS[cell]): total
        for row, cells in snapshot.totals[window].items()
        for cell, total in cells.items()
    }


def non_zero(sums: Counter[Any]) -> Totals:
    return {key: total for key, total in sums.items() if total}


Fact = tuple[list[Row], tuple[str, ...], int, int]
"""Where it counts, its cell, its minute and its weight."""


def deal_facts(deals: Deals, definition: Definition) -> Iterator[Fact]:
    rules = FactRules(definition)
    for name in deals.names():
        row = deals.row(name)
        assert row is not None
        for journey in rules.lives(row):
            rows = rows_of(rules.combination(journey), definition)
            for key, weight in rules.facts(journey).items():
                yield rows, CELLS[key >> MINUTE_BITS], key & ((1 << MINUTE_BITS) - 1), weight


def rows_of(values: tuple[str, ...], definition: Definition) -> list[Row]:
    given = dict(zip(ATTRIBUTES, values, strict=True))
    rows = [Row(given["pipeline"])]
    for dimension in definition.dimensions:
        parts = [given[part] for part in dimension.split("+")]
        value = " + ".join(part or NONE for part in parts) if any(parts) else NONE
        rows.append(Row(given["pipeline"], dimension, value[:120]))
    return rows


def in_window(facts: list[Fact], window: Window, now: int) -> Counter[Any]:
    """The current pane and those before it; a matured fact lies in the first pane that starts at
    or after its minute, and in no window below a day."""
    sums: Counter[Any] = Counter()
    last = now // MINUTE_US // window.pane
    for rows, cell, minute, weight in facts:
        if cell[0] in NOW_MEASURES or (cell[0] == MATURED and window.pane == MINUTE):
            continue
        pane = -(-minute // window.pane) if cell[0] == MATURED else minute // window.pane
        if last - window.panes < pane <= last:
            sums.update({(row, cell): weight for row in rows})
    return sums


def in_force(facts: list[Fact], now: int) -> Counter[Any]:
    """What is, from its minute on."""
    sums: Counter[Any] = Counter()
    for rows, cell, minute, weight in facts:
        if cell[0] in NOW_MEASURES and minute <= now // MINUTE_US:
            sums.update({(row, cell): weight for row in rows})
    return sums


def spent_in(
    spends: list[dict[str, Any]], definition: Definition, window: Window, now: int
) -> Counter[Any]:
    """Each pane's share of each spend, at the rate of the pane's day."""
    sums: Counter[Any] = Counter()
    rates = Rates(definition)
    channels = spellings(definition.values)["channel"]
    last = now // MINUTE_US // window.pane
    size = window.pane * MINUTE_US
    for spend in spends:
        rows = [Row(spend.get("pipeline", "default"))]
        if "channel" in definition.dimensions:
            rows.append(Row(rows[0].pipeline, "channel", channels[spend["channel"]]))
        for pane in range(last - window.panes + 1, last + 1):
            if share := share_of(spend, pane * size, (pane + 1) * size):
                minor, currency = rates.convert(share, spend["currency"], pane * size)
                sums.update({(row, ("spend", currency)): minor for row in rows})
    return sums


def share_of(spend: dict[str, Any], start: int, end: int) -> int:
    """Minor units of a spend that fall into ``[start, end)``."""
    amount = int(Decimal(str(spend["amount"])).scaleb(DECIMALS[spend["currency"]]))
    if "period_start" not in spend:
        return amount if start <= micros_of(spend["occurred_at"]) < end else 0
    first, last = micros_of(spend["period_start"]), micros_of(spend["period_end"])

    def spent_until(at: int) -> int:
        return amount * (min(max(at, first), last) - first) // (last - first)

    return spent_until(end) - spent_until(start)


def test_pane_sizes_nest() -> None:
    assert HOUR % MINUTE == 0
    assert DAY % HOUR == 0
