"""Live pages: server-sent events with the parts of a page that have changed.

All readers of one view share what is rendered for it, and rendering takes a share of the time only,
however many views there are: the more of them, the less often each is refreshed.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

import msgspec

from funnel_stream.errors import UsageError
from funnel_stream.exposition.page.pages import Parts
from funnel_stream.exposition.sending import BodyChunk
from funnel_stream.reporting import Reporter
from funnel_stream.windows.tables import Snapshot

_POLL_SECONDS: Final = 0.1
"""How often streams check for changes."""
_CLOCK_SECONDS: Final = 1.0
"""How often a page gets the time and the state of the service."""
_IDLE_REFRESH_SECONDS: Final = 5.0
"""After this time everything is rendered anew, even without events: ages grow, trends arrive."""
_SHARED_SECONDS: Final = 2.0
"""For this long, views that queue up are rendered from the same snapshot."""
_KEEPALIVE_SECONDS: Final = 5.0
"""After this time without an event a reader gets a sign that the stream is alive."""
_COOLDOWN: Final = 4
"""Seconds of pause per second of rendering, shared by all views …"""
_COOLDOWN_BEHIND: Final = 99
"""… and while the stream works off a backlog,"""
_BACKLOG: Final = 5_000
"""which is more than this many records."""
_MIN_REFRESH_SECONDS: Final = 0.5
"""A view is rendered anew after this time at the earliest: nobody reads faster."""
_encode = msgspec.json.Encoder(enc_hook=str).encode


class LivePage(Protocol):
    """A page that can be rendered part by part."""

    async def parts(self, snapshot: Snapshot) -> Parts:
        """All of it."""

    def passing(self, snapshot: Snapshot) -> Parts:
        """What changes by itself, and costs nothing."""


class _LiveView:
    """A view that somebody looks at, as it was rendered last."""

    def __init__(self, page: LivePage) -> None:
        self.page = page
        self.parts: Parts = {}
        self._former: Parts = {}
        self._event: BodyChunk | None = None
        self.version = -1
        self.rendered_at = self.clock_sent_at = self.joined_at = 0.0
        self.readers = 0
        self.rendering: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.changed = asyncio.Event()

    def replace(self, parts: Parts) -> None:
        """Let the view be these parts."""
        self._former, self.parts = self.parts, parts
        self._event = _changes(self._former, parts)
        self.wake()

    def wake(self) -> None:
        """Have all readers look."""
        self.changed.set()
        self.changed = asyncio.Event()

    def event_after(self, sent: Parts) -> BodyChunk | None:
        """The event for a reader to whom these parts were sent last, if any."""
        if sent is self.parts:
            return None
        # Encoded once for all readers that keep up.
        return self._event if sent is self._former else _changes(sent, self.parts)


class Live:
    """The streams of all live pages."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._views: dict[str, _LiveView] = {}
        self._turn = asyncio.Lock()
        self._cooldown_until = 0.0
        self._shared_snapshot: Snapshot | None = None
        self._shared_since = 0.0
        self._watching: asyncio.Task[None] | None = None

    async def events(
        self, address: str, page: LivePage, is_elsewhere: Callable[[], bool]
    ) -> AsyncGenerator[BodyChunk, None]:
        """The stream of the page at an address; ends when another worker has become the one to
        ask, or the address makes no sense any more. Raises what else rendering raises."""
        live_view = self._views.setdefault(address, _LiveView(page))
        live_view.readers += 1
        # What was rendered before may be older than the page that the reader has.
        joined = live_view.joined_at = time.monotonic()
        sent: Parts = {}
        waiting_for = ""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            yield BodyChunk(b"retry: 1000\n\n")
            sent_at = time.monotonic()
            while True:
                changed, event = live_view.changed, None
                if isinstance(live_view.error, UsageError):
                    return
                if live_view.error is not None:
                    raise live_view.error
                if self._reporter.snapshot() is not None:
                    waiting_for = ""
                    if live_view.rendered_at >= joined:
                        event, sent = live_view.event_after(sent), live_view.parts
                elif is_elsewhere():
                    return
                elif (reason := waiting_reason(self._reporter)) != waiting_for:
                    waiting_for, sent = reason, {}
                    joined = live_view.joined_at = time.monotonic()
                    event = _event("waiting", {"reason": reason})
                if not event and time.monotonic() - sent_at > _KEEPALIVE_SECONDS:
                    event = _event("tick", {})
                if event:
                    yield event
                    sent_at = time.monotonic()
                await changed.wait()
        finally:
            live_view.readers -= 1
            if not live_view.readers:
                self._views.pop(address, None)
                if live_view.rendering is not None:
                    live_view.rendering.cancel()

    async def _watch(self) -> None:
        """Check for changes on behalf of all readers: if each of them checked, that would slow the
        stream, little by little."""
        while self._views:
            snapshot = self._reporter.snapshot()
            for live_view in self._views.values():
                if snapshot is None:
                    live_view.wake()
                else:
                    self._refresh(live_view, snapshot)
            if snapshot is None:
                self._shared_snapshot = None
            await asyncio.sleep(_POLL_SECONDS)
        # Not to hold an old snapshot when nobody looks any more.
        self._shared_snapshot, self._watching = None, None

    def _refresh(self, live_view: _LiveView, snapshot: Snapshot) -> None:
        """Have the view rendered if something changed; readers keep the former parts meanwhile."""
        rendering = live_view.rendering
        if rendering is not None and rendering.done():
            live_view.rendering, live_view.error = None, rendering.exception()
            live_view.wake()
        now = time.monotonic()
        age = now - live_view.rendered_at
        is_due = age > (
            _IDLE_REFRESH_SECONDS if live_view.version == snapshot.version else _MIN_REFRESH_SECONDS
        )
        if live_view.rendering is None and (is_due or live_view.rendered_at < live_view.joined_at):
            live_view.rendering = asyncio.create_task(self._render(live_view, snapshot))
        elif now - live_view.clock_sent_at > _CLOCK_SECONDS:
            live_view.clock_sent_at = now
            if live_view.parts:
                live_view.replace({**live_view.parts, **live_view.page.passing(snapshot)})
            else:
                live_view.wake()

    async def _render(self, live_view: _LiveView, snapshot: Snapshot) -> None:
        async with self._turn:
            await asyncio.sleep(max(0.0, self._cooldown_until - time.monotonic()))
            begun, worked = time.monotonic(), time.thread_time()
            snapshot = self._newest(snapshot, begun)
            live_view.replace(await live_view.page.parts(snapshot))
            # Work, not the time that the stream took meanwhile; nothing is waited for in between.
            took = time.thread_time() - worked
            ratio = _COOLDOWN_BEHIND if is_behind(self._reporter) else _COOLDOWN
            self._cooldown_until = time.monotonic() + took * ratio
        live_view.version = snapshot.version
        live_view.rendered_at = live_view.clock_sent_at = begun

    def _newest(self, snapshot: Snapshot, now: float) -> Snapshot:
        """What to render: the newest snapshot; where views queue up, the same one for some of them,
        so that its figures are computed once."""
        queue = sum(view.rendering is not None for view in self._views.values())
        if (
            self._shared_snapshot is not None
            and queue > 1
            and now - self._shared_since < _SHARED_SECONDS
        ):
            return self._shared_snapshot
        self._shared_snapshot, self._shared_since = self._reporter.snapshot() or snapshot, now
        return self._shared_snapshot


def is_behind(reporter: Reporter) -> bool:
    """Whether the stream has a backlog, and had better not be disturbed."""
    return sum(reporter.operations().lag.values()) > _BACKLOG


def waiting_reason(reporter: Reporter) -> str:
    """Why this worker shows no figures."""
    ready, reason = reporter.ready()
    return "another worker reports the figures, but its address is not known" if ready else reason


def _changes(former: Parts, parts: Parts) -> BodyChunk | None:
    changed = {name: part for name, part in parts.items() if former.get(name) != part}
    return _event("parts", changed) if changed else None


def _event(name: str, data: dict[str, str]) -> BodyChunk:
    return BodyChunk(b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(data)))
