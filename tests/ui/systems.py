"""Running systems to look at: a worker before a broker, a demo, and one server in a given state."""

import json
import re
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from funnel_stream.definition import Definition
from funnel_stream.exposition import server
from funnel_stream.reporting import Reporter
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Process, Worker, free_port, wait_until
from tests.integration.stories import written
from tests.ui import company as companies


@contextmanager
def company(folder: Path, funnel: dict[str, Any] = companies.FUNNEL) -> Iterator[Worker]:
    """A worker that has all of the company's history, on the clock of its events: nothing moves."""
    config = written(folder, funnel)
    broker = Broker(folder)
    try:
        worker = Worker(folder, broker.address, "--clock", "event", "--config", str(config))
        try:
            history = companies.history()
            send(history, broker.address)
            worker.wait_consumed(len(history))
            worker.wait_until(lambda: _all_there(worker), "the figures of all deals")
            yield worker
        finally:
            worker.kill9()
    finally:
        broker.kill9()


def _all_there(worker: Worker) -> bool:
    """Whether the last deals of the history are in the figures."""
    found = worker.kpis(window="24h", dimension="") or {}
    wanted = {"pipeline": companies.PIPELINES[-1][:120], "window": "24h"}
    return found.get(("funnel_leads", frozenset(wanted.items()))) == 1


class Demo(Process):
    """``funnel-stream demo`` with its usual stream of events; ``address`` of its page, ``broker``
    where it publishes."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        arguments = ("--no-open", "--http-port", str(port), "--for", "10m", *options)
        super().__init__(folder, "demo", *arguments, TMPDIR=str(folder))
        self.broker = wait_until(self._told_broker, "the demo's broker")

    def _told_broker(self) -> str | None:
        assert self.running, f"the demo has ended:\n{self.tail()}"
        found = re.search(r"^broker +(\S+)$", self.log.read_text(), re.MULTILINE)
        return found and found[1]

    def shows(self, path: str) -> bool:
        """Whether there is such a page by now."""
        assert self.running, f"the demo has ended:\n{self.tail()}"
        try:
            with urllib.request.urlopen(self.address + path, timeout=20) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """End it as Ctrl-C does, with its broker and worker."""
        if self.running:
            self.sigterm()
            self.wait()


@contextmanager
def serving(reporter: Reporter, definition: Definition | None = None) -> Iterator[str]:
    """The address of a server in this process, for states that a worker is in for a moment."""
    running = server.start(reporter, definition or Definition(), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.port}"
    finally:
        running.stop()


def again(folder: Path, broker: Broker, worker: Worker, *options: str) -> Worker:
    """A worker on the port of one that was killed."""
    port = ("--http-port", str(worker.port))
    started = Worker(folder, broker.address, *port, *options)
    started.port = worker.port
    return started


def leads(numbers: Sequence[int], **attributes: Any) -> list[bytes]:
    """So many new deals, as of now, one event each."""
    return [
        json.dumps(
            {
                "event_id": "lead",
                "type": "stage_changed",
                "deal_id": f"new-{number}",
                "stage": "lead",
                "occurred_at": datetime.now(UTC).isoformat(),
                **attributes,
            }
        ).encode()
        for number in numbers
    ]


def send(lines: Sequence[bytes], broker: str) -> None:
    """Publish; all is acknowledged afterwards."""
    assert publish(lines, broker).lines == len(lines)
