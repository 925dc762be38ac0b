"""The systems that the tests look at, and a browser to look at them."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.conftest import start_broker, start_worker, started
from tests.integration.processes import Worker
from tests.summary import MEASURED
from tests.ui import systems
from tests.ui.browsing import PATIENCE_MS, browsing, launched

__all__ = ["start_broker", "start_worker", "started"]

AXE = Path(__file__).parents[2] / "build" / "ui" / "node_modules" / "axe-core" / "axe.min.js"

Tell = Callable[[str], None]
"""Keeps a line for the end of the run: what was measured."""
Browsing = Callable[..., AbstractContextManager[Page]]
"""``browse(address, **options)``: a page to look at."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Only as long as these tests run: it has an event loop of its own, beside which tests of
    # coroutines cannot run.
    with sync_playwright() as playwright:
        chromium = launched(playwright)
        expect.set_options(timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def browse(browser: Browser) -> Browsing:
    return partial(browsing, browser)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    return partial(record_property, MEASURED)


@pytest.fixture(scope="package")
def axe() -> str:
    """The source of axe-core."""
    if not AXE.exists():
        reason = "needs axe-core; `make test-ui` fetches it with npm (Debian: npm)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="package")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that has all of the company's history and gets nothing more."""
    with systems.company(tmp_path_factory.mktemp("company")) as worker:
        yield worker
