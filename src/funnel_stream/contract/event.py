"""The normalised event: what the rest of the core knows of a Kafka record."""

from typing import Any, Final

import msgspec

STAGES: Final = ("lead", "qualified", "potential", "offer", "negotiation", "won", "lost")
"""Stages in rank order; ``lost`` sorts after ``won`` and ends a deal from any stage."""

LEAD, QUALIFIED, POTENTIAL, OFFER, NEGOTIATION, WON, LOST = range(7)

ACTIVITIES: Final = ("meeting", "audit", "call", "negotiation_round")
ACTIVITY_OUTCOMES: Final = ("held", "no_show")

UPDATE: Final = 7
ACTIVITY: Final = 8
"""First of eight activity kinds: ``ACTIVITY + 2 * activity + outcome``."""
SPEND: Final = 16
FORMER: Final = 32
"""No event of the contract: stands first in a stored row from which older deals have left."""

DIMENSIONS: Final = (
    "channel",
    "source",
    "contact_trigger",
    "product",
    "industry",
    "segment",
    "owner",
    "closing_document",
)
"""Attributes by which every KPI can be broken down."""

TEXT_ATTRIBUTES: Final = ("pipeline", *DIMENSIONS, "lost_reason")
"""Attributes that hold one text; ``pipeline`` stands in an event only where it was given."""

CLEARABLE: Final = (
    *DIMENSIONS,
    "lost_reason",
    "problems",
    "desired_outcomes",
    "amount",
    "cost",
    "score",
    "first_touch_at",
    "offer_requested_at",
)
"""What an event can take away from a deal by naming it in ``cleared``."""


class Event(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One thing that happened to one deal (or one amount spent on a channel).

    Sorting events sorts stage events the way a journey needs them: ``(at, rank, id)``.

    ``at``: microseconds since the epoch, UTC. ``kind``: a stage's rank (0–6), ``UPDATE``, an
    activity kind or ``SPEND``. ``attributes`` holds what was given and was not null: texts,
    ``problems`` / ``desired_outcomes`` (lists of texts), ``amount`` and ``cost`` as
    ``[minor units, currency]``, ``score`` in millionths, ``first_touch_at``,
    ``offer_requested_at``, ``period_start`` and ``period_end`` in microseconds. ``cleared`` lists
    what was taken away and not given again, in the order of ``CLEARABLE``.
    """

    at: int
    kind: int
    id: str
    attributes: dict[str, Any] | None = None
