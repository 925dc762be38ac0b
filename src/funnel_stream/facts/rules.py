"""Facts: what one journey contributes to the KPIs, at which minute.

A fact is a weight in a cell at a minute; KPIs are sums of cells. Facts are a pure function of the
journey; what changes between two journeys is retracted and added.
"""

from operator import getitem
from typing import Final

from funnel_stream.contract.event import (
    ACTIVITY_OF,
    DIMENSIONS,
    HELD,
    KINDS,
    LEAD,
    LOST,
    NEGOTIATION,
    OFFER,
    POTENTIAL,
    QUALIFIED,
    STAGES,
    WON,
)
from funnel_stream.definition import Definition
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.definition.time import MINUTE_US, minutes_of
from funnel_stream.definition.values import LABEL_LENGTH, NONE, meaning_none, spellings
from funnel_stream.facts.journey import Journey, lives
from funnel_stream.facts.measures import (
    ACTIVITY,
    CLOSED,
    DEAL_VALUE,
    DESIRED_OUTCOME,
    DISCOUNT,
    DISCOUNTS,
    FATE,
    FIRST_OFFER,
    LEAD_ACQUISITION,
    LEAD_SCORE,
    LEAD_SCORES,
    LOST_DEALS,
    LOST_VALUE,
    MARGIN,
    MARGIN_BASE,
    MATURED_PROGRESS,
    NEGOTIATION_ROUNDS,
    NEGOTIATION_TIME,
    OFFER_PREPARATION,
    OFFER_SENT,
    OFFER_VALUE,
    OFFER_VALUES,
    OPEN,
    OPEN_SINCE,
    OPEN_VALUE,
    ORIGINAL,
    PROBLEM,
    PROGRESS,
    PROGRESS_OF_LEADS,
    REACHED,
    RETAINED,
    STAGE_DURATION,
    STUCK,
    TIME_TO_CLOSE,
    TRANSITION,
    VALUED_WON,
    WON_FOR_NOTHING,
    DurationMeasure,
    HistogramCells,
    Measure,
)
from funnel_stream.facts.rates import Money, Rates

__all__ = ["NONE"]

Facts = dict[int, int]
"""Weights by ``cell id << 32 | minute since the epoch``; each fits into a signed 64-bit integer."""

ATTRIBUTES: Final = ("pipeline", *DIMENSIONS)
"""What a fact can be broken down by; a *combination* is one value for each, ``""`` for none."""

MINUTE_BITS: Final = 32
DISCOUNT_PARTS: Final = 10**12
"""A discount is kept as whole units and a remainder in these parts: exact enough, never too big."""

FATES: Final = ("lost", "moved_back", "still_there")
"""Fates of a deal that reached a stage and no later one; else it moved on."""

EFFECTS: Final = ("none", "unfollowed", "followed")
"""Of an activity: not held on an open deal; held, but no later stage followed; or one did."""

MATURED_TARGETS: Final = {
    stage: tuple(range(stage + 1, (WON if stage in (LEAD, OFFER) else stage + 1) + 1))
    for stage in range(WON)
}
"""Stages to which conversions mature: adjacent, from ``lead`` to all, from ``offer`` to ``won``."""

_BOOL: Final = {False: "false", True: "true"}
_NOT_GIVEN: Final = ("",) * len(DIMENSIONS)
_HELD_ROUND: Final = KINDS["activity_recorded", "negotiation_round", "held"]


def progress(base: str, to: str) -> tuple[int, ...]:
    """The cells of deals that got from a stage as far as another one: of leads one for each of
    ``FATES``, in their order."""
    if base == STAGES[LEAD]:
        return tuple(PROGRESS_OF_LEADS.cell(base, to, fate) for fate in FATES)
    return (PROGRESS.cell(base, to),)


def _key(measure: Measure, *labels: str) -> int:
    """A cell's part of the keys of its facts: the minute is added with ``|``."""
    return measure.cell(*labels) << MINUTE_BITS


class _Keys(dict[tuple[str, ...], int]):
    """``_key`` of a measure by its labels, given on first use."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def __missing__(self, labels: tuple[str, ...]) -> int:
        key = self[labels] = _key(self._measure, *labels)
        return key


class _Duration:
    """Facts of a duration that a deal has once: its length and its size in the histogram."""

    __slots__ = ("_sizes", "_sum")

    def __init__(self, measure: DurationMeasure, label: str = "") -> None:
        self._sum = _key(measure, label)
        self._sizes = HistogramCells(measure, label)

    def add(self, found: "Facts", duration: int, at: int) -> None:
        """A duration in microseconds at an instant; a negative one is no sample."""
        if duration >= 0:
            minute = at // MINUTE_US
            if duration:
                found[self._sum | minute] = duration
            found[self._sizes.of(duration) << MINUTE_BITS | minute] = 1


_REACHED = [_key(REACHED, stage) for stage in STAGES[:LOST]]
_PROGRESS = [[_key(PROGRESS, base, to) for to in STAGES[:LOST]] for base in STAGES[:LOST]]
_PROGRESS_OF_LEADS = [
    {fate: _key(PROGRESS_OF_LEADS, STAGES[LEAD], to, fate) for fate in FATES}
    for to in STAGES[:LOST]
]
"""Of leads it is known, too, what became of those that got so far."""
_FATE = [{fate: _key(FATE, stage, fate) for fate in FATES} for stage in STAGES[:LOST]]
_STAY = [_Duration(STAGE_DURATION, stage) for stage in OPEN_STAGES]
_MOVE = [[_key(TRANSITION, before, after) for after in STAGES] for before in STAGES]
_SCORE = {known: _key(LEAD_SCORE, _BOOL[known]) for known in (False, True)}
_SCORES = {known: _key(LEAD_SCORES, _BOOL[known]) for known in (False, True)}
_ACQUISITION = _Duration(LEAD_ACQUISITION)
_PROBLEM, _OUTCOME = _Keys(PROBLEM), _Keys(DESIRED_OUTCOME)
_ACTIVITY = {
    kind: {effect: _key(ACTIVITY, activity, outcome, effect) for effect in EFFECTS}
    for kind, (activity, outcome) in ACTIVITY_OF.items()
}
_OFFER_SENT = _key(OFFER_SENT)
_OFFER_VALUE, _OFFER_VALUES = _Keys(OFFER_VALUE), _Keys(OFFER_VALUES)
_FIRST_OFFER = {won: _key(FIRST_OFFER, _BOOL[won]) for won in (False, True)}
_PREPARATION = _Duration(OFFER_PREPARATION)
_CLOSED = {
    (outcome, offered, negotiated): _key(CLOSED, STAGES[outcome], _BOOL[offered], _BOOL[negotiated])
    for outcome in (WON, LOST)
    for offered in (False, True)
    for negotiated in (False, True)
}
_TIME_TO_CLOSE = {outcome: _Duration(TIME_TO_CLOSE, STAGES[outcome]) for outcome in (WON, LOST)}
_DEAL_VALUE = _Keys(DEAL_VALUE)
_VALUED_WON = _key(VALUED_WON)
_WON_FOR_NOTHING = _key(WON_FOR_NOTHING)
_NEGOTIATION = _Duration(NEGOTIATION_TIME)
_ROUNDS = _key(NEGOTIATION_ROUNDS)
_LOST, _LOST_VALUE = _Keys(LOST_DEALS), _Keys(LOST_VALUE)
_DISCOUNTS = _key(DISCOUNTS)
_DISCOUNT_WHOLE, _DISCOUNT_PARTS = _key(DISCOUNT, "whole"), _key(DISCOUNT, "parts")
_RETAINED, _ORIGINAL = _Keys(RETAINED), _Keys(ORIGINAL)
_MARGIN, _MARGIN_BASE = _Keys(MARGIN), _Keys(MARGIN_BASE)
_OPEN = [_key(OPEN, stage) for stage in OPEN_STAGES]
_OPEN_SINCE = [_key(OPEN_SINCE, stage) for stage in OPEN_STAGES]
_OPEN_VALUE = _Keys(OPEN_VALUE)
_STUCK = [_key(STUCK, stage) for stage in OPEN_STAGES]


class _PipelineRules:
    """What is particular to a pipeline: by stage its horizons (in microseconds and in minutes) with
    the cells of the stages that may be reached by then, and its limits in microseconds."""

    def __init__(self, definition: Definition, pipeline: str) -> None:
        self.horizons = [
            [
                (
                    minutes_of(name) * MINUTE_US,
                    minutes_of(name),
                    [_key(MATURED_PROGRESS, base, name, to) for to in STAGES[:LOST]],
                )
                for name in definition.horizons_of(pipeline)
            ]
            for base in OPEN_STAGES
        ]
        self.stuck_after = {
            STAGES.index(stage): minutes * MINUTE_US
            for stage, minutes in definition.stuck_after_in(pipeline).items()
        }


class FactRules:
    """How journeys become facts under one definition.

    ``keep_first``: attributes that a journey is to be read with. ``spellings``: the values that
    texts mean, by attribute.
    """

    def __init__(self, definition: Definition) -> None:
        self.keep_first = definition.first_touch()
        self.spellings = spellings(definition.values)
        self._spelled = tuple(self.spellings.values())
        self._unsaid = meaning_none(self.spellings)
        self._retention_us = definition.retention_us
        self._others = _PipelineRules(definition, "")
        self._pipelines = {name: _PipelineRules(definition, name) for name in definition.pipelines}
        self._rates = Rates(definition)
        self._followed_within = minutes_of(definition.activity_horizon) * MINUTE_US

    def lives(self, row: bytes) -> list[Journey]:
        """The deals that a row tells of, in order of time."""
        return lives(row, self._retention_us, self.keep_first, self._unsaid)

    def facts(self, journey: Journey) -> Facts:
        """All facts of a journey; those of a deal without a stage event are its activities."""
        found: Facts = {}
        if journey.activities:
            self._activities(journey, found)
        if journey.stage is None:
            return found
        pipeline = journey.attributes.get("pipeline", "default")
        rules = self._pipelines.get(pipeline, self._others)
        _progress(journey, rules, found)
        _lead(journey, found)
        for at, before, after in journey.moves:
            key = _MOVE[before][after] | at // MINUTE_US
            found[key] = found.get(key, 0) + 1
        if journey.offers:
            self._offers(journey, found)
        if journey.closed_at is None:
            self._present(journey, rules, found)
        else:
            self._closing(journey, journey.closed_at, found)
        return found

    def combination(self, journey: Journey) -> tuple[str, ...]:
        """The journey's value for each of ``ATTRIBUTES``."""
        given = journey.attributes.get
        texts = map(given, DIMENSIONS, _NOT_GIVEN)
        return (given("pipeline", "default")[:LABEL_LENGTH], *map(getitem, self._spelled, texts))

    def _activities(self, journey: Journey, found: Facts) -> None:
        for at, kind, stage in journey.activities:
            effect = "none"
            if kind in HELD and stage is not None and stage < WON:
                entries = journey.entered[stage + 1 : LOST]
                followed = _entered_between(entries, at, at + self._followed_within)
                effect = "followed" if followed else "unfollowed"
            _count(found, _ACTIVITY[kind][effect] | at // MINUTE_US)

    def _offers(self, journey: Journey, found: Facts) -> None:
        for at, amount in journey.offers:
            minute = at // MINUTE_US
            _count(found, _OFFER_SENT | minute)
            if amount:
                value, currency = self._rates.convert(*amount, at)
                _count(found, _OFFER_VALUE[currency,] | minute, value)
                _count(found, _OFFER_VALUES[currency,] | minute)
        first = journey.offers[0].at
        found[_FIRST_OFFER[journey.stage == WON] | first // MINUTE_US] = 1
        requested = journey.attributes.get("offer_requested_at")
        if requested is None or requested > first:
            requested = max((at for at in journey.entered[POTENTIAL] if at <= first), default=None)
        if requested is not None:
            _PREPARATION.add(found, first - requested, first)

    def _closing(self, journey: Journey, at: int, found: Facts) -> None:
        minute = at // MINUTE_US
        outcome = LOST if journey.stage == LOST else WON
        found[_CLOSED[outcome, journey.offered, journey.negotiated] | minute] = 1
        lead_at = journey.reached[LEAD]
        if lead_at is not None:
            _TIME_TO_CLOSE[outcome].add(found, at - lead_at, at)
        final = _amount(journey)
        if final:
            value, currency = self._rates.convert(*final, at)
            found[_DEAL_VALUE[STAGES[outcome], currency] | minute] = value
        if journey.negotiated:
            _negotiation(journey, at, found)
        if outcome == LOST:
            self._loss(journey, at, final, found)
        elif final:
            found[_VALUED_WON | minute] = 1
            if not final[0]:
                found[_WON_FOR_NOTHING | minute] = 1
            self._price(journey, at, final, found)

    def _loss(self, journey: Journey, at: int, final: Money | None, found: Facts) -> None:
        minute = at // MINUTE_US
        reason = journey.attributes.get("lost_reason", NONE)[:LABEL_LENGTH]
        labels = (reason, STAGES[journey.lost_from], _BOOL[journey.offered])
        found[_LOST[labels] | minute] = 1
        if final:
            value, currency = self._rates.convert(*final, at)
            found[_LOST_VALUE[*labels, currency] | minute] = value

    def _price(self, journey: Journey, at: int, final: Money, found: Facts) -> None:
        """What became of the first offer's amount, and what was earned."""
        minute = at // MINUTE_US
        original = journey.offers[0].amount if journey.offers else None
        value, currency = self._rates.convert(*final, at)
        if original and original[0] > 0 and original[1] == final[1]:
            whole, remainder = divmod(original[0] - final[0], original[0])
            parts = (2 * remainder * DISCOUNT_PARTS + original[0]) // (2 * original[0])
            found[_DISCOUNTS | minute] = 1
            found[_DISCOUNT_WHOLE | minute] = whole
            found[_DISCOUNT_PARTS | minute] = parts
            before, currency_before = self._rates.convert(*original, at)
            if currency_before == currency:
                found[_RETAINED[currency,] | minute] = value
                found[_ORIGINAL[currency,] | minute] = before
        cost = journey.attributes.get("cost")
        if cost and cost[1] == final[1]:
            spent, currency_spent = self._rates.convert(cost[0], cost[1], at)
            if currency_spent == currency:
                found[_MARGIN[currency,] | minute] = value - spent
                found[_MARGIN_BASE[currency,] | minute] = value

    def _present(self, journey: Journey, rules: _PipelineRules, found: Facts) -> None:
        stage, since = journey.stage, journey.since
        assert stage is not None
        minute = since // MINUTE_US
        found[_OPEN[stage] | minute] = 1
        found[_OPEN_SINCE[stage] | minute] = since
        if amount := _amount(journey):
            self._open_value(STAGES[stage], amount, since, found)
        if limit := rules.stuck_after.get(stage):
            found[_STUCK[stage] | (since + limit) // MINUTE_US + 1] = 1

    def _open_value(self, stage: str, amount: Money, since: int, found: Facts) -> None:
        """The value changes with the rate of the day, so each change is a fact of its own."""
        former: Money | None = None
        for at, (value, currency) in self._rates.course(*amount, since):
            minute = at // MINUTE_US
            if former:
                _count(found, _OPEN_VALUE[stage, former[1]] | minute, -former[0])
            _count(found, _OPEN_VALUE[stage, currency] | minute, value)
            former = value, currency


def _progress(journey: Journey, rules: _PipelineRules, found: Facts) -> None:
    """How far the deal got from each stage, in what time, and how long it stayed there."""
    reached, entered, furthest = journey.reached, journey.entered, journey.furthest
    fate = _fate(journey, furthest)
    for stage, at in enumerate(reached[: furthest + 1]):
        if at is None:
            continue
        minute = at // MINUTE_US
        found[_REACHED[stage] | minute] = 1
        if stage < furthest:
            of_leads = _PROGRESS_OF_LEADS[furthest][fate]
            found[(_PROGRESS[stage][furthest] if stage else of_leads) | minute] = 1
            left = reached[stage + 1]
        else:
            found[_FATE[stage][fate] | minute] = 1
            left = journey.closed_at if journey.stage == LOST else None
        if stage < WON:
            _matured(at, stage, rules, reached, found)
            if left is not None and at in entered[stage]:
                _STAY[stage].add(found, left - at, left)


def _matured(
    at: int, base: int, rules: _PipelineRules, reached: list[int | None], found: Facts
) -> None:
    """One fact per horizon, in the first minute that starts when the deal is of that age."""
    following = reached[base + 1]
    begins = -(-at // MINUTE_US)
    if following is None:
        for _, minutes, keys in rules.horizons[base]:
            found[keys[base] | begins + minutes] = 1
        return
    targets = MATURED_TARGETS[base]
    for horizon, minutes, keys in rules.horizons[base]:
        furthest = base
        deadline = at + horizon
        if following <= deadline:
            # Times of reaching never decrease from stage to stage, so the first miss is the last.
            for target in targets:
                then = reached[target]
                if then is None or then > deadline:
                    break
                furthest = target
        found[keys[furthest] | begins + minutes] = 1


def _fate(journey: Journey, furthest: int) -> str:
    if journey.stage == LOST:
        return "lost"
    return "moved_back" if journey.stage is not None and journey.stage < furthest else "still_there"


def _lead(journey: Journey, found: Facts) -> None:
    given = journey.attributes
    at = journey.reached[LEAD]
    assert at is not None
    if (score := given.get("score")) is not None:
        qualified = journey.reached[QUALIFIED] is not None
        found[_SCORE[qualified] | at // MINUTE_US] = score
        found[_SCORES[qualified] | at // MINUTE_US] = 1
    if (touched := given.get("first_touch_at")) is not None:
        _ACQUISITION.add(found, at - touched, at)
    potential = journey.reached[POTENTIAL]
    if potential is not None:
        for keys, name in ((_PROBLEM, "problems"), (_OUTCOME, "desired_outcomes")):
            for text in given.get(name, ()):
                found[keys[text[:LABEL_LENGTH],] | potential // MINUTE_US] = 1


def _negotiation(journey: Journey, at: int, found: Facts) -> None:
    entries = journey.entered[NEGOTIATION]
    _NEGOTIATION.add(found, at - entries[0], at)
    held = sum(kind == _HELD_ROUND and then <= at for then, kind, _ in journey.activities)
    found[_ROUNDS | at // MINUTE_US] = held or len(entries)


def _entered_between(stages: list[list[int]], after: int, latest: int) -> bool:
    for entries in stages:
        for at in entries:
            if after < at <= latest:
                return True
    return False


def _amount(journey: Journey) -> Money | None:
    amount = journey.attributes.get("amount")
    return amount and (amount[0], amount[1])


def _count(found: Facts, key: int, weight: int = 1) -> None:
    """Add to a fact that a deal may have more than once in a minute."""
    found[key] = found.get(key, 0) + weight


def difference(before: Facts, after: Facts) -> tuple[Facts, Facts]:
    """What to retract and what to add so that ``before`` becomes ``after``."""
    return _without(before, after), _without(after, before)


def _without(facts: Facts, others: Facts) -> Facts:
    of = others.get
    return {key: weight for key, weight in facts.items() if of(key) != weight}
