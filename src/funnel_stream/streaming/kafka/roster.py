"""Who is in the group, who holds what and where each is reached: it travels with the assignment.

A member sends its address when it joins, and whoever leads the group gives the list of all to
everyone with the assignment. To Kafka this is plain round robin, so that members of releases that
have no addresses take part as ever; they are left out of the list.
"""

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from funnel_stream.reporting import Peers
from funnel_stream.settings import Settings, base_url
from funnel_stream.streaming.pane_log import PARTITION

log = logging.getLogger(__name__)


# Of both, a later release may have more fields behind these.
class _Joining(msgspec.Struct, array_like=True):
    url: str


class _Member(msgspec.Struct, array_like=True):
    url: str
    partitions: dict[str, list[int]]
    """By topic."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_joining: Final = msgspec.msgpack.Decoder(_Joining).decode
_decode_members: Final = msgspec.msgpack.Decoder(list[_Member]).decode


class Roster:
    """A member's assignor: round robin, and after each assignment it knows what everyone has got.

    aiokafka calls it in the consumer's thread; ``peers`` may be asked anywhere.
    """

    name = RoundRobinPartitionAssignor.name
    version = RoundRobinPartitionAssignor.version

    def __init__(self, settings: Settings) -> None:
        self._own = settings.advertised_url or ""
        self._events_topic = settings.events_topic
        self._panes_topic = settings.panes_topic
        self._members: list[_Member] = []

    def peers(self) -> Peers:
        """As of the last assignment."""
        reporting, holders = None, {}
        for member in self._members:
            for partition in member.partitions.get(self._events_topic, ()):
                holders[partition] = member.url
            if PARTITION in member.partitions.get(self._panes_topic, ()):
                reporting = member.url
        return Peers(self._own, reporting, MappingProxyType(holders))

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member says of itself when it joins."""
        return ConsumerProtocolMemberMetadata(
            self.version, list(topics), _encode(_Joining(self._own)) if self._own else b""
        )

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """What everyone gets; asked of the member that leads the group."""
        assigned = RoundRobinPartitionAssignor.assign(cluster, members)
        # By member, not by address: two that go by the same one must not hide each other.
        roster = _encode(
            [
                _Member(url, {topic: list(numbers) for topic, numbers in assigned[each].assignment})
                for each, joining in members.items()
                if (url := _address(joining.user_data))
            ]
        )
        return {
            each: ConsumerProtocolMemberAssignment(self.version, share.assignment, roster)
            for each, share in assigned.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take in what the leader has told; a leader of an older release tells nothing."""
        try:
            members = _decode_members(assignment.user_data) if assignment.user_data else []
            self._members = [member for member in members if base_url(member.url) == member.url]
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("the list of the group's members cannot be read: %s", error)
            self._members = []


def _address(user_data: bytes | None) -> str | None:
    """The address of a member that joins; none where it has not told a sensible one."""
    try:
        return base_url(_decode_joining(user_data).url) if user_data else None
    except (ValueError, msgspec.MsgspecError):
        return None
