"""The port, and that both implementations have it."""

import inspect
from typing import Any

import pytest

from funnel_stream.streaming import log as port
from funnel_stream.streaming.kafka.consumer import BatchConsumerThread
from funnel_stream.streaming.kafka.log import KafkaLog, KafkaLogReader
from funnel_stream.streaming.log import Batch, ProducerRecord, TopicPartition
from funnel_stream.streaming.memory.clock import LoopClock
from funnel_stream.streaming.memory.log import MemoryLog, MemoryLogReader
from funnel_stream.streaming.memory.member import GroupMember
from funnel_stream.streaming.system import OwnProcess, SystemClock

ASSIGNED = ("generation",)
"""An attribute, which no class tells of."""


@pytest.mark.parametrize(
    ("protocol", "implementation"),
    [
        (port.Log, KafkaLog),
        (port.Log, MemoryLog),
        (port.LogReader, KafkaLogReader),
        (port.LogReader, MemoryLogReader),
        (port.Membership, BatchConsumerThread),
        (port.Membership, GroupMember),
        (port.Clock, SystemClock),
        (port.Clock, LoopClock),
        (port.Process, OwnProcess),
    ],
)
def test_it_is_implemented_with_the_same_arguments(protocol: Any, implementation: Any) -> None:
    promised = {name: value for name, value in vars(protocol).items() if not name.startswith("_")}
    assert promised
    for name, method in promised.items():
        if name not in ASSIGNED:
            kept = getattr(implementation, name)
            assert _arguments(kept) == _arguments(method), name


def _arguments(method: Any) -> list[str]:
    if isinstance(method, property):
        return []
    return list(inspect.signature(method).parameters)


def test_a_partition_of_a_topic_has_a_name() -> None:
    tp = TopicPartition("events", 3)
    assert str(tp) == "events/3"
    assert tp == ("events", 3)
    assert hash(tp) == hash(("events", 3)), "what other clients name alike is the same key"


def test_a_batch_knows_where_it_lies() -> None:
    batch = Batch(("events", 3), [], start=4, end=9, highwater=12, stamp=1)
    assert (batch.topic, batch.partition) == ("events", 3)
    assert (batch.start, batch.end, batch.highwater) == (4, 9, 12)


def test_a_record_has_no_headers_and_no_time_of_its_own() -> None:
    assert ProducerRecord(b"k", None) == (b"k", None, [], None)
