"""Partitions of keys are those of Kafka's default partitioner."""

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.contract.partitions import partition_of


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_they_are_those_of_another_client(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        # As Kafka's own tests have them (UtilsTest.testMurmur2), without their sign.
        (b"21", 0x7FFFFFFF & -973932308),
        (b"foobar", 0x7FFFFFFF & -790332482),
        (b"a-little-bit-long-string", 0x7FFFFFFF & -985981536),
        (b"a-little-bit-longer-string", 0x7FFFFFFF & -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 0x7FFFFFFF & -58897971),
        (b"abc", 0x7FFFFFFF & 479470107),
    ],
)
def test_they_are_those_of_kafka(key: bytes, hashed: int) -> None:
    assert partition_of(key, 1 << 31) == hashed
