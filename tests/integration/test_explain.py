"""The deals behind the figures of real workers, and one of them explained."""

import json
from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from funnel_stream.definition import Definition
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import compute
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Worker, as_figures, run
from tests.integration.stories import END, simulated
from tests.unit.answers.test_deal_list import parameters
from tests.unit.answers.test_explanation import additive

pytestmark = pytest.mark.broker

WANTED = 20
"""So many figures are looked behind, spread evenly over all that there are."""


def expected(events: list[bytes]) -> list[Sample]:
    """What the core says of all events, as of the last one."""
    now_ms = int(END.timestamp() * 1000)
    return samples(compute(events, Definition(), as_of=None, now_ms=now_ms).snapshot)


def some(found: list[Sample]) -> list[Sample]:
    possible = [sample for sample in additive(found) if "__other__" not in sample.labels.values()]
    assert len(possible) > 1000
    return possible[:: len(possible) // WANTED]


def deals_behind(worker: Worker, asked: dict[str, str]) -> list[dict[str, Any]]:
    """All pages; fails if a deal stands there twice."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        status, body = worker.get(f"/api/deals?{urlencode({**asked, 'limit': 100, **after})}")
        assert status == 200, body
        page = json.loads(body)
        assert len(page["deals"]) <= 100
        found += page["deals"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    ids = [deal["deal_id"] for deal in found]
    assert len(set(ids)) == len(ids)
    return found


def worth(deals: list[dict[str, Any]]) -> float:
    return sum(deal["contribution"] for deal in deals)


def share(worker: Worker) -> dict[str, Any]:
    status, body = worker.get("/api/deals?kpi=open_deals&limit=1")
    assert status == 200, body
    page: dict[str, Any] = json.loads(body)
    return page


def test_the_deals_behind_the_figures(
    start_broker: Callable[..., Broker], start_replay: Callable[[Broker], Worker]
) -> None:
    broker = start_broker(partitions=3)
    first = start_replay(broker)
    events = simulated(2_000, deals_per_day=40)
    publish(events, broker.address)
    all_of_them = expected(events)
    first.wait_figures(as_figures(sample._asdict() for sample in all_of_them))
    assert share(first)["complete"] is True
    for sample in some(all_of_them):
        found = deals_behind(first, parameters(sample))
        assert worth(found) == pytest.approx(sample.value, rel=1e-9), sample

    deal = deals_behind(first, {"kpi": "stage_entries", "stage": "won", "window": "365d"})[0]
    done = run("explain", deal["deal_id"], "--url", f"http://127.0.0.1:{first.port}")
    assert done.returncode == 0, done.stderr
    assert f"Deal {deal['deal_id']} · pipeline" in done.stdout
    assert "Stage entries" in done.stdout

    second = start_replay(broker)
    workers = [first, second]

    def shared() -> bool:
        answers = [worker.get("/api/deals?kpi=open_deals") for worker in workers]
        if any(status != 200 for status, _ in answers):
            return False
        held = [json.loads(body)["partitions"] for _, body in answers]
        return sorted(map(len, held)) == [1, 2] and sorted(chain(*held)) == [0, 1, 2]

    second.wait_until(shared, "the partitions to be shared")
    as_of = share(first)["as_of"]
    assert not share(first)["complete"]
    for sample in some(all_of_them)[::3]:
        asked = {**parameters(sample), "as_of": as_of}
        found = [deal for worker in workers for deal in deals_behind(worker, asked)]
        assert worth(found) == pytest.approx(sample.value, rel=1e-9), sample
    answers = [worker.get(f"/api/deals/{quote(deal['deal_id'])}")[0] for worker in workers]
    assert answers == [200, 200], "who does not hold it asks the one that does"
