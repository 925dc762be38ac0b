"""Who has left the state, and who may leave it next."""

import hashlib
from collections import deque
from itertools import islice
from typing import Final

import msgspec

from funnel_stream.contract.event import LOST, WON
from funnel_stream.facts.journey import Former

MAX_STUBS: Final = 1_000_000
"""Stubs that a partition keeps by default: some 120 MB."""

_DIGEST_BYTES: Final = 8
_DIGEST_BITS: Final = 60
"""What CPython holds in 32 bytes. That any two of ten million ids share a digest has a probability
of 0.004 %; then an event of one may be taken for a late one of the other."""
_OUTCOMES: Final = (None, WON, LOST)
_DAY_US: Final = 86_400_000_000


def digest_of(name: bytes) -> int:
    """The number by which a deal that left is remembered."""
    digest = hashlib.blake2b(name, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big") >> (8 * _DIGEST_BYTES - _DIGEST_BITS)


class Stubs:
    """The deals that left: when their last event occurred, and how they ended.

    At most ``limit`` of them; beyond it those that left first are evicted, a part at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, digest: int) -> Former | None:
        packed = self._known.get(digest)
        return None if packed is None else Former(packed >> 2, _OUTCOMES[packed & 3])

    def put(self, digest: int, left: Former) -> None:
        self._known[digest] = left.at << 2 | _OUTCOMES.index(left.outcome)

    def pop(self, digest: int) -> bool:
        """Forget one; whether it was known."""
        return self._known.pop(digest, None) is not None

    def evict(self) -> list[int]:
        """Forget the eldest if there are too many; gives their digests.

        Many at once, as walking over the gaps that they leave costs as much as they do.
        """
        if len(self._known) <= self._limit:
            return []
        number = max(len(self._known) - self._limit, self._limit // 64)
        evicted = list(islice(self._known, number))
        for digest in evicted:
            del self._known[digest]
        return evicted


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Former).decode


def stub_value(left: Former) -> bytes:
    """A stub as a row of the changelog."""
    return _encode(left)


def stub_of(value: bytes) -> Former:
    """The stub that a row of the changelog holds."""
    return _decode(value)


class DueDays:
    """Keys by the day on which something of them may be over, so that nobody walks over all.

    A key is looked at on its day, and whoever looks says when it is due again. Every other day
    costs nothing.
    """

    def __init__(self) -> None:
        self.today = 0
        self.over: deque[bytes] = deque()
        """Keys whose day has come."""
        self._by_day: dict[int, list[bytes]] = {}

    def add(self, key: bytes, at: int) -> None:
        """A key of which something is over after an instant (µs): on the first day that begins
        later, tomorrow at the earliest."""
        day = max(at // _DAY_US, self.today) + 1
        known = self._by_day.get(day)
        if known is None:
            self._by_day[day] = [key]
        else:
            known.append(key)

    def pass_to(self, day: int) -> None:
        """It is that day now."""
        self.today = day
        for due in sorted(due for due in self._by_day if due <= day):
            self.over.extend(self._by_day.pop(due))
