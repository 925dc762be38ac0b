"""Sorting, grouping and adding up, each against the same done with lists and dictionaries."""

import random
from collections import Counter, defaultdict
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.windows.columns import sums
from funnel_stream.windows.columns.sums import (
    changes,
    distinct,
    ends_of,
    grouped,
    lengths_of,
    narrowed,
    patterns,
    segment_sums,
    sum_by_row,
)

LEAST, MOST = -(1 << 63), (1 << 63) - 1
EDGES = [LEAST, -(1 << 62), (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 62, MOST]
ANY = st.integers(-3, 3) | st.sampled_from(EDGES) | st.integers(LEAST, MOST)
ID = st.integers(0, 3) | st.integers(0, 1000) | st.integers(0, (1 << 32) - 1)
LENGTHS = st.lists(st.integers(1, 5), min_size=1)


def ints(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


# --- order ----------------------------------------------------------------------------------------


@given(st.lists(ANY))
def test_changes_are_where_a_value_differs_from_the_one_before(values: list[int]) -> None:
    expected = [True, *(one != other for one, other in pairwise(values))][: len(values)]
    assert changes(ints(values)).tolist() == expected


@given(st.lists(st.integers(1, 5)), st.integers(0, 100))
def test_starts_ends_and_lengths_say_the_same(lengths: list[int], start: int) -> None:
    starts = [start, *(start + end for end in accumulate(lengths))][: len(lengths)]
    ends = ends_of(np.array(starts, dtype=np.intp), start + sum(lengths))
    assert ends.tolist() == [begin + length for begin, length in zip(starts, lengths, strict=True)]
    assert lengths_of(ends, start).tolist() == lengths


@given(st.lists(st.tuples(ANY, ID, ID), min_size=1) | st.lists(st.tuples(ID, ID), min_size=1))
def test_groups_are_equal_lines_in_ascending_order(lines: list[tuple[int, ...]]) -> None:
    """Equal ones as they stand; whether all fits into one integer or not."""
    first, *others = map(list, zip(*lines, strict=True))
    order, starts = grouped(ints(first), *(np.array(ids, dtype=np.uint32) for ids in others))
    assert order.tolist() == sorted(range(len(lines)), key=lambda index: lines[index])
    ordered = sorted(lines)
    assert starts.tolist() == [n for n in range(len(ordered)) if ordered[n] not in ordered[:n]]


@given(st.lists(ANY) | st.lists(st.sampled_from([127, 128, 255, 256, -128, -129])))
def test_narrowed_numbers_are_the_same_in_the_smallest_type(values: list[int]) -> None:
    found = narrowed(ints(values))
    assert found.tolist() == values
    least, most = min([0, *values]), max([0, *values])
    signed = least < 0
    bits = max(most.bit_length() + signed, (~least).bit_length() + 1 if signed else 0)
    assert found.itemsize == next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


@given(st.lists(st.integers(0, 40), min_size=1) | st.lists(ID, min_size=1), st.booleans())
def test_distinct_ids_and_where_each_stands_among_them(ids: list[int], twice: bool) -> None:
    given_ids = np.array([ids, ids[::-1]] if twice else ids, dtype=np.uint32)
    used, index = distinct(given_ids)
    assert used.tolist() == sorted(set(ids))
    assert used[index].tolist() == given_ids.tolist()


@given(st.integers(1, 4), st.integers(0, 30), st.randoms(use_true_random=False))
def test_patterns_are_the_different_columns_of_marks(
    height: int, width: int, rng: random.Random
) -> None:
    lines = [[rng.random() < 0.4 for _ in range(width)] for _ in range(height)]
    expected: dict[tuple[bool, ...], list[int]] = {}
    for index, column in enumerate(zip(*lines, strict=True)):
        if any(column):
            expected.setdefault(column, []).append(index)
    marks = np.array(lines, dtype=np.bool_).reshape(height, width)
    found = {tuple(one.tolist()): np.flatnonzero(where).tolist() for one, where in patterns(marks)}
    assert found == expected
    assert list(found) == list(expected)


# --- sums of what is sorted -----------------------------------------------------------------------


@given(LENGTHS, st.data())
def test_sums_of_segments_are_exact(lengths: list[int], data: st.DataObject) -> None:
    """In parts where 64 bits would not do: as few and as equal as can be."""
    values = data.draw(st.lists(ANY, min_size=sum(lengths), max_size=sum(lengths)))
    starts = [0, *accumulate(lengths)][:-1]
    parts: defaultdict[int, list[int]] = defaultdict(list)
    segments, found = segment_sums(ints(values), np.array(starts, dtype=np.intp))
    assert segments.tolist() == sorted(segments.tolist())
    for segment, total in zip(segments.tolist(), found.tolist(), strict=True):
        parts[segment].append(total)
    for segment, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        total = sum(values[start : start + length])
        assert sum(parts[segment]) == total
        assert max(parts[segment]) - min(parts[segment]) <= 1
        assert max(map(abs, parts[segment])) <= 1 << 62
        assert len(parts[segment]) <= abs(total) // (1 << 62) + 1
    assert len(parts) == len(lengths)


# --- sums of what is not --------------------------------------------------------------------------


def naive_sums(
    rows: list[list[int]], cell: list[int], weight: list[int]
) -> dict[int, Counter[int]]:
    found: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for line, one, by in zip(rows, cell, weight, strict=True):
        for row in line:
            found[row][one] += by
    kept = {
        row: Counter({cell: total for cell, total in sorted(cells.items()) if total})
        for row, cells in sorted(found.items())
    }
    return {row: cells for row, cells in kept.items() if cells}


def assert_exact(rows: list[list[int]], cell: list[int], weight: list[int]) -> None:
    width = len(rows[0]) if rows else 1
    table = np.array(rows, dtype=np.uint32).reshape(-1, width)
    found = list(sum_by_row(table, np.array(cell, dtype=np.uint32), ints(weight)))
    expected = naive_sums(rows, cell, weight)
    assert [(row, dict(zip(cells, totals, strict=True))) for row, cells, totals in found] == [
        (row, dict(cells)) for row, cells in expected.items()
    ]
    assert [cells for _, cells, _ in found] == [list(cells) for cells in expected.values()]


@given(st.integers(1, 3), st.sampled_from([2, 60, 1 << 20]), st.data())
@pytest.mark.parametrize("dense", [0, 1 << 20])
def test_sums_by_row_are_those_of_a_dictionary(
    dense: int, width: int, most: int, data: st.DataObject
) -> None:
    """Whether all of the table is laid out or only what is used; with sums of any size."""
    ids = st.integers(0, most)
    line = st.tuples(st.lists(ids, min_size=width, max_size=width), ids, ANY)
    facts = data.draw(st.lists(line, max_size=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_DENSE", dense)
        assert_exact(
            [rows for rows, _, _ in facts], [c for _, c, _ in facts], [w for *_, w in facts]
        )


@pytest.mark.parametrize(("most", "number"), [(10, 500), (5000, 3), (3_000_000, 40), (9000, 900)])
@pytest.mark.parametrize("weights", [(1, -1), (1, 2**62, -(2**62)), (2**63 - 1, 1 - 2**63, 5)])
def test_sums_by_row_of_many_are_exact(most: int, number: int, weights: tuple[int, ...]) -> None:
    rng = random.Random(most)
    rows = [[rng.randrange(most) for _ in range(4)] for _ in range(number)]
    cell = [rng.randrange(most // 3) for _ in range(number)]
    assert_exact(rows, cell, [rng.choice(weights) for _ in range(number)])


def test_a_cell_is_the_same_object_in_every_row() -> None:
    """It stands in every row's dictionary: that many integers would take as much room as those."""
    rows = np.array([[1, 2], [3, 4]], dtype=np.uint32)
    cell = np.array([70_000, 70_000], dtype=np.uint32)
    cells = [cells for _, cells, _ in sum_by_row(rows, cell, ints([1, 1]))]
    assert len(cells) == 4
    assert {id(one) for [one] in cells} == {id(cells[0][0])}
