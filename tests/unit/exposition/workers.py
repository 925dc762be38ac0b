"""A reporter in the states that a worker's can be in, with a funnel of two deals."""

from funnel_stream.definition import Definition
from funnel_stream.reporting import Reporter, monotonic
from tests.funnels import at, computed, micros, stage

EVENTS = [
    stage("a", "lead", at(), channel="fair", amount=12.5, currency="EUR"),
    stage("a", "won", at(days=1)),
    stage("b", "lead", at(), channel='web "1"\\\n', amount=3, currency="EUR"),
]
AS_OF = micros(days=2)


def starting() -> Reporter:
    """Nothing is assigned yet."""
    return Reporter(session_timeout=3600)


def idle() -> Reporter:
    """Recovered, but another worker reports the KPIs."""
    reporter = starting()
    reporter.assigned(owner=False, seconds=0.5)
    return reporter


def reporting(definition: Definition | None = None) -> Reporter:
    """Recovered, and the one that reports."""
    reporter = starting()
    reporter.assigned(owner=True, seconds=0.5)
    reporter.confirm_membership(monotonic())
    reporter.publish(computed(EVENTS, AS_OF, definition).snapshot)
    return reporter


def busy() -> Reporter:
    """Has consumed a bit of everything."""
    reporter = idle()
    counts = {"duplicates": 2, "late": 3, "misrouted": 1, "erased_dropped": 4, "expired": 5}
    counts |= {"expired_dropped": 6, "repeated_outcomes": 7, "stubs_evicted": 8}
    reporter.count_batch(7, counts, {"not_json": 1}, {"rounded_amount": 2})
    reporter.count_batch(600, {}, {}, {})
    reporter.observe_partition(1, lag=5, rows=11, stubs=21, untouched=31)
    reporter.observe_partition(0, lag=0, rows=12)
    reporter.observe_latency(0.25)
    reporter.observe_latency(400.0)
    reporter.count_tick()
    return reporter
