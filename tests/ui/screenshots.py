"""``make screenshots``: the pictures of the page in ``docs/images``, of the tests' company.

``python -m tests.ui.screenshots [FOLDER]``
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import sync_playwright

from tests.ui.browsing import launched
from tests.ui.company import FUNNEL
from tests.ui.systems import company

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
_FUNNEL: Final = {**FUNNEL, "pipelines": {"default": {"title": "Direct sales"}}}
_RATIO: Final = {360: 2.2, 768: 1.35, 1440: 0.72}
"""Height of a picture by width: as much of a page as tells what it is."""
_DEAL: Final = "/deals?kpi=deals_closed&outcome=won&window=7d&pipeline=default"


class Picture(NamedTuple):
    """``address`` empty: the first deal of a list."""

    name: str
    address: str
    width: int
    scheme: Literal["light", "dark"] = "light"


PICTURES: Final = (
    Picture("page-360", "/?window=30d", 360),
    Picture("page-768", "/?window=30d", 768),
    Picture("page-1440", "/?window=30d", 1440),
    Picture("page-dark-1440", "/?window=30d", 1440, "dark"),
    Picture("kpi-1440", "/kpi/win_ratio?window=30d&dimension=channel", 1440),
    Picture("deal-1440", "", 1440),
)


def take(folder: Path) -> Iterator[Path]:
    """Take all pictures; gives each file when it is written."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        company(Path(scratch), _FUNNEL) as worker,
        sync_playwright() as playwright,
    ):
        browser = launched(playwright)
        for picture in PICTURES:
            height = round(picture.width * _RATIO[picture.width])
            context = browser.new_context(
                base_url=worker.address,
                viewport={"width": picture.width, "height": height},
                color_scheme=picture.scheme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            if picture.address:
                page.goto(picture.address)
                # Trends are computed while the first readers look.
                page.wait_for_selector("svg.spark")
            else:
                page.goto(_DEAL)
                page.locator("main tbody th a").first.click()
                page.wait_for_selector("ol.timeline")
            file = folder / f"{picture.name}.png"
            page.screenshot(path=file)
            context.close()
            yield file
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for file in take(folder):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
