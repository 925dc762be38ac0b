"""What a plot shows: the funnel of a pipeline, and lines of a KPI over time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf, nan
from typing import Final, NamedTuple

from funnel_stream.contract.event import LOST, STAGES
from funnel_stream.definition import Definition
from funnel_stream.facts.rules import NONE
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.label_values import ALL_OTHERS, NOT_GIVEN, value_in_words
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.kpis.scope import OTHER
from funnel_stream.windows.tables import Snapshot

MOST_LINES: Final = 5
MOST_PIPELINES: Final = 3
_FUNNEL: Final = STAGES[:LOST]
_TITLES: Final = ("Leads", "Qualified", "Potential", "Offer", "Negotiation", "Won")
_PREFERRED: Final = {
    "basis": ("cohort",),
    "from_stage": ("lead",),
    "to_stage": ("won",),
    "activity": ("meeting",),
    "outcome": ("won", "held"),
}
"""Where a picture can show one value of a label only."""
_FEWEST_CASES: Final = 10
"""A line of its own is for values with so many cases at some time; of fewer it would be noise."""
_SCOPE_LABELS: Final = ("pipeline", "window", "dimension", "value")

KpiLabels = tuple[tuple[str, str], ...]
SeriesKey = tuple[str, KpiLabels, str]
"""Pipeline, own labels, value of the breakdown (``""`` in totals)."""
RatioParts = dict[str, float]
"""A figure and what it is made of, by suffix."""


class FunnelBars(NamedTuple):
    """How many of the leads of a window have reached each of the six stages so far."""

    pipeline: str
    stages: tuple[str, ...]
    reached: tuple[int, ...]

    def conversions(self) -> list[float | None]:
        """The share that got from each stage to the next."""
        pairs = zip(self.reached, self.reached[1:], strict=False)
        return [after / before if before else None for before, after in pairs]


class PlotLine(NamedTuple):
    """One line over time; ``values`` are NaN where there is no figure."""

    name: str
    values: list[float]
    others: bool = False


class Curves(NamedTuple):
    """A KPI of one pipeline over time. ``detail`` says which series of it."""

    pipeline: str
    kpi: Kpi
    detail: str
    lines: list[PlotLine]


def title_of(definition: Definition, pipeline: str) -> str:
    """What people call a pipeline."""
    settings = definition.pipelines.get(pipeline)
    return settings.title if settings and settings.title else pipeline


def stage_title(definition: Definition, pipeline: str, stage: int) -> str:
    """What people call a stage in a pipeline."""
    settings = definition.pipelines.get(pipeline)
    return (settings.stage_titles.get(STAGES[stage]) if settings else None) or _TITLES[stage]


def funnels(snapshot: Snapshot, window: str) -> list[FunnelBars]:
    """The funnels of the pipelines with the most leads in the window, and these first."""
    reached: dict[str, list[int]] = {}
    for metric, labels, value in samples(snapshot, window=window, dimension=""):
        counts = reached.setdefault(labels["pipeline"], [0] * len(_FUNNEL))
        if labels.get("basis") != "cohort" or labels.get("from_stage") != _FUNNEL[0]:
            continue
        if metric == "funnel_conversion_ratio_numerator":
            counts[_FUNNEL.index(labels["to_stage"])] = round(value)
        elif metric == "funnel_conversion_ratio_denominator":
            counts[0] = round(value)
    ranked = sorted(reached.items(), key=lambda item: (-item[1][0], item[0]))
    shown = [item for item in ranked if item[1][0]] or ranked[:1]
    definition = snapshot.definition
    return [
        FunnelBars(
            pipeline,
            tuple(stage_title(definition, pipeline, stage) for stage in range(len(_FUNNEL))),
            tuple(counts),
        )
        for pipeline, counts in shown[:MOST_PIPELINES]
    ]


class Recorder:
    """Collects KPIs from snapshot to snapshot; ``by`` is a dimension or ``""``."""

    def __init__(self, kpis: Sequence[Kpi], window: str, by: str) -> None:
        self.kpis = kpis
        self.window = window
        self.by = by
        self.times: list[int] = []
        self._suffixes = {
            f"{kpi.metric}{'_breakdown' if by else ''}{suffix}": (kpi.id, suffix)
            for kpi in kpis
            for suffix in kpi.form.suffixes
            if suffix != "_quantile"
        }
        self._seen: dict[str, list[dict[SeriesKey, RatioParts]]] = {kpi.id: [] for kpi in kpis}

    def add(self, snapshot: Snapshot) -> None:
        """Take the figures of the next instant."""
        self.times.append(snapshot.as_of)
        for kpi in self.kpis:
            self._seen[kpi.id].append({})
        for sample in samples(snapshot, window=self.window, dimension=self.by):
            if series := self._suffixes.get(sample.metric):
                kpi_id, suffix = series
                parts = self._seen[kpi_id][-1].setdefault(_key(sample), {})
                parts[suffix] = sample.value

    def curves(self, pipeline: str) -> list[Curves]:
        """The lines of every KPI for one pipeline."""
        return [self._curves(kpi, pipeline) for kpi in self.kpis]

    def _curves(self, kpi: Kpi, pipeline: str) -> Curves:
        seen = [
            {key: parts for key, parts in at.items() if key[0] == pipeline}
            for at in self._seen[kpi.id]
        ]
        if not self.by:
            lines = [
                PlotLine(_in_words(key_labels), _values(seen, [(pipeline, key_labels, "")], kpi))
                for key_labels in _largest(seen, kpi)
            ]
            return Curves(pipeline, kpi, "", lines)
        key_labels = _one(seen)
        of_value = [
            {key: parts for key, parts in at.items() if key[1] == key_labels} for at in seen
        ]
        known: dict[str, float] = {}
        for at in reversed(of_value):
            for key, parts in at.items():
                known[key[2]] = max(known.get(key[2], 0), _cases(parts))
        shown = [
            value
            for value, cases in known.items()
            if value not in (OTHER, NONE) and cases >= _FEWEST_CASES
        ][:MOST_LINES]
        others = [value for value in known if value not in shown]
        lines = [
            PlotLine(value, _values(of_value, [(pipeline, key_labels, value)], kpi))
            for value in shown
        ]
        if others and kpi.form.separable:
            keys = [(pipeline, key_labels, value) for value in others]
            name = NOT_GIVEN if others == [NONE] else ALL_OTHERS
            lines.append(PlotLine(name, _values(of_value, keys, kpi), others=True))
        return Curves(pipeline, kpi, _in_words(key_labels), lines)


def chosen(kpis: Iterable[str]) -> list[Kpi]:
    """The entries of the catalogue."""
    return [BY_ID[name] for name in kpis if name in BY_ID]


def _key(sample: Sample) -> SeriesKey:
    labels = sample.labels
    key_labels = tuple(item for item in labels.items() if item[0] not in _SCOPE_LABELS)
    return labels["pipeline"], key_labels, labels.get("value", "")


def _in_words(key_labels: KpiLabels) -> str:
    """Labels in words."""
    labels = dict(key_labels)
    if labels.keys() >= {"from_stage", "to_stage"}:
        labels["from_stage"] += f" → {labels.pop('to_stage')}"
    return ", ".join(value_in_words(value) for value in labels.values())


def _weights(seen: list[dict[SeriesKey, RatioParts]]) -> Counter[KpiLabels]:
    """How much stands behind each combination of own labels, all instants together."""
    weights: Counter[KpiLabels] = Counter()
    for at in seen:
        for (_, key_labels, _), parts in at.items():
            cases = _cases(parts)
            weights[key_labels] += 1 + round(abs(parts.get("", 0)) if cases == inf else cases)
    return weights


def _cases(parts: RatioParts) -> float:
    """How many cases stand behind a figure; of counts and sums, as many as are needed."""
    return parts.get("_denominator", parts.get("_count", inf))


def _largest(seen: list[dict[SeriesKey, RatioParts]], kpi: Kpi) -> list[KpiLabels]:
    """The own labels that are shown beside each other where there is no breakdown."""
    weights = _weights(seen)
    if "horizon" in kpi.form.labels:
        return [key_labels for key_labels in weights if _is_step(dict(key_labels))]
    return [
        key_labels for key_labels in weights if key_labels in dict(weights.most_common(MOST_LINES))
    ]


def _is_step(labels: dict[str, str]) -> bool:
    """A conversion from a stage to the next one, of the cohort."""
    there = STAGES.index(labels["to_stage"]) - STAGES.index(labels["from_stage"])
    return there == 1 and labels["basis"] == "cohort"


def _one(seen: list[dict[SeriesKey, RatioParts]]) -> KpiLabels:
    """The own labels that a breakdown is shown of."""
    weights = _weights(seen)

    def rank(key_labels: KpiLabels) -> tuple[int, int]:
        liked = sum(value in _PREFERRED.get(name, ()) for name, value in key_labels)
        return liked, weights[key_labels]

    return max(weights, key=rank, default=())


def _values(
    seen: list[dict[SeriesKey, RatioParts]], keys: Sequence[SeriesKey], kpi: Kpi
) -> list[float]:
    """A figure over time: of one key, or of several together."""
    return [_together([at[key] for key in keys if key in at], kpi) for at in seen]


def _together(parts: list[RatioParts], kpi: Kpi) -> float:
    if len(parts) == 1:
        return parts[0].get("", nan)
    if kpi.form.parts:
        above, below = kpi.form.parts
        divisor = sum(part.get(below, 0) for part in parts)
        return sum(part.get(above, 0) for part in parts) / divisor if divisor else nan
    # What is not shown of a count or a sum is 0.
    return sum(part.get("", 0) for part in parts) if kpi.form.separable else nan
