"""Streams that are packed once for all readers, and unpacked by each as they come."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.exposition.sending import BodyChunk, _GzipStream


@given(st.lists(st.binary(max_size=3000)), st.integers(0, 5))
def test_whoever_joins_whenever_reads_every_piece_at_once(bodies: list[bytes], late: int) -> None:
    pieces = [BodyChunk(body) for body in bodies]
    for joined in (0, late):
        gzip_stream, reader = _GzipStream(), zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        sent = b""
        for chunk in pieces[joined:]:
            packed = gzip_stream.chunk(chunk)
            assert reader.decompress(packed) == chunk.body
            sent += packed
        assert gzip.decompress(sent + gzip_stream.end()) == b"".join(bodies[joined:])


def test_a_piece_is_packed_once() -> None:
    chunk = BodyChunk(b"as good as the last one " * 1000)
    assert chunk.gzipped is chunk.gzipped
    assert len(chunk.gzipped) < len(chunk.body) / 50
