"""Samples: every figure of a snapshot with its name and labels, as every output shows it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from funnel_stream.definition import Definition, Target
from funnel_stream.definition.time import Window
from funnel_stream.errors import UsageError
from funnel_stream.facts.measures import (
    CELLS,
    MATURED,
    MEASURES,
    REACHED,
    VALUED_WON,
    WON_FOR_NOTHING,
)
from funnel_stream.facts.rules import NONE
from funnel_stream.kpis.catalogue import ATTAINMENT, BY_ID, KPIS, TARGET, broken_down, families
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.scope import OTHER, LabelSet, Part, Scope, label_set, label_text
from funnel_stream.windows.tables import NOW, Cells, Row, Snapshot, Sums

_LEADS: Final = REACHED.cell("lead")
_NOTHING: Final = Sums([])
_RANKED_AS: Final = {each: each.ranked_as or each for each in MEASURES.values() if each.invented}
"""Measures whose first label is open, and by which its values are ranked."""


class Sample(NamedTuple):
    """One figure: a metric, its labels and its value."""

    metric: str
    labels: dict[str, str]
    value: float


class Series(NamedTuple):
    """One figure of a known family: the labels of its scope, those of the KPI, and its value."""

    scope: LabelSet
    labels: LabelSet
    value: float


class Selection(NamedTuple):
    """Which figures to take; those of the present always are.

    ``windows`` of the totals and ``breakdown_windows`` of the ``dimensions``; ``kpis``: only these
    in breakdowns, ``None`` for all. ``matured_windows``: of the matured conversions in breakdowns,
    ``None`` for those of all others.
    """

    windows: tuple[str, ...]
    dimensions: tuple[str, ...]
    breakdown_windows: tuple[str, ...]
    kpis: tuple[str, ...] | None = None
    totals: bool = True
    matured_windows: tuple[str, ...] | None = None

    def blocks(self) -> Iterator[tuple[str, dict[str, Part]]]:
        """Dimensions (``""``: the totals) with their windows, and what each window shows."""
        if self.totals:
            yield "", dict.fromkeys(self.windows, Part.ALL)
        for dimension in self.dimensions:
            yield dimension, self._breakdown()

    def _breakdown(self) -> dict[str, Part]:
        if self.matured_windows is None:
            return dict.fromkeys(self.breakdown_windows, Part.ALL)
        both = {*self.breakdown_windows} & {*self.matured_windows}
        return (
            dict.fromkeys(self.breakdown_windows, Part.OTHERS)
            | dict.fromkeys(self.matured_windows, Part.MATURED)
            | dict.fromkeys(both, Part.ALL)
        )

    def of(self, dimension: str, part: Part = Part.ALL) -> list[Kpi]:
        """The KPIs that a dimension has, in a window of that part."""
        return [
            kpi
            for kpi in KPIS
            if not dimension
            or (
                (self.kpis is None or kpi.id in self.kpis)
                and (not kpi.form.dimensions or dimension in kpi.form.dimensions)
                and (part is not Part.MATURED or "horizon" in kpi.form.labels)
            )
        ]

    def has(self, target: Target) -> bool:
        """Whether a target is selected."""
        dimension = target.labels.get("dimension", "")
        hidden = Part.OTHERS if target.labels.get("basis") == "matured" else Part.MATURED
        return any(
            dimension == name
            and (target.window is None or windows.get(target.window, hidden) is not hidden)
            for name, windows in self.blocks()
        )


def exported(definition: Definition) -> Selection:
    """What ``/metrics`` shows."""
    return Selection(
        definition.export_windows(),
        definition.export_dimensions(),
        definition.breakdown_windows(),
        broken_down(definition),
        matured_windows=definition.matured_windows(),
    )


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
    windows = definition.windows if window is None else (window,)
    dimensions = definition.dimensions if dimension is None else (dimension,) if dimension else ()
    selection = Selection(windows, dimensions, windows, totals=not dimension)
    return [
        Sample(name, {**scope.labels, **labels.labels}, value)
        for name, of_family in series(snapshot, selection).items()
        for scope, labels, value in of_family
    ]


def _check(what: str, requested: str | None, allowed: tuple[str, ...]) -> None:
    if requested is not None and requested not in allowed:
        raise UsageError(
            f"there is no {what} {requested!r}", hint=f"Configured: {', '.join(allowed)}."
        )


def series(snapshot: Snapshot, selection: Selection) -> dict[str, list[Series]]:
    """The selected figures by family, all families in the order of the catalogue."""
    definition = snapshot.definition
    found: dict[str, list[Series]] = {family.name: [] for family in families()}
    values = Scopes(snapshot)
    by_name = {window.name: window for window in definition.window_list()}
    for pipeline in values.pipelines:
        for dimension, windows in selection.blocks():
            for name, part in {**windows, NOW: Part.ALL}.items():
                window = by_name.get(name)
                kpis = selection.of(dimension, part)
                families_by_kpi = _families(kpis, dimension, of_now=window is None)
                for scope, labels in values.of(pipeline, dimension, window, part):
                    for kpi, lists in families_by_kpi:
                        for suffix, kpi_labels, value in kpi.form.figures(scope):
                            found[lists[suffix]].append(Series(labels, kpi_labels, value))
    for target in definition.targets:
        if selection.has(target):
            _add_target(target, values, by_name, found)
    return found


def _families(
    kpis: Iterable[Kpi], dimension: str, *, of_now: bool
) -> list[tuple[Kpi, dict[str, str]]]:
    """The KPIs of a scope, with the names of their series by suffix."""
    breakdown = "_breakdown" if dimension else ""
    return [
        (kpi, {suffix: kpi.metric + breakdown + suffix for suffix in kpi.form.suffixes})
        for kpi in kpis
        if kpi.of_now == of_now
    ]


def _add_target(
    target: Target,
    values: "Scopes",
    windows: Mapping[str, Window],
    found: dict[str, list[Series]],
) -> None:
    labels = dict(target.labels)
    dimension, value = labels.pop("dimension", ""), labels.pop("value", "")
    breakdown = "_breakdown" if dimension else ""
    scope = scope_label_set(target.pipeline, target.window, dimension, value)
    named = {"kpi": target.kpi, **labels}
    beside = label_set(tuple(named), tuple(named.values()))
    found[f"funnel_{TARGET}{breakdown}"].append(Series(scope, beside, float(target.value)))
    kpi = BY_ID.get(target.kpi)
    if kpi is None:
        return
    suffix = "_quantile" if "quantile" in labels else ""
    window = windows[target.window] if target.window else None
    for at, its_labels in values.of(target.pipeline, dimension, window):
        if its_labels != scope:
            continue
        for its_suffix, its_own, figure in kpi.form.figures(at):
            if its_suffix == suffix and its_own.labels == labels:
                share = attained(target, figure)
                if share is not None:
                    found[f"funnel_{ATTAINMENT}{breakdown}"].append(Series(scope, beside, share))


def attained(target: Target, figure: float) -> float | None:
    """The share of a target that a figure attains; ``None`` where that is undefined."""
    goal = float(target.value)
    top, bottom = (figure, goal) if target.at == "least" else (goal, figure)
    # A target of "at most 0" has no share.
    return top / bottom if goal and bottom else None


def scope_label_set(pipeline: str, window: str | None, dimension: str, value: str) -> LabelSet:
    """The labels that name a scope in a series."""
    labels = {"pipeline": pipeline}
    if window:
        labels["window"] = window
    if dimension:
        labels |= {"dimension": dimension, "value": value}
    return LabelSet(labels, label_text(labels))


def _shown_rows(snapshot: Snapshot) -> set[Row]:
    """All rows of which anything is shown. Matured conversions are in no window below a day, where
    values that have nothing else would take the place of those that have."""
    brief = {each.name for each in snapshot.definition.window_list() if not each.judges}
    found: set[Row] = set()
    for name in sorted(snapshot.totals, key=brief.__contains__):
        sums = snapshot.totals[name]
        for row in sums.candidates():
            if row in found or row not in sums:
                continue
            if name not in brief or any(CELLS[cell][0] != MATURED for cell in sums[row]):
                found.add(row)
    return found


class Scopes:
    """The scopes of a snapshot: the pipelines and values shown, the top N and the rest as one.

    ``pipelines``: all there are, by name.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        definition = self._definition = snapshot.definition
        self._snapshot = snapshot
        self._longest = definition.longest_window().name
        pipelines = set(definition.pipelines)
        self._names: dict[tuple[str, str], set[str]] = {}
        for pipeline, dimension, value in _shown_rows(snapshot):
            pipelines.add(pipeline)
            if dimension and value != NONE:
                self._names.setdefault((pipeline, dimension), set()).add(value)
        self.pipelines = sorted(pipelines)
        self._tops: dict[str, dict[str, frozenset[str]]] = {}
        self._ranked: dict[tuple[str, str], list[str]] = {}
        self._others: dict[tuple[str, str, str], Cells] = {}

    def total(self, pipeline: str, window: Window) -> Cells:
        """The cells of a pipeline's total."""
        return self._snapshot.totals.get(window.name, _NOTHING).get(Row(pipeline), {})

    def won_with_zero_amount(self, pipeline: str, window: Window) -> tuple[int, int]:
        """Of the deals that were won in a window and have an amount: how many have one of 0, and
        how many there are."""
        cells = self.total(pipeline, window)
        return cells.get(WON_FOR_NOTHING.cell(), 0), cells.get(VALUED_WON.cell(), 0)

    def leads(self, pipeline: str) -> int:
        """Of the longest window, by which all is ranked."""
        return self._snapshot.totals.get(self._longest, _NOTHING).sum(Row(pipeline), _LEADS)

    def _values(self, pipeline: str, dimension: str) -> tuple[list[str], list[str]]:
        """The values of a dimension that are shown, and all others."""
        key = pipeline, dimension
        if key not in self._ranked:
            longest = self._snapshot.totals.get(self._longest, _NOTHING)
            names = self._names.get(key, ())
            counts = {name: longest.sum(Row(pipeline, dimension, name), _LEADS) for name in names}
            self._ranked[key] = _ranked(counts)
        number = self._definition.top_n_in(dimension)
        return self._ranked[key][:number], [*self._ranked[key][number:], OTHER]

    def _shown_labels(self, pipeline: str) -> dict[str, frozenset[str]]:
        known = self._tops.get(pipeline)
        if known is None:
            known = self._tops[pipeline] = self._top_labels(pipeline)
        return known

    def _top_labels(self, pipeline: str) -> dict[str, frozenset[str]]:
        """By measure: the values shown of its first label, one set for all windows."""
        counts: dict[str, Counter[str]] = {each.name: Counter() for each in _RANKED_AS.values()}
        for window, totals in self._snapshot.totals.items():
            for cell, weight in totals.get(Row(pipeline), {}).items():
                key = CELLS[cell]
                if key[0] in counts and key[1] != NONE:
                    counts[key[0]][key[1]] += weight if window == self._longest else 0
        shown: dict[str, frozenset[str]] = {}
        for measure, by in _RANKED_AS.items():
            ranked = _ranked(counts[by.name])
            shown[measure.name] = frozenset(ranked[: self._definition.top_n_in(measure.labels[0])])
        return shown

    def of(
        self, pipeline: str, dimension: str, window: Window | None, part: Part = Part.ALL
    ) -> Iterator[tuple[Scope, LabelSet]]:
        """The scope of the total, or those of a dimension's values that have anything."""
        name = NOW if window is None else window.name
        shown = None if window is None else window.name
        for value, cells, now in self._rows(pipeline, dimension, name):
            scope = Scope(
                self._definition,
                pipeline,
                window,
                cells,
                now=now,
                as_of=self._snapshot.as_of,
                dimension=dimension,
                tops=self._shown_labels(pipeline),
                part=part,
            )
            yield scope, scope_label_set(pipeline, shown, dimension, value)

    def holding(self, cells: Cells, pipeline: str, window: Window) -> Scope:
        """The scope of the total if it held these cells; without a present."""
        return Scope(
            self._definition,
            pipeline,
            window,
            cells,
            now={},
            as_of=self._snapshot.as_of,
            tops=self._shown_labels(pipeline),
        )

    def _rows(
        self, pipeline: str, dimension: str, window: str
    ) -> Iterator[tuple[str, Cells, Cells]]:
        totals = self._snapshot.totals.get(window, _NOTHING)
        now = self._snapshot.totals.get(NOW, _NOTHING)
        if not dimension:
            yield "", totals.get(Row(pipeline), {}), now.get(Row(pipeline), {})
            return
        shown, others = self._values(pipeline, dimension)
        for value in (*shown, NONE):
            row = Row(pipeline, dimension, value)
            if cells := totals.get(row):
                yield value, cells, now.get(row, {})
        other_rows = [Row(pipeline, dimension, value) for value in others]
        if cells := self._together(window, other_rows):
            yield OTHER, cells, self._together(NOW, other_rows)

    def _together(self, window: str, other_rows: list[Row]) -> Cells:
        """All other values of a dimension, added up once: they may be thousands of rows."""
        key = window, other_rows[0].pipeline, other_rows[0].dimension
        known = self._others.get(key)
        if known is None:
            totals = self._snapshot.totals.get(window, _NOTHING)
            known = self._others[key] = totals.of_rows(other_rows)
        return known


def _ranked(counts: Mapping[str, int]) -> list[str]:
    """Names in order. One spelled like ``__other__`` is part of the rest, not listed twice."""
    return sorted(counts.keys() - {OTHER}, key=lambda name: (-counts[name], name))
