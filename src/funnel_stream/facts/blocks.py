"""Blocks of facts: the columns in which "track" tells "aggregate" what changed."""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from funnel_stream.errors import StateError
from funnel_stream.facts.measures import CELLS, Cell, cell_id
from funnel_stream.facts.rules import MINUTE_BITS
from funnel_stream.facts.spend import Spend, SpendChange


class _WireBlock(msgspec.Struct, array_like=True):
    cells: list[Cell]
    combinations: list[tuple[str, ...]]
    cell: bytes
    combination: bytes
    minute: bytes
    weight: bytes
    spends: list[SpendChange] = []


_encode_wire = msgspec.msgpack.Encoder().encode
_decode_wire = msgspec.msgpack.Decoder(_WireBlock).decode


class FactBlock:
    """Facts of many deals, in columns: what "track" tells "aggregate".

    ``cell``: ids of this process (uint32). ``combination``: indices into ``combinations`` (uint32).
    ``minute``: since the epoch, UTC (int64). ``weight``: int64, negative for a retraction.
    ``spends``: added (1) or taken back (−1); they have no combination and lie in no minute.
    """

    __slots__ = ("cell", "combination", "combinations", "minute", "spends", "weight")

    def __init__(
        self,
        combinations: list[tuple[str, ...]],
        combination: npt.NDArray[np.uint32],
        cell: npt.NDArray[np.uint32],
        minute: npt.NDArray[np.int64],
        weight: npt.NDArray[np.int64],
        spends: list[SpendChange],
    ) -> None:
        self.combinations = combinations
        self.combination = combination
        self.cell = cell
        self.minute = minute
        self.weight = weight
        self.spends = spends

    def __len__(self) -> int:
        return len(self.cell) + len(self.spends)

    def encode(self) -> bytes:
        """As bytes that any process can read: cells by name, columns little-endian."""
        used, local = np.unique(self.cell, return_inverse=True)
        wide = len(self.weight) and int(np.abs(self.weight).max()) > 127
        return _encode_wire(
            _WireBlock(
                cells=[CELLS[cell] for cell in used],
                combinations=self.combinations,
                cell=local.astype("<u4").tobytes(),
                combination=self.combination.astype("<u4").tobytes(),
                minute=self.minute.astype("<u4").tobytes(),
                weight=self.weight.astype("<i8" if wide else "<i1").tobytes(),
                spends=self.spends,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "FactBlock":
        """Raises ``StateError`` for bytes that are no block."""
        try:
            wire = _decode_wire(data)
        except msgspec.DecodeError as error:
            raise StateError(
                f"a row of the panes topic is not a block of facts: {error}"
            ) from error
        ids = np.array([cell_id(*cell) for cell in wire.cells], dtype=np.uint32)
        local = np.frombuffer(wire.cell, dtype="<u4")
        wide = len(wire.weight) != len(local)
        return cls(
            combinations=wire.combinations,
            combination=np.frombuffer(wire.combination, dtype="<u4"),
            cell=ids[local] if len(local) else ids,
            minute=np.frombuffer(wire.minute, dtype="<u4").astype(np.int64),
            weight=np.frombuffer(wire.weight, dtype="<i8" if wide else "<i1").astype(np.int64),
            spends=wire.spends,
        )


class FactBlockBuilder:
    """Collects facts of journeys; ``take`` gives them as one block and starts anew."""

    LIMIT: Final = 480_000
    """Bytes of a block, about; the broker takes 1 MiB."""
    _FACT_BYTES: Final = 20
    _SPEND_BYTES: Final = 45

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._keys: list[int] = []
        self._weights: list[int] = []
        self._runs: list[tuple[int, int, int]] = []
        self._indexes: dict[tuple[str, ...], int] = {}
        self._spends: list[SpendChange] = []
        self._name_bytes = 0

    @property
    def full(self) -> bool:
        return len(self._keys) * self._FACT_BYTES + self._name_bytes >= self.LIMIT

    def add(self, owner: tuple[str, ...], facts: Mapping[int, int], sign: int = 1) -> None:
        """Facts of deals with that combination; ``sign`` −1 retracts them."""
        index = self._indexes.get(owner)
        if index is None:
            index = self._indexes[owner] = len(self._indexes)
            self._name_bytes += sum(map(len, owner)) + len(owner)
        self._keys.extend(facts)
        self._weights.extend(facts.values())
        self._runs.append((index, sign, len(facts)))

    def add_spend(self, spend: Spend, sign: int = 1) -> None:
        """A spend; ``sign`` −1 takes it back."""
        self._spends.append((spend, sign))
        self._name_bytes += len(spend.pipeline) + len(spend.channel) + self._SPEND_BYTES

    def take(self) -> FactBlock | None:
        """The block, or ``None`` if nothing was added."""
        if not self._keys and not self._spends:
            self._clear()
            return None
        keys = np.array(self._keys, dtype=np.int64)
        index, sign, length = np.array(self._runs, dtype=np.int64).reshape(-1, 3).T
        block = FactBlock(
            combinations=list(self._indexes) if self._keys else [],
            combination=np.repeat(index.astype(np.uint32), length),
            cell=(keys >> MINUTE_BITS).astype(np.uint32),
            minute=keys & ((1 << MINUTE_BITS) - 1),
            weight=np.array(self._weights, dtype=np.int64) * np.repeat(sign, length),
            spends=self._spends,
        )
        self._clear()
        return block
