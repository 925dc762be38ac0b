"""One broker of a real Apache Kafka, and what can be done to it."""

import base64
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.integration.processes import DEADLINE
from tests.kafka import java

_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_OPTIONS: Final = ("-Xms64m", "-Xmx384m", f"-Dlog4j2.configurationFile={_LOGGING}")


class Node:
    """Broker and controller in one process, with its files in a folder; ended by ``kill9``."""

    def __init__(
        self, number: int, folder: Path, settings: Mapping[str, str], options: tuple[str, ...]
    ) -> None:
        self.number = number
        self.data = folder / "data"
        self.log = folder / "log"
        self._settings = folder / "server.properties"
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        lines = {"node.id": str(number), "log.dirs": str(self.data), **settings}
        text = "\n".join(f"{name}={escaped(value)}" for name, value in lines.items())
        self._settings.write_text(f"{text}\n", encoding="utf-8")

    def format(self) -> None:
        """Make the folder of data that of the first member of a new cluster."""
        arguments = ("format", "-t", new_id(), "-c", str(self._settings))
        self._run("kafka.tools.StorageTool", *arguments)
        code = self._ended()
        assert code == 0, f"exit {code}:\n{self.tail()}"

    def join(self, member: "Node") -> None:
        """Make the folder of data as that of a member of its cluster is that has yet to start."""
        shutil.copytree(member.data, self.data)
        identity = self.data / "meta.properties"
        lines = dict(line.split("=", 1) for line in identity.read_text().split() if "=" in line)
        lines |= {"node.id": str(self.number), "directory.id": new_id()}
        identity.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def start(self) -> None:
        """Begin to start; that it has started only a client can say."""
        assert not self.started, "has been started already"
        self._run("kafka.Kafka", str(self._settings))

    def _run(self, main: str, *arguments: str) -> None:
        command = java.command(main, *arguments, options=(*_OPTIONS, *self._options))
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def started(self) -> bool:
        """And not ended by us."""
        return self._child is not None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        assert self._child is not None, "was not started"
        return self._child.pid

    def send(self, number: signal.Signals) -> None:
        assert self._child is not None, "was not started"
        self._child.send_signal(number)

    def sigstop(self) -> None:
        self.send(signal.SIGSTOP)

    def sigcont(self) -> None:
        self.send(signal.SIGCONT)

    def stop(self) -> None:
        """As an operator does: it hands over what it leads, and ends."""
        self.send(signal.SIGTERM)
        self._ended()

    def kill9(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._ended()

    def _ended(self) -> int:
        """The exit code, once there is one."""
        assert self._child is not None, "was not started"
        code = self._child.wait(DEADLINE)
        self._child = None
        return code

    def tail(self, lines: int = 30) -> str:
        """The end of the log, without the frames of stacks, which are longer than all the rest."""
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in text if not line.startswith("\tat ")][-lines:])


def new_id() -> str:
    """Of a cluster or a folder, as Kafka writes them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def escaped(value: str) -> str:
    """As a value stands in a file of properties."""
    return value.replace("\\", "\\\\")
