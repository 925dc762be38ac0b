"""What the package offers to the tests of its users."""

import doctest
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from funnel_stream import testing
from funnel_stream.contract import Reason, StageChanged
from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.testing import FunnelTestDriver
from tests.funnels import NOW, at, computed, event, figures, stage

DAY = {"window": "24h"}


def driver(definition: Definition | None = None) -> FunnelTestDriver:
    return FunnelTestDriver(definition, now=NOW)


def test_what_its_docstring_shows() -> None:
    assert doctest.testmod(testing).failed == 0
    assert doctest.testmod(testing).attempted == 4


def test_figures_are_those_of_compute() -> None:
    events = [
        stage("d1", "lead", at(), channel="fair"),
        stage("d1", "won", at(days=3), amount=10, currency="EUR"),
        event("spend_recorded", "x", at(), channel="fair", amount=5, currency="EUR",
              period_start=at(), period_end=at(days=2)),
    ]  # fmt: skip
    del events[-1]["deal_id"]
    funnel = driver()
    assert funnel.feed(events[0]) == []
    assert funnel.feed(*events[1:]) == []
    found = {(s.metric, frozenset(s.labels.items())): s.value for s in funnel.figures()}
    assert found == figures(computed(events))
    assert funnel.figure("funnel_cost_per_lead", window="30d", currency="EUR") == 5


@pytest.mark.parametrize("form", ["dictionary", "model", "bytes"])
def test_an_event_may_have_any_form(form: str) -> None:
    fields: dict[str, Any] = {"event_id": "1", "deal_id": "d", "stage": "lead"}
    when = datetime(2026, 3, 2, tzinfo=UTC)
    given: dict[str, Any] = {
        "dictionary": {"type": "stage_changed", "occurred_at": when.isoformat(), **fields},
        "model": StageChanged(occurred_at=when, **fields),
    }
    given["bytes"] = json.dumps(given["dictionary"], indent=1).encode()
    funnel = driver()
    assert funnel.feed(given[form]) == []
    assert funnel.figure("funnel_leads", at=when, window="24h") == 1


def test_an_instant_sees_what_had_occurred() -> None:
    funnel = driver()
    funnel.feed(stage("d1", "lead", at(hours=1)), stage("d2", "lead", at(hours=2)))
    assert funnel.figure("funnel_leads", at=at(hours=1.5), **DAY) == 1
    assert funnel.figure("funnel_leads", **DAY) == 2
    assert funnel.figure("funnel_leads", at=at(days=3), **DAY) == 0


def test_what_is_rejected_is_told_to_whoever_fed_it() -> None:
    funnel = driver()
    good, bad = stage("d1", "lead", at()), {**stage("d2", "lead", at()), "occurred_at": "today"}
    assert funnel.feed(good) == []
    assert [each.reason for each in funnel.feed(bad)] == [Reason.INVALID_TIMESTAMP]
    contradiction = {**good, "stage": "offer"}
    assert [each.reason for each in funnel.feed(contradiction)] == [Reason.CONFLICTING_DUPLICATE]
    assert funnel.feed(good) == []
    assert funnel.figure("funnel_leads", **DAY) == 1


def test_what_lies_ahead_of_now_is_rejected() -> None:
    funnel = FunnelTestDriver(now=at())
    assert len(funnel.feed(stage("d1", "lead", at(days=1)))) == 1
    assert len(FunnelTestDriver().feed(stage("d1", "lead", "2999-01-01T00:00:00Z"))) == 1


def test_a_figure_is_one() -> None:
    funnel = driver()
    funnel.feed(stage("d1", "lead", at()))
    with pytest.raises(ValueError, match="figures of funnel_leads have these labels"):
        funnel.figure("funnel_leads")
    assert funnel.figure("funnel_leads", window="24h", pipeline="another") is None
    with pytest.raises(UsageError, match="no window '2h'"):
        funnel.figures(window="2h")
    with pytest.raises(ValueError, match="no offset"):
        funnel.figures(at=datetime(2026, 3, 2))
