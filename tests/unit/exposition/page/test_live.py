"""Live streams: who is told what, and how little of the time rendering takes. The time is the
tests' own, so that a minute of it passes at once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup

from funnel_stream.errors import UsageError
from funnel_stream.exposition.page import live
from funnel_stream.exposition.page.live import Live
from funnel_stream.reporting import Reporter
from funnel_stream.windows.tables import Snapshot
from tests.funnels import computed
from tests.unit.exposition.workers import AS_OF, EVENTS, idle, reporting, starting

SNAPSHOT = computed(EVENTS, AS_OF).snapshot
Event = tuple[str, dict[str, str]]


class World:
    """The time, which passes only when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        monkeypatch.setattr(
            live, "time", SimpleNamespace(monotonic=lambda: self.now, thread_time=lambda: self.now)
        )
        stand_in = SimpleNamespace(**{**vars(asyncio), "sleep": self.sleep})
        monkeypatch.setattr(live, "asyncio", stand_in)

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, waking))
        await waking

    async def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            for _ in range(30):
                await asyncio.sleep(0)
            due = [each for each in self._sleepers if not each[1].done() and each[0] <= end]
            if not due:
                break
            first = min(due, key=lambda each: each[0])
            self._sleepers = [each for each in self._sleepers if each is not first]
            self.now = max(self.now, first[0])
            first[1].set_result(None)
        self.now = end


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


class Page:
    """A page of a few parts that takes its time."""

    def __init__(self, world: World, takes: float = 0.0, **parts: str) -> None:
        self._world = world
        self._takes = takes
        self.fixed = parts
        self.rendered: list[tuple[float, int]] = []
        self.clock = ""

    async def parts(self, snapshot: Snapshot) -> dict[str, str]:
        self.rendered.append((self._world.now, snapshot.version))
        if self._takes:
            await self._world.sleep(self._takes)
        return {**self.fixed, **self.passing(snapshot), "version": str(snapshot.version)}

    def passing(self, snapshot: Snapshot) -> dict[str, str]:
        return {"clock": self.clock} if self.clock else {}


class Reader:
    """One who has the page open, with all that he was told."""

    def __init__(self, events: Any, world: World) -> None:
        self.told: list[Event] = []
        self.at: list[float] = []
        self.first = b""
        self.ended = False
        self._world = world
        self._events = events
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self._events:
            if not self.first:
                self.first = event.body
                continue
            name, data = event.body.decode().removesuffix("\n\n").split("\n")
            text = data.removeprefix("data: ")
            self.told.append((name.removeprefix("event: "), json.loads(text)))
            self.at.append(self._world.now)
        self.ended = True

    @property
    def parts(self) -> list[dict[str, str]]:
        return [data for name, data in self.told if name == "parts"]

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._events.aclose()


Opening = Callable[..., Awaitable[Reader]]


@asynccontextmanager
async def opened(world: World, reporter: Reporter) -> AsyncIterator[Opening]:
    """Opens pages; they are closed at the end."""
    streams, readers = Live(reporter), []

    async def open_page(
        page: Page, address: str = "/", is_elsewhere: Callable[[], bool] = lambda: False
    ) -> Reader:
        reader = Reader(streams.events(address, page, is_elsewhere), world)
        readers.append(reader)
        for _ in range(30):
            await asyncio.sleep(0)
        return reader

    try:
        yield open_page
    finally:
        for reader in readers:
            await reader.leave()


def published(reporter: Reporter, version: int) -> None:
    reporter.publish(SNAPSHOT._replace(version=version))


# --- who is told what -----------------------------------------------------------------------------


async def test_first_come_all_parts_and_then_those_that_have_changed(world: World) -> None:
    reporter, page = reporting(), Page(world, funnel="<b>1</b>", tile="5")
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(1)
        assert reader.first == b"retry: 1000\n\n"
        assert reader.told == [("parts", {"funnel": "<b>1</b>", "tile": "5", "version": "1"})]
        page.fixed = {"funnel": "<b>1</b>", "tile": "6"}
        published(reporter, 2)
        await world.pass_by(1)
        assert reader.told[1:] == [("parts", {"tile": "6", "version": "2"})]


async def test_a_change_is_told_within_a_second(world: World) -> None:
    reporter, page = reporting(), Page(world, takes=0.05)
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(3)
        published(reporter, 2)
        since = world.now
        await world.pass_by(3)
        assert reader.parts[-1] == {"version": "2"}
        assert reader.at[-1] - since < 0.6


async def test_html_of_any_kind_is_one_line(world: World) -> None:
    html = Markup('<p>\n"é" \u2028\U0001f600\r\n\nevent: x</p>')
    reporter = reporting()
    async with opened(world, reporter) as open_page:
        reader = await open_page(Page(world, funnel=html))
        await world.pass_by(1)
        assert reader.parts[0]["funnel"] == str(html)


async def test_readers_of_a_view_share_what_is_rendered(world: World) -> None:
    reporter, page = reporting(), Page(world, takes=0.05, tile="5")
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        first, second = await open_page(page), await open_page(Page(world, never="rendered"))
        await world.pass_by(1)
        assert [version for _, version in page.rendered] == [1]
        assert first.parts == second.parts == [{"tile": "5", "version": "1"}]
        published(reporter, 2)
        await world.pass_by(1)
        assert [version for _, version in page.rendered] == [1, 2]
        assert first.parts[1:] == second.parts[1:] == [{"version": "2"}]


async def test_views_of_other_addresses_are_others(world: World) -> None:
    reporter = reporting()
    async with opened(world, reporter) as open_page:
        first = await open_page(Page(world, tile="5"), "/?window=1h")
        second = await open_page(Page(world, tile="6"), "/?window=7d")
        await world.pass_by(1)
        assert [first.parts[0]["tile"], second.parts[0]["tile"]] == ["5", "6"]


async def test_who_comes_later_is_told_all_as_it_is_then(world: World) -> None:
    """Not as it was rendered before he had loaded the page."""
    reporter, page = reporting(), Page(world, tile="5")
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        first = await open_page(page)
        await world.pass_by(3)
        page.fixed = {"tile": "an hour older"}
        second = await open_page(page)
        await world.pass_by(1)
        assert second.parts == [{"tile": "an hour older", "version": "1"}]
        assert first.parts[1:] == [{"tile": "an hour older"}]


async def test_without_news_a_page_is_told_the_time_and_later_all(world: World) -> None:
    reporter, page = reporting(), Page(world, tile="5")
    page.clock = "12:00:00"
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(0.9)
        page.clock, page.fixed = "12:00:01", {"tile": "a bit older"}
        await world.pass_by(2)
        assert reader.parts[1:] == [{"clock": "12:00:01"}], "that costs nothing"
        assert len(page.rendered) == 1
        await world.pass_by(3)
        assert reader.parts[2:] == [{"tile": "a bit older"}]
        assert len(page.rendered) == 2


async def test_a_reader_of_what_never_changes_hears_that_it_is_alive(world: World) -> None:
    """A browser takes a stream that says nothing for 15 s for dead."""
    reporter = reporting()
    async with opened(world, reporter) as open_page:
        reader = await open_page(Page(world, tile="5"))
        await world.pass_by(60)
        assert reader.told[1] == ("tick", {})
        gaps = [after - before for before, after in pairwise(reader.at)]
        assert 5 <= max(gaps) < 6
        assert len(reader.told) > 9


# --- how little of the time it takes --------------------------------------------------------------


@pytest.mark.parametrize("views", [1, 3, 20])
@pytest.mark.parametrize("takes", [0.02, 0.3])
async def test_rendering_takes_a_fifth_of_the_time_however_many_look(
    world: World, views: int, takes: float
) -> None:
    """With news at every look. All views get their turns, none waits longer than it must."""
    reporter = reporting()
    pages = [Page(world, takes) for _ in range(views)]
    number = 0
    async with opened(world, reporter) as open_page:
        readers = [await open_page(page, f"/{place}") for place, page in enumerate(pages)]
        for number in range(1, 301):
            published(reporter, number)
            await world.pass_by(0.2)
        turns = sum(len(page.rendered) for page in pages)
        assert turns * takes <= 0.2 * 60 + 2 * takes
        each = 5 * takes * views
        assert turns >= 60 / max(5 * takes, 0.5 / views) * 0.7, "and not less than that"
        assert all(len(page.rendered) >= 60 / max(each, 0.5) * 0.7 - 1 for page in pages)
        assert all(len(page.rendered) <= 60 / 0.5 + 1 for page in pages), "nobody reads faster"
        assert all(reader.at[0] - 1000 <= each + 1 for reader in readers)


@pytest.mark.parametrize(("lag", "rendered"), [(5_000, 24), (5_001, 2)])
async def test_while_the_stream_works_off_a_backlog_it_is_hardly_disturbed(
    world: World, lag: int, rendered: int
) -> None:
    """A second of rendering is followed by a rest of 4, or of 99."""
    reporter, page = reporting(), Page(world, takes=0.5)
    reporter.observe_partition(0, lag=lag - 1, rows=1)
    reporter.observe_partition(1, lag=1, rows=1)
    async with opened(world, reporter) as open_page:
        await open_page(page)
        for number in range(1, 59):
            published(reporter, number)
            await world.pass_by(1)
        assert len(page.rendered) == rendered


async def test_who_is_slow_to_read_misses_nothing(world: World) -> None:
    """Two changes of one part, and one of another, while he takes his time over the first."""
    reporter, page = reporting(), Page(world, a="1", b="1")
    published(reporter, 1)
    events = (streams := Live(reporter)).events("/", page, lambda: False)
    async with opened(world, reporter):
        quick = Reader(streams.events("/", page, lambda: False), world)
        first = asyncio.create_task(anext(events))
        await world.pass_by(0.1)
        await first
        told: dict[str, str] = {}
        for number, parts in ((2, {"a": "2"}), (3, {"b": "3"}), (4, {"a": "4"})):
            page.fixed |= parts
            published(reporter, number)
            await world.pass_by(1)
        while told.get("version") != "4":
            following = asyncio.create_task(anext(events))
            await world.pass_by(0.3)
            told |= json.loads((await following).body.decode().split("data: ")[1])
        assert told == {"a": "4", "b": "3", "version": "4"}
        assert quick.parts[-1] == {"a": "4", "version": "4"}
        await events.aclose()
        await quick.leave()


async def test_what_is_rendered_after_a_rest_is_the_newest(world: World) -> None:
    reporter, page = reporting(), Page(world, takes=1.0)
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(1.5)
        published(reporter, 2)
        await world.pass_by(2)
        published(reporter, 3)
        await world.pass_by(3)
        assert reader.parts == [{"version": "1"}, {"version": "3"}]


async def test_readers_do_not_wait_while_a_view_is_rendered(world: World) -> None:
    """It takes four seconds, and rests for 16; the clock goes on."""
    reporter, page = reporting(), Page(world, takes=4.0)
    page.clock = "0"
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(5)
        for second in range(1, 31):
            page.clock = str(second)
            published(reporter, second)
            await world.pass_by(1)
        clocks = Counter(part["clock"] for part in reader.parts if "clock" in part)
        assert len(clocks) > 20


# --- a worker that has no figures -----------------------------------------------------------------


async def test_what_is_waited_for_is_told_once_and_the_figures_when_they_are_there(
    world: World,
) -> None:
    reporter = starting()
    reporter.assigning("recovering 3 partitions")
    async with opened(world, reporter) as open_page:
        reader = await open_page(Page(world, tile="5"))
        await world.pass_by(3)
        assert reader.told == [("waiting", {"reason": "recovering 3 partitions"})]
        reporter.assigning("recovering 1 partition")
        await world.pass_by(3)
        assert reader.told[1:] == [("waiting", {"reason": "recovering 1 partition"})]
        reporter.assigned(owner=True, seconds=1.0)
        reporter.confirm_membership(1e12)
        published(reporter, 7)
        await world.pass_by(1)
        assert reader.told[2:] == [("parts", {"tile": "5", "version": "7"})]


async def test_who_shows_nothing_and_knows_nobody_says_that(world: World) -> None:
    async with opened(world, idle()) as open_page:
        reader = await open_page(Page(world))
        await world.pass_by(1)
        [(name, data)] = reader.told
        assert name == "waiting"
        assert data["reason"].startswith("another worker reports the figures")


async def test_after_a_pause_all_parts_are_told_and_none_from_before(world: World) -> None:
    reporter, page = reporting(), Page(world, takes=0.1, tile="5")
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        reader = await open_page(page)
        await world.pass_by(3)
        reporter.hide("reading the panes")
        await world.pass_by(3)
        published(reporter, 2)
        await world.pass_by(3)
        assert [name for name, _ in reader.told] == ["parts", "waiting", "parts"]
        assert reader.told[1] == ("waiting", {"reason": "reading the panes"})
        assert reader.told[2] == ("parts", {"tile": "5", "version": "2"})


async def test_a_stream_ends_when_another_worker_is_to_be_asked(world: World) -> None:
    elsewhere: list[bool] = []
    reporter = reporting()
    async with opened(world, reporter) as open_page:
        reader = await open_page(Page(world), "/", lambda: bool(elsewhere))
        await world.pass_by(1)
        assert not reader.ended
        reporter.hide("another worker has the panes")
        elsewhere.append(True)
        await world.pass_by(0.5)
        assert reader.ended


async def test_a_view_that_makes_no_sense_any_more_ends(world: World) -> None:
    class Vanished(Page):
        async def parts(self, snapshot: Snapshot) -> dict[str, str]:
            if snapshot.version > 1:
                raise UsageError("there is no pipeline 'x'")
            return await super().parts(snapshot)

    reporter = reporting()
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        readers = [await open_page(Vanished(world)) for _ in range(2)]
        other = await open_page(Page(world), "/other")
        await world.pass_by(1)
        published(reporter, 2)
        await world.pass_by(2)
        assert all(reader.ended for reader in readers)
        assert other.parts[-1] == {"version": "2"}


# --- readers who go -------------------------------------------------------------------------------


async def test_a_view_that_nobody_looks_at_is_forgotten(world: World) -> None:
    reporter, page = reporting(), Page(world, tile="5")
    published(reporter, 1)
    async with opened(world, reporter) as open_page:
        first, second = await open_page(page), await open_page(page)
        await world.pass_by(1)
        await first.leave()
        published(reporter, 2)
        await world.pass_by(1)
        assert second.parts[-1] == {"version": "2"}, "one still looks"
        await second.leave()
        rendered = len(page.rendered)
        published(reporter, 3)
        await world.pass_by(10)
        assert len(page.rendered) == rendered
        third = await open_page(Page(world, tile="anew"))
        await world.pass_by(1)
        assert third.parts == [{"tile": "anew", "version": "3"}]


async def test_who_goes_while_his_page_waits_for_its_turn_holds_up_nobody(world: World) -> None:
    reporter = reporting()
    async with opened(world, reporter) as open_page:
        await open_page(Page(world, takes=1.0), "/slow")
        await world.pass_by(1.2)
        page = Page(world)
        going = await open_page(page, "/going")
        await world.pass_by(1)
        await going.leave()
        staying = await open_page(Page(world, tile="5"), "/staying")
        await world.pass_by(20)
        assert staying.parts[0]["tile"] == "5"
        assert going.parts == []
        assert page.rendered == [], "for nobody"
