"""Which instants a window covers, and how figures enter and leave it."""

import random
from collections import Counter
from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.facts.blocks import FactBlock, FactBlockBuilder
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import cell_id
from funnel_stream.facts.rules import ATTRIBUTES, MINUTE_BITS, NONE
from funnel_stream.replay.compute import as_record
from funnel_stream.windows import panes
from funnel_stream.windows.breakdowns import Breakdowns
from funnel_stream.windows.tables import Row, WindowTables
from tests.funnels import NOW, at, computed, figure, lines, micros, stage

MINUTE = 60_000_000
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("name", "panes", "pane"),
    [
        ("1m", 1, 1),
        ("2h", 120, 1),
        ("121m", None, None),
        ("3h", 3, 60),
        ("35d", 840, 60),
        ("36d", 36, 1440),
        ("400d", 400, 1440),
        ("401d", None, None),
        ("0h", None, None),
        ("1w", None, None),
    ],
)
def test_a_window_lies_on_the_finest_panes_that_are_kept(
    name: str, panes: int | None, pane: int | None
) -> None:
    if panes is None or pane is None:
        with pytest.raises(ValueError, match=r"multiple|longer|whole number"):
            Window.named(name)
    else:
        assert Window.named(name) == (name, panes, pane)


@pytest.mark.parametrize(
    ("window", "since"),
    [("1h", 59), ("24h", 23 * 60 + 30), ("7d", 7 * 1440 - 30), ("365d", 364 * 1440 + 750)],
)
def test_a_window_covers_the_current_pane_and_those_before_it(window: str, since: int) -> None:
    """As of half past twelve a window begins with the first pane that lies whole in it."""
    as_of = micros(days=380, hours=12, minutes=30)
    inside = computed([stage("d", "lead", at(days=380, hours=12, minutes=30 - since))], as_of)
    before = computed(
        [stage("d", "lead", at(days=380, hours=12, minutes=30 - since, seconds=-1))], as_of
    )
    assert figure(inside, "funnel_leads", window) == 1
    assert figure(before, "funnel_leads", window) == 0


def test_a_matured_conversion_counts_from_the_first_pane_after_the_horizon() -> None:
    """A lead at 10:20 is a day old at 10:20, so that the hour that begins at 11:00 counts it."""
    events = [stage("d", "lead", at(hours=10, minutes=20)), stage("d", "qualified", at(hours=12))]
    labels = {
        "from_stage": "lead",
        "to_stage": "qualified",
        "basis": "matured",
        "horizon": "1d",
    }
    metric = "funnel_conversion_ratio"
    early = computed(events, micros(days=1, hours=10, minutes=59))
    assert figure(early, metric, "7d", **labels) is None
    due = computed(events, micros(days=1, hours=11))
    assert figure(due, metric, "7d", **labels) == 1.0
    assert figure(due, metric, "365d", **labels) is None
    assert figure(computed(events, micros(days=2)), metric, "365d", **labels) == 1.0
    assert figure(due, metric, "1h", **labels) is None


def test_what_happened_after_the_horizon_does_not_convert() -> None:
    labels = {"from_stage": "lead", "to_stage": "won", "basis": "matured", "horizon": "1d"}
    just = [stage("d", "lead", at()), stage("d", "won", at(days=1))]
    late = [stage("d", "lead", at()), stage("d", "won", at(days=1, seconds=1))]
    as_of = micros(days=2)
    assert figure(computed(just, as_of), "funnel_conversion_ratio", "7d", **labels) == 1.0
    assert figure(computed(late, as_of), "funnel_conversion_ratio", "7d", **labels) == 0.0


def tables_with(*sources: tuple[int, int]) -> WindowTables:
    """Tables with so many leads from each source partition."""
    tables = WindowTables(Definition())
    tables.advance(micros(hours=1))
    for source, leads in sources:
        tables.replace(source, folded(leads).snapshot())
    return tables


def folded(leads: int) -> Deals:
    deals = Deals(Definition())
    events = [stage(f"d{n}", "lead", at(minutes=n), channel="web") for n in range(leads)]
    now_ms = int(NOW.timestamp() * 1000)
    deals.fold([as_record(n, line, now_ms) for n, line in enumerate(lines(events))])
    return deals


def leads_in(tables: WindowTables, window: str = "24h") -> int:
    cells = tables.snapshot().totals[window].get(Row("default"), {})
    return cells.get(cell_id("reached", "lead"), 0)


def test_replacing_a_source_leaves_the_others_alone() -> None:
    tables = tables_with((0, 3), (1, 5))
    assert leads_in(tables) == 8
    tables.replace(0, folded(4).snapshot())
    assert leads_in(tables) == 9
    tables.replace(1, [])
    assert leads_in(tables) == 4


def test_a_snapshot_does_not_change() -> None:
    tables = tables_with((0, 3))
    before = tables.snapshot()
    seen = {window: dict(rows) for window, rows in before.totals.items()}
    tables.replace(0, folded(7).snapshot())
    tables.advance(micros(days=3))
    assert before.totals == seen
    assert tables.snapshot().version > before.version


def test_time_does_not_move_back() -> None:
    tables = tables_with((0, 3))
    tables.advance(micros(days=10))
    tables.advance(micros(hours=1))
    assert tables.snapshot().as_of == micros(days=10)
    assert leads_in(tables) == 0


def test_sums_beyond_64_bits_are_exact() -> None:
    """5,000 deals of 56 years each: more microseconds than an int64 holds."""
    years = 20_450 * DAY
    events = []
    for n in range(6000):
        events.append(stage(f"d{n}", "lead", "1970-01-01T00:00:00Z"))
        events.append(stage(f"d{n}", "lost", at()))
    result = computed(events, micros(hours=1))
    duration = micros()
    assert duration > years
    total = figure(result, "funnel_time_to_close_seconds_sum", outcome="lost")
    assert total == 6000 * duration / 1e6
    assert 6000 * duration > 1 << 63


# --- tables against their meaning, taken literally -----------------------------------------------

LEADS = cell_id("reached", "lead")
SINCE = cell_id("open_since", "lead")
OPEN = cell_id("open", "lead")
SOON = cell_id("matured", "lead", "1d", "won")
VALUES = ("", "a", "b", "x" * 119)

Known = tuple[tuple[str, ...], int, int, int]
"""Combination, cell, minute, weight."""


def block_of(facts: list[Known]) -> FactBlock:
    builder = FactBlockBuilder()
    for combination, cell, minute, weight in facts:
        builder.add(combination, {cell << MINUTE_BITS | minute: weight})
    made = builder.take()
    assert made is not None
    return FactBlock.decode(made.encode())


def random_facts(rng: random.Random, number: int) -> list[Known]:
    def combination() -> tuple[str, ...]:
        return (rng.choice("pq"), *(rng.choice(VALUES) for _ in ATTRIBUTES[1:]))

    owners = [combination() for _ in range(5)]
    now = micros() // MINUTE
    ahead = [rng.randrange(-50_000, 50_000), rng.randrange(-100, 100), -now, 2**32 - 1 - now]
    return [
        (
            rng.choice(owners),
            rng.choice([LEADS, SINCE, OPEN, SOON]),
            now + rng.choice(ahead),
            rng.choice([1, -1, 1_770_000_000_000_000]),
        )
        for _ in range(number)
    ]


def literally(facts: list[Known], definition: Definition, now: int) -> dict[str, Any]:
    found: dict[str, Any] = {name: Counter() for name in (*definition.windows, "now")}
    for combination, cell, minute, weight in facts:
        rows = [Row(combination[0])]
        for name in definition.dimensions:
            values = [combination[ATTRIBUTES.index(part)] for part in name.split("+")]
            value = " + ".join(v or NONE for v in values) if any(values) else NONE
            rows.append(Row(combination[0], name, value[:120]))
        if cell in (OPEN, SINCE):
            tables = ["now"] if minute <= now else []
        else:
            tables = []
            for window in definition.window_list():
                if cell == SOON and window.pane == 1:
                    continue
                size = window.pane
                pane = -(-minute // size) if cell == SOON else minute // size
                if now // size - window.panes < pane <= now // size:
                    tables.append(window.name)
        for table in tables:
            for row in rows:
                found[table][row, cell] += weight
    return {table: {k: v for k, v in sums.items() if v} for table, sums in found.items()}


@pytest.mark.parametrize("seed", range(6))
def test_tables_are_what_their_facts_add_up_to(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of sources, added and replaced at any time, while time moves in any steps."""
    rng = random.Random(seed)
    if seed % 2:
        monkeypatch.setattr("funnel_stream.windows.tables._FEW_COMBINATIONS", 3)
    definition = Definition(
        dimensions=("channel", "product", "channel+product", "owner+segment+source"),
        windows=("1h", "2h", "24h", "7d", "400d"),
    )
    tables = WindowTables(definition)
    held: dict[int, list[Known]] = {0: [], 1: [], 2: []}
    moment = micros(days=-2)
    for _ in range(30):
        source = rng.randrange(3)
        match rng.randrange(4):
            case 0:
                moment += rng.choice([1, 60, 3000, 3600, 86_400, 86_400 * 30]) * 10**6
                tables.advance(moment)
            case 1:
                new = random_facts(rng, rng.choice([1, 30, 5_000 if seed == 0 else 100]))
                tables.apply(source, [block_of(new[:1]), block_of(new)])
                held[source] += new[:1] + new
            case 2 if held[source]:
                gone = held[source].pop(rng.randrange(len(held[source])))
                tables.apply(source, [block_of([(*gone[:3], -gone[3])])])
            case 3 if rng.random() < 0.3:
                held[source] = random_facts(rng, 50)
                tables.replace(source, [block_of(held[source])])
        snapshot = tables.snapshot()
        if not snapshot.as_of:
            continue
        facts = [fact for of_source in held.values() for fact in of_source]
        shown = {
            table: {(row, cell): w for row, cells in rows.items() for cell, w in cells.items()}
            for table, rows in snapshot.totals.items()
        }
        assert shown == literally(facts, definition, snapshot.as_of // MINUTE)
        assert all(cells for rows in snapshot.totals.values() for cells in rows.values())


@pytest.mark.parametrize(("window", "size"), [("1h", 1), ("24h", 60), ("400d", 1440)])
@pytest.mark.parametrize("source", ["new", "known"])
def test_a_late_fact_counts_in_the_panes_of_the_window_alone(
    window: str, size: int, source: str
) -> None:
    """In the oldest and the one in progress, with its last minute, not in those beside them."""
    tables = WindowTables(Definition(dimensions=(), windows=("1h", "24h", "400d")))
    owner = ("default", *[""] * 8)
    now = micros(days=500, hours=12, minutes=30) // MINUTE
    if source == "known":
        tables.apply(0, [block_of([(owner, OPEN, now, 1)])])
    tables.advance(now * MINUTE)
    last = now // size * size + size
    first = last - Window.named(window).minutes
    at_edges = {first - 1: 1, first: 2, last - 1: 4, last: 8}
    tables.apply(0, [block_of([(owner, LEADS, minute, by) for minute, by in at_edges.items()])])
    assert tables.snapshot().totals[window][Row("default")] == {LEADS: 2 + 4}


def test_a_combined_value_names_what_is_missing() -> None:
    definition = Definition(dimensions=("channel × product",))
    tables = WindowTables(definition)
    tables.advance(micros())
    given = [("paid", "gtx"), ("", "gtx"), ("paid", ""), ("", "")]
    facts = [
        (("default", channel, "", "", product, *[""] * 4), OPEN, 5, 1) for channel, product in given
    ]
    tables.apply(0, [block_of(facts)])
    values = {row.value for row in tables.snapshot().totals["now"] if row.dimension}
    assert values == {"paid + gtx", f"{NONE} + gtx", f"paid + {NONE}", NONE}


def test_the_present_counts_from_its_minute_on_for_ever() -> None:
    tables = WindowTables(Definition(dimensions=()))
    minute = micros() // MINUTE
    owner = ("default", *[""] * 8)

    def now() -> int:
        return tables.snapshot().totals["now"].get(Row("default"), {}).get(OPEN, 0)

    tables.apply(0, [block_of([(owner, OPEN, minute, 1), (owner, OPEN, 0, 1)])])
    tables.advance(micros() - 1)
    assert now() == 1
    tables.advance(micros())
    assert now() == 2
    tables.advance(micros(days=3000))
    assert now() == 2
    tables.apply(0, [block_of([(owner, OPEN, minute, -1)])])
    assert now() == 1


def test_what_comes_for_the_next_minute_counts_when_it_begins() -> None:
    """As from a producer whose clock is fast."""
    tables = WindowTables(Definition(dimensions=()))
    tables.advance(micros() - 1)
    minute = micros() // MINUTE
    tables.apply(0, [block_of([(("default", *[""] * 8), OPEN, minute, 1)])])
    assert tables.snapshot().totals["now"] == {}
    tables.advance(micros())
    assert tables.snapshot().totals["now"][Row("default")] == {OPEN: 1}


def test_combinations_that_nobody_has_any_more_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("funnel_stream.windows.tables._FEW_COMBINATIONS", 1000)
    monkeypatch.setattr(panes, "_LOOSE", 300)
    tables = WindowTables(Definition(dimensions=("owner",)))
    for turn in range(60):
        tables.advance(micros(days=turn))
        owners = [("default", *[""] * 6, f"o{turn}-{n}", "") for n in range(500)]
        tables.apply(0, [block_of([(owner, OPEN, 5, 1) for owner in owners])])
        tables.apply(0, [block_of([(owner, OPEN, 5, -1) for owner in owners[1:]])])
    assert len(tables._breakdowns) < 12_000
    assert tables.snapshot().totals["now"][Row("default")] == {OPEN: 60}


def test_many_combinations_keep_apart() -> None:
    breakdowns = Breakdowns(Definition(dimensions=("owner", "channel+owner")))
    owners = [("default", "web", *[""] * 5, f"o{n}", "") for n in range(40_000)]
    first = breakdowns.combinations(owners[:3000] + owners[:10])
    again = breakdowns.combinations(owners)
    assert first[:3000].tolist() == again[:3000].tolist()
    assert first[3000:].tolist() == first[:10].tolist()
    assert len(set(again.tolist())) == 40_000
    for owner, line in zip(owners, breakdowns.rows_of(again).tolist(), strict=True):
        assert [breakdowns.rows[row] for row in line] == [
            Row("default"),
            Row("default", "owner", owner[7]),
            Row("default", "channel+owner", f"web + {owner[7]}"),
        ]
