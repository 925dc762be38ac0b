"""A worker's process from start to end; what it survives is told in tests/integration."""

import asyncio
import gc
import os
import signal

import pytest

from funnel_stream.connection import Connection
from funnel_stream.definition import Definition
from funnel_stream.errors import BrokerError, StateError
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka import process as module
from funnel_stream.streaming.kafka.process import run_worker
from funnel_stream.tools.embedded_broker import EmbeddedBroker, standard_topics
from tests.unit.streaming.worlds import until


@pytest.fixture(autouse=True)
def _garbage() -> object:
    """A worker sets up the collector for itself."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


async def test_it_works_until_it_is_told_to_stop() -> None:
    with EmbeddedBroker(standard_topics(1)) as broker:
        reporter = Reporter()
        settings = Settings(session_timeout=3.0)
        worker = asyncio.create_task(
            run_worker(settings, Connection(broker.address), Definition(), reporter)
        )
        await until(lambda: worker.done() or reporter.reporting())
        os.kill(os.getpid(), signal.SIGTERM)
        await worker
        assert reporter.ready() == (False, "stopping")


async def test_a_reason_to_halt_is_what_it_ends_with(monkeypatch: pytest.MonkeyPatch) -> None:
    halts = []
    original = module.Worker

    def noted(**parts: object) -> object:
        halts.append(parts["halt"])
        return original(**parts)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Worker", noted)
    with EmbeddedBroker(standard_topics(1)) as broker:
        reporter = Reporter()
        settings = Settings(session_timeout=3.0)
        worker = asyncio.create_task(
            run_worker(settings, Connection(broker.address), Definition(), reporter)
        )
        await until(lambda: worker.done() or reporter.reporting())
        [halt] = halts
        halt(StateError("the log is not ours"))  # type: ignore[operator]
        with pytest.raises(StateError, match="the log is not ours"):
            await worker


async def test_without_a_broker_it_does_not_begin() -> None:
    with pytest.raises(BrokerError):
        await run_worker(Settings(), Connection("127.0.0.1:9"), Definition(), Reporter())
