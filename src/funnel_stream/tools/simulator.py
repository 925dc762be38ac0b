"""A simulated company whose funnel events look like those of real upstream applications.

History and live are one story. A queue holds, in simulated time, what happens next; a deal's event
is stamped when it *occurs* and handed out when it *arrives*, which for some is later. History
drains the queue up to an instant. Live goes on from there and stamps with the wall clock, so
however fast the caller takes events, deals opened in history go on and nothing lies in the future.
"""

import heapq
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from random import Random
from typing import Any, Final

import msgspec

from funnel_stream.tools import market
from funnel_stream.tools.deal_plan import DAY, HOUR, MINUTE, SECOND, Plan, Step, plan_deal

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSETS: Final = (timezone(timedelta(hours=1)), timezone(timedelta(hours=2)))
_FOR_EVER: Final = 2**63
_encode: Final = msgspec.json.Encoder().encode

_Spend = tuple[str, float, int]
"""Channel, amount in EUR, length of the period in µs."""


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _wall_clock() -> int:
    return time.time_ns() // 1000


class Simulator:
    """One run of the story, determined by ``seed`` and ``start`` (no global state).

    ``clean=True`` leaves out late, out-of-order and duplicate arrivals; the deals are as wild.
    """

    def __init__(
        self, *, start: datetime, deals_per_day: int = 500, seed: int = 0, clean: bool = False
    ) -> None:
        self._start = _microseconds(start)
        # The start is part of the seed: a second run at another time is another set of deals, not
        # a set of conflicting events about the same ones.
        self._rng = Random(f"{seed}/{self._start}")
        self._deals_per_day = deals_per_day
        self._clean = clean
        self._run = f"{self._rng.getrandbits(24):06x}"
        self._deal_numbers = count(1)
        self._order = count()
        self._queue: list[tuple[int, int, Any, Any]] = []
        self._push(self._start - self._start % DAY, None)

    def history(self, end: datetime) -> Iterator[bytes]:
        """Lines that arrive before ``end``, in order of arrival, ``occurred_at`` never later."""
        return self._drain(_microseconds(end), None)

    def progress(self, end: datetime) -> float:
        """How much of the history up to ``end`` has been told: 0 to 1."""
        told, whole = self._queue[0][0] - self._start, _microseconds(end) - self._start
        return min(max(told / whole, 0.0), 1.0) if whole > 0 else 1.0

    def live(self, clock: Callable[[], int] = _wall_clock) -> Iterator[bytes]:
        """Endless lines that occur as they are taken: the caller sets the pace.

        ``clock`` gives microseconds since the epoch. Simulated time runs as fast as lines are
        taken; what was under way at the end of history arrives with the time it occurred at.
        """
        return self._drain(_FOR_EVER, clock)

    def _push(self, at: int, item: Any, detail: Any = None) -> None:
        heapq.heappush(self._queue, (at, next(self._order), item, detail))

    def _drain(self, until: int, clock: Callable[[], int] | None) -> Iterator[bytes]:
        queue, order, random = self._queue, self._order, self._rng.random
        pop, replace, clean = heapq.heappop, heapq.heapreplace, self._clean
        while queue[0][0] < until:
            at, _, item, step = queue[0]
            if item.__class__ is bytes:
                pop(queue)
                yield item
                continue
            if item is None:
                pop(queue)
                self._open_day(at)
                continue
            occurred = at if clock is None else clock()
            if item.__class__ is Plan:
                if item.steps:
                    following = item.steps.pop()
                    replace(queue, (following[0], next(order), item, following))
                else:
                    pop(queue)
                line = self._stamp(item, step, occurred)
            else:
                pop(queue)
                line = self._stamp_spend(item, occurred, dated=clock is None)
            chance = 1.0 if clean else random()
            if chance < 0.05:
                self._push(at + self._lag(chance), line)
                continue
            if chance < 0.06:
                self._push(at + int(random() * 6 * HOUR), line)
            yield line

    def _lag(self, chance: float) -> int:
        """How late a record arrives, in µs: seconds (out of order), minutes, hours or days."""
        random = self._rng.random()
        if chance < 0.002:
            return int(DAY * (1 + 4 * random))
        if chance < 0.01:
            return int(HOUR * (1 + 20 * random))
        if chance < 0.03:
            return int(MINUTE * (2 + 58 * random))
        return int(SECOND * (1 + 119 * random))

    def _event_id(self) -> str:
        h = f"{self._rng.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    def _stamp(self, plan: Plan, step: Step, occurred: int) -> bytes:
        _, kind, fields, before = step
        at = _EPOCH + timedelta(0, 0, occurred)
        if plan.zone:
            at = at.astimezone(_OFFSETS[plan.zone - 1])
        event = {
            "event_id": self._event_id(),
            "type": kind,
            "occurred_at": at,
            "deal_id": plan.deal_id,
            **fields,
        }
        if before is not None:
            name, earlier = before
            event[name] = at - timedelta(0, 0, earlier)
        return _encode(event)

    def _stamp_spend(self, spend: _Spend, occurred: int, *, dated: bool) -> bytes:
        channel, amount, length = spend
        event: dict[str, Any] = {
            "event_id": self._event_id(),
            "type": "spend_recorded",
            "occurred_at": _EPOCH + timedelta(0, 0, occurred),
            "channel": channel,
            "amount": amount,
            "currency": "EUR",
        }
        # A simulated day of live lasts minutes: there the amount belongs to its instant.
        if dated:
            midnight = occurred - occurred % DAY
            event["period_start"] = _EPOCH + timedelta(0, 0, midnight - length)
            event["period_end"] = _EPOCH + timedelta(0, 0, midnight)
        return _encode(event)

    def _open_day(self, midnight: int) -> None:
        """Plan the leads of a UTC day, and what the day's advertising costs the morning after."""
        rng = self._rng
        random, start = rng.random, self._start
        weekday = (midnight // DAY + 3) % 7
        expected = self._deals_per_day * market.WEEKDAY_FACTORS[weekday]
        for _ in range(int(expected * (0.9 + 0.2 * random()) + random())):
            hour = market.HOURS[int(random() * len(market.HOURS))]
            # Whole milliseconds, as most applications write them.
            at = midnight + hour * HOUR + int(random() * 3_600_000) * 1000
            if at >= start:
                plan = plan_deal(rng, f"D-{self._run}-{next(self._deal_numbers):06d}", at)
                first = plan.steps.pop()
                self._push(first[0], plan, first)
        length = min(DAY, midnight + DAY - start)
        for channel, share in market.PAID_CHANNELS:
            leads = expected * share * length / DAY
            amount = round(leads * channel.cost_per_lead * (0.8 + 0.4 * random()), 2)
            recorded = midnight + DAY + int((1 + 3 * random()) * 3_600_000) * 1000
            self._push(recorded, (channel.name, amount, length))
        self._push(midnight + DAY, None)


def events(
    *,
    days: float,
    deals_per_day: int = 500,
    seed: int = 0,
    end: datetime,
    clean: bool = False,
) -> Iterator[bytes]:
    """History as ndjson lines (without line ends), in order of arrival, up to ``end``.

    The same arguments give the same bytes. About six events a deal.
    """
    start = end - timedelta(days=days)
    simulator = Simulator(start=start, deals_per_day=deals_per_day, seed=seed, clean=clean)
    return simulator.history(end)
