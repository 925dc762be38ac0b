"""Random funnels with everything that can go wrong: compute and SQL give the same figures."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_verb
from tests.oracle import oracle
from tests.oracle.funnels import RandomFunnel, write

END = datetime(2025, 3, 31, 12, 34, tzinfo=UTC)

Answer = list[dict[str, Any]]


def written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("seed", "deals", "days", "instants"),
    [
        (1, 200, 390.0, [END, END - timedelta(days=100, microseconds=1)]),
        (2, 100, 40.0, [END.replace(minute=0)]),
        (3, 60, 2.0, [END, END + timedelta(days=1)]),
        (4, 30, 0.1, [END - timedelta(minutes=59)]),
        (5, 200, 500.0, [END]),
    ],
)
def test_any_funnel_at_any_instant(
    tmp_path: Path,
    compute: Callable[..., Answer],
    seed: int,
    deals: int,
    days: float,
    instants: list[datetime],
) -> None:
    funnel = RandomFunnel(seed, deals=deals, end=END, days=days)
    events = write(tmp_path / "events.ndjson", funnel.lines())
    for instant in instants:
        as_of = written(instant)
        oracle.compare(oracle.figures(events, as_of), compute(events, as_of))


def test_a_simulated_history(tmp_path: Path, compute: Callable[..., Answer]) -> None:
    events = tmp_path / "events.ndjson"
    run_verb(
        "simulate", "--days", "60", "--deals-per-day", "10", "--seed", "7", "--out", str(events)
    )
    first, *_, last = sorted(oracle.instants(events))
    for instant in (first + (last - first) / 2, last):
        as_of = written(instant)
        compared = oracle.compare(oracle.figures(events, as_of), compute(events, as_of))
        assert compared > 1000


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
