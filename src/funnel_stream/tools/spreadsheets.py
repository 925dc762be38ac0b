"""The rows of a sheet of an XLSX workbook, as a CSV would have them."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from funnel_stream.documents import suggest
from funnel_stream.errors import ConfigError, InputError, UsageError
from funnel_stream.tools.sheet_faults import MERGED, Faults, look_into

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_DIGITS: Final = 15
"""A spreadsheet program keeps and shows so many digits of a number."""

_SheetValue = str | bool | float | int | date | datetime | time | timedelta


class Rounded(str):
    """The text of a whole number so long that its last digits may have been lost."""

    __slots__ = ()


class Sheet(NamedTuple):
    """A sheet of a workbook: an empty row is ``[]``, all others are equally long.

    Cells that have no value of their own hold a text of ``FAULTS``.
    """

    name: str
    rows: list[list[str]]
    among: int
    """So many sheets of the workbook can be seen."""
    from_1904: bool
    """Whether it counts days from 1904, and not from 1900."""


def read_sheet(raw: IO[bytes], path: Path, sheet: str | None) -> Sheet:
    """The sheet of that name; without one, the first that is not hidden.

    Raises ``InputError`` where the workbook
    cannot be read, ``ConfigError`` where it has no such sheet, ``UsageError`` without calamine.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise UsageError(
            f"reading {path.name} needs python-calamine, which is not installed",
            hint="pip install 'funnel-stream[xlsx]', or save the sheet as CSV UTF-8.",
        ) from error
    try:
        workbook = CalamineWorkbook.from_filelike(raw)
        names, seen = _names(workbook)
        if not seen:
            raise InputError(f"{path} has no sheet with rows")
        if sheet is not None and sheet not in names:
            raise ConfigError(f"sheet: {path.name} has no sheet {sheet!r}{suggest(sheet, names)}")
        name = seen[0] if sheet is None else sheet
        raw.seek(0)
        inside = look_into(raw, name)
        rows = list(_rows(workbook.get_sheet_by_name(name), inside.faults))
        return Sheet(name, rows, len(seen), inside.from_1904)
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} is a workbook that cannot be read: {error}",
            hint="Open it in a spreadsheet program, and save it as XLSX again or as CSV UTF-8.",
        ) from error


def _names(workbook: "CalamineWorkbook") -> tuple[list[str], list[str]]:
    """Of all sheets with cells, and of those among them that can be seen."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [one for one in workbook.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    seen = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    return [one.name for one in sheets], seen


def _rows(sheet: "CalamineSheet", faults: Faults) -> Iterator[list[str]]:
    """All rows from the first of the sheet, and all columns from its first."""
    left = sheet.start[1] if sheet.start is not None else 0
    texts = [[""] * left + [_text(cell) for cell in cells] for cells in sheet.iter_rows()]
    width = max([*map(len, texts), *(column + 1 for _, column in faults)], default=0)
    texts += [[] for _ in range(max((row + 1 for row, _ in faults), default=0) - len(texts))]
    for cells in texts:
        cells += [""] * (width - len(cells))
    for (row, column), fault in faults.items():
        texts[row][column] = fault
    for (top, first), (bottom, last) in sheet.merged_cell_ranges or ():
        _mark_merged(texts, top, first, bottom, last)
    for cells in texts:
        yield cells if any(cells) else []


def _mark_merged(texts: list[list[str]], top: int, first: int, bottom: int, last: int) -> None:
    """Where a cell that several are merged into holds a text, the others have none of their own."""
    if top >= len(texts) or not "".join(texts[top][first : first + 1]):
        return
    for cells in texts[top : bottom + 1]:
        for column in range(first, min(last + 1, len(cells))):
            cells[column] = cells[column] or MERGED


def _text(cell: _SheetValue) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float | int):
        return _number(cell)
    return str(cell) if isinstance(cell, timedelta) else cell.isoformat()


def _number(number: float) -> str:
    """The shortest decimal text that a spreadsheet program would take for this number."""
    if abs(number) >= 10**_DIGITS:
        return Rounded(format(Decimal(repr(number)), "f"))
    if number == int(number):
        return str(int(number))
    return format(Decimal(f"{number:.{_DIGITS}g}"), "f")
