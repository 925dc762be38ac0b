"""A real Prometheus with what ``deploy/prometheus`` holds, its time running faster."""

import json
import os
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.processes import free_port, wait_until
from tests.programs import binary

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "prometheus"
SHORTEST_HOLD = 5
"""Hours of the company. Within less, a scrape that failed under load could ring an alarm, or the
spends of an outage that are read some seconds before its leads."""
SHORTEST_RANGE = 4
"""Within less there may be no two scrapes."""
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_LENGTH = r"(\d+)(ms|s|m|h|d|w)"


def faster(rules: str, hour: float) -> str:
    """A rule file in whose time an hour passes in so many seconds: offsets, ranges and holds are
    shorter. Names of windows and horizons are labels, and stay."""

    def shorter(least: float) -> Any:
        """Not below so many hours."""

        def scaled(match: re.Match[str]) -> str:
            hours = int(match[2]) * _MS[match[3]] / _MS["h"]
            return f"{match[1]}{round(max(hours, least) * hour * 1000)}ms"

        return scaled

    rules = re.sub(rf"(offset ){_LENGTH}", shorter(0.001), rules)
    rules = re.sub(rf"(\[){_LENGTH}(?=\])", shorter(SHORTEST_RANGE), rules)
    rules = re.sub(
        rf"(^ +(?:for|keep_firing_for): ){_LENGTH}", shorter(SHORTEST_HOLD), rules, flags=re.M
    )
    return evaluated_every(hour, rules)


def evaluated_every(seconds: float, rules: str) -> str:
    return re.sub(r"^( +interval: ).*", rf"\g<1>{_duration(seconds)}", rules, flags=re.M)


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


class Prometheus:
    """Scrapes one worker and tells one Alertmanager; ended by ``stop``. ``hour``: one of the
    company, in seconds; so often it scrapes and evaluates."""

    def __init__(self, folder: Path, worker_port: int, alertmanager_port: int, hour: float):
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(dir=folder, prefix="prometheus-"))
        config = self._configured(worker_port, alertmanager_port, hour)
        self._log = (self._folder / "log").open("wb")
        self._child = subprocess.Popen(
            [
                binary("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            # Sixty times as many evaluations as usual, on few series: garbage is all it makes.
            env={**os.environ, "GOGC": "400"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        wait_until(self._ready, "Prometheus to be ready")

    def _configured(self, worker_port: int, alertmanager_port: int, hour: float) -> Path:
        config = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text(encoding="utf-8"))
        every = _duration(hour)
        config["global"] = {"scrape_interval": every, "evaluation_interval": every}
        target = {"targets": [f"127.0.0.1:{alertmanager_port}"]}
        config["alerting"]["alertmanagers"] = [{"static_configs": [target]}]
        of_worker = config["scrape_configs"][0]
        assert of_worker["job_name"] == "funnel-stream"
        del of_worker["dns_sd_configs"]
        of_worker["static_configs"] = [{"targets": [f"127.0.0.1:{worker_port}"]}]
        config["scrape_configs"] = [of_worker]
        (self._folder / "rules").mkdir()
        for file in sorted((DEPLOYED / "rules").glob("*.yml")):
            rules = file.read_text(encoding="utf-8")
            # The software's alerts are about real minutes, however fast the company lives.
            software = file.name == "software.yml"
            rules = evaluated_every(hour, rules) if software else faster(rules, hour)
            (self._folder / "rules" / file.name).write_text(rules, encoding="utf-8")
        path = self._folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _ready(self) -> bool:
        assert self._child.poll() is None, f"Prometheus has ended:\n{self.log()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(20)
        self._log.close()

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an API answer; raises ``AssertionError`` with Prometheus' own words."""
        asked = urllib.parse.urlencode(parameters).encode() if parameters else None
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        try:
            with urllib.request.urlopen(address, asked, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters or path}: {error.read().decode()}") from error

    def query(self, expr: str) -> list[Any]:
        """An instant query's series; a scalar as one."""
        data = self.ask("query", query=expr)
        result: list[Any] = data["result"]
        return result if data["resultType"] != "scalar" else [{"metric": {}, "value": result}]

    def value(self, expr: str) -> float:
        """The only series' value."""
        (series,) = self.query(expr)
        return float(series["value"][1])

    def missed(self) -> dict[str, float]:
        """Of each group of rules the share (0-1) of evaluations that were left out since the start,
        because the one before took longer than the interval."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        counted = {
            family.name: {s.labels["rule_group"]: s.value for s in family.samples}
            for family in families
            if family.name.startswith("prometheus_rule_group_iterations")
        }
        due = counted["prometheus_rule_group_iterations"]
        left_out = counted["prometheus_rule_group_iterations_missed"]
        return {group: left_out.get(group, 0.0) / number for group, number in due.items() if number}

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        return {
            alert["labels"]["alertname"]
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }
