"""The interval of a proportion, held against published and elementary values."""

from math import isclose

import pytest

from funnel_stream.kpis.intervals import wilson


@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    [
        # Newcombe 1998 (Statistics in Medicine 17), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # nothing seen but one: 1 ÷ (1 + z²) and its complement
        (1, 1, 0.2065, 1.0),
        (0, 1, 0.0, 0.7935),
    ],
)
def test_bounds(successes: int, trials: int, lower: float, upper: float) -> None:
    found = wilson(successes, trials)
    assert [round(bound, 4) for bound in found] == [lower, upper]


def test_what_is_certain_is_a_bound_exactly() -> None:
    for trials in range(1, 200):
        assert wilson(0, trials)[0] == 0
        assert wilson(trials, trials)[1] == 1


def test_failures_mirror_successes() -> None:
    for successes in range(41):
        lower, upper = wilson(successes, 40)
        mirrored = wilson(40 - successes, 40)
        assert isclose(lower, 1 - mirrored[1], abs_tol=1e-12)
        assert isclose(upper, 1 - mirrored[0], abs_tol=1e-12)
        assert lower <= successes / 40 <= upper


def test_more_trials_are_surer() -> None:
    widths = [upper - lower for lower, upper in (wilson(n // 4, n) for n in (4, 40, 400, 4000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_no_proportion_has_no_interval(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} of {trials} is not a proportion"):
        wilson(successes, trials)
