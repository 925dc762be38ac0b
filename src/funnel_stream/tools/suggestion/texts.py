"""Texts of tables in YAML and in comments: quoted, short, and never a control character."""

import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*", re.ASCII)
_SPECIAL: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_SHOWN: Final = 40


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(text: str) -> str:
    """The text as YAML, in quotes unless it surely needs none."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _SPECIAL:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def example_of(text: str) -> str:
    """The text for a comment or the terminal: in quotes, and shortened."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return '"' + "".join(map(_escaped, short)) + '"'
