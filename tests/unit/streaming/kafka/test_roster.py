"""Who holds what, as the members of a group tell each other."""

from typing import Any

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocol

from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.roster import Roster

TOPICS = {"funnel.events": 4, "funnel.panes": 1}
A, B = "http://10.0.0.1:6066", "http://10.0.0.2:6066"


class Cluster:
    """As much of a cluster as an assignor asks for."""

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(TOPICS[topic]))


def roster(url: str | None) -> Roster:
    return Roster(Settings(advertised_url=url))


def rebalance(members: dict[str, Any], leader: Any) -> dict[str, Any]:
    """Over the wire: everyone joins, the leader assigns, everyone is told. The assignments."""
    joined = {
        name: ConsumerProtocol.METADATA.decode(member.metadata(TOPICS).encode())
        for name, member in members.items()
    }
    assigned = {
        name: ConsumerProtocol.ASSIGNMENT.decode(each.encode())
        for name, each in leader.assign(Cluster(), joined).items()
    }
    for name, member in members.items():
        member.on_assignment(assigned[name])
    return assigned


def partitions(assignment: Any, topic: str) -> set[int]:
    return {each.partition for each in assignment.partitions() if each.topic == topic}


def test_everyone_knows_who_holds_what() -> None:
    first, second = roster(A), roster(B)
    assigned = rebalance({"first": first, "second": second}, leader=second)
    for member, own in ((first, A), (second, B)):
        peers = member.peers()
        assert peers.own == own
        assert set(peers.holders) == {0, 1, 2, 3}
        for name, url in (("first", A), ("second", B)):
            held = {number for number, holder in peers.holders.items() if holder == url}
            assert held == partitions(assigned[name], "funnel.events") != set()
            assert (peers.reporting == url) == (partitions(assigned[name], "funnel.panes") == {0})


def test_before_the_first_assignment_nobody_is_known() -> None:
    assert roster(A).peers()[:3] == (A, None, {})


def test_who_has_left_is_forgotten() -> None:
    first, second = roster(A), roster(B)
    rebalance({"first": first, "second": second}, leader=first)
    rebalance({"second": second}, leader=second)
    assert second.peers()[:3] == (B, B, dict.fromkeys(range(4), B))


def test_two_by_the_same_address_do_not_hide_each_other() -> None:
    first, second = roster(A), roster(A)
    rebalance({"first": first, "second": second}, leader=first)
    assert second.peers()[:3] == first.peers()[:3] == (A, A, dict.fromkeys(range(4), A))


def test_assignments_are_those_of_round_robin() -> None:
    members = {"first": roster(A), "second": roster(B), "third": roster(None)}
    assigned = rebalance(members, leader=members["first"])
    joined = {name: member.metadata(TOPICS) for name, member in members.items()}
    plain = RoundRobinPartitionAssignor.assign(Cluster(), joined)
    assert {name: each.assignment for name, each in assigned.items()} == {
        name: [tuple(topic) for topic in each.assignment] for name, each in plain.items()
    }


@pytest.mark.parametrize("of_before", [RoundRobinPartitionAssignor, None])
def test_members_without_an_address_take_part(of_before: Any) -> None:
    """Such as those of a release before this one, during a rolling update."""
    old, new = of_before or roster(None), roster(B)
    assigned = rebalance({"old": old, "new": new}, leader=new)
    mine = partitions(assigned["new"], "funnel.events")
    assert new.peers().holders == dict.fromkeys(mine, B)
    assert partitions(assigned["old"], "funnel.events") == {0, 1, 2, 3} - mine


def test_a_leader_of_a_release_before_tells_nothing() -> None:
    old, new = RoundRobinPartitionAssignor, roster(B)
    rebalance({"new": new}, leader=new)
    rebalance({"old": old, "new": new}, leader=old)
    assert new.peers()[:3] == (B, None, {})


@pytest.mark.parametrize(
    "told",
    [b"\xc1", b"\x90\x90", b"\x91\x92\xa7nowhere\x80", b"\x91\x91\x01"],
)
def test_what_makes_no_sense_is_nobody(told: bytes) -> None:
    member = roster(A)
    assignment = ConsumerProtocol.ASSIGNMENT(0, [("funnel.events", [0])], told)
    member.on_assignment(assignment)
    assert member.peers()[:3] == (A, None, {})
    strange = ConsumerProtocol.METADATA(0, list(TOPICS), told)
    shared = member.assign(Cluster(), {"me": member.metadata(TOPICS), "strange": strange})
    member.on_assignment(shared["me"])
    assert set(member.peers().holders.values()) == {A}


def test_fields_of_later_releases_are_passed_over() -> None:
    member = roster(A)
    told = b"\x91\x93" + b"\xb4" + B.encode() + b"\x81\xadfunnel.events\x91\x02" + b"\xa3new"
    member.on_assignment(ConsumerProtocol.ASSIGNMENT(0, [], told))
    assert member.peers().holders == {2: B}
