"""A worker's process from start to end: connect, take part in the group, stop in order."""

import asyncio
import gc
import logging
import signal
from typing import Final

from funnel_stream.connection import Connection
from funnel_stream.definition import Definition
from funnel_stream.errors import FunnelError
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.app import FunnelApp, build_app
from funnel_stream.streaming.kafka.log import KafkaLog
from funnel_stream.streaming.kafka.options import options_of
from funnel_stream.streaming.kafka.topics import prepare_topics
from funnel_stream.streaming.log import Process, World
from funnel_stream.streaming.system import OwnProcess, SystemClock
from funnel_stream.streaming.worker import Worker

log = logging.getLogger(__name__)

_GC_THRESHOLDS: Final = (50_000, 20, 20)
_STOP_SECONDS: Final = 10.0


async def run_worker(
    settings: Settings, connection: Connection, definition: Definition, reporter: Reporter
) -> None:
    """Work until SIGTERM or SIGINT. Raises the ``FunnelError`` that ended it otherwise."""
    # Batches make garbage by the ten thousand and no cycles; looking for them took 8 % of the time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    options = options_of(connection)
    partitions = await prepare_topics(settings, connection, options)
    process = OwnProcess()
    kafka_log = KafkaLog(options, process)
    await kafka_log.start()
    app = build_app(settings, connection, options, reporter, process)
    running = _WorkerProcess(app, process)
    app.worker = Worker(
        settings=settings,
        definition=definition,
        world=World(kafka_log, app.thread, SystemClock(), process),
        partitions=partitions,
        reporter=reporter,
        halt=running.halt,
    )
    try:
        await running.until_ended()
    finally:
        await kafka_log.stop()


class _WorkerProcess:
    """A Faust app and the routines of its worker, until a signal or a reason ends them."""

    def __init__(self, app: FunnelApp, process: Process) -> None:
        self._app = app
        self._process = process
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def until_ended(self) -> None:
        """Start, wait for the end, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        routines = [
            asyncio.ensure_future(routine)
            for routine in (*self._app.worker.routines(), self._run_app())
        ]
        try:
            await asyncio.wait([self._ended, *routines], return_when=asyncio.FIRST_COMPLETED)
            for routine in routines:
                if routine.done():
                    routine.result()
            await self._stop()
        finally:
            for routine in routines:
                routine.cancel()
        self._ended.result()

    async def _run_app(self) -> None:
        await self._app.start()
        await self._app.wait_until_stopped()
        if self._app.crash_reason and not self._ended.done():
            self._process.die("Faust has crashed", self._app.crash_reason)

    async def _stop(self) -> None:
        log.info("stopping")
        try:
            await asyncio.wait_for(self._app.stop(), _STOP_SECONDS)
        except TimeoutError:
            self._process.die("The worker could not stop in order")
        log.info("stopped")

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def halt(self, error: FunnelError) -> None:
        """End in order, for a reason that the user must see."""
        if not self._ended.done():
            self._ended.set_exception(error)
