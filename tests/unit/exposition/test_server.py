"""The HTTP server as its clients see it."""

import gzip
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.exposition import server
from funnel_stream.kpis.samples import samples
from funnel_stream.reporting import STALL_SECONDS, Reporter
from funnel_stream.windows.tables import Snapshot
from tests.unit.exposition.workers import busy, idle, reporting, starting


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(self.body)


@contextmanager
def served(reporter: Reporter) -> Iterator[str]:
    running = server.start(reporter, Definition(), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.port}"
    finally:
        running.stop()


def get(url: str, **headers: str) -> Answer:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def ask(reporter: Reporter, path: str, **headers: str) -> Answer:
    with served(reporter) as address:
        return get(address + path, **headers)


def test_a_worker_that_recovers_is_alive_but_not_ready() -> None:
    reporter = starting()
    reporter.assigning("recovering 3 partitions")
    with served(reporter) as address:
        assert get(f"{address}/healthz").status == 200
        ready = get(f"{address}/readyz")
    assert ready.status == 503
    assert ready.json == {"ready": False, "reason": "recovering 3 partitions", "reporting": False}


def test_a_recovered_worker_is_ready_whether_it_reports_or_not() -> None:
    assert ask(idle(), "/readyz").json == {"ready": True, "reason": "ready", "reporting": False}
    answer = ask(reporting(), "/readyz")
    assert answer.status == 200
    assert answer.json == {"ready": True, "reason": "ready", "reporting": True}


def test_a_stuck_stream_is_not_alive() -> None:
    now = [0.0]
    reporter = Reporter(clock=lambda: now[0])
    with served(reporter) as address:
        assert get(f"{address}/healthz").json == {"alive": True}
        now[0] = STALL_SECONDS + 1
        stuck = get(f"{address}/healthz")
    assert stuck.status == 503
    assert stuck.json == {"alive": False, "reason": "the stream is stuck"}


def test_kpis_are_the_samples() -> None:
    reporter = reporting()
    snapshot = reporter.snapshot()
    assert snapshot is not None
    with served(reporter) as address:
        everything = get(f"{address}/api/kpis").json
        some = get(f"{address}/api/kpis?window=24h&dimension=channel").json
    assert everything == [sample._asdict() for sample in samples(snapshot)]
    assert some == [
        sample._asdict() for sample in samples(snapshot, window="24h", dimension="channel")
    ]


def test_one_kpi_to_the_letter() -> None:
    answer = ask(reporting(), "/api/kpis?window=365d&dimension=channel")
    assert answer.body.decode().splitlines()[:3] == [
        "[",
        '{"metric":"funnel_leads_breakdown","labels":{"pipeline":"default","window":"365d",'
        '"dimension":"channel","value":"fair"},"value":1},',
        '{"metric":"funnel_leads_breakdown","labels":{"pipeline":"default","window":"365d",'
        '"dimension":"channel","value":"web \\"1\\"\\\\"},"value":1},',
    ]


@pytest.mark.parametrize(
    ("query", "error", "reason"),
    [
        (
            "window=2h",
            "there is no window '2h'",
            "Configured: 1h, 24h, 7d, 30d, 365d.",
        ),
        (
            "dimension=colour",
            "there is no dimension 'colour'",
            "Configured: channel, source, contact_trigger, product, industry, segment, "
            "owner, closing_document.",
        ),
        (
            "windows=24h",
            "there is no parameter 'windows'",
            "Allowed: window, dimension.",
        ),
    ],
)
def test_a_wrong_question_is_told_what_is_allowed(query: str, error: str, reason: str) -> None:
    answer = ask(reporting(), f"/api/kpis?{query}")
    assert answer.status == 400
    assert answer.json == {"error": error, "reason": reason}


def test_who_does_not_report_shows_no_kpis_but_says_why() -> None:
    elsewhere = ask(idle(), "/api/kpis")
    assert elsewhere.status == 503
    assert elsewhere.json == {
        "error": "this worker does not report the KPIs",
        "reason": "Another worker of the group does.",
    }
    assert ask(starting(), "/api/kpis").json["reason"] == "starting"


class PausedWhileAnswering(Reporter):
    """After every look at the figures an hour passes."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(session_timeout=60, clock=lambda: self.now)
        self.assigned(owner=True, seconds=0.1)
        self.confirm_membership(self.now)
        snapshot = reporting().snapshot()
        assert snapshot is not None
        self.publish(snapshot)

    def snapshot(self) -> Snapshot | None:
        found = super().snapshot()
        self.now += 3600
        return found


def test_who_was_paused_while_answering_shows_no_kpis() -> None:
    assert ask(PausedWhileAnswering(), "/api/kpis?window=24h").status == 503
    scraped = ask(PausedWhileAnswering(), "/metrics")
    assert scraped.status == 200
    assert b"funnel_leads" not in scraped.body
    assert b"\nfunnel_reporting 0.0\n" in scraped.body


def test_metrics_are_negotiated() -> None:
    with served(busy()) as address:
        text = get(f"{address}/metrics")
        openmetrics = get(f"{address}/metrics", Accept="application/openmetrics-text")
        one = get(f"{address}/metrics?name[]=funnel_recovery_seconds")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\nfunnel_events_consumed_total 607.0\n" in text.body
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.body.endswith(b"# EOF\n")
    assert one.body.splitlines()[-1] == b"funnel_recovery_seconds 0.5"
    assert len(one.body.splitlines()) == 3


def test_large_answers_are_compressed_for_those_who_can_read_it() -> None:
    with served(reporting()) as address:
        plain = get(f"{address}/api/kpis")
        packed = get(f"{address}/api/kpis", **{"Accept-Encoding": "gzip, deflate"})
        small = get(f"{address}/healthz", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in small.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 5
    assert gzip.decompress(packed.body) == plain.body


def test_every_link_of_the_page_leads_somewhere() -> None:
    with served(reporting()) as address:
        page = get(f"{address}/")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        links = {
            unescape(part.split('"')[0]).partition("#")[0]
            for part in page.body.decode().split('href="')[1:]
        }
        assert {urlsplit(link).path for link in links} >= {"/", "/kpi/leads", "/deals", "/metrics"}
        assert {link: get(address + link).status for link in links if link} == dict.fromkeys(
            links - {""}, 200
        )
    assert ask(idle(), "/nowhere").status == 404


def test_a_taken_port_is_a_readable_error() -> None:
    with served(idle()) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(
            FunnelError, match=f"port {port} on 127.0.0.1 is already in use"
        ) as raised:
            server.start(idle(), Definition(), "127.0.0.1", port)
    assert "--http-port" in (raised.value.hint or "")


def test_stopping_frees_the_port_and_ends_the_thread() -> None:
    running = server.start(idle(), Definition(), "127.0.0.1", 0)
    running.stop()
    running.stop()
    assert "http" not in {thread.name for thread in threading.enumerate()}
    again = server.start(idle(), Definition(), "127.0.0.1", running.port)
    assert again.port == running.port
    again.stop()


def test_a_scrape_waits_for_nobody() -> None:
    """A stream that holds its loop (here: the calling thread) does not hold up an answer, and
    answers of many clients at once are all whole."""
    reporter = reporting()
    answers: list[Answer] = []
    with served(reporter) as address:
        clients = [
            threading.Thread(target=lambda: answers.append(get(f"{address}/metrics")))
            for _ in range(8)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert len(answers) == 8
    assert all(b"\nfunnel_reporting 1.0\n" in answer.body for answer in answers)
