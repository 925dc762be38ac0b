"""From a plan that fails to a small one that fails in the same way."""

import re
from collections.abc import Iterator

from tests.simulation.plan import Plan
from tests.simulation.world import Schedule, Violation


def failure(plan: Plan) -> str:
    """What is wrong in the schedule of a plan; nothing, if nothing is."""
    try:
        Schedule(plan).run()
    except Violation as violation:
        return str(violation)
    return ""


def kind(what: str) -> str:
    """Failures of one kind differ in figures, names and what stands in brackets."""
    return re.sub(r"\d+|\(.*|\{.*|\[.*", "", what)[:60]


def shrunk(plan: Plan) -> Plan:
    """The plan without what it takes not to fail as it does."""
    wanted = kind(failure(plan))
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(plan):
            if kind(failure(candidate)) == wanted:
                plan, smaller = candidate, True
                break
    return plan


def _candidates(plan: Plan) -> Iterator[Plan]:
    """A little less of everything, the most first."""
    if plan.rounds > 1:
        yield plan._replace(rounds=1)
    if plan.workers > 1:
        yield plan._replace(workers=plan.workers - 1)
    if plan.small:
        yield plan._replace(small=False)
    for index in range(len(plan.faults)):
        yield plan._replace(faults=plan.faults[:index] + plan.faults[index + 1 :])
    size = len(plan.feeds) // 2
    while size:
        for start in range(0, len(plan.feeds), size):
            yield plan._replace(feeds=plan.feeds[:start] + plan.feeds[start + size :])
        size //= 2
