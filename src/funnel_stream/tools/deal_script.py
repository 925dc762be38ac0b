"""How the life of a simulated deal is written down: steps in order of time, and small choices."""

from random import Random
from typing import Any, Final

from funnel_stream.tools import market
from funnel_stream.tools.market import SimulatedCurrency

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
"""Microseconds, as all times of a plan."""

LATEST_ARRIVAL: Final = 5 * DAY
"""No event arrives later than this after it has occurred."""

ERASURE: Final = "deal_erased"
"""The type of a step that erases the deal; nothing of the deal arrives after it."""

Fields = dict[str, Any]
ScriptStep = tuple[int, str, Fields, tuple[str, int] | None]
"""Time, event type, fields, and a date field with how long before the event it lies."""


class DealPlan:
    """``steps`` stands in reverse order: the next step is the last. ``zone``: how it writes time
    (0 = UTC, else a position in the simulator's offsets)."""

    __slots__ = ("deal_id", "steps", "zone")

    def __init__(self, deal_id: str, steps: list[ScriptStep], zone: int) -> None:
        self.deal_id = deal_id
        self.steps = steps
        self.zone = zone


class Script:
    """Steps of one deal and the time that it has come to."""

    __slots__ = ("_at", "_currency", "_random", "steps")

    def __init__(self, rng: Random, at: int) -> None:
        self._random = rng.random
        self._at = at
        self.steps: list[ScriptStep] = []
        self._currency: SimulatedCurrency = self._draw(market.CURRENCIES)

    def _draw(self, values: tuple[Any, ...]) -> Any:
        return values[int(self._random() * len(values))]

    def _chance(self, probability: float) -> bool:
        return self._random() < probability

    def _wait(self, hours: float) -> None:
        """Let a log-normal time with this mean pass: whole milliseconds, never nothing.

        Some applications know more than milliseconds, some only the hour or the day: these round
        up, so that instants on the borders of panes are not rare.
        """
        random = self._random
        quantile = int(random() * 1024)
        jitter = 1 + int(random() * 60_000)
        at = self._at + (int(hours * 3_600_000 * market.SPREAD[quantile]) + jitter) * 1000
        if not quantile & 15:
            at += int(random() * 1000)
        elif quantile & 63 == 1:
            at += -at % (DAY if quantile & 255 == 1 else HOUR)
        self._at = at

    def _before(self, field: str, hours: float) -> tuple[str, int]:
        """A date field that lies a log-normal time with this mean before its event."""
        spread = market.SPREAD[int(self._random() * 1024)]
        return field, int(hours * 3_600_000 * spread) * 1000

    def _stage(self, stage: str, before: tuple[str, int] | None = None, **fields: Any) -> None:
        self.steps.append((self._at, "stage_changed", {"stage": stage, **fields}, before))

    def _update(self, **fields: Any) -> None:
        self.steps.append((self._at, "deal_updated", fields, None))

    def _activity(self, activity: str, no_show: float) -> None:
        fields: Fields = {"activity": activity}
        chance = self._random()
        if chance < no_show:
            fields["outcome"] = "no_show"
        elif chance < 0.55:
            fields["outcome"] = "held"
        self.steps.append((self._at, "activity_recorded", fields, None))

    def _money(self, value: float) -> Fields:
        """An amount in the deal's currency; some applications write it as text."""
        amount: float | int | str
        if self._currency.decimals:
            amount = round(value, 2)
            if self._chance(0.1):
                amount = f"{amount:.2f}"
        else:
            amount = int(value)
        return {"amount": amount, "currency": self._currency.code}
