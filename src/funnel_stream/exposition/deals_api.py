"""``/api/deals``: the deals behind a figure; ``/api/deals/<id>``: one deal, explained.

Answered from the state of this worker's partitions, while the stream goes on changing it: nothing
is locked, and the work is done in small pieces with rests between them. The HTML pages of the same
names ask here too, so that there is one search at a time, whoever asks.
"""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from funnel_stream.answers.deal_list import Cursor, Entry, Finder, Walk
from funnel_stream.answers.explanation import Explanation, as_json, explain
from funnel_stream.answers.question import Question, parse_question
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import moment, parse
from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError, UsageError
from funnel_stream.exposition.api import JsonResponse, problem
from funnel_stream.exposition.forward import HELD_BY
from funnel_stream.reporting import Held, Reporter

MAX_LIMIT: Final = 1_000
_LIMIT: Final = 50
_SLICE_SECONDS: Final = 0.005
_PAUSE_SECONDS: Final = 0.01
"""So long the stream has the interpreter to itself after every piece of work."""
_REQUEST_SECONDS: Final = 0.5
"""After about so long an answer is given, however much has been found by then."""
PAGING_PARAMETERS: Final = ("limit", "after", "as_of", HELD_BY)
"""Parameters that do not say which figure is meant."""
_START: Final = Cursor(-1, b"")


class _PageToken(msgspec.Struct, array_like=True):
    """Where to go on, and the instant that all pages are of."""

    as_of: int
    partition: int
    name: bytes


_encode_token = msgspec.msgpack.Encoder().encode
_decode_token = msgspec.msgpack.Decoder(_PageToken).decode


class NotYetError(FunnelError):
    """This worker does not know its deals (yet, or for sure); the hint is what it waits for."""


class PartitionShare(NamedTuple):
    """Which part of all deals a worker knows: these partitions of so many."""

    partitions: tuple[int, ...]
    partition_count: int

    @property
    def complete(self) -> bool:
        return len(self.partitions) == self.partition_count


class NotHereError(FunnelError):
    """This worker does not know such a deal; the hint says who may."""

    def __init__(self, deal_id: str, share: PartitionShare) -> None:
        super().__init__(f"there is no deal {deal_id!r} here", hint=_where_else(share))
        self.share = share


class DealListPage(NamedTuple):
    """A page of the deals behind a figure.

    ``after``: the cursor of the next page, ``None`` on the last one. ``limit``: what fits on a
    page; one with a next and fewer deals ended because its time was over. ``as_of``: the instant
    (µs) that all pages are of.
    """

    question: Question
    deals: list[Entry]
    after: str | None
    limit: int
    as_of: int
    share: PartitionShare


class DealsApi:
    """Finds and explains the deals that a worker holds, and answers about them in JSON."""

    def __init__(self, reporter: Reporter, definition: Definition) -> None:
        self._reporter = reporter
        self._definition = definition
        # One search at a time: many of them together would take the stream's time away.
        self._turn = asyncio.Lock()

    async def find(self, query: Mapping[str, str]) -> DealListPage:
        """A page of the deals behind a figure.

        Raises ``UsageError``, which says which parameter is wrong and what is allowed, and
        ``NotYetError``.
        """
        held = self._held()
        limit = _limit(query.get("limit"))
        as_of, cursor = _start(query, held)
        figure = {name: value for name, value in query.items() if name not in PAGING_PARAMETERS}
        question = parse_question(figure, self._definition)
        walk = Walk(held.deals, Finder(question, self._definition, as_of), cursor, limit=limit)
        async with self._turn:
            await _drive(walk)
        # Asked again: the partitions may have gone to another worker meanwhile.
        if self._held().deals != held.deals:
            raise self._not_yet()
        after = walk.cursor and _page_token(as_of, walk.cursor)
        return DealListPage(question, walk.entries, after, limit, as_of, _share(held))

    async def explained(self, deal_id: str, query: Mapping[str, str]) -> Explanation:
        """One deal, explained; the query may hold ``as_of``.

        Raises ``UsageError``, ``NotYetError`` and ``NotHereError``.
        """
        held = self._held()
        if unknown := [name for name in query if name != "as_of"]:
            raise UsageError(f"there is no parameter {unknown[0]!r}", hint="Allowed: as_of.")
        as_of = _instant(query, held)
        name = deal_id.encode(errors="replace")
        for deals in held.deals.values():
            if row := deals.row(name):
                async with self._turn:
                    # A deal of a thousand events takes a good part of a second.
                    return await asyncio.to_thread(explain, deal_id, row, self._definition, as_of)
        raise NotHereError(deal_id, _share(held))

    async def deals(self, query: Mapping[str, str]) -> JsonResponse:
        """A page as JSON; 400 says what is wrong, 503 why this worker cannot tell."""
        try:
            page = await self.find(query)
        except (UsageError, NotYetError) as error:
            return _error_response(error)
        return HTTPStatus.OK, _json(
            {
                "deals": page.deals,
                "next": page.after,
                "as_of": moment(page.as_of),
                **_share_json(page.share),
            }
        )

    async def deal(self, deal_id: str, query: Mapping[str, str]) -> JsonResponse:
        """An explanation as JSON; 404 tells which share of the deals this worker knows."""
        try:
            return HTTPStatus.OK, as_json(await self.explained(deal_id, query))
        except NotHereError as error:
            document = {"error": error.message, "reason": error.hint}
            return HTTPStatus.NOT_FOUND, _json({**document, **_share_json(error.share)})
        except (UsageError, NotYetError) as error:
            return _error_response(error)

    def _held(self) -> Held:
        held = self._reporter.held()
        if held is None:
            raise self._not_yet()
        return held

    def _not_yet(self) -> NotYetError:
        ready, reason = self._reporter.ready()
        return NotYetError(
            "this worker does not know its deals yet",
            hint="confirming the membership in the group" if ready else reason,
        )


def _error_response(error: UsageError | NotYetError) -> JsonResponse:
    return status_of(error), problem(error.message, error.hint or "")


def status_of(error: UsageError | NotYetError | NotHereError) -> HTTPStatus:
    """The status of the answer that a search ends with."""
    match error:
        case UsageError():
            return HTTPStatus.BAD_REQUEST
        case NotHereError():
            return HTTPStatus.NOT_FOUND
        case NotYetError():
            return HTTPStatus.SERVICE_UNAVAILABLE


async def _drive(walk: Walk) -> None:
    """Let a walk work until its page is full, all has been seen or the time is over."""
    steps = walk.steps()
    end = time.monotonic() + _REQUEST_SECONDS
    while True:
        slice_end = time.monotonic() + _SLICE_SECONDS
        for _ in steps:
            if time.monotonic() >= slice_end:
                break
        else:
            return
        if walk.progressed and time.monotonic() >= end:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


# --- parameters and answers -----------------------------------------------------------------------


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit: {text!r} is invalid", hint=f"Allowed: 1 to {MAX_LIMIT}.")
    return limit


def _start(query: Mapping[str, str], held: Held) -> tuple[int, Cursor]:
    """The instant that is meant, and where to go on."""
    text = query.get("after")
    if text is None:
        return _instant(query, held), _START
    try:
        cursor = _decode_token(urlsafe_b64decode(text.encode() + b"=="))
        moment(cursor.as_of)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        hint = "Allowed: the next value from a response to the same question."
        raise UsageError(f"after: {text!r} is not a cursor", hint=hint) from None
    if "as_of" in query and _instant(query, held) != cursor.as_of:
        hint = "All pages have the as_of of the first one."
        raise UsageError("as_of: differs from that of the previous page", hint=hint)
    return cursor.as_of, Cursor(cursor.partition, cursor.name)


def _instant(query: Mapping[str, str], held: Held) -> int:
    text = query.get("as_of")
    if text is None:
        return held.as_of
    try:
        return parse(text, "as_of")
    except RefusedError as error:
        raise UsageError(str(error)) from error


def _page_token(as_of: int, cursor: Cursor) -> str:
    packed = _encode_token(_PageToken(as_of, cursor.partition, cursor.name))
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _share(held: Held) -> PartitionShare:
    return PartitionShare(tuple(sorted(held.deals)), held.partitions)


def _share_json(share: PartitionShare) -> dict[str, Any]:
    return {**share._asdict(), "complete": share.complete}


def _where_else(share: PartitionShare) -> str:
    if share.complete:
        return (
            "This worker holds all partitions: the deal never existed, was erased, or left "
            "the state a long time after it closed."
        )
    numbers = ", ".join(map(str, share.partitions)) or "none"
    return (
        f"Of partitions 0 to {share.partition_count - 1}, this worker holds {numbers}; "
        "another worker may have the deal."
    )


def _json(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document) + b"\n"
