"""Confidence intervals of proportions seen in few trials."""

from math import sqrt
from statistics import NormalDist
from typing import Final

_Z: Final = NormalDist().inv_cdf(0.975)
"""95 % of a normal distribution lie within so many standard deviations of its mean."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion, as ratios of 0–1: its lower and its upper bound.

    The score interval: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) ÷ (1 + z²/n), with p = successes ÷
    trials and n = trials (E. B. Wilson, Probable inference, the law of succession, and statistical
    inference, JASA 22, 1927). Unlike p ± z·√(p(1−p)/n) it holds for few trials, and for none or all
    of them succeeding. Raises ``ValueError`` where it is not a proportion.
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} of {trials} is not a proportion")
    share, doubt = successes / trials, _Z * _Z / trials
    middle = share + doubt / 2
    spread = _Z * sqrt(share * (1 - share) / trials + doubt / (4 * trials))
    lower, upper = (middle - spread) / (1 + doubt), (middle + spread) / (1 + doubt)
    return (lower if successes else 0.0), (upper if successes < trials else 1.0)
