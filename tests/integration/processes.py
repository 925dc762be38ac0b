"""Real processes for tests: the embedded broker and workers, and what they say over the wire."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

DEADLINE = 300.0
"""Ends what would take for ever, in seconds; nothing takes as long, on a busy machine either."""
T = TypeVar("T")
COMMAND = [sys.executable, "-m", "funnel_stream"]
_CHANCE = random.SystemRandom()
"""Not seeded: processes that test at the same time draw different numbers."""


def wait_until(probe: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """The probe's first true answer; fails with ``what`` when there is none in time."""
    end = time.monotonic() + deadline
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {deadline} s: {what}")
        time.sleep(0.05)


class Process:
    """A child with its output in a file; always ended by ``kill9`` in the end."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        handle, name = tempfile.mkstemp(dir=folder, suffix=f".{arguments[0]}.log")
        self.log = Path(name)
        self._child = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=handle,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        os.close(handle)

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def sigterm(self) -> None:
        self.send(signal.SIGTERM)

    def sigstop(self) -> None:
        self.send(signal.SIGSTOP)

    def sigcont(self) -> None:
        self.send(signal.SIGCONT)

    def kill9(self) -> None:
        if self.running:
            self._child.kill()
        self._child.wait()

    def wait(self, deadline: float = DEADLINE) -> int:
        """The exit code."""
        return self._child.wait(deadline)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class HasAddress(Protocol):
    """A broker, in this process or in one of its own."""

    @property
    def address(self) -> str: ...


class Broker(Process):
    """The embedded broker, in a process of its own, so that a worker can die against it."""

    def __init__(self, folder: Path, partitions: int = 4) -> None:
        self.address_file = folder / f"broker-{uuid.uuid4().hex}.address"
        options = ("--address-file", str(self.address_file), "--partitions", str(partitions))
        super().__init__(folder, "broker", *options)
        try:
            wait_until(self._ready, "the broker's address")
            self.address = self.address_file.read_text()
        except BaseException:
            self.kill9()
            raise
        self.partitions = partitions

    def down(self) -> None:
        """Take it down, and wait until it takes no connections."""
        self.send(signal.SIGUSR1)
        wait_until(lambda: not self.accepts(), "the broker to be down")

    def up(self) -> None:
        """Bring it up, and wait until it takes connections again."""
        self.send(signal.SIGUSR2)
        wait_until(self.accepts, "the broker to be up")

    def accepts(self) -> bool:
        host, port = self.address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except ConnectionError:
            return False
        return True

    def _ready(self) -> bool:
        assert self.running, f"the broker has ended:\n{self.tail()}"
        return self.address_file.exists()


FOR_ITSELF = {"X-Funnel-Forwarded": "1"}
"""Asks a worker for its own answer, not for that of the one that reports."""

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Worker(Process):
    """A worker with a short session timeout; ``port`` is where it serves."""

    def __init__(self, folder: Path, broker: str, *options: str, **environment: str) -> None:
        self.port = free_port()
        arguments = ["--broker", broker, "--http-port", str(self.port), *options]
        environment = {"FUNNEL_SESSION_TIMEOUT": "6", "FUNNEL_LOG_LEVEL": "info"} | environment
        super().__init__(folder, "worker", *arguments, **environment)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 20.0, **headers: str) -> tuple[int, str]:
        """Status and body; status 0 while nothing answers."""
        request = urllib.request.Request(f"{self.address}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        assert self.running, f"the worker has ended:\n{self.tail()}"
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> None:
        self.wait_until(self.ready, "/readyz of the worker")

    def wait_until(self, probe: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
        """As the function of that name; a failure shows the end of the worker's log."""
        try:
            return wait_until(probe, what, deadline)
        except AssertionError as error:
            error.add_note(f"the end of the worker's log:\n{self.tail()}")
            raise

    def kpis(self, query: str = "", **filters: str) -> Figures | None:
        """``/api/kpis``, or ``None`` while this worker itself does not report.

        ``filters``: window, dimension.
        """
        if filters:
            query = f"?{urllib.parse.urlencode(filters)}"
        status, body = self.get(f"/api/kpis{query}", **FOR_ITSELF)
        return as_figures(json.loads(body)) if status == 200 else None

    def metrics(self, *names: str, timeout: float = 20.0) -> Figures:
        """The samples of ``/metrics``, of these names alone if any are given: parsing all the
        KPIs of a large funnel takes seconds."""
        query = "&".join(f"name[]={name}" for name in names)
        status, body = self.get(f"/metrics?{query}", timeout)
        if status != 200:
            return {}
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all labels but those given."""
        wanted = labels.items()
        return sum(value for (_, found), value in self.metrics(name).items() if wanted <= found)

    def consumed(self) -> int:
        """Records that this process has taken into the state and had acknowledged."""
        return int(self.metric("funnel_events_consumed_total"))

    def reports(self, timeout: float = 20.0) -> bool:
        """Whether it shows KPIs itself; asked for a few, so that asking often costs little."""
        return self.get("/api/kpis?window=1h&dimension=channel", timeout, **FOR_ITSELF)[0] == 200

    def wait_consumed(self, records: int) -> None:
        """Until this process has taken in so many."""

        def enough() -> bool:
            assert self.running, "the worker has ended"
            return self.consumed() >= records

        self.wait_until(enough, f"{records} records consumed")

    def wait_figures(self, expected: Figures, deadline: float = DEADLINE) -> None:
        """Until all KPIs are the expected ones, each and no other."""
        found: Figures | None = None

        def equal() -> bool:
            nonlocal found
            assert self.running, "the worker has ended"
            found = self._settled(expected)
            return found == expected

        try:
            self.wait_until(equal, "all figures to be equal", deadline)
        except AssertionError as error:
            error.add_note(differences(found, expected))
            raise

    def _settled(self, expected: Figures) -> Figures | None:
        """All KPIs, once one window looks right: reading all of them is expensive."""
        shortest = self.kpis("?window=1h&dimension=channel")
        if shortest is None or not shortest.items() <= expected.items():
            return shortest
        return self.kpis()


def as_figures(samples: Iterable[dict[str, Any]]) -> Figures:
    """The array of ``/api/kpis`` and ``compute --json``, by metric and labels."""
    return {
        (sample["metric"], frozenset(sample["labels"].items())): sample["value"]
        for sample in samples
    }


def differences(found: Figures | None, expected: Figures) -> str:
    """What is not as expected, the first few of each kind."""
    if found is None:
        return "no figures are shown"
    missing = map(str, expected.keys() - found.keys())
    surplus = map(str, found.keys() - expected.keys())
    wrong = (
        f"{key}: {found[key]} instead of {expected[key]}"
        for key in expected.keys() & found.keys()
        if found[key] != expected[key]
    )
    kinds = {"missing": sorted(missing), "surplus": sorted(surplus), "wrong": sorted(wrong)}
    return "\n".join(
        f"{len(each)} of {len(expected)} figures are {kind}: {'; '.join(each[:3])}"
        for kind, each in kinds.items()
        if each
    )


def run(
    *arguments: str, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command of funnel-stream that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env={**os.environ, **environment},
    )


class Record(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int
    """Milliseconds since the epoch."""


def read_topic(broker: str, topic: str) -> list[Record]:
    """All records of a topic as it is now."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "read", "log_level": 2})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends, starts = {}, []
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            if low < high:
                ends[partition] = high
                starts.append(TopicPartition(topic, partition, low))
        consumer.assign(starts)
        found: list[Record] = []
        deadline = time.monotonic() + DEADLINE
        while ends:
            assert time.monotonic() < deadline, f"{topic} cannot be read to {ends}"
            for message in consumer.consume(10_000, timeout=0.1):
                assert message.error() is None, message.error()
                partition, offset = message.partition(), message.offset()
                if offset + 1 >= ends.get(partition, 0):
                    ends.pop(partition, None)
                headers = list(message.headers() or ())
                key, value, (_, timestamp) = message.key(), message.value(), message.timestamp()
                found.append(Record(partition, offset, key, value, headers, timestamp))
        return found
    finally:
        consumer.close()


def free_port() -> int:
    """A port on which nobody listens, of those that no system gives away by itself: between the
    answer and its use many connections are made, by other tests as well."""
    while True:
        port = _CHANCE.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
