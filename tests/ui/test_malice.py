"""Names that somebody chose to do harm are text, everywhere, and fit."""

from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from funnel_stream.kpis.catalogue import KPIS
from tests.integration.processes import Worker
from tests.ui.browsing import WIDE
from tests.ui.company import LONG, MALICE, NAMES, PIPELINES, deal_ids
from tests.ui.conftest import Browsing

pytestmark = pytest.mark.ui

NARROW = 360
_ELEMENTS = """() => [...document.querySelectorAll("main script, main img, main iframe, [onerror]")]
  .map(one => one.outerHTML)"""
_WIDER = """() => [...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.right > innerWidth + 1 && !one.closest(".scroll, .visually-hidden, .skip");
}).map(one => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 40)}`).slice(0, 5)"""


def harmless(page: Page) -> None:
    """Nothing that was named became an element, and nothing stands out of the page."""
    assert page.evaluate(_ELEMENTS) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, page.evaluate(
        _WIDER
    )


def names_in(page: Page, selector: str) -> set[str]:
    return set(page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)"))


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page(company: Worker, browse: Browsing, width: int) -> None:
    with browse(company.address, width=width) as page:
        page.goto("/?window=24h&dimension=channel")
        harmless(page)
        # By hand: the address is made by the form, not by the test.
        page.locator("#choose-pipeline").select_option(MALICE)
        page.wait_for_url("**pipeline=%3Cscript%3E**")
        assert page.locator("h1 bdi").text_content() == MALICE
        harmless(page)
        shown = names_in(page, "#breakdown tbody th bdi")
        # White space is cleaned before a value is cut.
        expected = {" ".join(name.split())[:120].strip() for name in NAMES}
        expected -= {"__none__", "__other__"}
        assert expected <= {name.strip() for name in shown}
        for pipeline in PIPELINES[1:]:
            page.locator("#choose-pipeline").select_option(pipeline[:120])
            expect(page.locator("h1 bdi")).to_have_text(pipeline[:120].strip())
            harmless(page)


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_of_every_kpi(company: Worker, browse: Browsing, width: int) -> None:
    with browse(company.address, width=width) as page:
        for kpi in KPIS:
            query = {"pipeline": MALICE, "window": "24h", "dimension": "channel"}
            page.goto(f"/kpi/{kpi.id}?" + urlencode(query))
            harmless(page)


def test_links_to_deals_lead_there(company: Worker, browse: Browsing) -> None:
    """From every line of the breakdown to its deal, and on to the deal's page."""
    with browse(company.address, width=NARROW) as page:
        asked = {"pipeline": MALICE, "window": "24h", "dimension": "channel", "basis": "cohort"}
        query = urlencode(asked)
        page.goto(f"/?{query}")
        lines = page.locator("#breakdown tbody tr").count()
        found = set()
        for number in range(lines):
            page.goto(f"/?{query}")
            row = page.locator("#breakdown tbody tr").nth(number)
            name = row.get_attribute("data-key")
            link = row.locator("td a").first
            if not link.count():
                assert name == "__other__", "only the rest of all has no deals to show"
                continue
            link.click()
            page.wait_for_url("**/deals?**")
            harmless(page)
            deals = page.locator("main tbody th a")
            assert deals.count(), f"the deal of {name!r}"
            deal = deals.first.text_content()
            deals.first.click()
            page.wait_for_url("**/deals/**")
            assert page.locator("h1 bdi").text_content() == deal
            harmless(page)
            found.add(deal)
        assert len(found) >= len(NAMES) - 3


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_of_every_deal(company: Worker, browse: Browsing, width: int) -> None:
    """Found in the list of leads, and opened from there."""
    with browse(company.address, width=width) as page:
        page.goto("/deals?" + urlencode({"kpi": "leads", "pipeline": MALICE, "window": "365d"}))
        harmless(page)
        assert names_in(page, "main tbody th bdi") == set(deal_ids())
        links = page.eval_on_selector_all(
            "main tbody th a", "all => all.map(one => one.getAttribute('href'))"
        )
        assert len(links) == len(NAMES)
        seen = set()
        for link in links:
            page.goto(link)
            harmless(page)
            seen.add(page.locator("h1 bdi").text_content())
            text = page.locator("main").text_content() or ""
            deal = page.locator("h1 bdi").text_content() or ""
            full = LONG if deal == LONG[:128] else deal
            assert text.count(full.strip()) >= 2, "its attributes, too"
        assert seen == set(deal_ids())


def test_reasons(company: Worker, browse: Browsing) -> None:
    """Of lost deals: in the drawing and on the KPI's page."""
    with browse(company.address, width=NARROW) as page:
        for pipeline in PIPELINES[1:]:
            query = urlencode({"pipeline": pipeline[:120], "window": "24h"})
            page.goto(f"/?{query}")
            reason = page.locator("#funnel .lost .reasons bdi").first
            assert (reason.text_content() or "").strip() == pipeline[:120].strip()
            harmless(page)
            page.locator("#funnel .lost .reasons a").first.click()
            page.wait_for_url("**/deals?**")
            harmless(page)
            assert page.locator("main tbody th a").count() == 1


def test_addresses_that_nobody_would_write(company: Worker, browse: Browsing) -> None:
    """What stands in the address comes back as text."""
    with browse(company.address, width=NARROW, tolerant=True) as page:
        for name in NAMES:
            for path in ("/", "/deals", "/kpi/leads"):
                page.goto(
                    f"{path}?" + urlencode({"pipeline": name + "!", "kpi": name, "window": name})
                )
                harmless(page)
            page.goto("/deals/" + quote(f"{name}!", safe=""))
            harmless(page)
        for path in ("/kpi/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/deals/%FF%FE", "/?window=%FF"):
            page.goto(path)
            harmless(page)
