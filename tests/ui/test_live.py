"""A page that is looked at for long: it becomes what a fresh one is, through outages and restarts,
and rests while nobody sees it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from funnel_stream.definition import Definition
from funnel_stream.reporting import monotonic
from tests.funnels import computed
from tests.integration.processes import Broker, Process, Worker, wait_until
from tests.ui import company as companies
from tests.ui.browsing import view
from tests.ui.conftest import Browsing
from tests.ui.series import shown, told
from tests.ui.systems import again, leads, send, serving
from tests.unit.exposition.workers import AS_OF, EVENTS, idle, starting

pytestmark = pytest.mark.ui

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  Object.defineProperty(document, "visibilityState", {
    configurable: true, get: () => hidden ? "hidden" : "visible",
  });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_CONTENT = """() => {
  const copy = document.getElementById("live").cloneNode(true);
  copy.querySelector("#service")?.remove();
  for (const one of copy.querySelectorAll(".changed")) {
    one.classList.remove("changed");
    if (!one.classList.length) one.removeAttribute("class");
  }
  return copy.innerHTML.replace(/\\s+/g, " ").replace(/> </g, "><");
}"""


def shows(page: Page, address: str) -> bool:
    """Open the page; whether there are figures by now."""
    answer = page.goto(address)
    return answer is not None and answer.status == 200


def leads_on(page: Page) -> float:
    return float(page.locator("#kpi-leads data").get_attribute("value") or "nan")


def difference(one: str, other: str) -> str:
    """Where two texts part, with what stands around it."""
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    around = slice(max(0, at - 200), at + 200)
    return f"{one[around]}\n--- instead of ---\n{other[around]}"


def wait_leads(page: Page, number: int) -> None:
    """Until the page shows so many."""
    page.wait_for_function(
        "number => Number(document.querySelector('#kpi-leads data')?.value) === number",
        arg=number,
    )


@pytest.mark.parametrize("path", ["/", "/kpi/lost_deals", "/kpi/conversion_ratio"])
def test_a_page_becomes_what_a_fresh_one_is(
    start_broker: Callable[..., Broker],
    start_worker: Callable[..., Worker],
    browse: Browsing,
    path: str,
) -> None:
    """Lines come and go and change places: element by element it is the page of a later reader."""
    broker = start_broker()
    worker = start_worker(broker, "--clock", "event")
    history = companies.history()
    half = len(history) // 40
    send(history[:half], broker.address)
    worker.wait_consumed(half)
    worker.wait_until(worker.reports, "the first figures")
    with browse(worker.address) as lived, browse(worker.address) as fresh:
        address = f"{path}?window=30d&dimension=owner&pipeline=default&currency=EUR&sort=leads"
        assert shows(lived, address)
        before = lived.evaluate(_CONTENT)
        lived.evaluate("window.mark = document.querySelector('#breakdown h2')")
        send(history[half:], broker.address)
        worker.wait_consumed(len(history))

        def same() -> bool:
            fresh.goto(address)
            content = fresh.evaluate(_CONTENT)
            return bool(content != before and content == lived.evaluate(_CONTENT))

        try:
            wait_until(same, "the page to be what a fresh one is")
        except AssertionError as error:
            error.add_note(difference(lived.evaluate(_CONTENT), fresh.evaluate(_CONTENT)))
            raise
        assert lived.evaluate("window.mark.isConnected"), "it was not loaded anew"


def test_figures_on_the_clock_on_the_wall(
    start_broker: Callable[..., Broker], start_worker: Callable[..., Worker], browse: Browsing
) -> None:
    """What moves with the clock lies between what the API says before and after."""
    broker = start_broker()
    worker = start_worker(broker)
    send(leads(range(40), channel="web"), broker.address)
    worker.wait_consumed(40)
    worker.wait_until(worker.reports, "the first figures")
    # Without a stream: its ages are some seconds old, which is as it should be.
    with browse(worker.address, java_script_enabled=False) as page:
        wait_until(lambda: shows(page, "/?window=1h") and leads_on(page) == 40, "40 leads")
        seen = view(page)
        moved = 0
        # The figures are made twice a second: some readings lie between two of them.
        for _ in range(30):
            earlier = told(worker, seen)
            page.goto("/?window=1h")
            figures = shown(page)
            later = told(worker, seen)
            assert len(figures) > 30
            for figure in figures:
                ends = sorted((earlier[figure.series], later[figure.series]))
                assert ends[0] <= figure.value <= ends[1], figure
                moved += ends[0] < ends[1]
            if moved:
                break
        assert moved, "the age of open deals grows"


def test_the_broker_goes_and_returns(
    start_broker: Callable[..., Broker], start_worker: Callable[..., Worker], browse: Browsing
) -> None:
    broker = start_broker()
    worker = start_worker(broker)
    send(leads(range(5)), broker.address)
    worker.wait_ready()
    with browse(worker.address, tolerant=True) as page:
        wait_until(lambda: shows(page, "/?window=1h"), "the first figures")
        wait_leads(page, 5)
        page.evaluate("window.mark = 1")
        broker.down()
        banner = page.locator("#connection")
        expect(banner).to_have_text(re.compile("no complete figures right now"))
        expect(banner).to_be_visible()
        assert worker.get("/readyz")[0] == 503, "what it says is true"
        assert leads_on(page) == 5, "the last figures stay"
        assert page.locator("#state time").inner_text() in banner.inner_text()
        broker.up()
        send(leads(range(5, 8)), broker.address)
        wait_leads(page, 8)
        expect(banner).to_be_empty()
        assert page.evaluate("window.mark"), "it was not loaded anew"


def test_the_worker_is_killed_and_started_again(
    start_broker: Callable[..., Broker],
    start_worker: Callable[..., Worker],
    started: list[Process],
    tmp_path: Path,
    browse: Browsing,
) -> None:
    broker = start_broker()
    worker = start_worker(broker)
    send(leads(range(5)), broker.address)
    worker.wait_ready()
    with browse(worker.address, tolerant=True) as page:
        wait_until(lambda: shows(page, "/?window=1h"), "the first figures")
        wait_leads(page, 5)
        page.evaluate("window.mark = 1")
        worker.kill9()
        banner = page.locator("#connection")
        expect(banner).to_contain_text("Connection lost")
        assert leads_on(page) == 5, "the last figures stay"
        send(leads(range(5, 8)), broker.address)
        started.append(again(tmp_path, broker, worker))
        wait_leads(page, 8)
        expect(banner).to_be_empty()
        assert page.evaluate("window.mark"), "it was not loaded anew"


def test_a_faded_highlight_leaves_nothing_behind(company: Worker, browse: Browsing) -> None:
    with browse(company.address, reduced_motion="reduce") as page:
        page.goto("/")
        page.evaluate("document.querySelector('#kpi-leads data').classList.add('changed')")
        page.wait_for_function("!document.querySelector('#kpi-leads data').hasAttribute('class')")


def test_a_hidden_page_rests(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        streams: list[Request] = []
        ended: list[Request] = []
        page.on("request", lambda each: streams.append(each) if _is_stream(each) else None)
        page.on("requestfailed", lambda each: ended.append(each) if _is_stream(each) else None)
        page.on("requestfinished", lambda each: ended.append(each) if _is_stream(each) else None)
        with page.expect_response(lambda answer: _is_stream(answer.request)):
            page.goto("/")
        assert len(streams) == 1
        with page.expect_event("requestfailed", _is_stream):
            page.evaluate(HIDE, True)
        assert [*streams] == ended
        with page.expect_response(lambda answer: _is_stream(answer.request)):
            page.evaluate(HIDE, False)
        assert len(streams) == 2
        assert len(ended) == 1
        page.evaluate(HIDE, False)
        page.evaluate(HIDE, False)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert len(streams) == 2, "one page has one stream"


def test_a_page_that_was_opened_hidden_waits(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.add_init_script(f"({HIDE})(true)")
        streams: list[Request] = []
        page.on("request", lambda each: streams.append(each) if _is_stream(each) else None)
        page.goto("/")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert streams == []
        with page.expect_response(lambda answer: _is_stream(answer.request)):
            page.evaluate(HIDE, False)


def _is_stream(request: Request) -> bool:
    return request.resource_type == "eventsource"


def test_who_waits_sees_the_figures_come(browse: Browsing) -> None:
    """A page that is opened while the worker still reads its state."""
    reporter = starting()
    with serving(reporter) as address, browse(address, tolerant=True) as page:
        answer = page.goto("/?window=24h")
        assert answer
        assert answer.status == 503
        expect(page.locator("h1")).to_have_text("The figures are on their way")
        assert reporter.ready()[1] in page.locator("#reason").inner_text()
        reporter.assigned(owner=True, seconds=0.5)
        reporter.confirm_membership(monotonic())
        reporter.publish(computed(EVENTS, AS_OF, Definition()).snapshot)
        expect(page.locator("#funnel")).to_be_visible()
        assert view(page)["window"] == "24h"


def test_one_of_several_workers_says_so(browse: Browsing) -> None:
    """Recovered, but another one reports and has not told its address."""
    with serving(idle()) as address, browse(address, tolerant=True) as page:
        answer = page.goto("/")
        assert answer
        assert answer.status == 503
        expect(page.locator("h1")).to_have_text("Another worker reports the figures")
        assert "FUNNEL_ADVERTISED_URL" in page.locator("main").inner_text()


def test_two_workers_show_one_funnel(
    start_broker: Callable[..., Broker], start_worker: Callable[..., Worker], browse: Browsing
) -> None:
    broker = start_broker()
    workers = [start_worker(broker), start_worker(broker)]
    wait_until(lambda: all(worker.ready() for worker in workers), "both to be ready")
    send(leads(range(12)), broker.address)
    reporter = wait_until(lambda: next((w for w in workers if w.reports()), None), "a reporter")
    (other,) = (worker for worker in workers if worker is not reporter)
    with (
        browse(reporter.address, tolerant=True) as first,
        browse(other.address, tolerant=True) as second,
    ):
        for page in (first, second):
            wait_until(lambda page=page: shows(page, "/?window=1h"), "the figures")
            wait_leads(page, 12)
        send(leads(range(12, 15)), broker.address)
        for page in (first, second):
            wait_leads(page, 15)
        reporter.kill9()
        expect(second.locator("#connection")).not_to_be_empty()
        send(leads(range(15, 17)), broker.address)
        wait_leads(second, 17)
        expect(second.locator("#connection")).to_be_empty()
