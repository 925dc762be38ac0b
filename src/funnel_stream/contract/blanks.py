"""Blank texts: nothing but spaces and control characters, which mean that nothing was said."""

from typing import Final

BLANK_PATTERN: Final = r"^[\x00-\x20]*$"

_BLANKS: Final = "".join(map(chr, range(33)))


def says(found: object) -> bool:
    """Whether something was given: a list is, even an empty one; a blank text is not."""
    return type(found) is list or (type(found) is str and bool(found.strip(_BLANKS)))
