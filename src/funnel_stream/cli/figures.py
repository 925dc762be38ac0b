"""The figures of a running worker, read over HTTP as any other client reads them."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict

_LINE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_TIMEOUT_S: Final = 5.0

Labels = Mapping[str, str]


class KpiSample(TypedDict):
    """One element of the array that ``/api/kpis`` and ``compute --json`` give."""

    metric: str
    labels: dict[str, str]
    value: float


class Figures:
    """KPIs by metric and labels, and the worker's own metrics by series name."""

    def __init__(self, kpis: Iterable[KpiSample] = (), metrics_text: str = "") -> None:
        self._kpis: dict[str, list[KpiSample]] = {}
        for sample in kpis:
            self._kpis.setdefault(sample["metric"], []).append(sample)
        self._series: dict[str, list[tuple[Labels, float]]] = {}
        for line in metrics_text.splitlines():
            if match := _LINE.fullmatch(line):
                labels = dict(_LABEL.findall(match[2] or ""))
                self._series.setdefault(match[1], []).append((labels, float(match[3])))

    def __bool__(self) -> bool:
        return bool(self._kpis)

    def kpi(self, metric: str, **labels: str) -> float | None:
        """The value of the one series with exactly these labels; ``None`` if there is none."""
        for sample in self._kpis.get(metric, ()):
            if sample["labels"] == labels:
                return sample["value"]
        return None

    def kpis(self, metric: str, **labels: str) -> list[KpiSample]:
        """The series of a metric that have these labels, among others."""
        return [
            sample
            for sample in self._kpis.get(metric, ())
            if labels.items() <= sample["labels"].items()
        ]

    def worker_metric(self, series: str, **labels: str) -> float | None:
        """The sum of one of the worker's own series; ``None`` if it does not show any."""
        values = [
            value
            for found, value in self._series.get(series, ())
            if labels.items() <= found.items()
        ]
        return sum(values) if values else None


def fetch(url: str) -> bytes:
    """GET ``url``; raises ``OSError`` unless the answer is 200."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            reason = error.read(500).decode(errors="replace")
        raise OSError(f"{url} answered {error.code}: {reason}") from error


def read(address: str, window: str, series: Iterable[str]) -> Figures:
    """The total KPIs of a window and the given series of the worker at ``http://host:port``.

    Raises ``OSError`` if it shows none.
    """
    kpis: Sequence[Any] = json.loads(fetch(f"{address}/api/kpis?window={window}&dimension="))
    return Figures(kpis, metrics_of(address, series))


def metrics_of(address: str, series: Iterable[str]) -> str:
    """The part of ``/metrics`` that has these series."""
    query = urllib.parse.urlencode([("name[]", name) for name in series])
    return fetch(f"{address}/metrics?{query}").decode()
