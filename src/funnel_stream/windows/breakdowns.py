"""Breakdowns: which rows of totals a combination of attributes counts in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from funnel_stream.arrays import Array, Ids, Mask
from funnel_stream.definition import Definition
from funnel_stream.definition.values import LABEL_LENGTH
from funnel_stream.facts.rules import ATTRIBUTES, NONE
from funnel_stream.windows.columns.lookup import Interner

_BETWEEN: Final = " + "


class Row(NamedTuple):
    """What a total is of: a pipeline, or a value of one of its dimensions."""

    pipeline: str
    dimension: str = ""
    value: str = ""


class Breakdowns:
    """Ids of rows, and of the combinations that count in them; both are given on first use.

    A combination is kept as the ids of its rows (one for the pipeline, one a dimension): some 30
    bytes each where a dictionary of tuples takes 800.
    """

    def __init__(self, definition: Definition) -> None:
        self.rows: list[Row] = []
        self._row_ids: dict[Row, int] = {}
        self._dimensions = definition.dimension_list()
        self._values: dict[str, list[_RowsOfDimension]] = {}
        self._combinations = Interner(len(self._dimensions) + 1)

    def row(self, row: Row) -> int:
        """The id of a row."""
        known = self._row_ids.get(row)
        if known is None:
            known = self._row_ids[row] = len(self.rows)
            self.rows.append(row)
        return known

    def row_ids(self) -> Mapping[Row, int]:
        """The ids of all rows, and of those to come."""
        return self._row_ids

    def combinations(self, combinations: Sequence[tuple[str, ...]]) -> Ids:
        """Ids of combinations."""
        rows = np.zeros((len(combinations), len(self._dimensions) + 1), dtype=np.uint32)
        indices: dict[str, list[int]] = {}
        for index, combination in enumerate(combinations):
            indices.setdefault(combination[0], []).append(index)
        for pipeline, of_pipeline in indices.items():
            rows[of_pipeline, 0] = self.row(Row(pipeline))
            attributes = list(zip(*(combinations[index] for index in of_pipeline), strict=True))
            for number, values in enumerate(self._values_of(pipeline), start=1):
                parts = self._dimensions[number - 1].parts
                given = [attributes[ATTRIBUTES.index(part)] for part in parts]
                of_dimension = given[0] if len(parts) == 1 else zip(*given, strict=True)
                rows[of_pipeline, number] = list(map(values.__getitem__, of_dimension))
        return self._combinations.ids(rows)

    def _values_of(self, pipeline: str) -> "list[_RowsOfDimension]":
        known = self._values.get(pipeline)
        if known is None:
            known = self._values[pipeline] = [
                _RowsOfDimension(pipeline, dimension.name, self.row)
                for dimension in self._dimensions
            ]
        return known

    def __len__(self) -> int:
        """How many combinations there are."""
        return len(self._combinations)

    def keep(self, used: Mask) -> Ids:
        """Forget the combinations that are not used; gives the ids of the others by their old ones,
        in the same order."""
        return self._combinations.keep(used)

    def pipeline_rows(self) -> Array:
        """For each combination the id of its pipeline's row. Combinations that come later or are
        forgotten do not touch it."""
        return self._combinations.column(0)

    def rows_of(self, combination: Ids) -> Array:
        """Ids of the rows that each fact counts in, one fact a line."""
        return self._combinations.tuples(combination)


class _RowsOfDimension(dict[Any, int]):
    """Ids of the rows of one dimension in one pipeline, by value (by a tuple of several)."""

    def __init__(self, pipeline: str, dimension: str, row: Callable[[Row], int]) -> None:
        self._pipeline = pipeline
        self._dimension = dimension
        self._row = row

    def __missing__(self, value: Any) -> int:
        known = self[value] = self._row(Row(self._pipeline, self._dimension, _label(value)))
        return known


def _label(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value or NONE
    if not any(value):
        return NONE
    return _BETWEEN.join(part or NONE for part in value)[:LABEL_LENGTH]
