"""A page in the browser of whoever sits in front of this machine, if there is one."""

import contextlib
import os
import subprocess
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Final

_TEXT: Final = frozenset(("www-browser", "links", "elinks", "lynx", "w3m"))
"""Browsers that would take over a terminal."""


def show(url: str) -> None:
    """Have it shown, some time later; failures are ignored."""
    # In a process of its own: browsers print what they like, and some return only when they end.
    command = [sys.executable, "-m", "funnel_stream.cli.browser", url]
    with contextlib.suppress(OSError):
        opening = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=opening.wait, name="browser", daemon=True).start()


def graphical() -> webbrowser.BaseBrowser | None:
    """The user's browser, if it has a window of its own."""
    windows = sys.platform in ("darwin", "win32")
    if not windows and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if Path(browser.name).name in _TEXT else browser


if __name__ == "__main__":
    if browser := graphical():
        browser.open(sys.argv[1])
