"""A funnel that lives: whatever happens in whatever order, what is shown is what can be computed
from scratch from the events that are in force."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from funnel_stream.definition import Definition
from funnel_stream.facts.blocks import FactBlockBuilder
from funnel_stream.kpis.accounting import violations
from funnel_stream.kpis.samples import samples
from funnel_stream.windows import panes
from funnel_stream.windows.columns import packed, sums
from tests.funnels import STAGES, START, attributes, deal_events, definitions, event, spends
from tests.properties.stories import crowd, lengths
from tests.properties.streams import Stream, all_figures, at_once, differing
from tests.properties.sums import unreconciled

DAY_SECONDS = 86_400
LAST_DAY = 380
"""Closed deals are kept for 400 days."""

ages = st.sampled_from([0, 0, 0, 1, 59, 60, 3_599, 3_600, 7_200, DAY_SECONDS, 10 * DAY_SECONDS])
"""Seconds between an event and its arrival."""

steps = st.sampled_from(
    [1, 59, 60, 61, 3_599, 3_600, DAY_SECONDS - 1, DAY_SECONDS, 7 * DAY_SECONDS, 31 * DAY_SECONDS]
)
seeds = st.randoms(use_true_random=False)
deals = st.integers(0, 4).map("d{}".format)


class Funnel(RuleBasedStateMachine):
    """Three partitions, their tables, and beside them the events that are in force."""

    @initialize(definition=definitions(), day=st.integers(0, 5), seconds=steps)
    def begin(self, definition: Definition, day: int, seconds: int) -> None:
        self.definition = definition
        self.stream = Stream(definition)
        self.now = START + timedelta(days=day, seconds=seconds)
        self.in_force: list[dict[str, Any]] = []
        self.erased: dict[str, datetime] = {}
        self.number = 0
        self.stream.advance(self._us(self.now))

    # --- events ---------------------------------------------------------------------------------

    @rule(data=st.data(), age=ages)
    def something_happens(self, data: st.DataObject, age: int) -> None:
        happened = data.draw(deal_events(self._next()))
        self._arrive(happened, age)

    @rule(data=st.data(), age=ages)
    def money_is_spent(self, data: st.DataObject, age: int) -> None:
        self._arrive(data.draw(spends(self._next())), age)

    @rule(rng=st.integers(0, 1 << 32).map(random.Random), number=st.sampled_from([3, 10, 20]))
    def much_happens(self, rng: random.Random, number: int) -> None:
        for happened in crowd(rng, number, days=30, first=self.number + 1):
            self._next()
            self._arrive(happened, rng.choice((0, 1, 60, 3_600, 3 * DAY_SECONDS)))

    @rule(deal=deals, given=attributes(), age=ages)
    def a_deal_is_corrected(self, deal: str, given: dict[str, Any], age: int) -> None:
        self._arrive(event("deal_updated", deal, "", event_id=f"id{self._next()}", **given), age)

    @rule(deal=deals, path=st.lists(st.sampled_from(STAGES), min_size=2, max_size=4), age=ages)
    def a_deal_goes_its_way(self, deal: str, path: list[str], age: int) -> None:
        """Through several stages at once: closed, reopened, closed anew."""
        for name in path:
            moved = event("stage_changed", deal, "", event_id=f"id{self._next()}", stage=name)
            self._arrive(moved, age)

    @rule(seconds=st.integers(1, 300), deal=deals, name=st.sampled_from(STAGES))
    def a_clock_is_fast(self, seconds: int, deal: str, name: str) -> None:
        """It is applied at once, and counts when its minute begins."""
        self._arrive(
            event("stage_changed", deal, "", event_id=f"id{self._next()}", stage=name), -seconds
        )

    @precondition(lambda self: self.in_force)
    @rule(rng=seeds)
    def something_comes_again(self, rng: random.Random) -> None:
        again = rng.choice(self.in_force)
        assert self.stream.fold(again, now_us=self._us(self.now))["duplicates"] == 1

    @rule(deal=deals)
    def a_deal_is_erased(self, deal: str) -> None:
        self.stream.fold({"type": "deal_erased", "deal_id": deal}, now_us=self._us(self.now))
        # What a fast clock says occurs later is of a new deal.
        self.in_force = [
            each
            for each in self.in_force
            if each.get("deal_id") != deal or datetime.fromisoformat(each["occurred_at"]) > self.now
        ]
        self.erased[deal] = self.now

    # --- machinery ------------------------------------------------------------------------------

    @rule(seconds=steps)
    def time_passes(self, seconds: int) -> None:
        self._move(timedelta(seconds=seconds))

    @rule(data=st.data(), shift=st.sampled_from([-60, -1, 0, 1, 60]))
    def much_time_passes(self, data: st.DataObject, shift: int) -> None:
        """Until what has just happened leaves a window, matures or is stuck."""
        minutes = data.draw(st.sampled_from(lengths(self.definition)[1:]))
        self._move(timedelta(minutes=minutes, seconds=shift))

    @rule(partition=st.integers(0, 2))
    def changes_are_published(self, partition: int) -> None:
        self.stream.publish(partition)

    @rule(partition=st.integers(0, 2))
    def a_partition_is_published_anew(self, partition: int) -> None:
        self.stream.publish_anew(partition)

    @rule(partition=st.integers(0, 2), rng=seeds)
    def a_partition_changes_its_owner(self, partition: int, rng: random.Random) -> None:
        self.stream.hand_over(partition, rng)

    @rule()
    def another_worker_reports(self) -> None:
        self.stream.report_elsewhere()

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def every_deal_has_one_fate(self) -> None:
        assert violations(self.stream.snapshot()) == []

    @rule(rng=seeds)
    def all_is_as_recomputed(self, rng: random.Random) -> None:
        self.stream.publish()
        shown = self.stream.snapshot()
        events = rng.sample(self.in_force, len(self.in_force))
        now = self._us(self.now)
        expected = at_once(self.definition, events, now, now_us=now)
        assert differing(all_figures(shown), all_figures(expected)) == {}
        assert shown.totals == expected.totals
        assert unreconciled(samples(shown), self.definition) == []

    def teardown(self) -> None:
        if hasattr(self, "stream"):
            self.all_is_as_recomputed(random.Random(0))

    # --- helpers --------------------------------------------------------------------------------

    def _move(self, length: timedelta) -> None:
        if self.now + length < START + timedelta(days=LAST_DAY):
            self.now += length
            self.stream.advance(self._us(self.now))

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _arrive(self, happened: dict[str, Any], age: int) -> None:
        """It occurred some time ago and is published now."""
        at = self.now - timedelta(seconds=age)
        happened["occurred_at"] = at.isoformat()
        counts = self.stream.fold(happened, now_us=self._us(self.now))
        deal = happened.get("deal_id")
        assert counts["rejected"] == 0
        if deal not in self.erased or at > self.erased[deal]:
            assert counts["accepted"] == 1
            self.in_force.append(happened)
        elif counts["accepted"]:
            # Erasures are remembered for 30 days.
            assert self.now > self.erased[deal] + timedelta(days=30)
            self.in_force.append(happened)

    def _us(self, at: datetime) -> int:
        return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("limits", ["usual", "tiny"])
def test_a_living_funnel(limits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny limits make of a few deals what hundreds of thousands are: many blocks, many runs of
    panes that are merged, sums in several lots."""
    if limits == "tiny":
        monkeypatch.setattr(FactBlockBuilder, "LIMIT", 500)
        monkeypatch.setattr(panes, "_LOOSE", 20)
        monkeypatch.setattr(panes, "_FAN", 2)
        monkeypatch.setattr(packed, "_AT_ONCE", 7)
        monkeypatch.setattr("funnel_stream.windows.tables._AT_ONCE", 11)
        monkeypatch.setattr(sums, "_DENSE", 0)
    run_state_machine_as_test(Funnel, settings=settings(max_examples=40, stateful_step_count=30))
