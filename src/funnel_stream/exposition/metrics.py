"""``/metrics``: the KPIs and the worker's own metrics, as Prometheus text or as OpenMetrics."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from funnel_stream import __version__
from funnel_stream.exposition.operations import WORKER_METRICS, WorkerMetric
from funnel_stream.kpis.catalogue import Family, families
from funnel_stream.kpis.samples import Series, exported, series
from funnel_stream.reporting import Histogram, Operations, Reporter
from funnel_stream.windows.tables import Snapshot


class Exposition:
    """Renders scrapes. The KPIs, by far the most series, are rendered once per snapshot."""

    def __init__(self, reporter: Reporter, *, process: bool = True) -> None:
        self._reporter = reporter
        self._process = ProcessCollector(registry=None) if process else None
        self._families = families()
        self._kpi_names = frozenset(family.name for family in self._families)
        self._snapshot: Snapshot | None = None
        self._kpis: list[tuple[Family, str]] = []

    def render(self, accept: str, names: Collection[str] = ()) -> tuple[bytes, str]:
        """The answer to a scrape with that ``Accept`` header, and its content type.

        ``names``: only series of these names; none given means all.
        """
        encode, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith("application/openmetrics-text")
        snapshot = self._reporter.snapshot()
        metrics = self._worker_metrics(snapshot)
        kpis: Iterable[tuple[Family, str]] = ()
        if not names or not self._kpi_names.isdisjoint(names):
            kpis = self._kpi_lines(snapshot)
        if names:
            metrics = _named(metrics, names)
            kpis = [(family, text) for family, text in kpis if family.name in names]
        return kpi_text(kpis, openmetrics=openmetrics).encode() + encode(
            _CollectedMetrics(metrics)
        ), content_type

    def _kpi_lines(self, snapshot: Snapshot | None) -> list[tuple[Family, str]]:
        if snapshot is not self._snapshot:
            found = {} if snapshot is None else series(snapshot, exported(snapshot.definition))
            self._kpis = kpi_lines(found, self._families)
            self._snapshot = snapshot
        return self._kpis

    def _worker_metrics(self, snapshot: Snapshot | None) -> Iterator[Metric]:
        yield from worker_metrics(self._reporter.operations())
        if snapshot is not None:
            yield GaugeMetricFamily(
                "funnel_as_of_timestamp_seconds",
                "The instant at which the windows of the KPIs shown here end.",
                value=snapshot.as_of / 1e6,
                unit="seconds",
            )
        yield InfoMetricFamily(
            "funnel_build", "The running version.", value={"version": __version__}
        )
        if self._process:
            yield from self._process.collect()


def _named(metrics: Iterable[Metric], names: Collection[str]) -> Iterator[Metric]:
    for metric in metrics:
        metric.samples = [sample for sample in metric.samples if sample.name in names]
        if metric.samples:
            yield metric


class _CollectedMetrics(Collector):
    """Metrics that are at hand already, in the form prometheus_client's encoders want."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def worker_metrics(operations: Operations) -> Iterator[Metric]:
    """The worker's own metrics at one reading."""
    for metric in WORKER_METRICS:
        yield _worker_metric(metric, operations)


def _worker_metric(metric: WorkerMetric, operations: Operations) -> Metric:
    reading = metric.read(operations)
    if isinstance(reading, Histogram):
        histogram = HistogramMetricFamily(metric.name, metric.help, unit=metric.unit)
        histogram.add_metric([], _cumulative(reading), reading.sum)
        return histogram
    family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    labelled = family(
        metric.name, metric.help, labels=[metric.label] if metric.label else [], unit=metric.unit
    )
    if isinstance(reading, float | int):
        labelled.add_metric([], reading)
    else:
        for label, value in reading.items():
            labelled.add_metric([label], value)
    return labelled


def _cumulative(reading: Histogram) -> list[tuple[str, float]]:
    buckets, seen = [], 0
    for bound, count in zip((*reading.bounds, float("inf")), reading.counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(seen)))
    return buckets


def kpi_lines(
    found: Mapping[str, list[Series]], known: Iterable[Family]
) -> list[tuple[Family, str]]:
    """The lines of each family that has series, in the order of ``known``.

    Written by hand: at 10,000 series prometheus_client's encoders take a large part of a second,
    in which the stream has to do without the interpreter.
    """
    lines = []
    for family in known:
        if of_family := found.get(family.name):
            name = family.name
            text = [
                f"{name}{{{scope.text},{labels.text}}} {value}\n"
                if labels.text
                else f"{name}{{{scope.text}}} {value}\n"
                for scope, labels, value in of_family
            ]
            lines.append((family, "".join(text)))
    return lines


def kpi_text(lines: Iterable[tuple[Family, str]], *, openmetrics: bool) -> str:
    """Families with their metadata; both formats write samples alike, but OpenMetrics has units
    and escapes quotes in the help."""
    parts = []
    for family, text in lines:
        explained = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        if openmetrics:
            explained = explained.replace('"', '\\"')
        parts.append(f"# HELP {family.name} {explained}\n# TYPE {family.name} {family.kind}\n")
        if openmetrics and family.name.endswith(f"_{family.unit}"):
            parts.append(f"# UNIT {family.name} {family.unit}\n")
        parts.append(text)
    return "".join(parts)
