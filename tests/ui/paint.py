"""How soon a page is there."""

from playwright.sync_api import APIResponse, Page, Route

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


def paints_alone(page: Page, address: str) -> list[float]:
    """The same with every answer given from memory: what a paint takes this browser, on this
    machine, beside all that runs now."""
    known: dict[str, APIResponse] = {}

    def answer(route: Route) -> None:
        url = route.request.url
        if route.request.resource_type == "eventsource":
            route.fulfill(content_type="text/event-stream", body="retry: 3600000\n\n")
            return
        if url not in known:
            known[url] = route.fetch()
        route.fulfill(response=known[url])

    page.route("**/*", answer)
    page.goto(address)
    paints = first_paints(page, address)
    page.unroute("**/*")
    return paints


def allowed(most: float, alone: float) -> float:
    """Seconds for a paint: so many, or three times what it takes the browser alone if that is
    more, since a busy machine says nothing of the page."""
    return max(most, 3 * alone)
