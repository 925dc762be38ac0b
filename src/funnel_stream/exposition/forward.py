"""A worker that does not report the KPIs lets the one that does answer its readers.

What the other one sends is passed on chunk by chunk as it comes, be it a page, figures or an
endless stream of events. What was passed on once is answered by whom it reaches, so that nothing
goes round in circles while two workers have different ideas of who reports.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from funnel_stream.reporting import Reporter

FORWARDED: Final = "X-Funnel-Forwarded"
"""A request with this header is answered by the worker that gets it, and by no other."""

WORKER: Final = "X-Funnel-Worker"
"""Stands on an answer that is another worker's, with the address of that one."""

_CONNECT_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 20.0
"""A worker that is paused takes a connection, but never answers."""
_IDLE_SECONDS: Final = 60.0
"""Streams send something more often than this; a machine that has vanished sends nothing."""
_POLL_SECONDS: Final = 0.5
"""How often to check that the reader is still there while the other worker is silent."""

HELD_BY: Final = "held_by"
"""A parameter of lists of deals: the worker that holds this partition is to answer."""

_METHODS: Final = ("GET", "HEAD")
_REQUEST_HEADERS: Final = ("Accept", "Accept-Encoding", "Last-Event-ID")
_HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that are about one connection (RFC 9110, 7.6.1), and never passed on."""


class PeerUnreachableError(Exception):
    """Another worker should have answered, but does not."""

    def __init__(self, peer: str) -> None:
        super().__init__(f"the worker at {peer} does not respond")
        self.peer = peer


class Forwarder:
    """Passes requests on to other workers while an application runs.

    ``app.cleanup_ctx.append(forwarder.running)`` makes it part of one; it lives in its loop.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._session: aiohttp.ClientSession | None = None

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """Connections to others, from the start of ``app`` to its end."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            auto_decompress=False,
        ) as self._session:
            yield
        self._session = None

    def to_reporter(self, request: web.Request) -> str | None:
        """The address of the worker that has to answer instead of this one.

        ``None`` if this one has to: it reports, it is not ready, nobody else is known to report,
        or the request has been passed on already.
        """
        if not _may_be_passed_on(request):
            return None
        if not self._reporter.ready()[0] or self._reporter.reporting():
            return None
        peers = self._reporter.peers()
        return peers.reporting if peers.reporting != peers.own else None

    def to_holder(self, request: web.Request, deal_id: str | None = None) -> str | None:
        """The address of the worker that holds a deal, or the partition that ``held_by`` names.

        ``None`` if this one does, nobody is known to, or the request has been passed on already.
        """
        if not _may_be_passed_on(request):
            return None
        peers, held = self._reporter.peers(), self._reporter.held()
        named = request.query.get(HELD_BY, "")
        if deal_id is not None:
            partition = peers.partition_of(deal_id.encode(errors="replace"))
        else:
            partition = int(named) if named.isascii() and named.isdigit() else -1
        if held is not None and partition in held.deals:
            return None
        peer = peers.holders.get(partition)
        return peer if peer != peers.own else None

    async def answered(self, request: web.Request, peer: str | None) -> web.StreamResponse | None:
        """As ``forward``; ``None`` if there is no peer to ask, or it does not answer."""
        if peer is None:
            return None
        try:
            return await self.forward(request, peer)
        except PeerUnreachableError:
            return None

    async def forward(self, request: web.Request, peer: str) -> web.StreamResponse:
        """The answer of the worker at ``peer`` (http://host:port) to the same request, passed on.

        It ends when either side does. Raises ``PeerUnreachableError`` as long as nothing has been
        passed on; later the reader's connection is cut, so that half an answer is not taken for a
        whole one.
        """
        answer = await self._ask(request, peer)
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=_passed_on(answer.headers)
        )
        response.headers[WORKER] = peer
        try:
            await response.prepare(request)
            await _pass_on(answer.content, request, response)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            answer.close()
        return response

    async def _ask(self, request: web.Request, peer: str) -> aiohttp.ClientResponse:
        assert self._session is not None, "the application is not running"
        headers = {
            name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers
        }
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._session.request(
                    request.method,
                    _url_at(peer, request),
                    headers={**headers, FORWARDED: "1"},
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PeerUnreachableError(peer) from error


def _may_be_passed_on(request: web.Request) -> bool:
    return request.method in _METHODS and FORWARDED not in request.headers


def _url_at(peer: str, request: web.Request) -> URL:
    """The address that was asked for, byte by byte, at another worker."""
    target = request.raw_path
    if not target.startswith("/"):  # the form for proxies, with a host of the reader's choice
        target = request.rel_url.raw_path_qs
    path, _, query = target.partition("?")
    base = URL(peer)
    return URL.build(
        scheme=base.scheme,
        authority=base.raw_authority,
        path=path,
        query_string=query,
        encoded=True,
    )


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = {
        name.strip().lower()
        for value in headers.getall("Connection", ())
        for name in value.split(",")
    }
    left_out = _HOP_BY_HOP | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in left_out
    )


async def _pass_on(
    content: aiohttp.StreamReader, request: web.Request, response: web.StreamResponse
) -> None:
    """Every chunk as it comes, until the end of the answer or until the reader has gone.

    Raises what ends the answer too early, on either side.
    """
    last_read = time.monotonic()
    while not (request.transport is None or request.transport.is_closing()):
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                chunk = await content.readany()
        except TimeoutError:
            if time.monotonic() - last_read > _IDLE_SECONDS:
                raise
            continue
        if not chunk:
            return
        last_read = time.monotonic()
        await response.write(chunk)
