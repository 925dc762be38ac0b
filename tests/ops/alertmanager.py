"""A real Alertmanager for tests, and a receiver that keeps what it sends."""

import json
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any, Generic, NamedTuple, Self, TypeVar

import yaml

from tests.integration.processes import free_port, wait_until
from tests.programs import binary

DEADLINE = 30.0
ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
T = TypeVar("T")

Config = dict[str, Any]


def shipped_config(text: str | None = None) -> Config:
    """The shipped configuration (or ``text`` in its place) for tests: templates by their whole
    path, and a second in place of minutes before anything is told."""
    config: Config = yaml.safe_load(text if text is not None else SHIPPED.read_text("utf-8"))
    config["templates"] = [str(SHIPPED.parent / pattern) for pattern in config["templates"]]
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    return config


def told_to(config: Config, url: str) -> Config:
    """The same with a webhook at ``url`` for every receiver, and nothing else: ``/page``,
    ``/team`` and ``/deadman`` behind it."""
    receivers = [
        {"name": name, "webhook_configs": [{"url": f"{url}/{name}"}]}
        for name in (receiver["name"] for receiver in config["receivers"])
    ]
    return {**config, "receivers": receivers}


class Alertmanager:
    """A process with storage of its own under ``folder``; ended by ``stop`` or the ``with``."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file, self.log = folder / "alertmanager.yml", folder / "alertmanager.log"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        program = binary("prometheus-alertmanager", "alertmanager")
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [
                    program,
                    f"--config.file={file}",
                    f"--storage.path={folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--web.external-url=http://alertmanager.example",
                    "--web.route-prefix=/",
                    # Alone: no gossip, and no waiting for others to settle.
                    "--cluster.listen-address=",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._ready, "Alertmanager to be ready", DEADLINE)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Alertmanager":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Tell it of alerts as Prometheus would."""
        self._call("/api/v2/alerts", list(alerts))

    def alerts(self) -> list[dict[str, Any]]:
        """All alerts, inhibited and silenced ones too."""
        found: list[dict[str, Any]] = self._call("/api/v2/alerts")
        return found

    def _ready(self) -> bool:
        assert self._child.poll() is None, f"Alertmanager has ended:\n{self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None


def alert(
    labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, *, ended: bool = False
) -> dict[str, Any]:
    """An alert as it is posted: it began just now (``group_wait`` counts from then), and fires for
    an hour to come or has ended."""
    now = datetime.now(UTC)
    end = now if ended else now + timedelta(hours=1)
    return {
        "labels": dict(labels),
        "annotations": dict(annotations or {}),
        "startsAt": now.isoformat(),
        "endsAt": end.isoformat(),
    }


class Inbox(Generic[T]):
    """What has arrived, in order, and a way to wait for more."""

    def __init__(self) -> None:
        self._arrived: list[T] = []
        self._changed = threading.Condition()

    def keep(self, thing: T) -> None:
        with self._changed:
            self._arrived.append(thing)
            self._changed.notify_all()

    def wait_for(
        self, predicate: Callable[[Sequence[T]], bool], what: str, deadline: float = DEADLINE
    ) -> list[T]:
        """All that has arrived, once the predicate holds of it; fails with ``what`` if it does
        not in time."""
        with self._changed:
            met = self._changed.wait_for(lambda: predicate(self._arrived), deadline)
            arrived = list(self._arrived)
        assert met, f"timed out after {deadline} s: {what}; arrived: {arrived}"
        return arrived


class Notification(NamedTuple):
    """A JSON document that was posted to the receiver, and where."""

    path: str
    body: dict[str, Any]


class Served(Inbox[T]):
    """An inbox that a server on a free port fills, for the length of a ``with``."""

    def __init__(self, server: type[TCPServer], handler: type[BaseRequestHandler]) -> None:
        super().__init__()
        self._server = server(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Receiver(Served[Notification]):
    """An HTTP server that keeps every JSON document."""

    def __init__(self) -> None:
        keep = self.keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                keep(Notification(self.path, json.loads(text)))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer, Handler)
        self.url = f"http://{self.address}"
