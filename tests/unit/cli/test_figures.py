"""Reading a worker's figures as its clients do."""

import pytest

from funnel_stream.cli.figures import Figures, metrics_of, read
from tests.unit.exposition.test_server import served
from tests.unit.exposition.workers import busy, idle, reporting


def test_figures_of_a_reporting_worker() -> None:
    with served(reporting()) as address:
        figures = read(address, "365d", ["funnel_assignments_total"])
    base = {"pipeline": "default", "window": "365d"}
    assert figures
    assert figures.kpi("funnel_leads", **base) == 2
    assert figures.kpi("funnel_leads", pipeline="default") is None, "labels have to be all"
    assert figures.kpi("funnel_nothing", **base) is None
    values = figures.kpis("funnel_deal_value", **base, outcome="won")
    assert [(each["labels"]["currency"], each["value"]) for each in values] == [("EUR", 12.5)]
    assert figures.worker_metric("funnel_assignments_total") == 1
    assert figures.worker_metric("funnel_reporting") is None, "it was not asked for"


def test_own_series_are_summed_over_their_labels() -> None:
    names = ["funnel_consumer_lag_records", "funnel_state_rows", "funnel_batch_size_records_sum"]
    with served(busy()) as address:
        figures = Figures((), metrics_of(address, names))
    assert not figures
    assert figures.worker_metric("funnel_state_rows") == 23
    assert figures.worker_metric("funnel_state_rows", partition="0") == 12
    assert figures.worker_metric("funnel_batch_size_records_sum") == 607


def test_a_worker_without_figures_says_why() -> None:
    with served(idle()) as address, pytest.raises(OSError, match=r"answered 503: .*Another"):
        read(address, "30d", [])
    with pytest.raises(OSError, match="refused"):
        read(address, "30d", [])
