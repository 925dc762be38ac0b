"""Processes for tests, all ended when the test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Broker, HasAddress, Process, Worker
from tests.integration.stories import Story, simulated

REPLAY_SESSION_SECONDS = 3


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in reversed(processes):
        process.kill9()


@pytest.fixture
def start_broker(tmp_path: Path, started: list[Process]) -> Callable[..., Broker]:
    """Start a broker with so many partitions."""

    def start(partitions: int = 4) -> Broker:
        broker = Broker(tmp_path, partitions)
        started.append(broker)
        return broker

    return start


@pytest.fixture
def start_worker(tmp_path: Path, started: list[Process]) -> Callable[..., Worker]:
    """Start a worker against a broker; it is not waited for."""

    def start(broker: HasAddress, *options: str, **environment: Any) -> Worker:
        worker = Worker(tmp_path, broker.address, *options, **environment)
        started.append(worker)
        return worker

    return start


@pytest.fixture
def start_replay(start_worker: Callable[..., Worker]) -> Callable[[HasAddress], Worker]:
    """Start a worker whose clock is the newest event, and whose death is noticed soon."""

    def start(broker: HasAddress) -> Worker:
        return start_worker(
            broker, "--clock", "event", FUNNEL_SESSION_TIMEOUT=str(REPLAY_SESSION_SECONDS)
        )

    return start


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker()


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """30,000 events."""
    lines = simulated(30_000, deals_per_day=90)
    return Story(tmp_path_factory.mktemp("short"), lines)
