"""/metrics, down to the letter."""

import re

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

from funnel_stream import __version__
from funnel_stream.contract.event import DIMENSIONS
from funnel_stream.definition import Definition, Export
from funnel_stream.exposition.metrics import Exposition, kpi_lines, kpi_text
from funnel_stream.exposition.operations import WORKER_METRICS
from funnel_stream.kpis.catalogue import KPIS, Family
from funnel_stream.kpis.samples import Series, samples
from funnel_stream.kpis.scope import LabelSet, label_text
from tests.unit.exposition.workers import busy, idle, reporting

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"

FAMILIES = [
    Family("funnel_leads", "gauge", 'Deals that "entered".', "deals", "leads"),
    Family("funnel_unused", "gauge", "Never seen.", "deals", "unused"),
    Family("funnel_wait_seconds", "gauge", "A \\ and\na line.", "seconds", "wait"),
    Family("funnel_wait_seconds_sum", "gauge", "Sum.", "seconds", "wait"),
]


def one(value: float, own: dict[str, str] | None = None, **place: str) -> Series:
    own = own or {}
    return Series(LabelSet(place, label_text(place)), LabelSet(own, label_text(own)), value)


SERIES = {
    "funnel_leads": [
        one(12345678901234567, pipeline="default", window="1h"),
        one(0, {"stage": "lead"}, pipeline='a"b\\c\nd'),
    ],
    "funnel_unused": [],
    "funnel_wait_seconds": [one(1.5e-07, {"outcome": "won"}, pipeline="x")],
    "funnel_wait_seconds_sum": [one(0.1, {"outcome": "won"}, pipeline="x")],
}


def test_prometheus_text_of_kpis() -> None:
    text = kpi_text(kpi_lines(SERIES, FAMILIES), openmetrics=False)
    assert text == (
        '# HELP funnel_leads Deals that "entered".\n'
        "# TYPE funnel_leads gauge\n"
        'funnel_leads{pipeline="default",window="1h"} 12345678901234567\n'
        'funnel_leads{pipeline="a\\"b\\\\c\\nd",stage="lead"} 0\n'
        "# HELP funnel_wait_seconds A \\\\ and\\na line.\n"
        "# TYPE funnel_wait_seconds gauge\n"
        'funnel_wait_seconds{pipeline="x",outcome="won"} 1.5e-07\n'
        "# HELP funnel_wait_seconds_sum Sum.\n"
        "# TYPE funnel_wait_seconds_sum gauge\n"
        'funnel_wait_seconds_sum{pipeline="x",outcome="won"} 0.1\n'
    )


def test_openmetrics_text_of_kpis_has_units_and_escapes_quotes_in_the_help() -> None:
    text = kpi_text(kpi_lines(SERIES, FAMILIES), openmetrics=True)
    assert text == (
        '# HELP funnel_leads Deals that \\"entered\\".\n'
        "# TYPE funnel_leads gauge\n"
        'funnel_leads{pipeline="default",window="1h"} 12345678901234567\n'
        'funnel_leads{pipeline="a\\"b\\\\c\\nd",stage="lead"} 0\n'
        "# HELP funnel_wait_seconds A \\\\ and\\na line.\n"
        "# TYPE funnel_wait_seconds gauge\n"
        "# UNIT funnel_wait_seconds seconds\n"
        'funnel_wait_seconds{pipeline="x",outcome="won"} 1.5e-07\n'
        "# HELP funnel_wait_seconds_sum Sum.\n"
        "# TYPE funnel_wait_seconds_sum gauge\n"
        'funnel_wait_seconds_sum{pipeline="x",outcome="won"} 0.1\n'
    )


def test_own_metrics_in_full() -> None:
    body, _ = Exposition(busy(), process=False).render("")
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    rejected = [line for line in lines if line.startswith("funnel_events_rejected_total")]
    assert rejected[0] == 'funnel_events_rejected_total{reason="not_json"} 1.0'
    assert len(rejected) > 20
    assert all(line.endswith(" 0.0") for line in rejected[1:])
    assert [line for line in lines if line not in rejected] == [
        "funnel_events_consumed_total 607.0",
        'funnel_events_amended_total{reason="rounded_amount"} 2.0',
        'funnel_events_amended_total{reason="currency_case"} 0.0',
        'funnel_events_amended_total{reason="unreadable_amount"} 0.0',
        "funnel_events_duplicate_total 2.0",
        "funnel_events_misrouted_total 1.0",
        "funnel_events_late_total 3.0",
        "funnel_events_erased_total 4.0",
        "funnel_events_expired_total 6.0",
        "funnel_events_repeated_outcome_total 7.0",
        'funnel_batch_size_records_bucket{le="1.0"} 0.0',
        'funnel_batch_size_records_bucket{le="10.0"} 1.0',
        'funnel_batch_size_records_bucket{le="100.0"} 1.0',
        'funnel_batch_size_records_bucket{le="500.0"} 1.0',
        'funnel_batch_size_records_bucket{le="1000.0"} 2.0',
        'funnel_batch_size_records_bucket{le="2500.0"} 2.0',
        'funnel_batch_size_records_bucket{le="5000.0"} 2.0',
        'funnel_batch_size_records_bucket{le="10000.0"} 2.0',
        'funnel_batch_size_records_bucket{le="+Inf"} 2.0',
        "funnel_batch_size_records_count 2.0",
        "funnel_batch_size_records_sum 607.0",
        'funnel_consumer_lag_records{partition="0"} 0.0',
        'funnel_consumer_lag_records{partition="1"} 5.0',
        'funnel_state_rows{partition="0"} 12.0',
        'funnel_state_rows{partition="1"} 11.0',
        "funnel_state_expired_total 5.0",
        'funnel_stubs{partition="0"} 0.0',
        'funnel_stubs{partition="1"} 21.0',
        "funnel_stubs_evicted_total 8.0",
        'funnel_untouched_deals{partition="0"} 0.0',
        'funnel_untouched_deals{partition="1"} 31.0',
        "funnel_recovery_seconds 0.5",
        "funnel_assignments_total 1.0",
        "funnel_fact_batches_published_total 1.0",
        'funnel_event_to_metric_seconds_bucket{le="0.1"} 0.0',
        *(
            f'funnel_event_to_metric_seconds_bucket{{le="{bound}"}} 1.0'
            for bound in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
        ),
        'funnel_event_to_metric_seconds_bucket{le="+Inf"} 2.0',
        "funnel_event_to_metric_seconds_count 2.0",
        "funnel_event_to_metric_seconds_sum 400.25",
        "funnel_invariant_violations_total 0.0",
        "funnel_reporting 0.0",
        f'funnel_build_info{{version="{__version__}"}} 1.0',
    ]


def test_every_own_metric_is_named_as_the_conventions_say() -> None:
    for own in WORKER_METRICS:
        assert re.fullmatch(r"funnel_[a-z_]+", own.name)
        assert own.help.endswith(".")
        assert own.name.endswith(own.unit)
        assert not own.name.endswith("_total"), "the encoder appends it"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_content_negotiation(accept: str, content_type: str) -> None:
    body, given = Exposition(idle()).render(accept)
    assert given.startswith(content_type)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


WINDOWS = Definition().windows
EVERYTHING = Definition(
    export=Export(
        windows=WINDOWS,
        dimensions=DIMENSIONS,
        breakdown_windows=WINDOWS,
        matured_windows=WINDOWS,
        breakdown_kpis=tuple(kpi.id for kpi in KPIS),
    )
)


@pytest.mark.parametrize(("accept", "reader"), [("", read_text), (OPENMETRICS, read_openmetrics)])
def test_a_scrape_is_valid_and_holds_exactly_the_samples(accept: str, reader: object) -> None:
    reporter = reporting(EVERYTHING)
    snapshot = reporter.snapshot()
    assert snapshot is not None
    body, _ = Exposition(reporter).render(accept)
    families = list(reader(body.decode()))  # type: ignore[operator]
    wanted = samples(snapshot)
    names = {sample.metric for sample in wanted}
    scraped = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name in names
    }
    assert scraped == {
        (sample.metric, frozenset(sample.labels.items())): sample.value for sample in wanted
    }
    own = {sample.name: sample.value for family in families for sample in family.samples}
    assert own["funnel_reporting"] == 1.0
    assert own["funnel_as_of_timestamp_seconds"] == snapshot.as_of / 1e6
    assert own["process_resident_memory_bytes"] > 0


def test_by_default_long_windows_and_most_breakdowns_are_left_to_the_api() -> None:
    text = Exposition(reporting()).render("")[0].decode()
    assert set(re.findall(r'window="(\w+)"', text)) == {"1h", "24h", "7d", "30d"}
    breakdowns = [line for line in text.splitlines() if 'dimension="' in line]
    assert breakdowns
    assert all('dimension="channel"' in line for line in breakdowns)
    matured = [line for line in breakdowns if 'basis="matured"' in line]
    others = [line for line in breakdowns if line not in matured]
    assert {*re.findall(r'window="(\w+)"', "".join(matured))} == {"24h"}
    assert {*re.findall(r'window="(\w+)"', "".join(others))} == {"30d"}
    assert "funnel_transitions{" in text
    assert "funnel_transitions_breakdown" not in text


def test_kpis_appear_change_and_vanish_with_the_snapshot() -> None:
    reporter = reporting()
    exposition = Exposition(reporter)
    series = b'\nfunnel_leads{pipeline="default",window="30d"} 2\n'
    assert series in exposition.render("")[0]
    assert series in exposition.render(OPENMETRICS)[0]
    reporter.hide("reading the panes")
    assert b"funnel_leads" not in exposition.render("")[0]
    assert b"funnel_as_of_timestamp_seconds" not in exposition.render("")[0]
    assert b"\nfunnel_reporting 0.0\n" in exposition.render("")[0]


def test_only_the_series_asked_for() -> None:
    body, _ = Exposition(reporting()).render(
        "", ["funnel_leads", "funnel_events_rejected_total", "funnel_batch_size_records_count"]
    )
    names = {line.partition("{")[0].partition(" ")[0] for line in body.decode().splitlines()}
    assert names - {"#"} == {
        "funnel_leads",
        "funnel_events_rejected_total",
        "funnel_batch_size_records_count",
    }
