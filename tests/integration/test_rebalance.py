"""Partitions change hands: workers come and go, and one is paused and wakes up too late."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import msgspec
import pytest

from funnel_stream.facts.deals import FENCE_KEY, Fence
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from funnel_stream.tools.publisher import publish
from tests.integration.processes import (
    DEADLINE,
    FOR_ITSELF,
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
PRODUCE, FETCH = 0, 1  # API keys of Kafka's protocol
ALWAYS = [6] * 100_000  # "not the leader", which clients try again for ever


def test_a_paused_worker_wakes_up_after_it_was_replaced(
    start_replay: Callable[[HasAddress], Worker], story: Story
) -> None:
    """What it had folded before, it writes behind what the other one has written since; and the
    other one goes on behind that, with deals that have nothing to do with it."""
    with EmbeddedBroker(standard_topics(PARTITIONS)) as broker:
        zombie = start_replay(broker)
        zombie.wait_ready()
        half = len(story) // 2
        publish(story.lines[:half], broker.address)
        zombie.wait_consumed(half)
        published = pause_in_the_middle(zombie, broker, story.lines, half)
        then, rest = story.lines[published : published + 2_500], story.lines[published + 2_500 :]

        other = start_replay(broker)
        with watching([zombie, other]) as watch:
            other.wait_ready()
            publish(then, broker.address)
            wait_until(
                lambda: contained(broker) == published + len(then), "the other one to count them"
            )
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


def pause_in_the_middle(
    zombie: Worker, broker: EmbeddedBroker, lines: Sequence[bytes], start: int
) -> int:
    """Pause it when it has folded events and can write nothing of them. Gives how many of the
    lines are published then."""
    for end in range(start + 500, start + 5_000, 500):
        broker.push_errors(FETCH, *ALWAYS)
        publish(lines[end - 500 : end], broker.address)
        broker.push_errors(PRODUCE, *ALWAYS)
        broker.clear_errors(FETCH)
        some = lines[end - 500 : end]
        zombie.wait_until(lambda some=some: has_folded(zombie, some), "events to be folded")
        # A fetch that was under way may have brought them while they could still be written.
        if contained(broker) < end:
            zombie.sigstop()
            broker.clear_errors(PRODUCE)
            return end
        broker.clear_errors(PRODUCE)
    raise AssertionError("it writes whatever it reads at once")


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
        waiting = pool.submit(zombie.metrics, *names, timeout=DEADLINE)
        zombie.sigcont()
        scrapes = [waiting.result()]
    assert assignments(scrapes[0]) == 1

    def again() -> bool:
        scrapes.append(zombie.metrics(*names, timeout=DEADLINE))
        return assignments(scrapes[-1]) > 1

    zombie.wait_until(again, "the paused worker to be a member again")
    for scrape in scrapes[:-1]:
        assert not any(name == "funnel_leads" for name, _ in scrape)


def assignments(scrape: Figures) -> float:
    return scrape["funnel_assignments_total", frozenset()]


def contained(broker: HasAddress) -> int:
    """Events that the state contains, by the newest fence of each partition."""
    fences = {
        record.partition: msgspec.msgpack.decode(record.value, type=Fence).offset + 1
        for record in read_topic(broker.address, CHANGELOG)
        if record.key == FENCE_KEY and record.value
    }
    return sum(fences.values())


def outdated_rows(broker: HasAddress) -> int:
    """Rows that lie behind rows of a later epoch."""
    newest: Counter[int] = Counter()
    outdated = 0
    for record in read_topic(broker.address, CHANGELOG):
        epoch = int(dict(record.headers)["epoch"])
        outdated += epoch < newest[record.partition]
        newest[record.partition] = max(epoch, newest[record.partition])
    return outdated
