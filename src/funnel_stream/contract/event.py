"""The normalised event: what the rest of the core knows of a Kafka record."""

from typing import Any, Final

import msgspec

KINDS: Final[dict[tuple[str, ...], int]] = {
    ("stage_changed", "lead"): 0,
    ("stage_changed", "qualified"): 1,
    ("stage_changed", "potential"): 2,
    ("stage_changed", "offer"): 3,
    ("stage_changed", "negotiation"): 4,
    ("stage_changed", "won"): 5,
    ("stage_changed", "lost"): 6,
    ("deal_updated",): 7,
    ("activity_recorded", "meeting", "held"): 8,
    ("activity_recorded", "meeting", "no_show"): 9,
    ("activity_recorded", "audit", "held"): 10,
    ("activity_recorded", "audit", "no_show"): 11,
    ("activity_recorded", "call", "held"): 12,
    ("activity_recorded", "call", "no_show"): 13,
    ("activity_recorded", "negotiation_round", "held"): 14,
    ("activity_recorded", "negotiation_round", "no_show"): 15,
    ("spend_recorded",): 16,
    ("former",): 32,
}
"""The number of every kind of event. Changelogs hold these numbers: none is ever changed, taken for
something else or guessed from another one; a new kind takes one that nobody had.

``former`` is no event of the contract: it stands first in a row from which older deals have left.
The number of a stage is its rank, by which its events sort."""

STAGES: Final = tuple(rest[0] for type_, *rest in KINDS if type_ == "stage_changed")
"""Stages in rank order; ``lost`` sorts after ``won`` and ends a deal from any stage."""

LEAD, QUALIFIED, POTENTIAL, OFFER, NEGOTIATION, WON, LOST = range(7)

UPDATE: Final = KINDS["deal_updated",]
SPEND: Final = KINDS["spend_recorded",]
FORMER: Final = KINDS["former",]

ACTIVITY_OF: Final = {
    kind: (rest[0], rest[1])
    for (type_, *rest), kind in KINDS.items()
    if type_ == "activity_recorded"
}
"""Of every kind that is an activity: which one, and its outcome."""

ACTIVITIES: Final = tuple(dict.fromkeys(activity for activity, _ in ACTIVITY_OF.values()))
ACTIVITY_OUTCOMES: Final = ("held", "no_show")
HELD: Final = frozenset(kind for kind, (_, outcome) in ACTIVITY_OF.items() if outcome == "held")
"""The kinds of activities that took place."""

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

    ``at``: microseconds since the epoch, UTC. ``kind``: one of ``KINDS``. ``attributes`` holds
    what was given and was not null: texts, ``problems`` / ``desired_outcomes`` (lists of texts),
    ``amount`` and ``cost`` as ``[minor units, currency]``, ``score`` in millionths,
    ``first_touch_at``, ``offer_requested_at``, ``period_start`` and ``period_end`` in microseconds.
    ``cleared`` lists what was taken away, in the order of ``CLEARABLE``.
    """

    at: int
    kind: int
    id: str
    attributes: dict[str, Any] | None = None
