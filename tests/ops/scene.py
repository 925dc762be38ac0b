"""What happens end to end: a company whose days take seconds, watched by the real programs."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Worker, wait_until
from tests.ops.alertmanager import Alertmanager, Receiver, shipped_config, told_to
from tests.ops.company import Company, Upstream
from tests.ops.prometheus import Prometheus

HISTORY_SECONDS = 10.0
"""In which a worker takes in the company's history where an hour of the company may take a second.
On a machine that is slower, or has more to do, an hour takes as much longer."""
PATIENCE = 12 * 24
"""Hours of the company."""
FUNNEL_YAML = """\
stuck_after: {offer: 40d}
targets:
  - {kpi: win_ratio, value: 0.3, window: 30d}
"""
WATCHDOG = "FunnelWatchdog"


@dataclass
class Moment:
    """What Alertmanager held at one time: alerts by name, each with whether it is inhibited."""

    as_of: float
    alerts: list[dict[str, Any]]

    def named(self, name: str) -> list[dict[str, Any]]:
        return _named(self.alerts, name)


def _named(alerts: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [alert for alert in alerts if alert["labels"]["alertname"] == name]


@dataclass
class Scene:
    """The running programs, and what was seen of the story."""

    company: Company
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver
    hour: float
    """Of the company, in seconds."""
    moments: dict[str, Moment] = field(default_factory=dict)
    ended: float = 0.0
    """Prometheus' time of the end of the story: nothing is added before it."""

    def note(self, name: str) -> None:
        self.moments[name] = Moment(self.as_of(), self.alertmanager.alerts())

    def as_of(self) -> float:
        """The instant of the figures that Prometheus has, in Unix seconds."""
        return self.prometheus.value("max(funnel_as_of_timestamp_seconds)")

    def held(self, name: str) -> list[dict[str, Any]]:
        """Alerts of that name that Alertmanager holds now."""
        return _named(self.alertmanager.alerts(), name)

    def wait_told(self, name: str, status: str, hours: float = PATIENCE) -> None:
        """Until the receiver has been told of an alert with that status."""
        self.receiver.wait_for(
            lambda told: any(
                alert["labels"]["alertname"] == name and alert["status"] == status
                for notification in told
                for alert in notification.body["alerts"]
            ),
            f"{name} {status}",
            hours * self.hour,
        )

    def told(self) -> list[dict[str, Any]]:
        """Every alert of every notification, in order, but for the watchdog."""
        return [
            alert
            for notification in self.receiver.wait_for(lambda told: True, "anything")
            for alert in notification.body["alerts"]
            if alert["labels"]["alertname"] != WATCHDOG
        ]


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The whole story, up to its end; the programs still run when it is given."""
    company, upstream = Company(), Upstream()
    config = folder / "funnel.yaml"
    config.write_text(FUNNEL_YAML, encoding="utf-8")
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        alertmanager = stack.enter_context(
            Alertmanager(folder, told_to(shipped_config(), receiver.url))
        )
        broker = Broker(folder, partitions=8)
        stack.callback(broker.kill9)
        worker = Worker(folder, broker.address, "--clock", "event", "--config", str(config))
        stack.callback(worker.kill9)
        began = time.monotonic()
        published = publish(company.history(), broker.address)
        worker.wait_consumed(published.lines)
        hour = max(1.0, (time.monotonic() - began) / HISTORY_SECONDS)
        prometheus = Prometheus(folder, worker.port, alertmanager.port, hour)
        stack.callback(prometheus.stop)
        live = threading.Thread(
            target=publish,
            args=(company.live(24 * hour, upstream), broker.address),
            kwargs={"rate": 1e6},  # live: what is due goes out at once
        )
        live.start()
        stack.callback(live.join)
        stack.callback(setattr, upstream, "ended", True)
        seen = Scene(company, prometheus, alertmanager, receiver, hour)
        _watch(seen, upstream)
        yield seen


def _watch(seen: Scene, upstream: Upstream) -> None:
    seen.wait_told("FunnelChannelConversionDrop", "firing")
    seen.note("drop")
    upstream.silent = True
    seen.wait_told("FunnelNoEvents", "firing", 60)
    seen.note("outage")
    upstream.silent = False
    seen.wait_told("FunnelNoEvents", "resolved", 60)
    seen.note("events again")
    patience = PATIENCE * seen.hour
    wait_until(lambda: not seen.held("FunnelChannelConversionDrop"), "the drop to end", patience)
    seen.note("recovered")
    # A while, in which nothing more is to come.
    end = seen.moments["recovered"].as_of + 8 * 3600
    wait_until(lambda: seen.as_of() >= end, "eight hours after the recovery", patience)
    seen.note("end")
    seen.ended = seen.prometheus.value("time()") - 2 * seen.hour


def selectors(expr: str) -> set[str]:
    """The series that an expression reads, each with its matchers."""
    names = re.compile(r"[a-z_]+:[a-z_]+:[a-z0-9_]+|\b(?:funnel|scrape)_[a-z0-9_]+|\bup\b")
    found = set(re.findall(r"\{__name__[^}]*\}", expr))
    expr = re.sub(r"\{__name__[^}]*\}", "", expr)
    for match in names.finditer(expr):
        braces = re.match(r"\{[^}]*\}", expr[match.end() :])
        found.add(match[0] + (braces[0] if braces else ""))
    return found
