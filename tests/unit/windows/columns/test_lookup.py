"""Ids of tuples against a dictionary, whatever comes and goes; what holds of ids against a list."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.windows.columns.lookup import Flags, Interner

NUMBER = st.integers(0, 2) | st.sampled_from([255, 256, 65_535, 65_536, (1 << 32) - 1])
BATCHES = st.lists(st.lists(st.tuples(NUMBER, NUMBER), max_size=30), min_size=1, max_size=6)


def ids_of(interner: Interner, tuples: Sequence[tuple[int, ...]], width: int = 2) -> list[int]:
    found: list[int] = interner.ids(np.array(tuples, dtype=np.uint32).reshape(-1, width)).tolist()
    return found


@given(BATCHES, st.randoms(use_true_random=False))
def test_equal_tuples_have_one_id(batches: list[list[tuple[int, int]]], rng: random.Random) -> None:
    """New ones the next ids; where some are forgotten, the others move up in their order."""
    interner = Interner(2)
    known: dict[tuple[int, int], int] = {}
    for batch in batches:
        found = ids_of(interner, batch)
        new = {one: id_ for one, id_ in zip(batch, found, strict=True) if one not in known}
        assert sorted(new.values()) == list(range(len(known), len(known) + len(new)))
        known |= new
        assert found == [known[one] for one in batch]
        assert len(interner) == len(known)
        by_id = sorted(known, key=lambda one: known[one])
        everyone = np.arange(len(known), dtype=np.uint32)
        assert interner.tuples(everyone).tolist() == [list(one) for one in by_id]
        if rng.random() < 0.5:
            used = np.array([rng.random() < 0.6 for _ in known], dtype=np.bool_)
            moved = interner.keep(used)
            known = {one: int(moved[id_]) for one, id_ in known.items() if used[id_]}
            kept = [one for one in by_id if one in known]
            assert [known[one] for one in kept] == list(range(len(kept)))


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("at_once", [1, 997, 50_000])
def test_many_tuples_keep_apart(width: int, at_once: int) -> None:
    """The table grows several times, and is full of collisions before it does."""
    number = 3000 if at_once == 1 else 50_000
    rng = random.Random(width)
    tuples = [tuple(rng.randrange(1 << 20) for _ in range(width)) for _ in range(number)]
    interner = Interner(width)
    known: dict[tuple[int, ...], int] = {}
    for start in range(0, number, at_once):
        some = tuples[start : start + at_once]
        known |= zip(some, ids_of(interner, some, width), strict=True)
    assert sorted(known.values()) == list(range(len(set(tuples))))
    assert ids_of(interner, tuples, width) == [known[one] for one in tuples]


def test_a_column_of_numbers_stays_as_it_is() -> None:
    interner = Interner(2)
    ids_of(interner, [(n, n % 7) for n in range(200)])
    column = interner.column(1)
    seen = column.tolist()
    assert sorted(seen) == sorted(n % 7 for n in range(200))
    ids_of(interner, [(n, 8) for n in range(1000, 1010)])
    interner.keep(np.arange(len(interner)) % 2 == 0)
    ids_of(interner, [(n, 9) for n in range(2000, 2900)])
    ids_of(interner, [(1 << 20, 1 << 20)])
    assert column.tolist() == seen


@given(st.lists(st.lists(st.integers(), max_size=5)), st.randoms(use_true_random=False))
def test_flags_are_of_all_items_met_so_far(lots: list[list[int]], rng: random.Random) -> None:
    items: list[int] = []
    judged: list[int] = []

    def holds(item: int) -> bool:
        judged.append(item)
        return item % 3 == 0

    flags = Flags(items, holds)
    for lot in lots:
        items += lot
        indices = [rng.randrange(len(items)) for _ in range(10) if items]
        found = flags(np.array(indices, dtype=np.uint32)).tolist()
        assert found == [items[index] % 3 == 0 for index in indices]
        assert judged == items, "each once"
