"""Another definition of the funnel needs no migration, and two at a time are never mixed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Figures, Worker, differences, wait_until
from tests.integration.stories import RICH, computed, simulated, written

pytestmark = pytest.mark.broker

EVENTS = 4_000
PLAIN: dict[str, Any] = {
    "dimensions": ["channel", "owner"],
    "windows": ["1h", "24h", "30d"],
    "horizons": ["3d"],
}


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulated(EVENTS, deals_per_day=12)


Start = Callable[[Path], Worker]


@pytest.fixture
def start(broker: Broker, start_worker: Callable[..., Worker]) -> Start:
    """Start a worker under a definition."""

    def start(config: Path) -> Worker:
        return start_worker(
            broker,
            *("--clock", "event", "--config", str(config)),
            FUNNEL_SESSION_TIMEOUT="3",
        )

    return start


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return written(tmp_path, PLAIN, "plain.yaml")


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    return written(tmp_path, RICH, "rich.yaml")


def figures(folder: Path, lines: list[bytes], config: Path) -> Figures:
    file = folder / "events.ndjson"
    file.write_bytes(b"\n".join(lines))
    return computed(file, "--config", str(config))


def test_another_definition_needs_no_migration(
    broker: Broker, start: Start, lines: list[bytes], plain: Path, rich: Path, tmp_path: Path
) -> None:
    """Other dimensions, windows, horizons, limits and currencies: for the past, too, and back."""
    half, rest = lines[: EVENTS // 2], lines[EVENTS // 2 :]
    worker = start(plain)
    publish(half, broker.address)
    worker.wait_figures(figures(tmp_path, half, plain))
    worker.sigterm()
    assert worker.wait() == 0, worker.tail()

    worker = start(rich)
    worker.wait_figures(figures(tmp_path, half, rich))
    publish(rest, broker.address)
    worker.wait_figures(figures(tmp_path, lines, rich))
    worker.kill9()

    worker = start(plain)
    worker.wait_figures(figures(tmp_path, lines, plain))


@pytest.mark.parametrize("survivor", ["first", "second"])
def test_workers_of_different_definitions_show_nothing(
    broker: Broker,
    start: Start,
    lines: list[bytes],
    plain: Path,
    rich: Path,
    tmp_path: Path,
    survivor: str,
) -> None:
    """One of them has the panes, and the facts of the other one are not what it counts."""
    expected = {config: figures(tmp_path, lines, config) for config in (plain, rich)}
    first = start(plain)
    publish(lines, broker.address)
    first.wait_figures(expected[plain])
    second = start(rich)

    def refused() -> bool:
        for worker, config in ((first, plain), (second, rich)):
            shown = worker.kpis()
            assert shown in (None, expected[config]), differences(shown, expected[config])
        return refuses(first) or refuses(second)

    wait_until(refused, "either to say why it shows nothing")
    assert not first.reports()
    assert not second.reports()
    stays, goes, config = (first, second, plain) if survivor == "first" else (second, first, rich)
    goes.sigterm()
    assert goes.wait() == 0, goes.tail()
    stays.wait_figures(expected[config])


def refuses(worker: Worker) -> bool:
    status, body = worker.get("/readyz")
    return status == 503 and "definition" in json.loads(body)["reason"]
