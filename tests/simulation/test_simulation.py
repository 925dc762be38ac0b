"""What must never be is not, whatever happens; and if it were, it would be noticed."""

from itertools import islice

import pytest

from tests.simulation.broken import BROKEN, Broken
from tests.simulation.plan import draw
from tests.simulation.running import caught_after, failures, quietly
from tests.simulation.shrink import failure, kind, shrunk
from tests.simulation.world import Schedule

SCHEDULES = 300
PATIENCE = 1_500
"""So many schedules at most until a broken build is noticed; docs/simulation.md has the numbers."""


def test_nothing_goes_wrong() -> None:
    with quietly():
        assert list(failures(range(SCHEDULES))) == []


def test_a_schedule_is_repeated_step_by_step() -> None:
    def lived(seed: int) -> tuple[object, ...]:
        schedule = Schedule(draw(seed))
        schedule.run()
        logs = [(tp, schedule.broker[tp].records) for tp in schedule.broker.tps()]
        return schedule.loop.steps, schedule.loop.time(), logs

    with quietly():
        assert [lived(seed) for seed in range(10)] == [lived(seed) for seed in range(10)]
        assert lived(1) != lived(2)


def test_schedules_differ() -> None:
    plans = [draw(seed) for seed in range(200)]
    assert {plan.partitions for plan in plans} == {1, 2, 3}
    assert {plan.workers for plan in plans} == {1, 2, 3}
    kinds = {fault.kind for plan in plans for fault in plan.faults}
    assert len(kinds) == 9
    assert any(feed.is_bad for plan in plans for feed in plan.feeds)
    assert any(feed.partition >= 0 and not feed.is_bad for plan in plans for feed in plan.feeds)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_build_is_noticed(broken: Broken) -> None:
    assert caught_after(broken, range(PATIENCE))


def test_a_broken_build_is_whole_again_afterwards() -> None:
    with quietly():
        for broken in BROKEN:
            with broken.in_place():
                pass
        assert list(failures(range(5))) == []


def test_a_text_that_is_not_there_breaks_nothing() -> None:
    with (
        pytest.raises(ValueError, match="the text stands 0 times"),
        Broken("name", "reporting", "no such text", "another").in_place(),
    ):
        pass


def test_what_fails_is_made_small() -> None:
    lease = next(broken for broken in BROKEN if broken.module == "reporting")
    with quietly(), lease.in_place():
        [(seed, what)] = islice(failures(range(500)), 1)
        plan = draw(seed)
        small = shrunk(plan)
        assert kind(failure(small)) == kind(what) == "two workers report at once"
    assert len(small.faults) < max(2, len(plan.faults))
    assert len(small.feeds) < len(plan.feeds)
    with quietly():
        assert failure(small) == ""
