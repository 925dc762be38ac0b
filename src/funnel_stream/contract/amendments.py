"""What the decoder mends in an event, so that a detail does not lose the rest of it."""

from enum import StrEnum
from typing import NamedTuple

from funnel_stream.contract.event import Event


class Amendment(StrEnum):
    """Why an event does not count as it was written; ``sentence`` says what was done to it."""

    sentence: str

    ROUNDED_AMOUNT = (
        "rounded_amount",
        "An amount or a cost had more decimals than its currency: it was rounded half-even.",
    )
    CURRENCY_CASE = (
        "currency_case",
        "A currency was not written in capitals: it was read as if it were.",
    )
    UNREADABLE_AMOUNT = (
        "unreadable_amount",
        "An amount or a cost could not be read, or had no currency: it was left out.",
    )

    def __new__(cls, value: str, sentence: str) -> "Amendment":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Amended(NamedTuple):
    """An event that is accepted, but not quite as it was written: each reason once."""

    key: str
    event: Event
    reasons: tuple[Amendment, ...]
