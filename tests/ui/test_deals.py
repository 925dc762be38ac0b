"""From a figure to its deals, to a deal, and back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import Worker
from tests.ui.browsing import view
from tests.ui.conftest import Browsing
from tests.ui.series import drawn, shown

pytestmark = pytest.mark.ui


def adds(page: Page) -> list[float]:
    """What the deals of a page add to the figure."""
    heads = page.locator("main table thead th").all_inner_texts()
    column = heads.index("adds")
    cells = page.eval_on_selector_all(
        "main table tbody tr", f"all => all.map(row => row.children[{column}].textContent)"
    )
    return [float(re.sub(r"[^\d.\-−]", "", text).replace("−", "-")) for text in cells]


def to_the_end(page: Page) -> tuple[list[str], list[float]]:
    """The deals of all pages, and what they add."""
    deals, added = [], []
    while True:
        deals += page.locator("main tbody th").all_inner_texts()
        added += adds(page)
        following = page.get_by_role("link", name="Next deals")
        if not following.count():
            return deals, added
        before = page.url
        following.click()
        page.wait_for_url(lambda url, before=before: url != before)


def test_all_pages_of_deals_make_up_the_figure(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=7d&dimension=channel")
        [leads] = [each.value for each in shown(page) if each.series[0] == "funnel_leads"]
        assert leads > 100, "it takes several pages"
        page.locator("#kpi-leads .figure a").click()
        page.wait_for_url("**/deals?**")
        deals, added = to_the_end(page)
        assert len(deals) == len(set(deals)) == leads
        assert sum(added) == leads
        page.get_by_role("link", name="First page").click()
        expect(page.get_by_role("link", name="First page")).to_have_count(0)
        assert page.locator("main tbody th").all_inner_texts() == deals[: len(added)][:50]


def test_stages_of_the_drawing_lead_to_their_deals(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=7d&basis=cohort")
        counts = drawn(page)
        for stage in ("qualified", "won"):
            page.goto("/?window=7d&basis=cohort")
            page.locator(f'#funnel td[data-stage="{stage}"] a').click()
            page.wait_for_url("**/deals?**")
            deals, added = to_the_end(page)
            assert sum(added) == counts[stage]
            assert len(set(deals)) == counts[stage]


def test_money_and_one_value_of_a_dimension(company: Worker, browse: Browsing) -> None:
    """The deals behind a cell of the breakdown add up to it."""
    with browse(company.address) as page:
        page.goto("/kpi/deals_closed?window=30d&dimension=channel&currency=EUR")
        row = page.locator("#breakdown tbody tr").first
        figure = float(row.locator("data").first.get_attribute("value") or "nan")
        channel = row.locator("th").inner_text()
        row.locator("td a").first.click()
        page.wait_for_url("**/deals?**")
        assert channel in page.locator("h1").inner_text()
        _, added = to_the_end(page)
        assert sum(added) == figure


def test_a_deal_and_back(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=24h&dimension=owner")
        seen = view(page)
        page.locator("#kpi-leads .figure a").click()
        page.wait_for_url("**/deals?**")
        link = page.locator("main tbody th a").first
        deal = link.inner_text()
        link.click()
        page.wait_for_url("**/deals/**")
        assert page.locator("h1 bdi").inner_text() == deal
        for heading in ("The journey", "What follows from it", "Where it counts"):
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        assert page.locator("ol.timeline > li").count()
        counts = page.locator("a[href^='/kpi/leads']")
        expect(counts.first).to_be_visible()
        page.go_back()
        expect(page.locator("main tbody th a").first).to_have_text(deal)
        page.go_back()
        assert view(page) == seen


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/deals?kpi=nothing", 400, "there is no KPI"),
        ("/deals", 400, "which figure is meant?"),
        ("/deals?kpi=spend&window=30d", 400, "money is spent on channels"),
        ("/deals/nobody", 404, "nobody"),
    ],
)
def test_what_cannot_be_shown_is_explained(
    company: Worker, browse: Browsing, address: str, status: int, says: str
) -> None:
    with browse(company.address, tolerant=True) as page:
        answer = page.goto(address)
        assert answer
        assert answer.status == status
        assert says in page.locator("main").inner_text()
        page.get_by_role("link", name="All figures").first.click()
        expect(page.locator("#funnel")).to_be_visible()
