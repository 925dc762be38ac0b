"""What the README tells a newcomer to type does what the README says."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.processes import Broker, Worker

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]


def test_the_first_event_changes_the_figure(
    broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## Send your own first event")[1]
    )
    commands, shown, *_ = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    export, emit, ask = commands.strip().splitlines()
    assert export == "export BROKER=127.0.0.1:PORT"
    worker = start_worker(broker)
    worker.wait_until(worker.reports, "the worker to report")

    def typed(command: str) -> str:
        here = command.replace(".venv/bin/funnel-stream", f"{sys.executable} -m funnel_stream")
        here = here.replace("localhost:6066", f"127.0.0.1:{worker.port}")
        done = subprocess.run(
            ["bash", "-c", f"export BROKER={broker.address}; {here}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    assert typed(ask) == ""
    assert "published 1 event " in typed(emit)
    worker.wait_until(lambda: typed(ask), "the figure of the README")
    assert typed(ask) == shown
