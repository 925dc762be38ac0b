"""Which columns of a table are for what: by their names, and by what they hold."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from funnel_stream.contract.models import MAX_ID, MAX_TEXT
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.dates import DateChoice
from funnel_stream.tools.suggestion.names import is_foreign, rank, words
from funnel_stream.tools.suggestion.numbers import NumberChoice
from funnel_stream.tools.suggestion.stages import OPEN, Guess, stage_of
from funnel_stream.tools.suggestion.tables import Survey

MANY_STAGES: Final = 100
"""A column with more texts than that is none of stages."""
LONGEST: Final = 100
"""A text of stages is no longer: a key of YAML, even if every character has to be escaped."""
HISTORY: Final = 1.2
"""From so many rows of a deal on, on average, a table is a history."""
CLOSED: Final = ("won", "lost")
_DIMENSIONS: Final = ("channel", "source", "owner", "product", "industry", "segment", "pipeline")
TRUE: Final = frozenset({"true", "1", "yes", "y", "ja", "wahr", "t", "si", "oui", "tak", "да"})
FALSE: Final = frozenset({"false", "0", "no", "n", "nein", "falsch", "f", "non", "nie", "нет"})
_OTHERS: Final = frozenset(
    words(
        "account company contact owner user person organization organisation customer campaign "
        "product created modified parent firma kunde kunden unternehmen usuario cuenta"
    )
)
"""Whose ids are not those of deals."""

_OF_PEOPLE: Final = frozenset(
    map(
        words,
        (
            *("username", "user name", "login", "last login date", "last login", "profile id"),
            *("user role id", "role id", "employee number", "employee id", "hire date", "password"),
        ),
    )
)

StageTexts = list[tuple[str, int, Guess | None]]
"""Every text of a column, its rows, and what it stands for."""


class ColumnRoles:
    """The columns of one table, by what they may be for."""

    def __init__(self, table: Survey) -> None:
        self.all = table.usable()
        self._day_first = self._agreed(
            choice.day_first for one in self.all if (choice := one.dates.choice()) is not None
        )
        self._comma = self._agreed(
            number.form.decimal == ","
            for one in self.all
            if (number := one.numbers.choice()) is not None
            and number.rival is None
            and not number.whole
        )
        self.dates: dict[str, DateChoice] = {
            one.name: choice
            for one in self.all
            if (choice := one.dates.choice(self._day_first)) is not None
        }
        self.texts: dict[str, StageTexts] = {
            one.name: [(text, number, stage_of(text)) for text, number in one.common(MANY_STAGES)]
            for one in self.all
            if one.name not in self.dates
            and one.kept
            and one.distinct <= MANY_STAGES
            and one.longest <= LONGEST
        }

    def number(self, one: Profile) -> NumberChoice | None:
        """How the numbers of a column are written; None if these are none."""
        return one.numbers.choice(self._comma)

    @staticmethod
    def _agreed(signs: Iterable[bool | None]) -> bool | None:
        found = {sign for sign in signs if sign is not None}
        return found.pop() if len(found) == 1 else None

    # --- columns ----------------------------------------------------------------------------------

    def ranked(self, role: str, fits: Callable[[Profile], bool] = bool) -> list[Profile]:
        """The columns of a role, the best first; the name of a column decides."""
        found = [
            (index, one)
            for one in self.all
            if (index := rank(one.name, role)) is not None and one.filled and fits(one)
        ]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def _is_id(self, one: Profile) -> bool:
        return (
            one.filled * 10 >= one.rows * 9
            and one.longest <= MAX_ID
            and not one.rounded
            and (one.name not in self.dates or rank(one.name, "deal_id") is not None)
        )

    def history_id(self, stage: Profile | None) -> Profile | None:
        """The id of a table that has several rows of a deal, each with a stage and a date."""
        if stage is None or not self.dates:
            return None
        ids = [*self.ranked("deal_id", self._is_id), *self.ranked("id", self._is_id)]
        return next((one for one in ids if one.repeats >= HISTORY), None)

    def snapshot_id(self) -> tuple[Profile | None, bool]:
        """The id of a table with one row of each deal, and whether its name says so."""
        strong = self.ranked("deal_id", self._is_id)
        weak = self.ranked("id", self._is_id)
        for one in (*strong, *weak):
            # The lead that a deal once was is not the deal.
            if weak and one in strong and {"lead", "mql"} & set(words(one.name)):
                continue
            if one.repeats < HISTORY:
                return one, True
        if strong or weak:
            return (strong or weak)[0], True
        return next(self._guessed_ids(), None), False

    def own_id(self, key: Profile) -> Profile | None:
        """A column before the id of the deal that numbers the rows: they are of something else."""
        for one in self.all[: self.all.index(key)]:
            if {"id", "nr", "number"} & set(words(one.name)[-1:]) and one.repeats == 1:
                return one if one.filled == one.rows else None
        return None

    def _guessed_ids(self) -> Iterator[Profile]:
        unique = [one for one in self.all if self._is_id(one) and one.repeats < 1.01]
        called = [one for one in unique if {"id", "nr", "no", "number"} & set(words(one.name))]
        yield from (one for one in called if not _OTHERS & set(words(one.name)))
        yield from (one for one in unique if _is_code(one))
        yield from called
        yield from (one for one in self.ranked("title", self._is_id) if one in unique)

    def stage_columns(self, accepts: Callable[[Guess], bool]) -> list[Profile]:
        """The columns with texts of such a kind, the best first."""
        found = []
        for index, one in enumerate(self.all):
            guesses = self.texts.get(one.name, [])
            guesses_of = [(number, guess) for _, number, guess in guesses if guess is not None]
            if not any(accepts(guess) for _, guess in guesses_of) or is_foreign(one.name):
                continue
            known = sum(number for number, _ in guesses_of)
            called = rank(one.name, "stage")
            sure = {guess.stage for _, guess in guesses_of if guess.sure}
            if called is None and (known * 5 < one.filled * 4 or len(sure) < 2):
                continue
            if called is not None and not sure and known * 2 < one.filled:
                continue
            found.append((called is None, 0 if called is None else called, index, one))
        return [each[3] for each in sorted(found, key=lambda each: each[:3])]

    def outcomes(self) -> list[Profile]:
        """The columns that tell which deals are closed, the best first: of several one that tells
        nothing else, like a status beside a stage."""
        found = self.stage_columns(lambda guess: guess.stage in CLOSED)
        return sorted(found, key=lambda one: not self._tells_only_the_outcome(one))

    def _tells_only_the_outcome(self, one: Profile) -> bool:
        guesses_of = [(rows, guess) for _, rows, guess in self.texts[one.name] if guess is not None]
        closed = sum(rows for rows, guess in guesses_of if guess.stage in (*CLOSED, OPEN))
        sure = {guess.stage for _, guess in guesses_of if guess.sure}
        return bool(sure & {*CLOSED}) and sure <= {*CLOSED, OPEN} and closed * 5 >= one.filled * 4

    def closings(self, one: Profile) -> tuple[int, int]:
        """Rows that a column says to be won and lost."""
        won, lost = (
            sum(rows for _, rows, guess in self.texts[one.name] if guess and guess.stage == stage)
            for stage in CLOSED
        )
        return won, lost

    # --- what a row tells -------------------------------------------------------------------------

    def attributes(self, taken: set[str]) -> dict[str, str]:
        """Dimensions of a deal, each from the column with the best name."""
        found: dict[str, str] = {}
        for role in _DIMENSIONS:
            fitting = self.ranked(role, lambda one: is_text(one) and one.name not in self.dates)
            best = next((one for one in fitting if one.name not in taken), None)
            if best is not None:
                found[role] = best.name
                taken.add(best.name)
        if "channel" not in found and "source" in found:
            found = {"channel": found.pop("source"), **found}
            best = next(
                (one for one in self.ranked("source", is_text) if one.name not in taken), None
            )
            if best is not None:
                found["source"] = best.name
        return found

    def named(self, name: str) -> Profile:
        """The column of that name."""
        return next(one for one in self.all if one.name == name)

    def names_day(self, name: str) -> bool:
        """Whether it is a column of dates that tell a day."""
        choice = self.dates.get(name)
        return choice is not None and not (choice.certain_period and choice.period == "month")

    def lost_reason(self, taken: set[str]) -> dict[str, str]:
        """The column that says why a deal was lost."""
        one = next((one for one in self.ranked("lost_reason", is_text)), None)
        return {} if one is None or one.name in taken else {"lost_reason": one.name}

    def dated(self, role: str) -> str | None:
        """The date column of a role."""
        found = [one for one in self.ranked(role) if self.names_day(one.name)]
        return next((one.name for one in found if not is_foreign(one.name)), None)

    def of_people(self) -> list[str]:
        """The columns that only tables of people have, not those of deals."""
        return [one.name for one in self.all if words(one.name) in _OF_PEOPLE]

    def flag(self, role: str) -> Profile | None:
        """The column of a role that says yes or no."""
        found = self.ranked(
            role, lambda one: {text.casefold() for text in one.kept} <= TRUE | FALSE
        )
        return next((one for one in found if texts(one, TRUE) and one.name not in self.dates), None)


def is_text(one: Profile) -> bool:
    """Whether no text is too long for an attribute."""
    return 0 < one.longest <= MAX_TEXT


def _is_code(one: Profile) -> bool:
    """Whether the texts look like made by a program: short, without spaces, most with digits."""
    texts = list(one.kept)
    digits = sum(any(char.isdigit() for char in text) for text in texts)
    whole = not any(" " in text or "," in text or "." in text or "@" in text for text in texts)
    return whole and digits * 2 > len(texts) and one.longest <= 40 and len(texts) > 1


def texts(one: Profile, among: frozenset[str]) -> list[str]:
    """The texts of a column that mean one of those."""
    return sorted(text for text in one.kept if text.casefold() in among)
