"""What stands on the pages is what the API says."""

from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from funnel_stream.kpis.catalogue import KPIS
from tests.funnels import STAGES
from tests.integration.processes import Figures, Worker
from tests.ui.browsing import view
from tests.ui.company import MALICE
from tests.ui.conftest import Browsing
from tests.ui.series import (
    BY_ID,
    broken_down,
    drawn,
    shown,
    stages_of,
    sum_of,
    told,
    totals,
)

pytestmark = pytest.mark.ui

VIEWS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"window": "24h", "basis": "period", "dimension": "owner", "currency": "USD"},
    {"window": "7d", "basis": "matured:7d", "dimension": "product", "currency": "PLN"},
    {"window": "1h", "basis": "cohort", "dimension": "source"},
    {"window": "365d", "basis": "matured:30d", "dimension": "channel+product", "currency": "JPY"},
    {"pipeline": "partner", "window": "30d", "basis": "period", "dimension": "channel"},
    {"pipeline": MALICE, "window": "24h", "dimension": "channel", "currency": "EUR"},
)


@pytest.mark.parametrize("asked", VIEWS, ids=lambda asked: urlencode(asked) or "default")
def test_the_page_shows_what_the_api_says(
    company: Worker, browse: Browsing, asked: dict[str, str]
) -> None:
    with browse(company.address) as page:
        page.goto(f"/?{urlencode(asked)}")
        seen = view(page)
        assert asked.items() <= seen.items()
        figures = told(company, seen)

        for kpi in KPIS:
            tile = page.locator(f"#kpi-{kpi.id}")
            assert tile.locator("h4").inner_text() == kpi.title
            assert kpi.help == tile.locator(".help").first.inner_text()
            units = tile.locator(".unit, .unit-name").all_inner_texts()
            unit = kpi.unit.replace("money", seen["currency"])
            assert any(text.startswith(unit) for text in units), (kpi.id, units)
        _assert_all_shown(page, figures, seen)
        _assert_broken_down(page, figures, seen)

        stages = stages_of(figures, seen)
        assert drawn(page) == {stage: stages.get(stage, 0.0) for stage in STAGES[:-1]}


def _assert_all_shown(page: Page, figures: Figures, seen: dict[str, str]) -> None:
    """Each figure on the page is the API's, and each of the API's that is not nothing is there."""
    everything = shown(page)
    for figure in everything:
        assert figures[figure.series] == figure.value
        assert figure.is_written_right(), figure
    on_page = {figure.series for figure in everything}
    for kpi in KPIS:
        expected = totals(figures, kpi, seen)
        assert {series for series, value in expected.items() if value} <= on_page, kpi.id
        in_tile = {figure.series for figure in everything if figure.series[0] == kpi.metric}
        assert in_tile <= expected.keys(), kpi.id


def _assert_broken_down(page: Page, figures: Figures, seen: dict[str, str]) -> None:
    """Every cell of the breakdown table, and a line for every value that has leads."""
    keys = page.eval_on_selector_all(
        "table.breakdown thead th[data-key]", "all => all.map(one => one.dataset.key)"
    )
    assert keys
    lines = page.eval_on_selector_all(
        "table.breakdown tbody tr",
        "all => all.map(one => [one.dataset.key,"
        " [...one.querySelectorAll('data')].map(cell => cell.value)])",
    )
    values = set()
    for key, cells in lines:
        values.add(key)
        for column, cell in zip(keys, cells, strict=True):
            name, *labels = column.split(".")
            found = broken_down(figures, BY_ID[name], seen)
            expected = sum_of(found, labels, key)
            assert (float(cell) if cell else None) == expected, (key, column)
    leads = broken_down(figures, BY_ID["leads"], seen)
    if "leads" in keys:
        assert {dict(labels)["value"] for (_, labels), value in leads.items() if value} <= values


@pytest.mark.parametrize("asked", VIEWS[:3], ids=lambda asked: urlencode(asked) or "default")
def test_the_page_of_every_kpi_shows_all_of_it(
    company: Worker, browse: Browsing, asked: dict[str, str]
) -> None:
    with browse(company.address) as page:
        page.goto(f"/?{urlencode(asked)}")
        seen = view(page)
        figures = told(company, seen)
        compared = 0
        for kpi in KPIS:
            page.goto(f"/kpi/{kpi.id}?{urlencode(seen)}")
            assert page.locator("h1").inner_text() == kpi.title
            assert page.locator(".lead").inner_text() == kpi.help
            assert kpi.unit in page.locator(".facts").inner_text()
            assert kpi.formula in page.locator(".facts").inner_text()
            everything = shown(page)
            for figure in everything:
                assert figures[figure.series] == figure.value
                assert figure.is_written_right(), figure
            expected = totals(figures, kpi, seen)
            on_page = {figure.series for figure in everything}
            assert {series for series, value in expected.items() if value} <= on_page
            compared += len(everything)
        assert compared > 200
