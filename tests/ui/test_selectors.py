"""Choosing: selectors, the order of the breakdown, addresses that say it all, and the way back."""

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.integration.processes import Worker
from tests.ui.browsing import view
from tests.ui.company import MALICE
from tests.ui.conftest import Browsing

pytestmark = pytest.mark.ui

EVERYTHING: Final = {
    "pipeline": "partner",
    "window": "7d",
    "basis": "matured:7d",
    "dimension": "owner",
    "currency": "PLN",
    "sort": "leads",
    "order": "asc",
}


def asked(page: Page) -> dict[str, str]:
    """The parameters of the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def chosen(page: Page, **expected: str) -> None:
    """Wait until the selectors show that, and see that the address says the same."""
    for name, value in expected.items():
        if name == "window":
            expect(page.locator(".windows [aria-current]")).to_have_text(f"Last {value}")
        else:
            expect(page.locator(f"#choose-{name}")).to_have_value(value)
        assert asked(page)[name] == value


CHOICES: Final = [
    ("pipeline", "partner"),
    ("pipeline", MALICE),
    ("basis", "period"),
    ("basis", "matured:7d"),
    ("dimension", "owner"),
    ("dimension", "channel+product"),
    ("currency", "USD"),
]


@pytest.mark.parametrize("path", ["/", "/kpi/deal_value"])
@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_a_choice_changes_that_and_nothing_else(
    company: Worker, browse: Browsing, path: str, name: str, value: str
) -> None:
    start = {"pipeline": "default", "window": "365d", "basis": "cohort", "dimension": "channel"}
    with browse(company.address) as page:
        page.goto(f"{path}?{urlencode(start)}")
        before = view(page)
        assert before[name] != value
        page.locator(f"#choose-{name}").select_option(value)
        page.wait_for_url(lambda url: urlencode({name: value}) in url)
        chosen(page, **{name: value})
        after = view(page)
        assert urlsplit(page.url).path == path
        if name == "pipeline":  # which need not have the same currencies
            before["currency"] = after["currency"]
        assert after == {**before, name: value}
        assert page.evaluate("document.activeElement.id") == f"choose-{name}", "the focus"


@pytest.mark.parametrize("path", ["/", "/kpi/win_ratio"])
def test_windows_are_links(company: Worker, browse: Browsing, path: str) -> None:
    with browse(company.address) as page:
        page.goto(f"{path}?{urlencode({'dimension': 'owner', 'basis': 'period'})}")
        for window in ("1h", "24h", "7d", "365d", "30d"):
            page.get_by_role("link", name=f"Last {window}", exact=True).click()
            chosen(page, window=window, dimension="owner", basis="period")


def test_an_address_says_it_all(company: Worker, browse: Browsing) -> None:
    """A link that somebody is sent shows what the sender saw."""
    with browse(company.address) as sender:
        sender.goto("/")
        for name in ("pipeline", "basis", "dimension", "currency"):
            sender.locator(f"#choose-{name}").select_option(EVERYTHING[name])
            sender.wait_for_url(lambda url, name=name: f"{name}=" in url)
            chosen(sender, **{name: EVERYTHING[name]})
        sender.get_by_role("link", name="Last 7d", exact=True).click()
        chosen(sender, window="7d")
        for order in ("descending", "ascending"):
            sender.locator('#breakdown th[data-key="leads"] a').click()
            expect(sender.locator('#breakdown th[data-key="leads"]')).to_have_attribute(
                "aria-sort", "descending" if order == "ascending" else "ascending"
            )
            if asked(sender).get("order") == "asc":
                break
        address, seen = sender.url, sender.locator("#live").inner_text()
        assert asked(sender) == EVERYTHING
    with browse(company.address) as receiver:
        receiver.goto(address)
        assert {**view(receiver), "sort": "leads", "order": "asc"} == EVERYTHING
        # But for what belongs to the moment.
        shown = receiver.locator("#live").inner_text()
        assert shown.split("The service")[0] == seen.split("The service")[0]


def order_of(page: Page) -> list[tuple[str, float | None]]:
    """The lines of the breakdown with the value of the column that orders them."""
    rows = page.eval_on_selector_all(
        "#breakdown tbody tr",
        """all => {
          const heads = [...document.querySelectorAll("#breakdown thead th[data-key]")];
          const at = heads.findIndex(head => head.hasAttribute("aria-sort"));
          return all.map(row => [row.dataset.key, row.querySelectorAll("data")[at].value]);
        }""",
    )
    return [(key, float(value) if value else None) for key, value in rows]


@pytest.mark.parametrize(
    ("path", "dimension", "key"),
    [
        ("/", "owner", "leads"),
        ("/", "product", "win_ratio"),
        ("/", "channel", "cost_per_lead"),
        ("/", "owner", "open_deals"),
        ("/kpi/conversion_ratio", "owner", "conversion_ratio.lead.won.matured.30d"),
    ],
)
def test_every_order_leaves_the_rest_at_the_end(
    company: Worker, browse: Browsing, path: str, dimension: str, key: str
) -> None:
    with browse(company.address) as page:
        page.goto(f"{path}?{urlencode({'dimension': dimension, 'sort': key})}")
        if "cost" in key:
            key = page.eval_on_selector_all(
                "#breakdown th[data-key]",
                "all => all.map(one => one.dataset.key).find(key => key.startsWith('cost'))",
            )
            page.locator(f'#breakdown th[data-key="{key}"] a').click()
        head = page.locator(f'#breakdown th[data-key="{key}"]')
        expect(head).to_have_attribute("aria-sort", "descending")
        down = order_of(page)
        head.locator("a").click()
        expect(head).to_have_attribute("aria-sort", "ascending")
        up = order_of(page)
        assert urlsplit(page.url).fragment == "breakdown", "the table stays in sight"
        assert sorted(down) == sorted(up)
        for lines, sign in ((down, -1), (up, 1)):
            named = [(name, value) for name, value in lines if name != "__other__"]
            known = [sign * value for _, value in named if value is not None]
            assert len(known) > 1
            assert known == sorted(known)
            assert None not in [value for _, value in named][: len(known)], "unknown ones last"
            if dimension in ("owner", "product"):
                assert lines[-1][0] == "__other__"
        if dimension in ("owner", "product"):
            last = page.locator("#breakdown tbody tr").last
            assert last.locator("th").inner_text() == "all others"
        head.locator("a").click()
        expect(head).to_have_attribute("aria-sort", "descending")
        assert order_of(page) == down


def test_back_leads_to_the_view_before(company: Worker, browse: Browsing) -> None:
    with browse(company.address) as page:
        page.goto("/?window=7d&dimension=channel")
        first = view(page)
        page.locator("#choose-dimension").select_option("owner")
        page.wait_for_url("**dimension=owner**")
        second = view(page)
        page.get_by_role("link", name="Last 24h", exact=True).click()
        chosen(page, window="24h", dimension="owner")
        page.go_back()
        assert view(page) == second
        page.go_back()
        assert view(page) == first, "the selectors, too, are those of before"
        page.go_forward()
        assert view(page) == second


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/?window=2h", "1h, 24h, 7d"),
        ("/?basis=lunar", "cohort, period"),
        ("/?dimension=moon", "channel, owner, product"),
        ("/?pipeline=nobody", "default"),
        ("/?currency=XXY", "ISO 4217"),
        ("/kpi/win_ratio?window=2h", "1h, 24h, 7d"),
        ("/kpi/nothing", "nothing"),
    ],
)
def test_a_wrong_address_says_what_is_right(
    company: Worker, browse: Browsing, address: str, says: str
) -> None:
    with browse(company.address, tolerant=True) as page:
        answer = page.goto(address)
        assert answer
        assert answer.status == (404 if "nothing" in address else 400)
        assert says in page.locator("main").inner_text()
        page.get_by_role("link", name="Go to the funnel").click()
        expect(page.locator("#funnel")).to_be_visible()
