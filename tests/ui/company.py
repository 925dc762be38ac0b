"""The company that the pages show: a simulated history, the same every time, and deals whose names
somebody chose to do harm."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from funnel_stream.tools.simulator import Simulator
from tests.integration.stories import END

DEALS_PER_DAY: Final = 60
DAYS: Final = 60

SCRIPT: Final = "<script>alert(1)</script>"
RIGHT_TO_LEFT: Final = "\u202e تصميم שלום abc"
LONG: Final = "w" * 500
NAMES: Final = (
    SCRIPT,
    '"><img src=x onerror=alert(1)> \'"`{{ 7 * 7 }}${7}</title></data>',
    "javascript:alert(1)",
    RIGHT_TO_LEFT,
    "مبيعات",
    "🦄👩‍👩‍👧‍👦 e\u0301",
    "a/b//c/../d?e=f&g=h#i;j+k %2F %zz %",
    "two\nlines\tand a tab",
    "__other__",
    "__none__",
    "..\\..\\ back",
    LONG,
)
"""Texts as attributes, each of a deal of its own; the ids are the same, as far as ids go."""

MALICE: Final = SCRIPT
"""The pipeline of those deals. Two more have names that are as bad."""
PIPELINES: Final = (MALICE, RIGHT_TO_LEFT, LONG)

FUNNEL: Final[dict[str, Any]] = {
    "pipelines": {"default": {"title": "Direct & <b>bold</b> sales"}, "partner": {}},
    "dimensions": ["channel", "owner", "product", "source", "industry", "channel+product"],
    "top_n_of": {"owner": 5, "product": 3, "channel+product": 8},
    "stuck_after": {"lead": "3d", "offer": "7d"},
    "targets": [
        {"kpi": "leads", "value": 2000, "window": "30d"},
        {"kpi": "win_ratio", "value": 0.25, "window": "30d"},
        {
            "kpi": "time_to_close_seconds",
            "value": 900_000,
            "at": "most",
            "window": "30d",
            "labels": {"outcome": "won"},
        },
    ],
    "export": {"dimensions": ["channel", "owner", "product", "source", "industry"]},
}
"""``funnel.yaml``: every dimension has all others (``__other__``) or room for every bad name, and
``/metrics`` has some 10,000 series."""


def history() -> list[bytes]:
    """All events up to the end of the history."""
    start = END - timedelta(days=DAYS)
    simulator = Simulator(start=start, deals_per_day=DEALS_PER_DAY, seed=7)
    return [*simulator.history(END), *map(_line, malicious())]


def deal_ids() -> list[str]:
    """The ids of the deals with bad names."""
    return [_deal_id(name) for name in NAMES]


def malicious() -> Iterator[dict[str, Any]]:
    """Deals that are in every way what a page must bear: won, lost for a bad reason, open."""
    for number, name in enumerate(NAMES):
        given = {"channel": name, "owner": name, "product": name, "source": name, "industry": name}
        deal, pipeline = _deal_id(name), PIPELINES[0]
        yield moved(deal, "lead", 30, pipeline=pipeline, **given)
        yield moved(deal, "offer", 20, amount=f"{1000 + number}.50", currency="EUR")
        outcome = ("won", "lost", "negotiation")[number % 3]
        reason = {"lost_reason": name} if outcome == "lost" else {}
        yield moved(deal, outcome, 10, problems=[name], closing_document=name, **reason)
    for number, pipeline in enumerate(PIPELINES[1:]):
        yield moved(f"only-{number}", "lead", 5, pipeline=pipeline, channel="web")
        yield moved(f"only-{number}", "lost", 4, lost_reason=pipeline)


def moved(deal: str, stage: str, hours_ago: float, **attributes: Any) -> dict[str, Any]:
    """A move of a deal, so long before the end of the history."""
    return {
        "event_id": f"{stage}-{hours_ago}",
        "type": "stage_changed",
        "deal_id": deal,
        "stage": stage,
        "occurred_at": (END - timedelta(hours=hours_ago)).isoformat(),
        **attributes,
    }


def _deal_id(name: str) -> str:
    """The name, cut where an id ends."""
    return name[:128]


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()
