"""Which browser is taken, if any."""

import sys
import webbrowser
from pathlib import Path

import pytest

from funnel_stream.cli import browser
from tests.integration.processes import wait_until


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux, where nothing has been asked for yet."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


def program(folder: Path, name: str, script: str) -> str:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return f"{file} %s"


@pytest.mark.parametrize("display", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_browser_with_a_window(
    display: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BROWSER", program(tmp_path, "firefox", "true"))
    assert browser.graphical() is None, "there is no display"
    monkeypatch.setenv(display, ":0")
    found = browser.graphical()
    assert found is not None
    assert found.name.endswith("/firefox")


@pytest.mark.parametrize("name", ["lynx", "w3m", "links", "elinks", "www-browser"])
def test_a_browser_of_the_terminal_is_none(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", program(tmp_path, name, "true"))
    assert browser.graphical() is None


def test_no_browser_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.graphical() is None


def test_a_page_is_shown_and_a_failure_is_not_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = tmp_path / "shown"
    fails = f'echo "cannot" >&2; echo "$1" > {shown}.new; mv {shown}.new {shown}; exit 1'
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", program(tmp_path, "firefox", fails))
    browser.show("http://127.0.0.1:6066/")
    wait_until(shown.exists, "the page to be shown", deadline=20)
    assert shown.read_text() == "http://127.0.0.1:6066/\n"
    assert capfd.readouterr() == ("", "")
