"""Quantiles of durations lie within 2 % of the exact ones of the samples; a single one is exact."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.definition import Definition
from funnel_stream.facts.measures import (
    CELLS,
    GROWTH,
    DurationMeasure,
    HistogramCells,
    histogram_value,
)
from funnel_stream.kpis.durations import at_ranks
from tests.funnels import START, computed, event, figure, figures, stage

Events = list[dict[str, Any]]
BOUND = 0.02
YEAR_US = 365 * 86_400_000_000
ONE_WINDOW = Definition(dimensions=(), windows=("24h",))

durations = st.one_of(
    st.just(0),
    st.integers(1, 50),
    st.integers(0, 3_600_000_000),
    st.integers(0, YEAR_US),
    st.integers(20 * YEAR_US, 30 * YEAR_US),
)
"""Microseconds; from none at all to decades, for a first touch may be long ago."""

END = START + timedelta(hours=1)


def before(duration: int) -> str:
    return (END - timedelta(microseconds=duration)).isoformat()


def lead_acquisition(deal: str, duration: int) -> Events:
    return [stage(deal, "lead", END.isoformat(), first_touch_at=before(duration))]


def offer_preparation(deal: str, duration: int) -> Events:
    return [stage(deal, "offer", END.isoformat(), offer_requested_at=before(duration))]


def negotiation(deal: str, duration: int) -> Events:
    return [
        stage(deal, "negotiation", before(duration), event_id=f"{deal} 1"),
        stage(deal, "won", END.isoformat(), event_id=f"{deal} 2"),
    ]


def time_to_close(deal: str, duration: int) -> Events:
    return [stage(deal, "lead", before(duration)), stage(deal, "lost", END.isoformat())]


def stay(deal: str, duration: int) -> Events:
    return [stage(deal, "potential", before(duration)), stage(deal, "offer", END.isoformat())]


@pytest.mark.parametrize(
    ("metric", "labels", "events_of"),
    [
        ("funnel_lead_acquisition_seconds", {}, lead_acquisition),
        ("funnel_offer_preparation_seconds", {}, offer_preparation),
        ("funnel_negotiation_seconds", {}, negotiation),
        ("funnel_time_to_close_seconds", {"outcome": "lost"}, time_to_close),
        ("funnel_stage_duration_seconds", {"stage": "potential"}, stay),
    ],
)
@settings(max_examples=40)
@given(lengths=st.lists(durations, min_size=1, max_size=12))
def test_quantiles_are_within_the_stated_bound(
    metric: str,
    labels: dict[str, str],
    events_of: Callable[[str, int], Events],
    lengths: list[int],
) -> None:
    events = [each for n, length in enumerate(lengths) for each in events_of(f"d{n}", length)]
    found = figures(computed(events, definition=ONE_WINDOW))

    def shown(suffix: str, **more: str) -> float:
        place = {"pipeline": "default", "window": "24h"}
        return found[metric + suffix, frozenset((place | labels | more).items())]

    for quantile, rank in ((0.5, ceil(len(lengths) / 2)), (0.9, ceil(9 * len(lengths) / 10))):
        exact = sorted(lengths)[rank - 1] / 1e6
        found_at = shown("_quantile", quantile=str(quantile))
        assert abs(found_at - exact) <= BOUND * exact
        assert min(lengths) / 1e6 <= found_at * (1 + 1e-12)
        assert found_at <= max(lengths) / 1e6 * (1 + 1e-12)
        assert len(lengths) > 1 or found_at == exact
    assert shown("_count") == len(lengths)
    assert shown("_sum") == sum(lengths) / 1e6
    assert shown("") == pytest.approx(sum(lengths) / 1e6 / len(lengths), rel=1e-12)


@given(
    of_cell=st.lists(st.tuples(st.integers(0, 700), st.integers(-1, 1)), min_size=1, max_size=30),
    equal=st.tuples(durations, st.integers(1, 30)),
)
def test_no_quantile_is_far_from_its_sample_or_beyond_all_of_them(
    of_cell: list[tuple[int, int]], equal: tuple[int, int]
) -> None:
    """Durations at the edges of their cells and many equal ones leave the bounds no room."""
    cells = HistogramCells(DurationMeasure(name="tested"), "")
    edges = [max(0, round(GROWTH**index) + off) for index, off in of_cell]
    sizes = sorted([*edges, *[equal[0]] * equal[1]])
    counted = sorted(Counter(histogram_value(CELLS[cells.of(size)][2]) for size in sizes).items())
    every = at_ranks(counted, range(1, len(sizes) + 1), len(sizes), sum(sizes))
    for size, found in zip(sizes, every, strict=True):
        assert abs(found - size) <= BOUND * size * (1 + 1e-9)
        assert sizes[0] * (1 - 1e-9) <= found <= sizes[-1] * (1 + 1e-9)


def test_there_is_no_sample_of_a_negative_duration() -> None:
    touched_later = stage("d", "lead", START.isoformat(), first_touch_at=END.isoformat())
    result = computed([touched_later, event("deal_updated", "d", END.isoformat())])
    assert figure(result, "funnel_lead_acquisition_seconds_count") == 0
    assert figure(result, "funnel_lead_acquisition_seconds") is None
    assert figure(result, "funnel_lead_acquisition_seconds_quantile", quantile="0.5") is None
