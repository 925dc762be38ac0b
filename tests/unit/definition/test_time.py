"""Windows and panes: one thing said in several ways is the same thing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.definition.time import (
    DAY,
    HOUR,
    MINUTE_US,
    RETENTION,
    Span,
    Window,
    has_matured,
    latest,
    oldest_kept,
    pane_of,
    panes_kept,
)

WINDOWS = st.sampled_from(["1m", "1h", "2h", "3h", "24h", "7d", "35d", "36d", "400d"])
MINUTES = st.integers(0, 60 * DAY)


@given(WINDOWS, MINUTES, st.integers(-500 * DAY, 2 * DAY), st.booleans())
def test_a_fact_counts_in_a_window_as_long_as_it_stays(
    name: str, now: int, since: int, matured: bool
) -> None:
    window, minute = Window.named(name), max(0, now + since)
    enters, leaves = window.stay(minute, matured=matured)
    span = window.at(now)
    counts = span.first <= pane_of(minute, window.pane, matured) <= span.last
    assert counts == (minute in window.holds(now, matured=matured))
    # In its own pane a fact counts from the pane's beginning on: nothing is known before it is.
    assert counts == (enters <= now < leaves)


@given(WINDOWS, MINUTES)
def test_a_window_ends_with_the_pane_in_progress(name: str, now: int) -> None:
    window = Window.named(name)
    span = window.at(now)
    assert now in range(span.ends - window.pane, span.ends)
    assert span.ends - span.begins == window.minutes == len(window.holds(now))
    assert window.passed(now * MINUTE_US) == (now - span.begins) / DAY
    assert 0 < window.minutes - (now - span.begins) <= window.pane


@given(MINUTES, st.sampled_from([*RETENTION]), st.booleans())
def test_a_fact_lies_in_one_pane(minute: int, size: int, matured: bool) -> None:
    pane = pane_of(minute, size, matured)
    span = Span(size, pane, pane)
    if matured:
        assert span.begins - size < minute <= span.begins
    else:
        assert span.begins <= minute < span.ends
    columns = pane_of(np.array([minute]), size, np.array([matured]))
    assert columns.tolist() == [pane]


@given(WINDOWS, st.integers(2 * 400 * DAY, 3 * 400 * DAY), st.integers(1, 60))
def test_a_course_covers_the_window_and_compares_like_with_like(
    name: str, now: int, most: int
) -> None:
    window = Window.named(name)
    buckets, whole, before = window.trend_spans(now, most)
    assert 1 <= len(buckets) <= most
    assert now in range(buckets[-1].begins, buckets[-1].ends)
    assert all(one.ends == other.begins for one, other in pairwise(buckets))
    assert len({one.ends - one.begins for one in buckets}) == 1
    assert whole.size == before.size == buckets[0].size
    assert whole.ends <= now < whole.ends + whole.size
    assert whole.begins - before.begins == whole.ends - before.ends == window.minutes
    kept = window.kept()
    assert kept[window.pane] >= window.panes
    assert set(kept) == {window.pane, whole.size}


@pytest.mark.parametrize(
    ("name", "judges", "kept"),
    [
        ("1h", False, {1: 120}),
        ("23h", False, {HOUR: 46}),
        ("24h", True, {HOUR: 48}),
        ("30d", True, {HOUR: 720, DAY: 60}),
        ("365d", True, {DAY: 365}),
    ],
)
def test_what_a_window_needs(name: str, judges: bool, kept: dict[int, int]) -> None:
    """Panes for the window before, too, where they may be kept so long."""
    window = Window.named(name)
    assert (window.judges, window.kept()) == (judges, kept)


SPANS = st.builds(Span, st.just(HOUR), st.integers(0, 9), st.integers(-1, 9))


@given(SPANS, SPANS)
def test_what_a_span_has_without_another_one(span: Span, other: Span) -> None:
    """What leaves a window that moves, and what enters it: any panes, however it moves."""
    held, others = (set(range(one.first, one.last + 1)) for one in (span, other))
    assert bool(span) == bool(held)
    assert span.overlaps(other) == bool(held & others)
    parts = span.without(other)
    assert all(part and part.size == HOUR for part in parts)
    panes = [pane for part in parts for pane in range(part.first, part.last + 1)]
    assert panes == sorted(held - others)
    every = np.arange(-1, 11)
    assert span.covers(every).tolist() == [pane in held for pane in every.tolist()]


@given(st.integers(1, 500), st.sampled_from([*RETENTION]), st.integers(0, 1000 * DAY))
def test_the_latest_panes_end_with_the_one_in_progress(panes: int, size: int, now: int) -> None:
    span = latest(panes, size, now)
    assert span.size == size
    assert now in range(span.ends - size, span.ends)
    assert span.ends - span.begins == panes * size


def test_matured_facts_lie_on_the_panes_of_windows_that_judge() -> None:
    windows = [Window.named(name) for name in ("1h", "2h", "3h", "23h", "24h", "35d", "36d")]
    assert all(has_matured(window.pane) for window in windows if window.judges)
    assert {size: has_matured(size) for size in RETENTION} == {1: False, HOUR: True, DAY: True}


def test_panes_are_kept_for_the_window_that_needs_most() -> None:
    windows = [Window.named(name) for name in ("1h", "24h", "7d", "30d")]
    assert panes_kept(windows) == {1: 120, HOUR: 720, DAY: 60}
    assert panes_kept(windows[:2]) == {1: 120, HOUR: 48}
    assert panes_kept([]) == {}
    now = 1000 * DAY + 12 * HOUR + 34
    assert oldest_kept(windows, now) == (1000 - 59) * DAY
    assert oldest_kept(windows[:1], now) == now - 119
