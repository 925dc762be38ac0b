"""A real Apache Kafka (KRaft) of one or three nodes on this machine, with every way to log in."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.integration.processes import free_port, wait_until
from tests.kafka.certificates import Authority
from tests.kafka.node import Node
from tests.kafka.token_server import AUDIENCE, ISSUER, Signer

T = TypeVar("T")

HOST: Final = "localhost"
LISTENERS: Final = {
    "CONTROLLER": "PLAINTEXT",
    "PLAINTEXT": "PLAINTEXT",
    "SSL": "SSL",
    "MTLS": "SSL",
    "EXPIRED": "SSL",
    "ELSEWHERE": "SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SASL_SSL": "SASL_SSL",
}
"""Names and protocols. ``MTLS`` asks for a certificate; those of ``EXPIRED`` and ``ELSEWHERE`` are
out of date, and for a host of another name."""
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
"""Of both listeners with SASL."""

USERS: Final = MappingProxyType(
    {
        "worker": "worker's secret",
        # All that has to be quoted somewhere: in JAAS, in files of properties, in shells.
        "quoted": 'a"b\\c;d=e f#g,h$i%41',
        "stranger": "stranger's secret",
    }
)
"""Names and passwords, by PLAIN and SCRAM; none of them may do anything until ``allow``."""

_NO_CONFIG: Final[Mapping[str, str]] = MappingProxyType({})
_PATIENCE: Final = 60.0
"""Seconds that a request of the administrator may take."""
# What a cluster in production has in numbers (threads, partitions of its own topics) or waits for
# (members, brokers that are away, the cleaner) is small here.
_SMALL: Final = {
    "num.network.threads": "1",
    "num.io.threads": "4",
    "background.threads": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "6000",
    "log.initial.task.delay.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "log.retention.check.interval.ms": "1000",
}
_AUTHORIZER: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # The nodes themselves and the administrator of the tests are those who have no name.
    "super.users": "User:ANONYMOUS",
    "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/",
}


class Cluster:
    """Ready once it is made; ended by ``end`` or the ``with``.

    Whoever comes by ``PLAINTEXT``, ``SSL``, ``EXPIRED`` or ``ELSEWHERE`` has no name and may do
    everything. The others are users and may do what ``allow`` allows: by password one of
    ``users``, by certificate the name in it, by token its subject.

    ``config``: settings of the nodes beside, or in place of, those of the tests.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        signer: Signer,
        *,
        nodes: int = 1,
        users: Mapping[str, str] = USERS,
        config: Mapping[str, str] = _NO_CONFIG,
    ) -> None:
        numbers = range(1, nodes + 1)
        ports = _ports(nodes)
        voters = ",".join(f"{n}@{HOST}:{ports[n]['CONTROLLER']}" for n in numbers)
        common = _common(nodes, voters) | _certified(authority) | _logins(users, signer)
        options = (f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={signer.jwks.as_uri()}",)
        self.nodes = {
            n: Node(n, folder / f"node-{n}", {**common, **_listening(ports[n]), **config}, options)
            for n in numbers
        }
        self._addresses = {
            name: ",".join(f"{HOST}:{ports[n][name]}" for n in numbers) for name in LISTENERS
        }
        try:
            self._format()
            for node in self.nodes.values():
                node.start()
            self.admin = AdminClient({"bootstrap.servers": self.address(), "log_level": 0})
            self.wait_ready()
            for user, password in users.items():
                self.set_password(user, password)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Of all nodes, at once."""
        for node in self.nodes.values():
            node.kill9()

    def address(self, listener: str = "PLAINTEXT") -> str:
        """The bootstrap servers."""
        return self._addresses[listener]

    # -- nodes

    def start(self, number: int) -> None:
        """Start a node that has ended, and wait until it serves, and nothing lacks a replica."""
        self.nodes[number].start()
        self.wait_ready()
        self.wait_in_sync()

    def wait_ready(self) -> None:
        """Until clients see the nodes that were started, and no other."""

        def ready() -> bool:
            started = [node for node in self.nodes.values() if node.started]
            for node in started:
                assert node.running, f"node {node.number} has ended"
            return {node.number for node in started} == self._brokers()

        self._wait_until(ready, "all nodes to serve")

    def wait_in_sync(self) -> None:
        """Until all partitions have all their replicas."""

        def in_sync() -> bool:
            topics = self.admin.list_topics(timeout=_PATIENCE).topics.values()
            partitions = [each for topic in topics for each in topic.partitions.values()]
            return all(set(each.isrs) == set(each.replicas) for each in partitions)

        self._wait_until(in_sync, "all replicas to be in sync")

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition, -1 while none does."""
        found = self.admin.list_topics(topic, timeout=_PATIENCE).topics[topic]
        return int(found.partitions[partition].leader)

    # -- topics

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] = _NO_CONFIG
    ) -> None:
        """With a replica on each node."""
        topic = NewTopic(name, partitions, len(self.nodes), config=dict(config))
        self._done(self.admin.create_topics([topic]))
        self._wait_until(lambda: self._led(name, partitions), f"{name} to be led")

    def alter_topic(self, name: str, config: Mapping[str, str]) -> None:
        """Set these, and leave its other settings."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        self._done(self.admin.incremental_alter_configs([resource]))

    # -- users

    def set_password(self, user: str, password: str) -> None:
        """For SCRAM; that of PLAIN stays as it was at the start."""
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            how = ScramCredentialInfo(mechanism, 4096)
            change = UserScramCredentialUpsertion(user, how, password.encode())
            self._done(self.admin.alter_user_scram_credentials([change]))

    def allow(
        self,
        user: str,
        operation: AclOperation,
        resource: ResourceType,
        name: str,
        *,
        prefix: bool = False,
    ) -> None:
        """``name``: of a topic, a group, a transaction – or how it begins; ``kafka-cluster``."""
        pattern = ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL
        rule = (operation, AclPermissionType.ALLOW)
        acl = AclBinding(resource, name, pattern, f"User:{user}", "*", *rule)
        self._done(self.admin.create_acls([acl]))
        self._wait_until(lambda: acl in self._rights(user), f"{acl} to hold")

    def revoke(self, user: str) -> None:
        """All that was allowed to a user."""
        self._done(self.admin.delete_acls([_of_user(user)]))
        self._wait_until(lambda: not self._rights(user), f"{user} to have no rights")

    # --

    def _format(self) -> None:
        first, *others = self.nodes.values()
        first.format()
        for node in others:
            node.join(first)

    def _brokers(self) -> set[int]:
        try:
            return set(self.admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return set()

    def _led(self, topic: str, partitions: int) -> bool:
        found = self.admin.list_topics(topic, timeout=_PATIENCE).topics[topic].partitions.values()
        return len(found) == partitions and all(each.leader > 0 for each in found)

    def _rights(self, user: str) -> list[AclBinding]:
        found: Future[list[AclBinding]] = self.admin.describe_acls(_of_user(user))
        return found.result(_PATIENCE)

    @staticmethod
    def _done(asked: Mapping[Any, Future[Any]]) -> None:
        for future in asked.values():
            future.result(_PATIENCE)

    def _wait_until(self, probe: Callable[[], T], what: str) -> T:
        """As the function of that name; a failure shows the end of each node's log."""
        try:
            return wait_until(probe, what)
        except AssertionError as error:
            for node in self.nodes.values():
                error.add_note(f"the end of the log of node {node.number}:\n{node.tail()}")
            raise


def _ports(nodes: int) -> list[dict[str, int]]:
    """By node, from 1, and listener."""
    free: set[int] = set()
    while len(free) < (nodes + 1) * len(LISTENERS):
        free.add(free_port())
    return [{name: free.pop() for name in LISTENERS} for _ in range(nodes + 1)]


def _common(nodes: int, voters: str) -> dict[str, str]:
    replicas, enough = str(nodes), str(nodes // 2 + 1)
    return (
        _SMALL
        | _AUTHORIZER
        | {
            "process.roles": "broker,controller",
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in LISTENERS.items()),
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": enough,
            "min.insync.replicas": enough,
        }
    )


def _listening(ports: Mapping[str, int]) -> dict[str, str]:
    listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
    return {"listeners": listeners}


def _certified(authority: Authority) -> dict[str, str]:
    server = authority.server()
    shown = dict.fromkeys(LISTENERS, server) | {
        "EXPIRED": authority.server(days=-1),
        "ELSEWHERE": authority.server_elsewhere(),
    }
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "listener.name.mtls.ssl.client.auth": "required",
    }
    for name, protocol in LISTENERS.items():
        if protocol.endswith("SSL"):
            store = str(authority.both(shown[name]))
            settings[f"listener.name.{name.lower()}.ssl.keystore.location"] = store
    return settings


def _logins(users: Mapping[str, str], signer: Signer) -> dict[str, str]:
    known = "".join(f' user_{user}="{_quoted(word)}"' for user, word in users.items())
    security = "org.apache.kafka.common.security"
    scram = f"{security}.scram.ScramLoginModule required;"
    modules = {
        "PLAIN": f"{security}.plain.PlainLoginModule required{known};",
        "SCRAM-SHA-256": scram,
        "SCRAM-SHA-512": scram,
        "OAUTHBEARER": f"{security}.oauthbearer.OAuthBearerLoginModule required;",
    }
    settings = {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "sasl.oauthbearer.jwks.endpoint.url": signer.jwks.as_uri(),
        "sasl.oauthbearer.expected.audience": AUDIENCE,
        "sasl.oauthbearer.expected.issuer": ISSUER,
    }
    validator = f"{security}.oauthbearer.OAuthBearerValidatorCallbackHandler"
    for listener in ("sasl_plaintext", "sasl_ssl"):
        for mechanism, module in modules.items():
            prefix = f"listener.name.{listener}.{mechanism.lower()}"
            settings[f"{prefix}.sasl.jaas.config"] = module
        bearer = f"listener.name.{listener}.oauthbearer"
        settings[f"{bearer}.sasl.server.callback.handler.class"] = validator
    return settings


def _quoted(text: str) -> str:
    """As it stands between quotation marks in JAAS."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _of_user(user: str) -> AclBindingFilter:
    return AclBindingFilter(
        restype=ResourceType.ANY,
        name=None,
        resource_pattern_type=ResourcePatternType.ANY,
        principal=f"User:{user}",
        host=None,
        operation=AclOperation.ANY,
        permission_type=AclPermissionType.ANY,
    )
