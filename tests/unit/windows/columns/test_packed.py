"""Chunks and packed runs hold what a dictionary of the same facts holds."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.windows.columns import packed
from funnel_stream.windows.columns.packed import NO_FACTS, Chunk, PackedRun, batched

Fact = tuple[int, int, int, int]
"""Pane, combination, cell, weight."""

PANE = st.integers(0, 12) | st.sampled_from([30_000_000, (1 << 32) - 1])
ID = st.integers(0, 4) | st.sampled_from([255, 256, 65_536, (1 << 32) - 1])
WEIGHT = (
    st.integers(-2, 2)
    | st.sampled_from([-129, -128, -127, 127, 128, 1 << 31, -(1 << 32), 1 << 62, -(1 << 63)])
    | st.integers(-(1 << 63), (1 << 63) - 1)
)
FACTS = st.lists(st.tuples(PANE, ID, ID, WEIGHT), max_size=60)


def chunk_of(facts: list[Fact]) -> Chunk:
    pane, combination, cell, weight = np.array(facts, dtype=np.int64).reshape(-1, 4).T.copy()
    return Chunk(pane, combination.astype(np.uint32), cell.astype(np.uint32), weight)


def facts_in(chunk: Chunk) -> list[Fact]:
    assert [column.dtype for column in chunk] == [column.dtype for column in NO_FACTS]
    return list(zip(*(column.tolist() for column in chunk), strict=True))


def sums_in(facts: list[Fact]) -> dict[tuple[int, int, int], int]:
    sums: Counter[tuple[int, int, int]] = Counter()
    for *key, weight in facts:
        sums[key[0], key[1], key[2]] += weight
    return {key: total for key, total in sums.items() if total}


# --- chunks ---------------------------------------------------------------------------------------


@given(FACTS)
def test_merged_facts_are_sorted_and_once_each(facts: list[Fact]) -> None:
    chunk = chunk_of(facts)
    merged = facts_in(chunk.merged())
    sums = sums_in(facts)
    assert sums_in(merged) == sums
    keys = [fact[:3] for fact in merged]
    assert keys == sorted(keys)
    once = [key for key, total in sums.items() if abs(total) < 1 << 62]
    assert all(keys.count(key) == 1 for key in once)
    often = Counter(fact[:3] for fact in facts)
    assert all(often[fact[:3]] == 1 for fact in merged if not fact[3]), "what cancels out is gone"
    assert facts_in(chunk) == facts, "what is given stays as it is"


@given(st.lists(FACTS, max_size=6), st.integers(1, 20))
def test_batches_are_the_same_facts_in_other_pieces(lots: list[list[Fact]], size: int) -> None:
    found = [facts_in(chunk) for chunk in batched(map(chunk_of, lots), size)]
    assert [*chain(*found)] == [*chain(*lots)]
    assert all(size <= len(batch) < 2 * size for batch in found[:-1])
    assert all(0 < len(batch) < 2 * size for batch in found[-1:]) or not any(lots)


# --- runs -----------------------------------------------------------------------------------------


@given(FACTS, st.integers(-1, 14), st.integers(-1, 14), st.sampled_from([1, 3, 50_000]))
def test_a_run_gives_back_what_was_packed(
    facts: list[Fact], first: int, last: int, at_once: int
) -> None:
    """All of it, or the panes that are asked for: in order, in pieces of whole panes."""
    merged = chunk_of(facts).merged()
    run, held = PackedRun(merged), facts_in(merged)
    assert len(run) == len(held)
    assert facts_in(run.chunk()) == held
    for pane in (first, last, 1 << 32):
        assert run.facts_before(pane) == sum(fact[0] < pane for fact in held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_AT_ONCE", at_once)
        pieces = [facts_in(chunk) for chunk in run.between(first, last)]
    assert [*chain(*pieces)] == [fact for fact in held if first <= fact[0] <= last]
    panes = [{fact[0] for fact in piece} for piece in pieces]
    assert sum(map(len, panes)) == len(set().union(*panes)), "no pane is in two pieces"
    for piece in pieces:
        last_pane = max(fact[0] for fact in piece)
        assert sum(fact[0] < last_pane for fact in piece) < at_once, "no larger than it must be"


@given(FACTS)
def test_the_combinations_of_a_run_are_those_of_its_groups(facts: list[Fact]) -> None:
    merged = chunk_of(facts).merged()
    groups = dict.fromkeys(fact[:2] for fact in facts_in(merged))
    assert PackedRun(merged).combinations().tolist() == [group[1] for group in groups]


FEW = st.lists(st.tuples(PANE, st.integers(0, 20), ID, WEIGHT), max_size=60)


@given(FEW, st.lists(st.booleans(), min_size=21, max_size=21))
def test_a_renumbered_run_is_another_one(facts: list[Fact], used: list[bool]) -> None:
    kept = chunk_of([fact for fact in facts if used[fact[1]]]).merged()
    ids = (np.cumsum(used) - 1).astype(np.uint32)
    run = PackedRun(kept)
    assert facts_in(run.renumbered(ids).chunk()) == [
        (pane, int(ids[one]), cell, weight) for pane, one, cell, weight in facts_in(kept)
    ]
    assert facts_in(run.chunk()) == facts_in(kept), "for its readers"


@given(FEW, st.lists(st.integers(0, 3), min_size=21, max_size=21))
@pytest.mark.parametrize("at_once", [1, 50_000])
def test_by_row_all_combinations_of_a_row_are_together(
    at_once: int, facts: list[Fact], rows: list[int]
) -> None:
    row_of = np.array(rows, dtype=np.uint32)
    run = PackedRun(chunk_of(facts).merged())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_AT_ONCE", at_once)
        by_row = run.by_row(row_of)
    assert sums_in(facts_in(by_row.chunk())) == sums_in(
        [(pane, rows[one], cell, weight) for pane, one, cell, weight in facts]
    )
    assert run.by_row(row_of) is by_row, "computed once"
    assert run.renumbered(np.arange(21, dtype=np.uint32)).by_row(row_of) is by_row
    assert facts_in(run.chunk()) == facts_in(chunk_of(facts).merged())


def test_a_packed_fact_takes_a_sixth_of_the_room() -> None:
    """Of deals with some facts each, as there are in the panes of a day."""
    facts = [
        (day, 3 * deal + day % 3, cell, 1)
        for day in range(20)
        for deal in range(400)
        for cell in (7, 19, 300)
    ]
    run = PackedRun(chunk_of(facts))
    columns = [getattr(run, name) for name in PackedRun.__slots__ if name != "_by_row"]
    loose = sum(column.nbytes for column in run.chunk())
    assert 6 * sum(column.nbytes for column in columns) < loose
