"""Samples: every figure of a snapshot with its name and labels, as every output shows it."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from funnel_stream.catalogue import KPIS, families
from funnel_stream.definition import Definition, Window
from funnel_stream.errors import UsageError
from funnel_stream.facts import cell_id
from funnel_stream.windows import NONE, Cells, Row, Snapshot

OTHER: Final = "__other__"
_LEADS = cell_id("reached", "lead")


class Sample(NamedTuple):
    """One figure: a metric, its labels and its value."""

    metric: str
    labels: dict[str, str]
    value: float


def samples(
    snapshot: Snapshot, *, window: str | None = None, dimension: str | None = None
) -> list[Sample]:
    """The figures of one window or of all; of one dimension, of ``""`` (the totals) or of all.

    Sorted by metric in the order of the catalogue. Raises ``UsageError`` for a window or a
    dimension that is not configured.
    """
    definition = snapshot.definition
    _check("window", window, definition.windows)
    _check("dimension", dimension or None, definition.dimensions)
    windows = [each for each in definition.window_list() if window in (None, each.name)]
    dimensions = ("", *definition.dimensions) if dimension is None else (dimension,)
    values = _Values(snapshot)
    found: dict[str, list[Sample]] = {family.name: [] for family in families()}
    for pipeline in values.pipelines:
        for name in dimensions:
            for each in windows:
                labels = {"pipeline": pipeline, "window": each.name}
                for value, cells in values.rows(pipeline, name, each.name):
                    if name:
                        labels = {**labels, "dimension": name, "value": value}
                    _add_figures(cells, labels, definition, each, found)
    return [sample for of_family in found.values() for sample in of_family]


def _check(what: str, wanted: str | None, allowed: tuple[str, ...]) -> None:
    if wanted is not None and wanted not in allowed:
        raise UsageError(
            f"there is no {what} {wanted!r}", hint=f"Configured are: {', '.join(allowed)}."
        )


def _add_figures(
    cells: Cells,
    labels: dict[str, str],
    definition: Definition,
    window: Window,
    found: dict[str, list[Sample]],
) -> None:
    breakdown = "_breakdown" if "dimension" in labels else ""
    for kpi in KPIS:
        name = kpi.metric + breakdown
        for suffix, own, value in kpi.shape.figures(cells, definition, window, total=not breakdown):
            found[name + suffix].append(Sample(name + suffix, {**labels, **own}, value))


class _Values:
    """Which pipelines and breakdown values are shown: the top N by leads, the rest as one."""

    def __init__(self, snapshot: Snapshot) -> None:
        definition = snapshot.definition
        self._totals = snapshot.totals
        longest = max(definition.window_list(), key=lambda window: window.minutes).name
        pipelines = set(definition.pipelines)
        values: dict[tuple[str, str], set[str]] = {}
        for totals in snapshot.totals.values():
            for pipeline, dimension, value in totals:
                pipelines.add(pipeline)
                if dimension and value != NONE:
                    values.setdefault((pipeline, dimension), set()).add(value)
        self.pipelines = sorted(pipelines)
        self._top: dict[tuple[str, str], list[str]] = {}
        self._rest: dict[tuple[str, str], list[str]] = {}
        for (pipeline, dimension), names in values.items():
            leads = {
                name: snapshot.totals[longest]
                .get(Row(pipeline, dimension, name), {})
                .get(_LEADS, 0)
                for name in names
            }
            ranked = sorted(names, key=lambda name: (-leads[name], name))
            self._top[pipeline, dimension] = ranked[: definition.top_n]
            self._rest[pipeline, dimension] = ranked[definition.top_n :]

    def rows(self, pipeline: str, dimension: str, window: str) -> Iterator[tuple[str, Cells]]:
        """Values and their cells: the total (``""``), or those of a dimension that have any."""
        totals = self._totals[window]
        if not dimension:
            yield "", totals.get(Row(pipeline), {})
            return
        for value in (*self._top.get((pipeline, dimension), ()), NONE):
            if cells := totals.get(Row(pipeline, dimension, value)):
                yield value, cells
        rest: Counter[int] = Counter()
        for value in self._rest.get((pipeline, dimension), ()):
            rest.update(totals.get(Row(pipeline, dimension, value), {}))
        if rest:
            yield OTHER, rest
