"""``funnel-stream demo``: everything at once, on one machine, with nothing installed beforehand."""

import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from funnel_stream import human
from funnel_stream.cli import browser
from funnel_stream.cli.children import Children
from funnel_stream.cli.delivery import Stop, progress_bar, stoppable
from funnel_stream.cli.demo_view import (
    SPARK_LENGTH,
    WINDOW,
    WORKER_SERIES,
    Moment,
    headline,
    screen,
    summary,
)
from funnel_stream.cli.figures import Figures, metrics_of, read
from funnel_stream.errors import FunnelError, UsageError
from funnel_stream.tools.publisher import publish
from funnel_stream.tools.simulator import Simulator

_START_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 60.0
"""So much longer than asked for the demo waits until the history is in the figures."""
_DEALS_PER_PARTITION: Final = 7_500
"""So much history the embedded broker holds until the worker has read it."""
_READ_EVERY_SECONDS: Final = 1.0
_LINE_EVERY_SECONDS: Final = 5.0
_LINES_PER_UPDATE: Final = 1_000
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


def demo(
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Stop after this time, like 30s or 5m."),
    ] = None,
    rate: Annotated[float, typer.Option(min=1, max=20_000, help="Live events per second.")] = 200,
    http_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of /metrics; 0 picks a free one.")
    ] = 6066,
    days: Annotated[float, typer.Option(min=1, max=400, help="Days of history.")] = 60,
    deals_per_day: Annotated[int, typer.Option(min=1, max=1_000, help="New deals per day.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed gives another history.")] = 0,
    partitions: Annotated[int, typer.Option(min=1, max=64, help="Partitions of the events.")] = 4,
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the page in a browser, if there is one."),
    ] = True,
) -> None:
    """See it work: broker, worker and a simulated sales team, in one terminal.

    Starts the embedded broker and a worker, each in a process of its own, publishes the history of
    a simulated company as fast as it can, and continues live. As soon as there are figures, a
    browser opens the worker's page. Ctrl-C stops everything and leaves nothing behind.

    \b
    funnel-stream demo
    funnel-stream demo --for 30s --rate 500 --http-port 8080
    """
    seconds = None if duration is None else _seconds(duration)
    _check_size(days * deals_per_day, partitions)
    logs = Path(tempfile.mkdtemp(prefix="funnel-stream-demo-"))
    with stoppable() as stop, Children(logs) as children:
        signal.signal(signal.SIGHUP, stop)
        port = http_port or _free_port()
        broker = _start(children, logs, partitions, port)
        address = f"http://127.0.0.1:{port}"
        print(f"page     {address}/\nbroker   {broker}\nmetrics  {address}/metrics", flush=True)
        end = datetime.now(UTC)
        simulator = Simulator(
            start=end - timedelta(days=days), deals_per_day=deals_per_day, seed=seed
        )
        try:
            history = _publish_history(simulator, end, broker, stop)
        except FunnelError:
            children.check()  # whose end says more than that nobody answered
            raise
        with _Feeder(simulator, broker, rate, stop) as feeder:
            show = _Show(address, history, seconds, stop, children, feeder, open_page=open_page)
            show.run()
    shutil.rmtree(logs, ignore_errors=True)
    _finish(show)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match:
        raise UsageError(f"--for: {text!r} is not a duration", hint="Write it like 30s, 5m or 1h.")
    return float(match[1]) * _UNITS[match[2]]


def _check_size(deals: float, partitions: int) -> None:
    most = _DEALS_PER_PARTITION * partitions
    if deals > most:
        raise UsageError(
            f"a history of {deals:,.0f} deals is more than the embedded broker can hold",
            hint=f"With {partitions} partitions use at most {most:,}: fewer --days or "
            "--deals-per-day, or more --partitions.",
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _start(children: Children, logs: Path, partitions: int, port: int) -> str:
    """Start broker and worker; the broker's address."""
    address_file = logs / "broker.address"
    children.start("broker", "--address-file", str(address_file), "--partitions", str(partitions))
    children.wait_for("the broker's address", address_file.exists, _START_SECONDS)
    broker = address_file.read_text(encoding="utf-8").strip()
    children.start("worker", "--broker", broker, "--http-port", str(port))
    return broker


def _publish_history(simulator: Simulator, end: datetime, broker: str, stop: Stop) -> int:
    with progress_bar("history") as show:
        lines = stop.until(simulator.history(end))
        published = publish(
            _watched(lines, lambda number: show(simulator.progress(end), number)), broker
        )
    if not sys.stdout.isatty():
        print(f"history: {published.lines:,} events published", flush=True)
    return published.lines


def _watched(lines: Iterator[bytes], show: Callable[[int], None]) -> Iterator[bytes]:
    number = 0
    for number, line in enumerate(lines, start=1):
        yield line
        if number % _LINES_PER_UPDATE == 0:
            show(number)
    show(number)


class _Feeder:
    """Publishes live events from a thread until the block ends."""

    def __init__(self, simulator: Simulator, broker: str, rate: float, stop: Stop) -> None:
        self._lines = stop.until(simulator.live())
        self._broker = broker
        self._rate = rate
        self._stop = stop
        self._error: FunnelError | None = None
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def _run(self) -> None:
        try:
            publish(self._lines, self._broker, rate=self._rate)
        except FunnelError as error:
            self._error = error

    def check(self) -> None:
        """Raises what ended the publishing."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> "_Feeder":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.requested = True
        self._thread.join(_START_SECONDS)


class _Show:
    """Reads the worker's figures once a second and shows them until the time is up."""

    def __init__(
        self,
        address: str,
        history: int,
        seconds: float | None,
        stop: Stop,
        children: Children,
        feeder: _Feeder,
        *,
        open_page: bool,
    ) -> None:
        self._address = address
        self._history = history
        self._seconds = seconds
        self._stop = stop
        self._children = children
        self._feeder = feeder
        self._open_page = open_page and sys.stdout.isatty()
        self._started = time.monotonic()
        self._speeds: deque[float] = deque(maxlen=SPARK_LENGTH)
        self._consumed: tuple[float, float] | None = None
        self.figures = Figures()
        self.problem = "The worker was not ready yet."
        self.interrupted = False
        self.seen = False

    @property
    def moment(self) -> Moment:
        elapsed = time.monotonic() - self._started
        return Moment(self.figures, tuple(self._speeds), elapsed, self._address)

    def run(self) -> None:
        """Returns at the end of the time, or when a signal asks for it."""
        console = Console()
        if console.is_terminal:
            with Live(screen(self.moment), console=console, refresh_per_second=4) as live:
                self._each_second(lambda moment: live.update(screen(moment)))
        else:
            self._each_second(_LogLines())
        self.interrupted = self._stop.requested

    def _each_second(self, show: Callable[[Moment], None]) -> None:
        following = time.monotonic()
        while not self._over():
            self._children.check()
            self._feeder.check()
            self._read()
            if self.seen and self._open_page:
                self._open_page = False
                browser.show(f"{self._address}/")
            show(self.moment)
            following = max(following + _READ_EVERY_SECONDS, time.monotonic())
            while time.monotonic() < following and not self._stop.requested:
                time.sleep(min(0.1, max(0.0, following - time.monotonic())))

    def _over(self) -> bool:
        if self._stop.requested:
            return True
        if self._seconds is None:
            return False
        consumed = self._consumed[1] if self._consumed else 0.0
        settled = self.seen and consumed >= self._history
        elapsed = time.monotonic() - self._started
        return elapsed >= self._seconds + (0 if settled else _GRACE_SECONDS)

    def _read(self) -> None:
        try:
            figures = read(self._address, WINDOW, WORKER_SERIES)
        except (OSError, ValueError) as error:
            self.problem = str(error)
            return
        self.figures = figures
        self.seen = self.seen or (self.moment.has_leads and self._leads_on_metrics())
        now, consumed = (
            time.monotonic(),
            figures.worker_metric("funnel_events_consumed_total") or 0.0,
        )
        if self._consumed is not None:
            before, then = self._consumed
            self._speeds.append((consumed - then) / (now - before))
        self._consumed = now, consumed

    def _leads_on_metrics(self) -> bool:
        leads = "funnel_leads"
        try:
            text = metrics_of(self._address, [leads])
        except OSError:
            return False
        return bool(Figures((), text).worker_metric(leads, window=WINDOW))


class _LogLines:
    """A line every few seconds, and for the first figures, where there is no terminal."""

    def __init__(self) -> None:
        self._following = 0.0
        self._waiting = True

    def __call__(self, moment: Moment) -> None:
        first_figures = self._waiting and moment.has_leads
        if first_figures or moment.elapsed_s >= self._following:
            self._waiting = not moment.has_leads
            self._following = moment.elapsed_s + _LINE_EVERY_SECONDS
            print(headline(moment), flush=True)


def _finish(show: _Show) -> None:
    if not show.seen:
        if show.interrupted:
            raise typer.Exit(130)
        raise FunnelError("the demo ended before there were any figures", hint=show.problem)
    console = Console(highlight=False)
    if not console.is_terminal:  # on a terminal the last screen stays
        console.print(summary(show.moment))
    count = human.count(show.figures.worker_metric("funnel_events_consumed_total"))
    print(f"{count} events became live KPIs; all processes have ended.")
