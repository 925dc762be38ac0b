"""The batch consumer: Faust hands an agent whole fetched partition batches, one event each.

Faust's own path makes two asyncio tasks per record (6,000 records/s with an empty agent); this one
costs them per batch. What an agent gets are ``Batch`` objects. A partition is fetched only between
``open`` and the next rebalance, and every seek makes batches that are still under way stale.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

import aiokafka
import faust
from aiokafka.errors import (
    AuthenticationFailedError,
    CommitFailedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage
from mode import Service, ServiceT

from funnel_stream.reporting import Peers, Reporter, monotonic
from funnel_stream.streaming.log import Batch, Bounds, TopicPartition

log = logging.getLogger(__name__)

MAX_RECORDS: Final = 10_000
"""Most records of one batch."""

_REFUSALS: Final = (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
_MAX_PARTITION_BYTES: Final = 4 << 20
_FETCH_WAIT_MS: Final = 100
"""Kafka answers a waiting fetch as soon as something comes; the embedded broker when its time is
over, which would hold up figures by half a second."""
_IDLE_SECONDS: Final = 0.2
_LEADER_SECONDS: Final = 0.1
_HOUR_MS: Final = 3_600_000

T = TypeVar("T")


class BatchSchema(faust.Schema[Any, Any]):
    """Lets a ``Batch`` pass through Faust's decoding untouched."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        create_event = app.create_event

        async def decode(message: ConsumerMessage, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class _Open(dict[TopicPartition, int]):
    """Positions of open partitions. Never falsy: to aiokafka, no partitions means all of them."""

    def __bool__(self) -> bool:
        return True


class _Listener(stock.ConsumerRebalanceListener):
    """Closes every partition in the moment in which a rebalance begins or ends."""

    _thread: "BatchConsumerThread"

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        self._thread.close_partitions(())
        return super().on_partitions_revoked(revoked)

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> Any:
        self._thread.close_partitions(assigned)
        return super().on_partitions_assigned(assigned)


class BatchConsumerThread(stock.AIOKafkaConsumerThread):
    """The thread that fetches, commits and keeps the membership in the group.

    What runs in it changes ``_next``, ``_stamps`` and ``generation``; others only read them.
    """

    mundane_level = "debug"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._reporter: Reporter = cast("Any", self.app).reporter
        self.generation = 0
        """Bumped whenever an assignment begins or ends."""
        self._next = _Open()
        self._stamps: dict[TopicPartition, int] = {}

    # --- called from the main thread ------------------------------------------------------------

    @property
    def group_generation(self) -> int:
        """The generation of the whole group."""
        return self.app.consumer_generation_id

    def assigned(self) -> set[TopicPartition]:
        """What this worker has been given."""
        return {TopicPartition(*tp) for tp in self.assignment()}

    def peers(self) -> Peers:
        """Who has what, as of the last assignment."""
        peers: Peers = cast("Any", self.app).roster.peers()
        return peers

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run in the consumer's thread; unlike ``call_thread`` it never waits for a free worker."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.thread_loop)
        return await asyncio.wrap_future(future)

    async def open_partitions(
        self, positions: Mapping[TopicPartition, int], generation: int
    ) -> bool:
        """Seek and fetch from there; refused (``False``) if the assignment is another by now."""
        return await self.run(self._open(positions, generation))

    async def close_partition(self, tp: TopicPartition, generation: int) -> bool:
        """Fetch nothing more of it until it is opened again, and make stale what is under way;
        refused (``False``) if the assignment is another by now."""
        return await self.run(self._close(tp, generation))

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit input offsets; ``False`` if the group does not take them from this member."""
        return await self.run(self._commit_positions(dict(offsets)))

    async def heartbeat(self) -> None:
        """Ask the broker now whether this is still a member."""
        await self.run(self._ensure_consumer()._coordinator._do_heartbeat())

    async def bounds(self, tp: TopicPartition) -> Bounds:
        """Where the partition begins and ends now."""
        return await self.run(self._bounds(aiokafka.TopicPartition(*tp)))

    def is_stale(self, batch: Batch) -> bool:
        """Whether its partition was closed or sought since the batch was fetched."""
        return self._stamps.get(TopicPartition(batch.topic, batch.partition)) != batch.stamp

    def end_of(self, tp: TopicPartition) -> int | None:
        """The partition's end as of the last fetch."""
        try:
            end: int | None = self._ensure_consumer().highwater(aiokafka.TopicPartition(*tp))
        except (AssertionError, AttributeError, KeyError):
            return None  # being reassigned just now
        return end

    # --- runs in the consumer's thread ----------------------------------------------------------

    def close_partitions(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        """Forget all positions; newly assigned partitions wait until they are opened."""
        self.generation += 1
        self._next.clear()
        for tp in self._stamps:
            self._stamps[tp] += 1
        self._ensure_consumer().pause(*assigned)
        self._reporter.hide("the group is assigning partitions")

    async def _close(self, tp: TopicPartition, generation: int) -> bool:
        if generation != self.generation:
            return False
        self._next.pop(tp, None)
        self._stamps[tp] += 1
        self._ensure_consumer().pause(aiokafka.TopicPartition(*tp))
        return True

    async def _open(self, positions: Mapping[TopicPartition, int], generation: int) -> bool:
        consumer = self._ensure_consumer()
        if generation != self.generation or not positions.keys() <= self.assignment():
            return False
        await self._seek_wait(consumer, positions)
        return True

    async def _seek_wait(  # type: ignore[override]
        self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TopicPartition, int]
    ) -> None:
        for tp, offset in partitions.items():
            consumer.seek(aiokafka.TopicPartition(*tp), offset)
            consumer.resume(aiokafka.TopicPartition(*tp))
            self._stamps[tp] = self._stamps.get(tp, 0) + 1
            self._next[tp] = offset

    async def _fetch_records(  # type: ignore[override]
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TopicPartition, Batch]:
        """What has arrived on open partitions: at most one batch of each."""
        subscriptions = consumer._subscription
        if len(self._next) == 0:
            with subscriptions.fetch_context():
                await asyncio.sleep(_IDLE_SECONDS)
            return {}
        with subscriptions.fetch_context():
            # The mapping itself is passed: what is opened while this waits, is seen. There is no
            # await between taking the records and the lines below, so that they always belong to
            # the positions in the mapping. Dropping any of them here would lose them.
            fetched = await consumer._fetcher.fetched_records(
                self._next, timeout=timeout, max_records=MAX_RECORDS
            )
        batches = {}
        for aiokafka_tp, records in fetched.items():
            tp = TopicPartition(*aiokafka_tp)
            state = subscriptions.subscription.assignment.state_value(aiokafka_tp)
            start, self._next[tp] = self._next[tp], state.position
            batches[tp] = Batch(
                tp,
                records,
                start=start,
                end=state.position,
                highwater=state.highwater,
                stamp=self._stamps[tp],
            )
        return batches

    async def _bounds(self, tp: aiokafka.TopicPartition) -> Bounds:
        consumer = self._ensure_consumer()
        begins = await consumer.beginning_offsets([tp])
        ends = await consumer.end_offsets([tp])
        return Bounds(begins[tp], ends[tp])

    @Service.task
    async def _watch_group(self) -> None:
        """aiokafka pauses the membership until its error has been looked at, then joins again."""
        coordinator = self._ensure_consumer()._coordinator
        while not self.should_stop:
            await self.sleep(_IDLE_SECONDS)
            try:
                coordinator.check_errors()
            except _REFUSALS:
                raise
            except KafkaError as error:
                if coordinator._coordination_task.done():
                    raise
                log.warning("the group refuses this member, trying again: %s", error)

    async def _commit_positions(self, offsets: dict[TopicPartition, int]) -> bool:
        if not offsets:
            return True
        sent = monotonic()
        try:
            await self._ensure_consumer().commit(
                {
                    aiokafka.TopicPartition(*tp): OffsetAndMetadata(at, "")
                    for tp, at in offsets.items()
                }
            )
        except (CommitFailedError, IllegalStateError):
            return False
        self._reporter.confirm_membership(sent)
        return True

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        heartbeat, assign = coordinator._do_heartbeat, coordinator._perform_assignment

        async def after_the_followers(response: Any) -> Any:
            # The embedded broker refuses a follower that asks later than the leader answers, and
            # the whole group has to join again. Kafka itself does not mind the order.
            assignments = await assign(response)
            if len(response.members) > 1:
                await asyncio.sleep(_LEADER_SECONDS)
            return assignments

        async def confirmed() -> bool:
            sent = monotonic()
            accepted: bool = await heartbeat()
            if accepted and not coordinator._rejoin_needed_fut.done():
                self._reporter.confirm_membership(sent)
            return accepted

        coordinator._do_heartbeat = confirmed
        coordinator._perform_assignment = after_the_followers

    async def on_thread_stop(self) -> None:
        # With the broker gone, aiokafka's fetcher lets its own cancellation escape.
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        session_ms = int(conf.broker_session_timeout * 1000)
        return aiokafka.AIOKafkaConsumer(
            **cast("Any", self.app).client_options,
            group_id=conf.id,
            partition_assignment_strategy=[cast("Any", self.app).roster],
            enable_auto_commit=False,
            # Where to read from is the fence's business alone; never reset in silence.
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_MAX_PARTITION_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            rebalance_timeout_ms=max(session_ms, 30_000),
            request_timeout_ms=max(session_ms, 30_000) + 10_000,
            max_poll_interval_ms=_HOUR_MS,
            metadata_max_age_ms=60_000,
        )


class BatchConsumer(stock.Consumer):
    """Delivers batches instead of records; positions are the business of who opens partitions."""

    mundane_level = "debug"
    RebalanceListener = _Listener
    _thread: BatchConsumerThread

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _app(self) -> Any:
        return self.app

    @property
    def thread(self) -> BatchConsumerThread:
        return self._thread

    async def perform_seek(self) -> None:
        """The stock one would seek to the committed offsets, after our own seek."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """The stock watchdog knows nothing of batches; ours is ``Reporter.alive``."""

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        while not (self.should_stop or fetcher.should_stop):
            try:
                fetched = await self._thread.getmany(None, timeout=1.0)
            except OffsetOutOfRangeError as error:
                await self._app.out_of_range(*_first(error))
                continue
            # The fetch may have waited through a rebalance: what it brought was opened already, but
            # Faust throws away what arrives before it lets the flow go on.
            while not (self.flow_active or self.should_stop or fetcher.should_stop):
                await self.wait(self.can_resume_flow.wait())
            for tp, batch in cast("dict[TopicPartition, Batch]", fetched).items():
                message = self._message(TP(*tp), batch)
                await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def _message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.start,
            0.0,
            0,
            None,
            None,
            cast("bytes", batch),
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )


def _first(error: OffsetOutOfRangeError) -> tuple[TopicPartition, int]:
    aiokafka_tp, offset = next(iter(error.args[0].items()))
    return TopicPartition(*aiokafka_tp), offset


class BatchTransport(stock.Transport):
    """The stock transport with our consumer."""

    Consumer = BatchConsumer
