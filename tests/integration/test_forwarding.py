"""Every worker answers for the whole funnel: whoever does not report asks the one that does."""

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Figures, Worker, as_figures, wait_until
from tests.integration.stories import Story

pytestmark = pytest.mark.broker

KPIS = "/api/kpis?window=30d&dimension=channel"


def shown(worker: Worker) -> Figures | None:
    """What a reader sees, whoever has answered."""
    status, body = worker.get(KPIS)
    return as_figures(json.loads(body)) if status == 200 else None


def test_all_workers_show_the_figures_of_the_one_that_reports(
    broker: Broker, start_replay: Callable[[Broker], Worker], story: Story
) -> None:
    workers = [start_replay(broker), start_replay(broker)]
    first, second = workers
    wait_until(lambda: first.ready() and second.ready(), "both to be ready")
    publish(story.lines, broker.address)
    reporter = wait_until(lambda: next((w for w in workers if w.reports()), None), "a reporter")
    (other,) = (worker for worker in workers if worker is not reporter)
    reporter.wait_figures(story.figures)

    expected = reporter.kpis(window="30d", dimension="channel")
    assert expected
    assert shown(reporter) == expected
    other.wait_until(lambda: shown(other) == expected, "the figures of the other one")
    assert other.kpis() is None, "it was the reporter who answered"
    assert other.get("/api/kpis?window=2h") == reporter.get("/api/kpis?window=2h")
    assert other.get("/api/kpis?window=2h")[0] == 400

    # Any worker shows any deal, and passes readers on to the deals that others hold.
    document = json.loads(other.get("/api/deals?kpi=leads&window=365d&limit=1000")[1])
    mine = set(document["partitions"])
    listed = []
    for partition in range(document["partition_count"]):
        held_by = json.loads(
            other.get(f"/api/deals?kpi=leads&window=365d&limit=1000&held_by={partition}")[1]
        )
        assert partition in held_by["partitions"]
        if partition not in mine:
            listed = [deal["deal_id"] for deal in held_by["deals"]]
    assert listed
    name = quote(listed[0], safe="")
    assert json.loads(other.get(f"/api/deals/{name}")[1])["deal_id"] == listed[0]
    assert other.get(f"/deals/{name}")[0] == 200

    # The page is the reporter's, too.
    status, page = other.get("/?window=30d")
    assert status == 200
    assert 'id="funnel"' in page

    # Until the group notices, the one that is left knows nobody else to ask.
    reporter.kill9()
    status, body = other.get(KPIS)
    assert status == 503
    assert json.loads(body)["reason"] == reporter.address

    other.wait_figures(story.figures)
    assert shown(other) == expected


def test_workers_are_asked_where_they_say(
    broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    """Here where nobody is, so that the answer names the address."""
    addresses = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
    workers = [start_worker(broker, "--advertised-url", address) for address in addresses]
    first, second = workers
    wait_until(lambda: first.ready() and second.ready(), "both to be ready")
    reporter = wait_until(lambda: next((w for w in workers if w.reports()), None), "a reporter")
    (other,) = (worker for worker in workers if worker is not reporter)

    def reason() -> str:
        status, body = other.get(KPIS)
        assert status == 503
        return str(json.loads(body)["reason"])

    asked = addresses[workers.index(reporter)]
    other.wait_until(lambda: reason() == asked, f"to be told of {asked}")
