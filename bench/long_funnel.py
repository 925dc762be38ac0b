"""Years of a funnel as a small company has them, day by day: events in the order of arrival.

Ninety deals begin a day; most are won or lost within weeks. A few stay open for ever, some come
back after 500 days, and some are saved again as lost a year and a half after they were. Events are
late by hours or days, or come twice. Forty people sell at a time, each for a year, and sixty
products, each for two. Nearly every deal is lost for a reason in words of its own.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Final, NamedTuple

START_S: Final = int(datetime(2022, 12, 1, tzinfo=UTC).timestamp())
DAY_S: Final = 86_400
DEALS_A_DAY: Final = 90
OWNERS, PRODUCTS = 40, 60

_OPEN_FOR_EVER: Final = 0.03
_COMES_BACK: Final = 0.02
_COMES_BACK_AFTER_S: Final = 500 * DAY_S
_SAVED_AGAIN: Final = 0.02
_SAVED_AGAIN_AFTER_S: Final = 548 * DAY_S
_LATE: Final = 0.03
_REPEATED: Final = 0.02
_GOES_ON: Final = {"lead": 0.75, "qualified": 0.85, "potential": 0.85, "offer": 0.7}
"""Share that gets further from each stage; the others are lost."""
_WON: Final = 0.6
"""Share of the negotiations that are won."""
_PACE_S: Final = 4 * DAY_S
_CHANNELS: Final = ("organic_search", "paid_search", "social", "outbound_call", "referral", "email")
_SOURCES: Final = ("search engine", "recommendation", "LinkedIn", "conference talk", "podcast")
_TRIGGERS: Final = ("pricing page", "demo request", "case study", "webinar", "free audit")
_INDUSTRIES: Final = ("retail", "software", "manufacturing", "logistics", "health", "finance")
_SEGMENTS: Final = ("small", "mid-market", "enterprise")
_DOCUMENTS: Final = ("contract", "pro_forma_invoice")
_PROBLEMS: Final = ("manual reporting", "long sales cycle", "poor lead quality", "high churn")
_OUTCOMES: Final = ("faster closing", "more qualified leads", "one live dashboard")
_ACTIVITIES: Final = ("meeting", "call", "audit")
_REASONS: Final = ("price", "no budget this year", "went with a competitor", "no answer since")
_WHO: Final = ("their CFO", "the new head of sales", "procurement", "the founder", "the board")


class _Step(NamedTuple):
    """An event of a plan; both times in seconds."""

    at: int
    kind: str
    fields: str


def arrivals(days: int, seed: int) -> Iterator[list[bytes]]:
    """The lines that arrive on each day. What is held is what is under way."""
    random = Random(seed)
    order = count()
    queue: list[tuple[int, int, str]] = []
    numbers = count(1)

    def send(name: str, steps: Iterator[_Step]) -> None:
        for step in steps:
            line = _line(random, name, step)
            at = step.at
            if random.random() < _LATE:
                at += int(min(random.expovariate(1 / DAY_S), 20 * DAY_S))
            heapq.heappush(queue, (at, next(order), line))
            if random.random() < _REPEATED:
                again = at + int(random.expovariate(1 / 3600))
                heapq.heappush(queue, (again, next(order), line))

    for day in range(days):
        begin = START_S + day * DAY_S
        for channel in _CHANNELS if day % 7 == 0 else ():
            send(channel, _spend(random, begin, channel))
        for _ in range(DEALS_A_DAY):
            at = begin + int(random.random() * DAY_S)
            send(f"D-{next(numbers):07d}", _deal(random, at))
        arrived = []
        while queue and queue[0][0] < begin + DAY_S:
            arrived.append(heapq.heappop(queue)[2].encode())
        yield arrived


def _deal(random: Random, at: int) -> Iterator[_Step]:
    """All that ever happens to a deal."""
    closed_at, outcome = yield from _life(random, at, forever=random.random() < _OPEN_FOR_EVER)
    if outcome == "lost" and random.random() < _SAVED_AGAIN:
        yield _stage(closed_at + _SAVED_AGAIN_AFTER_S, "lost")
    elif outcome and random.random() < _COMES_BACK:
        yield from _life(random, closed_at + _COMES_BACK_AFTER_S, forever=False)


def _life(random: Random, at: int, *, forever: bool) -> Iterator[_Step]:
    """From the lead to the closing; returns (``yield from``) when it was and how it ended, ``""``
    if it never does."""
    for stage, goes_on in _GOES_ON.items():
        yield _stage(at, stage, _known(random, stage, at))
        if random.random() < 0.6:
            what = f'"activity":"{random.choice(_ACTIVITIES)}"'
            yield _Step(at + _wait(random), "activity_recorded", what)
        if random.random() < 0.2:
            new = f'"owner":"{_owner(random, at)}"'
            yield _Step(at + _wait(random), "deal_updated", new)
        at += _wait(random)
        if random.random() >= goes_on:
            break
    else:
        yield _stage(at, "negotiation")
        at += _wait(random)
        if random.random() < _WON and not forever:
            document = f',"closing_document":"{random.choice(_DOCUMENTS)}"'
            yield _stage(at, "won", _amount(random) + document)
            return at, "won"
    if forever:
        return at, ""
    yield _stage(at, "lost", f',"lost_reason":"{_reason(random)}"')
    return at, "lost"


def _stage(at: int, stage: str, fields: str = "") -> _Step:
    return _Step(at, "stage_changed", f'"stage":"{stage}"{fields}')


def _known(random: Random, stage: str, at: int) -> str:
    """What becomes known in a stage."""
    pick = random.choice
    if stage == "lead":
        return (
            f',"channel":"{pick(_CHANNELS)}","source":"{pick(_SOURCES)}"'
            f',"contact_trigger":"{pick(_TRIGGERS)}","product":"{_product(random, at)}"'
            f',"industry":"{pick(_INDUSTRIES)}","segment":"{pick(_SEGMENTS)}"'
            f',"owner":"{_owner(random, at)}","score":{random.randrange(100)}'
            f',"first_touch_at":"{_iso(at - random.randrange(10**6))}"'
        )
    if stage == "potential":
        return f',"problems":["{pick(_PROBLEMS)}"],"desired_outcomes":["{pick(_OUTCOMES)}"]'
    return _amount(random) if stage == "offer" else ""


def _spend(random: Random, at: int, channel: str) -> Iterator[_Step]:
    period = f'"period_start":"{_iso(at)}","period_end":"{_iso(at + 7 * DAY_S)}"'
    fields = f'"channel":"{channel}"{_amount(random)},{period}'
    yield _Step(at, "spend_recorded", fields)


def _owner(random: Random, at: int) -> str:
    return _of_their_time(random, at, "owner", OWNERS, 365)


def _product(random: Random, at: int) -> str:
    return _of_their_time(random, at, "product", PRODUCTS, 730)


def _of_their_time(random: Random, at: int, kind: str, alive: int, days: int) -> str:
    """One of those who are there at that time: each of ``alive`` places has a new one after so
    many days, one place after the other."""
    place = random.randrange(alive)
    age = (at - START_S) // DAY_S + place * days // alive
    return f"{kind} {place}-{age // days}"


def _reason(random: Random) -> str:
    reason = random.choice(_REASONS)
    if random.random() < 0.1:
        return reason
    return f"{reason}, {random.choice(_WHO)} told us in call {random.randrange(10**6)}"


def _amount(random: Random) -> str:
    return f',"amount":{1000 + random.randrange(10**5)},"currency":"EUR"'


def _wait(random: Random) -> int:
    return 60 + int(random.expovariate(1 / _PACE_S))


def _line(random: Random, name: str, step: _Step) -> str:
    h = f"{random.getrandbits(128):032x}"
    whose = "" if step.kind == "spend_recorded" else f'"deal_id":"{name}",'
    return (
        f'{{"event_id":"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}","type":"{step.kind}",'
        f'{whose}"occurred_at":"{_iso(step.at)}",{step.fields}}}\n'
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
