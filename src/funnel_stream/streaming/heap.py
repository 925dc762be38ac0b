"""Freed memory goes back to the system.

glibc keeps it where something small that is still needed lies above it: after a million deals have
been read, that is a quarter of the process. Other C libraries are left alone.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Final


def _trimmer() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except AttributeError:  # musl
        return None
    return trim


_trim: Final = _trimmer()


def give_back() -> None:
    """Takes some milliseconds per gigabyte."""
    if _trim is not None:
        _trim(0)
