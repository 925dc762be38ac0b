"""The addresses of the pages: who answers, with a page, its live stream, or what to do instead."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.exposition.deals_api import DealsApi
from funnel_stream.exposition.forward import Forwarder, PeerUnreachableError
from funnel_stream.exposition.page.deal_pages import DealPages, HtmlResponse
from funnel_stream.exposition.page.live import Live, waiting_reason
from funnel_stream.exposition.page.pages import HomePage, KpiPage, Page, Pages
from funnel_stream.exposition.page.site import HEADERS, STATIC, render
from funnel_stream.exposition.sending import send, stream
from funnel_stream.reporting import Reporter

_STREAM: Final = "text/event-stream"
_FOREVER: Final = "public, max-age=31536000, immutable"
"""Of a file whose address changes with its content."""


def add_pages(
    app: web.Application,
    reporter: Reporter,
    definition: Definition,
    deals: DealsApi,
    forwarder: Forwarder,
) -> None:
    """Serve all pages; ``forwarder`` has to run in ``app`` as well."""
    routes = _Routes(reporter, definition, deals, forwarder)
    app.on_response_prepare.append(_keep_safe)
    app.router.add_get("/", routes.home)
    app.router.add_get("/kpi/{name}", routes.kpi)
    app.router.add_get("/deals", routes.deals)
    app.router.add_get(r"/deals/{deal_id:[\s\S]+}", routes.deal)
    app.router.add_get("/static/{name}", routes.static)


async def _keep_safe(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer, be it a figure or "not found": a browser may open any address."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


class _Routes:
    def __init__(
        self,
        reporter: Reporter,
        definition: Definition,
        deals: DealsApi,
        forwarder: Forwarder,
    ) -> None:
        self._reporter = reporter
        self._forwarder = forwarder
        self._pages = Pages(reporter, definition)
        self._deal_pages = DealPages(deals, definition)
        self._live = Live(reporter)

    # --- figures: of the worker that reports ----------------------------------------------------

    async def home(self, request: web.Request) -> web.StreamResponse:
        return await self._shown(request, HomePage(self._pages, _query(request)))

    async def kpi(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        try:
            page = KpiPage(self._pages, name, _query(request))
        except KeyError:
            return _message(
                request, HTTPStatus.NOT_FOUND, f"There is no KPI {name!r}", "Was it renamed?"
            )
        return await self._shown(request, page)

    async def _shown(self, request: web.Request, page: Page) -> web.StreamResponse:
        """A page with figures, or its live stream."""
        peer = self._forwarder.to_reporter(request)
        try:
            if peer is not None:
                return await self._forwarder.forward(request, peer)
            if _STREAM in request.headers.get("Accept", ""):
                return await self._stream(request, page)
            snapshot = self._reporter.snapshot()
            if snapshot is None:
                return self._waiting(request)
            text = await page.html(snapshot)
            # The process may have been paused meanwhile, and another worker may report since.
            if not self._reporter.reporting():
                return self._waiting(request)
        except PeerUnreachableError as error:
            return self._unreachable(request, error.peer)
        except UsageError as error:
            return _message(
                request, HTTPStatus.BAD_REQUEST, _sentence(error.message), error.hint or ""
            )
        return _html(request, text)

    async def _stream(self, request: web.Request, page: Page) -> web.StreamResponse:
        if (snapshot := self._reporter.snapshot()) is not None:
            page.check(snapshot)  # while there is a status to say no with
        events = self._live.events(
            request.raw_path, page, lambda: self._forwarder.to_reporter(request) is not None
        )
        try:
            return await stream(request, events, {"Content-Type": _STREAM})
        finally:
            await events.aclose()

    def _waiting(self, request: web.Request) -> web.Response:
        """This worker has no figures now, and nobody who has is known."""
        ready, reason = self._reporter.ready()
        if not ready:
            title, advice = (
                "The figures are on their way",
                (
                    "The worker is restoring its state, which takes seconds to a few minutes. "
                    "This page shows the figures as soon as they are ready."
                ),
            )
        else:
            title, reason = "Another worker reports the figures", waiting_reason(self._reporter)
            advice = (
                "Open the pages of the other workers, or set FUNNEL_ADVERTISED_URL on each worker "
                "to the address at which the others can reach it."
            )
        return _message(request, HTTPStatus.SERVICE_UNAVAILABLE, title, reason, advice, live=True)

    def _unreachable(self, request: web.Request, peer: str) -> web.Response:
        return _message(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Another worker reports the figures",
            f"It is the worker at {peer}, which does not respond to this one.",
            "Open that address yourself. If that works, check that the workers can reach each "
            "other there (FUNNEL_ADVERTISED_URL and the network policy).",
            live=True,
            links={f"{peer}{request.raw_path}": "Open it there"},
        )

    # --- deals: of the worker that holds them ---------------------------------------------------

    async def deals(self, request: web.Request) -> web.StreamResponse:
        forwarder, peers = self._forwarder, self._reporter.peers()
        if passed_on := await forwarder.answered(request, forwarder.to_holder(request)):
            return passed_on
        return _deal_page(request, await self._deal_pages.deals(request.query, peers.holders))

    async def deal(self, request: web.Request) -> web.StreamResponse:
        forwarder, peers = self._forwarder, self._reporter.peers()
        deal_id = request.match_info["deal_id"]
        if passed_on := await forwarder.answered(request, forwarder.to_holder(request, deal_id)):
            return passed_on
        answer = await self._deal_pages.deal(deal_id, request.query, peers.holders)
        return _deal_page(request, answer)

    # --- files ----------------------------------------------------------------------------------

    async def static(self, request: web.Request) -> web.Response:
        file = STATIC.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        # Another version's worker may have been asked for a file of this name.
        same = request.rel_url.raw_path_qs == file.address
        headers = {
            "Content-Type": file.content_type,
            "Cache-Control": _FOREVER if same else "no-cache",
            "Vary": "Accept-Encoding",
        }
        return send(request, file.body, headers)


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]


def _query(request: web.Request) -> Mapping[str, str]:
    return {name: request.query[name] for name in request.query}


def _deal_page(request: web.Request, answer: HtmlResponse) -> web.Response:
    status, text = answer
    return _html(request, text, status)


def _message(
    request: web.Request,
    status: HTTPStatus,
    title: str,
    reason: str,
    *advices: str,
    live: bool = False,
    links: Mapping[str, str] | None = None,
) -> web.Response:
    """A page that says what is the matter and what to do."""
    again = {request.raw_path: "Try again"} if live else {"/": "Go to the funnel"}
    text = render(
        "message.html",
        title=title,
        reason=reason,
        advices=advices,
        live=live,
        links=[{"address": at, "text": text} for at, text in {**(links or {}), **again}.items()],
    )
    return _html(request, text, status)


def _html(request: web.Request, text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        # The same address is a page and its live stream.
        "Vary": "Accept",
    }
    return send(request, text.encode(errors="replace"), headers, status)
