"""How every answer leaves: compressed where that helps and the reader can read it."""

import gzip
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

_GZIP_BYTES: Final = 1_400
"""Bodies of at least this size are compressed: smaller ones fit into one packet as they are."""


def send(
    request: web.Request,
    body: bytes,
    headers: Mapping[str, str],
    status: HTTPStatus = HTTPStatus.OK,
) -> web.Response:
    """The whole answer; nobody keeps it, unless ``headers`` say so."""
    headers = {"Cache-Control": "no-store", **headers}
    if len(body) >= _GZIP_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return web.Response(status=status, body=body, headers=headers)
