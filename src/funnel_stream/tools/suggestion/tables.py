"""Tables that nobody has described yet: how the files are written, and what their columns hold."""

import codecs
import gzip
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from funnel_stream.errors import InputError
from funnel_stream.tools.files import HEAD, Records, open_file, open_records, wide_encoding
from funnel_stream.tools.kinds import GZIP
from funnel_stream.tools.mapping import CsvFile
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.texts import quoted
from funnel_stream.tools.tables import FOOTER, check_files

_BATCH_CELLS: Final = 100_000
"""So many cells are counted at once."""
_ABOVE: Final = 20
"""Rows among which the header is looked for."""
_BELOW: Final = 8
"""Rows at the end that may be no data."""
_LONGEST_NAME: Final = 1000
"""YAML takes no longer key without further signs."""
_OTHER_ENCODING: Final = "cp1252"


@dataclass
class Survey:
    """Files with one header, and what their columns hold."""

    paths: list[Path]
    header: list[str]
    encoding: str | None = None
    foreign: str = ""
    """A text that is not ASCII, where the encoding is a guess."""
    skip_rows: int = 0
    footer_rows: int = 0
    profiles: list[Profile] = field(default_factory=list)
    rows: int = 0
    misfits: int = 0
    """Rows with another number of columns than the header."""
    notes: list[str] = field(default_factory=list)

    def usable(self) -> list[Profile]:
        """The columns that a mapping can name."""
        names = Counter(self.header)
        return [
            profile
            for profile in self.profiles
            if profile.name
            and names[profile.name] == 1
            and len(quoted(profile.name)) <= _LONGEST_NAME
        ]


def survey(
    paths: Sequence[Path], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Survey]:
    """Read all files; those with one header are one table. Raises ``UsageError`` where a file is
    none or given twice, ``InputError`` where one cannot be read."""
    check_files(paths)
    found: dict[tuple[object, ...], Survey] = {}
    total = sum(path.stat().st_size for path in paths)
    done = 0
    for path in paths:
        one = _begun(path)
        key = (*one.header, None, one.encoding, one.skip_rows)
        table = found.setdefault(key, one)
        if table is not one:
            table.paths.append(path)
            table.notes += one.notes
        else:
            table.profiles = [Profile(name) for name in table.header]
        for read in _read(path, table):
            on_progress(done + read, total)
        done += path.stat().st_size
    return list(found.values())


def _begun(path: Path) -> Survey:
    """How a file is written, and its header."""
    encoding = None if _is_unicode(path) else _OTHER_ENCODING
    with open_file(path) as raw:
        records = _opened(raw, path, encoding, 0)
        first = [records.header, *islice(records.remaining, _ABOVE)]
        skip = 0
        if _is_title(first):
            skip = _below_titles(path, encoding, first, records)
    header = first[skip] if not records.exact else first[0]
    if skip and records.exact:
        with open_file(path) as raw:
            header = _opened(raw, path, encoding, skip).header
    header = [name.strip() for name in header]
    if not any(header):
        raise InputError(f"{path} has no usable header: row {skip + 1} is empty")
    return Survey([path], header, encoding, skip_rows=skip, notes=list(records.notes))


def _opened(raw: object, path: Path, encoding: str | None, skip: int) -> Records:
    layout = CsvFile(file="*", encoding=encoding, skip_rows=skip)
    return open_records(raw, path, layout, set())  # type: ignore[arg-type]


def _filled(record: Sequence[str]) -> int:
    return sum(1 for text in record if text.strip())


def _is_title(first: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like no header of those below it."""
    widest = max(map(_filled, first))
    return _filled(first[0]) * 2 < widest or (_filled(first[0]) < 2 and len(first) > 1)


def _below_titles(
    path: Path, encoding: str | None, first: Sequence[Sequence[str]], records: Records
) -> int:
    """So many rows stand above the header."""
    if not records.exact:
        widths = [_filled(record) for record in first]
    else:
        # Each row may be parted otherwise than the first, a title, has it.
        widths = []
        for skip in range(len(first)):
            with open_file(path) as raw:
                try:
                    widths.append(_filled(_opened(raw, path, encoding, skip).header))
                except InputError:
                    widths.append(0)
    enough = max(2, (max(widths) + 1) // 2)
    return next((index for index, width in enumerate(widths) if width >= enough), 0)


def _read(path: Path, table: Survey) -> Iterator[int]:
    """Count the cells of a file; yields bytes read."""
    size = max(1, _BATCH_CELLS // len(table.header))
    with open_file(path) as raw:
        records = _opened(raw, path, table.encoding, table.skip_rows)
        table.notes += [note for note in records.notes if note not in table.notes]
        held: deque[list[str]] = deque()
        remaining = _data(records, held)
        while batch := list(islice(remaining, size)):
            _count(table, batch)
            if not raw.closed:  # by the reader, which has met its end
                yield raw.tell()
    footers = [FOOTER.match(next(filter(None, map(str.strip, row)), "")) for row in held]
    footer_rows = next((len(held) - index for index, found in enumerate(footers) if found), 0)
    # What one file has below its data another may not have: then it is left to be told of.
    first = path == table.paths[0]
    table.footer_rows = footer_rows if first or footer_rows == table.footer_rows else 0
    _count(table, list(held)[: len(held) - footer_rows])


def _data(records: Records, held: deque[list[str]]) -> Iterator[list[str]]:
    """All rows but blank ones and the last, which stay in ``held``."""
    for record in records.remaining:
        if not any(map(str.strip, record)):
            continue
        held.append(record)
        if len(held) > _BELOW:
            yield held.popleft()


def _count(table: Survey, batch: Sequence[list[str]]) -> None:
    width = len(table.header)
    fitting = [record for record in batch if len(record) == width]
    table.rows += len(batch)
    table.misfits += len(batch) - len(fitting)
    for profile, texts in zip(table.profiles, zip(*fitting, strict=True), strict=False):
        profile.add(Counter(texts))
    if table.encoding == _OTHER_ENCODING and not table.foreign:
        table.foreign = next(
            (text for record in fitting for text in record if not text.isascii()), ""
        )


def _is_unicode(path: Path) -> bool:
    """Whether nothing speaks against what is found out without being told."""
    with open_file(path) as raw:
        head = raw.read(4)
        raw.seek(0)
        if head.startswith((b"PK\x03\x04", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return True
        data = gzip.GzipFile(fileobj=raw) if head.startswith(GZIP) else raw
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            block = data.read(1 << 20)
            if wide_encoding(block[:HEAD]) is not None:
                return True
            while block:
                # Of a zero byte the reader tells, in whatever encoding the rest is.
                decoder.decode(block)
                block = data.read(1 << 20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return not _is_western(path)
        except (OSError, EOFError, zlib.error):
            return True
    return True


def _is_western(path: Path) -> bool:
    with open_file(path) as raw:
        head = raw.read(2)
        raw.seek(0)
        data = gzip.GzipFile(fileobj=raw) if head.startswith(GZIP) else raw
        decoder = codecs.getincrementaldecoder(_OTHER_ENCODING)()
        try:
            while block := data.read(1 << 20):
                decoder.decode(block)
        except (UnicodeDecodeError, OSError, EOFError, zlib.error):
            return False
    return True
