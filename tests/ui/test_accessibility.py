"""Pages that everybody can use: axe-core has nothing to say, in both colours and at every width."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import Worker
from tests.ui.browsing import WIDTHS
from tests.ui.company import MALICE, NAMES
from tests.ui.conftest import Browsing
from tests.ui.systems import serving
from tests.unit.exposition.workers import reporting, starting

pytestmark = pytest.mark.ui

PAGES: Final = {
    "home": "/",
    "home, nothing in it": "/?window=1h&pipeline=partner&basis=matured:7d",
    "home, bad names": "/?" + urlencode({"pipeline": MALICE, "window": "24h"}),
    "kpi": "/kpi/win_ratio?window=30d",
    "kpi, many series": "/kpi/conversion_ratio?window=30d&dimension=owner",
    "kpi without a breakdown": "/kpi/spend?dimension=owner",
    "deals": "/deals?kpi=leads&window=30d",
    "deals of one value": "/deals?kpi=win_ratio&window=30d&dimension=channel&value=email",
    "deals, none": "/deals?kpi=leads&window=30d&dimension=channel&value=nothing",
    "deal": "/deals/" + quote(NAMES[0], safe=""),
}
ERRORS: Final = {
    "wrong window": "/?window=2h",
    "wrong question": "/deals?kpi=nothing",
    "no such deal": "/deals/nobody",
    "no such kpi": "/kpi/nothing",
}
_RUN: Final = """() => axe.run(document, {resultTypes: ["violations"]}).then(found =>
  found.violations.map(each => `${each.id}: ${each.help}: ` +
    each.nodes.slice(0, 3).map(node => `${node.html} (${node.failureSummary})`).join(" | ")))"""


@contextmanager
def looking(browse: Browsing, address: str, axe: str, **options: Any) -> Iterator[Page]:
    """A page that axe-core is in, whatever is opened. (A script of the browser's own: the page
    lets in none but its own.)"""
    with browse(address, reduced_motion="reduce", **options) as page:
        page.add_init_script(axe)
        yield page


def found_in(page: Page) -> dict[str, list[str]]:
    """What axe-core finds in the page, at each width and in both colours."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if violations := page.evaluate(_RUN):
                found[f"{width} px, {scheme}"] = violations
    return found


@pytest.mark.parametrize("name", PAGES)
def test_pages(company: Worker, browse: Browsing, axe: str, name: str) -> None:
    with looking(browse, company.address, axe) as page:
        answer = page.goto(PAGES[name])
        assert answer
        assert answer.status == 200
        assert found_in(page) == {}


@pytest.mark.parametrize("name", ERRORS)
def test_pages_that_say_what_is_wrong(
    company: Worker, browse: Browsing, axe: str, name: str
) -> None:
    with looking(browse, company.address, axe, tolerant=True) as page:
        answer = page.goto(ERRORS[name])
        assert answer
        assert answer.status >= 400
        assert found_in(page) == {}


def test_a_page_that_waits(browse: Browsing, axe: str) -> None:
    with (
        serving(starting()) as address,
        looking(browse, address, axe, tolerant=True) as page,
    ):
        page.goto("/")
        assert found_in(page) == {}


def test_a_page_whose_worker_is_gone(browse: Browsing, axe: str) -> None:
    with ExitStack() as worker:
        address = worker.enter_context(serving(reporting()))
        with looking(browse, address, axe, tolerant=True) as page:
            page.goto("/")
            worker.close()
            expect(page.locator("#connection")).to_contain_text("Connection lost")
            assert found_in(page) == {}


def test_axe_would_notice(company: Worker, browse: Browsing, axe: str) -> None:
    with looking(browse, company.address, axe) as page:
        page.goto("/")
        page.evaluate(
            "document.querySelector('#choose-basis').closest('label').replaceWith("
            "document.querySelector('#choose-basis'))"
        )
        assert [text for text in page.evaluate(_RUN) if text.startswith("select-name")]


def test_who_wants_no_motion_sees_none(company: Worker, browse: Browsing) -> None:
    duration = "getComputedStyle(document.querySelector('#kpi-leads data')).animationDuration"
    seconds = {}
    for motion in ("reduce", "no-preference"):
        with browse(company.address, reduced_motion=motion) as page:
            page.goto("/")
            page.evaluate("document.querySelector('#kpi-leads data').classList.add('changed')")
            seconds[motion] = float(page.evaluate(duration).removesuffix("s"))
    assert seconds["reduce"] <= 0.01 < seconds["no-preference"]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit(company: Worker, browse: Browsing, width: int) -> None:
    """Only tables that say so are wider than the page."""
    with browse(company.address, width=width, tolerant=True) as page:
        for address in (*PAGES.values(), *ERRORS.values()):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
