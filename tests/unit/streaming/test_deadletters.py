"""Records that cannot be counted here."""

import pytest

from funnel_stream.contract import Reason, Rejection
from funnel_stream.contract.partitions import partition_of
from funnel_stream.facts.deals import MISROUTED_HEADER
from funnel_stream.replay.compute import LineRecord
from funnel_stream.streaming.deadletters import (
    FIELD_HEADER,
    REASON_HEADER,
    TRUNCATED_HEADER,
    DeadLetters,
)
from funnel_stream.streaming.log import BATCH_BYTES, TopicPartition
from tests.unit.streaming.worlds import DEAD_LETTERS, EVENTS, SETTINGS, MemoryWorld

WRONG = Rejection(Reason.WRONG_TYPE, "stage", "7 is no text")


async def test_a_dead_letter_says_where_it_came_from_and_why() -> None:
    world = MemoryWorld()
    letters = DeadLetters(world.log(), SETTINGS, 0, 1)
    await letters.send([(LineRecord(41, 7, b"k", b"v", (("x", b"y"),)), WRONG)], [])
    [letter] = world.broker[DEAD_LETTERS].records
    assert (letter.key, letter.value, letter.timestamp) == (b"k", b"v", 7)
    headers = dict(letter.headers)
    assert headers["x"] == b"y"
    assert headers["__connect.errors.topic"] == SETTINGS.events_topic.encode()
    assert headers["__connect.errors.offset"] == b"41"
    assert headers["__connect.errors.exception.message"] == b"7 is no text"
    assert (headers[REASON_HEADER], headers[FIELD_HEADER]) == (b"wrong_type", b"stage")


async def test_a_misrouted_event_goes_to_its_partition_once() -> None:
    world = MemoryWorld(partitions=3)
    letters = DeadLetters(world.log(), SETTINGS, 0, 3)
    keys = [b"d%d" % number for number in range(9)]
    await letters.send([], [(LineRecord(n, 7, b"wrong", b"v"), key) for n, key in enumerate(keys)])
    for number in range(3):
        records = world.broker[TopicPartition(EVENTS.topic, number)].records
        assert [record.key for record in records] == [
            k for k in keys if partition_of(k, 3) == number
        ]
        for record in records:
            source = b"%s/0/%d" % (EVENTS.topic.encode(), keys.index(record.key or b""))
            assert dict(record.headers)[MISROUTED_HEADER] == source


@pytest.mark.parametrize("size", [BATCH_BYTES // 2, (1 << 20) + 1])
async def test_of_what_is_too_large_for_a_dead_letter_the_beginning_is_kept(size: int) -> None:
    world = MemoryWorld()
    letters = DeadLetters(world.log(), SETTINGS, 0, 1)
    await letters.send([(LineRecord(0, 7, b"k", bytes(size)), WRONG)], [])
    [letter] = world.broker[DEAD_LETTERS].records
    told = dict(letter.headers).get(TRUNCATED_HEADER)
    if size <= 1 << 20:
        assert (len(letter.value or b""), told) == (size, None)
    else:
        assert (len(letter.value or b""), told) == (BATCH_BYTES // 2, b"%d" % size)


async def test_nothing_to_send_is_nothing_sent() -> None:
    world = MemoryWorld()
    await DeadLetters(world.log(), SETTINGS, 0, 1).send([], [])
    assert all(not world.broker[tp].records for tp in world.broker.tps())
