"""The four topics: create what is missing, refuse what cannot work."""

import asyncio
import logging
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from funnel_stream.connection import Connection
from funnel_stream.errors import BrokerError
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.diagnosis import unreachable
from funnel_stream.streaming.kafka.options import AiokafkaOptions

log = logging.getLogger(__name__)

_COMPACTED: Final = {
    "cleanup.policy": "compact",
    # Time for the owner of a partition to write rows again that an outdated one overwrote.
    "min.compaction.lag.ms": str(24 * 3_600_000),
}
_TOPIC_ALREADY_EXISTS: Final = 36
_VISIBLE_SECONDS: Final = 15.0


async def prepare_topics(
    settings: Settings, connection: Connection, options: AiokafkaOptions
) -> int:
    """The number of partitions of the events, once all topics are there.

    Raises ``BrokerError`` if the broker cannot be reached or a topic cannot be used.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            raise await unreachable(connection, error) from error
        found = await _partition_counts(admin)
        partitions = found.get(settings.events_topic, settings.partitions)
        missing = [topic for topic in _needed(settings, partitions) if topic.name not in found]
        if missing:
            await _create(admin, missing)
            found = await _wait_for(admin, [topic.name for topic in missing])
    except KafkaError as error:
        raise BrokerError(f"the topics cannot be prepared: {error}") from error
    finally:
        await admin.close()
    _refuse_unequal(settings, found)
    return partitions


def _needed(settings: Settings, partitions: int) -> list[NewTopic]:
    def topic(name: str, count: int, config: dict[str, str] | None = None) -> NewTopic:
        # An empty assignment lets -1 stand for the broker's default replication.
        free: dict[int, list[int]] | None = {} if settings.replication == -1 else None
        return NewTopic(name, count, settings.replication, free, config)

    return [
        topic(settings.events_topic, partitions),
        topic(settings.dead_letters_topic, partitions, {"max.message.bytes": str(2 << 20)}),
        topic(settings.changelog_topic, partitions, _COMPACTED),
        topic(settings.panes_topic, 1, _COMPACTED),
    ]


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    topics = await admin.describe_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in topics if topic["partitions"]}


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    names = ", ".join(topic.name for topic in topics)
    try:
        response = await admin.create_topics(topics)
    except KafkaError as error:
        raise _uncreated(names, str(error)) from error
    for name, code, *message in response.topic_errors:
        if code and code != _TOPIC_ALREADY_EXISTS:
            raise _uncreated(name, str(message[0] if message else code))
    log.info("created %s", names)


def _uncreated(names: str, reason: str) -> BrokerError:
    return BrokerError(
        f"topics are missing and cannot be created ({names}): {reason}",
        hint="Create them by hand: events, dead letters and changelog with equal numbers of "
        "partitions, the panes with one; changelog and panes with cleanup.policy=compact.",
    )


async def _wait_for(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    deadline = asyncio.get_running_loop().time() + _VISIBLE_SECONDS
    while True:
        found = await _partition_counts(admin)
        if all(name in found for name in names):
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise _uncreated(", ".join(names), "they were created but do not appear")
        await asyncio.sleep(0.1)


def _refuse_unequal(settings: Settings, found: dict[str, int]) -> None:
    events = found[settings.events_topic]
    for name in (settings.changelog_topic, settings.dead_letters_topic):
        if found[name] != events:
            raise BrokerError(
                f"{settings.events_topic} has {events} partitions, {name} has {found[name]}",
                hint="They must be equal: a deal's state lies on its events' partition.",
            )
