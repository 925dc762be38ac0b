"""The Faust application: two agents, and what has to happen around a rebalance."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager

from funnel_stream.connection import Connection
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.consumer import (
    BatchConsumer,
    BatchConsumerThread,
    BatchSchema,
    BatchTransport,
)
from funnel_stream.streaming.kafka.options import AiokafkaOptions
from funnel_stream.streaming.kafka.roster import Roster
from funnel_stream.streaming.log import Batch, Process, TopicPartition
from funnel_stream.streaming.worker import Worker

log = logging.getLogger(__name__)

_QUEUED_BATCHES: Final = 4


class _Boot(BootStrategy):
    """Our own writer produces, our own server serves."""

    enable_kafka_producer = False
    enable_web = False


class _NoTables(TableManager):
    """State lives behind the agents (docs/decisions/0002); nothing is worth waiting for here."""

    mundane_level = "debug"

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class FunnelApp(faust.App):
    """A Faust app with the batch transport, and without Faust's tables, web and directories."""

    BootStrategy = _Boot
    mundane_level = "debug"

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        options: AiokafkaOptions,
        reporter: Reporter,
    ) -> None:
        super().__init__(
            settings.group,
            # Faust's own; what connects are our clients, by the options.
            broker=f"kafka://{connection.bootstrap_servers.replace(',', ';')}",
            TableManager=_NoTables,
            broker_session_timeout=settings.session_timeout,
            stream_wait_empty=False,
            stream_buffer_maxsize=_QUEUED_BATCHES,
            stream_recovery_delay=0.0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        self.reporter = reporter
        self.client_options = {
            **options,
            "client_rack": connection.client_rack,
            "group_instance_id": connection.group_instance_id,
        }
        self.roster = Roster(settings)
        self.worker: Worker

    @property
    def thread(self) -> BatchConsumerThread:
        """The thread that fetches and commits."""
        return cast(BatchConsumer, self.consumer).thread

    async def out_of_range(self, tp: TopicPartition, offset: int) -> None:
        await self.worker.out_of_range(tp, offset)

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def FlowControlQueue(  # noqa: N802
        self, maxsize: int | None = None, *, clear_on_resume: bool = False
    ) -> Any:
        """Queues that keep what is in them: whoever takes a batch knows whether it is stale.

        Faust empties them when it lets the flow go on. Where one rebalance overtook another, the
        flow goes on twice, and what had been fetched since the first time would be lost.
        """
        return super().FlowControlQueue(maxsize, clear_on_resume=False)

    def _create_directories(self) -> None:
        """There is nothing to keep in files."""


def build_app(
    settings: Settings,
    connection: Connection,
    options: AiokafkaOptions,
    reporter: Reporter,
    process: Process,
) -> FunnelApp:
    """The application with its agents and hooks; ``worker`` must be set before it starts."""
    app = FunnelApp(settings, connection, options, reporter)

    def agent(name: str, topic: str, take: Callable[[Batch], Awaitable[None]]) -> None:
        async def run(stream: Any) -> None:
            try:
                async for batch in stream:
                    await take(batch)
            except Exception as error:
                # Faust would restart the agent and go on behind the batch that it lost.
                log.exception("agent %s failed", name)
                process.die(f"Agent {name} failed", error)

        channel = app.topic(topic, acks=False, schema=BatchSchema())
        app.agent(channel, name=name, concurrency=1)(run)

    agent("track", settings.events_topic, lambda batch: app.worker.track(batch))
    agent("aggregate", settings.panes_topic, lambda batch: app.worker.aggregate(batch))

    # Awaited while heartbeats run; on_partitions_assigned is not.
    @app.on_rebalance_complete.connect(weak=False)
    async def assigned(*_: Any, **__: Any) -> None:
        await app.worker.assigned()

    @app.on_partitions_revoked.connect(weak=False)
    async def revoked(*_: Any, **__: Any) -> None:
        await app.worker.revoked()

    @app.on_before_shutdown.connect(weak=False)
    async def closing(*_: Any, **__: Any) -> None:
        await app.worker.closing()

    return app
