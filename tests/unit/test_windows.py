"""Which instants a window covers, and how figures enter and leave it."""

import pytest

from funnel_stream.compute import as_record
from funnel_stream.deals import Deals
from funnel_stream.definition import Definition, Window
from funnel_stream.facts import cell_id
from funnel_stream.windows import Row, WindowTables
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
