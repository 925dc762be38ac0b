"""Child processes: their death is told, and none is left."""

import os
import re
import signal
from pathlib import Path

import pytest

from funnel_stream.cli.children import Children
from funnel_stream.errors import FunnelError


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def broker(children: Children, logs: Path) -> int:
    """Start a broker and wait until it is ready; its process id."""
    child = children.start("broker", "--address-file", str(logs / "address"))
    children.wait_for("the broker", (logs / "address").exists, 30)
    return child.pid


def death(children: Children) -> FunnelError:
    """The error that waiting for something that never comes ends with."""
    with pytest.raises(FunnelError) as raised:
        children.wait_for("nothing", lambda: False, 30)
    return raised.value


def test_children_end_with_the_block(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        pid = broker(children, tmp_path)
        children.check()
        assert not gone(pid)
    assert gone(pid)


def test_children_end_with_a_block_that_fails(tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with Children(tmp_path) as children:
            pids.append(broker(children, tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gone(pids[0])


def test_a_child_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funnel_stream.cli.children._STOP_SECONDS", 0.2)
    with Children(tmp_path) as children:
        pid = broker(children, tmp_path)
        os.kill(pid, signal.SIGSTOP)
    assert gone(pid)


def test_a_child_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("compute", "no-such-file.ndjson")
        error = death(children)
    assert error.message == "the compute ended with exit code 2"
    assert "error: no-such-file.ndjson cannot be read" in (error.hint or "")


def test_a_child_that_is_killed_is_told(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        os.kill(broker(children, tmp_path), signal.SIGKILL)
        assert death(children).message == "the broker was killed by SIGKILL"


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with Children(tmp_path) as children, pytest.raises(FunnelError, match="Godot did not come"):
        children.wait_for("Godot", lambda: False, 0.1)


def test_colours_stay_out_of_the_logs(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("demo", "--for", "soon")
        error = death(children)
    assert error.message == "the demo ended with exit code 2"
    assert not re.search("\x1b", error.hint or "")
