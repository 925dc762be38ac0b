"""Real funnels through import, broker and worker: the same figures as compute and as SQL."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from funnel_stream.tools.publisher import publish
from tests.integration.processes import Broker, Figures, Worker, as_figures
from tests.oracle import oracle

pytestmark = [pytest.mark.broker, pytest.mark.data]

YEAR = {"pipeline": "default", "window": "365d"}
OLIST = (
    "olist_marketing_qualified_leads_dataset.csv",
    "olist_closed_deals_dataset.csv",
)
MAVEN = ("sales_pipeline.csv", "products.csv", "accounts.csv")


def last_instant(lines: Iterable[bytes]) -> str:
    return max(json.loads(line)["occurred_at"] for line in lines)


def wait_for_oracle(worker: Worker, file: Path, lines: list[bytes]) -> Figures:
    """Until the worker has all the events; then every figure must be SQL's, on both addresses."""
    file.write_bytes(b"\n".join(lines))
    expected = oracle.figures(file, last_instant(lines))
    leads = oracle.key("funnel_stage_entries", YEAR | {"stage": "lead"})
    won = oracle.key("funnel_deals_closed", YEAR | {"outcome": "won"})

    def complete() -> Figures | None:
        found = worker.kpis()
        if found is None:
            return None
        values = [found.get((metric, frozenset(labels))) for metric, labels in (leads, won)]
        return found if values == [expected[leads].value, expected[won].value] else None

    shown = worker.wait_until(complete, "the figures of all events")
    samples = [
        {"metric": metric, "labels": dict(labels), "value": value}
        for (metric, labels), value in shown.items()
    ]
    oracle.compare(expected, samples)
    metrics = worker.metrics()
    assert {key: metrics.get(key) for key in shown} == shown
    return shown


def figure(figures: Figures, metric: str, **labels: str) -> float | None:
    return figures.get((metric, frozenset((YEAR | labels).items())))


def won_by(worker: Worker) -> float | None:
    return figure(worker.kpis(window="365d") or {}, "funnel_deals_closed", outcome="won")


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


def test_a_second_import_changes_nothing(
    broker: Broker,
    start_worker: Callable[..., Worker],
    olist: Path,
    imported: Callable[..., Path],
) -> None:
    once = imported("olist", *(olist / name for name in OLIST)).read_bytes().splitlines()
    again = imported("olist", *(olist / name for name in OLIST)).read_bytes().splitlines()
    worker = start_worker(broker, "--clock", "event")
    publish(once, broker.address)
    worker.wait_consumed(len(once))
    worker.wait_until(lambda: won_by(worker) == 842, "842 won")
    before = worker.kpis()
    publish(again, broker.address)
    worker.wait_consumed(2 * len(once))
    assert worker.metric("funnel_events_duplicate_total") == len(once)
    assert worker.kpis() == before


def test_samples_are_the_same_array(
    broker: Broker, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    """An empty funnel: what is shown before the first event is what compute says of no event."""
    worker = start_worker(broker, "--clock", "event")
    worker.wait_until(worker.reports, "the worker to report")
    status, body = worker.get("/api/kpis")
    assert status == 200
    assert set(as_figures(json.loads(body)).values()) == {0}
