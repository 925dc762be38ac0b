"""How soon a page is there."""

from playwright.sync_api import Page

_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime"""
LOADS = 5


def first_paints(page: Page, address: str) -> list[float]:
    """Seconds from the request to the first contentful paint, of some loads one after the other."""
    found = []
    for _ in range(LOADS):
        page.goto(address)
        painted = page.wait_for_function(_PAINT).json_value()
        assert page.locator("#funnel td.count").count() == 6, "figures, not an excuse"
        found.append(painted / 1000)
    return found
