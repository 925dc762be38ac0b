"""Two exports of the same CRM, as several tests compare them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from funnel_stream.tools.importer import Import, Report
from funnel_stream.tools.mapping import Mapping
from funnel_stream.tools.snapshots import ExportChanges, Gone, Snapshots

Tables = dict[str, str]
"""Files of an export: name → text."""


class Compared(NamedTuple):
    lines: list[bytes]
    changes: ExportChanges
    report: Report

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def left_out(self) -> list[tuple[int, str, str]]:
        """Row, reason and column of what was left out."""
        return [(one.row, str(one.reason), one.field) for one in self.report.rejects]


def mapped(text: str) -> Mapping:
    return Mapping.model_validate(yaml.safe_load(text))


def importing(folder: Path, mapping: Mapping, tables: Tables, now: datetime) -> Import:
    """The import of an export that is written to a folder for it."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in tables.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return Import(mapping, paths, now=now.timestamp)


def compared(
    folder: Path,
    mapping: Mapping,
    old: Tables,
    new: Tables,
    as_of: datetime,
    gone: Gone | None = None,
) -> Compared:
    snapshots = Snapshots(as_of, gone)
    snapshots.take_old(importing(folder / "old", mapping, old, as_of).lines())
    source = importing(folder / "new", mapping, new, as_of)
    snapshots.take_new(source, source.lines())
    return Compared(list(snapshots.lines()), snapshots.changes, source.report)
