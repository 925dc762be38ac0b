"""The machine: what time it is, and how a process ends."""

import logging
import time

import pytest

from funnel_stream.streaming.system import OwnProcess, SystemClock


def test_clocks_are_those_of_the_machine() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert time.time() <= clock.wall() <= time.time()
    began = clock.cpu()
    sum(range(100_000))
    assert began < clock.cpu()


def test_a_process_dies_at_once_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    monkeypatch.setattr(logging, "shutdown", lambda: exits.append(-1))
    OwnProcess().die("A batch could not be written", OSError("gone"))
    assert exits == [-1, 1], "what was logged is written first"
    [told] = caplog.messages
    assert told.startswith("A batch could not be written: OSError: gone. Ending the process")


def test_memory_is_given_back_without_harm() -> None:
    OwnProcess().give_back()
