"""A first mapping for tables that nobody has described yet."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from funnel_stream.errors import InputError, UsageError
from funnel_stream.tools.suggestion.columns import GAPS, Profile
from funnel_stream.tools.suggestion.names import named
from funnel_stream.tools.suggestion.plan import Plan, planned
from funnel_stream.tools.suggestion.tables import Survey, survey
from funnel_stream.tools.suggestion.texts import plain, quoted
from funnel_stream.tools.suggestion.yaml import source, unused

_DATE_OF_EXPORT: Final = re.compile(r"[\s_.()-]*[0-9][0-9\s_.()T-]*$")
_SPECIAL: Final = re.compile(r"([*?[])")
_LONGEST_NAME: Final = 40
_HINTS: Final = 5
"""So many lookups are hinted at for each source."""


@dataclass(frozen=True)
class Suggestion:
    """A mapping as text, the files that it is for, and what there is to say of all files."""

    text: str
    files: list[Path]
    said: list[str]


def suggested(
    paths: Sequence[Path], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Suggestion:
    """Read the files and suggest a mapping.

    Raises ``UsageError`` for files that are none, ``InputError`` where one cannot be read or no
    table can be used: the message says what was looked for.
    """
    tables = survey(paths, on_progress)
    plans = [planned(table) for table in tables]
    if any(plan.events and plan.deal_id and not plan.guessed for plan in plans):
        for plan in plans:
            if plan.events and plan.guessed:
                plan.reason = f"{plan.deal_id!r} may be an id of something else than deals"
                plan.events, plan.deal_id = [], None
    used = [plan for plan in plans if plan.events]
    others = [plan for plan in plans if not plan.events]
    said = [f"{_files(plan.table)}: {plain(plan.reason)}" for plan in others]
    if not used:
        raise InputError(
            "no mapping can be suggested\n" + "\n".join(said),
            hint="docs/importing.md shows how to write one.",
        )
    text = "\n".join(_lines(used, others)) + "\n"
    return Suggestion(text, [path for plan in used for path in plan.table.paths], said)


def _files(table: Survey) -> str:
    return ", ".join(plain(path.name) for path in table.paths)


def _lines(used: Sequence[Plan], others: Sequence[Plan]) -> Iterator[str]:
    yield "# A first mapping, suggested by what the files hold: UNSURE marks what may be otherwise."
    yield "# It is yours to correct; docs/importing.md explains every key."
    yield ""
    yield f"name: {_name_of(used[0].table, 'crm')} # part of every event's id: keep it"
    yield from _timezone(used)
    yield from _currency(used)
    yield from _missing(used)
    yield ""
    yield "sources:"
    for place, ((name, pattern), plan) in enumerate(zip(_places(used), used, strict=True)):
        yield from [""] if place else []
        yield from source(name, pattern, plan, list(_lookups(plan, others)))
    for plan in others:
        yield ""
        yield f"# Not used: {_files(plan.table)}: {plain(plan.reason)}"
        yield from (line.removeprefix("    ") for line in unused(plan))


def _timezone(plans: Sequence[Plan]) -> Iterator[str]:
    if any(choice.local for plan in plans for choice in plan.dates.values()):
        yield "timezone: UTC # UNSURE: of dates without an offset; write yours, like Europe/Warsaw"


def _currency(plans: Sequence[Plan]) -> Iterator[str]:
    hints = {hint for plan in plans for hint in plan.hints}
    if any(plan.money for plan in plans) or len(hints) > 1:
        named_too = f" (columns name {', '.join(sorted(hints))})" if hints else ""
        yield (
            f"# currency: EUR # nothing tells that of the amounts{named_too}: until you write it "
            "they are left out"
        )
    elif hints:
        yield f"currency: {hints.pop()} # as a column's name says"


def _missing(plans: Sequence[Plan]) -> Iterator[str]:
    found: Counter[str] = Counter()
    for plan in plans:
        used = plan.used()
        for one in plan.table.profiles:
            if one.name in used:
                found.update(one.gaps)
    if found:
        texts = ", ".join(quoted(text) for text, _ in found.most_common())
        yield f'missing: ["", {texts}] # texts that mean no value'


# --- files ---------------------------------------------------------------------------------------


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name


def _name_of(table: Survey, default: str) -> str:
    stem = _DATE_OF_EXPORT.sub("", _stem(table.paths[0])).casefold()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:_LONGEST_NAME].strip("_")
    return name if name[:1].isalpha() and name not in GAPS | _WORDS else default


_WORDS: Final = frozenset({"null", "true", "false"})


def _places(plans: Sequence[Plan]) -> Iterator[tuple[str, str | None]]:
    """Name and file pattern of each source. Raises ``UsageError`` where files of two tables are
    called the same."""
    patterns: list[str | None] = [None]
    if len(plans) > 1:
        patterns = [_pattern(plan.table) for plan in plans]
        if not _apart(plans, patterns):
            patterns = [
                _escaped(plan.table.paths[0].name) if len(plan.table.paths) == 1 else pattern
                for plan, pattern in zip(plans, patterns, strict=True)
            ]
        if not _apart(plans, patterns):
            raise UsageError(
                "files of different tables are called alike, so that no pattern tells them apart",
                hint="Rename them, or ask for one mapping each.",
            )
    taken: set[str] = set()
    for place, (plan, pattern) in enumerate(zip(plans, patterns, strict=True), start=1):
        name = _name_of(plan.table, "rows")
        name = f"{name}_{place}" if name in taken else name
        taken.add(name)
        yield name, pattern


def _escaped(name: str) -> str:
    return _SPECIAL.sub(r"[\1]", name.removesuffix(".gz"))


def _pattern(table: Survey) -> str:
    """What the names of a table's files have in common, without the dates of the exports."""
    stems = {_DATE_OF_EXPORT.sub("", _stem(path)) for path in table.paths}
    if len(stems) == 1 and (stem := stems.pop()):
        return _escaped(stem) + "*"
    names = [path.name.removesuffix(".gz") for path in table.paths]
    common = next(
        (place for place, chars in enumerate(zip(*names, strict=False)) if len(set(chars)) > 1),
        min(map(len, names)),
    )
    return _escaped(names[0][:common]) + "*"


def _apart(plans: Sequence[Plan], patterns: Sequence[str | None]) -> bool:
    """Whether every file fits the pattern of its own table only."""
    for plan in plans:
        for path in plan.table.paths:
            names = {path.name.lower(), path.name.lower().removesuffix(".gz")}
            fitting = [
                other
                for other, pattern in zip(plans, patterns, strict=True)
                if pattern and any(fnmatch(name, pattern.lower()) for name in names)
            ]
            if fitting != [plan] or any(pattern == "*" for pattern in patterns):
                return False
    return True


# --- lookups -------------------------------------------------------------------------------------


def _lookups(plan: Plan, others: Sequence[Plan]) -> Iterator[str]:
    """Hints, as comments, at tables of which a column looks like the key of a row's text."""
    found = 0
    for other in others:
        for key in other.table.usable():
            if key.repeats > 1.01 or not key.kept or key.filled < key.rows:
                continue
            column = next((one for one in plan.table.usable() if _joins(one, key)), None)
            if column is None:
                continue
            taken = [one.name for one in other.table.usable() if one is not key][:8]
            found += 1
            if found > _HINTS:
                return
            yield f"    # perhaps, with {_files(other.table)}:"
            yield "    # lookups:"
            yield (
                f"    #   - {{file: {quoted(_pattern(other.table))}, column: {quoted(column.name)},"
                f" equals: {quoted(key.name)}, take: [{', '.join(map(quoted, taken))}]}}"
            )
            break


def _joins(one: Profile, key: Profile) -> bool:
    """Whether most texts of a column are keys, as far as both are kept."""
    if one.distinct < 2 or one.longest > 100 or not one.filled:
        return False
    mask = max(one.mask, key.mask)
    texts = one.kept_at(mask)
    keys = key.kept_at(mask)
    shared = sum(1 for text in texts if text in keys)
    same_name = named(one.name) == named(key.name)
    return bool(texts) and shared * 5 >= len(texts) * (2 if same_name else 4)
