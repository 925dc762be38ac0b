"""Partitions change hands: workers come and go, and one is paused and wakes up too late."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from funnel_stream.deals import FENCE_KEY, Fence
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Figures, Worker, read_topic, wait_until
from tests.integration.stories import Story, publishing
from tests.integration.watch import watching

pytestmark = pytest.mark.broker

PARTITIONS = 16
CHANGELOG = "funnel.journeys.changelog"


def test_one_worker_two_workers_one_worker(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    broker = start_broker(PARTITIONS)
    first = start_replay(broker)
    first.wait_ready()
    workers = [first]
    with watching(workers) as watch:
        with publishing(story.lines, broker.address, rate=1_000):
            first.wait_consumed(1_000)
            second = start_replay(broker)
            workers.append(second)
            second.wait_consumed(500)
            first.wait_consumed(first.consumed() + 500)
            first.sigterm()
            assert first.wait(deadline=10) == 0, first.tail()
            second.wait_consumed(second.consumed() + 1_000)
        second.wait_figures(story.figures)
    assert watch.seen == {first.port, second.port}

    second.kill9()
    third = start_replay(broker)
    third.wait_figures(story.figures)


def test_a_paused_worker_wakes_up_after_it_was_replaced(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    """What it had folded before, it writes behind what the other one has written since; and the
    other one goes on behind that, with deals that have nothing to do with it."""
    half, most = story.lines[: len(story) // 2], story.lines[len(story) // 2 : -9_000]
    broker = start_broker(PARTITIONS)
    zombie = start_replay(broker)
    zombie.wait_ready()
    publish(half, broker.address)
    wait_until(zombie.consumed, "the first records")
    zombie.sigstop()
    other = start_replay(broker)
    with watching([zombie, other]) as watch:
        other.wait_ready()
        publish(most, broker.address)
        wait_until(
            lambda: contained(broker) == len(half) + len(most), "the other one to count them all"
        )
        with publishing(story.lines[-9_000:], broker.address, rate=1_000):
            other.wait_consumed(other.consumed() + 500)
            wake_up(zombie)
        wait_until(lambda: zombie.ready() and other.ready(), "both to be members")
        reporter = next(worker for worker in (zombie, other) if worker.reports())
        reporter.wait_figures(story.figures)
    assert other.port in watch.seen
    assert outdated_rows(broker) > 0, "the paused worker had nothing left to write"

    zombie.kill9()
    other.kill9()
    third = start_replay(broker)
    third.wait_figures(story.figures)


def wake_up(zombie: Worker) -> None:
    """It must not show KPIs before it is a member again, not even for an instant."""
    names = "funnel_leads", "funnel_assignments_total"
    with ThreadPoolExecutor() as pool:
        # This scrape waits for it, and is answered before the broker is.
        waiting = pool.submit(zombie.metrics, *names)
        zombie.sigcont()
        scrapes = [waiting.result()]
    assert assignments(scrapes[0]) == 1

    def again() -> bool:
        scrapes.append(zombie.metrics(*names))
        return assignments(scrapes[-1]) > 1

    zombie.wait_until(again, "the paused worker to be a member again")
    for scrape in scrapes[:-1]:
        assert not any(name == "funnel_leads" for name, _ in scrape)


def assignments(scrape: Figures) -> float:
    return scrape["funnel_assignments_total", frozenset()]


def contained(broker: Broker) -> int:
    """Events that the state contains, by the newest fence of each partition."""
    fences = {
        record.partition: msgspec.msgpack.decode(record.value, type=Fence).offset + 1
        for record in read_topic(broker.address, CHANGELOG)
        if record.key == FENCE_KEY and record.value
    }
    return sum(fences.values())


def outdated_rows(broker: Broker) -> int:
    """Rows that lie behind rows of a later epoch."""
    newest: Counter[int] = Counter()
    outdated = 0
    for record in read_topic(broker.address, CHANGELOG):
        epoch = int(dict(record.headers)["epoch"])
        outdated += epoch < newest[record.partition]
        newest[record.partition] = max(epoch, newest[record.partition])
    return outdated
