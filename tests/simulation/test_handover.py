"""Partitions change hands in order, and what is published twice is counted once."""

from collections.abc import Callable

import pytest

from funnel_stream.definition import Definition
from tests.integration.stories import simulated
from tests.simulation.broken import Broken
from tests.simulation.stage import computed, figures, staged

EVENTS = 2_000
PARTITIONS = 16
DEFINITION = Definition(dimensions=("channel", "owner"), windows=("24h", "30d"))
_lines: list[bytes] = []


def lines() -> list[bytes]:
    """Some erasures among them."""
    if not _lines:
        _lines.extend(simulated(EVENTS, deals_per_day=6))
    return _lines


def test_one_worker_two_workers_one_worker() -> None:
    """Amid the events another one comes, and the first one goes."""
    expected = computed(lines(), DEFINITION)
    with staged(PARTITIONS) as stage:
        first = stage.start(DEFINITION)
        stage.wait_ready(first)
        stage.let_flow(lines(), seconds=9.0)
        stage.pass_time(2.0)
        second = stage.start(DEFINITION)
        stage.until(lambda: second.reporter.operations().events > 100, "events of the second")
        assert first.reporter.operations().events < EVENTS // 2
        events = first.reporter.operations().events
        stage.until(lambda: first.reporter.operations().events > events + 100, "of both")
        stage.stop(first)
        events = second.reporter.operations().events
        stage.until(lambda: second.reporter.operations().events > events + 100, "of the second")
        stage.wait_figures(second, expected)
        # Whoever goes in order has told how far he was: nothing is read twice.
        read = sum(worker.reporter.operations().events for worker in stage.workers)
        assert read == EVENTS
        assert stage.have_reported == {first, second}

        second.crash(0.0)
        third = stage.start(DEFINITION)
        stage.wait_figures(third, expected)
        assert third.reporter.operations().events == 0


def test_a_second_import_changes_nothing() -> None:
    alive = [line for line in lines() if b"deal_erased" not in line]
    once = list(dict.fromkeys(alive))
    with staged() as stage:
        worker = stage.start(DEFINITION)
        stage.publish(once)
        expected = computed(once, DEFINITION)
        stage.wait_figures(worker, expected)
        before = worker.reporter.operations().duplicates
        stage.publish(once)
        stage.until(
            lambda: worker.reporter.operations().events == 2 * len(once), "all to be read twice"
        )
        assert worker.reporter.operations().duplicates == before + len(once)
        stage.pass_time(15.0)
        assert stage.shown_by(worker) == expected


def test_two_groups_cannot_share_a_changelog() -> None:
    with staged(1) as stage:
        workers = [stage.start(DEFINITION, group) for group in (stage.group, stage.another_group())]
        for worker in workers:
            stage.wait_ready(worker)
        stage.let_flow(lines()[:200], seconds=20.0)
        stage.until(lambda: stage.halts, "one of the two to give up")
    [(_, reason)] = stage.halts
    assert "Somebody else keeps writing to funnel.journeys.changelog" in reason


def test_of_an_empty_funnel_all_figures_are_those_of_no_event() -> None:
    with staged() as stage:
        worker = stage.start(DEFINITION)
        stage.until(worker.reporter.reporting, "figures")
        shown = figures(stage.shown)
    assert set(shown.values()) == {0}
    assert shown == computed([], DEFINITION)


@pytest.mark.parametrize(
    ("story", "broken"),
    [
        (
            test_one_worker_two_workers_one_worker,
            Broken(
                "the last event before the fence is read again",
                "streaming.recovery",
                "position = deals.fence + 1",
                "position = deals.fence",
            ),
        ),
        (
            test_one_worker_two_workers_one_worker,
            Broken(
                "events are read from one behind the fence",
                "streaming.recovery",
                "position = deals.fence + 1",
                "position = deals.fence + 2",
            ),
        ),
        (
            test_a_second_import_changes_nothing,
            Broken(
                "an event that is known counts again",
                "facts.journey",
                "if _encode_id(event.id) in row:",
                "if False:",
            ),
        ),
        (
            test_two_groups_cannot_share_a_changelog,
            Broken(
                "claims go on for ever",
                "streaming.track",
                "if len(reclaims) == _RECLAIMS and",
                "if False and",
            ),
        ),
        (
            test_of_an_empty_funnel_all_figures_are_those_of_no_event,
            Broken(
                "nothing is published before the first event",
                "streaming.partition",
                "            if self._republish or self._panes.outgrown:\n",
                "            if self.acknowledged and (self._republish or self._panes.outgrown):\n",
            ),
        ),
    ],
)
def test_a_broken_build_is_noticed(story: Callable[[], None], broken: Broken) -> None:
    with broken.in_place(), pytest.raises(AssertionError):
        story()
