"""The worker's own metrics: every one with its type, unit, meaning and where it is read from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from funnel_stream.contract import Amendment, Reason
from funnel_stream.reporting import Histogram, Operations

MetricValue = float | Mapping[str, float] | Histogram


@dataclass(frozen=True)
class WorkerMetric:
    """One metric. ``unit`` is the last word of the name where there is one; counters are shown
    with ``_total`` behind. ``label`` names the label by which a mapping is read."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[Operations], MetricValue]
    label: str = ""
    unit: str = ""


def _by_reason(vocabulary: type[StrEnum], counted: Mapping[str, int]) -> Mapping[str, float]:
    """Every reason of the vocabulary from the start, so that the first one is an increase."""
    return {**dict.fromkeys(map(str, vocabulary), 0), **counted}


def _by_partition(of: Mapping[int, int]) -> Mapping[str, float]:
    return {str(partition): value for partition, value in sorted(of.items())}


WORKER_METRICS: Final = (
    WorkerMetric(
        "funnel_events_consumed",
        "counter",
        "Records consumed from the events topic and included in the state, valid or not.",
        lambda operations: operations.events,
    ),
    WorkerMetric(
        "funnel_events_rejected",
        "counter",
        "Records sent to the dead-letter topic, by reason.",
        lambda operations: _by_reason(Reason, operations.rejected),
        label="reason",
    ),
    WorkerMetric(
        "funnel_events_amended",
        "counter",
        "Events that count, but not exactly as written, by reason.",
        lambda operations: _by_reason(Amendment, operations.amended),
        label="reason",
    ),
    WorkerMetric(
        "funnel_events_duplicate",
        "counter",
        "Events that were already known and changed nothing.",
        lambda operations: operations.duplicates,
    ),
    WorkerMetric(
        "funnel_events_misrouted",
        "counter",
        "Records found on the wrong partition and re-published to the right one.",
        lambda operations: operations.misrouted,
    ),
    WorkerMetric(
        "funnel_events_late",
        "counter",
        "Events that occurred before others consumed earlier; they count like any other.",
        lambda operations: operations.late,
    ),
    WorkerMetric(
        "funnel_events_erased",
        "counter",
        "Events dropped because their deal was erased after they occurred.",
        lambda operations: operations.erased_dropped,
    ),
    WorkerMetric(
        "funnel_events_expired",
        "counter",
        "Events dropped because their deal had ended and left the state.",
        lambda operations: operations.expired_dropped,
    ),
    WorkerMetric(
        "funnel_events_repeated_outcome",
        "counter",
        "Events that only repeat the outcome of an ended deal; they start no new deal.",
        lambda operations: operations.repeated_outcomes,
    ),
    WorkerMetric(
        "funnel_batch_size_records",
        "histogram",
        "Records folded into the state per batch.",
        lambda operations: operations.batch_size,
        unit="records",
    ),
    WorkerMetric(
        "funnel_consumer_lag_records",
        "gauge",
        "Records of the events topic that are not yet in the state.",
        lambda operations: _by_partition(operations.lag),
        label="partition",
        unit="records",
    ),
    WorkerMetric(
        "funnel_state_rows",
        "gauge",
        "Journeys and spend rows in the state.",
        lambda operations: _by_partition(operations.state_rows),
        label="partition",
        unit="rows",
    ),
    WorkerMetric(
        "funnel_state_expired",
        "counter",
        "Deals and spends that ended and left the state.",
        lambda operations: operations.expired,
    ),
    WorkerMetric(
        "funnel_stubs",
        "gauge",
        "Deals that left the state but are remembered so that no late event brings them back.",
        lambda operations: _by_partition(operations.stubs),
        label="partition",
    ),
    WorkerMetric(
        "funnel_stubs_evicted",
        "counter",
        "Deals that left and were forgotten because there were too many (FUNNEL_MAX_STUBS).",
        lambda operations: operations.stubs_evicted,
    ),
    WorkerMetric(
        "funnel_untouched_deals",
        "gauge",
        "Open deals without an event for as long as closed deals are kept.",
        lambda operations: _by_partition(operations.untouched),
        label="partition",
    ),
    WorkerMetric(
        "funnel_recovery_seconds",
        "gauge",
        "Time from the last partition assignment until its state was recovered.",
        lambda operations: operations.recovery_seconds,
        unit="seconds",
    ),
    WorkerMetric(
        "funnel_assignments",
        "counter",
        "Assignments of partitions to this worker.",
        lambda operations: operations.assignments,
    ),
    WorkerMetric(
        "funnel_fact_batches_published",
        "counter",
        "Batches of changed facts published for the windows.",
        lambda operations: operations.ticks,
    ),
    WorkerMetric(
        "funnel_event_to_metric_seconds",
        "histogram",
        "From a record's Kafka timestamp until the KPIs include it; the oldest of each tick.",
        lambda operations: operations.latency,
        unit="seconds",
    ),
    WorkerMetric(
        "funnel_invariant_violations",
        "counter",
        "Deals that the stage accounting cannot explain; anything but 0 is a defect.",
        lambda operations: operations.invariant_violations,
    ),
    WorkerMetric(
        "funnel_reporting",
        "gauge",
        "1 on the worker that reports the KPIs, 0 on all others.",
        lambda operations: int(operations.reporting),
    ),
)
