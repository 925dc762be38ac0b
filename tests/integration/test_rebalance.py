"""Partitions change hands: workers come and go, and one is paused and wakes up too late."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from funnel_stream.tools.publisher import publish
from tests.integration.processes import (
    FOR_ITSELF,
    Broker,
    Figures,
    HasAddress,
    Worker,
    read_topic,
    wait_until,
)
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
            assert first.wait() == 0, first.tail()
            second.wait_consumed(second.consumed() + 1_000)
        second.wait_figures(story.figures)
    assert watch.seen == {first.port, second.port}

    second.kill9()
    third = start_replay(broker)
    third.wait_figures(story.figures)


def test_a_paused_worker_wakes_up_after_it_was_replaced(
    start_replay: Callable[[HasAddress], Worker], story: Story
) -> None:
    """What it had folded before, it writes behind what the other one has written since; and the
    other one goes on behind that, with deals that have nothing to do with it."""
    half = len(story) // 2
    first, unwritten = story.lines[:half], story.lines[half : half + 500]
    then, rest = story.lines[half + 500 : half + 3_000], story.lines[half + 3_000 :]
    with EmbeddedBroker(standard_topics(PARTITIONS)) as broker:
        zombie = start_replay(broker)
        zombie.wait_ready()
        publish(first, broker.address)
        zombie.wait_consumed(half)
        lead_changelog(broker, there=False)
        publish(unwritten, broker.address)
        zombie.wait_until(lambda: has_folded(zombie, unwritten), "what it cannot write")
        zombie.sigstop()
        lead_changelog(broker, there=True)

        other = start_replay(broker)
        with watching([zombie, other]) as watch:
            other.wait_ready()
            publish(then, broker.address)
            other.wait_consumed(len(unwritten) + len(then))
            with publishing(rest, broker.address, rate=1_000):
                other.wait_consumed(other.consumed() + 500)
                wake_up(zombie)
            wait_until(lambda: zombie.ready() and other.ready(), "both to be members")
            workers = zombie, other
            reporter = wait_until(
                lambda: next((w for w in workers if w.reports()), None), "a reporter"
            )
            reporter.wait_figures(story.figures)
        assert other.port in watch.seen
        assert outdated_rows(broker) > 0, "the paused worker had nothing left to write"

        zombie.kill9()
        other.kill9()
        third = start_replay(broker)
        third.wait_figures(story.figures)
        third.kill9()


def lead_changelog(broker: EmbeddedBroker, *, there: bool) -> None:
    """Without a leader workers go on reading and folding events, and write nothing; after 40 s
    they give up."""
    for partition in range(PARTITIONS):
        broker.set_leader(CHANGELOG, partition, there=there)


def has_folded(worker: Worker, lines: Sequence[bytes]) -> bool:
    """Whether its state, written or not, has the deals that begin with one of these events."""
    begun = {
        event["deal_id"] for line in lines if (event := json.loads(line)).get("stage") == "lead"
    }
    assert begun
    paths = [f"/api/deals/{quote(deal, safe='')}" for deal in begun]
    return all(worker.get(path, **FOR_ITSELF)[0] == 200 for path in paths)


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


def outdated_rows(broker: HasAddress) -> int:
    """Rows that lie behind rows of a later epoch."""
    newest: Counter[int] = Counter()
    outdated = 0
    for record in read_topic(broker.address, CHANGELOG):
        epoch = int(dict(record.headers)["epoch"])
        outdated += epoch < newest[record.partition]
        newest[record.partition] = max(epoch, newest[record.partition])
    return outdated
