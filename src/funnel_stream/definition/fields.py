"""The kinds of values that ``funnel.yaml`` holds, and what may stand in them."""

import re
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from funnel_stream.contract.event import DIMENSIONS, STAGES
from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition.time import LENGTH, Window, minutes_of
from funnel_stream.documents import suggest

_PLUS = re.compile(r"\s*[+×]\s*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

OPEN_STAGES: Final = STAGES[:5]
OPEN_LABELS: Final = ("problem", "outcome", "reason")
"""Labels beside the dimensions whose values producers choose; the rarer ones are summed."""


def _is_length(given: object) -> object:
    if isinstance(given, int):
        raise ValueError(f"{given} is not a length; write {given}m, {given}h or {given}d")
    if isinstance(given, str):
        minutes_of(given)
    return given


def _is_window(name: str) -> str:
    Window.named(name)
    return name


def _dimension(name: str) -> str:
    """The canonical name: ``channel × product`` is ``channel+product``."""
    parts = _PLUS.split(name.strip())
    for part in parts:
        if part not in DIMENSIONS:
            raise ValueError(f"{part!r} is not a dimension{suggest(part, DIMENSIONS)}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{name!r} names a dimension twice")
    return "+".join(parts)


def _ranked(name: str) -> str:
    if name in OPEN_LABELS or _PLUS.search(name):
        return name if name in OPEN_LABELS else _dimension(name)
    known = (*DIMENSIONS, *OPEN_LABELS)
    if name.strip() not in known:
        raise ValueError(f"{name!r} is neither a dimension nor a label{suggest(name, known)}")
    return name.strip()


def _is_currency(code: str) -> str:
    if code not in DECIMALS:
        like = code.upper() if code.upper() in DECIMALS else "EUR"
        raise ValueError(f"{code!r} is not in ISO 4217; write a code like {like}")
    return code


def _day(given: object) -> object:
    # Pydantic alone would take digits for seconds since 1970.
    if isinstance(given, date) or not isinstance(given, str):
        return given
    if _DAY.fullmatch(given):
        with suppress(ValueError):
            return date.fromisoformat(given)
    raise ValueError(f"{given!r} is not a date; write one like 2026-01-31")


def unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))} is listed twice; keep one of them")
    return names


def _form(pattern: str) -> WithJsonSchema:
    """What editors can check of a text."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


StageName = Literal[STAGES]  # type: ignore[valid-type]
OpenStage = Literal[OPEN_STAGES]  # type: ignore[valid-type]
Attribute = Literal[DIMENSIONS]  # type: ignore[valid-type]
_PART = f"({'|'.join(DIMENSIONS)})"
_COMBINED = rf"\s*{_PART}(\s*[+×]\s*{_PART})*\s*"
Length = Annotated[str, BeforeValidator(_is_length), _form(LENGTH.pattern)]
WindowName = Annotated[Length, AfterValidator(_is_window)]
DimensionName = Annotated[str, AfterValidator(_dimension), _form(_COMBINED)]
RankedName = Annotated[str, AfterValidator(_ranked), _form("|".join((_COMBINED, *OPEN_LABELS)))]
Currency = Annotated[str, AfterValidator(_is_currency), _form("[A-Z]{3}")]
Count = Annotated[int, Field(strict=True, ge=1)]
Day = Annotated[date, BeforeValidator(_day), _form(_DAY.pattern)]
Rate = Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=12)]
PipelineName = Annotated[str, Field(min_length=1, max_length=128)]


def as_written(number: object) -> object:
    """A number that YAML read as a float means the digits that were written."""
    return repr(number) if isinstance(number, float) else number


Dated = Annotated[dict[Day, Annotated[Rate, BeforeValidator(as_written)]], Field(min_length=1)]
