"""A schedule: workers of the real code, made to live through a plan, and watched."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from random import Random
from typing import Any, Final

from funnel_stream.errors import FunnelError
from funnel_stream.facts import ledger
from funnel_stream.facts.blocks import FactBlockBuilder
from funnel_stream.facts.measures import REACHED
from funnel_stream.facts.rules import FactRules
from funnel_stream.kpis.samples import samples
from funnel_stream.streaming import aggregate, changelog, pane_log, partition
from funnel_stream.streaming import worker as worker_module
from funnel_stream.streaming.deadletters import REASON_HEADER
from funnel_stream.streaming.log import ProducerRecord, TopicPartition
from funnel_stream.streaming.memory.clock import LoopClock
from funnel_stream.windows.breakdowns import Row
from funnel_stream.windows.tables import Snapshot, WindowTables
from tests.simulation.connection import FaultyConnection
from tests.simulation.events import (
    NOW_MS,
    expected,
    expected_facts,
    greeting,
    home_of,
    record_of,
)
from tests.simulation.facts import FactSnapshot, FactTables
from tests.simulation.loop import NOBODY, SimulatedLoop
from tests.simulation.plan import SESSION_SECONDS, Fault, Feed, Plan
from tests.simulation.watched import EVENTS, PANES, SETTINGS, WatchedBroker, WatchedGroup
from tests.simulation.workers import SimulatedWorker, WatchedReporter

_LEADS: Final = REACHED.cell("lead")
_TRACE: Final = [("trace", b"7")]
"""Headers of every event."""
_HEALING_SECONDS: Final = 60.0
_SETTLING_SECONDS: Final = 14.0
"""After the last commit, until all is shown: a tick and the figures. Where a marker that was
read by itself is the end of the log, a tick takes ten seconds."""
_REWRITING_SECONDS: Final = 2.0
_WRITING_SECONDS: Final = 1.5
"""After so long a worker has written what it had folded, wherever it learns that it must not."""


class Violation(AssertionError):  # noqa: N818
    """What must never be."""


class Schedule:
    """One run of a plan: with the real windows if its seed is a multiple of ten, else with their
    facts; every figure is compared if it is one of a hundred."""

    def __init__(self, plan: Plan, *, now_ms: int = NOW_MS) -> None:
        self.plan = plan
        self.has_windows = plan.seed % 10 == 0
        self.every_figure = plan.seed % 100 == 0
        self.rng = Random(plan.seed ^ 0x5EED)
        self.loop = SimulatedLoop(self.rng)
        self.clock = LoopClock(self.loop, now_ms / 1000)
        count = plan.partitions
        topics = {
            EVENTS: count,
            SETTINGS.dead_letters_topic: count,
            SETTINGS.changelog_topic: count,
            SETTINGS.panes_topic: 1,
        }
        self.events = [TopicPartition(EVENTS, number) for number in range(count)]
        self.changelogs = [
            TopicPartition(SETTINGS.changelog_topic, number) for number in range(count)
        ]
        self.broker = WatchedBroker(topics, self.clock)
        self.failure = ""
        self.cause: BaseException | None = None
        self.shown: Any = None
        self.workers: list[SimulatedWorker] = []
        self.connections: list[FaultyConnection] = []
        """Those of workers that are gone, too: something of them may be under way."""
        self._fed: list[bytes] = []
        self._greetings = 0
        self._bad: set[tuple[Any, ...]] = set()
        self._erases = any(record_of(feed.line).value is None for feed in plan.feeds)

    # --- life -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises ``Violation``."""
        tables = WindowTables if self.has_windows else FactTables
        with (
            _replaced(aggregate, WindowTables=tables, _SHOW_SECONDS=2.0),
            _replaced(ledger, FactRules=_rules),
            _replaced(worker_module, _OBSERVE_SECONDS=1.0),
            _replaced(partition, _POLL_SECONDS=0.25),
            _sizes(small=self.plan.small),
        ):
            self._run()

    def _run(self) -> None:
        NOBODY.run(self._begin)
        length = self.plan.seconds / self.plan.rounds + 0.01
        for number in range(self.plan.rounds):
            if number:
                self._grow_old()
            begin = number * length
            now = self.loop.time() - begin
            for feed in self.plan.feeds:
                if begin <= feed.at < begin + length:
                    self.loop.call_at(now + feed.at, self._feed, feed, context=NOBODY)
            for fault in self.plan.faults:
                if begin <= fault.at < begin + length:
                    self.loop.call_at(now + fault.at, self._inflict, fault, context=NOBODY)
            self._until(_never, self.loop.time() + length + 0.3)
            self._heal()
            self._compare()
        if any(map(self._has_outdated_rows, self.changelogs)):
            self._grow_old()
            self._heal()
            self._compare()

    def _begin(self) -> None:
        asyncio.events._set_running_loop(self.loop)
        self.group = WatchedGroup([*self.events, PANES], session_timeout=SESSION_SECONDS)
        self.group.watch(self.broker)
        self.workers = [SimulatedWorker(self, place) for place in range(self.plan.workers)]
        asyncio.events._set_running_loop(None)

    def _until(self, is_done: Any, deadline: float) -> bool:
        reached = self.loop.run_until(is_done, deadline)
        if self.failure:
            raise Violation(self.failure) from self.cause
        return reached

    def fail(self, what: str, cause: BaseException | None = None) -> None:
        """Note what must not be; the first counts."""
        if not self.failure:
            self.failure, self.cause = what, cause
            self.loop.stopped = True

    def halted(self, _: SimulatedWorker, error: FunnelError) -> None:
        """A worker has come upon what it must not go on from."""
        self.fail(f"a worker halted: {error}")

    def later(self, seconds: float, call: Any, *arguments: Any) -> None:
        self.loop.call_later(seconds, call, *arguments, context=NOBODY)

    def start_later(self, place: int, seconds: float) -> None:
        self.later(seconds, self._start, place)

    def _start(self, place: int) -> None:
        if self.workers[place].dead:
            self.workers[place] = SimulatedWorker(self, place)

    # --- what happens ---------------------------------------------------------------------------

    def _feed(self, feed: Feed) -> None:
        record = record_of(feed.line)
        number = feed.partition
        if number < 0:
            number = home_of(record.key or b"", self.plan.partitions)
        published = ProducerRecord(record.key, record.value, _TRACE, record.timestamp)
        appended = self.broker.append(self.events[number], [published])
        if feed.is_bad:
            self._bad.add((number, appended.offset, record.key, record.value))
        else:
            self._fed.append(feed.line)

    def _inflict(self, fault: Fault) -> None:
        victim = self.workers[fault.worker % len(self.workers)]
        number = fault.worker % self.plan.partitions
        tp = self.events[number]
        match fault.kind:
            case "crash" if fault.share < 0.25:
                held = fault.span * (0.8 + fault.share)
                victim.connection.hold_next(held, lambda: victim.crash(fault.span))
            case "crash":
                if fault.share < 0.6:
                    victim.connection.slow_until = self.loop.time() + 0.3
                victim.after(fault.steps, lambda: victim.crash(fault.span))
            case "pause" if fault.share < 0.5:
                held = fault.span * (0.6 + fault.share)
                victim.connection.hold_next(held, lambda: victim.stand_still(fault.span))
            case "pause":
                victim.after(fault.steps, lambda: victim.stand_still(fault.span))
            case "leave":
                victim.stop(fault.span)
            case "join":
                self.broker.cut_next = 0.0
                self.workers.append(SimulatedWorker(self, len(self.workers)))
            case "lose":
                late = max(0.0, 2 * fault.share - 1) * fault.span
                arrives = fault.share >= 0.5
                victim.connection.lose_next(arrives=arrives, late=late, timeout=fault.span)
            case "slow":
                victim.connection.slow_until = self.loop.time() + fault.span
            case "marker":
                self.broker.mark_transaction(tp)
            case "delete":
                self._delete_read(tp)
            # Only a worker that is alone publishes anew what was lost; others wait for a rebalance.
            case "cut" if len(self.workers) == 1:
                self.broker.cut_next = min(1.0, 1.5 * fault.share)

    def _delete_read(self, tp: TopicPartition) -> None:
        """Up to the last record that has been read, not to a marker behind it."""
        committed = self.group.committed.get(tp, 0)
        read = [record.offset for record in self.broker[tp].records if record.offset < committed]
        if read:
            self.broker.delete_before(tp, read[-1] + 1)

    def _heal(self) -> None:
        """Let everybody come back, and all be read and written."""
        if not self._until(self._all_is_read, self.loop.time() + _HEALING_SECONDS):
            raise Violation(f"not all has been read: {self.group.committed}")

    def _grow_old(self) -> None:
        """A day passes, in which each partition gets an event; then logs are compacted, events that
        were read are gone, and all workers start anew.

        An outdated row is written again by the owner of a partition when he next writes himself.
        """
        self._until(_never, self.loop.time() + _WRITING_SECONDS)
        for connection in self.connections:
            connection.calm()
        if not self._until(self._all_has_arrived, self.loop.time() + _HEALING_SECONDS):
            raise Violation("something is under way for ever")
        for number in range(self.plan.partitions):
            self._feed(Feed(0.0, greeting(number, self.plan.partitions, self._greetings)))
            self._greetings += 1
        self._heal()
        self._until(_never, self.loop.time() + _REWRITING_SECONDS)
        for tp in (*self.changelogs, PANES):
            self.broker[tp].compact(before=self.broker[tp].end)
        for tp in self.events:
            self._delete_read(tp)
        NOBODY.run(self._start_anew)

    def _has_outdated_rows(self, tp: TopicPartition) -> bool:
        """Whether somebody has written who had lost the partition."""
        epochs = [int(record.headers[0][1]) for record in self.broker[tp].records]
        return epochs != sorted(epochs)

    def _everybody_is_back(self) -> bool:
        return all(
            not worker.dead and worker.held is None and not worker.stopping
            for worker in self.workers
        )

    def _all_is_read(self) -> bool:
        committed = self.group.committed
        for tp in self.events:
            records = self.broker[tp].records
            if records and committed.get(tp, 0) <= records[-1].offset:
                return False
        return self._everybody_is_back()

    def _all_has_arrived(self) -> bool:
        return not any(connection.under_way for connection in self.connections)

    def _start_anew(self) -> None:
        for victim in self.workers:
            victim.crash(0.01)

    # --- what must be ---------------------------------------------------------------------------

    def look(self, reporter: WatchedReporter) -> None:
        """Somebody may have begun to show something."""
        snapshot = reporter.snapshot()
        if snapshot is None:
            return
        others = {worker.reporter for worker in self.workers if not worker.dead} - {reporter}
        if any(other.group is reporter.group and other.reporting() for other in others):
            self.fail("two workers report at once")
        if snapshot is not self.shown:
            self.shown = snapshot
            self.check(snapshot)

    def check(self, snapshot: Any) -> None:
        """Are about as many deals shown as there are?"""
        if self._erases:
            return
        if isinstance(snapshot, Snapshot):
            leads = snapshot.totals["365d"].sum(Row("default"), _LEADS)
        else:
            leads = snapshot.leads
        most = sum(map(len, self.broker.deals))
        if not self.group.least <= leads <= most:
            self.fail(f"{leads} deals are shown; there are {self.group.least} to {most}")

    def _compare(self) -> None:
        """Wait for the right figures; tell what is wrong, if they do not come."""
        # What comes after its deal was erased does not move the time.
        lines = tuple(self._fed if self._erases else sorted(self._fed))
        wanted = expected(lines) if self.has_windows else expected_facts(lines)
        seen: Any = None
        wrong = "nothing is shown"

        def is_right() -> bool:
            nonlocal seen, wrong
            if self.shown is not seen and self.shown is not None:
                seen, wrong = self.shown, _wrong(self.shown, wanted)
            return not wrong

        self.shown = next((s for w in self.workers if (s := w.reporter.snapshot())), None)
        if not self._until(is_right, self.loop.time() + _SETTLING_SECONDS):
            reasons = [worker.reporter.ready()[1] for worker in self.workers]
            raise Violation(f"{wrong} ({', '.join(reasons)})")
        if wrong_letters := self._bad ^ self._dead_letters():
            raise Violation(f"dead letters are wrong or missing: {sorted(wrong_letters, key=str)}")
        if self.every_figure and samples(seen) != samples(wanted):
            raise Violation("figures differ, though the sums do not")

    def _dead_letters(self) -> set[tuple[Any, ...]]:
        """Partitions, offsets, keys and values of the records that dead letters tell of; without a
        reason, or without the record's own headers, nothing that there is."""
        found = set[tuple[Any, ...]]()
        for number in range(self.plan.partitions):
            for letter in self.broker[SETTINGS.dead_letters_topic, number].records:
                headers = dict(letter.headers)
                source = (
                    int(headers["__connect.errors.partition"]) if headers[REASON_HEADER] else -1,
                    int(headers["__connect.errors.offset"]),
                )
                whole = letter.headers[:1] == _TRACE and source[0] == number
                found.add((*source, letter.key, letter.value) if whole else source)
        return found


def _never() -> bool:
    return False


@contextmanager
def _sizes(*, small: bool) -> Iterator[None]:
    """As large as in life, or so that a few events are cut into many pieces."""
    if not small:
        yield
        return
    with (
        _replaced(changelog, _ROOM=200),
        _replaced(partition, SLICE=3, CHANGELOG_BATCH_BYTES=300),
        _replaced(pane_log, _SEND_BYTES=150, _MIN_EDITION_BYTES=2_000),
        _replaced(FactBlockBuilder, LIMIT=300),
    ):
        yield


_rules = lru_cache(maxsize=1)(FactRules)
"""They know no deal, and take a while to be made."""


@contextmanager
def _replaced(module: Any, **values: Any) -> Iterator[None]:
    """Values of a module, for a while."""
    former = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in former.items():
            setattr(module, name, value)


def _wrong(shown: Any, wanted: Any) -> str:
    """What is wrong with the sums; nothing, if they are right."""
    if shown.as_of != wanted.as_of:
        return f"as of {shown.as_of}, not {wanted.as_of}"
    if isinstance(wanted, FactSnapshot):
        found, sums = shown.facts(), wanted.facts()
        return f"facts are {_difference(found, sums)}" if found != sums else ""
    for window, totals in wanted.totals.items():
        found, sums = dict(shown.totals[window]), dict(totals)
        if found != sums:
            return f"sums of {window} are {_difference(found, sums)}"
    return ""


def _difference(found: Mapping[Any, Any], sums: Mapping[Any, Any]) -> str:
    rows = [row for row in {**found, **sums} if found.get(row) != sums.get(row)]
    first = rows[0]
    return f"wrong in {len(rows)} rows, first {first}: {found.get(first)} not {sums.get(first)}"
