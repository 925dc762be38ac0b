"""The alarms of the study, hour by hour: ours, z > 3, a fixed threshold, and week over week.

Each gets the same hourly counts and has the same floor of deals, the same ``for:`` and the same
fair horizons; they differ in what they compare.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from ops.rules.conversions import (
    CHANNEL,
    DAYS,
    FAIR,
    FEWEST_DEALS,
    SMALLEST_DROP,
    TOTAL,
    Level,
)
from ops.study.market import Counts
from ops.study.statistic import (
    HOURS,
    Compared,
    Dropped,
    Floats,
    compared,
    dropped,
    wilson,
)

Bools = npt.NDArray[np.bool_]

QUIET: Final = 24
"""Alarms less than so many hours apart are one."""
BELOW_THRESHOLD: Final = 0.8
"""Of the mean of the first four weeks: where the fixed threshold is set, once."""
BELOW_LAST_WEEK: Final = 0.7
"""Of the same hours a week ago."""


class Fired(NamedTuple):
    """Whether an alarm is on: the total's by steps × horizons × hours, the channels' by steps ×
    horizons × channels × hours."""

    total: Bools
    channels: Bools


Alarm = Callable[[Counts], Fired]


def ours(counts: Counts) -> Fired:
    """The rule that ships: any of its windows."""
    return _any_window(counts, TOTAL, CHANNEL)


def z_above_3(counts: Counts) -> Fired:
    """The same with chance alone: the plain two-proportion z."""
    return _any_window(counts, Level("pipeline", 3, 0), Level("channel", 3, 0))


def _any_window(counts: Counts, of_all: Level, of_one: Level) -> Fired:
    total: list[Bools] = []
    channels: list[Bools] = []
    for days in DAYS.values():
        each = compared(counts.deals, counts.converted, days)
        fair = _fair(each)
        total.append(_rings(of_all, dropped(each, of_all), each.together(), fair))
        channels.append(_rings(of_one, dropped(each, of_one), each, fair[:, :, None]))
    return Fired(_held(np.any(total, axis=0)), _held(np.any(channels, axis=0)))


def _fair(each: Compared) -> Bools:
    whole = each.together()
    rate = _rate(whole.x0, whole.n0)
    best = np.max(np.nan_to_num(rate), axis=1, keepdims=True)
    found: Bools = np.nan_to_num(rate) >= FAIR * best
    return found


def _rings(level: Level, drop: Dropped, of: Compared, fair: Bools) -> Bools:
    with np.errstate(invalid="ignore"):
        found: Bools = (
            (drop.z > level.deviations)
            & (drop.ratio > SMALLEST_DROP)
            & (of.n >= FEWEST_DEALS)
            & (of.n0 >= FEWEST_DEALS)
            & (wilson(of.x, of.n, 1) < wilson(of.x0, of.n0, -1))
            & fair
        )
    return found


def fixed_threshold(counts: Counts) -> Fired:
    """The conversion of a day is below 80 % of what it was in the first four weeks."""

    def below(of: Compared, fair: Bools) -> Bools:
        first = slice(30 * HOURS, 58 * HOURS)  # the longest horizon has matured by then
        usual = _rate(of.x[..., first].sum(-1), of.n[..., first].sum(-1))[..., None]
        return (_rate(of.x, of.n) < BELOW_THRESHOLD * usual) & (of.n >= FEWEST_DEALS) & fair

    return _both(counts, below)


def week_over_week(counts: Counts) -> Fired:
    """The conversion of a day is below 70 % of that of the same hours a week ago."""

    def below(of: Compared, fair: Bools) -> Bools:
        rate = _rate(of.x, of.n)
        before = np.full_like(rate, np.nan)
        before[..., 7 * HOURS :] = rate[..., : -7 * HOURS]
        enough = np.roll(of.n, 7 * HOURS, axis=-1) >= FEWEST_DEALS
        return (rate < BELOW_LAST_WEEK * before) & (of.n >= FEWEST_DEALS) & enough & fair

    return _both(counts, below)


def _both(counts: Counts, below: Callable[[Compared, Bools], Bools]) -> Fired:
    each = compared(counts.deals, counts.converted, 1)
    fair = _fair(each)
    with np.errstate(invalid="ignore"):
        total = below(each.together(), fair)
        return Fired(_held(total), _held(below(each, fair[:, :, None])))


def _rate(x: Floats, n: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = x / n
    return found


def _held(on: Bools) -> Bools:
    """``for: 1h``: still on an hour later."""
    held = on.copy()
    held[..., 1:] &= on[..., :-1]
    held[..., :1] = False
    return held


def alarms(on: Bools, begins: int) -> int:
    """How often an alarm begins from an hour on, over all series."""
    on = on[..., begins:]
    so_far = np.cumsum(on.astype(np.int64), axis=-1)
    before = np.zeros_like(so_far)
    before[..., 1:] = so_far[..., :-1]
    before[..., QUIET + 1 :] -= so_far[..., : -QUIET - 1]
    return int(np.count_nonzero(on & (before == 0)))


def notified(fired: Fired) -> Bools:
    """By step: Alertmanager groups its horizons, its total and its channels into one."""
    found: Bools = np.any(fired.total, axis=1) | np.any(fired.channels, axis=(1, 2))
    return found


ALARMS: Final[dict[str, Alarm]] = {
    "ours": ours,
    "z > 3": z_above_3,
    "fixed threshold": fixed_threshold,
    "week over week": week_over_week,
}
