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
from typing import Any, Final, NamedTuple

import msgspec

from funnel_stream.tools import market
from funnel_stream.tools.deal_plan import plan_deal
from funnel_stream.tools.deal_script import (
    DAY,
    ERASURE,
    HOUR,
    LATEST_ARRIVAL,
    MINUTE,
    SECOND,
    DealPlan,
    ScriptStep,
)
from funnel_stream.tools.market import Channel

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSETS: Final = (timezone(timedelta(hours=1)), timezone(timedelta(hours=2)))
_FOR_EVER: Final = 2**63
_encode: Final = msgspec.json.Encoder().encode


class _Bill(NamedTuple):
    """What a channel costs, and for which time (µs); ``period`` is ``None`` where it names none."""

    channel: Channel
    pipeline: str | None
    amount: float
    period: tuple[int, int] | None


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _wall_clock() -> int:
    return time.time_ns() // 1000


class Simulator:
    """One run of the story, determined by ``seed`` and ``start`` (no global state).

    ``clean=True`` leaves out late, out-of-order and duplicate arrivals; the deals are as wild.
    ``partners=False``: all deals are of one pipeline. ``erasures=False``: no deal is erased.
    """

    def __init__(
        self,
        *,
        start: datetime,
        deals_per_day: int = 500,
        seed: int = 0,
        clean: bool = False,
        partners: bool = True,
        erasures: bool = True,
    ) -> None:
        self._start = _microseconds(start)
        # The start is part of the seed: a second run at another time is another set of deals, not
        # a set of conflicting events about the same ones.
        self._rng = Random(f"{seed}/{self._start}")
        self._deals_per_day = deals_per_day
        self._clean = clean
        self._partners = partners
        self._erasures = erasures
        self._run = f"{self._rng.getrandbits(24):06x}"
        self._deal_numbers = count(1)
        self._order = count()
        self._queue: list[tuple[int, int, Any, Any]] = []
        self._push(self._start - self._start % DAY, None)

    def history(self, end: datetime) -> Iterator[bytes]:
        """Lines that arrive before ``end``, in order of arrival, ``occurred_at`` never later."""
        return self._drain(_microseconds(end), None)

    def progress(self, end: datetime) -> float:
        """How much of the history up to ``end`` has passed: 0 to 1."""
        elapsed, whole = self._queue[0][0] - self._start, _microseconds(end) - self._start
        return min(max(elapsed / whole, 0.0), 1.0) if whole > 0 else 1.0

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
            if item.__class__ is DealPlan:
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
            return int(DAY + (LATEST_ARRIVAL - DAY) * random)
        if chance < 0.01:
            return int(HOUR * (1 + 20 * random))
        if chance < 0.03:
            return int(MINUTE * (2 + 58 * random))
        return int(SECOND * (1 + 119 * random))

    def _event_id(self) -> str:
        h = f"{self._rng.getrandbits(128):032x}"
        return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))

    def _stamp(self, plan: DealPlan, step: ScriptStep, occurred: int) -> bytes:
        _, kind, fields, before = step
        if kind == ERASURE:
            return _encode({"type": kind, "deal_id": plan.deal_id})
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

    def _stamp_spend(self, bill: _Bill, occurred: int, *, dated: bool) -> bytes:
        event: dict[str, Any] = {
            "event_id": self._event_id(),
            "type": "spend_recorded",
            "occurred_at": _EPOCH + timedelta(0, 0, occurred),
            "channel": bill.channel.name,
            "amount": bill.amount,
            "currency": bill.channel.currency,
        }
        if bill.pipeline:
            event["pipeline"] = bill.pipeline
        # A simulated day of live lasts minutes: there the amount belongs to its instant.
        if bill.period and dated:
            starts, ends = bill.period
            event["period_start"] = _EPOCH + timedelta(0, 0, starts)
            event["period_end"] = _EPOCH + timedelta(0, 0, ends)
        return _encode(event)

    def _open_day(self, midnight: int) -> None:
        """Plan the leads of a UTC day, and what its advertising costs."""
        rng = self._rng
        random, start = rng.random, self._start
        expected = self._deals_per_day * market.WEEKDAY_FACTORS[_weekday(midnight)]
        for _ in range(int(expected * (0.9 + 0.2 * random()) + random())):
            hour = market.HOURS[int(random() * len(market.HOURS))]
            # Whole milliseconds, as most applications write them.
            at = midnight + hour * HOUR + int(random() * 3_600_000) * 1000
            if at >= start:
                number = next(self._deal_numbers)
                plan = plan_deal(
                    rng,
                    f"D-{self._run}-{number:06d}",
                    at,
                    partners=self._partners,
                    erasures=self._erasures,
                )
                first = plan.steps.pop()
                self._push(first[0], plan, first)
        self._bill(max(midnight, start), midnight + DAY)
        self._push(midnight + DAY, None)

    def _bill(self, opens: int, closes: int) -> None:
        """Bills of the day, those for a time that ended with it and those for one that begins."""
        ours = 1 - market.PARTNERS_SHARE if self._partners else 1.0
        of_partners = market.PARTNERS_SHARE * market.BY_PARTNERS_SHARE
        for channel, share in market.PAID_CHANNELS:
            self._bill_channel(channel, None, ours * share, opens, closes)
            if channel is market.PARTNER and self._partners:
                self._bill_channel(channel, market.PARTNERS_PIPELINE, of_partners, opens, closes)

    def _bill_channel(
        self, channel: Channel, pipeline: str | None, share: float, opens: int, closes: int
    ) -> None:
        random, start = self._rng.random, self._start
        if channel.billed == "week":
            if _weekday(closes) != 0:
                return
            begins, ends, due = max(start, closes - 7 * DAY), closes, closes
        elif channel.billed == "month":
            day = _EPOCH + timedelta(0, 0, opens)
            if day.day != 1 and opens != start:
                return
            following = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            following = (following + timedelta(days=32)).replace(day=1)
            begins, ends, due = opens, _microseconds(following), opens
        else:
            begins, ends, due = opens, closes, closes
        leads = share * self._deals_per_day * _busy_days(begins, ends)
        amount = round(leads * channel.cost_per_lead * (0.8 + 0.4 * random()), 2)
        recorded = due + int((1 + 3 * random()) * 3_600_000) * 1000
        period = None if channel.billed == "week" else (begins, ends)
        self._push(recorded, _Bill(channel, pipeline, amount, period))


def _weekday(at: int) -> int:
    """0 = Monday."""
    return (at // DAY + 3) % 7


def _busy_days(begins: int, ends: int) -> float:
    """The days between two instants, each by how busy its weekday is."""
    days = 0.0
    while begins < ends:
        closes = min(begins - begins % DAY + DAY, ends)
        days += market.WEEKDAY_FACTORS[_weekday(begins)] * (closes - begins) / DAY
        begins = closes
    return days


def events(
    *,
    days: float,
    deals_per_day: int = 500,
    seed: int = 0,
    end: datetime,
    clean: bool = False,
    partners: bool = True,
    erasures: bool = True,
) -> Iterator[bytes]:
    """History as ndjson lines (without line ends), in order of arrival, up to ``end``.

    The same arguments give the same bytes. About six events per deal. The line of an erasure is
    ``{"type": "deal_erased", "deal_id": …}``, for the contract a null value.
    """
    simulator = Simulator(
        start=end - timedelta(days=days),
        deals_per_day=deals_per_day,
        seed=seed,
        clean=clean,
        partners=partners,
        erasures=erasures,
    )
    return simulator.history(end)
