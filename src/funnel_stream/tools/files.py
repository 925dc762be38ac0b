"""Files as people save them: what a file is, how it is written, and its records.

A file says itself what it is: gzip, a workbook, a text with a byte order mark. What could be read
in two ways is refused with the key of the mapping that decides.
"""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, Final, NamedTuple, cast
from zipfile import BadZipFile, ZipFile

from funnel_stream.errors import InputError
from funnel_stream.tools.kinds import GZIP, refuse_kind, refuse_markup
from funnel_stream.tools.mapping import CsvFile, Source
from funnel_stream.tools.spreadsheets import read_sheet

DELIMITERS: Final = (",", ";", "\t", "|")
"""Those that are found out."""
HEAD: Final = 4096
"""Bytes at the beginning of a file that tell what it is."""
_LOOKED_AT: Final = 20
"""Rows among which a header is looked for that is not where it should be."""
_ZIP: Final = b"PK\x03\x04"


@dataclass
class Records:
    """One file: its header, and the records after it.

    ``row`` is that of the header as a spreadsheet program counts. ``remaining`` yields every record
    below, an empty row as ``[]``; it raises ``InputError`` where the file cannot be read on.
    ``notes`` are notes for people on what was found out. ``skip_rows`` is what the mapping should
    say when the header lacks columns that a later row has. Without ``exact``, some texts may be
    ``Rounded``.
    """

    header: list[str]
    row: int
    remaining: Iterator[list[str]]
    notes: list[str] = field(default_factory=list)
    skip_rows: int | None = None
    exact: bool = True


def open_file(path: Path) -> BufferedReader:
    """The file's bytes. Raises ``InputError`` where it cannot be opened."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def open_records(raw: IO[bytes], path: Path, layout: CsvFile, required: Set[str]) -> Records:
    """The records of a file, whatever it is; ``required`` are the columns that its header must
    have.

    ``raw`` is at its beginning and can seek; how far it has been read is the progress, also of a
    compressed file. Raises ``InputError`` where the file is none that can be read,
    ``ConfigError`` where the mapping names a sheet that a workbook does not have.
    """
    data, head = raw, _head(raw, path)
    if head.startswith(GZIP):
        data = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        head = _head(data, path)
    if head.startswith(_ZIP):
        return _workbook(data, path, layout, required)
    refuse_kind(head, path)
    encoding = _encoding(head, path, layout.encoding)
    refuse_markup(head.decode(encoding, "replace"), path)
    return _TextFile(data, path, encoding, layout).records(required)


def _head(data: IO[bytes], path: Path) -> bytes:
    try:
        head = data.read(HEAD)
        data.seek(0)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return head


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, gzip.BadGzipFile | EOFError | zlib.error):
        return InputError(
            f"{path} is a damaged gzip file: {error}", hint="Fetch or compress it again."
        )
    return InputError(f"{path} cannot be read: {error}")


def _workbook(data: IO[bytes], path: Path, layout: CsvFile, required: Set[str]) -> Records:
    try:
        packed = data if isinstance(data, BufferedReader) else BytesIO(data.read())
        with ZipFile(packed) as archive:
            names = archive.namelist()
    except (BadZipFile, OSError, EOFError, zlib.error, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} is a damaged spreadsheet (XLSX) or ZIP archive: {error}",
            hint="Fetch or save it again.",
        ) from error
    if "xl/workbook.bin" in names:
        raise InputError(
            f"{path} is a binary Excel workbook (.xlsb), not CSV",
            hint="Open it in a spreadsheet program, and save it as XLSX or as CSV UTF-8.",
        )
    if not any(name.startswith("xl/") for name in names):
        ods = "content.xml" in names
        raise InputError(
            f"{path} is {'an OpenDocument file' if ods else 'a ZIP archive'}, not CSV",
            hint="Save its sheet as XLSX or as CSV UTF-8."
            if ods
            else "Unpack it, and import the files in it.",
        )
    packed.seek(0)
    sheet = read_sheet(packed, path, layout.sheet)
    counted = layout.columns.values() if isinstance(layout, Source) else ()
    if sheet.from_1904 and any("excel" in column.dates for column in counted):
        raise InputError(
            f"{path} counts days from 1904, but dates: excel from 1900",
            hint="Give the cells the format of a date, and leave dates out of the mapping.",
        )
    rows, skipped = iter(sheet.rows), layout.skip_rows
    header = _names(next(islice(rows, skipped, None), []))
    records = Records(header, skipped + 1, rows, exact=False)
    if not required <= set(header):
        records.skip_rows = _place_of(required, sheet.rows)
    if layout.sheet is None and sheet.among > 1:
        records.notes.append(
            f"{path.name}: of {sheet.among} sheets {sheet.name!r} is read; "
            "sheet: NAME chooses another"
        )
    return records


def _names(record: Sequence[str]) -> list[str]:
    return [name.strip() for name in record]


def _place_of(required: Set[str], records: Iterable[Sequence[str]]) -> int | None:
    """How many records stand before the first, among a few, that has all names asked for."""
    few = enumerate(islice(records, _LOOKED_AT))
    return next((index for index, record in few if required <= set(_names(record))), None)


# --- texts -------------------------------------------------------------------------------------


class _ByteOrderMark(NamedTuple):
    """A byte order mark, the codec that takes it off, and all that may be called so."""

    mark: bytes
    codec: str
    names: tuple[str, ...]


_MARKS: Final = (
    _ByteOrderMark(codecs.BOM_UTF32_LE, "utf-32", ("utf-32", "utf-32-le")),
    _ByteOrderMark(codecs.BOM_UTF32_BE, "utf-32", ("utf-32", "utf-32-be")),
    _ByteOrderMark(codecs.BOM_UTF8, "utf-8-sig", ("utf-8", "utf-8-sig")),
    _ByteOrderMark(codecs.BOM_UTF16_LE, "utf-16", ("utf-16", "utf-16-le")),
    _ByteOrderMark(codecs.BOM_UTF16_BE, "utf-16", ("utf-16", "utf-16-be")),
)


def _encoding(head: bytes, path: Path, given: str | None) -> str:
    """The codec of a text that begins so. Raises ``InputError`` where nothing can tell it."""
    name = codecs.lookup(given).name if given is not None else None
    for mark in _MARKS:
        if head.startswith(mark.mark):
            if name is not None and name not in mark.names:
                raise InputError(
                    f"{path} begins with the byte order mark of {mark.names[-1]}, "
                    f"but the mapping says encoding: {given}",
                    hint="Leave encoding out: the mark decides.",
                )
            return mark.codec
    if name not in (None, "utf-16", "utf-32"):
        return name
    wide = wide_encoding(head)
    if name is not None:
        raise InputError(
            f"{path} has no byte order mark, which encoding: {given} needs",
            hint=f"Write encoding: {wide or f'{name}-le or encoding: {name}-be'} in the mapping.",
        )
    if wide is not None:
        raise InputError(
            f"{path} looks like {wide}, but has no byte order mark that says so",
            hint=f"Write encoding: {wide} in the mapping.",
        )
    return "utf-8"


_ZEROS: Final = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (False, False, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (True, True, False, False): "utf-32-be",
}
"""Which of four bytes are often zero → the encoding: in most texts many signs are ASCII."""


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, as its zero bytes betray it."""
    counts = [head[index::4].count(0) for index in range(4)]
    most = max(counts)
    if most * 80 < len(head):
        return None
    return _ZEROS.get(tuple(count * 4 > most for count in counts))  # type: ignore[arg-type]


_SEPARATOR: Final = re.compile(r'"?sep=(?P<sign>[^"\r\n])"?\r?\n?', re.IGNORECASE)
"""The first line by which Excel is told the delimiter."""


class _TextFile:
    """A text file: its lines, checked, and the records in them.

    Lines that were needed to find out the delimiter are kept, to be read again.
    """

    def __init__(self, data: IO[bytes], path: Path, encoding: str, layout: CsvFile) -> None:
        self._path = path
        self._encoding = encoding
        self._layout = layout
        # What does not fit becomes a lone surrogate, so that its very row can be named.
        self._text = TextIOWrapper(data, encoding, errors="surrogateescape", newline="")
        self._row = 1
        self._ended = False
        self._keeps = True
        self._kept: list[str] = []
        self._failed: InputError | None = None
        self._lines = self._checked()

    def records(self, required: Set[str]) -> Records:
        """Header and records. Raises ``InputError`` where the header cannot be found."""
        above = self._layout.skip_rows
        delimiter = self._separator()
        first = self._row
        headers: dict[str, list[str]] = {}
        problem = None
        for sign in [delimiter] if delimiter is not None else DELIMITERS:
            try:
                headers[sign] = _names(next(islice(self._again(sign, first), above, None), []))
            except InputError as error:
                problem = problem or error
        if problem is not None and not any(required <= set(header) for header in headers.values()):
            raise problem
        found = delimiter or self._found_out(headers, required)
        header = headers[found]
        skip_rows = None
        if not required <= set(header):
            skip_rows = self._looked_for(required, [found, *headers], first)
        notes = []
        if delimiter is None and found != ",":
            notes.append(f"{self._path.name}: columns are separated by {_shown(found)}")
        remaining = islice(self._again(found, first), above + 1, None)
        self._keeps = False
        return Records(header, first + above, remaining, notes, skip_rows)

    def _separator(self) -> str | None:
        """The delimiter that is given, in the mapping or in a line of its own."""
        line = next(self._lines, "")
        match = _SEPARATOR.fullmatch(line)
        if match is None:
            self._kept += [line] if line else []
            return self._layout.delimiter
        self._row += 1
        return self._layout.delimiter or match["sign"]

    def _found_out(self, headers: dict[str, list[str]], required: Set[str]) -> str:
        fitting = [sign for sign, header in headers.items() if required and required <= set(header)]
        if not fitting:
            widest = max(map(len, headers.values()))
            fitting = [sign for sign, header in headers.items() if len(header) == widest]
        first, *others = fitting
        if any(headers[sign] != headers[first] for sign in others):
            raise InputError(
                f"{self._path}: the columns of the header could be separated by "
                + " or by ".join(map(_shown, fitting)),
                hint=f"Write delimiter: {_quoted(first)} or another in the mapping.",
            )
        return first

    def _looked_for(self, required: Set[str], delimiters: Iterable[str], first: int) -> int | None:
        for sign in delimiters:
            with suppress(InputError):  # The error to tell is that columns are missing.
                index = _place_of(required, self._again(sign, first))
                if index is not None:
                    return index
        return None

    def _again(self, delimiter: str, row: int) -> Iterator[list[str]]:
        """All records from the beginning, of which the first is called ``row``."""
        self._row = row
        # Else a text whose quote is not closed ends in one of the next rows, which is lost unsaid.
        reader = csv.reader(self._again_lines(), delimiter=delimiter, strict=True)
        while True:
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise self._misquoted(str(error)) from error
            if record is None:
                return
            yield record
            self._row += 1

    def _misquoted(self, problem: str) -> InputError:
        hint = "A quote that opens there may never close."
        if self._ended:
            problem = "a quote opens and never closes"
        elif "expected after" in problem:
            problem = "a text in quotes goes on after the quote that closes it"
            hint += ' Within a text in quotes, a quote has to be doubled: "5"" pipe".'
        return InputError(f"{self._path}, row {self._row}: {problem}", hint=hint)

    def _again_lines(self) -> Iterator[str]:
        self._ended = False
        yield from self._kept
        if self._keeps:
            for line in self._lines:
                self._kept.append(line)
                yield line
        else:
            yield from self._lines
        if self._failed is not None:
            raise self._failed
        self._ended = True

    def _checked(self) -> Iterator[str]:
        try:
            for line in self._text:
                if "\0" in line or not line.isascii():
                    self._check(line)
                yield line
        except InputError as error:
            self._failed = error
        except UnicodeError:
            self._failed = self._misread(f"near row {self._row}, holds what is not")
        except (OSError, EOFError, zlib.error) as error:
            self._failed = _unreadable(self._path, error)

    def _check(self, line: str) -> None:
        if "\0" in line:
            raise self._no_text(f"row {self._row}")
        try:
            line.encode()
        except UnicodeEncodeError as error:
            # Another encoding would be found out to be no remedy.
            later = next(
                (number for number, remaining in enumerate(self._text, 1) if "\0" in remaining), 0
            )
            if later:
                raise self._no_text(f"near row {self._row + later}") from None
            alien = ord(line[error.start])
            what = f"the byte 0x{alien - 0xDC00:02X}" if alien >= 0xDC80 else "half a character"
            raise self._misread(f"row {self._row} holds {what}, which is not") from None

    def _no_text(self, where: str) -> InputError:
        return InputError(
            f"{self._path}, {where} holds a zero byte",
            hint="A CSV file is text: this is another kind of file, or a damaged one. Fetch or "
            "export it again; if it is the same again, take the zero bytes out, "
            "like tr -d '\\000' < FILE > FILE.csv, and compare a row that had some.",
        )

    def _misread(self, what: str) -> InputError:
        given = self._layout.encoding
        if given is None and self._encoding != "utf-8":
            hint = "Its byte order mark says so: the file is damaged. Fetch or save it again."
        else:
            hint = (
                f"Name {'its' if given is None else 'another'} encoding in the mapping, like "
                "encoding: cp1252 (of Western Europe) or cp1250 (of Central Europe)."
            )
        return InputError(f"{self._path}, {what} {given or _plain(self._encoding)}", hint=hint)


def _plain(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()


def _shown(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else repr(delimiter)


def _quoted(delimiter: str) -> str:
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'
