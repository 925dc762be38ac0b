"""A first mapping for tables that nobody has described yet."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from funnel_stream.errors import InputError, printable
from funnel_stream.tools.suggestion.files import files_of, name_of, source_files
from funnel_stream.tools.suggestion.joins import lookups, settle
from funnel_stream.tools.suggestion.plan import planned
from funnel_stream.tools.suggestion.rules import TablePlan
from funnel_stream.tools.suggestion.tables import survey
from funnel_stream.tools.suggestion.texts import quoted
from funnel_stream.tools.suggestion.yaml import source, unused


@dataclass(frozen=True)
class Suggestion:
    """A mapping as text, the files that it is for, and what there is to say of all files."""

    text: str
    files: list[Path]
    notes: list[str]


def suggested(
    paths: Sequence[Path], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Suggestion:
    """Read the files and suggest a mapping.

    Raises ``UsageError`` for files that are none, ``InputError`` where one cannot be read or no
    table can be used: the message says what was looked for.
    """
    tables = survey(paths, on_progress)
    plans = [planned(table) for table in tables]
    left = settle(plans)
    used = [plan for plan in plans if plan.events]
    others = [plan for plan in plans if not plan.events]
    notes = [f"{files_of(plan.table)}: {printable(plan.reason)}" for plan in others]
    if not used:
        raise InputError(
            "no mapping can be suggested\n" + "\n".join(notes),
            hint="docs/importing.md shows how to write one.",
        )
    joined = {id(plan): list(lookups(plan, plans, left)) for plan in used}
    text = "\n".join(_lines(used, others, joined)) + "\n"
    return Suggestion(text, [path for plan in used for path in plan.table.paths], notes)


def _lines(
    used: Sequence[TablePlan], others: Sequence[TablePlan], joined: Mapping[int, Sequence[str]]
) -> Iterator[str]:
    yield "# A first mapping, suggested from the contents of the files. UNSURE marks what may be"
    yield "# wrong: please check it. docs/importing.md explains every key, docs/import_recipes.md"
    yield "# the exports of well-known CRMs."
    yield ""
    yield f"name: {name_of(used[0].table, 'crm')} # part of every event's id: keep it"
    yield from _timezone(used)
    yield from _currency(used)
    yield from _missing(used)
    yield ""
    yield "sources:"
    named = source_files(used, others)
    for index, ((name, pattern), plan) in enumerate(zip(named, used, strict=True)):
        yield from [""] if index else []
        yield from source(name, pattern, plan, joined[id(plan)])
    for plan in others:
        yield ""
        yield f"# Not used: {files_of(plan.table)}: {printable(plan.reason)}"
        yield from (line.removeprefix("    ") for line in unused(plan))


def _timezone(plans: Sequence[TablePlan]) -> Iterator[str]:
    if any(choice.local for plan in plans for choice in plan.dates.values()):
        yield "timezone: UTC # UNSURE: for dates without an offset; set yours, like Europe/Warsaw"


def _currency(plans: Sequence[TablePlan]) -> Iterator[str]:
    hints = {hint for plan in plans for hint in plan.hints}
    if any(plan.money for plan in plans) or len(hints) > 1:
        named_too = f" (columns name {', '.join(sorted(hints))})" if hints else ""
        yield (
            f"# currency: EUR # no column gives the currency of the amounts{named_too}; until you "
            "set it, they are left out"
        )
    elif hints:
        yield f"currency: {hints.pop()} # as a column's name says"


def _missing(plans: Sequence[TablePlan]) -> Iterator[str]:
    found: Counter[str] = Counter()
    for plan in plans:
        used = plan.used()
        for one in plan.table.profiles:
            if one.name in used:
                found.update(one.gaps)
    if found:
        texts = ", ".join(quoted(text) for text, _ in found.most_common())
        yield f'missing: ["", {texts}] # texts that mean no value'
