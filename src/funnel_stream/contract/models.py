"""The four event types of contract v1, as pydantic models.

An upstream application imports these to build events::

    event = StageChanged(event_id="crm-1041", deal_id="D-7", stage="offer",
                         occurred_at=datetime.now(UTC), amount=Decimal("12500.00"), currency="EUR")
    producer.send("funnel.events", key=event.key(), value=event.value())

The JSON Schemas and the decoder's types are derived from the same fields.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from funnel_stream.contract import timestamps
from funnel_stream.contract.blanks import BLANK_PATTERN, says
from funnel_stream.contract.event import ACTIVITIES, ACTIVITY_OUTCOMES, CLEARABLE, STAGES
from funnel_stream.contract.money import (
    AMOUNT_PATTERN,
    MAX_MINOR_UNITS,
    MINUS_ZERO_PATTERN,
    check_money,
    exact_decimal,
)
from funnel_stream.contract.rejections import Reason, RefusedError, shown

MAX_ID: Final = 128
MAX_TEXT: Final = 1_000
MAX_ITEMS: Final = 100
MAX_SCORE: Final = 1e9
MAX_PERIOD_DAYS: Final = 3_660


class WireType(NamedTuple):
    """Metadata of a field type: what the decoder takes for it from JSON."""

    type: Any


def _timestamp(given: object, info: ValidationInfo) -> datetime:
    field = info.field_name or "timestamp"
    if isinstance(given, str):
        return timestamps.moment(timestamps.parse(given, field))
    if not isinstance(given, datetime):
        raise RefusedError(Reason.WRONG_TYPE, field, f"{shown(given)} is not a datetime or a text")
    if given.utcoffset() is None:
        raise RefusedError(Reason.NAIVE_TIMESTAMP, field, f"{given} has no offset from UTC")
    at = timestamps.micros_of(given)
    if not 0 <= at <= timestamps.LAST_MICROS:
        raise RefusedError(Reason.INVALID_TIMESTAMP, field, f"{given} is not between 1970 and 9999")
    return timestamps.moment(at)


def _unless_blank(given: object) -> object:
    return None if isinstance(given, str) and not says(given) else given


def _amount(given: object, info: ValidationInfo) -> Decimal:
    if isinstance(given, float) and info.mode == "json":
        given = Decimal(repr(given))
    return exact_decimal(given, info.field_name or "amount")


_IN_CAPITALS: Final = {"type": "string", "pattern": "^[A-Z]{3}$"}
_IN_ANY_CASE: Final = {
    "type": "string",
    "pattern": "^[A-Za-z]{3}$",
    "description": "Read as if it were in capitals; counted as amended.",
}
_DECIMALS: Final = [
    {"type": "number", "minimum": 0, "maximum": MAX_MINOR_UNITS + 1},
    {"type": "string", "pattern": AMOUNT_PATTERN},
    {"type": "string", "pattern": MINUS_ZERO_PATTERN},
]
_BLANK: Final = {
    "type": "string",
    "pattern": BLANK_PATTERN,
    "description": "A blank text counts as not given.",
}
_UNREADABLE: Final = {
    "description": "Anything else is left out and counted as amended; the rest of the event counts."
}

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Texts = Annotated[list[Text], Field(max_length=MAX_ITEMS, fail_fast=True)]
"""Stops at the first bad item: a record of 64 KiB can hold 30,000."""
Stage = Annotated[str, StringConstraints(min_length=1), WireType(str)]
SpendChannel = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"[^\x00-\x20]")
]
CurrencyCode = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    WithJsonSchema({"anyOf": [_IN_CAPITALS, _IN_ANY_CASE]}),
    WireType(str),
]
DealCurrency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    WithJsonSchema({"anyOf": [_IN_CAPITALS, _IN_ANY_CASE, _UNREADABLE]}),
    WireType(Any),
]
Score = Annotated[
    float,
    Field(ge=-MAX_SCORE, le=MAX_SCORE, allow_inf_nan=False),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": -MAX_SCORE, "maximum": MAX_SCORE}, _BLANK]}
    ),
    WireType(Any),
]
ActivityOutcome = Annotated[
    Literal[ACTIVITY_OUTCOMES],  # type: ignore[valid-type]
    WithJsonSchema({"anyOf": [{"type": "string", "enum": list(ACTIVITY_OUTCOMES)}, _BLANK]}),
    WireType(str),
]
_Instant = Annotated[
    datetime,
    PlainValidator(_timestamp),
    PlainSerializer(lambda when: when.isoformat().replace("+00:00", "Z"), when_used="json"),
]
_DATE_TIME: Final = {"type": "string", "format": "date-time", "pattern": timestamps.PATTERN}
Timestamp = Annotated[
    _Instant,
    WithJsonSchema(_DATE_TIME),
    WireType(Annotated[str, StringConstraints(pattern=timestamps.PATTERN)]),
]
GivenTimestamp = Annotated[
    _Instant,
    WithJsonSchema({"anyOf": [_DATE_TIME, _BLANK]}),
    WireType(Annotated[str, StringConstraints(pattern=f"{timestamps.PATTERN}|{BLANK_PATTERN}")]),
]
"""A timestamp of a field that need not be given."""
Amount = Annotated[
    Decimal,
    PlainValidator(_amount),
    PlainSerializer(lambda amount: format(amount, "f"), when_used="json"),
    WithJsonSchema({"anyOf": _DECIMALS}),
    WireType(Any),
]
DealAmount = Annotated[
    Decimal,
    PlainValidator(_amount),
    PlainSerializer(lambda amount: format(amount, "f"), when_used="json"),
    WithJsonSchema({"anyOf": [*_DECIMALS, _UNREADABLE]}),
    WireType(Any),
]
"""Models refuse what no stream can read. A stream takes the event without it, and so must the
schema: a deal that was won is not lost over its amount."""


class FunnelEvent(BaseModel):
    """What every event has. Unknown fields are ignored; null means "not given"."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    event_id: Annotated[Identifier, Field(examples=["crm-1041"])]
    """Names this event among all events of its key; a repeated one counts once."""
    occurred_at: Annotated[Timestamp, Field(examples=["2026-03-01T09:30:00Z"])]
    """When it happened: RFC 3339 with an offset from UTC, kept to the microsecond (further
    digits are cut off), not before 1970."""
    pipeline: Annotated[Text | None, Field(examples=["default"])] = None
    """The funnel that the deal belongs to; `default` where none was ever given."""

    def key(self) -> bytes:
        """The key of the Kafka record."""
        raise NotImplementedError

    def value(self) -> bytes:
        """The value of the Kafka record: JSON in UTF-8, without what was not given."""
        return self.model_dump_json(exclude_none=True).encode()


class DealEvent(FunnelEvent):
    deal_id: Annotated[Identifier, Field(examples=["D-7"])]
    """The deal; also the key of the Kafka record."""

    def key(self) -> bytes:
        return self.deal_id.encode()


class DealAttributes(DealEvent):
    """Facts about the deal: the last one given, by time of occurrence, holds.

    An empty or blank text counts as not given.
    """

    channel: Annotated[Text | None, Field(examples=["paid_search"])] = None
    """The marketing channel that brought the deal."""
    source: Annotated[Text | None, Field(examples=["a friend"])] = None
    """How the customer heard of us."""
    contact_trigger: Annotated[Text | None, Field(examples=["new office"])] = None
    """What made the customer get in touch."""
    product: Annotated[Text | None, Field(examples=["gtx"])] = None
    """The main product or service."""
    industry: Text | None = None
    """The customer's industry."""
    segment: Annotated[Text | None, Field(examples=["smb"])] = None
    """The customer's segment."""
    owner: Text | None = None
    """Who of ours looks after the deal."""
    closing_document: Annotated[Text | None, Field(examples=["contract"])] = None
    """What the deal is closed with: a pro forma invoice, a contract."""
    lost_reason: Annotated[Text | None, Field(examples=["price"])] = None
    """Why the deal was lost."""
    problems: Annotated[Texts | None, Field(examples=[["slow delivery"]])] = None
    """Problems the customer named; replaces the list before, `[]` clears it."""
    desired_outcomes: Annotated[Texts | None, Field(examples=[["fewer returns"]])] = None
    """Results the customer wishes for; replaces the list before, `[]` clears it."""
    amount: Annotated[DealAmount | None, Field(examples=["12500.00", 12500])] = None
    """Value of the offer or deal in major units, at most 15 digits in minor units. Read exactly, so
    a JSON number is as good as a decimal string. More decimals than the currency has are rounded
    half-even, and counted as amended."""
    currency: Annotated[DealCurrency | None, Field(examples=["EUR"])] = None
    """ISO 4217 code of `amount` and `cost`; without it they are left out."""
    cost: Annotated[DealAmount | None, Field(examples=["8000.00"])] = None
    """What the deal costs us, in the currency of this event; as exact as `amount`."""
    score: Annotated[Score | None, BeforeValidator(_unless_blank), Field(examples=[0.8])] = None
    """Score of the lead; kept to the millionth."""
    first_touch_at: Annotated[GivenTimestamp | None, BeforeValidator(_unless_blank)] = None
    """First contact with the customer, before there was a lead."""
    offer_requested_at: Annotated[GivenTimestamp | None, BeforeValidator(_unless_blank)] = None
    """When the customer asked for an offer."""
    cleared: Annotated[Texts | None, Field(examples=[["owner", "lost_reason"]])] = None
    """Names of attributes to take away: they are unknown from then on, until given again. What this
    event gives is given after that. `amount` and `currency` go together; `pipeline` cannot be
    cleared; other names are ignored."""

    @model_validator(mode="after")
    def _cleared_are_attributes(self) -> Self:
        for name in self.cleared or ():
            if name not in CLEARABLE and name != "currency":
                raise RefusedError(
                    Reason.INVALID_VALUE,
                    "cleared",
                    f"{shown(name)} cannot be cleared; what can is {', '.join(CLEARABLE)}",
                )
        return self

    @model_validator(mode="after")
    def _money_has_its_currency(self) -> Self:
        check_money({"amount": self.amount, "cost": self.cost, "currency": self.currency})
        return self


class StageChanged(DealAttributes):
    """A deal moved to a stage."""

    type: Literal["stage_changed"] = "stage_changed"
    stage: Annotated[Stage, Field(examples=list(STAGES))]
    """The stage entered, or an alias of it that `funnel.yaml` defines."""


class DealUpdated(DealAttributes):
    """Facts about a deal became known or changed; its stage did not."""

    type: Literal["deal_updated"] = "deal_updated"


class ActivityRecorded(DealEvent):
    """An activity with the customer took place, or should have."""

    type: Literal["activity_recorded"] = "activity_recorded"
    activity: Literal[ACTIVITIES]  # type: ignore[valid-type]
    """What took place."""
    outcome: Annotated[ActivityOutcome | None, BeforeValidator(_unless_blank)] = None
    """`held` unless it says `no_show`."""


class SpendRecorded(FunnelEvent):
    """Money was spent on a marketing channel."""

    type: Literal["spend_recorded"] = "spend_recorded"
    channel: Annotated[SpendChannel, Field(examples=["paid_search"])]
    """The channel; also the key of the Kafka record."""
    amount: Annotated[Amount, Field(examples=["300.00", 300])]
    """What was spent, in major units; as exact as the amounts of deals. A spend whose amount cannot
    be read is refused."""
    currency: Annotated[CurrencyCode, Field(examples=["EUR"])]
    """ISO 4217 code of `amount`."""
    period_start: Annotated[GivenTimestamp | None, BeforeValidator(_unless_blank)] = None
    """With `period_end`: the spend is spread evenly from here, inclusive."""
    period_end: Annotated[GivenTimestamp | None, BeforeValidator(_unless_blank)] = None
    """The end of the period, exclusive; later than `period_start`, at most 3,660 days."""

    @model_validator(mode="after")
    def _money_and_period(self) -> Self:
        check_money({"amount": self.amount, "currency": self.currency})
        ends = (self.period_start, self.period_end)
        check_period(*(None if end is None else timestamps.micros_of(end) for end in ends))
        return self

    def key(self) -> bytes:
        return self.channel.encode()


AnyEvent = Annotated[
    StageChanged | DealUpdated | ActivityRecorded | SpendRecorded, Field(discriminator="type")
]
"""Any event of the contract; ``TypeAdapter(AnyEvent)`` reads one back."""

MODELS: Final[tuple[type[FunnelEvent], ...]] = (
    StageChanged,
    DealUpdated,
    ActivityRecorded,
    SpendRecorded,
)


def check_period(start: int | None, end: int | None) -> None:
    """Refuses a period (microseconds) that is not a start and a later end.

    Ten years are the limit, because a longer one is a mistake that would spread over everything.
    """
    if start is None and end is None:
        return
    if start is None or end is None:
        absent = "period_start" if start is None else "period_end"
        raise RefusedError(Reason.INVALID_PERIOD, absent, "a period needs both of its ends")
    if not start < end <= start + MAX_PERIOD_DAYS * 86_400_000_000:
        raise RefusedError(
            Reason.INVALID_PERIOD,
            "period_end",
            f"a period ends after its start, and at most {MAX_PERIOD_DAYS} days later",
        )
