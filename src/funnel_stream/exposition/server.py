"""The HTTP server: a thread of its own with a loop of its own, so that no scrape holds up the
stream's loop, and no rebalance holds up a scrape."""

import asyncio
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.exposition import api, health
from funnel_stream.exposition.deals_api import DealsApi
from funnel_stream.exposition.forward import Forwarder, PeerUnreachableError
from funnel_stream.exposition.metrics import Exposition
from funnel_stream.exposition.page.routes import add_pages
from funnel_stream.exposition.sending import send
from funnel_stream.reporting import Reporter

_STOP_SECONDS: Final = 5.0

Written = TypeVar("Written")


class Server:
    """A running server; ``port`` is the real one where 0 was asked for."""

    def __init__(
        self,
        port: int,
        loop: asyncio.AbstractEventLoop,
        stop: asyncio.Event,
        thread: threading.Thread,
    ) -> None:
        self.port = port
        self._loop = loop
        self._stop = stop
        self._thread = thread

    def stop(self) -> None:
        """Close the port; answers under way get a second. May be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_SECONDS)


def start(reporter: Reporter, definition: Definition, host: str, port: int) -> Server:
    """Serve on ``host:port`` (0: any free port) until stopped.

    Raises ``FunnelError`` if the port cannot be had. The thread ends with the process.
    """
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    app = application(reporter, definition)
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(app, host, port, started)), name="http", daemon=True
    )
    thread.start()
    try:
        bound, loop, stop = started.result()
    except OSError as error:
        raise _refused(host, port, error) from error
    return Server(bound, loop, stop, thread)


def _refused(host: str, port: int, error: OSError) -> FunnelError:
    hint = "Choose another one with --http-port; 0 takes any free port."
    if error.errno == errno.EADDRINUSE:
        return FunnelError(f"port {port} on {host} is already in use", hint=hint)
    return FunnelError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint)


async def _serve(
    app: web.Application,
    host: str,
    port: int,
    started: "Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]",
) -> None:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
    except Exception as error:
        await runner.cleanup()
        started.set_exception(error)
        return
    stop = asyncio.Event()
    started.set_result((runner.addresses[0][1], asyncio.get_running_loop(), stop))
    await stop.wait()
    await runner.cleanup()


def application(reporter: Reporter, definition: Definition) -> web.Application:
    """The addresses and what they answer."""
    exposition = Exposition(reporter)
    deals = DealsApi(reporter, definition)
    forwarder = Forwarder(reporter)

    def confirmed(write: Callable[[], Written]) -> Written:
        """An answer with KPIs, if this worker reports even now that it is written: the process may
        have been paused meanwhile, and another one may report since."""
        answer = write()
        return answer if reporter.reporting() else write()

    async def show_metrics(request: web.Request) -> web.Response:
        accept, names = request.headers.get("Accept", ""), request.query.getall("name[]", [])
        return _answer(request, *confirmed(lambda: exposition.render(accept, names)))

    async def show_kpis(request: web.Request) -> web.StreamResponse:
        if peer := forwarder.to_reporter(request):
            try:
                return await forwarder.forward(request, peer)
            except PeerUnreachableError as error:
                body = api.problem("the worker that reports the KPIs does not respond", error.peer)
                return _answer(request, body, _JSON, HTTPStatus.SERVICE_UNAVAILABLE)
        status, body = confirmed(lambda: api.kpis(reporter, request.query))
        return _answer(request, body, _JSON, status)

    async def show_deals(request: web.Request) -> web.StreamResponse:
        if passed_on := await forwarder.answered(request, forwarder.to_holder(request)):
            return passed_on
        status, body = await deals.deals(request.query)
        return _answer(request, body, _JSON, status)

    async def show_deal(request: web.Request) -> web.StreamResponse:
        deal_id = request.match_info["deal_id"]
        if passed_on := await forwarder.answered(request, forwarder.to_holder(request, deal_id)):
            return passed_on
        status, body = await deals.deal(deal_id, request.query)
        return _answer(request, body, _JSON, status)

    async def show_liveness(request: web.Request) -> web.Response:
        return _json(request, health.liveness(reporter))

    async def show_readiness(request: web.Request) -> web.Response:
        return _json(request, health.readiness(reporter))

    app = web.Application()
    app.cleanup_ctx.append(forwarder.running)
    add_pages(app, reporter, definition, deals, forwarder)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/api/kpis", show_kpis)
    app.router.add_get("/api/deals", show_deals)
    app.router.add_get(r"/api/deals/{deal_id:[\s\S]+}", show_deal)
    app.router.add_get("/healthz", show_liveness)
    app.router.add_get("/readyz", show_readiness)
    return app


_JSON: Final = "application/json; charset=utf-8"


def _json(request: web.Request, answer: health.HealthResponse) -> web.Response:
    status, document = answer
    return _answer(request, msgspec.json.encode(document) + b"\n", _JSON, status)


def _answer(
    request: web.Request, body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    return send(request, body, {"Content-Type": content_type}, status)
