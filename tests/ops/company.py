"""A simulated company in whose best channel the qualification of leads breaks for a day."""

import json
import random
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from funnel_stream.tools.simulator import Simulator

CHANNEL = "organic_search"
HISTORY_DAYS = 35
LIVE_DAYS = 30
"""The story takes eleven on a machine that keeps up; none is too slow for these."""
DEALS_PER_DAY = 1000
BREAKS, RECOVERS = 7.3, 8.5
"""Days of live: leads that come between them are hardly qualified."""
LOST_SHARE = 0.95
_DAY = 86_400.0
# The simulator's story depends on its start: on this one, chance alone rings no alarm.
_BEGINS = datetime(2026, 3, 3, tzinfo=UTC)


class Line(NamedTuple):
    """An event and when it occurred (Unix seconds)."""

    at: float
    text: bytes


class Company:
    """Events of the history, and of live, which begins on a Tuesday."""

    def __init__(self) -> None:
        self.begins = _BEGINS.timestamp()
        simulator = Simulator(
            start=_BEGINS - timedelta(days=HISTORY_DAYS),
            deals_per_day=DEALS_PER_DAY,
            seed=1,
            clean=True,
            partners=False,
            erasures=False,
        )
        told = _in_order(simulator.history(_BEGINS + timedelta(days=LIVE_DAYS)))
        self._reached: dict[str, float] = {}
        self._qualified: dict[str, float] = {}
        self._lines = list(self._broken(told, random.Random(1)))
        self._first_live = bisect_left(self._lines, self.begins, key=lambda line: line.at)

    def history(self) -> Iterator[bytes]:
        return (line.text for line in self._lines[: self._first_live])

    def live(self, day_seconds: float, upstream: "Upstream") -> Iterator[bytes]:
        """Lines as they fall due, a day in so many seconds. While upstream is silent none comes,
        though time goes on; then all that fell due come at once."""
        started = time.monotonic()
        for line in self._lines[self._first_live :]:
            due = started + (line.at - self.begins) / _DAY * day_seconds
            while upstream.silent or time.monotonic() < due:
                time.sleep(0.02)
                if upstream.ended:
                    return
            yield line.text

    def matured(self, as_of: float, horizon: float, window: float) -> tuple[int, int]:
        """Leads of the channel that became ``horizon`` seconds old in the last ``window`` seconds,
        and how many were qualified by then: counted from the events alone."""
        old = {
            deal: at for deal, at in self._reached.items() if as_of - window < at + horizon <= as_of
        }
        soon = [self._qualified[deal] - at for deal, at in old.items() if deal in self._qualified]
        return len(old), sum(took <= horizon for took in soon)

    def _broken(
        self, told: Iterable[tuple[Line, dict[str, Any]]], rng: random.Random
    ) -> Iterator[Line]:
        """Without most qualifications, and all that follows them, of the leads that are hit."""
        breaks, recovers = (self.begins + day * _DAY for day in (BREAKS, RECOVERS))
        seen: set[str] = set()
        hit: set[str] = set()
        silent: set[str] = set()
        for line, event in told:
            deal, stage = event.get("deal_id", ""), event.get("stage")
            if stage and deal not in seen:
                seen.add(deal)
                if event.get("channel") == CHANNEL:
                    self._reached[deal] = line.at
                    if stage == "lead" and breaks <= line.at < recovers:
                        hit |= {deal} if rng.random() < LOST_SHARE else set()
            if stage not in (None, "lead", "lost"):
                if deal in hit:
                    silent.add(deal)
                elif deal in self._reached:
                    self._qualified.setdefault(deal, line.at)
            if deal not in silent:
                yield line


class Upstream:
    """Whether the applications that send events are silent, and whether they are done."""

    def __init__(self) -> None:
        self.silent = False
        self.ended = False


def _in_order(lines: Iterable[bytes]) -> list[tuple[Line, dict[str, Any]]]:
    told = []
    for text in lines:
        event = json.loads(text)
        told.append((Line(datetime.fromisoformat(event["occurred_at"]).timestamp(), text), event))
    told.sort(key=lambda pair: pair[0].at)
    return told
