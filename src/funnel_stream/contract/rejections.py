"""Why a record can be refused: a fixed vocabulary, and the explanation that goes with it."""

from enum import StrEnum
from typing import Final

import msgspec

SHOWN_CHARACTERS: Final = 80
"""So much of what was found stands in a message."""


class Reason(StrEnum):
    """The reasons for a rejection; ``sentence`` says in general what each of them means.

    Those about amounts are of spends: of a deal an amount is amended instead (``Amendment``). What
    is checked before it is sent, by models and ``import``, is refused for them too.
    """

    sentence: str

    NOT_JSON = "not_json", "The value is not one JSON document."
    INVALID_UTF8 = "invalid_utf8", "The value is not valid Unicode text in UTF-8."
    NOT_AN_OBJECT = "not_an_object", "The JSON document is not an object."
    TOO_LARGE = "too_large", "The value is longer than 64 KiB."
    TOO_DEEP = "too_deep", "Arrays or objects are nested more than about 200 levels deep."
    MISSING_FIELD = "missing_field", "A required field is absent or null."
    WRONG_TYPE = "wrong_type", "A field holds another JSON type than the contract says."
    INVALID_VALUE = "invalid_value", "A field has the right type but a value outside its domain."
    TOO_LONG = "too_long", "A text or a list is longer than its limit."
    UNKNOWN_TYPE = "unknown_type", "`type` names no event type of this contract."
    UNKNOWN_STAGE = "unknown_stage", "`stage` is neither a stage nor a configured alias."
    NAIVE_TIMESTAMP = "naive_timestamp", "A timestamp has no offset from UTC."
    INVALID_TIMESTAMP = "invalid_timestamp", "A timestamp is not an instant in RFC 3339 form."
    FUTURE_TIMESTAMP = (
        "future_timestamp",
        "The event occurred more than five minutes after its record's own timestamp.",
    )
    INVALID_AMOUNT = (
        "invalid_amount",
        "The amount of a spend is not a decimal number of zero or more.",
    )
    TOO_MANY_DECIMALS = (
        "too_many_decimals",
        "An amount has more decimals than its currency: `import` refuses what a stream rounds.",
    )
    AMOUNT_OUT_OF_RANGE = (
        "amount_out_of_range",
        "The amount of a spend has more than 15 digits in minor units.",
    )
    CURRENCY_MISSING = "currency_missing", "A spend has no currency."
    UNKNOWN_CURRENCY = (
        "unknown_currency",
        "The `currency` of a spend is not an ISO 4217 code with minor units.",
    )
    INVALID_PERIOD = "invalid_period", "The period of a spend has no two ends in order."
    MISSING_KEY = "missing_key", "A null value (an erasure) came without a key to erase."
    MISROUTED = "misrouted", "The record is on a wrong partition after being re-published once."
    CONFLICTING_DUPLICATE = (
        "conflicting_duplicate",
        "An event with this `event_id` but different content was accepted before.",
    )
    TOO_MANY_EVENTS = "too_many_events", "The deal already has as many events as are kept."

    def __new__(cls, value: str, sentence: str) -> "Reason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Rejection(msgspec.Struct, frozen=True):
    """Why one record was refused.

    ``reason`` is a ``Reason``. ``field`` is the field at fault, empty when it is the record as a
    whole. ``message`` names what was found, shortened, and what would be right.
    """

    reason: str
    field: str
    message: str


class RefusedError(ValueError):
    """Raised while one record is being read; never leaves ``Decoder.decode``."""

    def __init__(self, reason: Reason, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.rejection = Rejection(reason, field, message)


def shown(found: object) -> str:
    """What was found, as a short text that is safe to log and to put into a record header."""
    text = repr(found[: SHOWN_CHARACTERS + 1] if isinstance(found, str | bytes) else found)
    if isinstance(found, bytes):
        text = text[1:]
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
