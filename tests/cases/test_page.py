"""What people stumble over when they look at figures: a page must not tell them what is not so."""

from collections.abc import Iterator

import pytest

from funnel_stream.catalogue import KPIS
from funnel_stream.exposition.page.figures import chosen
from funnel_stream.exposition.page.trends import Change
from funnel_stream.windows import Snapshot
from tests.cases import case
from tests.funnels import at, computed, event, micros, stage
from tests.unit.exposition.page.looks import Look, defined, look_at

WINDOWS = ("1h", "24h", "7d", "30d", "60d", "90d", "365d")
BASES = ("matured:1d", "matured:7d", "matured:30d", "cohort", "period")
STEADY = "33-steady-funnel"


def changes(seen: Look) -> Iterator[tuple[str, str, Change]]:
    """All changes that the page would show, wherever it shows them."""
    assert seen.trend is not None
    for kpi in KPIS:
        for figure in chosen(seen.by_kpi[kpi.id], seen.view):
            if change := seen.trend.course(figure).change:
                yield kpi.id, figure.name, change


def falls(values: list[float]) -> bool:
    """Whether a trend is lower at its end than it was before."""
    return bool(values) and values[-1] < max(values)


def ended(seen: Look) -> Iterator[tuple[str, str, list[float]]]:
    """The trends, without what goes on."""
    assert seen.trend is not None
    for kpi in KPIS:
        for figure in chosen(seen.by_kpi[kpi.id], seen.view):
            values = seen.trend.values(figure)[:-1]
            yield kpi.id, figure.name, [value for value in values if value is not None]


def steady() -> Snapshot:
    return case(STEADY, windows=list(WINDOWS)).snapshot


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_steady_funnel_neither_falls_nor_rises(window: str, basis: str) -> None:
    """A lead a day, each won after 35 days: a cohort of the last 30 days fell by 86 points."""
    seen = look_at(steady(), window=window, basis=basis)
    shown = {name: change for *name_of, change in changes(seen) if (name := tuple(name_of))}
    assert {name: each for name, each in shown.items() if each.direction != "same"} == {}
    if window == "30d":
        assert ("leads", "") in shown, "it is compared"
        assert ("deals_closed", "won") in shown


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("window", ["30d", "60d", "90d"])
def test_the_trend_of_a_steady_funnel_does_not_fall_at_its_end(window: str, basis: str) -> None:
    trends = list(ended(look_at(steady(), window=window, basis=basis)))
    assert len(trends) > 20
    assert [(kpi, name) for kpi, name, values in trends if falls(values)] == []


@pytest.mark.parametrize("days", [10, 36, 40, 50, 64, 70, 80, 94, 95, 100, 124, 129])
def test_the_beginning_of_a_steady_funnel_is_no_rise(days: int) -> None:
    """While the first deals are on their way, more are won each week; that is the beginning of the
    data, not of better sales."""
    snapshot = case(STEADY, micros(days=60 + days), windows=list(WINDOWS)).snapshot
    for window in WINDOWS:
        for basis in BASES:
            found = list(changes(look_at(snapshot, window=window, basis=basis)))
            assert [each for each in found if each[-1].direction != "same"] == [], window


def test_the_default_says_that_deals_are_won_after_the_largest_horizon() -> None:
    seen = look_at(steady(), window="30d")
    assert seen.view.basis == "matured:30d"
    assert seen.won.quantiles["0.5"] > 30 * 86_400


# --- the same with all that a funnel has ----------------------------------------------------------


def rich(days: int) -> Snapshot:
    """Twelve leads a day, and what becomes of each is always the same, but for every third, which
    is lost; all on the minute."""
    events = []
    for number in range(days * 12):
        day, deal = number / 12, f"d{number}"
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
        if number % 12 == 0:
            spent = event("spend_recorded", "", at(days=day), channel="web")
            del spent["deal_id"]
            events.append({**spent, "amount": 10, "currency": "EUR"})
    return computed(events, micros(days=days), defined(windows=list(WINDOWS))).snapshot


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return rich(160)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("window", WINDOWS)
def test_no_kpi_of_a_steady_funnel_changes(whole: Snapshot, window: str, basis: str) -> None:
    seen = look_at(whole, window=window, basis=basis)
    shown = {(kpi, name): each for kpi, name, each in changes(seen)}
    assert {name: each for name, each in shown.items() if each.direction != "same"} == {}
    if window in ("24h", "7d", "30d"):
        of = {kpi for kpi, _ in shown}
        assert {"leads", "spend", "deals_closed", "win_ratio", "deal_value"} <= of
        assert ("conversion_ratio" in of) == (basis != "cohort")
    for kpi, name, values in ended(seen):
        assert not falls([round(value, 9) for value in values][-14:]), (kpi, name)
