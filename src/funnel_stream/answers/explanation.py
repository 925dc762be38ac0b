"""One deal, explained: its journey in order, what was derived, and what it adds to every figure.

The same document for a file and for a running worker; as JSON and, by ``cli.explain``, to read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from funnel_stream.answers.story import Step, money, plain, timeline
from funnel_stream.contract.event import (
    LEAD,
    LOST,
    NEGOTIATION,
    STAGES,
    WON,
)
from funnel_stream.contract.timestamps import LAST_MICROS, moment
from funnel_stream.definition import Definition, Pipeline
from funnel_stream.definition.time import DAY, HOUR, MINUTE, MINUTE_US
from funnel_stream.definition.values import spelled
from funnel_stream.facts.journey import Journey, events, former
from funnel_stream.facts.rules import ATTRIBUTES, NONE, FactRules
from funnel_stream.kpis.contributions import Contribution, WindowStay, contributions, value_under

_PANE_NAMES: Final = {MINUTE: "minute", HOUR: "hour", DAY: "day"}


@dataclass(frozen=True)
class Reached:
    """A stage that counts as reached; ``entered`` explicitly, or else passed by a later one."""

    stage: str
    at: datetime
    entered: bool


@dataclass(frozen=True)
class Closing:
    """How and when the deal ended; ``lost_from`` and ``reason`` for a lost one."""

    outcome: str
    at: datetime
    reason: str | None = None
    lost_from: str | None = None


@dataclass(frozen=True)
class SentOffer:
    """An offer, with the amount that was known then: ``"1200.00 EUR"``."""

    at: datetime
    amount: str | None


@dataclass(frozen=True)
class InWindow:
    """When a contribution counts in a window: from ``enters`` to before ``leaves`` (``None``: as
    long as the deal is what it is now), and whether it does as of the explanation."""

    window: str
    inside: bool
    enters: datetime
    leaves: datetime | None


@dataclass(frozen=True)
class Counted:
    """What the deal adds to one series (``metric`` with ``labels``), in the KPI's unit.

    ``part``: ``numerator``, ``denominator``, ``sum`` or ``count``; empty for what is just counted.
    ``at``: its minute. ``panes``: where the minute, hour and day panes that it lies in start.
    """

    kpi: str
    title: str
    unit: str
    metric: str
    part: str
    labels: dict[str, str]
    value: float
    at: datetime
    panes: dict[str, datetime]
    windows: list[InWindow]


@dataclass(frozen=True)
class Explanation:
    """Everything known about one deal as of an instant.

    ``since``: when its stay in the stage began. ``counts_under``: its value of each dimension.
    ``titles``: display names of stages, where the pipeline has some. ``notes``: why something does
    not count.
    """

    deal_id: str
    as_of: datetime
    pipeline: str
    pipeline_title: str
    stage: str | None
    since: datetime | None
    journey: list[Step]
    reached: list[Reached]
    closing: Closing | None
    offers: list[SentOffer]
    original_amount: str | None
    final_amount: str | None
    attributes: dict[str, Any]
    counts_under: dict[str, str]
    contributions: list[Counted]
    notes: list[str]
    titles: dict[str, str]


def explain(deal_id: str, row: bytes, definition: Definition, as_of: int) -> Explanation:
    """What the events of a deal mean and add up to, as of an instant (µs).

    Of several deals of the same id, one after the other, it is about the last.
    """
    rules = FactRules(definition)
    *others, journey = rules.lives(row)
    owner = rules.combination(journey)
    pipeline = definition.pipelines.get(owner[0], Pipeline())
    added = contributions(rules.facts(journey), definition, owner[0], as_of)
    original = journey.offers[0].amount if journey.offers else None
    final = journey.attributes.get("amount")
    return Explanation(
        deal_id=deal_id,
        as_of=moment(as_of),
        pipeline=owner[0],
        pipeline_title=pipeline.title,
        stage=None if journey.stage is None else STAGES[journey.stage],
        since=None if journey.stage is None else moment(journey.since),
        journey=list(
            timeline(
                [event for event in events(row) if event.at >= journey.first_at],
                rules.keep_first,
                others[-1].outcome if others else _expired_outcome(row),
            )
        ),
        reached=list(_reached(journey)),
        closing=_closing(journey),
        offers=[SentOffer(moment(at), amount and money(*amount)) for at, amount in journey.offers],
        original_amount=original and money(*original),
        final_amount=final and money(*final),
        attributes=plain(spelled(journey.attributes, rules.spellings)),
        counts_under={
            dimension.name: value_under(dimension.parts, owner)
            for dimension in definition.dimension_list()
        },
        contributions=list(_counted(added, as_of)),
        notes=[
            *_former_notes(others, definition),
            *_notes(journey, owner, definition, as_of),
        ],
        titles=dict(pipeline.stage_titles),
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Explanation).decode


def as_json(explanation: Explanation) -> bytes:
    """One JSON object in a line."""
    return _encode(explanation) + b"\n"


def from_json(document: bytes) -> Explanation:
    """Raises ``msgspec.MsgspecError`` for anything else."""
    return _decode(document)


def _expired_outcome(row: bytes) -> int | None:
    """How the deal with this id that has left the state ended, if there was one."""
    known = former(row)
    return known.outcome if known else None


# --- what was derived -----------------------------------------------------------------------------


def _reached(journey: Journey) -> Iterator[Reached]:
    for stage, at in enumerate(journey.reached):
        if at is not None:
            yield Reached(STAGES[stage], moment(at), at in journey.entered[stage])


def _closing(journey: Journey) -> Closing | None:
    if journey.closed_at is None:
        return None
    at = moment(journey.closed_at)
    if journey.stage == WON:
        return Closing(STAGES[WON], at)
    reason = journey.attributes.get("lost_reason", NONE)
    return Closing(STAGES[LOST], at, reason, STAGES[journey.lost_from])


# --- what it adds up to ---------------------------------------------------------------------------


def _counted(added: list[Contribution], as_of: int) -> Iterator[Counted]:
    timings: dict[tuple[int, tuple[WindowStay, ...]], _Timing] = {}  # many figures share few times
    for each in added:
        key = each.minute, each.stays
        timing = timings.get(key)
        if timing is None:
            timing = timings[key] = _timing(each, as_of)
        kpi = each.kpi
        yield Counted(
            kpi=kpi.id,
            title=kpi.title,
            unit=kpi.unit,
            metric=kpi.metric + each.suffix,
            part=each.suffix.removeprefix("_"),
            labels=each.labels,
            value=each.value,
            at=timing.at,
            panes=timing.panes,
            windows=timing.windows,
        )


class _Timing(NamedTuple):
    at: datetime
    panes: dict[str, datetime]
    windows: list[InWindow]


def _timing(added: Contribution, as_of: int) -> _Timing:
    return _Timing(
        at=_instant(added.minute * MINUTE_US),
        panes={
            _PANE_NAMES[size]: _instant(start * MINUTE_US) for size, start in added.panes.items()
        },
        windows=[
            InWindow(
                stay.window,
                stay.holds(as_of),
                _instant(stay.enters),
                None if stay.leaves is None else _instant(stay.leaves),
            )
            for stay in added.stays
        ],
    )


def _instant(at: int) -> datetime:
    """Horizons of the last events that a calendar knows lead beyond it."""
    return moment(at) if at <= LAST_MICROS else datetime.max.replace(tzinfo=UTC)


def _former_notes(former: list[Journey], definition: Definition) -> Iterator[str]:
    for deal in former:
        until, days = _day(deal.last_at), definition.closed_retention_days
        yield (
            f"An earlier deal with this id had ended by {until}; events more than {days} days "
            "later (closed_retention_days) belong to this one."
        )


def _day(at: int) -> str:
    return moment(at).date().isoformat()


def _notes(
    journey: Journey, owner: tuple[str, ...], definition: Definition, as_of: int
) -> Iterator[str]:
    """Why something does not count."""
    given = journey.attributes
    if journey.stage is None:
        yield (
            "No event set a stage, so the deal is neither a lead nor open: only its activities "
            "count."
        )
        return
    yield from _closing_notes(journey)
    if not journey.offers:
        yield "No offer was sent: the deal adds nothing to the offer KPIs."
    elif all(amount is None for _, amount in journey.offers):
        yield "No amount was known when the offers were sent: they add nothing to the offer value."
    if "amount" not in given:
        yield "No amount is known: the deal adds nothing to any value."
    entered, reached = journey.entered, journey.reached
    passed = [
        STAGES[stage]
        for stage in range(NEGOTIATION + 1)
        if reached[stage] is not None and reached[stage] not in entered[stage]
    ]
    if passed:
        yield (
            f"Passed without an event of their own: {', '.join(passed)}. A passed stage counts as "
            "reached in conversions, but has no duration."
        )
    touched, lead_at = given.get("first_touch_at"), reached[LEAD]
    if touched is not None and lead_at is not None and touched > lead_at:
        yield "The first touch is later than the lead, so there is no acquisition time."
    parts = dict.fromkeys(part for each in definition.dimension_list() for part in each.parts)
    if missing := [part for part in parts if not owner[ATTRIBUTES.index(part)]]:
        yield f"Not given: {', '.join(missing)}. In these dimensions the deal counts under {NONE}."
    newest = max(move.at for move in journey.moves) if journey.moves else lead_at
    if newest is not None and newest > as_of:
        yield "Some of these events are later than the instant of this explanation."


def _closing_notes(journey: Journey) -> Iterator[str]:
    given, final = journey.attributes, journey.attributes.get("amount")
    if journey.closed_at is None:
        assert journey.stage is not None
        closings = [move for move in journey.moves if move.after >= WON]
        if closings or journey.entered[WON] or journey.entered[LOST]:
            yield "The deal was closed and is open again: the earlier closing no longer counts."
        else:
            yield f"Not closed: the deal is still open in {STAGES[journey.stage]}."
        return
    if journey.stage == LOST:
        if "lost_reason" not in given:
            yield f"No reason was given for the loss: the deal counts under {NONE}."
        return
    original = journey.offers[0].amount if journey.offers else None
    if original is None:
        yield "No amount was known at the first offer, so there is no discount."
    elif final is not None and original[1] != final[1]:
        yield "Offer and contract are in different currencies: no discount and no value retention."
    if "cost" not in given:
        yield "No cost was given: the deal adds nothing to the margin."
    elif final is not None and given["cost"][1] != final[1]:
        yield "Cost and contract are in different currencies: no margin."
