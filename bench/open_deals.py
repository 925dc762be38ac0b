"""Open deals as a large company has them: every attribute given, nearly all combined differently.

A thousand owners sell five hundred products; a deal is new on any of the last 120 days and has
come through one to five stages, an event each. Written for speed: a million deals take seconds.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Final

from funnel_stream.replay.compute import LineRecord

DAYS: Final = 120
OWNERS, PRODUCTS = 1000, 500
OPEN_STAGES: Final = ("lead", "qualified", "potential", "offer", "negotiation")
NOW_S: Final = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())
"""All deals began before it."""

_STAGES_REACHED: Final = (1, 1, 1, 2, 2, 3, 4, 5)
_PACE_S: Final = 200_000
_DAY_S: Final = 86_400
_CHANNELS: Final = ("organic_search", "paid_search", "social", "outbound_call", "referral", "email",
                    "partner", "trade_fair")  # fmt: skip
_SOURCES: Final = ("search engine", "recommendation", "LinkedIn", "conference talk", "podcast",
                   "trade press")  # fmt: skip
_TRIGGERS: Final = ("pricing page", "demo request", "case study", "webinar", "free audit")
_INDUSTRIES: Final = ("retail", "software", "manufacturing", "logistics", "health", "finance")
_SEGMENTS: Final = ("small", "mid-market", "enterprise")
_DOCUMENTS: Final = ("contract", "pro_forma_invoice")
_PROBLEMS: Final = ("manual reporting", "long sales cycle", "poor lead quality", "high churn")
_OUTCOMES: Final = ("faster closing", "more qualified leads", "one live dashboard")


class Writer:
    """Writes events of numbered deals as records."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random
        self._bits = Random(seed).getrandbits
        self._offset = 0

    def pick(self, values: tuple[str, ...]) -> str:
        return values[int(self.random() * len(values))]

    def a_deal(self, number: int) -> Iterator[LineRecord]:
        """All events of an open deal that began on one of the last 120 days."""
        at = NOW_S - int(self.random() * DAYS * _DAY_S)
        for stage in OPEN_STAGES[: _STAGES_REACHED[int(self.random() * len(_STAGES_REACHED))]]:
            yield self.stage(number, stage, at)
            at = min(NOW_S, at + 1 + int(self.random() * 2 * _PACE_S))

    def stage(self, number: int, stage: str, at: int) -> LineRecord:
        """The deal enters a stage, and what becomes known then."""
        return self.record(
            number, "stage_changed", at, f'"stage":"{stage}"{self._known(stage, at)}'
        )

    def record(self, number: int, kind: str, at: int, fields: str) -> LineRecord:
        """An event; ``at`` in seconds."""
        self._offset += 1
        h = f"{self._bits(128):032x}"
        name = f"D-{number:07d}"
        value = (
            f'{{"event_id":"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}","type":"{kind}",'
            f'"deal_id":"{name}","occurred_at":"{_iso(at)}",{fields}}}'
        )
        return LineRecord(self._offset, (NOW_S + 7 * _DAY_S) * 1000, name.encode(), value.encode())

    def _known(self, stage: str, at: int) -> str:
        pick, random = self.pick, self.random
        if stage == "lead":
            return (
                f',"channel":"{pick(_CHANNELS)}","source":"{pick(_SOURCES)}"'
                f',"contact_trigger":"{pick(_TRIGGERS)}"'
                f',"product":"product {int(random() * PRODUCTS)}"'
                f',"industry":"{pick(_INDUSTRIES)}","segment":"{pick(_SEGMENTS)}"'
                f',"owner":"owner {int(random() * OWNERS)}"'
                f',"closing_document":"{pick(_DOCUMENTS)}","score":{int(random() * 100)}'
                f',"first_touch_at":"{_iso(at - int(random() * 10**6))}"'
                f',"amount":{1000 + int(random() * 10**5)},"currency":"EUR"'
            )
        if stage == "potential":
            return f',"problems":["{pick(_PROBLEMS)}"],"desired_outcomes":["{pick(_OUTCOMES)}"]'
        if stage == "offer":
            return (
                f',"amount":{1000 + int(random() * 10**5)}.5,"currency":"EUR"'
                f',"offer_requested_at":"{_iso(at - int(random() * 10**5))}"'
            )
        return ""


def live(writer: Writer, deals: int, events: int, at: int) -> list[LineRecord]:
    """What a second brings when there are so many open deals: new ones, moves, corrections,
    activities and closings, of deals anywhere in the state."""
    random = writer.random
    found = []
    for place in range(events):
        chance, number = random(), int(random() * deals)
        if chance < 0.3:
            found.append(writer.stage(10**7 + at * 10_000 + place, "lead", at))
        elif chance < 0.65:
            found.append(writer.stage(number, writer.pick(OPEN_STAGES[1:]), at))
        elif chance < 0.85:
            activity = writer.pick(("meeting", "call", "audit"))
            found.append(writer.record(number, "activity_recorded", at, f'"activity":"{activity}"'))
        elif chance < 0.9:
            owner = f'"owner":"owner {int(random() * OWNERS)}"'
            found.append(writer.record(number, "deal_updated", at, owner))
        elif chance < 0.95:
            found.append(writer.stage(number, "won", at))
        else:
            found.append(writer.stage(number, "lost", at))
    return found


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
