"""Looking up whole columns at once: ids of tuples, and what is known of ids."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import numpy as np

from funnel_stream.arrays import Array, Ids, Indices, Ints, Mask

Item = TypeVar("Item")


class Interner:
    """Distinct tuples of numbers below 2³², each with an id: ids count up from 0.

    A hash table with open addressing. A tuple takes two bytes a number as long as all numbers fit
    into them, then four, and some seven bytes for its slot.
    """

    _FILLED: Final = 0.6

    def __init__(self, width: int) -> None:
        """``width``: how many numbers a tuple has."""
        self._tuples: Array = np.zeros((256, width), dtype=np.uint16)
        self._count = 0
        self._slots = np.zeros(512, dtype=np.uint32)  # 0 for none, else an id + 1
        odd = np.random.default_rng(1).integers(1 << 62, size=width, dtype=np.uint64)
        self._factors = odd << np.uint64(1) | np.uint64(1)

    def __len__(self) -> int:
        return self._count

    def tuples(self, ids: Ids) -> Array:
        """The tuples with some ids: (n,) → (n, width). O(n)."""
        return self._tuples[ids]

    def column(self, number: int) -> Array:
        """One number of every tuple, by id: (count,). What comes or goes later does not touch it.
        O(1)."""
        return self._tuples[: self._count, number]

    def ids(self, tuples: Ids) -> Ids:
        """Ids of tuples; one that is new is given the next id.

        ``tuples``: (n, width) uint32, in any order. Gives (n,) uint32. O(n).
        """
        found = np.zeros(len(tuples), dtype=np.uint32)
        if not len(tuples):
            return found
        if self._tuples.dtype == np.uint16 and int(tuples.max()) >= 1 << 16:
            self._tuples = self._tuples.astype(np.uint32)
        self._make_room(self._count + len(tuples))
        mask = len(self._slots) - 1
        slot = self._hashes(tuples)
        pending = np.arange(len(tuples))
        while len(pending):
            at = slot[pending] & mask
            held = self._slots[at]
            free = held == 0
            held = np.maximum(held, 1) - 1
            same = ~free & (self._tuples[held] == tuples[pending]).all(axis=1)
            found[pending[same]] = held[same]
            added = self._claim(at[free], pending[free], tuples)
            found[added] = self._slots[slot[added] & mask] - 1
            slot[pending[~free & ~same]] += 1
            # Who wanted the same free slot and did not get it looks at it again.
            settled = same.copy()
            settled[free] = np.isin(pending[free], added, assume_unique=True)
            pending = pending[~settled]
        return found

    def _claim(self, slots: Ints, candidates: Indices, tuples: Ids) -> Indices:
        """Give free slots to new tuples, one to each slot; gives the indices of those tuples.

        ``slots``, ``candidates``: (m,), a tuple's index and the slot that it wants.
        """
        _, firsts = np.unique(slots, return_index=True)
        chosen = candidates[firsts]
        ids = np.arange(self._count, self._count + len(chosen), dtype=np.uint32)
        self._tuples[self._count : self._count + len(chosen)] = tuples[chosen]
        self._slots[slots[firsts]] = ids + 1
        self._count += len(chosen)
        return chosen

    def keep(self, used: Mask) -> Ids:
        """Forget the tuples that are not used.

        ``used``: (count,) by id. Gives (count,) new ids by the old ones, in the same order; for a
        forgotten tuple it says nothing. O(count).
        """
        self._tuples = self._tuples[: self._count][used]
        self._count = len(self._tuples)
        self._rehash(len(self._slots))
        return (np.cumsum(used) - 1).astype(np.uint32)

    def _hashes(self, tuples: Array) -> Ints:
        mixed = (tuples * self._factors).sum(axis=1, dtype=np.uint64) >> np.uint64(24)
        hashes: Ints = mixed.astype(np.int64)
        return hashes

    def _make_room(self, count: int) -> None:
        if count > len(self._tuples):
            room = max(count, len(self._tuples) * 3 // 2)
            grown = np.zeros((room, self._tuples.shape[1]), dtype=self._tuples.dtype)
            grown[: self._count] = self._tuples[: self._count]
            self._tuples = grown
        size = len(self._slots)
        while count > self._FILLED * size:
            size *= 2
        if size > len(self._slots):
            self._rehash(size)

    def _rehash(self, size: int) -> None:
        self._slots = np.zeros(size, dtype=np.uint32)
        slot = self._hashes(self._tuples[: self._count]) & (size - 1)
        pending = np.arange(self._count, dtype=np.uint32)
        while len(pending):
            free = self._slots[slot[pending]] == 0
            self._slots[slot[pending[free]]] = pending[free] + 1
            # Of several in one slot the last one written stays; the others move on.
            pending = pending[self._slots[slot[pending]] != pending + 1]
            slot[pending] = (slot[pending] + 1) & (size - 1)


class Flags(Generic[Item]):
    """Whether something holds of the items of a list that only grows, asked for by their indices.

    Each item is judged once: calls are O(n), and O(new items) as items are met.
    """

    def __init__(self, items: Sequence[Item], holds: Callable[[Item], bool]) -> None:
        self._items = items
        self._holds = holds
        self._flags: Mask = np.zeros(0, dtype=np.bool_)

    def __call__(self, indices: Array) -> Mask:
        """(n,) indices → (n,) bool."""
        flags = self._flags
        if len(flags) < len(self._items):
            # Only of the new ones: where reasons are free text, every batch brings some.
            new = [self._holds(item) for item in self._items[len(flags) :]]
            flags = self._flags = np.concatenate((flags, np.array(new, dtype=np.bool_)))
        of_indices: Mask = flags[indices]
        return of_indices
