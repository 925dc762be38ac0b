"""What a mapping says of a column: whether its text or a constant is meant, and what it means."""

from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from funnel_stream.tools.date_formats import LOCALES
from funnel_stream.tools.numbers import NumberFormat


class Model(BaseModel):
    """Of every part of a mapping."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Value(Model):
    """A column's text or a constant; ``split`` turns a text into a list."""

    column: str | None = None
    constant: str | list[str] | None = None
    split: str | None = Field(default=None, min_length=1)
    combine: Literal["sum"] | None = Field(
        default=None, description="For an amount or a cost: the rows of one event are added up."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        return self


def column_named(value: Any) -> Any:
    """A text alone is the name of a column."""
    return {"column": value} if isinstance(value, str) else value


def _constant_named(value: Any) -> Any:
    return {"constant": value} if isinstance(value, str) else value


FromColumn = Annotated[Value, BeforeValidator(column_named)]
FromConstant = Annotated[Value, BeforeValidator(_constant_named)]


def _alternatives(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Condition = dict[str, Annotated[tuple[str | None, ...], BeforeValidator(_alternatives)]]
"""Column → the text or texts it must have; null is a missing one. All must hold."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone; write one like Europe/Warsaw") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class Column(Model):
    """How the texts of one column are to be understood."""

    values: dict[str, str | None] = Field(default={}, description="Text in the file → replacement.")
    otherwise: str | None = Field(default=None, description="For texts not among the values.")
    default: str | None = Field(default=None, description="Where the text is missing.")
    dates: Annotated[tuple[str, ...], BeforeValidator(_alternatives)] = Field(
        default=(),
        description="strptime formats, iso, excel, epoch or epoch_ms; without any, iso.",
    )
    timezone: Zone | None = None
    locale: Literal[LOCALES] | None = Field(  # type: ignore[valid-type]
        default=None, description="Language of the names of months and weekdays."
    )
    precision: Literal["auto", "day"] = Field(
        default="auto", description="day: the time of a date is dropped."
    )
    decimal: Literal[".", ","] = "."
    thousands: str = Field(
        default="",
        description="What separates groups of three digits in numbers; by default nothing.",
    )
    remove: str = Field(
        default="", description="Characters to take out of a number, like the x of 12x."
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        _ = self.numbers  # which refuses one mark with two meanings
        return self

    @cached_property
    def numbers(self) -> NumberFormat:
        """How its numbers are written."""
        return NumberFormat(self.decimal, self.thousands, self.remove)
