"""Panes keep every fact that is within their time, exactly, in whatever order facts come."""

import random
from collections import Counter

import numpy as np
import pytest

from funnel_stream.definition.time import DAY, HOUR, MINUTE, Span, Window
from funnel_stream.facts.measures import cell_id
from funnel_stream.windows.columns.packed import Chunk
from funnel_stream.windows.panes import Panes, Present, is_present, new_panes

Facts = list[tuple[int, int, int, int]]
"""Minute, combination, cell, weight."""

LEADS, SINCE = cell_id("reached", "lead"), cell_id("open_since", "lead")
MATURED = cell_id("matured", "lead", "1d", "won")
for number in range(40):  # the tests take any of the first forty
    cell_id("lost", f"reason {number}", "lead", "false")


def add(panes: Panes, facts: Facts) -> None:
    minute, combination, cell, weight = np.array(facts, dtype=np.int64).reshape(-1, 4).T
    panes.add(Chunk(minute, combination.astype(np.uint32), cell.astype(np.uint32), weight))


def held(panes: Panes, first: int = 0, last: int = 1 << 40) -> dict[tuple[int, int, int], int]:
    sums: Counter[tuple[int, int, int]] = Counter()
    for chunk in panes.within(Span(panes.size, first, last)):
        for pane, combination, cell, weight in zip(*(c.tolist() for c in chunk), strict=True):
            assert first <= pane <= last
            sums[pane, combination, cell] += weight
    return {key: total for key, total in sums.items() if total}


def random_facts(rng: random.Random, number: int, minutes: int = 20_000) -> Facts:
    weights = [1, 1, 1, -1, 127, -128, 128, 10**9, -(10**15), 1_770_000_000_000_000]
    return [
        (
            rng.randrange(minutes),
            rng.randrange(rng.choice([1, 3, 2000])),
            rng.choice([LEADS, SINCE, MATURED, *range(40)]),
            rng.choice(weights),
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("size", [MINUTE, HOUR, DAY])
def test_every_fact_stays_in_its_pane(size: int) -> None:
    rng = random.Random(size)
    panes = Panes(size, 400)
    expected: Counter[tuple[int, int, int]] = Counter()
    for number in [1, 500, 9000, 3, 20_000, 8000, 1, *[700] * 100]:
        facts = random_facts(rng, number)
        add(panes, facts)
        for minute, combination, cell, weight in facts:
            if cell == MATURED and size == MINUTE:
                continue
            pane = -(-minute // size) if cell == MATURED else minute // size
            expected[pane, combination, cell] += weight
    assert held(panes) == {key: total for key, total in expected.items() if total}
    some = {key: total for key, total in expected.items() if total and 3 <= key[0] <= 7}
    assert held(panes, 3, 7) == some


def test_what_cancels_out_takes_no_room() -> None:
    rng = random.Random(1)
    panes = Panes(DAY, 400)
    for _ in range(20):
        facts = random_facts(rng, 5000)
        add(panes, facts)
        add(panes, [(*fact[:3], -fact[3]) for fact in facts])
    assert held(panes) == {}
    assert len(panes) < 50_000


def test_what_is_past_keeping_is_dropped() -> None:
    rng = random.Random(2)
    panes = Panes(MINUTE, 120)
    add(panes, random_facts(rng, 30_000, minutes=1000))
    panes.forget(1000)
    assert min(held(panes, 881))[0] == 881
    assert len(panes) < 10_000
    before = len(panes)
    add(panes, [(880, 1, LEADS, 1)])
    assert len(panes) == before
    panes.forget(5000)
    assert len(panes) == 0


def test_sums_that_64_bits_do_not_hold_are_exact() -> None:
    """Entry times of deals that share a combination: 10,000 of them exceed an integer."""
    since = 1_770_000_000_000_000
    panes = Present()
    panes.forget(10)
    for sign in (1, 1, 1, -1):
        for _ in range(4):
            add(panes, [(5, 7, SINCE, sign * (since + n)) for n in range(10_000)])
    total = 2 * sum(4 * (since + n) for n in range(10_000))
    assert total > 1 << 66
    assert held(panes) == {(0, 7, SINCE): total}
    assert len(panes) < 10_000


def test_the_present_is_one_pane_and_the_future_waits() -> None:
    panes = Present()
    add(panes, [(5, 1, LEADS, 1), (50, 1, LEADS, 1), ((1 << 32) - 1, 1, LEADS, 1)])
    panes.forget(10)
    assert sum(held(panes, 0, 10).values()) == 1
    add(panes, [(5, 1, LEADS, -1), (50, 1, LEADS, -1), (50, 1, LEADS, 3)])
    assert sum(held(panes, 0, 10).values()) == 0
    assert held(panes, 11, 50) == {(50, 1, LEADS): 3}
    panes.forget(60)
    add(panes, [(n % 3, 1, LEADS, 1) for n in range(20_000)])
    assert held(panes) == {(0, 1, LEADS): 20_003, ((1 << 32) - 1, 1, LEADS): 1}
    assert len(panes) == 2


def test_unpacking_gives_slices_that_join() -> None:
    rng = random.Random(3)
    panes = Panes(HOUR, 840)
    add(panes, random_facts(rng, 200_000, minutes=60 * 500))
    chunks = list(panes.within(Span(HOUR, 0, 1 << 40)))
    assert len(chunks) > 1
    assert len(Chunk.concatenate(chunks).pane) == len(panes)


def test_panes_are_kept_as_long_as_a_window_needs_them() -> None:
    windows = [Window.named(name) for name in ("1h", "24h", "7d")]
    kept = new_panes(windows)
    assert set(kept) == {MINUTE, HOUR}
    for size, panes, since in ((MINUTE, kept[MINUTE], 881), (HOUR, kept[HOUR], 0)):
        add(panes, [(minute, 1, LEADS, 1) for minute in range(1001)] * 10)
        panes.forget(1000)
        assert min(held(panes))[0] == since // size


def test_cells_that_are_met_later_are_known_as_well() -> None:
    assert is_present(np.array([LEADS, SINCE], dtype=np.uint32)).tolist() == [False, True]
    later = [cell_id("lost", "met later", "lead", "false"), cell_id("open_value", "lead", "XTS")]
    assert is_present(np.array(later, dtype=np.uint32)).tolist() == [False, True]
    assert is_present(np.array([SINCE, LEADS], dtype=np.uint32)).tolist() == [True, False]
