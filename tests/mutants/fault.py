"""What a fault is: an exact text of the core and what stands there instead."""

from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """One mistake that somebody could make.

    ``file``: of ``src/funnel_stream``. ``text``: occurs there exactly once. ``harm``: what goes
    wrong for a user. ``look``: the files under ``tests/`` that would notice it first. ``excuse``:
    why no test can notice it, where that is so.
    """

    name: str
    file: str
    text: str
    instead: str
    harm: str
    look: tuple[str, ...] = ()
    excuse: str = ""

    def misfit(self, package: Path) -> str:
        """Why the fault cannot be put into a package; empty if it can."""
        path = package / self.file
        if not path.is_file():
            return f"{self.name}: there is no {self.file}"
        found = path.read_text(encoding="utf-8").count(self.text)
        if found != 1:
            return f"{self.name}: its text occurs {found} times in {self.file}, not once"
        return f"{self.name}: it changes nothing" if self.text == self.instead else ""

    def put_into(self, package: Path) -> None:
        path = package / self.file
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(self.text, self.instead), encoding="utf-8")
        # Compiled code is trusted by size and whole seconds, which may be the same.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
