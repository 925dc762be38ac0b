"""Stories for workers: files of events, and the figures that they must lead to."""

import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from funnel_stream.tools.publisher import publish
from funnel_stream.tools.simulator import Simulator
from tests.integration.processes import Figures, as_figures, run

END = datetime(2026, 5, 28, tzinfo=UTC)
_AT_ONCE = 20

RICH: Final[dict[str, Any]] = {
    "pipelines": {
        "default": {},
        "partner": {"horizons": ["2d"], "stuck_after": {"qualified": "3d"}},
        "partners": {"horizons": ["1d", "14d"], "stuck_after": {}},
    },
    "dimensions": ["channel", "owner", "channel × product"],
    "windows": ["1h", "24h", "7d", "60d"],
    "horizons": ["1d", "7d"],
    "stuck_after": {"lead": "1d", "offer": "7d", "negotiation": "36h"},
    "activity_horizon": "10d",
    "top_n": 5,
    "top_n_of": {"owner": 3, "reason": 2, "problem": 2},
    "base_currency": "EUR",
    "rates": {
        "USD": {"2025-01-01": "0.9", "2026-04-20": "0.93", "2026-05-10": "0.876543"},
        "PLN": {"2026-04-15": "0.23"},
        "JPY": {"2026-05-01": "0.0061"},
    },
    "targets": [
        {"kpi": "win_ratio", "value": 0.3, "window": "60d"},
        {"kpi": "open_deals", "value": 10, "at": "most", "labels": {"stage": "offer"}},
        {
            "kpi": "leads",
            "value": 20,
            "window": "60d",
            "labels": {"dimension": "channel", "value": "paid_search"},
        },
    ],
}
"""A configuration with something of everything."""


def written(folder: Path, config: dict[str, Any], name: str = "funnel.yaml") -> Path:
    """The configuration as a file; JSON is YAML."""
    file = folder / name
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def simulated(events: int, *, deals_per_day: int, seed: int = 7) -> list[bytes]:
    """So many events of the simulator, up to the end of May: late ones, duplicates, reopenings;
    every hundredth deal of the first half is erased in the middle, and late events of it follow."""
    start = END - timedelta(days=60)
    simulator = Simulator(start=start, deals_per_day=deals_per_day, seed=seed)
    lines = list(islice(simulator.history(END), events))
    assert len(lines) == events, "the history is too short"
    middle = events // 2
    deals = {json.loads(line).get("deal_id") for line in lines[:middle]} - {None}
    erased = sorted(deals)[::100]
    erasures = [b'{"type": "deal_erased", "deal_id": "%s"}' % deal.encode() for deal in erased]
    # In the place of others, so that the number of events stays.
    return [*lines[: middle - len(erasures)], *erasures, *lines[middle:]]


class Story:
    """Events in the order in which they are published, and all figures after the last one."""

    def __init__(self, folder: Path, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self.file = folder / "events.ndjson"
        self.file.write_bytes(b"".join(line + b"\n" for line in lines))
        self.figures = computed(self.file)

    def __len__(self) -> int:
        return len(self.lines)


def computed(file: Path, *options: str) -> Figures:
    """What the core says without Kafka, as of the last event."""
    result = run("compute", str(file), "--json", *options)
    assert result.returncode == 0, result.stderr
    return as_figures(json.loads(result.stdout))


@contextmanager
def publishing(lines: Sequence[bytes], broker: str, *, rate: float) -> Iterator[None]:
    """Events flow as long as the block lasts, however slow the machine is: at that rate to begin
    with, ever slower the fewer are left, and the last one never before the end of the block. Then
    all that is left follows at once."""
    hurry, failures = threading.Event(), []

    def paced() -> Iterator[bytes]:
        began, total = time.monotonic(), len(lines)
        for number, line in enumerate(lines):
            if number == total - 1:
                hurry.wait()
            elif number % _AT_ONCE == 0 and not hurry.is_set():
                due = began - math.log(1 - number / total) * total / rate
                hurry.wait(due - time.monotonic())
            yield line

    def work() -> None:
        try:
            publish(paced(), broker)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        hurry.set()
        thread.join(timeout=120)
    assert not thread.is_alive(), "publishing takes for ever"
    assert failures == []
