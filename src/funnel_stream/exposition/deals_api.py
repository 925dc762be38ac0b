"""``/api/deals``: the deals behind a figure; ``/api/deals/<id>``: one deal, explained.

Answered from the state of this worker's partitions, while the stream goes on changing it: nothing
is locked, and the work is done in small pieces with rests between them.
"""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from funnel_stream.answers.deal_list import Finder, Place, Walk
from funnel_stream.answers.explanation import as_json, explain
from funnel_stream.answers.question import question
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import moment, parse
from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.exposition.api import Answer, problem
from funnel_stream.reporting import Held, Reporter

MAX_LIMIT: Final = 1_000
_LIMIT: Final = 50
_SLICE_SECONDS: Final = 0.005
_REST_SECONDS: Final = 0.01
"""So long the stream has the interpreter to itself after every piece of work."""
_REQUEST_SECONDS: Final = 0.5
"""After about so long an answer is given, however much has been found by then."""
_PAGING: Final = ("limit", "after", "as_of")
_START: Final = Place(-1, b"")


class _Cursor(msgspec.Struct, array_like=True):
    """Where to go on, and the instant that all pages are of."""

    as_of: int
    partition: int
    name: bytes


_encode_cursor = msgspec.msgpack.Encoder().encode
_decode_cursor = msgspec.msgpack.Decoder(_Cursor).decode


class DealsApi:
    """Answers about the deals that a worker holds."""

    def __init__(self, reporter: Reporter, definition: Definition) -> None:
        self._reporter = reporter
        self._definition = definition
        # One search at a time: many of them together would take the stream's time away.
        self._turn = asyncio.Lock()

    async def deals(self, query: Mapping[str, str]) -> Answer:
        """A page of the deals behind a figure.

        400 says which parameter is wrong and what is allowed, 503 why this worker cannot tell.
        """
        held = self._reporter.held()
        if held is None:
            return self._unknown()
        try:
            limit = _limit(query.get("limit"))
            as_of, place = _start(query, held)
            figure = {name: value for name, value in query.items() if name not in _PAGING}
            asked = question(figure, self._definition)
        except UsageError as error:
            return HTTPStatus.BAD_REQUEST, problem(error.message, error.hint or "")
        walk = Walk(held.deals, Finder(asked, self._definition, as_of), place, limit=limit)
        async with self._turn:
            await _drive(walk)
        # Asked again: the partitions may have gone to another worker meanwhile.
        if not self._still(held):
            return self._unknown()
        return HTTPStatus.OK, _json(
            {
                "deals": walk.entries,
                "next": walk.place and _cursor(as_of, walk.place),
                "as_of": moment(as_of),
                **_share(held),
            }
        )

    async def deal(self, deal_id: str, query: Mapping[str, str]) -> Answer:
        """The explanation of one deal; 404 tells which share of the deals this worker knows."""
        held = self._reporter.held()
        if held is None:
            return self._unknown()
        try:
            if unknown := [name for name in query if name != "as_of"]:
                raise UsageError(f"there is no parameter {unknown[0]!r}", hint="There is: as_of.")
            as_of = _instant(query, held)
        except UsageError as error:
            return HTTPStatus.BAD_REQUEST, problem(error.message, error.hint or "")
        name = deal_id.encode(errors="replace")
        for deals in held.deals.values():
            if row := deals.row(name):
                async with self._turn:
                    # A deal of a thousand events takes a good part of a second.
                    body = await asyncio.to_thread(self._explained, deal_id, row, as_of)
                return HTTPStatus.OK, body
        return HTTPStatus.NOT_FOUND, _json(
            {
                "error": f"there is no deal {deal_id!r} here",
                "reason": _where_else(held),
                **_share(held),
            }
        )

    def _explained(self, deal_id: str, row: bytes, as_of: int) -> bytes:
        return as_json(explain(deal_id, row, self._definition, as_of))

    def _still(self, held: Held) -> bool:
        now = self._reporter.held()
        return now is not None and now.deals == held.deals

    def _unknown(self) -> Answer:
        ready, reason = self._reporter.ready()
        return HTTPStatus.SERVICE_UNAVAILABLE, problem(
            "this worker does not know its deals yet",
            "confirming the membership in the group" if ready else reason,
        )


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
        await asyncio.sleep(_REST_SECONDS)


# --- parameters and answers -----------------------------------------------------------------------


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit: {text!r} is wrong", hint=f"Allowed: 1 to {MAX_LIMIT}.")
    return limit


def _start(query: Mapping[str, str], held: Held) -> tuple[int, Place]:
    """The instant that is meant, and where to go on."""
    text = query.get("after")
    if text is None:
        return _instant(query, held), _START
    try:
        cursor = _decode_cursor(urlsafe_b64decode(text.encode() + b"=="))
        moment(cursor.as_of)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        hint = "Allowed: what an answer to the same question gave as next."
        raise UsageError(f"after: {text!r} is no cursor", hint=hint) from None
    if "as_of" in query and _instant(query, held) != cursor.as_of:
        hint = "All pages are of the instant that the first one is of."
        raise UsageError("as_of: another one than that of the page before", hint=hint)
    return cursor.as_of, Place(cursor.partition, cursor.name)


def _instant(query: Mapping[str, str], held: Held) -> int:
    text = query.get("as_of")
    if text is None:
        return held.as_of
    try:
        return parse(text, "as_of")
    except RefusedError as error:
        raise UsageError(str(error)) from error


def _cursor(as_of: int, place: Place) -> str:
    packed = _encode_cursor(_Cursor(as_of, place.partition, place.name))
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _share(held: Held) -> dict[str, Any]:
    """Which part of all deals this worker knows."""
    return {
        "partitions": sorted(held.deals),
        "partition_count": held.partitions,
        "complete": len(held.deals) == held.partitions,
    }


def _where_else(held: Held) -> str:
    if len(held.deals) == held.partitions:
        return (
            "This worker holds all partitions: the deal was never heard of, was erased, or left "
            "the state a long time after its closing."
        )
    numbers = ", ".join(map(str, sorted(held.deals))) or "none"
    return (
        f"Of the partitions 0 to {held.partitions - 1} this worker holds {numbers}; "
        "another worker may have the deal."
    )


def _json(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document) + b"\n"
