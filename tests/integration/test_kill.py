"""A worker ends in the middle of its work; the next one counts every event once all the same."""

from collections.abc import Callable

import pytest

from tests.integration.processes import Broker, Worker, wait_until
from tests.integration.stories import Story, publishing

pytestmark = pytest.mark.broker


def test_kill_9_at_several_points(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    broker = start_broker()
    consumed = 0
    # Something is left after each kill, however much of it has been read by then.
    with publishing(story.lines, broker.address, rate=4_000):
        for share in (0.1, 0.4, 0.8):
            worker = start_replay(broker)
            worker.wait_consumed(max(1, int(share * len(story)) - consumed))
            consumed += worker.consumed()
            worker.kill9()
    worker = start_replay(broker)
    worker.wait_figures(story.figures)
    # The last one went on where the others had ended, which may be further than was seen of it.
    assert 0 < worker.consumed() <= len(story) - consumed

    # What is in the changelog is right as well, not just what is in memory.
    worker.kill9()
    worker = start_replay(broker)
    worker.wait_figures(story.figures)
    assert worker.consumed() == 0


def test_sigterm_in_the_middle_then_nothing_new(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    broker = start_broker()
    worker = start_replay(broker)
    worker.wait_ready()
    with publishing(story.lines, broker.address, rate=4_000):
        worker.wait_consumed(len(story) // 4)
        consumed = worker.consumed()
        worker.sigterm()
        assert worker.wait() == 0, worker.tail()
    worker = start_replay(broker)
    worker.wait_figures(story.figures)
    assert 0 < worker.consumed() <= len(story) - consumed

    worker.sigterm()
    assert worker.wait() == 0, worker.tail()
    worker = start_replay(broker)
    first_shown = wait_until(worker.kpis, "figures")
    assert first_shown == story.figures, "figures were shown before they were whole"
    assert worker.consumed() == 0
