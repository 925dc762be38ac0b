"""What people stumble over when they look at figures: a page must not tell them what is not so."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from funnel_stream.exposition.page.figures import Figure, chosen
from funnel_stream.exposition.page.trends import Change
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.windows.tables import Snapshot
from tests.cases import case
from tests.funnels import at, computed, event, micros, stage
from tests.unit.exposition.page.looks import PageData, defined, look_at

WINDOWS = ("1h", "24h", "7d", "30d", "60d", "90d", "365d")
BASES = ("matured:1d", "matured:7d", "matured:30d", "cohort", "period")
STEADY = "33-steady-funnel"


def changes(seen: PageData) -> Iterator[tuple[str, str, str, Change]]:
    """All changes that the page would show on any basis: KPI, basis, name and change."""
    assert seen.trend is not None
    for basis, figure in figures(seen):
        if change := seen.trend.summary(figure).change:
            yield figure.kpi.id, basis, figure.name, change


def trends(seen: PageData) -> Iterator[tuple[str, str, str, list[float]]]:
    """All trends that the page would show, without what goes on."""
    assert seen.trend is not None
    for basis, figure in figures(seen):
        values = seen.trend.values(figure)[:-1]
        known = [round(value, 9) for value in values if value is not None]
        yield figure.kpi.id, basis, figure.name, known


def figures(seen: PageData) -> Iterator[tuple[str, Figure]]:
    for basis in BASES:
        for kpi in KPIS:
            for figure in chosen(seen.by_kpi[kpi.id], replace(seen.view, basis=basis)):
                yield basis, figure


def moves(seen: PageData) -> list[tuple[str, str, str, Change]]:
    return [each for each in changes(seen) if each[-1].direction != "same"]


def falls(seen: PageData) -> list[tuple[str, str, str]]:
    """Trends that are lower at their end than they were before."""
    return [
        (kpi, basis, name)
        for kpi, basis, name, values in trends(seen)
        if values and values[-1] < max(values)
    ]


def steady() -> Snapshot:
    return case(STEADY, windows=list(WINDOWS)).snapshot


@pytest.mark.parametrize("window", WINDOWS)
def test_a_steady_funnel_neither_falls_nor_rises(window: str) -> None:
    """A lead a day, each won after 35 days: a cohort of the last 30 days fell by 86 points."""
    seen = look_at(steady(), window=window)
    assert moves(seen) == []
    compared = {(kpi, basis) for kpi, basis, _, _ in changes(seen)}
    if window == "30d":
        assert {("leads", "cohort"), ("deals_closed", "period")} <= compared
        assert {("conversion_ratio", basis) for basis in BASES} - compared == {
            ("conversion_ratio", "cohort")
        }


@pytest.mark.parametrize("window", ["30d", "60d", "90d"])
def test_the_trend_of_a_steady_funnel_does_not_fall_at_its_end(window: str) -> None:
    seen = look_at(steady(), window=window)
    assert len(list(trends(seen))) > 100
    assert falls(seen) == []


@pytest.mark.parametrize("days", [10, 36, 40, 50, 64, 70, 80, 94, 95, 100, 124, 129])
def test_the_beginning_of_a_steady_funnel_is_no_rise(days: int) -> None:
    """While the first deals are on their way, more are won each week; that is the beginning of the
    data, not of better sales."""
    snapshot = case(STEADY, micros(days=60 + days), windows=list(WINDOWS)).snapshot
    assert [moves(look_at(snapshot, window=window)) for window in WINDOWS] == [[] for _ in WINDOWS]


def test_the_default_says_that_deals_are_won_after_the_largest_horizon() -> None:
    seen = look_at(steady(), window="30d")
    assert seen.view.basis == "matured:30d"
    assert seen.won.quantiles["0.5"] > 30 * 86_400


# --- the same with all that a funnel has ----------------------------------------------------------


def rich(days: int) -> Snapshot:
    """A lead an hour, and what becomes of each is always the same, but for every third, which is
    lost."""
    events = []
    for number in range(days * 24):
        day, deal = number / 24, f"d{number}"
        given = {"channel": "web", "score": 50, "amount": 100, "currency": "EUR", "cost": 40}
        events += [
            stage(deal, "lead", at(days=day), first_touch_at=at(days=day - 1), **given),
            event("activity_recorded", deal, at(days=day + 1), activity="call"),
            stage(deal, "qualified", at(days=day + 5)),
            stage(
                deal, "potential", at(days=day + 8), problems=["time"], desired_outcomes=["more"]
            ),
            stage(deal, "offer", at(days=day + 12)),
            stage(deal, "negotiation", at(days=day + 20)),
            event("activity_recorded", deal, at(days=day + 22), activity="negotiation_round"),
            stage(deal, "won" if number % 3 else "lost", at(days=day + 35), lost_reason="price"),
        ]
        spent = event("spend_recorded", "", at(days=day), channel="web")
        del spent["deal_id"]
        events.append({**spent, "amount": 10, "currency": "EUR"})
    return computed(events, micros(days=days), defined(windows=list(WINDOWS))).snapshot


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return rich(160)


@pytest.mark.parametrize("window", WINDOWS)
def test_no_kpi_of_a_steady_funnel_changes(whole: Snapshot, window: str) -> None:
    seen = look_at(whole, window=window)
    assert moves(seen) == []
    if window in ("24h", "7d", "30d"):
        compared = {(kpi, basis) for kpi, basis, _, _ in changes(seen)}
        for kpi in ("leads", "spend", "deals_closed", "win_ratio", "deal_value"):
            assert {(kpi, basis) for basis in BASES} <= compared
        assert ("conversion_ratio", "matured:30d") in compared
    if window in ("30d", "60d", "90d"):  # by the hour every third deal makes waves
        assert falls(seen) == []
