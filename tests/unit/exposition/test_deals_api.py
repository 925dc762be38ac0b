"""``/api/deals`` as its clients see it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from funnel_stream.answers.deal_list import Walk
from funnel_stream.answers.explanation import as_json, explain
from funnel_stream.definition import Definition
from funnel_stream.exposition import deals_api
from funnel_stream.exposition.deals_api import DealsApi, NotYetError
from funnel_stream.facts.deals import Deals
from funnel_stream.reporting import Reporter, monotonic
from tests.funnels import at, computed, micros, stage
from tests.unit.answers.test_explanation import folded
from tests.unit.exposition.test_server import Answer, get, served
from tests.unit.exposition.workers import idle, starting

DEFINITION = Definition()
ODD = "a/b?c=d&e#f%20g \U0001f600 ü{}.."
EVENTS = [
    *(stage(f"d{number}", "lead", at(hours=number), channel="web") for number in range(5)),
    stage(ODD, "lead", at()),
    stage("x" * 128, "offer", at(days=1), channel='"<script>'),
]
AS_OF = micros(days=2)


def holding(*partitions: int, count: int = 4, clock: Any = monotonic) -> Reporter:
    """A worker with these of so many partitions; all deals are on the first of them."""
    reporter = Reporter(session_timeout=3600, clock=clock)
    reporter.assigned(owner=False, seconds=0.1)
    reporter.confirm_membership(clock())
    deals = {number: folded([], definition=DEFINITION) for number in partitions}
    if partitions:
        deals[partitions[0]] = folded(EVENTS, definition=DEFINITION)
    reporter.hold(deals, partitions=count, event_clock=True)
    return reporter


@pytest.fixture
def worker() -> Iterator[str]:
    with served(holding(1, 3)) as address:
        yield address


def ask(address: str, **asked: Any) -> Answer:
    return get(f"{address}/api/deals?{urlencode(asked)}")


def all_pages(address: str, **asked: Any) -> list[dict[str, Any]]:
    answers = [ask(address, **asked).json]
    while after := answers[-1]["next"]:
        answers.append(ask(address, **asked, after=after).json)
    assert len({answer["as_of"] for answer in answers}) == 1
    return [deal for answer in answers for deal in answer["deals"]]


def test_a_page_says_what_it_holds_and_of_which_part(worker: str) -> None:
    answer = ask(worker, kpi="leads", window="30d", limit=2)
    assert answer.status == 200
    assert answer.json == {
        "deals": [
            {
                "deal_id": ODD,
                "pipeline": "default",
                "stage": "lead",
                "contribution": 1,
                "at": "2026-03-02T00:00:00Z",
                "attributes": {},
            },
            {
                "deal_id": "d0",
                "pipeline": "default",
                "stage": "lead",
                "contribution": 1,
                "at": "2026-03-02T00:00:00Z",
                "attributes": {"channel": "web"},
            },
        ],
        "next": answer.json["next"],
        "as_of": "2026-03-03T00:00:00Z",
        "partitions": [1, 3],
        "partition_count": 4,
        "complete": False,
    }


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_pages_join_whatever_their_size(worker: str, limit: int) -> None:
    deals = all_pages(worker, kpi="leads", window="30d", limit=limit)
    assert [deal["deal_id"] for deal in deals] == [ODD, "d0", "d1", "d2", "d3", "d4", "x" * 128]


def test_a_search_that_takes_long_is_answered_in_parts(
    worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deals_api, "_REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(deals_api, "_SLICE_SECONDS", 0.0)
    first = ask(worker, kpi="stage_entries", stage="offer", window="30d").json
    assert first["deals"] == []
    assert first["next"]
    [offered] = all_pages(worker, kpi="stage_entries", stage="offer", window="30d")
    assert offered["deal_id"] == "x" * 128
    assert offered["attributes"] == {"channel": '"<script>'}


def test_the_pages_of_an_earlier_instant(worker: str) -> None:
    early = at(hours=2)
    deals = all_pages(worker, kpi="leads", window="1h", as_of=early, limit=1)
    assert [deal["deal_id"] for deal in deals] == ["d2"]
    assert (
        ask(worker, kpi="leads", window="1h", as_of=early).json["as_of"] == "2026-03-02T02:00:00Z"
    )


def test_all_partitions_are_the_whole(worker: str) -> None:
    with served(holding(0, 1, count=2)) as address:
        assert ask(address, kpi="leads", window="30d").json["complete"] is True
    with served(holding(count=2)) as address:
        answer = ask(address, kpi="leads", window="30d")
    assert answer.status == 200
    assert answer.json["deals"] == answer.json["partitions"] == []
    assert answer.json["complete"] is False


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        ({"kpi": "nonsense"}, "kpi: there is no KPI 'nonsense'", "Allowed: leads, "),
        ({"kpi": "leads", "window": "5h"}, "window: leads has no window '5h' here",
         "Allowed: 1h, 24h, 7d, 30d, 365d."),
        ({"kpi": "leads", "window": "1h", "limit": "0"}, "limit: '0' is invalid",
         "Allowed: 1 to 1000."),
        ({"kpi": "leads", "window": "1h", "limit": "1_0"}, "limit: '1_0' is invalid",
         "Allowed: 1 to 1000."),
        ({"kpi": "leads", "window": "1h", "after": "no"}, "after: 'no' is not a cursor",
         "Allowed: the next value from a response to the same question."),
        ({"kpi": "leads", "window": "1h", "after": "ü"}, "after: 'ü' is not a cursor",
         "Allowed: the next value from a response to the same question."),
        ({"kpi": "leads", "window": "1h", "after": "k89AAAAAAAAAAADEAA"}, "after: ",
         "Allowed: the next"),
        ({"kpi": "leads", "window": "1h", "as_of": "today"}, "as_of: 'today' is not RFC 3339",
         ""),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_allowed(
    worker: str, asked: dict[str, str], error: str, reason: str
) -> None:
    answer = ask(worker, **asked)
    assert answer.status == 400
    assert answer.json["error"].startswith(error)
    assert answer.json["reason"].startswith(reason)


@pytest.mark.parametrize("deal_id", [ODD, "d0", "x" * 128])
def test_a_deal_is_explained(worker: str, deal_id: str) -> None:
    answer = get(f"{worker}/api/deals/{quote(deal_id, safe='')}")
    assert answer.status == 200
    row = folded(EVENTS, definition=DEFINITION).row(deal_id.encode())
    assert row
    micros_now = micros(days=1)
    assert answer.json == json.loads(as_json(explain(deal_id, row, DEFINITION, micros_now)))
    then = get(f"{worker}/api/deals/{quote(deal_id, safe='')}?as_of={quote(at(days=2))}")
    assert then.json == json.loads(as_json(explain(deal_id, row, DEFINITION, AS_OF)))


def test_a_deal_that_is_not_here(worker: str) -> None:
    answer = get(f"{worker}/api/deals/nobody")
    assert answer.status == 404
    assert answer.json == {
        "error": "there is no deal 'nobody' here",
        "reason": "Of partitions 0 to 3, this worker holds 1, 3; another worker may have the deal.",
        "partitions": [1, 3],
        "partition_count": 4,
        "complete": False,
    }
    with served(holding(0, count=1)) as address:
        alone = get(f"{address}/api/deals/nobody").json
    assert alone["reason"].startswith("This worker holds all partitions")
    wrong = get(f"{worker}/api/deals/d0?window=1h")
    assert wrong.status == 400
    assert wrong.json == {"error": "there is no parameter 'window'", "reason": "Allowed: as_of."}


def test_bytes_that_are_no_text_are_no_deal(worker: str) -> None:
    assert get(f"{worker}/api/deals/%ff%fe").status == 404
    assert get(f"{worker}/api/deals/%ED%A0%80").status == 404
    assert get(f"{worker}/api/deals?kpi=leads&window=30d&pipeline=%ff").json["deals"] == []


@pytest.mark.parametrize("path", ["/api/deals?kpi=leads&window=30d", "/api/deals/d0"])
def test_who_recovers_does_not_know_yet(path: str) -> None:
    with served(starting()) as address:
        answer = get(address + path)
    assert answer.status == 503
    assert answer.json == {
        "error": "this worker does not know its deals yet",
        "reason": "starting",
    }


def test_who_may_have_lost_its_partitions_does_not_answer() -> None:
    now = [1000.0]
    reporter = holding(0, count=1, clock=lambda: now[0])
    with served(reporter) as address:
        assert get(f"{address}/api/deals/d0").status == 200
        now[0] += 3601
        answer = get(f"{address}/api/deals/d0")
    assert answer.status == 503
    assert answer.json["reason"] == "confirming the membership in the group"
    assert idle().held() is None, "its membership was never confirmed"


async def test_partitions_that_go_during_a_search_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = holding(0, count=1)
    drive = deals_api._drive

    async def slowly(walk: Walk) -> None:
        await drive(walk)
        reporter.hold({}, partitions=1, event_clock=True)

    monkeypatch.setattr(deals_api, "_drive", slowly)
    with pytest.raises(NotYetError):
        await DealsApi(reporter, DEFINITION).find({"kpi": "leads", "window": "30d"})


async def test_searches_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deals_api, "_SLICE_SECONDS", 0.0)
    under_way: list[Walk] = []
    together = []
    drive = deals_api._drive

    async def watched(walk: Walk) -> None:
        under_way.append(walk)
        together.append(len(under_way))
        await drive(walk)
        under_way.remove(walk)

    monkeypatch.setattr(deals_api, "_drive", watched)
    api, query = DealsApi(holding(0, count=1), DEFINITION), {"kpi": "leads", "window": "30d"}
    await asyncio.gather(*(api.find(query) for _ in range(3)))
    assert together == [1, 1, 1]


def test_who_reports_answers_as_of_what_it_shows() -> None:
    reporter = holding(0, count=1)
    reporter.publish(computed(EVENTS, AS_OF).snapshot)
    with served(reporter) as address:
        assert ask(address, kpi="leads", window="1h").json["as_of"] == "2026-03-04T00:00:00Z"


def test_the_wall_clock_is_now() -> None:
    reporter = holding(0, count=1)
    reporter.hold({0: Deals(DEFINITION)}, partitions=1, event_clock=False)
    held = reporter.held()
    assert held is not None
    assert held.as_of > AS_OF
