"""``funnel-stream demo`` as a real process: figures are shown, and nothing is left behind."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.broker

DEMO = (sys.executable, "-m", "funnel_stream", "demo")
SMALL = ("--days", "35", "--deals-per-day", "20", "--partitions", "2", "--http-port", "0")


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A running demo whose temporary files lie in ``tmp_path``, killed if the test fails."""
    process = subprocess.Popen(
        [*DEMO, *SMALL, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def descendants(pid: int, verbs: int) -> list[int]:
    """The children of a demo, once there are as many."""
    deadline = time.monotonic() + 60
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    while time.monotonic() < deadline:
        found = [int(child) for child in listed.read_text().split()]
        if len(found) >= verbs:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{pid} has no {verbs} children")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_short_demo_shows_figures_and_ends(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "4s", "--rate", "100") as process:
        children = descendants(process.pid, 2)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert errors == ""
    page = re.match(r"page     (http://127\.0\.0\.1:\d+)/$", out, re.M)
    assert page
    assert re.search(rf"^metrics  {page[1]}/metrics$", out, re.M)
    assert re.search(r"^broker   127\.0\.0\.1:\d+$", out, re.M)
    assert re.search(r"^history: [\d,]{4,} events published$", out, re.M)
    assert re.search(r"^ +\d+ s  .*Leads: \d", out, re.M)
    won = re.search(r"^  won +(\d+) +\d+\.\d % *$", out, re.M)
    assert won
    assert int(won[1]) > 0
    open_leads = re.search(r"^  lead +\d+ +100\.0 % +(\d+) *$", out, re.M)
    assert open_leads
    assert int(open_leads[1]) > 0
    assert re.search(r"^ +EUR .*USD", out, re.M)
    for amounts in ("won", "open now", "cost per lead"):
        assert re.search(rf"^{amounts} +[\d,.]+ ", out, re.M), amounts
    rate = re.search(r"^Win ratio +(\d+\.\d) % *$", out, re.M)
    assert rate
    assert 0 < float(rate[1]) < 100
    assert "all processes have ended" in out
    assert all(map(gone, children))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--open", "--no-open"])
def test_on_a_terminal_a_browser_shows_the_page(tmp_path: Path, option: str) -> None:
    """Once there are figures, once only, and even if that goes wrong."""
    shown, browser = tmp_path / "shown", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {shown}\necho failed\nexit 1\n')
    browser.chmod(0o755)
    keeper, terminal = pty.openpty()
    process = subprocess.Popen(
        [*DEMO, *SMALL, "--for", "4s", option],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DISPLAY": ":0", "BROWSER": f"{browser} %s", "TERM": "xterm"},
    )
    os.close(terminal)
    try:
        screen = read_all(keeper)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(keeper)
    assert process.returncode == 0, errors
    assert "all processes have ended" in screen
    assert "failed" not in screen
    page = re.search(r"page     (http://127\.0\.0\.1:\d+/)", screen)
    assert page
    assert shown.exists() == (option == "--open")
    if shown.exists():
        assert shown.read_text() == f"{page[1]}\n"


def read_all(terminal: int) -> str:
    """Everything that is written to a terminal, until its last writer has gone."""
    found = b""
    with contextlib.suppress(OSError):
        while some := os.read(terminal, 65_536):
            found += some
    return found.decode(errors="replace")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        children = descendants(process.pid, 2)
        assert process.stdout
        for line in process.stdout:
            if "Leads: " in line:
                break
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "all processes have ended" in out
    assert all(map(gone, children))


def test_a_signal_before_the_first_figures_is_130(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        children = descendants(process.pid, 1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert all(map(gone, children))


def test_the_death_of_a_child_is_told(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        broker, worker = descendants(process.pid, 2)
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("error: the worker was killed by SIGKILL\nhint: The end of its log, ")
    assert gone(broker)


def test_a_taken_port_is_a_readable_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path, "--http-port", str(port)) as process:
            children = descendants(process.pid, 1)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is already in use" in errors
    assert "Traceback" not in errors
    assert all(map(gone, children))


def test_a_history_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path, "--days", "400", "--deals-per-day", "100") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith("error: a history of 40,000 deals is more than")
