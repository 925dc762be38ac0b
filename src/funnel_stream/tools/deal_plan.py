"""The plan of one simulated deal: everything that will happen to it, and when."""

from random import Random
from typing import Any, Final

from funnel_stream.tools import market
from funnel_stream.tools.market import Channel, Currency, Product

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
"""Microseconds, as all times of a plan."""

Fields = dict[str, Any]
Step = tuple[int, str, Fields, tuple[str, int] | None]
"""Time, event type, fields, and a date field with how long before the event it lies."""


class Plan:
    """``steps`` stands in reverse order: the next step is the last. ``zone``: how it writes time
    (0 = UTC, else a position in the simulator's offsets)."""

    __slots__ = ("deal_id", "steps", "zone")

    def __init__(self, deal_id: str, steps: list[Step], zone: int) -> None:
        self.deal_id = deal_id
        self.steps = steps
        self.zone = zone


def plan_deal(rng: Random, deal_id: str, at: int) -> Plan:
    """Plan a deal whose first contact is at ``at``."""
    planner = _Planner(rng, at)
    planner.plan()
    steps = planner.steps
    steps.reverse()
    chance = rng.random()
    return Plan(deal_id, steps, 0 if chance > 0.06 else 1 if chance > 0.03 else 2)


class _Planner:
    """Walks one deal through the funnel, writing steps in order of time."""

    __slots__ = (
        "_at",
        "_channel",
        "_currency",
        "_product",
        "_random",
        "_segment",
        "_value",
        "_warmth",
        "steps",
    )

    def __init__(self, rng: Random, at: int) -> None:
        self._random = rng.random
        self._at = at
        self.steps: list[Step] = []
        self._channel: Channel = self._draw(market.CHANNELS)
        self._warmth = self._channel.warmth
        self._product: Product = self._draw(market.PRODUCTS)
        self._segment: str = self._draw(market.SEGMENTS)
        self._currency: Currency = self._draw(market.CURRENCIES)
        self._value = 0.0

    def _draw(self, values: tuple[Any, ...]) -> Any:
        return values[int(self._random() * len(values))]

    def _chance(self, probability: float) -> bool:
        return self._random() < probability

    def _wait(self, hours: float) -> None:
        """Let a log-normal time with this mean pass (whole milliseconds, never nothing)."""
        spread = market.SPREAD[int(self._random() * 1024)]
        jitter = 1 + int(self._random() * 60_000)
        self._at += (int(hours * 3_600_000 * spread) + jitter) * 1000

    def _stage(self, stage: str, before: tuple[str, int] | None = None, **fields: Any) -> None:
        self.steps.append((self._at, "stage_changed", {"stage": stage, **fields}, before))

    def _update(self, **fields: Any) -> None:
        self.steps.append((self._at, "deal_updated", fields, None))

    def _activity(self, activity: str, no_show: float) -> None:
        fields: Fields = {"activity": activity}
        if self._chance(no_show):
            fields["outcome"] = "no_show"
        elif self._chance(0.5):
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

    def plan(self) -> None:
        """The whole life, from first contact to the last correction."""
        entered = self._random()
        first = "lead" if entered > 0.05 else "potential" if entered > 0.02 else "offer"
        self._first_contact(first)
        if first == "lead" and not self._qualify():
            self._lose(market.EARLY_REASONS, hours=160)
            return
        if first != "offer":
            skips_potential = self._chance(0.1)
            if not skips_potential and first == "lead" and not self._find_potential():
                self._lose(market.EARLY_REASONS, hours=190)
                return
            if not self._chance(0.74 * self._warmth**0.3):
                self._lose(market.LATE_REASONS, hours=140)
                return
        self._send_offers(already=first == "offer")
        self._close(attempt=1)

    def _first_contact(self, stage: str) -> None:
        partner = self._chance(0.1)
        if partner and self._chance(0.8):
            self._channel = market.PARTNER
            self._warmth = self._channel.warmth
        fields: Fields = {
            "channel": self._channel.name,
            "source": self._draw(market.SOURCES),
            "contact_trigger": self._draw(market.TRIGGERS),
            "product": self._product.name,
            "industry": self._draw(market.INDUSTRIES),
            "segment": self._segment,
            "owner": self._draw(market.OWNERS),
            "score": int(min(99.0, 20 + 30 * self._warmth + 40 * self._random())),
        }
        if partner:
            fields["pipeline"] = "partner"
        for name in ("channel", "source", "industry", "owner"):
            if self._chance(0.02):
                del fields[name]
        first_touch = None
        if self._chance(0.7):
            spread = market.SPREAD[int(self._random() * 1024)]
            first_touch = ("first_touch_at", int(60 * 3_600_000 * spread) * 1000)
        if stage == "offer":
            self._value = self._list_value()
            fields |= self._money(self._value)
        self._stage(stage, first_touch, **fields)

    def _qualify(self) -> bool:
        while self._chance(0.58):
            self._wait(8)
            self._activity("call", no_show=0.2)
        if self._chance(0.05):
            self._wait(2)
            self._update(owner=self._draw(market.OWNERS))
        if not self._chance(0.58 * self._warmth**0.5):
            return False
        if not self._chance(0.04):  # else qualified in the same instant
            self._wait(14)
        self._stage("qualified", score=int(50 + 49 * self._random()))
        if self._chance(0.02):
            self._wait(1)
            self._stage("qualified")
        return True

    def _find_potential(self) -> bool:
        while self._chance(0.62):
            self._wait(26)
            self._activity("meeting" if self._chance(0.7) else "audit", no_show=0.12)
        if not self._chance(0.68 * self._warmth**0.4):
            return False
        self._wait(20)
        problems = dict.fromkeys((self._draw(market.PROBLEMS), self._draw(market.PROBLEMS)))
        outcome = self._draw(market.DESIRED_OUTCOMES)
        self._stage("potential", problems=list(problems), desired_outcomes=[outcome])
        if self._chance(0.06):
            self._wait(10)
            self._update(channel=self._draw(market.CHANNELS).name)
        if self._chance(0.04):
            self._wait(20)
            self._stage("qualified")
            self._wait(48)
            self._stage("potential")
        return True

    def _list_value(self) -> float:
        factor = market.SEGMENT_PRICE_FACTOR[self._segment] * self._currency.rate
        return float(int(self._product.price * factor * (0.85 + 0.3 * self._random())))

    def _send_offers(self, *, already: bool) -> None:
        if not already:
            self._wait(52)
            requested = None
            if self._chance(0.7):
                spread = market.SPREAD[int(self._random() * 1024)]
                requested = ("offer_requested_at", int(22 * 3_600_000 * spread) * 1000)
            self._value = self._list_value()
            money = self._money(self._value) if self._chance(0.96) else {}
            self._stage("offer", requested, **money)
        while self._chance(0.22):
            self._wait(44)
            self._value *= 0.88 + 0.1 * self._random()
            self._stage("offer", **self._money(self._value))

    def _negotiate(self) -> None:
        self._wait(40)
        self._stage("negotiation")
        while self._chance(0.68):
            self._wait(24)
            self._activity("negotiation_round", no_show=0.06)
        if self._chance(0.05):
            self._wait(30)
            self._stage("offer", **self._money(self._value * 0.95))
            self._wait(30)
            self._stage("negotiation")

    def _close(self, attempt: int) -> None:
        if self._chance(0.85):
            self._negotiate()
        if not self._chance(0.47 * self._warmth**0.4):
            self._lose(market.LATE_REASONS, hours=70, attempt=attempt)
            return
        self._wait(36)
        fields = self._money(self._value * (0.86 + 0.15 * self._random()))
        if self._chance(0.6):
            fields["cost"] = round(self._value * (0.3 + 0.3 * self._random()))
        fields["closing_document"] = self._draw(market.CLOSING_DOCUMENTS)
        self._stage("won", **fields)
        if self._chance(0.05):
            self._wait(60)
            self._update(**self._money(self._value * 0.9))
        if attempt == 1 and self._chance(0.04):
            self._wait(90)
            if self._chance(0.5):
                self._stage("lost", lost_reason="cancelled")
            else:
                self._stage("negotiation")
                self._close(attempt=2)

    def _lose(self, reasons: tuple[str, ...], *, hours: float, attempt: int = 1) -> None:
        """End without a contract: most are marked as lost, some are forgotten, a few come back."""
        if self._chance(0.12):
            return
        self._wait(hours)
        fields = {} if self._chance(0.04) else {"lost_reason": self._draw(reasons)}
        self._stage("lost", **fields)
        if attempt == 1 and self._chance(0.05):
            self._wait(200)
            if self._chance(0.5) or not self._value:
                self._stage("qualified")
                if not self._chance(0.6):
                    return
                self._send_offers(already=False)
            else:
                self._stage("negotiation")
            self._close(attempt=2)
