"""Which texts that a mapping names no row says, and which of the rows' no condition names."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from funnel_stream.contract.event import STAGES
from funnel_stream.tools.columns import Condition
from funnel_stream.tools.event_maker import holds
from funnel_stream.tools.mapping import Source
from funnel_stream.tools.tables import TableRow

_KEPT: Final = 1000
"""Different texts of a column that are kept besides those that the mapping names."""
_LONGEST: Final = 100
"""Characters of a text that is kept: a longer one is not a name of anything."""

MappingKey = Literal["when", "skip", "values"]


class Unsaid(NamedTuple):
    """A text of the mapping that no row says in that column."""

    column: str
    key: MappingKey
    text: str
    meant: str | None
    """One of the rows that is like it, and that the mapping does not name."""


class _ColumnTexts:
    """The texts of one column, in bounded memory, and which of them are named."""

    def __init__(self, named: Iterable[str]) -> None:
        self.named = frozenset(named)
        self.seen_texts: set[str] = set()
        self.others: Counter[str] = Counter()
        self.beyond = 0
        """Rows with a text that was not kept."""

    def add(self, text: str) -> None:
        if text in self.named:
            self.seen_texts.add(text)
        elif text in self.others or (len(self.others) < _KEPT and len(text) <= _LONGEST):
            self.others[text] += 1
        else:
            self.beyond += 1

    def unsaid(self, column: str, key: MappingKey) -> Iterator[Unsaid]:
        folded = {_folded(text): text for text in reversed(self.others)}
        for text in sorted(self.named - self.seen_texts):
            near = get_close_matches(_folded(text), folded, n=1)
            yield Unsaid(column, key, text, folded[near[0]] if near else None)


class NamedTexts:
    """Watches the rows of one source."""

    def __init__(self, source: Source) -> None:
        self._rows = 0
        self._when = _of([rule.when for rule in source.events])
        self._skip = _of([skip.when for skip in source.skip])
        self._entries = [
            (rule.stage.column, rule.when)
            for rule in source.events
            if rule.stage is not None and rule.stage.column in self._when
        ]
        self._values = {
            name: _ColumnTexts(rule.values) for name, rule in source.columns.items() if rule.values
        }
        self.columns = self._values.keys()
        """Those of which the texts are to be ``found``."""
        self._unfulfilled = {rule.label: rule.when for rule in source.events if rule.when}

    def columns_of(self, header: Sequence[str]) -> list[tuple[str, int]]:
        """Those of the ``columns`` that a file has, and where they stand."""
        return [(name, header.index(name)) for name in self.columns if name in header]

    def found(self, column: str, text: str) -> None:
        """Take a text of one of the ``columns`` as it stands in a file."""
        if text := text.strip():
            self._values[column].add(text)

    def add(self, row: TableRow, *, skipped: bool) -> None:
        """Take a row that is understood as the mapping says."""
        self._rows += 1
        for column, met in self._skip.items():
            if (text := row[column]) is not None:
                met.add(text)
        for column, met in self._when.items():
            text = row[column]
            if text is None:
                continue
            # What is skipped on purpose needs no event.
            if text in met.named or not (skipped or self._is_entered(column, text, row)):
                met.add(text)
        if not skipped:
            for label in [key for key, when in self._unfulfilled.items() if holds(when, row)]:
                del self._unfulfilled[label]

    def _is_entered(self, column: str, text: str, row: TableRow) -> bool:
        """Whether it is a stage, and an event takes it from there without naming it."""
        return text in STAGES and any(
            entered == column and holds(when, row) for entered, when in self._entries
        )

    def unsaid(self) -> Iterator[Unsaid]:
        """Texts that no row says; none where there are no rows."""
        keys: tuple[tuple[MappingKey, dict[str, _ColumnTexts]], ...] = (
            ("when", self._when),
            ("skip", self._skip),
            ("values", self._values),
        )
        for key, columns in keys if self._rows else ():
            for column, met in columns.items():
                yield from met.unsaid(column, key)

    def unnamed(self) -> Iterator[tuple[str, Counter[str], int]]:
        """Columns of conditions of events; the texts in rows that are not skipped which none of
        them names, with their numbers; and how many rows say others."""
        for column, met in self._when.items():
            if met.others or met.beyond:
                yield column, met.others, met.beyond

    def unfulfilled(self) -> Iterator[str]:
        """Events of which no row fulfils the condition."""
        yield from self._unfulfilled if self._rows else ()


def _of(conditions: Iterable[Condition]) -> dict[str, _ColumnTexts]:
    named: dict[str, set[str]] = {}
    for condition in conditions:
        for column, texts in condition.items():
            named.setdefault(column, set()).update(text for text in texts if text is not None)
    return {column: _ColumnTexts(texts) for column, texts in named.items()}


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
