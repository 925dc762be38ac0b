"""Files of events for the oracle: written by hand, or drawn with everything that can go wrong."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Line = Event | str

OPEN_STAGES = ("lead", "qualified", "potential", "offer", "negotiation")
STAGES = (*OPEN_STAGES, "won", "lost")
ACTIVITIES = ("meeting", "audit", "call", "negotiation_round")
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG = "x" * 119


def instant(text: str) -> str:
    """RFC 3339 of ``06-15 12:00`` or ``06-15``, which is in the year 2025 and UTC."""
    day, _, time = text.partition(" ")
    return text if "T" in text else f"2025-{day}T{time or '00:00'}:00Z"


def event(deal: str, kind: str, at: str, **fields: Any) -> Event:
    """One event: ``kind`` is a stage, an activity, or ``updated``. The id says what and when."""
    at = instant(at)
    if kind == "updated":
        body = {"type": "deal_updated"}
    elif kind in ACTIVITIES:
        body = {"type": "activity_recorded", "activity": kind}
    else:
        body = {"type": "stage_changed", "stage": kind}
    return {"event_id": f"{deal} {kind} {at}", "deal_id": deal, "occurred_at": at} | body | fields


def spend(channel: str, at: str, amount: Any, currency: str = "EUR", **fields: Any) -> Event:
    """Money spent on a channel; the id says when."""
    at = instant(at)
    body = {"type": "spend_recorded", "channel": channel, "amount": amount, "currency": currency}
    return {"event_id": f"spent {at}", "occurred_at": at} | body | fields


def life(deal: str, attributes: Mapping[str, Any] | None = None, **stages: str) -> list[Line]:
    """The stages of a deal and when it entered them; the attributes stand in the first event."""
    lines: list[Line] = [event(deal, stage, at) for stage, at in stages.items()]
    assert isinstance(lines[0], dict)
    lines[0] |= attributes or {}
    return lines


def write(path: Path, lines: Iterable[Line]) -> Path:
    """One line per event; a text stands as it is."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def occurred(line: Event) -> datetime:
    return datetime.fromisoformat(line["occurred_at"])


VALUES: dict[str, tuple[str | None, ...]] = {
    "channel": ("web", "paid_search", "fair", "Über uns", LONG + "ab", LONG + "ac", "", " ",
                "__other__", "__none__", *(f"partner {i}" for i in range(20)),
                "Web", "WEB ", "www", "Paid  Search", "paid\u00a0search", "SEM", "The\tfair",
                "über uns", "ÜBER  UNS", "STRASSE", "Straße", "\u2003", "N/A", "__NONE__",
                "Partner 3", LONG + "AB", LONG + " ab"),
    "source": ("friend", "press"),
    "contact_trigger": ("newsletter", None),
    "product": ("gtx", 'quo"te\\n', "emoji ☂", "mg", "GTX", " mg", "geforce gtx", "emoji\u3000☂"),
    "industry": ("retail", "medical"),
    "segment": ("smb", "enterprise", " smb"),
    "owner": (*(f"owner {i:02}" for i in range(30)), "Owner 01", " OWNER  02"),
    "closing_document": ("contract", "pro forma invoice", "signed  contract", "Contract"),
    "lost_reason": (None, "", LONG + "ab", LONG + "ac", "__other__", "__none__",
                    *(f"reason {i:02}" for i in range(25))),
}  # fmt: skip
PROBLEMS = (*(f"problem {i:02}" for i in range(26)), LONG + "ab", LONG + "ac", " ",
            "__other__", "__none__")  # fmt: skip
OUTCOMES = tuple(f"outcome {i:02}" for i in range(24))
MONEY: tuple[tuple[Any, str], ...] = (
    (None, "EUR"), (0, "PLN"), ("1.234", "KWD"), ("0.001", "KWD"), (3, "JPY"), (1, "JPY"),
    ("1e3", "JPY"), ("999999999999.99", "USD"), (0, "EUR"), ("12.50", "EUR"),
)  # fmt: skip

AMENDED: tuple[tuple[Any, Any], ...] = (
    ("1234.5678", "EUR"), (100.10000000000001, "EUR"), (0.125, "EUR"), ("0.135", "EUR"),
    (1500.5, "JPY"), ("1501.5", "JPY"), ("0.0005", "KWD"), ("12.5", "eur"), (7, "Jpy"),
    ("9.995", "usd"), ("-0.00", "EUR"),
    # Left out.
    ("1,234.00", "EUR"), ("ten", "EUR"), ("", "EUR"), (-1, "EUR"), (-0.001, "EUR"), (True, "EUR"),
    ([1], "EUR"), (10**13, "EUR"), ("1e400", "EUR"), (5, None), (5, " "), (5, "XAU"), (5, "EURO"),
    (5, 978),
)  # fmt: skip
"""What a deal is not lost over."""


class RandomFunnel:
    """A reproducible file of events in the ``days`` days before ``end``, with all that happens.

    Deals skip stages, enter in the middle, repeat stages, go back, are reopened, are offered twice,
    change their attributes, currencies and pipelines afterwards; activities and spends lie where
    they are hard to judge; events are simultaneous or fall exactly on the edges of panes, windows,
    horizons and limits; lines are late, repeated, contradictory, erased or no events at all.
    ``config``: the ``funnel.yaml`` whose aliases and lengths are used.
    """

    def __init__(
        self,
        seed: int,
        *,
        deals: int,
        end: datetime,
        days: float,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.deals = deals
        self.end = end
        self.span = timedelta(days=days)
        self.config = config or {}
        self.serial = 0
        self.lengths = [length(text) for text in lengths_in(self.config)]
        self.activity_horizon = length(self.config.get("activity_horizon", "30d"))

    def lines(self) -> list[Line]:
        journeys = [self.journey(f"deal-{i}-ł") for i in range(self.deals)]
        spends = [self.spend() for _ in range(self.deals // 2)]
        in_time: list[Event] = sorted(
            (line for journey in (*journeys, spends) for line in journey),
            key=lambda line: occurred(line) + self.delay(),
        )
        lines: list[Line] = []
        for i, line in enumerate(in_time):
            lines.append(line)
            if self.chance(0.05):
                lines.append(self.random.choice(in_time[max(0, i - 200) : i + 20]))
            if self.chance(0.05):
                lines.append(line | self.contradiction(line))
            if self.chance(0.03):
                lines.append(self.nonsense(line))
        for journey in self.random.sample(journeys, self.deals // 30):
            lines += self.erasure(journey)
        return lines

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def delay(self) -> timedelta:
        return DAY * self.random.expovariate(1) if self.chance(0.2) else timedelta(0)

    # ------------------------------------------------------------------------------- instants

    def instant(self) -> datetime:
        """Anywhere in the span, often on an edge."""
        at = self.end - self.span * self.random.random()
        kind = self.random.random()
        if kind < 0.2:
            return at.replace(minute=0, second=0, microsecond=0)
        if kind < 0.3:
            return at.replace(hour=0, minute=0, second=0, microsecond=0) + self.nudge()
        if kind < 0.45 and (edges := [e for e in self.edges() if e > self.end - self.span]):
            return self.random.choice(edges) + self.nudge()
        return at

    def edges(self) -> Iterator[datetime]:
        """What is a length before the end, or before the end of its pane."""
        for before in self.lengths:
            yield self.end - before
            yield self.end.replace(second=0, microsecond=0) - before + MINUTE
            yield self.end.replace(minute=0, second=0, microsecond=0) - before + HOUR
            midnight = self.end.replace(hour=0, minute=0, second=0, microsecond=0)
            yield midnight - before + DAY

    def nudge(self) -> timedelta:
        return self.random.choice((timedelta(0), timedelta(0), MICROSECOND, -MICROSECOND))

    def pause(self) -> timedelta:
        exact = self.random.choice((*self.lengths, timedelta(0), MICROSECOND, MINUTE, HOUR, DAY))
        if self.chance(0.4):
            return max(exact + self.nudge(), timedelta(0))
        if self.chance(0.25):
            return HOUR * self.random.expovariate(0.2)
        return DAY * self.random.expovariate(0.2)

    # --------------------------------------------------------------------------------- deals

    def journey(self, deal: str) -> list[Event]:
        at = self.instant()
        lines: list[Event] = []
        if self.chance(0.05):
            lines = [self.update(deal, at), self.activity(deal, at)]
        else:
            rank = self.random.choice((0, 0, 0, 0, 1, 3, 6))
            lines.append(self.stage(deal, STAGES[rank], at))
            for _ in range(self.random.randrange(9)):
                at += self.pause()
                if at > self.end:
                    break
                rank = self.next_rank(rank)
                lines.append(self.stage(deal, STAGES[rank], at))
                if self.chance(0.3):
                    lines.append(self.update(deal, at + self.random.choice((timedelta(0), HOUR))))
                if self.chance(0.4):
                    lines.append(self.activity(deal, at + self.around()))
        return [line for line in lines if occurred(line) <= self.end]

    def around(self) -> timedelta:
        """From a stage event to an activity: often just at it, or the horizon before it."""
        horizon = -self.activity_horizon
        return self.random.choice(
            (timedelta(0), timedelta(0), horizon, horizon - MICROSECOND, horizon + MICROSECOND,
             MICROSECOND, -MICROSECOND, -HOUR, -DAY, DAY)
        )  # fmt: skip

    def next_rank(self, rank: int) -> int:
        chance = self.random.random()
        if chance < 0.55 and rank < 5:
            return rank + 1
        if chance < 0.65 and rank < 5:
            return self.random.randrange(rank + 1, 6)
        if chance < 0.75:
            return 6
        return self.random.randrange(7) if chance < 0.9 else rank

    def stage(self, deal: str, stage: str, at: datetime) -> Event:
        line = (
            self.common(at) | {"deal_id": deal, "type": "stage_changed"} | self.attributes(0.4, at)
        )
        return line | {"stage": self.random.choice(self.names(stage, line.get("pipeline")))}

    def names(self, stage: str, pipeline: str | None) -> list[str]:
        """What the stage may be called in an event of that pipeline."""
        own = self.config.get("pipelines", {}).get(pipeline or "default") or {}
        aliases = self.config.get("aliases", {}) | own.get("aliases", {})
        return [stage, *(alias for alias, meant in aliases.items() if meant == stage)]

    def update(self, deal: str, at: datetime) -> Event:
        line = self.common(at) | {"deal_id": deal, "type": "deal_updated"}
        return line | self.attributes(0.3, at)

    def activity(self, deal: str, at: datetime) -> Event:
        said = self.random.choice(
            ({}, {}, {"outcome": "held"}, {"outcome": "no_show"}, {"outcome": ""})
        )
        body = {"type": "activity_recorded", "activity": self.random.choice(ACTIVITIES)}
        return self.common(at) | {"deal_id": deal, "channel": "no attribute here"} | body | said

    def common(self, at: datetime) -> Event:
        self.serial += 1
        line = {
            "event_id": f"{self.random.randrange(1000):03}-{self.serial}",
            "occurred_at": self.written(at),
        }
        return line | ({"pipeline": "partners"} if self.chance(0.06) else {})

    def written(self, at: datetime) -> str:
        offset = self.random.choice(
            (UTC, UTC, timezone(HOUR * 5 + MINUTE * 30), timezone(-9 * HOUR))
        )
        text = at.astimezone(offset).isoformat()
        return text.replace("+00:00", "Z") if self.chance(0.5) else text

    def attributes(self, chance: float, at: datetime) -> Event:
        given: Event = {
            name: self.random.choice(values[: self.random.choice((3, len(values)))])
            for name, values in VALUES.items()
            if self.chance(chance)
        }
        if self.chance(chance / 10):
            given["pipeline"] = self.random.choice(("default", "default", "partners", "", None))
        if self.chance(chance):
            given["amount"], given["currency"] = self.money()
            if self.chance(0.1):
                given["cost"] = self.random.choice(AMENDED)[0]
        if self.chance(chance / 2):
            given.setdefault("currency", self.random.choice(("EUR", "EUR", "USD", "JPY")))
            given["cost"] = self.random.choice((0, 1, 7, "25", 100000))
        if self.chance(chance / 2):
            given["score"] = self.random.choice((0, 1.5, -3, 77, 0.1234565, 1e-7, 12.3456785, " "))
        if self.chance(chance / 4):
            names = (*VALUES, "amount", "currency", "cost", "score", "problems", "pipeline", "x")
            given["cleared"] = self.random.sample(names, 3)
        if self.chance(chance / 2):
            given["problems"] = self.some(PROBLEMS)
        if self.chance(chance / 2):
            given["desired_outcomes"] = self.some(OUTCOMES)
        for name in ("first_touch_at", "offer_requested_at"):
            if self.chance(chance / 2):
                given[name] = self.written(at - self.pause() + self.random.choice((0, 0, 3)) * DAY)
                if self.chance(0.1):
                    given[name] = self.random.choice(("", " \t"))
        return given

    def some(self, texts: tuple[str, ...]) -> list[str] | None:
        """A few, some of them more often, sometimes one twice; ``[]`` clears."""
        often = [self.random.choice(texts[: self.random.choice((3, len(texts)))]) for _ in range(3)]
        return self.random.choice(([], None, often, often, often[:1], often + often[:1]))

    def money(self) -> tuple[Any, Any]:
        if self.chance(0.3):
            return self.random.choice(MONEY)
        if self.chance(0.2):
            return self.random.choice(AMENDED)
        return self.random.choice(
            (
                (self.random.randrange(100000) / 100, "EUR"),
                (self.random.randrange(1000), "EUR"),
                (f"{self.random.randrange(10**9)}.05", "USD"),
                (self.random.randrange(10**6), "JPY"),
            )
        )

    # -------------------------------------------------------------------------- everything else

    def spend(self) -> Event:
        """Odd amounts; without a period, or with one that begins or ends anywhere."""
        at = self.instant()
        channels = (
            "web", "paid_search", "fair", "nobody came", LONG + "ad", "partner 3",
            "Web", " www", "paid\u00a0search", "The fair", "PARTNER  3", "\u2003",
        )  # fmt: skip
        amount, currency = self.random.choice(
            ((10, "EUR"), ("333.33", "EUR"), (0.01, "EUR"), (0, "EUR"), ("1000.01", "USD"),
             (99999, "JPY"), ("7.001", "KWD"), ("12345678901.23", "PLN"),
             ("5.005", "EUR"), (2.5, "jpy"), ("-0.0", "EUR"))
        )  # fmt: skip
        line = self.common(at) | {"type": "spend_recorded", "channel": self.random.choice(channels)}
        line |= {"amount": amount, "currency": currency}
        if self.chance(0.7):
            start = self.instant() + self.random.choice((0, 0, 0, 1, 400)) * HOUR
            lasts = self.pause() + MICROSECOND
            ends = start + self.random.choice((lasts, HOUR, DAY, 10 * DAY, 400 * DAY))
            line |= {"period_start": self.written(start), "period_end": self.written(ends)}
        elif self.chance(0.3):
            line |= {"period_start": "", "period_end": None}
        return line

    def contradiction(self, line: Event) -> Event:
        """What a second event with the same id says instead."""
        if line["type"] == "spend_recorded":
            return {"amount": 1_000_000}
        return {"stage": "won", "type": "stage_changed", "amount": 1, "currency": "EUR"}

    def nonsense(self, line: Event) -> Line:
        """Something that is no event; its id is new, so that it would count if it were one."""
        self.serial += 1
        fresh = dict(line, event_id=f"nonsense-{self.serial}")
        spending = line["type"] == "spend_recorded"
        if not spending:
            fresh |= {"type": "stage_changed", "stage": "won"}
        broken: Event = self.random.choice(
            (BROKEN_SPENDS if spending else BROKEN_STAGES)
            + ({"occurred_at": line["occurred_at"].removesuffix("Z")[:19]}, *BROKEN)
        )
        if "amount" in broken:
            fresh.pop("currency", None)
        texts = ("", "not json", "[1, 2]", '{"type": "stage_changed"', "null", '"text"')
        return self.random.choice((fresh | broken, fresh | broken, self.random.choice(texts)))

    def erasure(self, journey: list[Event]) -> list[Line]:
        """The deal vanishes; its late lines change nothing."""
        late = self.random.sample(journey, min(2, len(journey)))
        deal = journey[0]["deal_id"] if journey else "nobody"
        return [{"type": "deal_erased", "deal_id": deal}, *late]


BROKEN: tuple[Event, ...] = (
    {"occurred_at": "2024-02-30T10:00:00Z"},
    {"occurred_at": "2999-01-01T00:00:00Z"},
    {"occurred_at": 1700000000},
    {"type": "stage_change"},
    {"event_id": None},
    {"event_id": "e" * 129},
    {"note": "x" * 65536},
)
BROKEN_STAGES: tuple[Event, ...] = (
    {"stage": "nurturing"},
    {"stage": None},
    {"deal_id": 7},
    {"channel": 5},
    {"score": "high"},
    {"score": 1e10},
    {"problems": "slow"},
    {"problems": ["slow", 1]},
    {"desired_outcomes": [None]},
    {"cleared": "owner"},
    {"cleared": [None]},
    {"first_touch_at": "yesterday"},
    {"offer_requested_at": "2025-01-01T00:00:00"},
)
BROKEN_SPENDS: tuple[Event, ...] = (
    {"channel": None},
    {"channel": " "},
    {"amount": 10},
    {"amount": -1, "currency": "EUR"},
    {"amount": "-0.001", "currency": "EUR"},
    {"amount": "ten", "currency": "EUR"},
    {"amount": 10, "currency": "XAU"},
    {"amount": None, "currency": "EUR"},
    {"period_start": None, "period_end": "2025-01-01T00:00:00Z"},
    {"period_start": "2025-01-01T00:00:00Z", "period_end": "2025-01-01T00:00:00Z"},
    {"period_start": "2015-01-01T00:00:00Z", "period_end": "2025-02-01T00:00:00Z"},
)


def length(text: str) -> timedelta:
    """``36h`` and the like."""
    return int(text[:-1]) * {"m": MINUTE, "h": HOUR, "d": DAY}[text[-1]]


def lengths_in(config: Mapping[str, Any]) -> list[str]:
    """All windows, horizons and limits that are configured, in an order that does not vary."""
    parts: list[Mapping[str, Any]] = [config, *(config.get("pipelines") or {}).values()]
    found = set(config.get("windows", ("1h", "24h", "7d", "30d", "365d")))
    found |= set(config.get("horizons", ("1d", "7d", "30d")))
    for part in parts:
        found |= set(part.get("horizons") or ()) | set((part.get("stuck_after") or {}).values())
    return sorted(found)
