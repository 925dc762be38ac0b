"""What sources and the files of a mapping are called: the same for the next export, too."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from funnel_stream.errors import UsageError, printable
from funnel_stream.tools.suggestion.columns import GAPS
from funnel_stream.tools.suggestion.rules import TablePlan
from funnel_stream.tools.suggestion.tables import Survey

_DATE_OF_EXPORT: Final = re.compile(r"[\s_.()-]*[0-9][0-9\s_.()T-]*$")
_SPECIAL: Final = re.compile(r"([*?[])")
_LONGEST_NAME: Final = 40
_WORDS: Final = frozenset({"null", "true", "false"})


def files_of(table: Survey) -> str:
    """The names of a table's files, for people."""
    return ", ".join(printable(path.name) for path in table.paths)


def name_of(table: Survey, default: str) -> str:
    """A name after the first file; ``default`` where that makes none."""
    stem = _DATE_OF_EXPORT.sub("", _stem(table.paths[0])).casefold()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:_LONGEST_NAME].strip("_")
    return name if name[:1].isalpha() and name not in GAPS | _WORDS else default


def source_files(
    plans: Sequence[TablePlan], others: Sequence[TablePlan]
) -> Iterator[tuple[str, str | None]]:
    """Name and file pattern of each source; ``others`` have files, too, but are none. Raises
    ``UsageError`` where files of two sources are called the same."""
    tables = [plan.table for plan in (*plans, *others)]
    patterns: list[str | None] = [None]
    if len(plans) > 1:
        patterns = [pattern_of(plan.table, tables) for plan in plans]
    for plan, pattern in zip(plans, patterns, strict=True):
        if pattern is not None and _meets(pattern, plan.table, [one.table for one in plans]):
            raise UsageError(
                "the files of different tables have names that no pattern can distinguish",
                hint="Rename them, or suggest a mapping for each table.",
            )
    taken: set[str] = set()
    for index, (plan, pattern) in enumerate(zip(plans, patterns, strict=True), start=1):
        name = name_of(plan.table, "rows")
        name = f"{name}_{index}" if name in taken else name
        taken.add(name)
        yield name, pattern


def pattern_of(table: Survey, tables: Sequence[Survey]) -> str:
    """What the names of a table's files have in common, without the dates of the exports; the name
    of its only file where the files of other ``tables`` have that in common, too."""
    pattern = _pattern(table)
    if len(table.paths) == 1 and _meets(pattern, table, tables):
        return _escaped(table.paths[0].name)
    return pattern


def _stem(path: Path) -> str:
    name = _bare(path.name)
    return name.rpartition(".")[0] or name


def _escaped(name: str) -> str:
    return _SPECIAL.sub(r"[\1]", _bare(name))


def _pattern(table: Survey) -> str:
    stems = {_DATE_OF_EXPORT.sub("", _stem(path)) for path in table.paths}
    if len(stems) == 1 and (stem := stems.pop()):
        return _escaped(stem) + "*"
    names = [_bare(path.name) for path in table.paths]
    common = next(
        (index for index, chars in enumerate(zip(*names, strict=False)) if len(set(chars)) > 1),
        min(map(len, names)),
    )
    return _escaped(names[0][:common]) + "*"


def _meets(pattern: str, table: Survey, tables: Sequence[Survey]) -> bool:
    """Whether a pattern fits a file of another table, or any file."""
    others = [path.name.lower() for one in tables if one is not table for path in one.paths]
    return pattern == "*" or any(
        fnmatch(name, pattern.lower()) for other in others for name in (other, _bare(other))
    )


def _bare(name: str) -> str:
    return name.removesuffix(".gz")
