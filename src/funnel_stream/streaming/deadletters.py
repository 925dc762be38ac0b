"""Records that cannot be counted here: to the dead letters, or to the partition they belong to.

Both are acknowledged before the changelog batch whose fence passes them, so none is ever lost. A
kill in between repeats them: a dead letter names its source offset, a misrouted event its
``event_id``.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from funnel_stream.contract import Rejection
from funnel_stream.contract.partitions import partition_of
from funnel_stream.facts.deals import MISROUTED_HEADER, Record
from funnel_stream.settings import Settings
from funnel_stream.streaming.log import BATCH_BYTES, Log, ProducerRecord, TooLargeError

_logger = logging.getLogger(__name__)

REASON_HEADER: Final = "funnel.error.reason"
FIELD_HEADER: Final = "funnel.error.field"
TRUNCATED_HEADER: Final = "funnel.error.truncated"
_CONNECT: Final = "__connect.errors."
_BIG: Final = BATCH_BYTES // 2

Rejected = tuple[Record, Rejection]
Misrouted = tuple[Record, bytes]


class DeadLetters:
    """Where one partition's records go that are not counted in it."""

    def __init__(self, log: Log, settings: Settings, partition: int, partitions: int) -> None:
        self._log = log
        self._events, self._dead_letters = settings.events_topic, settings.dead_letters_topic
        self._partition, self._partitions = partition, partitions

    async def send(self, rejected: Sequence[Rejected], misrouted: Sequence[Misrouted]) -> None:
        """Returns when the broker has acknowledged all of them."""
        small = []
        for record, rejection in rejected:
            letter = self._letter(record, rejection)
            if len(letter.value or b"") < _BIG:
                small.append(letter)
            else:
                await self._send_big(letter)
        await self._log.append(self._dead_letters, self._partition, small)
        for partition, records in self._by_partition(misrouted).items():
            await self._log.append(self._events, partition, records)
        if rejected:
            reasons = Counter(str(rejection.reason) for _, rejection in rejected)
            _logger.warning(
                "%s/%d: %d records rejected: %s",
                self._events,
                self._partition,
                len(rejected),
                ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()),
            )

    async def _send_big(self, letter: ProducerRecord) -> None:
        """A value at the broker's limit has no room for our headers: then keep what fits."""
        try:
            await self._log.append(self._dead_letters, self._partition, [letter])
        except TooLargeError:
            value = letter.value or b""
            headers = [*letter.headers, (TRUNCATED_HEADER, b"%d" % len(value))]
            cut = letter._replace(value=value[:_BIG], headers=headers)
            await self._log.append(self._dead_letters, self._partition, [cut])

    def _letter(self, record: Record, rejection: Rejection) -> ProducerRecord:
        about = (
            (_CONNECT + "topic", self._events.encode()),
            (_CONNECT + "partition", b"%d" % self._partition),
            (_CONNECT + "offset", b"%d" % record.offset),
            (_CONNECT + "exception.class.name", b"funnel_stream.contract.Rejection"),
            (_CONNECT + "exception.message", _text(rejection.message)),
            (REASON_HEADER, _text(str(rejection.reason))),
            (FIELD_HEADER, _text(rejection.field)),
        )
        headers = [*(record.headers or ()), *about]
        return ProducerRecord(record.key, record.value, headers, record.timestamp)

    def _by_partition(self, misrouted: Iterable[Misrouted]) -> dict[int, list[ProducerRecord]]:
        found: dict[int, list[ProducerRecord]] = {}
        for record, key in misrouted:
            came_from = b"%s/%d/%d" % (self._events.encode(), self._partition, record.offset)
            headers = [*(record.headers or ()), (MISROUTED_HEADER, came_from)]
            again = ProducerRecord(key, record.value, headers, record.timestamp)
            found.setdefault(partition_of(key, self._partitions), []).append(again)
        return found


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")
