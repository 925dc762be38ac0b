"""RFC 3339 timestamps to integer microseconds since the epoch, and back."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np

from funnel_stream.contract.rejections import Reason, RefusedError, shown

_LOCAL: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
)
PATTERN: Final = rf"^{_LOCAL}([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
"""RFC 3339 ``date-time``: the shape of a timestamp; whether the day exists is checked apart."""

EXAMPLE: Final = "write it like 2026-03-01T09:30:00Z or 2026-03-01T10:30:00.25+01:00"
"""What a message says that refuses a timestamp."""

_NAIVE: Final = re.compile(_LOCAL.replace("[Tt]", "[Tt ]", 1))
_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
LAST_MICROS: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_999) - _EPOCH) // timedelta(
    microseconds=1
)
"""Timestamps lie between the epoch and the end of the year 9999 (UTC, microseconds)."""


_NUMPY_CHARACTERS: Final = len("2026-03-01T09:30:00.123456789")
"""Beyond nanoseconds numpy takes digits for an offset."""


@cache
def _offset_micros(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return (-minutes if offset[0] == "-" else minutes) * 60 * _SECOND


def micros(text: str) -> int:
    """Microseconds since the epoch, UTC, of a text that matches ``PATTERN``.

    Digits beyond the microsecond are cut off. A leap second is the first second of the next
    minute. Raises ``ValueError`` for a day or time that does not exist or is out of range.
    """
    if text[-1] in "Zz":
        local, offset = text[:-1], 0
    else:
        local, offset = text[:-6], _offset_micros(text[-6:])
    leap = 0
    if local[17:19] == "60":
        local, leap = f"{local[:17]}59{local[19:]}", _SECOND
    since = datetime.fromisoformat(local) - _EPOCH
    at = (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds - offset + leap
    if not 0 <= at <= LAST_MICROS or (leap and at % _DAY >= _SECOND):
        raise ValueError(text)
    return at


def batch_micros(texts: Sequence[str]) -> list[int]:
    """``micros`` of many texts at a third of the cost (0.2 µs each).

    numpy reads what is usual; for anything else in the batch (a leap second, a lower-case ``t``,
    a wrong date) it raises ``ValueError``, and the caller asks ``micros`` one by one.
    """
    if not texts:
        return []
    local = [text[:-1] if text[-1] in "Zz" else text[:-6] for text in texts]
    if max(map(len, local)) > _NUMPY_CHARACTERS:
        raise ValueError("more digits than numpy reads")
    at = np.array(local, dtype="M8[us]").astype(np.int64)
    at -= np.array([0 if text[-1] in "Zz" else _offset_micros(text[-6:]) for text in texts])
    if not 0 <= at.min() <= at.max() <= LAST_MICROS:
        raise ValueError("out of range")
    micros_of_all: list[int] = at.tolist()
    return micros_of_all


_matches = re.compile(PATTERN.replace("$", r"\Z")).match


def parse(text: str, field: str) -> int:
    """``micros`` of any text; raises ``RefusedError`` that says what is wrong with it."""
    if _matches(text):
        try:
            return micros(text)
        except ValueError:
            pass
    raise refusal(text, field)


def refusal(text: str, field: str) -> RefusedError:
    """Why a text is not a timestamp."""
    if _NAIVE.fullmatch(text):
        return RefusedError(
            Reason.NAIVE_TIMESTAMP, field, f"{shown(text)} has no offset from UTC; {EXAMPLE}"
        )
    problem = "is not an instant of the years 1970 to 9999" if _matches(text) else "is not RFC 3339"
    return RefusedError(Reason.INVALID_TIMESTAMP, field, f"{shown(text)} {problem}; {EXAMPLE}")


def moment(at: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch."""
    return _EPOCH_UTC + timedelta(microseconds=at)


def micros_of(when: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (when - _EPOCH_UTC) // timedelta(microseconds=1)
