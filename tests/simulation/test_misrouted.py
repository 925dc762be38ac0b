"""Good events in the wrong place count where they belong, and no deal is lost over its amount."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.facts.deals import MISROUTED_HEADER
from funnel_stream.replay.compute import as_record
from tests import funnels
from tests.simulation.broken import Broken
from tests.simulation.stage import NOW, Stage, staged
from tests.simulation.watched import EVENTS, SETTINGS
from tests.simulation.workers import SimulatedWorker

DEFINITION = Definition(dimensions=("channel",), windows=("24h",))


def good(number: int, **fields: Any) -> bytes:
    channel = ("web", "fair")[number % 2]
    lead = funnels.stage(
        f"D-{number}", "lead", NOW.isoformat(), event_id=f"g{number}", channel=channel
    )
    return json.dumps(lead | fields).encode()


def figure(stage: Stage, worker: SimulatedWorker, metric: str, **labels: str) -> Any:
    wanted = {"pipeline": "default", "window": "24h", **labels}
    return (stage.shown_by(worker) or {}).get((metric, frozenset(wanted.items())))


def test_good_events_in_the_wrong_place_count_once_where_they_belong() -> None:
    with staged(4) as stage:
        for number in range(40):
            stage.send(b"wrong-%d" % number, good(number))
        for number in range(40, 70):
            stage.send(None, good(number))
        for number in range(70, 100):
            # All on one partition, where three of four keys do not belong.
            stage.send(b"D-%d" % number, good(number), partition=2)
        worker = stage.start(DEFINITION)
        stage.until(lambda: figure(stage, worker, "funnel_leads") == 100, "100 leads")
        moved = [r for r in stage.records(EVENTS) if dict(r.headers).get(MISROUTED_HEADER)]
        assert len(moved) == worker.reporter.operations().misrouted > 70
        for record in moved:
            assert record.value is not None
            assert record.key == as_record(0, record.value, 0).key
        counted = Counter(json.loads(r.value)["deal_id"] for r in moved if r.value)
        assert set(counted.values()) == {1}
        assert stage.records(SETTINGS.dead_letters_topic) == []
        # Everything that comes for a deal later finds it, also under its right key.
        stage.publish(good(number, event_id=f"w{number}", stage="won") for number in range(100))
        stage.until(
            lambda: figure(stage, worker, "funnel_deals_closed", outcome="won") == 100, "100 won"
        )


def test_who_is_misrouted_twice_is_a_dead_letter() -> None:
    with staged(2) as stage:
        stage.send(b"not its deal", good(1), headers=[(MISROUTED_HEADER, b"funnel.events/9/9")])
        stage.start(DEFINITION)
        letters = SETTINGS.dead_letters_topic
        stage.until(lambda: stage.records(letters), "a dead letter")
        stage.pass_time(5.0)
        [letter] = stage.records(letters)
        assert dict(letter.headers)["funnel.error.reason"] == b"misrouted"
        assert len(stage.records(EVENTS)) == 1


def test_no_deal_is_lost_over_its_amount() -> None:
    amounts: list[dict[str, Any]] = [
        {"amount": "10.001", "currency": "EUR"},
        {"amount": 100.10000000000001, "currency": "eur"},
        {"amount": "1,234.00", "currency": "EUR"},
        {"amount": 5},
        {"amount": "5.00", "currency": "EUR"},
    ]
    with staged(4) as stage:
        for number, amount in enumerate(amounts):
            # The second one is a duplicate, and not amended again.
            stage.publish([good(number, **amount)] * 2)
        worker = stage.start(DEFINITION)
        stage.until(lambda: figure(stage, worker, "funnel_leads") == 5, "5 leads")
        stage.until(lambda: worker.reporter.operations().events == 10, "as many duplicates")
        operations = worker.reporter.operations()
        assert operations.duplicates == 5
        assert operations.amended == {
            "rounded_amount": 2,
            "currency_case": 1,
            "unreadable_amount": 2,
        }
        assert stage.records(SETTINGS.dead_letters_topic) == []
        values = {
            dict(labels)["currency"]: number
            for (metric, labels), number in (stage.shown_by(worker) or {}).items()
            if metric == "funnel_open_value" and dict(labels)["stage"] == "lead"
        }
    assert values == {"EUR": 115.1}


@pytest.mark.parametrize(
    ("story", "broken"),
    [
        (
            test_good_events_in_the_wrong_place_count_once_where_they_belong,
            Broken(
                "what was misrouted is lost",
                "streaming.deadletters",
                "            await self._log.append(self._events, partition, records)\n",
                "            pass\n",
            ),
        ),
        (
            test_good_events_in_the_wrong_place_count_once_where_they_belong,
            Broken(
                "what was misrouted counts where it was found as well",
                "facts.deals",
                "                self._misroute(record, key, result)\n",
                "                self._misroute(record, key, result)\n"
                "                self._add(deal, event, reasons, record, result)\n",
            ),
        ),
        (
            test_who_is_misrouted_twice_is_a_dead_letter,
            Broken(
                "a dead letter does not say why",
                "streaming.deadletters",
                "        headers = [*(record.headers or ()), *about]\n",
                "        headers = [*about[:-2]]\n",
            ),
        ),
        (
            test_no_deal_is_lost_over_its_amount,
            Broken(
                "amendments are not told",
                "streaming.partition",
                "        self.amended.update(fold.amended)\n",
                "        pass\n",
            ),
        ),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_a_broken_build_is_noticed(story: Callable[[], None], broken: Broken) -> None:
    with broken.in_place(), pytest.raises((AssertionError, KeyError)):
        story()
