"""Reading the CSV files of an import: finding, checking, cleaning and joining their rows."""

import csv
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from io import TextIOWrapper
from pathlib import Path
from typing import IO, NamedTuple

from funnel_stream.contract import Reason
from funnel_stream.documents import suggest
from funnel_stream.errors import ConfigError, InputError, UsageError
from funnel_stream.tools.mapping import CsvFile, Lookup, Mapping, Source

Row = dict[str, str | None]
"""The texts of a row by column; None where one is missing."""


class RowError(Exception):
    """A row that cannot be used: reason, the column or field at fault, an explanation.

    The reasons are the contract's, and ``wrong_columns``.
    """

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


def place(mapping: Mapping, files: Sequence[Path]) -> dict[str, list[Path]]:
    """The files by the pattern of the mapping that they fit. Raises ``UsageError``.

    A pattern that is not just ``*`` goes first.
    """
    patterns = {source.file for source in mapping.sources.values()} | {
        lookup.file for source in mapping.sources.values() for lookup in source.lookups
    }
    places: dict[str, list[Path]] = {pattern: [] for pattern in sorted(patterns)}
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path} is no file")
        fitting = [p for p in places if p != "*" and fnmatch(path.name.lower(), p.lower())]
        if not fitting and "*" in places:
            fitting = ["*"]
        if len(fitting) != 1:
            which = " and ".join(fitting) or "none of " + ", ".join(places)
            raise UsageError(f"{path.name} fits {which} of the mapping {mapping.name!r}")
        places[fitting[0]].append(path)
    for pattern, found in places.items():
        if not found:
            raise UsageError(
                f"the mapping {mapping.name!r} needs a file called like {pattern}",
                hint="Give every file of the mapping on the command line, in any order.",
            )
    return places


class Table:
    """One CSV file: its header, and its records with their row numbers (the header is row 1)."""

    def __init__(self, raw: IO[bytes], path: Path, layout: CsvFile) -> None:
        text = TextIOWrapper(raw, encoding=layout.encoding, newline="")
        self._path = path
        self._layout = layout
        self._reader = csv.reader(text, delimiter=layout.delimiter)
        self._number = 0
        self.header = [name.strip() for name in self._next() or []]
        if len(set(self.header)) < len(self.header) or not any(self.header):
            raise InputError(f"{path} has no usable header: {', '.join(self.header) or 'empty'}")

    def _next(self) -> list[str] | None:
        self._number += 1
        try:
            return next(self._reader, None)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path} is not {self._layout.encoding} near row {self._number}",
                hint="Name its encoding in the mapping, like encoding: cp1252.",
            ) from error
        except csv.Error as error:
            raise InputError(f"{self._path}, row {self._number}: {error}") from error

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and texts; empty rows are passed over, not uncounted."""
        while (record := self._next()) is not None:
            if record:
                yield self._number, record

    def fit(self, record: list[str]) -> None:
        """Raise ``RowError`` when the record is not as wide as the header."""
        if len(record) != len(self.header):
            raise RowError(
                "wrong_columns", "", f"has {len(record)} columns, the header {len(self.header)}"
            )


def check_columns(name: str, source: Source, path: Path) -> None:
    """Raise ``ConfigError`` where the mapping asks for a column that nothing provides."""
    with path.open("rb") as raw:
        header = Table(raw, path, source).header
    known = list(header)
    for lookup in source.lookups:
        for column in lookup.take:
            if column in known:
                raise ConfigError(
                    f"sources.{name}.lookups.take: there is a column {column!r} already",
                    hint=f"Give it another name: take: {{other_name: {lookup.take[column]}}}",
                )
            known.append(column)
    for key, column in source.columns_used():
        if column not in known:
            raise ConfigError(
                f"sources.{name}.{key}: {path.name} has no column {column!r}"
                f"{suggest(column, known)}"
            )


def clean(mapping: Mapping, source: Source, column: str, text: str | None) -> str | None:
    """The text as the mapping wants it understood; None where it is missing."""
    found = text.strip() if text is not None else ""
    rule = source.columns.get(column)
    if found in mapping.missing:
        return rule.default if rule else None
    if rule is None:
        return found
    return rule.values.get(found, found if rule.otherwise is None else rule.otherwise)


class _Problem(NamedTuple):
    path: Path
    row: int
    refused: RowError


class LookupTable:
    """The rows of a lookup's files in memory, by key.

    ``problems`` are rows that could not be taken; ``unmatched`` counts the keys asked for in vain.
    """

    def __init__(self, name: str, lookup: Lookup, paths: Sequence[Path]) -> None:
        self.lookup = lookup
        self.problems: list[_Problem] = []
        self.unmatched = 0
        self._rows: dict[str, tuple[str, ...]] = {}
        self._asked: set[str] = set()
        for path in paths:
            with path.open("rb") as raw:
                self._read(name, path, Table(raw, path, lookup))

    def _read(self, name: str, path: Path, table: Table) -> None:
        lookup = self.lookup
        for key, column in (("equals", lookup.equals), *lookup.take.items()):
            if column not in table.header:
                raise ConfigError(
                    f"sources.{name}.lookups.{key}: {path.name} has no column {column!r}"
                    f"{suggest(column, table.header)}"
                )
        key_place = table.header.index(lookup.equals)
        places = [table.header.index(column) for column in lookup.take.values()]
        for number, record in table.records():
            try:
                table.fit(record)
                key = record[key_place].strip()
                taken = tuple(record[place] for place in places)
                if self._rows.setdefault(key, taken) != taken:
                    raise RowError(
                        Reason.CONFLICTING_DUPLICATE,
                        lookup.equals,
                        f"{key!r} says something else in an earlier row, which counts",
                    )
            except RowError as refused:
                self.problems.append(_Problem(path, number, refused))

    @property
    def unused(self) -> int:
        """Rows that no row of the source has asked for."""
        return len(self._rows) - len(self._asked)

    def join(self, mapping: Mapping, source: Source, row: Row) -> None:
        """Add this lookup's columns to a row."""
        key = row[self.lookup.column]
        found = self._rows.get(key) if key is not None else None
        if key is not None:
            if found is None:
                self.unmatched += 1
            else:
                self._asked.add(key)
        for position, column in enumerate(self.lookup.take):
            row[column] = clean(mapping, source, column, found[position] if found else None)
