"""Kinds of files that are given for tables and are none, each with what to do instead."""

import re
from pathlib import Path
from typing import Final

from funnel_stream.errors import InputError

GZIP: Final = b"\x1f\x8b"
"""How a file begins that is compressed with gzip."""
_AS_CSV: Final = "Export the table itself, as CSV UTF-8 or XLSX."
_KINDS: Final = (
    (GZIP, "compressed twice", "Unpack it once."),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel workbook (.xls), or one with a password",
        "Open it in a spreadsheet program, and save it as XLSX without a password or as CSV UTF-8.",
    ),
    (b"%PDF-", "a PDF document", _AS_CSV),
    (b"PAR1", "a Parquet file", _AS_CSV),
    (b"BZh", "a bzip2 archive", "Unpack it; gzip is read as it is."),
    (b"\xfd7zXZ\0", "an xz archive", "Unpack it; gzip is read as it is."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it; gzip is read as it is."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, and import the files in it."),
)
_MARKUPS: Final = (
    (
        r"<(!doctype html|html|head|body|table|meta)\b",
        "an HTML page",
        "Open it in a browser: a page that asks for a login is not an export; "
        "one that holds the table can be saved as CSV UTF-8 by a spreadsheet program.",
    ),
    (r"<\?xml", "an XML file", _AS_CSV),
    (
        r'\{\s*["}]|\[\s*[][{"]',
        "a JSON file",
        "Events of the contract are published by funnel-stream emit; "
        "anything else has to be saved as CSV first.",
    ),
)


def refuse_kind(head: bytes, path: Path) -> None:
    """Raise ``InputError`` where the first bytes of a file are those of another kind."""
    for magic, what, hint in _KINDS:
        if head.startswith(magic):
            raise InputError(f"{path} is {what}, not CSV", hint=hint)


def refuse_markup(text: str, path: Path) -> None:
    """Raise ``InputError`` where a text begins like one in another language."""
    begin = text.removeprefix("\ufeff").lstrip()
    for pattern, what, hint in _MARKUPS:
        if re.match(pattern, begin, re.IGNORECASE):
            raise InputError(f"{path} is {what}, not CSV", hint=hint)
