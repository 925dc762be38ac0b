"""Real funnels through import, broker and worker: the same figures as compute and as SQL."""

import csv
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import broken_down
from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Figures, Worker, run
from tests.integration.stories import RICH, written
from tests.oracle import oracle
from tests.oracle.conftest import counted

__all__ = ["counted"]

pytestmark = pytest.mark.broker

YEAR = {"pipeline": "default", "window": "365d"}
OLIST = (
    "olist_marketing_qualified_leads_dataset.csv",
    "olist_closed_deals_dataset.csv",
)
MAVEN = ("sales_pipeline.csv", "products.csv", "accounts.csv")
MOST_SERIES = 10_000


def last_instant(lines: Iterable[bytes]) -> str:
    """When the newest event occurred; an erasure occurs nowhere."""
    texts = (json.loads(line).get("occurred_at") for line in lines)
    return max(filter(None, texts), key=datetime.fromisoformat)


def wait_for_oracle(
    worker: Worker, file: Path, lines: list[bytes], config: Path | None = None
) -> Figures:
    """Until the worker has all the events; then every figure must be SQL's, and what ``/metrics``
    shows of them must be the same."""
    file.write_bytes(b"\n".join(lines))
    as_of = last_instant(lines)
    expected = oracle.figures(file, as_of, json.loads(config.read_text()) if config else None)
    worker.wait_consumed(len(lines))
    worker.wait_until(lambda: reached(worker, as_of), f"the figures to be as of {as_of}")
    difference = AssertionError()

    def equal() -> Figures | None:
        nonlocal difference
        shown = worker.kpis()
        try:
            oracle.compare(expected, as_samples(shown or {}), source="broker and worker")
        except AssertionError as error:
            difference = error
            return None
        return shown

    try:
        shown = worker.wait_until(equal, "all figures to be SQL's", deadline=30)
    except AssertionError:
        raise difference from None
    metrics = {key: value for key, value in worker.metrics().items() if key in shown}
    assert metrics == exported(shown, load(config))
    assert len(metrics) < MOST_SERIES
    return shown


def reached(worker: Worker, as_of: str) -> bool:
    shown = worker.metric("funnel_as_of_timestamp_seconds")
    return shown == oracle.microseconds(as_of) / 1e6


def as_samples(figures: Figures) -> list[dict[str, Any]]:
    return [
        {"metric": metric, "labels": dict(labels), "value": value}
        for (metric, labels), value in figures.items()
    ]


def exported(figures: Figures, definition: Definition) -> Figures:
    """What is left of all figures on ``/metrics``: totals in some windows, some breakdowns of
    some KPIs in fewer (matured conversions in others), and what has no window."""
    kpis = {f"funnel_{kpi}_breakdown" for kpi in broken_down(definition)}
    kept: Figures = {}
    for (metric, labels), value in figures.items():
        of = dict(labels)
        windows = definition.export_windows()
        if "dimension" in of:
            windows = definition.breakdown_windows()
            if of.get("basis") == "matured":
                windows = definition.matured_windows()
            base = metric.partition("_breakdown")[0] + "_breakdown"
            if of["dimension"] not in definition.export.dimensions:
                continue
            if base not in kpis and "target" not in metric:
                continue
        if of.get("window") in (None, *windows):
            kept[metric, labels] = value
    return kept


def figure(figures: Figures, metric: str, **labels: str) -> float | None:
    return figures.get((metric, frozenset((YEAR | labels).items())))


@pytest.mark.data
def test_olist(
    broker: Broker,
    start_worker: Callable[..., Worker],
    olist: Path,
    imported: Callable[..., Path],
    tmp_path: Path,
) -> None:
    events = imported("olist", *(olist / name for name in OLIST)).read_bytes().splitlines()
    until_june = [line for line in events if json.loads(line)["occurred_at"] < "2018-06-01"]
    later = [line for line in events if line not in set(until_june)]
    with (olist / OLIST[0]).open(encoding="utf-8") as file:
        origins = [row["origin"] or "__none__" for row in csv.DictReader(file)]
    worker = start_worker(broker, "--clock", "event")
    publish(until_june, broker.address)
    june = wait_for_oracle(worker, tmp_path / "june.ndjson", until_june)
    assert figure(june, "funnel_leads") == len(origins) == 8000
    for origin in set(origins):
        found = figure(june, "funnel_leads_breakdown", dimension="channel", value=origin)
        assert found == origins.count(origin), origin

    publish(later, broker.address)
    end = wait_for_oracle(worker, tmp_path / "end.ndjson", events)
    assert figure(end, "funnel_deals_closed", outcome="won") == 842
    mean = figure(end, "funnel_time_to_close_seconds", outcome="won")
    assert mean == pytest.approx(49.102 * 86_400, rel=1e-4)

    again = imported("olist", *(olist / name for name in OLIST)).read_bytes().splitlines()
    publish(again, broker.address)
    worker.wait_consumed(2 * len(events))
    assert worker.metric("funnel_events_duplicate_total") == len(events)
    assert worker.kpis() == end


@pytest.mark.data
def test_maven_crm(
    broker: Broker,
    start_worker: Callable[..., Worker],
    maven: Path,
    imported: Callable[..., Path],
    tmp_path: Path,
) -> None:
    events = imported("maven_crm", *(maven / name for name in MAVEN)).read_bytes().splitlines()
    worker = start_worker(broker, "--clock", "event")
    publish(events, broker.address)
    end = wait_for_oracle(worker, tmp_path / "end.ndjson", events)
    assert figure(end, "funnel_win_ratio_numerator") == 4238
    assert figure(end, "funnel_win_ratio_denominator") == 6711
    assert figure(end, "funnel_win_ratio") == 4238 / 6711
    assert figure(end, "funnel_deal_value", outcome="won", currency="USD") == 10_005_534.0


@pytest.mark.parametrize("configured", [False, True], ids=["plain", "configured"])
def test_a_simulated_company(
    broker: Broker, start_worker: Callable[..., Worker], tmp_path: Path, configured: bool
) -> None:
    """Two pipelines, several currencies, spend over periods, corrections, reopenings, erasures,
    late and repeated events: ``simulate`` → ``emit`` → worker, and SQL."""
    file = tmp_path / "events.ndjson"
    story = ("--days", "50", "--deals-per-day", "12", "--seed", "5")
    simulated = run("simulate", *story, "--end", "2026-05-28T06:30:00Z", "--out", str(file))
    assert simulated.returncode == 0, simulated.stderr
    config = written(tmp_path, RICH) if configured else None
    options = ("--config", str(config)) if config else ()
    worker = start_worker(broker, "--clock", "event", *options)
    emitted = run("emit", str(file), "--broker", broker.address)
    assert emitted.returncode == 0, emitted.stderr
    lines = file.read_bytes().splitlines()
    assert any(b"deal_erased" in line for line in lines)
    wait_for_oracle(worker, tmp_path / "all.ndjson", lines, config)
