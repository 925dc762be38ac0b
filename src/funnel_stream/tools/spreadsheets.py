"""The rows of a sheet of an XLSX workbook, as a CSV would have them."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from funnel_stream.documents import suggest
from funnel_stream.errors import ConfigError, InputError, UsageError

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_DIGITS: Final = 15
"""A spreadsheet program keeps and shows so many digits of a number."""

_Cell = str | bool | float | int | date | datetime | time | timedelta


class Rounded(str):
    """The text of a whole number so long that its last digits may have been lost."""

    __slots__ = ()


class Sheet(NamedTuple):
    """A sheet of a workbook: an empty row is ``[]``, all others are equally long."""

    name: str
    rows: list[list[str]]
    among: int
    """So many sheets of the workbook can be seen."""


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
        return Sheet(name, list(_rows(workbook.get_sheet_by_name(name))), len(seen))
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


def _rows(sheet: "CalamineSheet") -> Iterator[list[str]]:
    for cells in sheet.iter_rows():
        row = [_text(cell) for cell in cells]
        yield row if any(row) else []


def _text(cell: _Cell) -> str:
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
