"""Which column holds the amount of a deal, and what tells its currency."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

from funnel_stream.contract.money import DECIMALS
from funnel_stream.tools.numbers import currency_of
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.names import currency_in, may_be_amount, words
from funnel_stream.tools.suggestion.numbers import NumberChoice
from funnel_stream.tools.suggestion.roles import FALSE, LONGEST, MANY_STAGES, TRUE, ColumnRoles
from funnel_stream.tools.suggestion.texts import example_of

_COUNTS: Final = frozenset(
    words(
        "id ids nr no number count days day hours age probability percent score year quarter month "
        "phone zip rating order"
    )
)
"""Words at the end of names whose numbers are no money."""
_NAMED: Final = 5
"""So many columns are named that may be the missing one."""


@dataclass
class MoneyColumns:
    """Columns of an amount and its currency; empty where there is none."""

    columns: dict[str, str] = field(default_factory=dict)
    """``amount`` and ``currency`` → column."""
    number: NumberChoice | None = None
    strange: list[tuple[str, int, str | None]] = field(default_factory=list)
    """Of the currency: texts that are no codes, their rows, and the code."""
    hint: str | None = None
    """The currency that the column's name names."""
    unknown: bool = False
    """Nothing tells the currency."""
    notes: list[str] = field(default_factory=list)


def money_of(columns: ColumnRoles, role: str, taken: Set[str], *, guessing: bool) -> MoneyColumns:
    """The amount or cost with the best name, and its currency; none of ``taken``. ``guessing``:
    a name may also only end like one."""
    named = columns.ranked(role)
    alike = [one for one in columns.all if guessing and may_be_amount(one.name)]
    for one in (*named, *alike):
        number = columns.number(one)
        if number is None or one.name in taken or one.name in columns.dates:
            continue
        found = MoneyColumns({"amount": one.name}, number)
        if one not in named:
            found.notes.append(f"UNSURE: whether {one.name!r} is the amount of a deal")
        _tell_currency(found, one, _currency(columns, taken))
        return found
    return MoneyColumns(notes=list(_missing(columns, taken)) if guessing else [])


def _tell_currency(found: MoneyColumns, one: Profile, currency: Profile | None) -> None:
    """Add the column of the currency, unless the amount's own name says it."""
    found.hint = currency_in(one.name)
    if found.hint is None and currency is not None:
        codes = [(text, rows, _code(text)) for text, rows in currency.common(MANY_STAGES)]
        found.columns["currency"] = currency.name
        found.strange = [entry for entry in codes if entry[2] != entry[0]]
    elif found.hint is None:
        marks = [currency_of(mark) for mark in found.number.marks] if found.number else []
        found.unknown = not marks or None in marks
    elif currency is not None:
        others = [text for text, _ in currency.common(MANY_STAGES) if _code(text) != found.hint]
        if others:
            found.notes.append(
                f"UNSURE: whether {one.name!r} is in {found.hint}, as its name says; "
                f"{currency.name!r} ({', '.join(map(example_of, others[:3]))}) is taken to "
                "belong to another amount"
            )


def _missing(columns: ColumnRoles, taken: Set[str]) -> list[str]:
    numbers = [
        one.name
        for one in columns.all
        if one.name not in taken
        and one.name not in columns.dates
        and not _COUNTS & set(words(one.name)[-1:])
        and not {text.casefold() for text in one.kept} <= TRUE | FALSE
        and columns.number(one) is not None
    ]
    if not numbers:
        return []
    named = ", ".join(map(repr, numbers[:_NAMED]))
    return [f"UNSURE: no column of amounts was found; columns with numbers: {named}"]


def _currency(columns: ColumnRoles, taken: Set[str]) -> Profile | None:
    for one in columns.ranked("currency", lambda one: one.distinct <= MANY_STAGES):
        if one.name not in taken and any(map(_code, one.kept)):
            return one
    return None


_CURRENCIES: Final = {
    ("euro",): "EUR",
    ("euros",): "EUR",
    ("us", "dollar"): "USD",
    ("u", "s", "dollar"): "USD",
    ("british", "pound"): "GBP",
    ("pound", "sterling"): "GBP",
    ("swiss", "franc"): "CHF",
}


def _code(text: str) -> str | None:
    """The ISO 4217 code that a text of a currency column stands for."""
    if len(text) > LONGEST:
        return None
    if text.upper() in DECIMALS:
        return text.upper()
    codes = {word for word in text.split() if word in DECIMALS}
    return currency_of(text) or (codes.pop() if len(codes) == 1 else _CURRENCIES.get(words(text)))
