"""Who shows the KPIs, and when a worker counts as alive."""

from funnel_stream.definition import Definition
from funnel_stream.reporting import STALL_SECONDS, Reporter
from funnel_stream.windows.tables import WindowTables

SNAPSHOT = WindowTables(Definition()).snapshot()


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def reporting() -> tuple[Reporter, Clock]:
    clock = Clock()
    reporter = Reporter(session_timeout=10.0, clock=clock)
    reporter.assigned(owner=True, seconds=0.1)
    reporter.publish(SNAPSHOT)
    reporter.confirm_membership(clock.now)
    return reporter, clock


def test_shows_while_the_broker_confirms_the_membership():
    reporter, clock = reporting()
    clock.now += 9.9
    assert reporter.snapshot() is SNAPSHOT
    reporter.confirm_membership(clock.now)
    clock.now += 9.9
    assert reporter.reporting()


def test_a_worker_that_was_paused_past_its_session_shows_nothing():
    reporter, clock = reporting()
    sent = clock.now
    clock.now += 3600
    assert reporter.snapshot() is None
    assert not reporter.operations().reporting
    # An answer to what it asked before the pause proves nothing about now.
    reporter.confirm_membership(sent)
    assert reporter.snapshot() is None
    assert reporter.ready() == (False, "confirming the membership in the group")


def test_shows_again_when_the_membership_is_confirmed():
    reporter, clock = reporting()
    clock.now += 3600
    reporter.confirm_membership(clock.now)
    assert reporter.snapshot() is SNAPSHOT


def test_shows_nothing_while_the_windows_are_incomplete():
    reporter, _ = reporting()
    reporter.hide("waiting for the facts of partitions 3")
    assert reporter.snapshot() is None
    assert reporter.ready() == (False, "waiting for the facts of partitions 3")


def test_a_worker_without_the_panes_is_ready_without_showing():
    reporter = Reporter(clock=Clock())
    assert not reporter.ready()[0]
    reporter.assigned(owner=False, seconds=0.1)
    assert reporter.ready()[0]
    assert not reporter.reporting()


def test_alive_as_long_as_there_is_progress_or_nothing_to_do():
    reporter, clock = reporting()
    clock.now += STALL_SECONDS + 1
    assert not reporter.alive()
    reporter.heartbeat()
    assert reporter.alive()
    reporter.observe_partition(0, lag=5, rows=1)
    assert not reporter.alive(), "work is waiting, and nothing has been done for too long"
    reporter.count_batch(5, {}, {}, {})
    assert reporter.alive()


def test_histograms_keep_every_observation():
    reporter, _ = reporting()
    for seconds in (0.05, 0.1, 0.11, 1000.0):
        reporter.observe_latency(seconds)
    latency = reporter.operations().latency
    assert latency.counts[0] == 2
    assert latency.counts[1] == 1
    assert latency.counts[-1] == 1
    assert latency.count == 4
    assert latency.sum == 1000.26


def test_readings_do_not_change_afterwards():
    reporter, _ = reporting()
    reporter.count_batch(3, {"duplicates": 1}, {"not_json": 2}, {"currency_case": 1})
    before = reporter.operations()
    reporter.count_batch(3, {"duplicates": 1}, {"not_json": 2}, {"currency_case": 1})
    assert (before.events, before.duplicates, before.rejected) == (3, 1, {"not_json": 2})
    assert (before.amended, reporter.operations().amended) == (
        {"currency_case": 1},
        {"currency_case": 2},
    )
