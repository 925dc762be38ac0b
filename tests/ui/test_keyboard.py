"""All of it without a mouse."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import Worker
from tests.ui.browsing import WIDTHS, view
from tests.ui.conftest import Browsing

pytestmark = pytest.mark.ui

MOST_TABS: Final = 400
_FOCUSED: Final = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {
    tag: one.tagName,
    id: one.id,
    name: one.getAttribute("aria-label") ?? one.textContent.trim().slice(0, 60),
    href: one.getAttribute("href") ?? "",
    part: one.closest("[id]")?.id ?? "",
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 2 && box.height > 2 && box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth,
  };
}"""


def tab(page: Page, key: str = "Tab") -> dict[str, Any]:
    page.keyboard.press(key)
    found: dict[str, Any] = page.evaluate(_FOCUSED)
    return found


def tab_to(page: Page, selector: str) -> None:
    """Tab on until that has the focus."""
    for _ in range(MOST_TABS):
        tab(page)
        if page.evaluate("what => document.activeElement.matches(what)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("address", ["/?window=7d", "/kpi/win_ratio", "/deals?kpi=leads&window=7d"])
def test_the_focus_is_seen_wherever_it_goes(
    company: Worker, browse: Browsing, address: str, width: int
) -> None:
    with browse(company.address, width=width) as page:
        page.goto(address)
        stops: list[dict[str, Any]] = []
        while not stops or stops[-1]["tag"] != "BODY":
            stops.append(tab(page))
            assert len(stops) < MOST_TABS
        stops.pop()
        assert not [stop for stop in stops if not stop["outlined"] or not stop["seen"]]
        assert stops[0]["name"] == "Skip to the figures"
        assert stops[-1]["name"] == "/healthz", "through the page to its end"
        reachable = page.locator(
            "main a:visible, main select, main summary:visible, main [tabindex='0']"
        ).count()
        in_main = [stop for stop in stops if stop["name"] != "Skip to the figures"]
        assert len(in_main) >= reachable


def test_skipping_to_the_figures(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/")
        tab(page)
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        assert tab(page)["name"] == "Last 1h"


def test_choosing(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=7d")
        tab_to(page, ".windows a[data-focus='window-24h']")
        page.keyboard.press("Enter")
        page.wait_for_url("**window=24h**")
        assert view(page)["window"] == "24h"
        assert page.evaluate("document.activeElement.dataset.focus") == "window-24h"
        for name, before, after in (
            ("basis", "matured:1d", "matured:7d"),
            ("dimension", "channel", "owner"),
            ("currency", "EUR", None),
        ):
            tab_to(page, f"#choose-{name}")
            assert view(page)[name] == before
            address = page.url
            page.keyboard.press("ArrowDown")
            assert page.url == address, "one key after the other, until it is the right value"
            assert page.locator(".controls button").bounding_box()["width"] > 20, "what to press"
            with page.expect_navigation():
                page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.id") == f"choose-{name}"
            assert view(page)[name] == (after or view(page)[name]) != before


def test_sorting(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?dimension=owner")
        head = page.locator("#breakdown th[data-key='leads']")
        tab_to(page, "#breakdown th[data-key='leads'] a")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", "ascending")
        assert tab(page)["part"] == "breakdown", "and on from there"


def test_from_a_figure_to_a_deal_and_back(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=24h")
        tab_to(page, "#kpi-leads .figure a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/deals?**")
        tab_to(page, "main tbody th a")
        deal = page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        page.wait_for_url("**/deals/**")
        assert page.locator("h1 bdi").text_content() == deal
        tab_to(page, "summary")
        page.keyboard.press("Enter")
        assert page.locator("details[open]").count() == 1
        page.go_back()
        assert page.locator("main tbody th a").first.text_content() == deal
        page.go_back()
        assert view(page)["window"] == "24h"


def test_a_tile_leads_to_its_page(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=24h&dimension=owner")
        tab_to(page, "#kpi-win_ratio h4 a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/kpi/win_ratio?**")
        assert view(page)["dimension"] == "owner"
        tab_to(page, ".scroll")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')")
