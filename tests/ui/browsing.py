"""A browser for tests: pages, and everything that goes wrong in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.programs import binary

_QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS: Final = 60_000
"""How long to wait for what will come: longer than it takes on any machine."""
WIDE: Final = 1440
WIDTHS: Final = (360, 768, WIDE)


def launched(playwright: Playwright) -> Browser:
    """Chromium without a window; by preference the one that cannot have any: the same engine, at
    half the cost, since it keeps no browser's own pages beside those that are looked at."""
    path = binary("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return playwright.chromium.launch(executable_path=path, args=list(_QUIET))


class Watch:
    """What was wrong with the pages of a browser's context, so that a test can say: nothing.

    ``tolerant``: answers that are errors, and none at all, are part of the story.
    """

    def __init__(self, context: BrowserContext, address: str, *, tolerant: bool) -> None:
        self.problems: list[str] = []
        self._host = urlsplit(address).netloc
        self._tolerant = tolerant
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        context.on("request", lambda request: self._asked(request.url))
        context.on("dialog", self._interrupted)

    def _said(self, kind: str, text: str) -> None:
        if self._tolerant and text.startswith("Failed to load resource:"):
            return
        if kind in ("error", "warning"):
            self.problems.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != self._host:
            self.problems.append(f"a request to another host: {url}")

    def _interrupted(self, dialog: Any) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def browsing(
    browser: Browser, address: str, *, width: int = WIDE, tolerant: bool = False, **options: Any
) -> Iterator[Page]:
    """A page of a fresh context, whose addresses are relative to a worker's; when the block ends
    nothing must have gone wrong in it."""
    context = browser.new_context(
        base_url=address, viewport={"width": width, "height": 900}, **options
    )
    context.set_default_timeout(PATIENCE_MS)
    watch = Watch(context, address, tolerant=tolerant)
    try:
        page = context.new_page()
        yield page
        assert not watch.problems, watch.problems
    finally:
        context.close()


def view(page: Page) -> dict[str, str]:
    """What the selectors of a page show."""
    chosen: dict[str, str] = page.eval_on_selector_all(
        "form.controls select", "all => Object.fromEntries(all.map(one => [one.name, one.value]))"
    )
    return {**chosen, "window": page.locator(".windows [aria-current]").inner_text().split()[-1]}
