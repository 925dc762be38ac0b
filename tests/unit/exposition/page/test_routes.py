"""The pages as a browser gets them: status, headers, streams, and what they say."""

import ast
import gzip
import json
import re
import socket
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from funnel_stream.definition import Definition
from funnel_stream.exposition import page as page_room
from funnel_stream.exposition import server
from funnel_stream.exposition.page import pages, trends
from funnel_stream.exposition.page.site import STATIC
from funnel_stream.facts.measures import REACHED
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from funnel_stream.kpis.forms import Counts
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.reporting import Peers, Reporter, monotonic
from tests.funnels import at, computed, stage
from tests.unit.answers.test_explanation import folded
from tests.unit.exposition.markup import Element, assert_sound, parsed
from tests.unit.exposition.page.looks import HOSTILE, NOW, Events, defined, funnel_of_six
from tests.unit.exposition.test_server import Answer, PausedWhileAnswering, get
from tests.unit.exposition.workers import idle, reporting, starting

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STREAM = {"Accept": "text/event-stream"}


@contextmanager
def served(reporter: Reporter, definition: Definition | None = None) -> Iterator[str]:
    running = server.start(reporter, definition or Definition(), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.port}"
    finally:
        running.stop()


def showing(events: Events, definition: Definition | None = None) -> Reporter:
    """A worker that reports these deals, and holds them."""
    definition = definition or Definition()
    reporter = Reporter(session_timeout=3600)
    reporter.assigned(owner=True, seconds=0.5)
    reporter.confirm_membership(monotonic())
    reporter.publish(computed(events, NOW, definition).snapshot)
    deals = {0: folded(events, definition=definition)}
    reporter.hold(deals, partitions=1, event_clock=True)
    return reporter


def read(answer: Answer, status: int = 200) -> Element:
    """A page as a browser reads it."""
    assert answer.status == status
    found = parsed(answer.body.decode())
    assert_sound(found)
    return found


def asked(reporter: Reporter, path: str, status: int = 200, **headers: str) -> Element:
    with served(reporter) as address:
        return read(get(address + path, **headers), status)


def element(page: Element, name: str) -> Element:
    [found] = [each for each in page.every() if each.attributes.get("id") == name]
    return found


# --- headers --------------------------------------------------------------------------------------


def test_every_page_is_safe_and_never_kept() -> None:
    reporter = showing(funnel_of_six())
    paths = {
        "/": 200, "/?basis=nonsense": 400, "/kpi/leads": 200, "/kpi/nonsense": 404,
        "/deals?kpi=leads&window=30d": 200, "/deals?kpi=nonsense": 400, "/deals/a": 200,
        "/deals/nobody": 404,
    }  # fmt: skip
    with served(reporter) as address:
        answers = {path: get(address + path) for path in paths}
    assert {path: answer.status for path, answer in answers.items()} == paths
    with served(starting()) as address:
        answers["/ (503)"] = get(address + "/")
    for answer in answers.values():
        assert SAFE.items() <= answer.headers.items()
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Vary"] == "Accept"
        read(answer, answer.status)


def test_pages_are_compressed_for_those_who_can_read_it() -> None:
    with served(showing(funnel_of_six())) as address:
        plain = get(f"{address}/kpi/leads")
        packed = get(f"{address}/kpi/leads", **{"Accept-Encoding": "br, gzip"})
        small = get(f"{address}/kpi/nonsense", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in small.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Length"] == str(len(packed.body))
    assert gzip.decompress(packed.body).startswith(b"<!doctype html>")
    assert len(packed.body) < len(plain.body) / 2


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_kept_for_ever_under_the_address_of_its_content(
    name: str, content_type: str
) -> None:
    with served(idle()) as address:
        kept = get(address + STATIC[name].address)
        other = get(f"{address}/static/{name}?v=0123456789ab")
        bare = get(f"{address}/static/{name}")
        packed = get(address + STATIC[name].address, **{"Accept-Encoding": "gzip"})
    for answer in (kept, other, bare, packed):
        assert answer.status == 200
        assert SAFE.items() <= answer.headers.items()
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert {answer.headers["Cache-Control"] for answer in (other, bare)} == {"no-cache"}
    assert kept.body == (files(page_room) / "static" / name).read_bytes()
    if packed.headers.get("Content-Encoding") == "gzip":
        packed = packed._replace(body=gzip.decompress(packed.body))
    assert packed.body == kept.body


@pytest.mark.parametrize(
    "path",
    ["/static/nope.css", "/static/", "/static/..%2fsite.py", "/static/../site.py", "/nowhere"],
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    with served(reporting()) as address:
        assert get(address + path).status == 404


# --- what the pages say ---------------------------------------------------------------------------


def test_every_kpi_of_the_catalogue_is_on_the_page_with_title_help_and_unit() -> None:
    page = asked(showing(funnel_of_six()), "/")
    for kpi in KPIS:
        tile = element(page, f"kpi-{kpi.id}")
        assert tile.one("h4").text == kpi.title
        assert kpi.help in tile.texts("span")
        units = {each.text for each in tile.every("span")}
        named = {f"{kpi.unit}{span}" for span in ("", ", now", ", in the window")}
        assert named & units or kpi.unit.startswith("money")
    assert len(list(page.every("article"))) == len(KPIS)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_every_kpi_has_a_page(kpi: Kpi, six: str) -> None:
    page = read(get(f"{six}/kpi/{kpi.id}"))
    assert page.one("h1").text == kpi.title
    assert kpi.help in page.texts("p")
    assert kpi.formula in page.texts("dd")
    assert kpi.metric in page.texts("code")


@pytest.fixture(scope="module")
def six() -> Iterator[str]:
    """A worker that shows ``funnel_of_six``."""
    with served(showing(funnel_of_six())) as address:
        yield address


def test_figures_are_named_as_on_metrics(six: str) -> None:
    page = read(get(f"{six}/?window=30d&basis=period"))
    series = {each.attributes.get("title"): each["value"] for each in page.every("data")}
    assert series['funnel_leads{pipeline="default",window="30d"}'] == "5"
    won = (
        'funnel_conversion_ratio{pipeline="default",window="30d",from_stage="lead",'
        'to_stage="won",basis="period"}'
    )
    assert series[won] == "0.4"
    assert series['funnel_open_deals{pipeline="default",stage="lead"}'] == "1"
    by_channel = (
        'funnel_leads_breakdown{pipeline="default",window="30d",dimension="channel",'
        'value="__none__"}'
    )
    assert series[by_channel] == "5"


def test_views_of_one_worker_do_not_get_in_each_others_way() -> None:
    events = [*funnel_of_six(), stage("x", "lead", at(days=39.9), pipeline="other")]
    reporter = showing(events)

    def leads(address: str, query: str) -> str:
        page = read(get(f"{address}/?{query}"))
        return element(page, "kpi-leads").one("data").text

    queries = ["window=30d", "window=24h", "window=30d&pipeline=other", "window=24h&pipeline=other"]
    with served(reporter) as address:
        assert [leads(address, query) for query in queries] == ["5", "0", "1", "1"]
        assert [leads(address, query) for query in queries] == ["5", "0", "1", "1"]
        more = [*events, stage("y", "lead", at(days=39.9))]
        reporter.publish(computed(more, NOW).snapshot)
        assert [leads(address, query) for query in queries] == ["6", "1", "1", "1"]


def test_the_choices_are_those_of_the_view(six: str) -> None:
    page = read(get(f"{six}/?window=7d&basis=period&dimension=owner&sort=leads&order=asc"))
    chosen = {
        select["name"]: [
            each["value"] for each in select.every("option") if "selected" in each.attributes
        ]
        for select in page.every("select")
    }
    assert chosen == {
        "pipeline": ["default"], "basis": ["period"], "dimension": ["owner"], "currency": [],
    }  # fmt: skip
    hidden = {each["name"]: each["value"] for each in page.every("input")}
    assert hidden == {"window": "7d", "sort": "leads", "order": "asc"}
    [current] = [each for each in page.every("a") if "aria-current" in each.attributes]
    assert current.text == "Last 7d"
    windows = page.labelled("Window").links()
    assert list(windows) == [f"Last {name}" for name in ("1h", "24h", "7d", "30d", "365d")]
    assert "window=1h" in windows["Last 1h"]
    assert "dimension=owner" in windows["Last 1h"]


def test_people_read_titles_and_urls_hold_keys() -> None:
    definition = defined(pipelines={"default": {"title": "Sales <EU>"}})
    with served(showing(funnel_of_six(), definition), definition) as address:
        page = read(get(address + "/"))
        kpi = read(get(address + "/kpi/leads"))
    assert page.one("h1").one("bdi").text == "Sales <EU>"
    options = {each["value"]: each.text for each in page.every("option")}
    assert options["default"] == "Sales <EU>"
    assert options["matured:7d"] == "matured after 7d"
    assert kpi.links()["Funnel of Sales <EU>"].startswith("/?pipeline=default&")


def addresses(page: Element) -> set[str]:
    """All links, and the sources of images and scripts."""
    found = {each.attributes.get(name, "") for each in page.every() for name in ("href", "src")}
    return {each.partition("#")[0] for each in found} - {""}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?basis=matured:7d&dimension=owner&currency=USD&window=365d",
        "/?window=1h&basis=matured:7d",
        "/kpi/conversion_ratio",
        "/kpi/lost_deals",
        "/kpi/deal_value?currency=EUR",
    ],
)
def test_every_link_leads_somewhere(path: str) -> None:
    definition = defined(stuck_after={"lead": "1d"}, top_n_of={"channel": 1, "reason": 1})
    events = [
        *funnel_of_six(),
        *(stage(f"x{n}", "lost", at(days=39), lost_reason=f"r{n}") for n in range(3)),
        *(stage(f"y{n}", "lead", at(days=39), channel=f"c{n}") for n in range(3)),
        stage("y", "offer", at(days=38), amount=10, currency="EUR", owner="a b", score=3),
        stage("y", "won", at(days=39), amount=9, cost=3, currency="EUR"),
        stage("z", "offer", at(days=38), amount=10, currency="USD", problems=["p&q", "__other__"]),
    ]  # fmt: skip
    with served(showing(events, definition), definition) as address:
        links = addresses(read(get(address + path)))
        found = {link: get(address + link).status for link in links}
    assert {link: status for link, status in found.items() if status != 200} == {}
    assert {urlsplit(link).path for link in links} >= {"/", "/deals", "/metrics", "/api/kpis"}
    assert not [link for link in links if link.startswith("/deals") and "__other__" in link]


COUNTS = {
    "funnel_leads", "funnel_qualified_leads", "funnel_stage_entries", "funnel_open_deals",
    "funnel_deals_closed",
}  # fmt: skip


def test_deals_links_list_as_many_deals_as_the_figure_says(six: str) -> None:
    page = read(get(f"{six}/?window=30d"))
    counted = {
        link["href"]: int(data["value"])
        for link in page.every("a")
        for data in link.every("data")
        if data.attributes.get("title", "").partition("{")[0] in COUNTS
    }
    assert len(counted) > 12
    for link, number in counted.items():
        listed = json.loads(get(f"{six}/api{link}").body)["deals"]
        assert (link, len(listed)) == (link, number)


def test_the_catalogue_alone_decides_which_kpis_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry more, and it is on the page, in the breakdown and has a page with its deals."""
    form = Counts(counted={(): (REACHED.cell("lead"),)})
    added = Kpi("fresh_ideas", 2, "Fresh ideas", "What nobody had thought of.", "Σ", "deals", form)
    monkeypatch.setattr(pages, "KPIS", (*KPIS, added))
    monkeypatch.setattr(trends, "KPIS", (*KPIS, added))
    monkeypatch.setitem(BY_ID, added.id, added)
    definition = defined(export={"breakdown_kpis": ["fresh_ideas"]})
    with served(showing(funnel_of_six(), definition), definition) as address:
        page = read(get(address + "/"))
        own = read(get(address + "/kpi/fresh_ideas"))
        deals = get(address + next(each for each in addresses(own) if each.startswith("/deals")))
    tile = element(page, "kpi-fresh_ideas")
    assert tile in list(element(page, "stage-2").every("article"))
    assert (tile.one("h4").text, tile.one("data").text) == ("Fresh ideas", "5")
    heading = element(page, "breakdown").texts("th")[1]
    assert heading.startswith("Fresh ideas")
    assert heading.endswith("deals in the window")
    assert own.one("h1").text == "Fresh ideas"
    assert element(own, "series").one("svg")["aria-label"].startswith("Trend: between 0 and 5")
    assert deals.status == 200


def test_only_the_drawing_and_one_table_name_kpis() -> None:
    named = {
        file.name: sorted({text for text in _constants(file.read_text()) if text in BY_ID})
        for file in files(page_room).iterdir()
        if file.name.endswith(".py")
    }
    drawn = named.pop("funnel.py")
    assert drawn == ["conversion_ratio", "lost_deals", "open_deals", "transitions"]
    assert [name for name, kpis in named.items() if kpis] == ["special_cases.py"]
    long = [kpi for kpi in BY_ID if "_" in kpi]
    for folder in ("templates", "static"):
        for file in (files(page_room) / folder).iterdir():
            text = file.read_text()
            assert [kpi for kpi in long if kpi in text] == [], file.name
            assert not re.search(rf"kpi[-/.]({'|'.join(BY_ID)})\b", text), file.name


def _constants(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_mean_harm_are_text(name: str) -> None:
    events = [
        stage("a", "lead", at(days=38), pipeline=name, channel=name, owner=name, problems=[name]),
        stage("a", "potential", at(days=38.5)),
        stage("b", "lead", at(days=38), pipeline=name),
        stage("b", "lost", at(days=39), lost_reason=name),
        stage("c", "lead", at(days=38), channel=name),
    ]
    query = f"?pipeline={quote(name, safe='')}"
    with served(showing(events)) as address:
        home = read(get(f"{address}/{query}"))
        kpis = [read(get(f"{address}/kpi/{kpi}{query}")) for kpi in ("lost_deals", "problems")]
        wrong = read(get(f"{address}/?window={quote(name, safe='')}"), 400)
        # Braces match no route at all.
        no_kpi = read(
            get(f"{address}/kpi/{quote(name.replace('{', '').replace('}', ''), safe='')}"), 404
        )
        links = [each for each in addresses(home) if "pipeline=" in each]
        assert {get(address + each).status for each in links} == {200}
    shown = "all others" if name == "__other__" else name
    assert home.one("h1").one("bdi").raw == name
    assert name in [each["value"] for each in home.every("option")]
    assert shown in [each.raw for each in element(home, "breakdown").every("bdi")]
    if name != "__other__":
        assert name in [each.raw for each in element(home, "funnel").every("bdi")]
    for page in kpis:
        said = [each.raw for each in element(page, "series").every("bdi")]
        assert [each for each in said if each.startswith(shown)]
    assert ascii(name)[1:-1][:5] in ascii(wrong.one("h1").raw)
    assert no_kpi.one("h1").text.startswith("There is no KPI ")
    for page in (home, *kpis, wrong, no_kpi):
        assert len(list(page.every("script"))) == 1
        assert {each["src"] for each in page.every("img")} == {STATIC["icon.svg"].address}
        assert "49" not in page.one("title").text


# --- what has to disappoint -----------------------------------------------------------------------


def test_a_query_that_makes_no_sense_is_told_what_does(six: str) -> None:
    page = read(get(f"{six}/?pipeline=ABC"), 400)
    assert page.one("h1").text == "There is no pipeline 'ABC'"
    assert element(page, "reason").text == "Allowed: default."
    assert page.links()["Go to the funnel"] == "/"
    kpi = read(get(f"{six}/kpi/leads?window=2h"), 400)
    assert element(kpi, "reason").text == "Allowed: 30d, 1h, 24h, 7d, 365d."
    assert not [each for each in page.every() if "data-live" in each.attributes]


def test_a_kpi_that_there_is_not(six: str) -> None:
    page = read(get(f"{six}/kpi/Leads"), 404)
    assert page.one("h1").text == "There is no KPI 'Leads'"
    assert page.links()["Go to the funnel"] == "/"


@pytest.mark.parametrize("path", ["/?sort=%ff%fe", "/?pipeline=%ff", "/kpi/%ff", "/?%ff=%ff"])
def test_bytes_that_are_no_text_are_answered(six: str, path: str) -> None:
    assert get(six + path).status in (200, 400, 404)


def waiting(page: Element) -> tuple[str, str]:
    """A page that waits for figures: its title and what it waits for."""
    [live] = [each for each in page.every() if "data-live" in each.attributes]
    assert "data-wait" in live.attributes
    assert not list(page.every("data"))
    return page.one("h1").text, element(live, "reason").text


def test_a_worker_that_starts_says_what_it_waits_for() -> None:
    reporter = starting()
    reporter.assigning("recovering 3 partitions")
    page = asked(reporter, "/?window=7d", 503)
    assert waiting(page) == ("The figures are on their way", "recovering 3 partitions")
    assert page.links()["Try again"] == "/?window=7d"
    assert waiting(asked(reporter, "/kpi/leads", 503))[0] == "The figures are on their way"


def test_a_worker_that_does_not_report_and_knows_nobody_says_so() -> None:
    title, reason = waiting(page := asked(idle(), "/", 503))
    assert title == "Another worker reports the figures"
    assert reason == "another worker reports the figures, but its address is not known"
    assert "FUNNEL_ADVERTISED_URL" in page.one("main").text


def test_a_worker_that_cannot_reach_the_one_that_reports_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    reporter = idle()
    reporter.introduce(Peers("http://me:6066", peer, {}))
    page = asked(reporter, "/?window=7d", 503)
    title, reason = waiting(page)
    assert title == "Another worker reports the figures"
    assert reason == f"It is the worker at {peer}, which does not respond to this one."
    assert page.links()["Open it there"] == f"{peer}/?window=7d"
    assert page.links()["Try again"] == "/?window=7d"


def test_a_worker_that_is_in_doubt_shows_nothing() -> None:
    now = [1000.0]
    reporter = Reporter(session_timeout=10, clock=lambda: now[0])
    reporter.assigned(owner=True, seconds=0.5)
    reporter.confirm_membership(now[0])
    snapshot = reporting().snapshot()
    assert snapshot is not None
    reporter.publish(snapshot)
    with served(reporter) as address:
        assert get(address + "/").status == 200
        now[0] += 11
        page = read(get(address + "/"), 503)
    assert waiting(page)[1] == "confirming the membership in the group"


@pytest.mark.parametrize("path", ["/", "/kpi/leads"])
def test_who_was_paused_while_rendering_shows_no_figures(path: str) -> None:
    page = asked(PausedWhileAnswering(), path, 503)
    assert waiting(page)[0] == "The figures are on their way"


# --- streams --------------------------------------------------------------------------------------


@contextmanager
def stream(url: str, **headers: str) -> Iterator[Any]:
    request = urllib.request.Request(url, headers={**STREAM, **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        yield answer


def next_event(answer: Any) -> tuple[str, dict[str, str]]:
    fields: dict[str, str] = {}
    while line := answer.readline().decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields.get("event", ""), json.loads(fields["data"]) if "data" in fields else fields


def test_the_same_address_is_a_page_and_its_stream(six: str) -> None:
    page = read(get(f"{six}/?window=7d"))
    live = {each["id"] for each in page.every() if "data-part" in each.attributes}
    with stream(f"{six}/?window=7d") as answer:
        assert SAFE.items() <= dict(answer.headers).items()
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert next_event(answer) == ("", {"retry": "1000"})
        name, parts = next_event(answer)
    assert name == "parts"
    assert parts.keys() == live
    for part, html in parts.items():
        [top] = [each for each in parsed(html).children if isinstance(each, Element)]
        assert (top["id"], "data-part" in top.attributes) == (part, True)
    funnel = element(page, "funnel")
    assert parsed(parts["funnel"]).one("section").text == funnel.text


def test_a_stream_is_packed_for_who_can_unpack_it(six: str) -> None:
    with stream(f"{six}/?window=7d") as answer:
        next_event(answer)
        _, plain = next_event(answer)
    with stream(f"{six}/?window=7d", **{"Accept-Encoding": "gzip, br"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        packed, text = 0, b""
        while text.count(b"\n\n") < 2:
            came = answer.read1()
            packed += len(came)
            text += unpack.decompress(came)
    _, event, _ = text.decode().split("\n\n", 2)
    parts = json.loads(event.partition("data: ")[2])
    assert parts["funnel"] == plain["funnel"]
    assert packed < len(text) / 5


def test_a_kpi_has_a_stream(six: str) -> None:
    page = read(get(f"{six}/kpi/leads"))
    live = {each["id"] for each in page.every() if "data-part" in each.attributes}
    with stream(f"{six}/kpi/leads", Accept="text/event-stream, */*") as answer:
        next_event(answer)
        assert next_event(answer)[1].keys() == live == {
            "state", "notes", "series", "breakdown", "trend",
        }  # fmt: skip


def test_a_stream_tells_what_a_worker_waits_for_and_then_the_figures() -> None:
    reporter = starting()
    reporter.assigning("recovering 3 partitions")
    shown = reporting().snapshot()
    assert shown is not None
    with served(reporter) as address, stream(address + "/") as answer:
        next_event(answer)
        assert next_event(answer) == ("waiting", {"reason": "recovering 3 partitions"})
        reporter.assigned(owner=True, seconds=0.5)
        reporter.confirm_membership(monotonic())
        reporter.publish(shown)
        name, parts = next_event(answer)
        while name != "parts":
            name, parts = next_event(answer)
    assert ">2</data>" in parts["kpi-leads"]


@pytest.mark.parametrize(
    ("path", "status"), [("/?window=2h", 400), ("/kpi/leads?basis=x", 400), ("/kpi/nope", 404)]
)
def test_a_stream_of_what_there_is_not_is_refused(six: str, path: str, status: int) -> None:
    answer = get(six + path, **STREAM)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"HTTP/1.1" not in answer.body
