"""What one worker passes on of another, and when it does."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from funnel_stream.definition import Definition
from funnel_stream.exposition import forward
from funnel_stream.exposition.forward import Forwarder, PeerUnreachableError
from funnel_stream.facts.deals import Deals
from funnel_stream.reporting import Peers, Reporter, monotonic
from tests.unit.exposition.workers import idle, reporting, starting

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SOON = 30.0
"""Ends what would wait for ever; nothing takes as long, on a busy machine either."""
OWN, OTHER = "http://10.0.0.1:6066", "http://10.0.0.2:6066"


@asynccontextmanager
async def serving(handler: Handler, *contexts: Callable[[web.Application], AsyncIterator[None]]):
    """The address of a server that answers everything by ``handler``."""
    app = web.Application()
    app.cleanup_ctx.extend(contexts)
    app.router.add_get("/{rest:.*}", handler)
    # As the worker's server: a handler is not told that its reader has gone.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def front_of(peer: str):
    """The address of a worker that passes everything on to ``peer``, or answers 503."""
    forwarder = Forwarder(idle())

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await forwarder.forward(request, peer)
        except PeerUnreachableError as error:
            return web.Response(status=503, text=error.peer)

    async with serving(handler, forwarder.running) as address:
        yield address


@asynccontextmanager
async def passed_on(handler: Handler):
    """The address of a worker that passes everything on to one that answers by ``handler``, and
    of that one."""
    async with serving(handler) as peer, front_of(peer) as front:
        yield front, peer


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_an_answer_is_passed_on_as_it_is(client: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; charset=latin-1", "X-Of-The-Peer": "yes"}
        return web.Response(status=404, body=b"nowhere \xe9", headers=headers)

    async with passed_on(handler) as (front, peer), client.get(front) as answer:
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "text/plain; charset=latin-1"
        assert answer.headers["X-Of-The-Peer"] == "yes"
        assert answer.headers["Content-Length"] == "9"
        assert answer.headers["X-Funnel-Worker"] == peer
        assert await answer.read() == b"nowhere \xe9"


@pytest.mark.parametrize(
    "target",
    [
        "/api/deals/a%2Fb%20c%25d%C3%A9?kpi=win_ratio&value=a%26b+c&empty=&window=30d",
        "/api/deals/../%2e%2E//x;y=1?a=%zz",
        "//elsewhere.example/api/kpis",
        "/@elsewhere.example/",
    ],
)
async def test_the_target_arrives_byte_for_byte(target: str) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(text="here")

    async with passed_on(handler) as (front, _):
        assert (await spoken(front, f"GET {target} HTTP/1.1")).endswith(b"here")
    assert seen == [target]


async def test_a_host_in_the_target_leads_nowhere_else() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(text="here")

    async with passed_on(handler) as (front, _):
        line = "GET http://elsewhere.example/api/kpis?window=1h HTTP/1.1"
        assert (await spoken(front, line)).endswith(b"here")
    assert seen == ["/api/kpis?window=1h"]


async def spoken(address: str, line: str) -> bytes:
    """The whole answer to a request whose first line is said to the letter."""
    url = URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()


async def test_who_has_passed_on_says_so_and_what_the_reader_can_read(
    client: aiohttp.ClientSession,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    async with passed_on(handler) as (front, peer):
        asked = {"Accept": "text/html;q=0.9", "Accept-Encoding": "br", "Cookie": "a=b"}
        async with client.get(front, headers=asked) as answer:
            seen = await answer.json()
    assert seen == {
        "Host": peer.removeprefix("http://"),
        "Accept": "text/html;q=0.9",
        "Accept-Encoding": "br",
        "X-Funnel-Forwarded": "1",
    }


async def test_compressed_answers_stay_compressed(client: aiohttp.ClientSession) -> None:
    packed = gzip.compress(b"figures" * 100)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with passed_on(handler) as (front, _), client.get(front) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.read() == packed


async def test_headers_of_the_connection_are_not_passed_on(client: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {
            "Connection": "keep-alive, X-Private",
            "X-Private": "1",
            "Keep-Alive": "timeout=1",
        }
        return web.Response(text="here", headers=headers)

    async with passed_on(handler) as (front, _), client.get(front) as answer:
        assert not {"X-Private", "Keep-Alive"} & answer.headers.keys()
        assert await answer.read() == b"here"


async def test_a_redirect_is_the_readers_to_follow(client: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/elsewhere")

    async with (
        passed_on(handler) as (front, _),
        client.get(front, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (303, "/elsewhere")


class Stream:
    """A server's stream of events: says the first, and the second when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()
        """The one who listened has gone."""

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        while not self.go_on.is_set():
            if request.transport is None or request.transport.is_closing():
                self.left.set()
                return response
            await asyncio.sleep(0.01)
        await response.write(b"data: 2\n\n")
        return response


async def test_events_arrive_while_the_stream_goes_on(client: aiohttp.ClientSession) -> None:
    stream = Stream()
    async with (
        asyncio.timeout(SOON),
        passed_on(stream.events) as (front, _),
        client.get(front) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readany() == b"data: 1\n\n"
        stream.go_on.set()
        assert await answer.read() == b"data: 2\n\n"


async def test_a_stream_ends_when_its_reader_goes(client: aiohttp.ClientSession) -> None:
    stream = Stream()
    async with asyncio.timeout(SOON), passed_on(stream.events) as (front, _):
        async with client.get(front) as answer:
            await answer.content.readany()
        await stream.left.wait()


async def test_a_stream_is_cut_when_the_other_worker_dies(client: aiohttp.ClientSession) -> None:
    async def dies(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b"[half of")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with asyncio.timeout(SOON), passed_on(dies) as (front, _):
        with pytest.raises(aiohttp.ClientError):
            async with client.get(front) as answer:
                await answer.read()


async def test_a_stream_is_cut_when_the_other_worker_has_vanished(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr(forward, "_POLL_SECONDS", 0.1)
    async with asyncio.timeout(SOON), passed_on(Stream().events) as (front, _):
        with pytest.raises(aiohttp.ClientError):
            async with client.get(front) as answer:
                await answer.read()


async def test_streams_do_not_take_each_others_place(client: aiohttp.ClientSession) -> None:
    """More than the connections that an HTTP client has by default."""
    client.connector._limit = 0
    stream = Stream()
    async with (
        asyncio.timeout(4 * SOON),
        passed_on(stream.events) as (front, _),
        AsyncExitStack() as open_,
    ):
        for _ in range(110):
            answer = await open_.enter_async_context(client.get(front))
            assert await answer.content.readany() == b"data: 1\n\n"


async def test_nobody_there_is_told_with_the_address(client: aiohttp.ClientSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with front_of(peer) as front, client.get(front) as answer:
        assert (answer.status, await answer.text()) == (503, peer)


async def test_a_paused_worker_is_not_waited_for_without_end(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(SOON), front_of(peer) as front, client.get(front) as answer:
            assert (answer.status, await answer.text()) == (503, peer)


def asked(reporter: Reporter, method: str = "GET", **headers: str) -> str | None:
    return Forwarder(reporter).to_reporter(make_mocked_request(method, "/api/kpis", headers))


def among(reporter: Reporter, peers: Peers) -> Reporter:
    reporter.introduce(peers)
    return reporter


def test_who_does_not_report_asks_the_one_that_does() -> None:
    knowing = among(idle(), Peers(OWN, OTHER, {}))
    assert asked(knowing) == OTHER
    assert asked(knowing, "HEAD") == OTHER
    assert asked(knowing, "POST") is None


def test_what_was_passed_on_is_not_passed_on_again() -> None:
    assert asked(among(idle(), Peers(OWN, OTHER, {})), **{"X-Funnel-Forwarded": "1"}) is None


def test_who_reports_or_is_not_ready_answers_for_itself() -> None:
    assert asked(among(reporting(), Peers(OWN, OTHER, {}))) is None
    assert asked(among(starting(), Peers(OWN, OTHER, {}))) is None
    assert asked(idle()) is None


def test_nobody_asks_himself() -> None:
    """Two workers go by the same address."""
    assert asked(among(idle(), Peers(OWN, OWN, {}))) is None


def holder_of(deal_id: str | None, query: str = "", **headers: str) -> str | None:
    """Whom a worker asks that holds nothing, where deals lie on the partition of their length."""
    peers = Peers(OWN, OTHER, {1: OTHER, 2: OWN}, len)
    request = make_mocked_request("GET", f"/deals{query}", headers)
    return Forwarder(among(idle(), peers)).to_holder(request, deal_id)


def test_the_worker_that_holds_a_deal_is_asked_for_it() -> None:
    assert holder_of("a") == OTHER
    assert holder_of("bb") is None, "it would be this one"
    assert holder_of("ccc") is None, "nobody is known to hold it"
    assert holder_of("a", **{"X-Funnel-Forwarded": "1"}) is None


def test_the_worker_that_holds_a_partition_is_asked_for_its_list() -> None:
    assert holder_of(None, "?held_by=1") == OTHER
    assert holder_of(None, "?held_by=2") is None
    assert holder_of(None) is None
    for nonsense in ("x", "-1", "%C2%B2", "1" * 30):
        assert holder_of(None, f"?held_by={nonsense}") is None


def test_what_this_worker_holds_it_shows_itself() -> None:
    reporter = among(idle(), Peers(OWN, OTHER, {1: OTHER}, len))
    reporter.confirm_membership(monotonic())
    reporter.hold({1: Deals(Definition())}, partitions=2, event_clock=False)
    assert Forwarder(reporter).to_holder(make_mocked_request("GET", "/deals/a"), "a") is None
