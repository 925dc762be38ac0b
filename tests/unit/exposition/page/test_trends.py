"""Trends on the page: what they show, and how seldom they are computed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace

import pytest

from funnel_stream.definition.time import Window
from funnel_stream.exposition.page import trends
from funnel_stream.exposition.page.trends import ShownTrend, Trends
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.samples import Scopes
from funnel_stream.windows.tables import Snapshot
from tests.funnels import at, computed, micros, stage
from tests.unit.exposition.page.looks import NOW, PageData, defined, funnel_of_six, look

MONTH, DAY = Window.named("30d"), Window.named("24h")


def values(seen: PageData, kpi: str, *key: str) -> list[float | None]:
    [figure] = [each for each in seen.by_kpi[kpi] if each.key == key]
    assert seen.trend is not None
    return list(seen.trend.values(figure))


# --- what is shown --------------------------------------------------------------------------------


def test_a_figure_bucket_by_bucket() -> None:
    """30 d in days: the first is day 11, the last (day 40) has just begun."""
    seen = look(funnel_of_six())
    assert seen.trend is not None
    assert seen.trend.minutes == 1440
    assert seen.trend.starts[0] * 60_000_000 == micros(days=11)
    assert seen.trend.starts[-1] * 60_000_000 == micros(days=40)
    leads = dict(zip(range(11, 41), values(seen, "leads"), strict=True))
    assert leads == {**dict.fromkeys(range(11, 41), 0), 20: 5}
    closed = dict(zip(range(11, 41), values(seen, "win_ratio"), strict=True))
    assert closed == {**dict.fromkeys(range(11, 41)), 22: 0, 24: 0, 25: 1, 30: 1}


def test_the_course_of_a_figure_is_computed_once() -> None:
    old = [stage(f"old{day}-{n}", "lead", at(days=day)) for day in (-20, 5, 20) for n in range(10)]
    seen = look([*funnel_of_six(), *old])
    [leads] = seen.by_kpi["leads"]
    assert seen.trend is not None
    first = seen.trend.summary(leads)
    assert first.text == "between 0 and 15, 0 at the end"
    assert first.change is not None
    assert first.change.text == "+36.4 %", "15 after 11"
    assert seen.trend.summary(leads) is first
    [wins] = seen.by_kpi["win_ratio"]
    assert seen.trend.summary(wins).text == "between 0.0 % and 100.0 %, 100.0 % at the end"


@pytest.mark.parametrize("window", ["1h", "24h", "7d"])
def test_counts_of_the_buckets_make_the_window_where_they_are_its_panes(window: str) -> None:
    as_of = micros(days=40, hours=12, minutes=30)
    events = [stage(f"d{n}", "lead", at(days=40, hours=12, minutes=30 - n * n)) for n in range(120)]
    seen = look(events, as_of=as_of, window=window)
    [figure] = seen.by_kpi["leads"]
    assert figure.value
    assert sum(value or 0 for value in values(seen, "leads")) == figure.value


def test_the_window_and_the_one_before_are_told_whole() -> None:
    seen = look(funnel_of_six())
    [leads] = seen.by_kpi["leads"]
    assert seen.trend is not None
    assert (seen.trend.whole(leads), seen.trend.before(leads)) == (5, 1)
    [wins] = seen.by_kpi["win_ratio"]
    assert (seen.trend.whole(wins), seen.trend.before(wins)) == (0.5, None)


def test_where_there_is_no_series_nothing_was_counted() -> None:
    """The reason is of this window alone."""
    seen = look(funnel_of_six())
    [figure] = [each for each in seen.by_kpi["lost_deals"] if "offer" in each.key]
    assert seen.trend is not None
    assert seen.trend.before(figure) == 0
    assert set(seen.trend.values(figure)) == {0, 1}


@pytest.mark.parametrize(
    "kpi", ["open_deals", "open_value", "open_age_seconds", "stuck_deals", "pipeline_velocity"]
)
def test_the_present_has_no_past(kpi: str) -> None:
    events = [
        stage("a", "lead", at(days=20), amount=4, currency="EUR"),
        *(stage(f"b{n}", "lead", at(days=20)) for n in range(5)),
        *(stage(f"b{n}", "won", at(days=22), amount=4, currency="EUR") for n in range(5)),
    ]
    seen = look(events, defined(stuck_after={"lead": "7d"}))
    assert seen.by_kpi[kpi]
    for figure in seen.by_kpi[kpi]:
        assert seen.trend is not None
        assert not seen.trend.values(figure)
        assert seen.trend.whole(figure) is None
        assert seen.trend.before(figure) is None
    others = {each.id for each in KPIS if not each.of_now and each.unit != "money a day"}
    assert all(
        len(seen.trend.values(each)) == (0 if each.is_maturing else 30)
        for other in others
        for each in seen.by_kpi[other]
    )


def test_before_the_beginning_there_is_nothing_not_even_none() -> None:
    """The first lead came on day 20; a day without one is a day with none from then on."""
    events = [stage(f"d{n}", "lead", at(days=20 + 2 * n)) for n in range(3)]
    leads = dict(zip(range(11, 41), values(look(events), "leads"), strict=True))
    after = {**dict.fromkeys(range(20, 41), 0), 20: 1, 22: 1, 24: 1}
    assert leads == {**dict.fromkeys(range(11, 20)), **after}
    seen = look([], pipeline="default")
    assert set(values(seen, "leads")[:-1]) == {None}


def test_a_bucket_in_which_the_facts_began_is_not_whole() -> None:
    """Of 365 d a bucket is seven days long, and the first lead came in the midst of one."""
    as_of = micros(days=100)
    events = [stage(f"d{n}", "lead", at(days=n)) for n in range(30, 100)]
    shown = values(look(events, as_of=as_of, window="365d"), "leads")[:-1]
    assert [value for value in shown if value is not None] == [7] * 9


def test_a_window_before_that_is_not_kept_is_unknown() -> None:
    seen = look(funnel_of_six(), window="365d")
    assert seen.trend is not None
    assert {seen.trend.before(figure) for figure in seen.by_kpi["leads"]} == {None}
    assert len(seen.trend.starts) <= 60


# --- how often ------------------------------------------------------------------------------------


class Clock:
    """The time as the trends see it, and a reckoning that takes as long as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.takes = 0.0
        self.computed: list[tuple[str, str, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        monkeypatch.setattr(trends, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(trends, "_computed", self._computed)

    def _computed(
        self, snapshot: Snapshot, places: Scopes, pipeline: str, window: Window
    ) -> ShownTrend:
        assert self.gate.wait(10)
        self.now += self.takes
        self.computed.append((pipeline, window.name, snapshot.version))
        return ShownTrend((len(self.computed),), 1, [], {}, None, 0, None, 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock(monkeypatch)
    yield made
    made.gate.set()


SNAPSHOT = computed(funnel_of_six(), NOW).snapshot


def version(number: int) -> Snapshot:
    return SNAPSHOT._replace(version=number)


Asking = Callable[..., Awaitable[ShownTrend | None]]


def asking() -> Asking:
    kept = Trends()

    async def ask(
        snapshot: Snapshot, window: Window = MONTH, pipeline: str = "default", wait: float = 0.0
    ) -> ShownTrend | None:
        return await kept.of(snapshot, Scopes(snapshot), pipeline, window, wait=wait)

    return ask


async def settled(clock: Clock, number: int) -> None:
    """Until so many reckonings have come to their end."""
    async with asyncio.timeout(30):
        while len(clock.computed) < number:
            await asyncio.sleep(0.001)
    await nothing_more()


async def nothing_more() -> None:
    """A thread that had been begun would have come to its end."""
    for _ in range(3):
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(0.002)


async def test_whoever_comes_first_may_wait(clock: Clock) -> None:
    ask = asking()
    found = await ask(version(1), wait=5.0)
    assert found is not None
    assert found.starts == (1,)


async def test_nobody_waits_longer_than_he_wants(clock: Clock) -> None:
    ask = asking()
    clock.gate.clear()
    assert await ask(version(1)) is None
    assert await ask(version(1), wait=0.01) is None
    clock.gate.set()
    found = await ask(version(1), wait=5.0)
    assert found is not None
    assert clock.computed == [("default", "30d", 1)], "they all waited for the same"


async def test_who_has_a_trend_does_not_wait_for_a_newer_one(clock: Clock) -> None:
    ask = asking()
    first = await ask(version(1), wait=5.0)
    clock.now += 100
    clock.gate.clear()
    async with asyncio.timeout(30):
        assert await ask(version(2), wait=60.0) is first
    clock.gate.set()
    await settled(clock, 2)
    found = await ask(version(2))
    assert found is not None
    assert found.starts == (2,)


async def test_the_same_figures_are_not_computed_twice(clock: Clock) -> None:
    ask = asking()
    first = await ask(version(1), wait=5.0)
    for _ in range(3):
        clock.now += 100
        assert await ask(version(1), wait=5.0) is first
    await nothing_more()
    assert len(clock.computed) == 1


@pytest.mark.parametrize(("takes", "rest"), [(0.0, 2.0), (0.1, 4.0), (1.0, 40.0), (3.0, 120.0)])
async def test_after_reckoning_there_is_a_rest_of_forty_times_as_long(
    clock: Clock, takes: float, rest: float
) -> None:
    """But two seconds at least. Nobody has to look meanwhile."""
    ask = asking()
    clock.takes = takes
    await ask(version(1), wait=5.0)
    ended = clock.now
    clock.now = ended + 0.99 * rest
    await ask(version(2))
    await nothing_more()
    assert len(clock.computed) == 1
    clock.now = ended + 1.01 * rest
    await ask(version(2))
    await settled(clock, 2)


async def test_all_trends_share_the_rest_and_the_oldest_has_its_turn(clock: Clock) -> None:
    """But what nobody has seen yet is kept waiting less."""
    ask = asking()
    clock.takes = 1.0
    assert await ask(version(1), MONTH, wait=5.0)
    assert await ask(version(1), DAY, wait=5.0) is None
    clock.now += 3.9
    assert await ask(version(1), DAY, wait=5.0) is None
    clock.now += 0.2
    assert await ask(version(1), DAY, wait=5.0)
    ended = clock.now
    for now in (ended + 10, ended + 39.9):
        clock.now = now
        await ask(version(2), DAY)
        await ask(version(2), MONTH)
    await nothing_more()
    assert len(clock.computed) == 2
    clock.now = ended + 40.1
    await ask(version(2), DAY)
    await nothing_more()
    assert len(clock.computed) == 2, "the other one is older"
    await ask(version(2), MONTH)
    await settled(clock, 3)
    assert clock.computed[-1] == ("default", "30d", 2)
    await ask(version(2), DAY)
    await nothing_more()
    assert len(clock.computed) == 3, "the rest has begun anew"
    clock.now += 40.1
    await ask(version(2), DAY)
    await settled(clock, 4)
    assert clock.computed[-1] == ("default", "24h", 2)


async def test_a_view_that_was_left_does_not_hold_up_the_others_for_long(clock: Clock) -> None:
    ask = asking()
    assert await ask(version(1), MONTH, wait=5.0)
    clock.now += 1
    assert await ask(version(1), DAY, wait=5.0)
    clock.now += 61
    await ask(version(2), DAY)
    await settled(clock, 3)
    assert clock.computed[-1] == ("default", "24h", 2)


async def test_only_one_is_computed_at_a_time(clock: Clock) -> None:
    """So that the stream shares the interpreter with one thread more at most."""
    ask = asking()
    clock.gate.clear()
    assert await ask(version(1), MONTH) is None
    assert await ask(version(1), DAY) is None
    assert await ask(version(1), DAY, "other") is None
    await asyncio.sleep(0)
    assert len([thread for thread in threading.enumerate() if "asyncio" in thread.name]) <= 1
    clock.gate.set()
    await settled(clock, 3)
    assert set(clock.computed) == {
        ("default", "30d", 1), ("default", "24h", 1), ("other", "24h", 1),
    }  # fmt: skip


async def test_each_view_has_its_own(clock: Clock) -> None:
    ask = asking()
    first = await ask(version(1), MONTH, wait=5.0)
    second = await ask(version(1), DAY, wait=5.0)
    assert first is not second
    assert await ask(version(1), MONTH) is first
    assert await ask(version(1), DAY) is second


async def test_what_nobody_looks_at_is_forgotten(clock: Clock) -> None:
    ask = asking()
    assert await ask(version(1), MONTH, wait=5.0)
    clock.now += 299
    assert await ask(version(1), DAY, wait=5.0)
    assert await ask(version(1), MONTH), "it is kept for five minutes"
    clock.now += 301
    assert await ask(version(2), DAY)
    await settled(clock, 3)
    clock.gate.clear()
    assert await ask(version(1), MONTH) is None
    assert await ask(version(2), DAY), "somebody looked at this one"
    clock.gate.set()


async def test_a_reckoning_that_fails_is_tried_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asking()

    def fails(*arguments: object) -> ShownTrend:
        raise RuntimeError("no luck")

    with monkeypatch.context() as broken:
        broken.setattr(trends, "_computed", fails)
        assert await ask(version(1), wait=5.0) is None
    assert await ask(version(1), wait=5.0) is not None
