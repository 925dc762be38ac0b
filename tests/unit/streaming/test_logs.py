"""Log lines: one per event, and no storms."""

import logging

import pytest

from funnel_stream.streaming import logs
from funnel_stream.streaming.logs import StormFilter


def record(message: str, level: int = logging.WARNING, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("funnel_stream.x", level, "x.py", 1, message, arguments, None)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which a test moves."""
    clock = [100.0]
    monkeypatch.setattr("funnel_stream.streaming.logs.time.monotonic", lambda: clock[0])
    return clock


def test_the_same_message_passes_a_few_times(now: list[float]) -> None:
    storms = StormFilter()
    assert [storms.filter(record("%d gone", logging.WARNING, n)) for n in range(5)] == [
        *[True] * 3,
        *[False] * 2,
    ]
    assert storms.filter(record("another"))


def test_how_many_were_held_back_is_told_afterwards(now: list[float]) -> None:
    storms = StormFilter()
    for _ in range(5):
        storms.filter(record("gone"))
    now[0] += 10.0
    later = record("gone")
    assert storms.filter(later)
    assert later.getMessage() == "gone (and 2 more like it)"


def test_what_is_critical_always_passes(now: list[float]) -> None:
    storms = StormFilter()
    assert all(storms.filter(record("dying", logging.CRITICAL)) for _ in range(10))


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs._QUIET}
    try:
        logs.set_up("info")
        logging.getLogger("funnel_stream.streaming.x").info("first\n  second")
        [line] = capsys.readouterr().err.splitlines()
        assert line.endswith(" INFO     streaming.x: first second")
        assert line[10] == "T"
        logging.getLogger("aiokafka").info("not shown")
        assert capsys.readouterr().err == ""
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, former in quiet.items():
            logging.getLogger(name).setLevel(former)
