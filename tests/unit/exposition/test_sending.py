"""Streams that are packed once for all readers, and unpacked by each as they come."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.exposition.sending import Piece, _Packing


@given(st.lists(st.binary(max_size=3000)), st.integers(0, 5))
def test_whoever_joins_whenever_reads_every_piece_at_once(bodies: list[bytes], late: int) -> None:
    pieces = [Piece(body) for body in bodies]
    for joined in (0, late):
        packing, reader = _Packing(), zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        sent = b""
        for piece in pieces[joined:]:
            packed = packing.piece(piece)
            assert reader.decompress(packed) == piece.body
            sent += packed
        assert gzip.decompress(sent + packing.end()) == b"".join(bodies[joined:])


def test_a_piece_is_packed_once() -> None:
    piece = Piece(b"as good as the last one " * 1000)
    assert piece.packed is piece.packed
    assert len(piece.packed) < len(piece.body) / 50
