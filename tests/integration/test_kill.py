"""A worker ends in the middle of its work; the next one counts every event once all the same."""

import signal
import time
from collections.abc import Callable

import pytest

from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Worker
from tests.integration.stories import Story, publishing

pytestmark = pytest.mark.broker

PARTITIONS = 16
"""The embedded broker keeps 5 MiB of each; so neither events nor changelog lose anything."""

StartWorker = Callable[..., Worker]


def start_replay(start_worker: StartWorker, broker: Broker, session: float = 4) -> Worker:
    """A worker whose clock is the newest event."""
    return start_worker(broker, "--clock", "event", FUNNEL_SESSION_TIMEOUT=str(session))


def test_kill_9_at_several_points(
    start_broker: Callable[..., Broker], start_worker: StartWorker, long_story: Story
) -> None:
    broker = start_broker(PARTITIONS)
    publish(long_story.lines, broker.address)
    consumed = 0
    for share in (0.1, 0.4, 0.8):
        worker = start_replay(start_worker, broker)
        worker.wait_consumed(int(share * len(long_story)) - consumed)
        consumed += worker.consumed()
        worker.kill9()
        assert consumed < 0.95 * len(long_story), "the kill came too late"
    worker = start_replay(start_worker, broker)
    worker.wait_figures(long_story.figures)
    # The last one went on where the others had ended: at the fence, which may be some batches
    # further than what was seen of it.
    assert 0 < worker.consumed() <= len(long_story) - consumed
    # What is in the changelog is right as well, not just what is in memory.
    worker.kill9()
    worker = start_replay(start_worker, broker)
    worker.wait_figures(long_story.figures)
    assert worker.consumed() == 0


def test_sigterm_in_the_middle_then_nothing_new(
    start_broker: Callable[..., Broker], start_worker: StartWorker, story: Story
) -> None:
    session = 60
    broker = start_broker()
    worker = start_replay(start_worker, broker, session)
    worker.wait_ready()
    with publishing(story.lines, broker.address, rate=10_000):
        worker.wait_consumed(len(story) // 3)
        consumed = worker.consumed()
        began = time.monotonic()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0, worker.tail()
        worker = start_replay(start_worker, broker, session)
        worker.wait_ready()
        # Who ends in order leaves the group: nobody waits until its session has expired.
        assert time.monotonic() - began < session / 2
    worker.wait_figures(story.figures)
    assert 0 < worker.consumed() <= len(story) - consumed
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0, worker.tail()

    worker = start_replay(start_worker, broker, session)
    worker.wait_ready()
    assert worker.kpis() == story.figures, "figures that are not whole were shown"
    assert worker.consumed() == 0
