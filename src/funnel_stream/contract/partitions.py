"""Which partition of the events a key belongs to: the one of Kafka's default partitioner."""

from struct import unpack_from
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """As producers in Java choose it, and others that are told to: murmur2, its sign dropped."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(key: bytes) -> int:
    """Austin Appleby's MurmurHash2 of 32 bits, little-endian, with the seed that Kafka gives it."""
    size = len(key)
    words, rest = divmod(size, 4)
    mixed = _SEED ^ size
    for word in unpack_from(f"<{words}I", key):
        word = word * _MIX & _WORD
        word = (word ^ word >> 24) * _MIX & _WORD
        mixed = (mixed * _MIX & _WORD) ^ word
    if rest:
        mixed = (mixed ^ int.from_bytes(key[-rest:], "little")) * _MIX & _WORD
    mixed = (mixed ^ mixed >> 13) * _MIX & _WORD
    return mixed ^ mixed >> 15
