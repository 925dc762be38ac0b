"""Where no script may run all is there, and stands."""

import pytest

from tests.integration.processes import Worker
from tests.ui.browsing import view
from tests.ui.conftest import Browsing
from tests.ui.series import shown, told

pytestmark = pytest.mark.ui


def test_choosing_and_sorting(company: Worker, browse: Browsing) -> None:
    with browse(company.address, java_script_enabled=False) as page:
        page.goto("/?window=7d&dimension=owner")
        for name, value in (("pipeline", "partner"), ("basis", "period"), ("currency", "USD")):
            page.locator(f"#choose-{name}").select_option(value)
        page.locator("#choose-dimension").select_option("product")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**pipeline=partner**")
        expected = {
            "pipeline": "partner",
            "window": "7d",
            "basis": "period",
            "dimension": "product",
            "currency": "USD",
        }
        assert {name: value for name, value in view(page).items() if name in expected} == expected
        page.get_by_role("link", name="Last 30d", exact=True).click()
        page.wait_for_url("**window=30d**")
        figures = told(company, {**expected, "window": "30d"})
        everything = shown(page)
        assert len(everything) > 60
        for figure in everything:
            assert figures[figure.series] == figure.value
        page.locator("#breakdown th[data-key='leads'] a").click()
        page.wait_for_url("**order=asc**")
        assert page.locator("#breakdown th[aria-sort='ascending']").count() == 1


def test_deals(company: Worker, browse: Browsing) -> None:
    with browse(company.address, java_script_enabled=False) as page:
        page.goto("/?window=7d")
        page.locator("#kpi-leads .figure a").click()
        page.wait_for_url("**/deals?**")
        page.get_by_role("link", name="Next deals").click()
        page.wait_for_url("**after=**")
        page.locator("main tbody th a").first.click()
        page.wait_for_url("**/deals/**")
        assert page.locator("ol.timeline > li").count()
        page.locator("summary").first.click()
        assert page.locator("details[open] table").is_visible()
