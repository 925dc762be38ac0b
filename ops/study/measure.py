"""What the study measures: false alarms of years without a drop, and how soon a planted one is
found."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from ops.study.alarms import ALARMS, Fired, alarms, notified
from ops.study.market import HORIZONS, STEPS, Drop, Market
from ops.study.statistic import HOURS

SIZES: Final = {"small": 20, "medium": 300, "large": 5000}
"""Leads a day."""
DROPS: Final = (0.1, 0.2, 0.3, 0.5)
LASTS: Final = 28
_SEEDS: Final = 1_000_000
"""The thresholds were chosen with lower ones."""
_WARM_UP: Final = 60
"""Days: the longest horizon, and four weeks of baseline after it."""
_YEAR: Final = 365


class Place(NamedTuple):
    """What breaks: a step, in all channels or in the largest one."""

    title: str
    step: int
    channel: int | None


PLACES: Final = (
    Place("lead → qualified", 0, None),
    Place("lead → qualified, in one channel", 0, 0),
    Place("negotiation → won", 4, None),
)


class Quiet(NamedTuple):
    """Alarms of one simulated year without a drop, by rule: notifications and single series."""

    size: str
    notifications: dict[str, int]
    series: dict[str, int]


class Found(NamedTuple):
    """One planted drop. By rule: days from when the first deals that it hit had matured until the
    alarm, and from when it broke; infinite where it was never found."""

    size: str
    place: str
    drop: float
    matured: dict[str, float]
    broke: dict[str, float]


class Task(NamedTuple):
    size: str
    seed: int
    drop: Drop | None = None
    place: str = ""


def tasks(years: dict[str, int], trials: dict[str, int]) -> Iterator[Task]:
    for size, number in years.items():
        for seed in range(number):
            yield Task(size, _SEEDS + seed)
    for size, number in trials.items():
        for place in PLACES:
            for drop in DROPS:
                for trial in range(number):
                    begins = _WARM_UP + 7 + trial % 14
                    planted = Drop(place.step, drop, begins, LASTS, place.channel)
                    yield Task(size, _SEEDS + trial, planted, place.title)


def run(work: Iterable[Task]) -> Iterator[Quiet | Found]:
    """Each task in a process of its own, in order of completion within the batch."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(measure, work, chunksize=4)


def measure(task: Task) -> Quiet | Found:
    if task.drop is None:
        return _quiet(task)
    return _found(task, task.drop)


def _quiet(task: Task) -> Quiet:
    counts = Market(SIZES[task.size], _WARM_UP + _YEAR, task.seed).counts()
    begins = _WARM_UP * HOURS
    fired = {name: alarm(counts) for name, alarm in ALARMS.items()}
    return Quiet(
        task.size,
        {name: alarms(notified(on), begins) for name, on in fired.items()},
        {
            name: alarms(on.total, begins) + alarms(on.channels, begins)
            for name, on in fired.items()
        },
    )


def _found(task: Task, drop: Drop) -> Found:
    days = drop.day + LASTS + HORIZONS[1] + 2
    counts = Market(SIZES[task.size], days, task.seed).counts(drop)
    matured, broke = {}, {}
    for name, alarm in ALARMS.items():
        matured[name], broke[name] = _delays(alarm(counts), drop)
    return Found(task.size, task.place, drop.size, matured, broke)


def _delays(fired: Fired, drop: Drop) -> tuple[float, float]:
    """The soonest of the horizons, each from when its deals had matured; and from the break."""
    step = STEPS.index((drop.step, drop.step + 1))
    channels = (
        fired.channels[step] if drop.channel is None else fired.channels[step][:, [drop.channel]]
    )
    on = fired.total[step] | channels.any(axis=1)
    matured = broke = np.inf
    for place, horizon in enumerate(HORIZONS):
        begins = (drop.day + horizon) * HOURS
        hours = np.flatnonzero(on[place, begins:])
        if len(hours):
            matured = min(matured, float(hours[0]) / HOURS)
            broke = min(broke, float(hours[0]) / HOURS + horizon)
    return matured, broke
