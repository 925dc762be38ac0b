"""The deals behind a figure and a deal's journey, as a reader of the pages sees them."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from funnel_stream.definition import Definition
from funnel_stream.exposition import deals_api
from funnel_stream.exposition.deals_api import DealsApi
from funnel_stream.exposition.page.deal_pages import DealPages
from funnel_stream.reporting import Reporter, monotonic
from tests.funnels import at, event, stage
from tests.unit.answers.test_explanation import STORY, folded
from tests.unit.exposition.markup import Element, assert_sound, parsed
from tests.unit.exposition.test_deals_api import ODD, holding
from tests.unit.exposition.workers import starting

LEADS = {"kpi": "leads", "window": "30d"}
OTHERS = {0: "http://w0:6066", 1: "http://me:6066", 2: "http://w0:6066", 3: "http://me:6066"}


def knowing(
    events: list[dict[str, Any]], definition: Definition | None = None, *, of: int = 1
) -> Reporter:
    """A worker that holds these deals as the first of so many partitions."""
    definition = definition or Definition()
    reporter = Reporter(session_timeout=3600)
    reporter.assigned(owner=False, seconds=0.1)
    reporter.confirm_membership(monotonic())
    deals = {0: folded(events, definition=definition)}
    reporter.hold(deals, partitions=of, event_clock=True)
    return reporter


def pages(reporter: Reporter, definition: Definition | None = None) -> DealPages:
    definition = definition or Definition()
    return DealPages(DealsApi(reporter, definition), definition)


def understood(answer: tuple[HTTPStatus, str], status: int = 200) -> Element:
    assert answer[0] == status
    answer[1].encode()
    page = parsed(answer[1])
    assert_sound(page)
    return page


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query, strict_parsing=True))


def deal_of(link: str) -> str:
    """The deal that the path of a link names, as the server understands it."""
    path = urlsplit(link).path
    assert path.startswith("/deals/")
    assert path.count("/") == 2
    return unquote(path.removeprefix("/deals/"))


def table_of(page: Element) -> list[list[str]]:
    """The first table: its heading and its rows."""
    [table, *_] = page.every("table")
    return [[cell.text for cell in row.every("th", "td")] for row in table.every("tr")]


async def asked(
    reporter: Reporter, query: Mapping[str, str], definition: Definition | None = None
) -> Element:
    return understood(await pages(reporter, definition).deals(query))


# --- the deals behind a figure --------------------------------------------------------------------


async def test_a_page_names_the_figure_and_lists_its_deals() -> None:
    page = await asked(holding(0, count=1), {**LEADS, "limit": "2", "pipeline": "default"})
    assert page.one("h1").text == "Leads: the deals behind it 30d · pipeline default"
    assert page.one("title").text.startswith("Deals: Leads")
    assert "Deals that entered the funnel." in page.texts("p")
    assert page.texts("dt") == ["unit", "as of"]
    assert page.texts("dd") == ["leads", "2026-03-03 00:00 UTC"]
    assert table_of(page) == [
        ["deal", "stage", "adds", "at (UTC)", "channel"],
        [ODD, "lead", "1", "2026-03-02 00:00", "–"],
        ["d0", "lead", "1", "2026-03-02 00:00", "web"],
    ]
    assert deal_of(page.links()[ODD]) == ODD
    moments = {moment["datetime"]: moment.text for moment in page.every("time")}
    assert moments == {
        "2026-03-03T00:00:00Z": "2026-03-03 00:00",
        "2026-03-02T00:00:00Z": "2026-03-02 00:00",
    }
    assert query_of(page.links()["Leads"]) == {"window": "30d", "pipeline": "default"}


async def test_the_way_back_leads_to_the_view_that_one_came_from() -> None:
    seen = {"window": "7d", "pipeline": "default"}
    asked_for = {"kpi": "conversion_ratio", "from_stage": "lead", "to_stage": "won", **seen}
    basis = {"basis": "matured", "horizon": "7d"}
    links = (await asked(holding(0, count=1), asked_for | basis)).links()
    assert query_of(links["All figures"]) == {**seen, "basis": "matured:7d"}
    assert query_of(links["Conversion between stages"]) == {**seen, "basis": "matured:7d"}
    links = (await asked(holding(0, count=1), {**asked_for, "basis": "period"})).links()
    assert query_of(links["All figures"]) == {**seen, "basis": "period"}


async def test_it_lists_what_the_json_answer_lists() -> None:
    reporter = holding(1, 3)
    query = {"kpi": "stage_entries", "stage": "offer", "window": "7d"}
    page = await asked(reporter, query)
    link = page.links()["This page as JSON"]
    assert link.startswith("/api/deals?")
    status, body = await DealsApi(reporter, Definition()).deals(query_of(link))
    assert status == 200
    found = json.loads(body)["deals"]
    assert [row[0] for row in table_of(page)[1:]] == [deal["deal_id"] for deal in found]
    assert len(found) == 1


@pytest.mark.parametrize("limit", ["1", "3", "7"])
async def test_links_lead_through_all_deals_and_back(limit: str) -> None:
    shown = pages(holding(1, 3))
    query, found, instants = {**LEADS, "limit": limit}, [], set()
    for number in range(10):
        page = understood(await shown.deals(query))
        if list(page.every("table")):
            found += [row[0] for row in table_of(page)[1:]]
        instants.add(page.texts("dd")[-1])
        links = page.links()
        assert ("First page" in links) == (number > 0)
        if number:
            assert links["First page"].startswith("/deals?")
            assert query_of(links["First page"]) == {**LEADS, "limit": limit}
        if "Next deals" not in links:
            break
        query = query_of(links["Next deals"])
    assert found == [ODD, "d0", "d1", "d2", "d3", "d4", "x" * 128]
    assert instants == {"2026-03-03 00:00 UTC"}


async def test_a_search_that_takes_long_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deals_api, "_REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(deals_api, "_SLICE_SECONDS", 0.0)
    shown = pages(holding(0, count=1))
    page = understood(await shown.deals({"kpi": "stage_entries", "stage": "offer", "window": "7d"}))
    assert not list(page.every("table"))
    assert "No deals found so far; the search continues on the next page." in page.texts("p")
    for _ in range(10):
        page = understood(await shown.deals(query_of(page.links()["Next deals"])))
        if list(page.every("table")):
            break
    assert table_of(page)[1][0] == "x" * 128


async def test_a_full_page_does_not_speak_of_the_search() -> None:
    page = await asked(holding(0, count=1), {**LEADS, "limit": "2"})
    assert "Next deals" in page.links()
    assert "search" not in page.one("main").text


async def test_no_deals() -> None:
    none = {**LEADS, "pipeline": "nobody's"}
    page = await asked(holding(0, count=1), none)
    assert "There are no deals behind this figure." in page.texts("p")
    assert "pipeline nobody's" in page.one("h1").text
    elsewhere = await asked(holding(0, count=2), none)
    assert "None of the deals on this worker is behind this figure." in elsewhere.texts("p")


async def test_what_other_workers_hold_is_a_link_away() -> None:
    shown = pages(holding(1, 3))
    page = understood(await shown.deals({**LEADS, "limit": "1"}, OTHERS))
    text = "Of partitions 0 to 3, this worker holds 1, 3; other workers hold the rest."
    assert text in page.texts("p")
    listed = page.labelled("This page on other workers")
    assert listed.texts("li") == ["http://w0:6066 – partitions 0, 2"]
    link = listed.links()["http://w0:6066"]
    assert link.startswith("/deals?")
    instant = {"as_of": "2026-03-03T00:00:00Z", "held_by": "0"}
    assert query_of(link) == {**LEADS, "limit": "1", **instant}
    later = understood(await shown.deals(query_of(page.links()["Next deals"]), OTHERS))
    link = later.labelled("This page on other workers").links()["http://w0:6066"]
    assert query_of(link) == {**LEADS, "limit": "1", **instant}, "a cursor is of one worker"


async def test_without_their_addresses_other_workers_are_to_be_asked() -> None:
    page = await asked(holding(count=2), LEADS)
    assert "this worker holds none;" in page.one("main").text
    assert "Open the same page on the other workers of the group." in page.texts("p")
    whole = await asked(holding(0, count=1), LEADS)
    assert "worker" not in whole.one("main").text


SALES = Definition.model_validate(
    {
        "pipelines": {"default": {"title": "Sales", "stage_titles": {"won": "Customer"}}},
        "dimensions": ["channel+product", "owner"],
    }
)


async def test_titles_and_the_attributes_of_the_dimensions() -> None:
    reporter = knowing([*STORY, stage("b", "won", at(days=4), owner="ann", segment="smb")], SALES)
    page = await asked(reporter, {"kpi": "deals_closed", "window": "30d"}, SALES)
    assert table_of(page) == [
        ["deal", "pipeline", "stage", "adds", "at (UTC)", "channel", "owner", "amount"],
        ["a", "Sales (default)", "Customer (won)", "1", "2026-03-06 00:00", "web", "–",
         "900.00 EUR"],
        ["b", "Sales (default)", "Customer (won)", "1", "2026-03-06 00:00", "–", "ann", "–"],
    ]  # fmt: skip


MILLION = [
    stage("m", "offer", at(), amount=1_234_567, currency="JPY", owner="ann"),
    stage("m", "won", at(days=2), amount=1_000_000, currency="JPY"),
]


@pytest.mark.parametrize(
    ("query", "heading", "unit", "adds"),
    [
        ({"kpi": "deal_value", "outcome": "won", "currency": "JPY", "window": "7d"},
         "won · JPY · 7d", "JPY", "1,000,000 JPY"),
        ({"kpi": "value_retention_ratio", "part": "denominator", "currency": "JPY",
          "window": "7d"}, "JPY · 7d", "JPY", "1,234,567 JPY"),
        ({"kpi": "discount_ratio", "part": "sum", "window": "7d"}, "7d", "ratio", "19.0 %"),
        ({"kpi": "time_to_close_seconds", "part": "sum", "outcome": "won", "window": "7d"},
         "won · 7d", "seconds", "2.0 d"),
        ({"kpi": "time_to_close_seconds", "outcome": "won", "window": "7d"},
         "won · 7d", "deals", "1"),
        ({"kpi": "win_ratio", "window": "7d", "dimension": "owner", "value": "ann"},
         "7d · owner ann", "deals", "1"),
        ({"kpi": "conversion_ratio", "from_stage": "offer", "to_stage": "won", "basis": "matured",
          "horizon": "1d", "part": "denominator", "window": "7d"},
         "offer → won · matured 1d · 7d", "deals", "1"),
    ],
)  # fmt: skip
async def test_what_a_deal_adds_is_written_in_the_unit(
    query: dict[str, str], heading: str, unit: str, adds: str
) -> None:
    page = await asked(knowing(MILLION), query)
    assert page.one("h1").text.endswith(f": the deals behind it {heading}")
    assert page.texts("dd")[0] == unit
    head, row = table_of(page)
    assert row[head.index("adds")] == adds
    assert row[head.index("amount")] == "1,000,000 JPY"


async def test_figures_of_now_say_since_when() -> None:
    page = await asked(holding(0, count=1), {"kpi": "open_deals"})
    assert page.one("h1").text == "Open deals: the deals behind it"
    assert "since (UTC)" in table_of(page)[0]


async def test_the_other_part_of_a_ratio_is_a_link_away() -> None:
    shown = pages(knowing([*STORY, stage("b", "lost", at(days=4))]))
    page = understood(await shown.deals({"kpi": "win_ratio", "window": "7d"}))
    assert [row[0] for row in table_of(page)[1:]] == ["a"]
    query = query_of(page.links()["the deals in the denominator"])
    assert query == {"kpi": "win_ratio", "window": "7d", "part": "denominator"}
    other = understood(await shown.deals(query))
    assert [row[0] for row in table_of(other)[1:]] == ["a", "b"]
    assert "the deals in the numerator" in other.links()


async def test_an_instant_that_was_asked_for_stays() -> None:
    query = {**LEADS, "as_of": at(hours=3)}
    page = await asked(holding(0, count=1), query)
    assert query_of(page.links()["d0"]) == {"as_of": at(hours=3)}
    usual = await asked(holding(0, count=1), LEADS)
    assert usual.links()["d0"] == "/deals/d0"


# --- what has to disappoint -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ({"kpi": "<b>"}, "kpi: there is no KPI '<b>'", "Allowed: leads, "),
        ({**LEADS, "window": "5h"}, "window: leads has no window '5h' here", "Allowed: 1h, 24h,"),
        ({**LEADS, "limit": "0"}, "limit: '0' is invalid", "Allowed: 1 to 1000."),
    ],
)
async def test_a_wrong_question_is_told_what_is_allowed(
    query: dict[str, str], message: str, hint: str
) -> None:
    page = understood(await pages(holding(0, count=1)).deals(query), 400)
    said, allowed, _ = page.one("main").texts("p")
    assert said == message
    assert allowed.startswith(hint)
    assert page.one("main").links()["All figures"] == "/"


async def test_a_wrong_question_about_a_deal() -> None:
    page = understood(await pages(holding(0, count=1)).deal("d0", {"window": "1h"}), 400)
    assert page.one("main").texts("p")[:2] == ["there is no parameter 'window'", "Allowed: as_of."]


async def test_who_recovers_says_what_it_waits_for() -> None:
    reporter = starting()
    reporter.assigning("recovering 3 partitions")
    shown = pages(reporter)
    for answer, again in (
        (await shown.deals(LEADS), "/deals?kpi=leads&window=30d"),
        (await shown.deal(ODD, {}), None),
    ):
        page = understood(answer, 503)
        assert "It is waiting for: recovering 3 partitions." in page.one("main").text
        link = page.links()["Reload the page"]
        assert link == again or deal_of(link) == ODD


async def test_a_deal_that_is_not_here() -> None:
    shown = pages(holding(1, 3))
    page = understood(await shown.deal("no/body", {"as_of": at(days=2)}, OTHERS), 404)
    assert page.one("h1").text == "No such deal here: no/body"
    assert page.one("main").texts("p")[0].startswith("Of partitions 0 to 3, this worker holds 1, 3")
    link = page.labelled("This page on other workers").links()["http://w0:6066"]
    assert link.startswith("http://w0:6066/")
    assert deal_of(link) == "no/body"
    assert query_of(link) == {"as_of": at(days=2)}
    alone = understood(await pages(holding(0, count=1)).deal("nobody", {}), 404)
    assert alone.one("main").texts("p")[0].startswith("This worker holds all partitions")


# --- one deal -------------------------------------------------------------------------------------


async def shown_deal(
    events: list[dict[str, Any]], deal_id: str = "a", definition: Definition | None = None
) -> Element:
    return understood(await pages(knowing(events, definition), definition).deal(deal_id, {}))


def section(page: Element, heading: str) -> Element:
    [found] = [each for each in page.every("section") if each.one("h2").text == heading]
    return found


async def test_a_journey_is_told_in_order_with_what_was_corrected() -> None:
    page = await shown_deal(
        [
            stage("a", "qualified", at(days=1), channel="web", owner="ann"),
            stage("a", "offer", at(days=4), amount=1200, currency="EUR"),
            stage("a", "potential", at(days=3)),
            event("deal_updated", "a", at(days=5), owner="bob"),
        ]
    )
    assert page.one("h1").text == "Deal a"
    assert (
        "offer since 2026-03-06 00:00 · pipeline default · as of 2026-03-07 00:00 UTC"
        in page.texts("p")
    )
    [timeline] = page.every("ol")
    steps = [each for each in timeline.children if isinstance(each, Element)]
    assert [step.text for step in steps] == [
        "2026-03-03 00:00 qualified entered passed without an event: lead channel web owner ann",
        "2026-03-05 00:00 potential entered late: arrived after events that occurred later",
        "2026-03-06 00:00 offer sent amount 1200.00 EUR",
        "2026-03-07 00:00 details given corrected owner ann → bob",
    ]
    assert steps[0].one("time")["datetime"] == "2026-03-03T00:00:00Z"
    assert steps[3].texts("bdi") == ["ann", "bob"]


async def test_what_follows_and_where_it_counts() -> None:
    page = await shown_deal(STORY, definition=SALES)
    assert page.one("main").texts("p")[0].startswith("Customer (won) since 2026-03-06 00:00")
    follows = section(page, "What follows from it")
    [facts] = follows.every("dl")
    said = [each.text for each in facts.every("dt", "dd")]
    for term, definition in (
        ("closing", "Customer (won) 2026-03-06 00:00"),
        ("offer 1", "2026-03-04 00:00, 1200.00 EUR"),
        ("amount", "1200.00 EUR first offered, 900.00 EUR now"),
        ("reached", "lead 2026-03-02 01:00"),
        ("counts under", "channel+product web + __none__; owner __none__"),
    ):
        assert said[said.index(term) + 1] == definition
    assert "qualified 2026-03-03 00:00 (passed)" in said
    counts = section(page, "Where it counts")
    rows = table_of(counts)
    assert ["Leads", "1", "2026-03-02 01:00", "7d 30d 365d"] in rows
    assert ["won · EUR", "900.00 EUR", "2026-03-06 00:00", "1h 24h 7d 30d 365d"] in rows
    assert ["Discount", "25.0 %", "2026-03-06 00:00", "1h 24h 7d 30d 365d"] in rows
    assert rows[rows.index(["won · EUR", "900.00 EUR", "2026-03-06 00:00",
                            "1h 24h 7d 30d 365d"]) - 1] == ["Value of closed deals"]  # fmt: skip
    assert query_of(page.links()["All figures"]) == {"pipeline": "default"}
    link = counts.links()["Value of closed deals"]
    assert urlsplit(link).path == "/kpi/deal_value"
    assert query_of(link) == {"pipeline": "default"}
    [until] = page.every("details")
    assert "In which panes, and until when" in until.texts("summary")
    assert [
        "2026-03-02 01:00",
        "minute 2026-03-02 01:00hour 2026-03-02 01:00day 2026-03-02",
        "1h, 24h no longer7d until 2026-03-09 01:00"
        "30d until 2026-04-01 01:00365d until 2027-03-02 00:00",
    ] in table_of(until)


async def test_a_loss_says_from_where_and_why() -> None:
    events = [stage("a", "offer", at()), stage("a", "lost", at(days=1), lost_reason="price")]
    follows = section(await shown_deal(events), "What follows from it")
    assert "lost 2026-03-03 00:00, from offer, reason price" in follows.texts("dd")
    assert "price" in follows.texts("bdi")


async def test_every_figure_that_it_adds_to_stands_there_once() -> None:
    reporter = knowing(STORY)
    _, body = await DealsApi(reporter, Definition()).deal("a", {})
    counted = dict.fromkeys(each["title"] for each in json.loads(body)["contributions"])
    page = understood(await pages(reporter).deal("a", {}))
    assert section(page, "Where it counts").texts("a") == list(counted)


async def test_notes_and_json() -> None:
    page = await shown_deal([stage(ODD, "lead", at())], ODD)
    notes = section(page, "Good to know").texts("li")
    assert "Not closed: the deal is still open in lead." in notes
    link = page.links()["This page as JSON"]
    assert link.startswith("/api/")
    assert deal_of(link.removeprefix("/api")) == ODD


async def test_a_deal_that_counts_nowhere() -> None:
    definition = Definition(windows=("1h",))
    page = await shown_deal([event("deal_updated", "a", at(), owner="ann")], definition=definition)
    assert "in no stage · pipeline default" in page.one("main").text
    assert "This deal adds nothing to any figure." in page.texts("p")
    assert not list(page.every("table"))


# --- whatever people call things ------------------------------------------------------------------

NAMES = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "a&amp;b &lt; {{ 7 * 7 }} {% raw %}",
    "\u202ereversed\u202c שלום",
    "\U0001f600" * 128,
    "../../etc/passwd",
    "100%25/?x=1#y;%2F+ z",
    ODD,
    "…",
    "a\\b",
]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_texts_and_links_come_back(name: str) -> None:
    deal_id = name[:128]
    given = {"channel": name[:120], "owner": name[:120], "problems": [name[:120]]}
    events = [
        stage(deal_id, "potential", at(), pipeline=name[:120], **given),
        stage(deal_id, "lost", at(days=1), lost_reason=name[:120]),
    ]
    shown = pages(knowing(events, of=2))
    query = {**LEADS, "pipeline": name[:120], "dimension": "channel", "value": name[:120]}
    page = understood(await shown.deals(query, {1: "http://w1"}))
    head, row = table_of(page)
    assert row[0] == " ".join(deal_id.split())
    assert row[head.index("owner")] == name[:120]
    assert name[:120] in page.one("h1").one("span").texts("bdi")
    [cell] = [each for each in page.every("th") if each.attributes["scope"] == "row"]
    assert cell.one("bdi").raw == deal_id
    assert deal_of(cell.one("a")["href"]) == deal_id
    [elsewhere] = page.labelled("This page on other workers").every("a")
    there = {**query, "as_of": "2026-03-03T00:00:00Z", "held_by": "1"}
    assert query_of(elsewhere["href"]) == there
    deal = understood(await shown.deal(deal_id, {}))
    assert deal.one("h1").one("bdi").raw == deal_id
    texts = [each.raw for each in deal.every("bdi")]
    assert texts.count(name[:120]) > 6
    [json_link] = [each["href"] for each in deal.every("a") if each.text == "This page as JSON"]
    assert deal_of(json_link.removeprefix("/api")) == deal_id
    assert len(list(deal.every("script"))) == 1, "the page's own"


@pytest.mark.parametrize("deal_id", [".", ".."])
async def test_an_id_that_a_browser_takes_for_a_way_up_is_no_link(deal_id: str) -> None:
    page = await asked(knowing([stage(deal_id, "lead", at())]), LEADS)
    assert table_of(page)[1][0] == deal_id
    assert deal_id not in page.links()


async def test_bytes_that_are_no_text_can_be_answered() -> None:
    shown = pages(holding(0, count=1))
    understood(await shown.deal("\udcff\udcfe", {}), 404)
    understood(await shown.deals({**LEADS, "pipeline": "\udcff"}))
    understood(await shown.deals({**LEADS, "\udcff": "\udcff"}), 400)
