"""How every answer leaves: compressed where that helps and the reader can read it."""

import gzip
import struct
import zlib
from collections.abc import AsyncIterable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Final

from aiohttp import web

_GZIP_BYTES: Final = 1_400
"""Bodies of at least this size are compressed: smaller ones fit into one packet as they are."""
_LEVEL: Final = 1

_GZIP_HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_BLOCK: Final = b"\x03\0"
"""An empty one (RFC 1951, 3.2.6)."""


def send(
    request: web.Request,
    body: bytes,
    headers: Mapping[str, str],
    status: HTTPStatus = HTTPStatus.OK,
) -> web.Response:
    """The whole answer; nobody keeps it, unless ``headers`` say so."""
    headers = {"Cache-Control": "no-store", **headers}
    if len(body) >= _GZIP_BYTES and _accepts_gzip(request):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=_LEVEL, mtime=0)
    return web.Response(status=status, body=body, headers=headers)


class BodyChunk:
    """A piece of an answer that comes bit by bit; compressed once, however many readers it has."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def gzipped(self) -> bytes:
        """As it stands in a gzip stream, whatever was before it: it refers to nothing else, ends
        with a whole byte, and can be read at once."""
        packer = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        return packer.compress(self.body) + packer.flush(zlib.Z_FULL_FLUSH)


async def stream(
    request: web.Request, chunks: AsyncIterable[BodyChunk], headers: Mapping[str, str]
) -> web.StreamResponse:
    """An answer piece by piece, each of them at once, until the last one or until the reader has
    gone."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store", **headers})
    gzip_stream = _GzipStream() if _accepts_gzip(request) else None
    if gzip_stream:
        response.headers["Content-Encoding"] = "gzip"
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(gzip_stream.chunk(chunk) if gzip_stream else chunk.body)
        if gzip_stream:
            await response.write(gzip_stream.end())
    except ConnectionResetError:
        pass
    return response


class _GzipStream:
    """A gzip stream (RFC 1952) for one reader."""

    def __init__(self) -> None:
        self._head = _GZIP_HEAD
        self._check = self._size = 0

    def chunk(self, chunk: BodyChunk) -> bytes:
        head, self._head = self._head, b""
        self._check = zlib.crc32(chunk.body, self._check)
        self._size += len(chunk.body)
        return head + chunk.gzipped

    def end(self) -> bytes:
        trailer = struct.pack("<II", self._check, self._size & 0xFFFF_FFFF)
        return self._head + _LAST_BLOCK + trailer


def _accepts_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")
