"""The plan of one simulated deal: everything that will happen to it, and when."""

from random import Random
from typing import Final

from funnel_stream.tools import market
from funnel_stream.tools.deal_script import DAY, ERASURE, LATEST_ARRIVAL, DealPlan, Fields, Script
from funnel_stream.tools.market import Channel, Product

_TEXTS: Final = (
    "channel", "source", "contact_trigger", "product", "industry", "segment", "owner", "score",
)  # fmt: skip
_ERASED: Final = 1 / 500


def plan_deal(
    rng: Random, deal_id: str, at: int, *, partners: bool = True, erasures: bool = True
) -> DealPlan:
    """Plan a deal whose first contact is at ``at``.

    ``partners``: a tenth of the deals belongs to the pipeline of the partners. ``erasures``: one
    in 500 is erased at some time, and that is its last step.
    """
    planner = _DealPlanner(rng, at, partners=partners)
    planner.plan()
    steps = planner.steps
    chance = rng.random()
    if chance < _ERASED and erasures:
        # Who wants to be forgotten may do so in the middle of a deal.
        del steps[1 + int(rng.random() * len(steps)) :]
        forgotten = steps[-1][0] + LATEST_ARRIVAL + int(20 * DAY * rng.random())
        steps.append((forgotten, ERASURE, {}, None))
    steps.reverse()
    return DealPlan(deal_id, steps, 0 if chance < 0.94 else 1 if chance < 0.97 else 2)


class _DealPlanner(Script):
    """Walks one deal through the funnel, writing steps in order of time."""

    __slots__ = ("_channel", "_fit", "_partners", "_product", "_segment", "_value", "_warmth")

    def __init__(self, rng: Random, at: int, *, partners: bool) -> None:
        super().__init__(rng, at)
        self._partners = partners
        self._channel: Channel = self._draw(market.CHANNELS)
        self._warmth = self._channel.warmth
        self._fit = self._random()
        self._product: Product = self._draw(market.PRODUCTS)
        self._segment: str = self._draw(market.SEGMENTS)
        self._value = 0.0

    def plan(self) -> None:
        """The whole life, from first contact to the last correction."""
        entered = self._random()
        if entered > 0.057:
            self._from_lead()
        elif entered > 0.05:
            self._never_a_lead()
        elif entered > 0.022:
            self._first_contact("potential")
            self._from_potential()
        elif entered > 0.007:
            self._enter_with_offer("offer")
            self._send_more_offers()
            self._close(attempt=1)
        elif entered > 0.004:
            self._enter_with_offer("negotiation")
            self._hold_rounds()
            self._decide(attempt=1)
        elif entered > 0.002:
            self._enter_with_offer("won")
            self._after_won(attempt=1)
        else:
            self._first_contact("lost", lost_reason=self._draw(market.EARLY_REASONS))

    def _never_a_lead(self) -> None:
        """Somebody was called, and that was all."""
        self._update(channel=self._channel.name, owner=self._draw(market.OWNERS))
        self._wait(1)
        self._activity("call", no_show=0.5)

    def _from_lead(self) -> None:
        if self._chance(0.02):
            self._activity("call", no_show=0.0)  # there is no deal yet
            self._wait(3)
        self._first_contact("lead")
        if not self._qualify():
            self._lose(market.EARLY_REASONS, hours=160)
        elif self._chance(0.9) and not self._find_potential():
            self._lose(market.EARLY_REASONS, hours=190)
        else:
            self._from_potential()

    def _from_potential(self) -> None:
        if self._chance(0.74 * self._warmth**0.3):
            self._wait(52)
            self._send_offers()
            self._close(attempt=1)
        else:
            self._lose(market.LATE_REASONS, hours=140)

    def _enter_with_offer(self, stage: str) -> None:
        self._value = self._list_value()
        self._first_contact(stage, **self._money(self._value))

    def _first_contact(self, stage: str, **more: object) -> None:
        of_a_partner = self._partners and self._chance(market.PARTNERS_SHARE)
        if of_a_partner and self._chance(market.BY_PARTNERS_SHARE):
            self._channel = market.PARTNER
            self._warmth = self._channel.warmth
        score: float = 10 + 20 * self._warmth + 50 * self._fit + 10 * self._random()
        fields: Fields = {
            "channel": self._channel.name,
            "source": self._draw(market.SOURCES),
            "contact_trigger": self._draw(market.TRIGGERS),
            "product": self._product.name,
            "industry": self._draw(market.INDUSTRIES),
            "segment": self._segment,
            "owner": self._draw(market.OWNERS),
            "score": int(score) if self._chance(0.9) else round(score, 1),
            **more,
        }
        if of_a_partner:
            fields["pipeline"] = market.PARTNERS_PIPELINE
        absent = self._random()
        if absent < 0.16:  # two of a hundred deals lack it, each of the eight
            del fields[_TEXTS[int(absent * 50)]]
        elif absent < 0.17:
            fields["owner"] = None
        first_touch = None
        known = self._random()
        if known < 0.72:
            name, before = self._before("first_touch_at", 60)
            first_touch = name, before if known < 0.71 else -before  # the clocks disagree
        self._stage(stage, first_touch, **fields)

    def _qualify(self) -> bool:
        while self._chance(0.57):
            self._wait(8)
            self._activity("call", no_show=0.2)
        if self._chance(0.05):
            self._wait(2)
            self._update(owner=self._draw(market.OWNERS))
        if not self._chance(0.58 * self._warmth**0.5 * (0.5 + self._fit)):
            return False
        if not self._chance(0.04):  # else qualified in the same instant
            self._wait(14)
        if self._chance(0.4):
            self._stage("qualified", score=int(50 + 30 * self._fit + 19 * self._random()))
        else:
            self._stage("qualified")
        trouble = self._random()
        if trouble < 0.02:
            self._wait(1)
            self._stage("qualified")
        elif trouble < 0.03:
            self._wait(30)
            self._stage("lead")
            self._wait(20)
            self._stage("qualified")
        elif trouble < 0.04 and self._partners:
            self._wait(3)
            self._update(pipeline=self._draw((market.PARTNERS_PIPELINE, "default")))
        return True

    def _find_potential(self) -> bool:
        while self._chance(0.61):
            self._wait(26)
            self._activity("meeting" if self._chance(0.7) else "audit", no_show=0.12)
        if not self._chance(0.68 * self._warmth**0.4):
            return False
        if not self._chance(0.05):  # else told at once, in the meeting
            self._wait(20)
        problems = [self._draw(market.PROBLEMS), self._draw(market.PROBLEMS)]
        if self._chance(0.8):  # else a problem may be named twice
            problems = list(dict.fromkeys(problems))
        if self._chance(0.95):
            outcome = self._draw(market.DESIRED_OUTCOMES)
            self._stage("potential", problems=problems, desired_outcomes=[outcome])
        else:
            self._stage("potential", problems=problems)
        if self._chance(0.06):
            self._wait(10)
            self._update(channel=self._draw(market.CHANNELS).name)
        trouble = self._random()
        if trouble < 0.04:
            self._wait(20)
            self._stage("qualified")
            self._wait(48)
            self._stage("potential")
        elif trouble < 0.06:
            self._wait(15)
            self._update(problems=[] if trouble < 0.045 else [self._draw(market.PROBLEMS)])
        elif trouble < 0.08:
            self._wait(15)
            self._update(desired_outcomes=list(market.DESIRED_OUTCOMES[:2]), owner=None)
        return True

    def _list_value(self) -> float:
        factor = market.SEGMENT_PRICE_FACTOR[self._segment] * self._currency.rate
        return float(int(self._product.price * factor * (0.85 + 0.3 * self._random())))

    def _send_offers(self) -> None:
        requested = None
        known = self._random()
        if known < 0.7:
            name, before = self._before("offer_requested_at", 22)
            # A few are asked for in writing only after they were sent.
            requested = name, before if known < 0.69 else -before
        self._value = self._list_value()
        self._offer(requested)
        self._send_more_offers()

    def _send_more_offers(self) -> None:
        while self._chance(0.22):
            self._wait(44)
            if self._chance(0.85):
                self._value *= 0.88 + 0.1 * self._random()
            else:
                self._value *= 1.05 + 0.3 * self._random()
            if self._chance(0.05):
                self._change_currency()
            self._offer()

    def _offer(self, requested: tuple[str, int] | None = None) -> None:
        """One offer: its amount stands in it, was written before or right then, or is missing."""
        written = self._random()
        if written > 0.995:
            self._stage("offer", requested, amount=0, currency=self._currency.code)  # a free trial
            return
        if written > 0.1:
            self._stage("offer", requested, **self._money(self._value))
            return
        if written > 0.04:
            self._update(**self._money(self._value))
            if written > 0.06:
                self._wait(0.4)
        self._stage("offer", requested)

    def _change_currency(self) -> None:
        before, self._currency = self._currency, self._draw(market.CURRENCIES)
        self._value *= self._currency.rate / before.rate

    def _hold_rounds(self) -> None:
        while self._chance(0.66):
            self._wait(24)
            self._activity("negotiation_round", no_show=0.06)

    def _negotiate(self) -> None:
        if self._chance(0.15):
            self._wait(20)
            self._activity("call" if self._chance(0.6) else "meeting", no_show=0.15)
            self._wait(20)
        else:
            self._wait(40)
        self._stage("negotiation")
        self._hold_rounds()
        if self._chance(0.05):
            self._wait(30)
            self._stage("offer", **self._money(self._value * 0.95))
            self._wait(30)
            self._stage("negotiation")

    def _close(self, attempt: int) -> None:
        if self._chance(0.85):
            self._negotiate()
        self._decide(attempt)

    def _decide(self, attempt: int) -> None:
        if self._chance(0.47 * self._warmth**0.4):
            self._win(attempt)
        else:
            self._lose(market.LATE_REASONS, hours=70, attempt=attempt)

    def _win(self, attempt: int) -> None:
        self._wait(36)
        final = 0.86 + 0.14 * self._random()
        if self._chance(0.06):
            final += 0.25 * self._random()  # they took more than they were offered
        self._value *= final
        fields: Fields = {"currency": self._currency.code}
        if self._chance(0.96):
            fields = self._money(self._value)
        if self._chance(0.65):
            fields["cost"] = self._cost()
        if self._chance(0.94):
            fields["closing_document"] = self._draw(market.CLOSING_DOCUMENTS)
        self._stage("won", **fields)
        self._after_won(attempt)

    def _cost(self) -> int:
        """What the deal costs, in its currency: a few bring a loss."""
        return round(self._value * (0.35 + 0.35 * self._random() if self._chance(0.97) else 1.1))

    def _after_won(self, attempt: int) -> None:
        if self._chance(0.1):
            self._wait(40)
            if self._chance(0.2):
                self._change_currency()
            self._update(cost=self._cost(), currency=self._currency.code)
        chance = self._random()
        if chance < 0.05:
            self._wait(60)
            self._update(**self._money(self._value * 0.95))
        elif chance < 0.08:
            self._wait(30)
            self._stage("won")  # told twice
        elif chance < 0.11:
            self._wait(100)
            self._activity("call", no_show=0.1)
        else:
            self._correct(chance)
        if attempt == 1 and self._chance(0.04):
            self._wait(90)
            if self._chance(0.5):
                self._stage("lost", lost_reason="cancelled")
            else:
                self._stage("negotiation")
                self._close(attempt=2)

    def _correct(self, chance: float) -> None:
        """One closed deal in twenty is looked at again, and something was wrong."""
        if chance > 0.16:
            return
        self._wait(80)
        if chance < 0.13:
            self._update(owner=self._draw(market.OWNERS))
        elif chance < 0.14:
            self._update(channel=self._draw(market.CHANNELS).name)
        elif chance < 0.15:
            self._update(product=self._draw(market.PRODUCTS).name)
        else:
            self._update(
                segment=self._draw(market.SEGMENTS), industry=self._draw(market.INDUSTRIES)
            )

    def _lose(self, reasons: tuple[str, ...], *, hours: float, attempt: int = 1) -> None:
        """End without a contract: most are marked as lost, some are forgotten, a few come back."""
        if self._chance(0.12):
            return
        self._wait(hours)
        chance = self._random()
        if chance < 0.04:
            self._stage("lost")
        else:
            self._stage("lost", lost_reason=self._draw(reasons))
            if chance < 0.07:
                self._wait(20)
                self._update(lost_reason=self._draw(reasons))
            elif chance < 0.08:
                self._wait(5)
                self._stage("lost")
            else:
                self._correct(chance)
        if attempt == 1 and self._chance(0.05):
            self._wait(200)
            if self._chance(0.5) or not self._value:
                self._stage("qualified")
                if not self._chance(0.6):
                    return
                self._wait(52)
                self._send_offers()
            else:
                self._stage("negotiation")
            self._close(attempt=2)
