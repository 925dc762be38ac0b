"""Cells of an XLSX workbook whose value is not what they seem to hold: read from its XML, because
readers of workbooks take them for empty."""

import re
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Final, NamedTuple
from xml.etree.ElementTree import Element, ParseError, iterparse, parse
from zipfile import BadZipFile, ZipFile

UNCALCULATED: Final = "#UNCALCULATED"
MERGED: Final = "#MERGED"
FAULTS: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *("#N/A", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!", "#SPILL!"),
            *("#CALC!", "#GETTING_DATA", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#BUSY!"),
            *("#UNKNOWN!", "#EXTERNAL!", "#ERROR!"),
        ),
        "a spreadsheet error: fix its formula",
    ),
    UNCALCULATED: (
        "a formula without a value: open and save the workbook in a spreadsheet program"
    ),
    MERGED: "part of a merged cell, which may have its value or none: unmerge it",
}
"""Text of a cell → what it is, and what to do. Errors stand in CSV files, too."""

Faults = dict[tuple[int, int], str]
"""Row and column, counted from 0 → a text of ``FAULTS``."""


class Workbook(NamedTuple):
    """What only the XML of a workbook tells."""

    faults: Faults
    """Of one sheet; merged cells aside."""
    from_1904: bool
    """Whether it counts days from 1904, and not from 1900."""


def look_into(raw: IO[bytes], sheet: str) -> Workbook:
    """Look into a sheet of an XLSX file. Raises ``ValueError`` where that cannot be done."""
    try:
        with ZipFile(raw) as archive:
            with archive.open("xl/workbook.xml") as file:
                root = parse(file).getroot()
            with archive.open(_part(archive, root, sheet)) as file:
                faulty = _may_be_faulty(file)
            faults: Faults = {}
            if faulty:
                with archive.open(_part(archive, root, sheet)) as file:
                    faults = dict(_faults(file))
    except (KeyError, ParseError, BadZipFile, zlib.error) as error:
        raise ValueError(f"its XML is not that of a workbook: {error}") from error
    epoch = next((one.get("date1904") for one in root if _name(one) == "workbookPr"), None)
    return Workbook(faults, epoch in ("1", "true"))


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _part(archive: ZipFile, root: Element, sheet: str) -> str:
    """The file of a sheet in the archive."""
    keys = {
        one.get("name"): value
        for one in root.iter()
        if _name(one) == "sheet"
        for name, value in one.items()
        if name.endswith("}id")
    }
    with archive.open("xl/_rels/workbook.xml.rels") as file:
        targets = {one.get("Id"): one.get("Target", "") for one in parse(file).getroot()}
    target = targets[keys[sheet]]
    return target[1:] if target.startswith("/") else str(PurePosixPath("xl", target))


_SIGNS: Final = re.compile(rb"""<(?:\w+:)?f[\s>/]|\st\s*=\s*["']e["']""")
"""A formula, or the type of an error."""
_CHUNK: Final = 1 << 20
_LONGEST_SIGN: Final = 64


def _may_be_faulty(file: IO[bytes]) -> bool:
    """Most sheets have neither formulas nor errors: that is seen much sooner than cell by cell."""
    before = b""
    while chunk := file.read(_CHUNK):
        if _SIGNS.search(before + chunk):
            return True
        before = chunk[-_LONGEST_SIGN:]
    return False


def _faults(file: IO[bytes]) -> Iterator[tuple[tuple[int, int], str]]:
    row, column = -1, -1
    for event, element in iterparse(file, events=("start", "end")):
        name = _name(element)
        if event == "start":
            if name == "row":
                row, column = int(element.get("r") or row + 2) - 1, -1
            continue
        if name == "c":
            reference = element.get("r")
            column = _column(reference) if reference else column + 1
            if (fault := _fault(element)) is not None:
                yield (row, column), fault
        elif name == "row":
            element.clear()


def _column(reference: str) -> int:
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _fault(cell: Element) -> str | None:
    parts = {_name(one): one.text or "" for one in cell}
    if cell.get("t") == "e":
        return parts["v"] if parts.get("v") in FAULTS else "#ERROR!"
    # A formula may well come to an empty text: it is one of that type.
    empty = "v" not in parts or (not parts["v"] and cell.get("t") != "str")
    return UNCALCULATED if "f" in parts and empty else None
