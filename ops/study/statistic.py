"""The statistic of the drop alert, in numpy: what the recording rules say in PromQL.

Two samples of one funnel: now (``n`` deals matured, ``x`` of them converted) and its baseline
(``n0``, ``x0``: the same hours of the weeks before). A channel is judged by the two-proportion z;
the total by the same sums over its channels (Cochran 1954, Mantel and Haenszel 1959), so that a
shift of the mix of channels is no drop.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HOURS: Final = 24
WEEKS: Final = 4
CHANNEL_AXIS: Final = -2
CONFIDENCE: Final = 1.96


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
    """``z``: how improbable; ``ratio``: by how many points (0-1) the conversion fell."""

    z: Floats
    ratio: Floats


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
    for week in range(1, WEEKS + 1):
        back = week * 7 * HOURS
        if back < window.shape[-1]:
            found[..., back:] += window[..., :-back]
    return found


def _sums(of: Compared) -> tuple[Floats, Floats, Floats]:
    """Excess of the baseline, its variance, and the weight of both samples."""
    n, x, n0, x0 = of
    both = n + n0
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num((n * x0 - n0 * x) / both)
        variance = np.nan_to_num(n * n0 * (x + x0) * (both - x - x0) / both**3)
        weight = np.nan_to_num(n * n0 / both)
    return excess, variance, weight


def _dropped(excess: Floats, variance: Floats, weight: Floats) -> Dropped:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Dropped(excess / np.sqrt(variance), excess / weight)


def of_channels(of: Compared) -> Dropped:
    return _dropped(*_sums(of))


def of_total(of: Compared) -> Dropped:
    return _dropped(*(part.sum(axis=CHANNEL_AXIS) for part in _sums(of)))


def wilson(x: Floats, n: Floats, sign: int, z: float = CONFIDENCE) -> Floats:
    """The bound of Wilson's interval (1927): ``sign`` -1 the lower, 1 the upper one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / n
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        found: Floats = (p + z * z / (2 * n) + sign * half) / (1 + z * z / n)
    return found
