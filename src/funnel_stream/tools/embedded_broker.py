"""A Kafka broker in this process, for demo and tests: librdkafka's mock cluster.

It comes with the ``confluent-kafka`` wheel and is driven through its C interface, which gives any
number of partitions, an instant group join and faults on demand. Where it differs from Kafka:

- Of each partition it keeps the newest 5 MiB as sent (compressed counts compressed) and the newest
  100,000 batches; older ones go and the partition's beginning moves. No interface changes that:
  only more partitions hold more. Nothing is compacted or expires, and all is forgotten on exit.
- It listens on a free port of the loopback interface; the port cannot be chosen.
- It stores batches unread: a record's timestamp is the producer's, a key may be missing in a topic
  that is meant to be compacted, and no offset is ever found by timestamp.
- A producer that is idempotent but not transactional is neither fenced nor deduplicated: what is
  sent again after a lost connection lies there twice.
- A fetch that finds nothing is answered after its whole waiting time, even if something arrives
  meanwhile: latencies are those of ``fetch.max.wait.ms``.
- A group that has members takes its session timeout less one second to rebalance. A member that
  asks for its assignment after the leader has handed it out is refused (INVALID_REQUEST, fatal to
  aiokafka) instead of told: the leader of several has to wait a little before it does so.
- Clients cannot create topics; one that is not there appears on first use, with four partitions.
"""

import ctypes
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from funnel_stream.errors import BrokerError

DEFAULT_PARTITIONS: Final = 8
_PRODUCER: Final = 0
_BROKER_ID: Final = 1
_ERROR_SIZE: Final = 512

_Pointer = ctypes.c_void_p
_PROTOTYPES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "rd_kafka_conf_new": (_Pointer, []),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        [_Pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_new": (
        _Pointer,
        [ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_destroy": (None, [_Pointer]),
    "rd_kafka_mock_cluster_new": (_Pointer, [_Pointer, ctypes.c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [_Pointer]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [_Pointer]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [_Pointer, ctypes.c_int32]),
    "rd_kafka_mock_topic_create": (
        ctypes.c_int,
        [_Pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    ),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, [_Pointer, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, [_Pointer, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, [_Pointer, ctypes.c_int32, ctypes.c_int]),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        [_Pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
    ),
    "rd_kafka_mock_clear_request_errors": (None, [_Pointer, ctypes.c_int16]),
}


def standard_topics(partitions: int = DEFAULT_PARTITIONS) -> dict[str, int]:
    """The topics of funnel-stream and their numbers of partitions."""
    return {
        "funnel.events": partitions,
        "funnel.events.dlq": partitions,
        "funnel.journeys.changelog": partitions,
        "funnel.panes": 1,
    }


class EmbeddedBroker:
    """One broker on a free port of 127.0.0.1, running in threads of this process.

    ``topics``: names and numbers of partitions, the standard ones when ``None``. Raises
    ``BrokerError`` where the library is not to be found.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        self._library = _load()
        call = self._library
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        conf = call.rd_kafka_conf_new()
        # The client that the cluster hangs on has no broker of its own to talk to: no complaints.
        call.rd_kafka_conf_set(conf, b"log_level", b"0", error, _ERROR_SIZE)
        self._client = call.rd_kafka_new(_PRODUCER, conf, error, _ERROR_SIZE)
        if not self._client:
            raise BrokerError(f"the embedded broker does not start: {error.value.decode()}")
        self._cluster = call.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            call.rd_kafka_destroy(self._client)
            raise BrokerError("the embedded broker does not start: no port is free on 127.0.0.1")
        call.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.address: str = call.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        for name, partitions in (standard_topics() if topics is None else topics).items():
            self.create_topic(name, partitions)

    def create_topic(self, name: str, partitions: int) -> None:
        """Raises ``BrokerError`` where the topic is there already."""
        self._check(
            self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1),
            f"topic {name} cannot be created",
        )

    def down(self) -> None:
        """Close all connections and accept none, as if the broker had gone. Data stays."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, _BROKER_ID), "down")

    def up(self) -> None:
        """Accept connections again, on the same port."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, _BROKER_ID), "up")

    def set_rtt(self, milliseconds: int) -> None:
        """Let every answer take so long."""
        self._check(
            self._library.rd_kafka_mock_broker_set_rtt(self._cluster, _BROKER_ID, milliseconds),
            "round-trip time",
        )

    def push_errors(self, api_key: int, *errors: int) -> None:
        """Answer the next requests of a kind (0: produce, 1: fetch …) with these error codes."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, api_key, len(errors), (ctypes.c_int * len(errors))(*errors)
        )

    def clear_errors(self, api_key: int) -> None:
        """Answer requests of a kind as they deserve, whatever was pushed before."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def close(self) -> None:
        """End the broker; a second call does nothing."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)
            self._cluster = self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, code: int, what: str) -> None:
        if code:
            raise BrokerError(f"embedded broker: {what} (librdkafka error {code})")


def _load() -> ctypes.CDLL:
    """librdkafka as the wheel of confluent-kafka brings it."""
    spec = find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise BrokerError("the embedded broker needs the package confluent-kafka")
    package = Path(spec.origin).parent
    candidates = [
        *package.parent.glob("confluent_kafka.libs/librdkafka*.so*"),
        *package.glob(".dylibs/librdkafka*.dylib"),
        *package.parent.glob("confluent_kafka.libs/librdkafka*.dll"),
    ]
    if not candidates:
        raise BrokerError(
            "the installed confluent-kafka does not include librdkafka",
            hint="Install it as a wheel: pip install --only-binary :all: confluent-kafka",
        )
    library = ctypes.CDLL(str(candidates[0]))
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
