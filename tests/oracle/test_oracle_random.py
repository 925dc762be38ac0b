"""Random funnels with everything that can go wrong: compute and SQL give the same figures."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import run_verb
from tests.oracle import oracle
from tests.oracle.funnels import RandomFunnel, write

END = datetime(2025, 3, 31, 12, 34, tzinfo=UTC)
RICH = Path(__file__).with_name("rich.yaml")

KPIS = {
    # Stage 1: lead
    "leads", "cost_per_lead", "spend", "conversion_ratio", "lead_acquisition_seconds",
    # Stage 2: qualification
    "qualified_leads", "lead_quality_ratio",
    # Stage 3: potential
    "problems", "desired_outcomes", "activity_conversion_ratio", "activities",
    # Stage 4: offers
    "offers_sent", "deals_offered", "offer_preparation_seconds", "offer_acceptance_ratio",
    "offer_value",
    # Stage 5: negotiation
    "negotiation_seconds", "negotiation_rounds", "negotiation_success_ratio", "discount_ratio",
    "value_retention_ratio",
    # Stage 6: contract
    "sales_conversion_ratio", "win_ratio", "time_to_close_seconds", "deal_value", "deals_closed",
    "lost_deals", "lost_value",
    # Beyond the article
    "stage_entries", "stage_duration_seconds", "transitions", "open_deals", "open_value",
    "open_age_seconds", "stuck_deals", "target", "target_attainment_ratio", "lead_score",
    "margin_ratio", "pipeline_velocity", "won_value_per_day",
}  # fmt: skip
"""Every metric of the KPI catalogue, copied by hand."""
BASES = {
    "conversion_ratio": {"period", "cohort", "matured"},
    "lead_quality_ratio": {"period", "cohort"},
    "sales_conversion_ratio": {"period", "cohort"},
    "offer_acceptance_ratio": {"period", "cohort"},
}
WITH_TIMES = {
    "lead_acquisition_seconds", "offer_preparation_seconds", "negotiation_seconds",
    "time_to_close_seconds", "stage_duration_seconds",
}  # fmt: skip
OF_NOW = {"open_deals", "open_value", "open_age_seconds", "stuck_deals"}
OF_CHANNELS = {"spend", "cost_per_lead"}
TARGETS = {"target", "target_attainment_ratio"}

Answer = list[dict[str, Any]]
Compute = Callable[..., Answer]


@pytest.fixture(scope="module")
def rich() -> dict[str, Any]:
    config = yaml.safe_load(RICH.read_text(encoding="utf-8"))
    assert isinstance(config, dict)
    return config


def written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("seed", "deals", "days", "instant"),
    [
        (1, 200, 380.0, END - timedelta(days=100, microseconds=1)),
        (2, 100, 40.0, END.replace(minute=0)),
        (3, 60, 2.0, END + timedelta(days=1)),
        (4, 30, 0.1, END - timedelta(minutes=59)),
        (5, 150, 500.0, END.replace(hour=0, minute=0)),
    ],
)
def test_any_funnel_at_any_instant(
    tmp_path: Path, compute: Compute, seed: int, deals: int, days: float, instant: datetime
) -> None:
    funnel = RandomFunnel(seed, deals=deals, end=END, days=days)
    events = write(tmp_path / "events.ndjson", funnel.lines())
    as_of = written(instant)
    oracle.compare(oracle.figures(events, as_of), compute(events, as_of), source="random")


@pytest.mark.parametrize(
    ("seed", "deals", "days", "instant"),
    [
        (11, 150, 380.0, END),
        (12, 80, 30.0, END - timedelta(days=3, hours=5)),
        (13, 60, 1.5, END.replace(minute=0)),
        (14, 100, 420.0, END.replace(hour=23, minute=59, second=59, microsecond=999_999)),
    ],
)
def test_any_funnel_with_everything_configured(
    tmp_path: Path,
    compute: Compute,
    rich: dict[str, Any],
    seed: int,
    deals: int,
    days: float,
    instant: datetime,
) -> None:
    funnel = RandomFunnel(seed, deals=deals, end=END, days=days, config=rich)
    events = write(tmp_path / "events.ndjson", funnel.lines())
    as_of = written(instant)
    oracle.compare(
        oracle.figures(events, as_of, rich),
        compute(events, as_of, "--config", str(RICH)),
        source="random",
    )


@pytest.mark.parametrize(("seed", "days", "share"), [(7, 60, 1), (8, 5, 0.7), (9, 200, 1)])
def test_a_simulated_history(
    tmp_path: Path, compute: Compute, seed: int, days: int, share: float
) -> None:
    """As of the end of the history, or when that share of it has passed."""
    events = tmp_path / "events.ndjson"
    options = ["--days", str(days), "--deals-per-day", str(-(-120 // days)), "--seed", str(seed)]
    run_verb("simulate", *options, "--end", "2026-03-02T10:20:30Z", "--out", str(events))
    first, *_, last = sorted(oracle.instants(events))
    as_of = written(first + (last - first) * share)
    expected = oracle.figures(events, as_of)
    assert oracle.compare(expected, compute(events, as_of), source="simulated") > 10_000


def test_every_kpi_is_compared_in_every_window_basis_and_dimension(
    tmp_path: Path, compute: Compute, rich: dict[str, Any]
) -> None:
    """Held against the catalogue, copied by hand, so that none is forgotten on both sides."""
    few = {
        "windows": ["24h", "30d", "400d"],
        "dimensions": ["channel", "product", "channel+product"],
        "top_n_of": {"channel+product": 4, "problem": 2, "reason": 4},
    }
    config = rich | few | {"targets": [t for t in rich["targets"] if t.get("window") == "400d"]}
    file = tmp_path / "funnel.yaml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    funnel = RandomFunnel(22, deals=1500, end=END, days=5, config=config)
    events = write(tmp_path / "events.ndjson", funnel.lines())
    expected = oracle.figures(events, written(END), config)
    oracle.compare(expected, compute(events, written(END), "--config", str(file)), source="random")

    seen: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for (metric, pairs), figure in expected.items():
        labels, kpi = dict(pairs), oracle.family(metric).removeprefix("funnel_")
        if figure.value:
            seen[kpi].add((labels.get("window"), labels.get("dimension")))
            if "basis" in labels and kpi not in TARGETS:
                bases[kpi].add(labels["basis"])
    assert seen.keys() == KPIS
    assert bases == BASES
    for kpi in KPIS - TARGETS:
        assert seen[kpi] == expected_places(kpi, config), kpi
    for kpi in WITH_TIMES:
        assert f"funnel_{kpi}_breakdown_quantile" in {metric for metric, _ in expected}


def expected_places(kpi: str, config: Mapping[str, Any]) -> set[tuple[str | None, str | None]]:
    """The windows and dimensions (none: the total) in which a KPI must have been compared."""
    windows = [None] if kpi in OF_NOW else config["windows"]
    dimensions = ["channel"] if kpi in OF_CHANNELS else config["dimensions"]
    return {(window, cut) for window in windows for cut in (None, *dimensions)}


def sample(metric: str, value: float) -> dict[str, Any]:
    return {"metric": metric, "labels": {"window": "1h"}, "value": value}


def test_a_difference_is_found_and_named() -> None:
    given = {"leads": (3, "exact"), "mean": (100.0, "relative"), "half": (100.0, "quantile"),
             "absent": (0, "exact")}  # fmt: skip
    expected = {
        oracle.key(metric, {"window": "1h"}): oracle.Figure(*figure)
        for metric, figure in given.items()
    }
    right = [sample("leads", 3), sample("mean", 100.0), sample("half", 102.0), sample("absent", 0)]
    assert oracle.compare(expected, right) == 4
    wrong = [sample("leads", 3), sample("leads", 3), sample("mean", 100.000001),
             sample("half", 97.9), sample("more", 0)]  # fmt: skip
    with pytest.raises(AssertionError) as failure:
        oracle.compare(expected, wrong)
    assert str(failure.value).splitlines() == [
        "5 differences in 4 expected figures, the first:",
        "absent{window='1h'}: is missing, expected 0",
        "half{window='1h'}: got 97.9, expected 100.0 (quantile)",
        "leads{window='1h'}: is there twice",
        "mean{window='1h'}: got 100.000001, expected 100.0 (relative)",
        "more{window='1h'}: is too much: got 0, expected no series",
    ]
    with pytest.raises(AssertionError, match="nothing"):
        oracle.compare(expected, right, only=lambda _: False)
