"""The statistic of the drop alert, in numpy: what the recording rules say in PromQL.

Two samples of one funnel: now (``n`` deals matured, ``x`` of them converted) and its baseline
(``n0``, ``x0``: the same hours of the weeks before). A channel is judged by the two-proportion z;
the total by the same sums over its channels (Cochran 1954, Mantel and Haenszel 1959), so that a
shift of the mix of channels is no drop.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from ops.rules.conversions import CHANNEL, CONFIDENCE, Level
from ops.rules.rule import WEEKS

Floats = npt.NDArray[np.float64]

HOURS: Final = 24
CHANNEL_AXIS: Final = -2


class Compared(NamedTuple):
    """Now and baseline; any shape."""

    n: Floats
    x: Floats
    n0: Floats
    x0: Floats

    def together(self) -> "Compared":
        """All channels as one."""
        return Compared(*(part.sum(axis=CHANNEL_AXIS) for part in self))


class Dropped(NamedTuple):
    """``ratio``: by how many points (0-1) the conversion fell; ``z``: how improbable that is by
    chance and the variation of the rate."""

    ratio: Floats
    z: Floats


def compared(deals: Floats, converted: Floats, days: int) -> Compared:
    """The last ``days`` at every hour, and the same hours one to four weeks before, as far as the
    series reach back."""
    n, x = _window(deals, days * HOURS), _window(converted, days * HOURS)
    return Compared(n, x, _weeks_before(n), _weeks_before(x))


def _window(hourly: Floats, hours: int) -> Floats:
    summed = np.cumsum(hourly, axis=-1)
    found: Floats = summed.copy()
    found[..., hours:] -= summed[..., :-hours]
    return found


def _weeks_before(window: Floats) -> Floats:
    found = np.zeros_like(window)
    for week in WEEKS:
        back = week * 7 * HOURS
        if back < window.shape[-1]:
            found[..., back:] += window[..., :-back]
    return found


class Sums(NamedTuple):
    """What channels are added up by."""

    excess: Floats
    variance: Floats
    weight: Floats


def _sums(of: Compared) -> Sums:
    n, x, n0, x0 = of
    both = n + n0
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num((n * x0 - n0 * x) / both)
        variance = np.nan_to_num(n * n0 * (x + x0) * (both - x - x0) / both**3)
        weight = np.nan_to_num(n * n0 / both)
    return Sums(excess, variance, weight)


def dropped(of: Compared, level: Level) -> Dropped:
    """The drop of each channel, or that of the total."""
    sums, whole = _sums(of), of
    if level.name != CHANNEL.name:
        sums, whole = Sums(*(part.sum(axis=CHANNEL_AXIS) for part in sums)), of.together()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sums.excess / sums.weight
        chance = sums.variance / sums.weight**2
        varied = (level.variation * whole.x0 / whole.n0) ** 2 * (1 + whole.n / whole.n0)
        return Dropped(ratio, ratio / np.sqrt(chance + varied))


def wilson(x: Floats, n: Floats, sign: int, z: float = CONFIDENCE) -> Floats:
    """The bound of Wilson's interval (1927): ``sign`` -1 the lower, 1 the upper one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / n
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        found: Floats = (p + z * z / (2 * n) + sign * half) / (1 + z * z / n)
    return found
