"""The broker goes away for longer than a session, in the middle of the work, and comes back."""

import time
from collections.abc import Callable

import pytest

from tests.integration.processes import Broker, Worker, wait_until
from tests.integration.stories import Story, publishing

pytestmark = pytest.mark.broker

OUTAGE_SECONDS = 12.0
MOST_LOG_LINES = 200


def test_the_broker_is_down_for_12_seconds(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    broker = start_broker()
    worker = start_replay(broker)
    worker.wait_ready()
    with publishing(story.lines, broker.address, rate=2_000):
        worker.wait_consumed(len(story) // 10)
        up_at = time.monotonic() + OUTAGE_SECONDS
        broker.down()
        # Nobody can know any more who is a member: figures are not shown on suspicion.
        wait_until(lambda: not worker.reports(), "the figures to be hidden")
        while time.monotonic() < up_at:
            assert not worker.reports(), "figures were shown while the broker was away"
            time.sleep(0.2)
        broker.up()
    # It may live on, or end with a message and be started again by whoever supervises it.
    wait_until(lambda: not worker.running or worker.reports(), "the worker to recover or to end")
    assert len(worker.tail(2 * MOST_LOG_LINES).splitlines()) < MOST_LOG_LINES
    if not worker.running:
        assert "restart" in worker.tail()
        worker = start_replay(broker)
    worker.wait_figures(story.figures)

    worker.kill9()
    worker = start_replay(broker)
    worker.wait_figures(story.figures)
