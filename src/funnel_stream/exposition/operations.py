"""The worker's own metrics: every one with its type, unit, meaning and where it is read from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from funnel_stream.contract import Amendment, Reason
from funnel_stream.reporting import Histogram, Operations

Reading = float | Mapping[str, float] | Histogram


@dataclass(frozen=True)
class Own:
    """One metric. ``unit`` is the last word of the name where there is one; counters are shown
    with ``_total`` behind. ``label`` names the label by which a mapping is read."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[Operations], Reading]
    label: str = ""
    unit: str = ""


def _by_reason(vocabulary: type[StrEnum], counted: Mapping[str, int]) -> Mapping[str, float]:
    """Every reason of the vocabulary from the start, so that the first one is an increase."""
    return {**dict.fromkeys(map(str, vocabulary), 0), **counted}


def _by_partition(of: Mapping[int, int]) -> Mapping[str, float]:
    return {str(partition): value for partition, value in sorted(of.items())}


OWN: Final = (
    Own(
        "funnel_events_consumed",
        "counter",
        "Records taken from the events topic and contained in the state, good and bad.",
        lambda operations: operations.events,
    ),
    Own(
        "funnel_events_rejected",
        "counter",
        "Records sent to the dead letters, by reason.",
        lambda operations: _by_reason(Reason, operations.rejected),
        label="reason",
    ),
    Own(
        "funnel_events_amended",
        "counter",
        "Events that count, but not quite as they were written, by reason.",
        lambda operations: _by_reason(Amendment, operations.amended),
        label="reason",
    ),
    Own(
        "funnel_events_duplicate",
        "counter",
        "Events that were known already and changed nothing.",
        lambda operations: operations.duplicates,
    ),
    Own(
        "funnel_events_misrouted",
        "counter",
        "Records found on the wrong partition and re-published to the right one.",
        lambda operations: operations.misrouted,
    ),
    Own(
        "funnel_events_late",
        "counter",
        "Events that occurred before others that were consumed earlier; they count like all.",
        lambda operations: operations.late,
    ),
    Own(
        "funnel_events_erased",
        "counter",
        "Events dropped because their deal was erased after they occurred.",
        lambda operations: operations.erased_dropped,
    ),
    Own(
        "funnel_events_expired",
        "counter",
        "Events dropped because their deal was over and had left the state.",
        lambda operations: operations.expired_dropped,
    ),
    Own(
        "funnel_events_repeated_outcome",
        "counter",
        "Events that only say again how a deal ended that was over; they start no new one.",
        lambda operations: operations.repeated_outcomes,
    ),
    Own(
        "funnel_batch_size_records",
        "histogram",
        "Records folded into the state at once.",
        lambda operations: operations.batch_size,
        unit="records",
    ),
    Own(
        "funnel_consumer_lag_records",
        "gauge",
        "Records of the events topic that the state does not contain yet.",
        lambda operations: _by_partition(operations.lag),
        label="partition",
        unit="records",
    ),
    Own(
        "funnel_state_rows",
        "gauge",
        "Journeys and spend rows held.",
        lambda operations: _by_partition(operations.state_rows),
        label="partition",
        unit="rows",
    ),
    Own(
        "funnel_state_expired",
        "counter",
        "Deals and spends that were over and left the state.",
        lambda operations: operations.expired,
    ),
    Own(
        "funnel_stubs",
        "gauge",
        "Deals that left the state and are remembered, so that no late event brings them back.",
        lambda operations: _by_partition(operations.stubs),
        label="partition",
    ),
    Own(
        "funnel_stubs_evicted",
        "counter",
        "Deals that left and are forgotten, as there were too many (FUNNEL_MAX_STUBS).",
        lambda operations: operations.stubs_evicted,
    ),
    Own(
        "funnel_untouched_deals",
        "gauge",
        "Open deals without any event for as long as closed ones are kept.",
        lambda operations: _by_partition(operations.untouched),
        label="partition",
    ),
    Own(
        "funnel_recovery_seconds",
        "gauge",
        "From the last assignment of partitions until their state was recovered.",
        lambda operations: operations.recovery_seconds,
        unit="seconds",
    ),
    Own(
        "funnel_assignments",
        "counter",
        "Assignments of partitions to this worker.",
        lambda operations: operations.assignments,
    ),
    Own(
        "funnel_fact_batches_published",
        "counter",
        "Batches of changed facts published for the windows.",
        lambda operations: operations.ticks,
    ),
    Own(
        "funnel_event_to_metric_seconds",
        "histogram",
        "From a record's Kafka timestamp until the KPIs contain it; the oldest of every tick.",
        lambda operations: operations.latency,
        unit="seconds",
    ),
    Own(
        "funnel_invariant_violations",
        "counter",
        "Deals whose fate the accounting of stages cannot explain; anything but 0 is a defect.",
        lambda operations: operations.invariant_violations,
    ),
    Own(
        "funnel_reporting",
        "gauge",
        "1 on the one worker that shows the KPIs, 0 on the others.",
        lambda operations: int(operations.reporting),
    ),
)
