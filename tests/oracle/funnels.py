"""Files of events for the oracle: written by hand, or drawn with everything that can go wrong."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

Line = dict[str, Any] | str

OPEN_STAGES = ("lead", "qualified", "potential", "offer", "negotiation")
STAGES = (*OPEN_STAGES, "won", "lost")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def event(deal: str, kind: str, at: str, **fields: Any) -> dict[str, Any]:
    """One event: ``kind`` is a stage, or ``updated``. The id says what and when."""
    body = (
        {"type": "deal_updated"} if kind == "updated" else {"type": "stage_changed", "stage": kind}
    )
    return {"event_id": f"{deal} {kind} {at}", "deal_id": deal, "occurred_at": at} | body | fields


def write(path: Path, lines: Iterable[Line]) -> Path:
    """One line per event; a text stands as it is."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


class RandomFunnel:
    """A reproducible file of events with skips, repeats, reopenings, moves back, corrections that
    move a deal between values and pipelines, simultaneous events, moments that fall exactly on the
    edges of panes, windows and horizons, late and duplicate lines, erasures and lines that are no
    events, in the ``days`` days before ``end``."""

    def __init__(self, seed: int, *, deals: int, end: datetime, days: float) -> None:
        self.random = random.Random(seed)
        self.deals = deals
        self.end = end
        self.span = timedelta(days=days)
        self.serial = 0

    def lines(self) -> list[Line]:
        journeys = [self.journey(f"deal-{i}-ł") for i in range(self.deals)]
        in_time: list[dict[str, Any]] = sorted(
            (line for journey in journeys for line in journey),
            key=lambda line: datetime.fromisoformat(line["occurred_at"]) + self.delay(),
        )
        lines: list[Line] = []
        for line in in_time:
            lines.append(line)
            if self.random.random() < 0.05:
                lines.append(self.random.choice(in_time))
            if self.random.random() < 0.03:
                lines.append(
                    dict(line, stage="won", type="stage_changed", amount=1, currency="EUR")
                )
            if self.random.random() < 0.03:
                lines.append(self.nonsense(line))
        for journey in self.random.sample(journeys, self.deals // 30):
            lines += self.erasure(journey)
        return lines

    def delay(self) -> timedelta:
        return DAY * self.random.expovariate(1) if self.random.random() < 0.2 else timedelta(0)

    def journey(self, deal: str) -> list[dict[str, Any]]:
        at = self.end - self.span * self.random.random()
        if self.random.random() < 0.3:
            at = at.replace(minute=0, second=0, microsecond=0)
        rank = self.random.choice((0, 0, 0, 0, 1, 3, 6))
        lines = [self.stage(deal, STAGES[rank], at)]
        for _ in range(self.random.randrange(9)):
            at += self.pause()
            if at > self.end:
                break
            rank = self.next_rank(rank)
            lines.append(self.stage(deal, STAGES[rank], at))
            if self.random.random() < 0.3:
                lines.append(self.update(deal, at + self.random.choice((timedelta(0), HOUR))))
        if self.random.random() < 0.1:
            lines.append(self.other(deal, at))
        return [line for line in lines if datetime.fromisoformat(line["occurred_at"]) <= self.end]

    def pause(self) -> timedelta:
        return self.random.choice(
            (
                timedelta(0),
                timedelta(microseconds=1),
                MINUTE,
                HOUR,
                DAY,
                7 * DAY,
                30 * DAY,
                DAY * self.random.expovariate(0.2),
                DAY * self.random.expovariate(0.2),
                HOUR * self.random.expovariate(0.2),
            )
        )

    def next_rank(self, rank: int) -> int:
        chance = self.random.random()
        if chance < 0.55 and rank < 5:
            return rank + 1
        if chance < 0.65 and rank < 5:
            return self.random.randrange(rank + 1, 6)
        if chance < 0.75:
            return 6
        return self.random.randrange(7) if chance < 0.9 else rank

    def stage(self, deal: str, stage: str, at: datetime) -> dict[str, Any]:
        body = {"type": "stage_changed", "stage": stage} | self.attributes(0.4)
        return self.common(deal, at) | body

    def update(self, deal: str, at: datetime) -> dict[str, Any]:
        return self.common(deal, at) | {"type": "deal_updated"} | self.attributes(0.3)

    def other(self, deal: str, at: datetime) -> dict[str, Any]:
        activity = {"type": "activity_recorded", "activity": "call", "channel": "no attribute here"}
        spend = {"type": "spend_recorded", "channel": "paid", "amount": 10, "currency": "EUR"}
        return self.common(deal, at) | self.random.choice((activity, spend))

    def common(self, deal: str, at: datetime) -> dict[str, Any]:
        self.serial += 1
        offset = self.random.choice(
            (UTC, UTC, timezone(HOUR * 5 + MINUTE * 30), timezone(-9 * HOUR))
        )
        written = at.astimezone(offset).isoformat()
        if self.random.random() < 0.5:
            written = written.replace("+00:00", "Z")
        return {
            "event_id": f"{self.random.randrange(1000):03}-{self.serial}",
            "deal_id": deal,
            "occurred_at": written,
        } | ({"pipeline": "partners"} if self.random.random() < 0.05 else {})

    def attributes(self, chance: float) -> dict[str, Any]:
        choose = {
            "channel": (
                "web",
                "paid_search",
                "fair",
                "Über uns",
                "x" * 119 + "ab",
                "x" * 119 + "ac",
            ),
            "source": ("friend", "press"),
            "contact_trigger": ("newsletter", None),
            "product": ("gtx", 'quo"te\\n', "emoji ☂"),
            "industry": ("retail", "medical"),
            "segment": ("smb",),
            "owner": tuple(f"owner {i:02}" for i in range(30)),
            "closing_document": ("contract", "pro forma invoice"),
            "pipeline": ("default", "default", "default", "partners"),
        }
        given: dict[str, Any] = {
            name: self.random.choice(values)
            for name, values in choose.items()
            if self.random.random() < (chance if name != "pipeline" else chance / 10)
        }
        if self.random.random() < chance:
            given |= self.random.choice(
                (
                    {"amount": self.random.randrange(100000) / 100, "currency": "EUR"},
                    {"amount": f"{self.random.randrange(10**9)}.05", "currency": "USD"},
                    {"amount": self.random.randrange(10**6), "currency": "JPY"},
                    {"amount": "1.234", "currency": "KWD"},
                    {"amount": None, "currency": "EUR"},
                    {"amount": 0, "currency": "PLN"},
                )
            )
        return given

    def nonsense(self, line: dict[str, Any]) -> Line:
        """Something that is no event; its id is new, so that it would count if it were one."""
        self.serial += 1
        fresh = dict(line, event_id=f"nonsense-{self.serial}", type="stage_changed", stage="won")
        broken: dict[str, Any] = self.random.choice(
            (
                {"occurred_at": line["occurred_at"].removesuffix("Z")[:19]},
                {"occurred_at": "2024-02-30T10:00:00Z"},
                {"occurred_at": "2999-01-01T00:00:00Z"},
                {"occurred_at": 1700000000},
                {"stage": "nurturing"},
                {"stage": None},
                {"type": "stage_change"},
                {"event_id": None},
                {"event_id": "e" * 129},
                {"deal_id": 7},
                {"channel": 5},
                {"amount": 10},
                {"amount": -1, "currency": "EUR"},
                {"amount": "1.001", "currency": "EUR"},
                {"amount": "1.5", "currency": "JPY"},
                {"amount": "ten", "currency": "EUR"},
                {"note": "x" * 65536},
            )
        )
        if "amount" in broken:
            fresh.pop("currency", None)
        texts = ("", "not json", "[1, 2]", '{"type": "stage_changed"', "null", '"text"')
        return self.random.choice((fresh | broken, fresh | broken, self.random.choice(texts)))

    def erasure(self, journey: list[dict[str, Any]]) -> list[Line]:
        """The deal vanishes; its late lines change nothing."""
        late = self.random.sample(journey, min(2, len(journey)))
        return [{"type": "deal_erased", "deal_id": journey[0]["deal_id"]}, *late]
