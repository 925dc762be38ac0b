"""Epochs, fences and foreign writes, on a log in memory."""

import msgspec
import pytest

from funnel_stream.contract.event import Event
from funnel_stream.definition import Definition
from funnel_stream.errors import StateError
from funnel_stream.facts.deals import FENCE_KEY, Deals, Fence
from funnel_stream.facts.journey import new_row
from funnel_stream.streaming.changelog import (
    CLAIM_KEY,
    Changelog,
    ChangelogReplay,
    Claim,
    ForeignWriteError,
    epoch_header,
)
from funnel_stream.streaming.log import BATCH_BYTES, ProducerRecord, TopicPartition
from tests.unit.streaming.rows import RecordedLog

LOG = TopicPartition("changelog", 0)
A, B = b"deal/a", b"deal/b"
OLD, NEW = (new_row(Event(at, "e", 0)) for at in (1_000_000, 2_000_000))


def fence(offset: int) -> bytes:
    return msgspec.msgpack.encode(Fence(offset, 5))


def claim(log: RecordedLog, epoch: int, partitions: int = 4) -> ProducerRecord:
    value = msgspec.msgpack.encode(Claim(partitions, "definition"))
    return ProducerRecord(CLAIM_KEY + b"%d" % epoch, value, epoch_header(epoch))


def replayed(log: RecordedLog, partitions: int = 4) -> ChangelogReplay:
    replay = ChangelogReplay(Deals(Definition()), LOG, partitions=partitions)
    for record in log.records:
        replay.take(record)
    return replay


async def owner(log: RecordedLog, epoch: int) -> Changelog:
    await log.append(*LOG, [claim(log, epoch)])
    return Changelog(log, LOG, epoch=epoch, end=len(log.records))  # type: ignore[arg-type]


async def test_state_and_position_lie_in_one_batch():
    log = RecordedLog()
    changelog = await owner(log, 1)
    await changelog.append({A: NEW, B: None}, fence(41))
    assert [row.key for row in log.batches[-1]] == [FENCE_KEY, A, B]
    replay = replayed(log)
    assert replay.deals.fence == 41
    assert replay.deals.stored(A) == NEW
    assert replay.end == len(log.records)


async def test_a_foreign_write_is_noticed_at_the_next_acknowledgement():
    log = RecordedLog()
    changelog = await owner(log, 1)
    await changelog.append({A: OLD}, fence(1))
    await log.append(*LOG, [claim(log, 2)])
    with pytest.raises(ForeignWriteError):
        await changelog.append({A: NEW}, fence(2))


async def test_rows_of_an_outdated_epoch_are_skipped_and_written_again():
    log = RecordedLog()
    paused = await owner(log, 1)
    await paused.append({A: OLD, B: OLD}, fence(10))
    taken_over = await owner(log, 2)
    await taken_over.append({A: NEW}, fence(20))
    with pytest.raises(ForeignWriteError):
        await paused.append({A: OLD, B: None}, fence(11))

    replay = replayed(log)
    assert replay.deals.fence == 20
    assert (replay.deals.stored(A), replay.deals.stored(B)) == (NEW, OLD)
    assert replay.stale == {FENCE_KEY, A, B}

    next_owner = await owner(log, 3)
    await next_owner.rewrite(replay.deals, replay.stale)
    last = {record.key: record.value for record in log.records}
    assert (last[A], last[B], last[FENCE_KEY]) == (NEW, OLD, replay_fence(replay))
    assert not replayed(log).stale, "a compacted log may now drop the outdated rows"


def replay_fence(replay: ChangelogReplay) -> bytes:
    assert replay.deals.fence is not None
    return msgspec.msgpack.encode(Fence(replay.deals.fence, replay.deals.watermark))


async def test_the_second_of_two_equal_claims_does_not_hold():
    log = RecordedLog()
    await log.append(*LOG, [claim(log, 7)])
    await log.append(*LOG, [claim(log, 7)])
    replay = replayed(log)
    assert replay.holds(7, 0)
    assert not replay.holds(7, 1)
    await log.append(*LOG, [claim(log, 8)])
    assert not replayed(log).holds(7, 0)


async def test_rows_that_do_not_fit_into_one_batch_move_the_fence_last():
    log = RecordedLog()
    changelog = await owner(log, 1)
    await changelog.append({A: OLD}, fence(1))
    big = {b"deal/%d" % number: bytes(BATCH_BYTES // 3) for number in range(7)}
    await changelog.append(big, fence(2))
    parts = log.batches[2:]
    assert len(parts) > 1
    assert [part[0].value for part in parts] == [fence(1)] * (len(parts) - 1) + [fence(2)]
    assert sum(len(part) - 1 for part in parts) == len(big)


async def test_another_number_of_partitions_is_refused():
    log = RecordedLog()
    await log.append(*LOG, [claim(log, 1, partitions=4)])
    with pytest.raises(StateError, match="4 partitions"):
        replayed(log, partitions=8)


async def test_a_foreign_topic_is_refused():
    log = RecordedLog()
    await log.append(*LOG, [ProducerRecord(b"key", b"value")])
    with pytest.raises(StateError, match="Row 0 of changelog/0 has no epoch"):
        replayed(log)
