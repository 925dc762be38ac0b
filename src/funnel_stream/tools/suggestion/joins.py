"""What several tables have in common: the ids of deals, and keys that others refer to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from funnel_stream.errors import printable
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.files import files_of, pattern_of
from funnel_stream.tools.suggestion.names import named, rank, words
from funnel_stream.tools.suggestion.roles import CLOSED
from funnel_stream.tools.suggestion.rules import TablePlan
from funnel_stream.tools.suggestion.tables import Survey
from funnel_stream.tools.suggestion.texts import quoted

_HINTS: Final = 5
"""So many lookups are hinted at for each source."""
_TAKEN: Final = 8
"""So many columns a hint takes of a table of which nothing is known."""
_KEYS: Final = frozenset({"id", "ids", "key", "nr", "no", "number", "code"})
_LEADS: Final = frozenset({"lead", "leads", "mql"})


class Left(NamedTuple):
    """A table that tells the same deals as another, whose events are used."""

    plan: TablePlan
    deal_id: str
    attributes: dict[str, str]


def settle(plans: Sequence[TablePlan]) -> list[Left]:
    """Take the events from tables that are not of deals, or of deals that another table tells.

    Of two tables that close the same deals a history counts, else the one with more stages; every
    deal would count twice. Where they tell different stages both stay, with a note.
    """
    _leave_guesses(plans)
    for plan in plans:
        if plan.events and plan.stages_told() == {"lead"}:
            _leave_referred(plan, plans)
    left: list[Left] = []
    by_worth = sorted(
        (plan for plan in plans if plan.deal_id is not None),
        key=lambda plan: (not plan.is_history(), -len(plan.stages_told())),
    )
    for index, plan in enumerate(by_worth):
        for other in by_worth[index + 1 :]:
            if plan.events and other.events:
                left += _settle_two(plan, other)
    return left


def _leave_guesses(plans: Sequence[TablePlan]) -> None:
    if any(plan.events and plan.deal_id and not plan.guessed for plan in plans):
        for plan in plans:
            if plan.events and plan.guessed:
                _leave(plan, f"{plan.deal_id!r} may be the id of something other than deals")


def _leave_referred(plan: TablePlan, plans: Sequence[TablePlan]) -> None:
    """Take the events from a table whose rows are what deals only refer to, like users."""
    key = _column(plan, plan.deal_id)
    if key is None or rank(key.name, "deal_id") is not None or _is_of_leads(plan, key):
        return
    for other in plans:
        if other is plan or not other.stages_told() & {*CLOSED}:
            continue
        for one in other.table.usable():
            if one.name != other.deal_id and _refers(one, key) and _joins(one, key):
                refers = f"{one.name!r} of {files_of(other.table)}"
                _leave(plan, f"its rows are not deals, but what {refers} refers to")
                return


def _refers(one: Profile, key: Profile) -> bool:
    """Whether a column can refer to a key: small numbers are in many columns by chance. The lead
    that a deal once was has a funnel of its own."""
    found = set(words(one.name))
    called = bool(_KEYS & found) or rank(one.name, "owner") is not None
    return not _LEADS & found and (called or not all(text.isdecimal() for text in key.kept))


def _is_of_leads(plan: TablePlan, key: Profile) -> bool:
    about = {word for path in plan.table.paths for word in words(path.stem)}
    return bool(_LEADS & (about | set(words(key.name))))


def _settle_two(plan: TablePlan, other: TablePlan) -> Iterator[Left]:
    one, two = _column(plan, plan.deal_id), _column(other, other.deal_id)
    if one is None or two is None:
        return
    shared, total = _shared(one, two)
    if not shared:
        return
    if plan.is_history() and not other.is_history() and shared * 2 < total:
        # A history that began late, or is of some deals only.
        plan, other, one, two = other, plan, two, one
        shared, total = _shared(one, two)
    about = "about " if one.sampled or two.sampled else ""
    count = f"{about}{shared:,} of {total:,} ids"
    both = plan.stages_told() & other.stages_told()
    if both & {*CLOSED} and shared * 2 >= total:
        yield Left(other, two.name, other.attributes())
        by_history = plan.is_history() and not other.is_history()
        reason = (
            f"{count} of its deals are also in {files_of(plan.table)}"
            f"{', with their history' if by_history else ''}: with both, deals would count twice"
        )
        if shared < total:
            reason += "; the others are left out"
        sure = by_history and shared == total
        _leave(other, reason if sure else f"UNSURE: {reason}")
    elif both:
        plan.notes.append(
            f"UNSURE: {count} of {files_of(other.table)} are also here, and both have events "
            f"for {' and '.join(sorted(both))}: remove these from one"
        )
    else:
        plan.notes.append(
            f"{count} of {files_of(other.table)} are also here: both describe the same deals"
        )


def _leave(plan: TablePlan, reason: str) -> None:
    plan.reason = reason
    plan.events, plan.deal_id = [], None


def _column(plan: TablePlan, name: str | None) -> Profile | None:
    return next((one for one in plan.table.usable() if one.name == name), None)


def _shared(one: Profile, other: Profile) -> tuple[int, int]:
    """How many texts of ``other`` are in ``one``, and of how many; estimates if sampled."""
    mask = max(one.mask, other.mask)
    texts, others = one.kept_at(mask), other.kept_at(mask)
    return len(texts & others) * (mask + 1), len(others) * (mask + 1)


# --- lookups -------------------------------------------------------------------------------------


def lookups(plan: TablePlan, plans: Sequence[TablePlan], left: Sequence[Left]) -> Iterator[str]:
    """Hints, as comments, at those of ``plans`` that make no events, but of which a column looks
    like the key of a row's text."""
    hints = list(_hints(plan, plans, left))[:_HINTS]
    if hints:
        yield f"    # perhaps, with {', '.join(dict.fromkeys(hint.files for hint in hints))}:"
        yield "    # lookups:"
        yield from (f"    #   - {hint.entry}" for hint in hints)
    attributes = {name: one for hint in hints for name, one in hint.attributes.items()}
    if attributes:
        listed = ", ".join(f"{name}: {quoted(one)}" for name, one in attributes.items())
        yield f"    # and then in the attributes of an event: {{{listed}}}"
    owner = plan.attributes().get("owner")
    if owner is not None and "owner" not in attributes and words(owner)[-1:] == ("id",):
        yield (
            f"    # {printable(repr(owner))} holds ids of owners; with a file of users, a "
            "lookup could add their names"
        )


class _Hint(NamedTuple):
    files: str
    entry: str
    attributes: dict[str, str]


def _hints(plan: TablePlan, plans: Sequence[TablePlan], left: Sequence[Left]) -> Iterator[_Hint]:
    tables = [one.table for one in plans]
    owner = _column(plan, plan.attributes().get("owner"))
    stages_told = plan.attributes()
    deal_id = _column(plan, plan.deal_id)
    for one in left:
        key = _column(one.plan, one.deal_id)
        if deal_id is None or key is None or not _is_key(key) or not _shared(deal_id, key)[0]:
            continue
        more = {name: column for name, column in one.attributes.items() if name not in stages_told}
        more = {name: column for name, column in more.items() if not _column(plan, column)}
        owner = owner or _column(one.plan, more.get("owner"))
        if more:
            taken = list(dict.fromkeys(more.values()))
            yield _hint(one.plan.table, tables, deal_id.name, key.name, taken, more)
            stages_told |= more
    for other in plans:
        if other.events or any(one.plan is other for one in left):
            continue
        if owner is not None and (named_too := _names_owners(owner, other)) is not None:
            key, name = named_too
            taken_as = {"owner_name": name}
            told_as = {"owner": "owner_name"}
            yield _hint(other.table, tables, owner.name, key.name, taken_as, told_as)
            continue
        pairs = ((one, key) for key in other.table.usable() for one in plan.table.usable())
        pair = next((pair for pair in pairs if _is_key(pair[1]) and _joins(*pair)), None)
        if pair is not None:
            column, key = pair
            columns = [one.name for one in other.table.usable() if one is not key][:_TAKEN]
            yield _hint(other.table, tables, column.name, key.name, columns, {})


def _names_owners(owner: Profile, other: TablePlan) -> tuple[Profile, str] | None:
    """The key of a table of those whom a column refers to, and the column with their names."""
    columns = other.table.usable()
    key = next((one for one in columns if _is_key(one) and _joins(owner, one)), None)
    ranked = [
        (index, one.name)
        for one in columns
        if one is not key and one.filled and (index := rank(one.name, "person")) is not None
    ]
    return None if key is None or not ranked else (key, min(ranked)[1])


def _hint(
    table: Survey,
    tables: Sequence[Survey],
    column: str,
    equals: str,
    take: Sequence[str] | Mapping[str, str],
    attributes: dict[str, str],
) -> _Hint:
    if isinstance(take, Mapping):
        listed = f"{{{', '.join(f'{name}: {quoted(one)}' for name, one in take.items())}}}"
    else:
        listed = f"[{', '.join(map(quoted, take))}]"
    layout = {
        "encoding": table.encoding or "",
        "skip_rows": str(table.skip_rows or ""),
        "footer_rows": str(table.footer_rows or ""),
    }
    written = "".join(f", {key}: {value}" for key, value in layout.items() if value)
    entry = (
        f"{{file: {quoted(pattern_of(table, tables))}{written}, column: {quoted(column)}, "
        f"equals: {quoted(equals)}, take: {listed}}}"
    )
    return _Hint(files_of(table), entry, attributes)


def _is_key(one: Profile) -> bool:
    """Whether every row has a text of its own."""
    return one.repeats <= 1.01 and bool(one.kept) and one.filled >= one.rows


def _joins(one: Profile, key: Profile) -> bool:
    """Whether most texts of a column are keys, as far as both are kept."""
    if one.distinct < 2 or one.longest > 100 or not one.filled:
        return False
    mask = max(one.mask, key.mask)
    texts = one.kept_at(mask)
    shared = len(texts & key.kept_at(mask))
    same_name = named(one.name) == named(key.name)
    return bool(texts) and shared * 5 >= len(texts) * (2 if same_name else 4)
