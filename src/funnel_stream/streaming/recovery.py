"""Taking over partitions: read the changelog, claim it, read up to the claim, check the fence."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from funnel_stream.contract.partitions import partition_of
from funnel_stream.definition import Definition
from funnel_stream.errors import StateError
from funnel_stream.facts.deals import Deals
from funnel_stream.settings import Settings
from funnel_stream.streaming.changelog import (
    CLAIM_KEY,
    AppendedClaim,
    Changelog,
    ChangelogReplay,
    Claim,
    epoch_header,
)
from funnel_stream.streaming.log import Bounds, Log, LogReader, ProducerRecord, TopicPartition

_logger = logging.getLogger(__name__)

_START_ANEW: Final = (
    "To count anew from the events that are left, delete the topics of the changelog and the panes."
)


@dataclass(slots=True)
class Recovered:
    """A claimed partition: its state, the end of its changelog, where to read events on."""

    partition: int
    deals: Deals
    changelog: Changelog
    position: int


class Recovery:
    """Recovers partitions privately; nothing of it is seen before it is installed.

    ``fingerprint``: of the definition that the claims name. A claim under another one is taken over
    like any other: journeys do not depend on the definition, only facts do.
    """

    def __init__(
        self, settings: Settings, definition: Definition, log: Log, partitions: int
    ) -> None:
        self._settings = settings
        self._definition = definition
        self.fingerprint = definition.fingerprint()
        self._log = log
        self._partitions = partitions

    async def recover(
        self, numbers: Iterable[int], is_needed: Callable[[], bool]
    ) -> list[Recovered]:
        """State of these partitions as of claims of our own.

        Raises ``SupersededError`` if they are not needed any more, ``StateError`` if changelog and
        events no longer fit together.
        """
        replays = {number: self._replay(number) for number in numbers}
        if not replays:
            return []
        logs = {self._changelog_tp(number): replay for number, replay in replays.items()}
        async with self._log.reader(is_needed) as reader:
            bounds = await reader.bounds(logs)
            for tp, bound in bounds.items():
                _refuse_truncated(tp, bound)
            await self._read(reader, bounds, logs)
            unclaimed = logs
            while unclaimed:
                claims = {tp: await self._claim(tp, replay) for tp, replay in unclaimed.items()}
                spans = {tp: Bounds(logs[tp].end, claim.offset + 1) for tp, claim in claims.items()}
                await self._read(reader, spans, logs)
                unclaimed = {
                    tp: logs[tp] for tp, claim in claims.items() if not logs[tp].holds(*claim)
                }
            # Not earlier: the former owner may have gone on until the claim.
            events = await reader.bounds(self._events_tp(number) for number in replays)
        return [
            await self._recovered(number, replay, events[self._events_tp(number)])
            for number, replay in replays.items()
        ]

    def _replay(self, number: int) -> ChangelogReplay:
        def belongs(key: bytes) -> bool:
            return partition_of(key, self._partitions) == number

        deals = Deals(self._definition, belongs=belongs, max_stubs=self._settings.max_stubs)
        return ChangelogReplay(deals, self._changelog_tp(number), partitions=self._partitions)

    async def _read(
        self,
        reader: LogReader,
        spans: Mapping[TopicPartition, Bounds],
        logs: Mapping[TopicPartition, ChangelogReplay],
    ) -> None:
        async for tp, records in reader.read(spans):
            take = logs[tp].take
            for record in records:
                take(record)
            await asyncio.sleep(0)

    async def _claim(self, tp: TopicPartition, replay: ChangelogReplay) -> AppendedClaim:
        epoch = replay.epoch + 1
        claim = Claim(self._partitions, self.fingerprint)
        record = ProducerRecord(
            CLAIM_KEY + b"%d" % epoch, msgspec.msgpack.encode(claim), epoch_header(epoch)
        )
        [appended] = await self._log.append(*tp, [record])
        return AppendedClaim(epoch, appended.offset)

    async def _recovered(self, number: int, replay: ChangelogReplay, events: Bounds) -> Recovered:
        deals = replay.deals
        for _ in deals.settle():
            await asyncio.sleep(0)
        tp = replay.tp
        changelog = Changelog(self._log, tp, epoch=replay.epoch, end=replay.end)
        if replay.stale:
            _logger.warning("%s: writing %d outdated rows again", tp, len(replay.stale))
        await changelog.rewrite(deals, replay.stale)
        if deals.fence is None:
            return Recovered(number, deals, changelog, events.begin)
        position = deals.fence + 1
        _refuse_lost(self._events_tp(number), position, events)
        return Recovered(number, deals, changelog, position)

    def _changelog_tp(self, number: int) -> TopicPartition:
        return TopicPartition(self._settings.changelog_topic, number)

    def _events_tp(self, number: int) -> TopicPartition:
        return TopicPartition(self._settings.events_topic, number)


def _refuse_truncated(tp: TopicPartition, bounds: Bounds) -> None:
    if bounds.begin > 0:
        raise StateError(
            f"The beginning of {tp} is gone (it starts at offset {bounds.begin}): journeys "
            "were deleted, and the figures would be wrong.",
            hint="The changelog must have cleanup.policy=compact and no retention. " + _START_ANEW,
        )


def _refuse_lost(tp: TopicPartition, position: int, events: Bounds) -> None:
    if position < events.begin:
        raise StateError(
            f"{events.begin - position} events of {tp} were deleted before they were read: "
            f"the state ends before offset {position}, the topic begins at {events.begin}.",
            hint="Give the events a longer retention. " + _START_ANEW,
        )
    if position > events.end:
        raise StateError(
            f"{tp} ends at offset {events.end}, but the state has read up to {position}: "
            "the topic was created anew or lost records.",
            hint=_START_ANEW,
        )
