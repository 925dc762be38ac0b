"""The contract with upstream applications: events, their schemas, and reading them."""

from funnel_stream.contract.amendments import Amended, Amendment
from funnel_stream.contract.decode import MAX_VALUE_BYTES, Decoded, Decoder
from funnel_stream.contract.event import Event
from funnel_stream.contract.models import (
    ActivityRecorded,
    AnyEvent,
    DealUpdated,
    SpendRecorded,
    StageChanged,
)
from funnel_stream.contract.rejections import Reason, Rejection

__all__ = [
    "MAX_VALUE_BYTES",
    "ActivityRecorded",
    "Amended",
    "Amendment",
    "AnyEvent",
    "DealUpdated",
    "Decoded",
    "Decoder",
    "Event",
    "Reason",
    "Rejection",
    "SpendRecorded",
    "StageChanged",
]
