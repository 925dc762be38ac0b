"""Small funnels with answers worked out by hand, asked of the oracle and of the package alike."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.funnels import Line, event, write

NOON = "2025-06-15T12:00:00Z"


class Figures:
    """Looks up one value; ``None`` where there is no series."""

    def __init__(self, values: dict[oracle.Key, float]) -> None:
        self._values = values

    def __call__(
        self, metric: str, window: str = "30d", pipeline: str = "default", **labels: str
    ) -> float | None:
        full = {"pipeline": pipeline, "window": window} | labels
        return self._values.get(oracle.key(f"funnel_{metric}", full))

    def metrics(self) -> set[str]:
        return {metric for metric, _ in self._values}

    def labelled(self, metric: str, label: str, **given: str) -> dict[str, float]:
        """Value by one label, of the series that have the given labels."""
        found = [(labels[label], value) for labels, value in self._having(metric, given)]
        assert len(dict(found)) == len(found), f"{metric}: more than one series by {label}"
        return dict(found)

    def total(self, metric: str, **given: str) -> float:
        return sum(value for _, value in self._having(metric, given))

    def _having(self, metric: str, given: dict[str, str]) -> list[tuple[dict[str, str], float]]:
        return [
            (dict(labels), value)
            for (name, labels), value in self._values.items()
            if name == f"funnel_{metric}" and given.items() <= dict(labels).items()
        ]


Ask = Callable[..., Figures]


@cache
def by_oracle(text: bytes, as_of: str, path: Path) -> dict[oracle.Key, oracle.Figure]:
    path.write_bytes(text)
    return oracle.figures(path, as_of)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle") / "events.ndjson"


@pytest.fixture(params=["oracle", "compute"])
def ask(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    scratch: Path,
    compute: Callable[..., list[dict[str, Any]]],
) -> Ask:
    def answer(lines: list[Line], as_of: str = NOON) -> Figures:
        path = write(tmp_path / "events.ndjson", lines)
        figures = by_oracle(path.read_bytes(), as_of, scratch)
        if request.param == "oracle":
            return Figures({name: figure.value for name, figure in figures.items()})
        samples = compute(path, as_of)
        oracle.compare(figures, samples)
        return Figures({oracle.key(s["metric"], s["labels"]): s["value"] for s in samples})

    return answer


def test_skipped_stages_count_as_passed(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-06-10T08:00:00Z"),
            event("a", "offer", "2025-06-11T08:00:00Z"),
            event("b", "negotiation", "2025-06-12T08:00:00Z"),
        ]
    )
    assert f("leads") == 2
    assert f("qualified_leads") == 2
    entries = f.labelled("stage_entries", "stage", window="30d")
    assert entries == {
        "lead": 2,
        "qualified": 2,
        "potential": 2,
        "offer": 2,
        "negotiation": 1,
        "won": 0,
    }
    assert f("offers_sent") == 1
    moved = f.labelled("transitions", "to_stage", window="30d", from_stage="lead")
    assert moved == {
        "qualified": 0,
        "potential": 0,
        "offer": 1,
        "negotiation": 0,
        "won": 0,
        "lost": 0,
    }


def test_lost_reaches_nothing_but_lead(ask: Ask) -> None:
    f = ask([event("a", "lost", "2025-06-10T08:00:00Z")])
    assert f("leads") == 1
    assert f("qualified_leads") == 0
    assert f("deals_closed", outcome="lost") == 1
    assert f("time_to_close_seconds", outcome="lost") == 0
    assert f.total("transitions", window="30d") == 0


def test_reopening_retracts_the_closing(ask: Ask) -> None:
    lines: list[Line] = [
        event("a", "lead", "2025-06-01T00:00:00Z"),
        event("a", "won", "2025-06-02T00:00:00Z"),
        event("a", "negotiation", "2025-06-03T00:00:00Z"),
    ]
    f = ask(lines)
    assert f("deals_closed", outcome="won") == 0
    assert f("win_ratio") is None
    assert f("stage_entries", stage="won") == 0
    assert f("stage_entries", stage="negotiation") == 1
    assert f("sales_conversion_ratio", basis="cohort") == 0
    assert f("transitions", from_stage="won", to_stage="negotiation") == 1
    f = ask([*lines, event("a", "lost", "2025-06-05T00:00:00Z")])
    assert f("deals_closed", outcome="lost") == 1
    assert f("time_to_close_seconds", outcome="lost") == 4 * 86_400
    assert f("time_to_close_seconds", outcome="won") is None
    f = ask([*lines, event("a", "won", "2025-06-05T00:00:00Z")])
    assert f("time_to_close_seconds", outcome="won") == 4 * 86_400
    assert f("transitions", from_stage="negotiation", to_stage="won") == 1


def test_won_then_lost_is_lost(ask: Ask) -> None:
    f = ask(
        [
            event("a", "won", "2025-06-02T00:00:00Z", amount=5, currency="EUR"),
            event("a", "lost", "2025-06-04T00:00:00Z"),
        ]
    )
    assert f("win_ratio") == 0
    assert f("win_ratio_numerator") == 0
    assert f("win_ratio_denominator") == 1
    assert f("deal_value", outcome="lost", currency="EUR") == 5
    assert f("transitions", from_stage="won", to_stage="lost") == 1
    assert f("conversion_ratio", from_stage="lead", to_stage="won", basis="period") == 0
    assert f("conversion_ratio", from_stage="lead", to_stage="negotiation", basis="cohort") == 1


def test_a_repeated_stage_is_no_entry_but_every_offer_is_one_more_sent(ask: Ask) -> None:
    f = ask(
        [
            event("a", "offer", "2025-06-01T00:00:00Z", amount=100, currency="EUR"),
            event("a", "offer", "2025-06-02T00:00:00Z", amount=90, currency="EUR"),
            event("a", "won", "2025-06-03T00:00:00Z", amount=80, currency="EUR"),
            event("a", "won", "2025-06-05T00:00:00Z", amount=70, currency="EUR", channel="fair"),
        ]
    )
    assert f("offers_sent") == 2
    assert f("time_to_close_seconds_sum", outcome="won") == 2 * 86_400
    assert f("deal_value", outcome="won", currency="EUR") == 70
    assert f("leads_breakdown", dimension="channel", value="fair") == 1
    assert f.total("transitions", window="30d") == 1


def test_moving_back_never_retracts_what_was_reached(ask: Ask) -> None:
    f = ask(
        [
            event("a", "potential", "2025-06-01T00:00:00Z"),
            event("a", "lead", "2025-06-02T00:00:00Z"),
            event("a", "potential", "2025-06-03T00:00:00Z"),
        ]
    )
    assert f("stage_entries", stage="potential") == 1
    assert f("transitions", from_stage="potential", to_stage="lead") == 1
    assert f("transitions", from_stage="lead", to_stage="potential") == 1


def test_order_of_lines_and_duplicates_do_not_matter(ask: Ask) -> None:
    won = event("a", "won", "2025-06-03T00:00:00Z", amount="10.10", currency="EUR")
    lead = event("a", "lead", "2025-06-01T02:00:00+02:00")
    other = event("b", "lead", "2025-06-01T00:00:00Z") | {"event_id": won["event_id"]}
    f = ask([won, lead, won, other, lead])
    assert f("leads") == 2
    assert f("time_to_close_seconds", outcome="won") == 2 * 86_400
    assert f("deal_value", outcome="won", currency="EUR") == 10.1


def test_of_two_events_with_one_id_the_first_seen_wins(ask: Ask) -> None:
    first = event("a", "qualified", "2025-06-03T00:00:00Z")
    f = ask([first, first | {"stage": "won"}])
    assert f("qualified_leads") == 1
    assert f("deals_closed", outcome="won") == 0


def test_simultaneous_stages_are_ordered_by_rank(ask: Ask) -> None:
    at = "2025-06-03T00:00:00Z"
    f = ask([event("a", stage, at) for stage in ("lost", "won", "offer", "lead")])
    assert f("deals_closed", outcome="lost") == 1
    assert f("transitions", from_stage="lead", to_stage="offer") == 1
    assert f("transitions", from_stage="offer", to_stage="won") == 1
    assert f("transitions", from_stage="won", to_stage="lost") == 1


def test_a_correction_moves_every_contribution(ask: Ask) -> None:
    lines: list[Line] = [
        event("a", "lead", "2025-06-01T00:00:00Z", channel="fair", owner="Kim"),
        event("a", "won", "2025-06-02T00:00:00Z", channel="web", amount=3, currency="USD"),
        event("a", "updated", "2025-06-01T12:00:00Z", channel="late news", owner=None),
    ]
    f = ask(lines)
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {"web": 1}
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="owner") == {"Kim": 1}
    f = ask([*lines, event("a", "updated", "2025-06-09T00:00:00Z", pipeline="B", channel="tv")])
    assert f("leads") == 0
    assert f("leads", pipeline="B") == 1
    assert f("deal_value_breakdown", pipeline="B", dimension="channel", value="tv",
             outcome="won", currency="USD") == 3  # fmt: skip


def test_attributes_of_one_instant_are_ordered_by_event_id(ask: Ask) -> None:
    at = "2025-06-01T00:00:00Z"
    f = ask(
        [
            event("a", "lead", at, channel="z") | {"event_id": "10"},
            event("a", "won", at, channel="a") | {"event_id": "1"},
        ]
    )
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {"z": 1}


def test_the_default_pipeline_only_where_none_was_given(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-06-01T00:00:00Z", pipeline="B"),
            event("a", "offer", "2025-06-02T00:00:00Z"),
            event("b", "lead", "2025-06-02T00:00:00Z"),
        ]
    )
    assert f("offers_sent", pipeline="B") == 1
    assert f("offers_sent") == 0
    assert f("leads") == 1


def test_nothing_after_the_instant_is_seen(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-06-15T12:00:00Z", channel="web"),
            event("a", "won", "2025-06-15T12:00:00.000001Z", channel="fair", pipeline="B"),
        ]
    )
    assert f("leads", window="1h") == 1
    assert f("qualified_leads", window="1h") == 0
    assert f("leads_breakdown", dimension="channel", value="web") == 1
    assert f("leads", pipeline="B") is None


@pytest.mark.parametrize(
    ("window", "first", "before"),
    [
        ("1h", "2025-06-15T11:02:00Z", "2025-06-15T11:01:59.999999Z"),
        ("24h", "2025-06-14T13:00:00Z", "2025-06-14T12:59:59.999999Z"),
        ("7d", "2025-06-08T13:00:00Z", "2025-06-08T12:59:59.999999Z"),
        ("30d", "2025-05-16T13:00:00Z", "2025-05-16T12:59:59.999999Z"),
        ("365d", "2024-06-16T00:00:00Z", "2024-06-15T23:59:59.999999Z"),
    ],
)
def test_a_window_begins_with_a_whole_pane(ask: Ask, window: str, first: str, before: str) -> None:
    f = ask([event("a", "lead", first), event("b", "lead", before)], "2025-06-15T12:01:30Z")
    assert f("leads", window=window) == 1


def test_period_and_cohort(ask: Ask) -> None:
    f = ask(
        [
            event("old", "lead", "2025-05-01T00:00:00Z"),
            event("old", "won", "2025-06-14T18:00:00Z"),
            event("a", "lead", "2025-06-14T18:00:00Z"),
            event("b", "lead", "2025-06-14T19:00:00Z"),
            event("b", "qualified", "2025-06-15T10:00:00Z"),
        ]
    )
    assert f("lead_quality_ratio", "24h", basis="period") == 1  # old and b of a and b
    assert f("lead_quality_ratio", "24h", basis="cohort") == 0.5
    assert f("sales_conversion_ratio", "24h", basis="period") == 0.5
    assert f("sales_conversion_ratio", "24h", basis="cohort") == 0
    assert f("sales_conversion_ratio", "365d", basis="cohort") == pytest.approx(1 / 3)
    pair = {"from_stage": "negotiation", "to_stage": "won"}
    assert f("conversion_ratio", "24h", basis="period", **pair) == 1
    assert f("conversion_ratio", "1h", basis="period", **pair) is None
    assert f("conversion_ratio_denominator", "1h", basis="period", **pair) == 0


def test_a_period_conversion_may_exceed_one(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-05-01T00:00:00Z"),
            event("a", "won", "2025-06-15T09:00:00Z"),
            event("b", "lead", "2025-05-01T00:00:00Z"),
            event("b", "won", "2025-06-15T09:00:00Z"),
            event("c", "lead", "2025-06-15T09:00:00Z"),
        ]
    )
    assert f("sales_conversion_ratio", "24h", basis="period") == 2


def test_matured_counts_from_the_first_pane_that_starts_after_the_horizon(ask: Ask) -> None:
    pair = {"from_stage": "lead", "to_stage": "qualified", "basis": "matured", "horizon": "1d"}
    on_the_hour = [
        event("a", "lead", "2025-06-14T11:00:00Z"),
        event("a", "qualified", "2025-06-15T11:00:00Z"),
    ]
    just_after = [
        event("b", "lead", "2025-06-14T11:00:00.000001Z"),
        event("b", "qualified", "2025-06-14T12:00:00Z"),
    ]
    lines: list[Line] = [*on_the_hour, *just_after]
    f = ask(lines, "2025-06-15T11:59:59.999999Z")
    assert f("conversion_ratio_denominator", "24h", **pair) == 1
    assert f("conversion_ratio", "24h", **pair) == 1  # exactly one day is within one day
    assert f("conversion_ratio_denominator", "365d", **pair) == 0  # day panes: from midnight on
    assert f("conversion_ratio_denominator", "1h", **pair) is None
    f = ask(lines, "2025-06-15T12:00:00Z")
    assert f("conversion_ratio_denominator", "24h", **pair) == 2
    f = ask(lines, "2025-06-16T00:00:00Z")
    assert f("conversion_ratio_denominator", "365d", **pair) == 2
    f = ask(lines, "2025-06-16T10:59:59Z")
    assert f("conversion_ratio_denominator", "24h", **pair) == 2
    f = ask(lines, "2025-06-16T11:00:00Z")
    assert f("conversion_ratio_denominator", "24h", **pair) == 1


def test_matured_converts_within_the_horizon_only(ask: Ask) -> None:
    f = ask(
        [
            event("a", "offer", "2025-06-01T00:00:00Z"),
            event("a", "won", "2025-06-05T00:00:00Z"),
            event("b", "offer", "2025-06-01T00:00:00Z"),
            event("b", "won", "2025-06-08T00:00:00.000001Z"),
            event("c", "offer", "2025-06-14T00:00:00Z"),
            event("c", "won", "2025-06-14T01:00:00Z"),
        ]
    )
    pair = {"from_stage": "offer", "to_stage": "won", "basis": "matured"}
    assert f("conversion_ratio_numerator", horizon="1d", **pair) == 1
    assert f("conversion_ratio_denominator", horizon="1d", **pair) == 3
    assert f("conversion_ratio_numerator", horizon="7d", **pair) == 1
    assert f("conversion_ratio_denominator", horizon="7d", **pair) == 2
    assert f("conversion_ratio", horizon="30d", **pair) is None
    skipping = {"from_stage": "qualified", "to_stage": "won", "basis": "matured"}
    assert f("conversion_ratio_denominator", horizon="1d", **skipping) is None


def test_money_is_exact_in_every_currency(ask: Ask) -> None:
    amounts: list[tuple[Any, str]] = [
        (0.1, "EUR"),
        ("0.20", "EUR"),
        (1234567, "JPY"),
        ("0.001", "KWD"),
        (99999999999.99, "USD"),
        (0, "PLN"),
    ]
    f = ask(
        [
            event(f"deal {i}", "won", "2025-06-10T00:00:00Z", amount=amount, currency=currency)
            for i, (amount, currency) in enumerate(amounts)
        ]
    )
    assert f.labelled("deal_value", "currency", window="30d", outcome="won") == {
        "EUR": 0.3,
        "JPY": 1234567,
        "KWD": 0.001,
        "USD": 99999999999.99,
    }


def test_the_final_amount_is_the_last_one_known_even_after_the_closing(ask: Ask) -> None:
    f = ask(
        [
            event("a", "offer", "2025-06-01T00:00:00Z", amount=10, currency="EUR"),
            event("a", "lost", "2025-06-02T00:00:00Z"),
            event("a", "updated", "2025-06-03T00:00:00Z", amount="12.5", currency="USD"),
            event("b", "won", "2025-06-02T00:00:00Z"),
        ]
    )
    assert f.labelled("deal_value", "currency", window="30d") == {"USD": 12.5}
    assert f("deal_value", outcome="lost", currency="USD") == 12.5


def test_quantiles_are_the_value_at_the_rank(ask: Ask) -> None:
    days = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20]
    f = ask(
        [
            line
            for day in days
            for line in (
                event(f"{day}", "lead", f"2025-05-{25 - day:02}T00:00:00Z"),
                event(f"{day}", "won", "2025-05-25T00:00:00Z"),
            )
        ]
    )
    assert f("time_to_close_seconds", outcome="won") == 6.5 * 86_400
    assert f("time_to_close_seconds_count", outcome="won") == 10
    p50 = f("time_to_close_seconds_quantile", outcome="won", quantile="0.5")
    p90 = f("time_to_close_seconds_quantile", outcome="won", quantile="0.9")
    assert p50 == pytest.approx(5 * 86_400, rel=0.02)
    assert p90 == pytest.approx(9 * 86_400, rel=0.02)
    assert f("time_to_close_seconds_quantile", outcome="lost", quantile="0.5") is None


def test_negotiations_are_those_entered_explicitly(ask: Ask) -> None:
    f = ask(
        [
            event("a", "negotiation", "2025-06-01T00:00:00Z"),
            event("a", "won", "2025-06-02T00:00:00Z"),
            event("b", "negotiation", "2025-06-01T00:00:00Z"),
            event("b", "offer", "2025-06-02T00:00:00Z"),
            event("b", "lost", "2025-06-03T00:00:00Z"),
            event("c", "offer", "2025-06-01T00:00:00Z"),
            event("c", "won", "2025-06-02T00:00:00Z"),
        ]
    )
    assert f("negotiation_success_ratio") == 0.5
    assert f("win_ratio") == pytest.approx(2 / 3)


def test_breakdowns_show_the_top_twenty_and_reconcile(ask: Ask) -> None:
    """22 owners: o00 leads two deals, the others one each. o20 and o21 come last by name. Channels
    are known of one deal only."""
    lines: list[Line] = [
        event(f"{i}", "lead", "2025-06-15T11:30:00Z", owner=f"o{i % 22:02}") for i in range(23)
    ]
    lines += [
        event("none", "lead", "2025-06-15T11:30:00Z", channel="web"),
        event("20", "won", "2025-06-15T11:45:00Z"),
    ]
    f = ask(lines)
    leads = f.labelled("leads_breakdown", "value", window="1h", dimension="owner")
    expected = {f"o{i:02}": 1.0 for i in range(1, 20)}
    assert leads == expected | {"o00": 2, "__other__": 2, "__none__": 1}
    assert f.labelled("leads_breakdown", "value", window="1h", dimension="channel") == {
        "web": 1,
        "__none__": 23,
    }
    other = {"dimension": "owner", "value": "__other__", "basis": "cohort"}
    assert f("lead_quality_ratio_breakdown", "1h", **other) == 0.5
    assert f("lead_quality_ratio_breakdown_numerator", "1h", **other) == 1
    assert f("lead_quality_ratio_breakdown_denominator", "1h", **other) == 2


def test_the_top_twenty_are_ranked_by_the_longest_window(ask: Ask) -> None:
    old: list[Line] = [
        event(f"old {i}", "lead", "2024-09-01T00:00:00Z", owner=f"z{i % 20:02}") for i in range(40)
    ]
    f = ask([*old, event("new", "lead", "2025-06-15T11:30:00Z", owner="a newcomer")])
    assert f.labelled("leads_breakdown", "value", window="1h", dimension="owner") == {
        "__other__": 1
    }


def test_label_values_are_cut_at_120_characters(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-06-15T11:30:00Z", channel="ü" * 120 + "a"),
            event("b", "lead", "2025-06-15T11:30:00Z", channel="ü" * 120 + "b"),
        ]
    )
    leads = f.labelled("leads_breakdown", "value", window="1h", dimension="channel")
    assert leads == {"ü" * 120: 2}


def test_closed_counts_are_zero_where_nothing_happened_and_ratios_absent(ask: Ask) -> None:
    f = ask([event("a", "lead", "2025-06-01T00:00:00Z", channel="web")])
    assert f("leads", "1h") == 0
    assert f("deals_closed", "1h", outcome="won") == 0
    assert f("time_to_close_seconds_count", outcome="won") == 0
    assert len(f.labelled("transitions", "window", from_stage="won", to_stage="lost")) == 5
    assert f("win_ratio") is None
    assert f("time_to_close_seconds", outcome="won") is None
    assert f("lead_quality_ratio", basis="cohort") == 0
    assert f("leads_breakdown", "1h", dimension="channel", value="web") is None
    assert "funnel_deals_closed_breakdown" not in f.metrics()


def test_a_deal_without_a_stage_event_is_no_lead(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2025-06-01T00:00:00Z"),
            event("b", "updated", "2025-06-01T00:00:00Z", channel="web", amount=1, currency="EUR"),
        ]
    )
    assert f("leads") == 1
    assert f("leads_breakdown", dimension="channel", value="web") is None


def test_an_activity_carries_no_attributes_but_a_pipeline(ask: Ask) -> None:
    call = {
        "type": "activity_recorded",
        "activity": "call",
        "event_id": "1",
        "deal_id": "a",
        "occurred_at": "2025-06-02T00:00:00Z",
        "channel": "phone",
        "pipeline": "B",
    }
    f = ask([event("a", "lead", "2025-06-01T00:00:00Z", channel="web"), call])
    assert f("leads", pipeline="B") == 1
    assert f("leads_breakdown", pipeline="B", dimension="channel", value="web") == 1


def test_an_erased_deal_vanishes_and_no_duplicate_brings_it_back(ask: Ask) -> None:
    life: list[Line] = [
        event("a", "lead", "2025-06-01T00:00:00Z"),
        event("a", "won", "2025-06-02T00:00:00Z", amount=1, currency="EUR"),
        event("b", "lead", "2025-06-02T00:00:00Z"),
    ]
    erased: list[Line] = [*life, {"type": "deal_erased", "deal_id": "a"}]
    f = ask(erased)
    assert f("leads") == 1
    assert f("deals_closed", outcome="won") == 0
    f = ask([*erased, life[1], life[0], event("a", "updated", "2025-06-01T10:00:00Z", channel="x")])
    assert f("leads") == 1
    assert f("deals_closed", outcome="won") == 0


def test_what_the_file_cannot_tell_of_an_erasure_is_refused(tmp_path: Path) -> None:
    lines: list[Line] = [
        event("a", "lead", "2025-06-01T00:00:00Z"),
        {"type": "deal_erased", "deal_id": "a"},
        event("a", "offer", "2025-06-02T00:00:00Z"),
    ]
    with pytest.raises(oracle.UndecidableError):
        oracle.figures(write(tmp_path / "events.ndjson", lines), NOON)


def test_a_closed_deal_that_was_silent_for_400_days_starts_anew(ask: Ask) -> None:
    # 401 days and some hours: the day on which it leaves the state is not fixed to the second.
    closed, later = "2024-05-01T00:00:00Z", "2025-06-06T08:00:01Z"
    f = ask(
        [
            event("over", "lost", closed),
            event("awake", "lost", closed),
            event("open", "qualified", closed),
            event("awake", "updated", "2024-06-01T00:00:00Z", channel="web"),
            event("another", "lead", "2025-06-06T08:00:00Z"),
            event("over", "offer", later),
            event("awake", "offer", later),
            event("open", "offer", later),
        ]
    )
    assert f("offers_sent") == 3
    assert f("leads") == 2
    assert f("transitions", from_stage="lost", to_stage="offer") == 1


def test_a_pipeline_is_known_while_anything_of_it_is_in_a_window(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "2024-06-01T00:00:00Z", pipeline="old"),
            event("b", "lead", "2024-05-01T00:00:00Z", pipeline="too old"),
            event("c", "updated", "2025-06-01T00:00:00Z", pipeline="no stage"),
        ]
    )
    assert f("leads") == 0
    assert f("leads", pipeline="old") == 0
    pair = {"from_stage": "lead", "to_stage": "qualified", "basis": "matured"}
    assert f("conversion_ratio", "365d", pipeline="old", horizon="30d", **pair) == 0
    assert f("leads", pipeline="too old") is None
    assert f("leads", pipeline="no stage") is None


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        '{"type":',
        "[]",
        event("x", "lead", "2025-06-01T00:00:00"),
        event("x", "lead", "2025-06-01"),
        event("x", "lead", "2025-02-29T00:00:00Z"),
        event("x", "lead", "2999-01-01T00:00:00Z"),
        event("x", "nurturing", "2025-06-01T00:00:00Z"),
        event("x", "won", "2025-06-01T00:00:00Z", amount=1),
        event("x", "won", "2025-06-01T00:00:00Z", amount="0.001", currency="EUR"),
        event("x", "won", "2025-06-01T00:00:00Z", amount="1e400", currency="EUR"),
        event("x", "won", "2025-06-01T00:00:00Z", amount=-1, currency="EUR"),
        event("x", "won", "2025-06-01T00:00:00Z", note="x" * 65_536),
        event("x" * 129, "lead", "2025-06-01T00:00:00Z") | {"event_id": "short"},
        event("x", "lead", "2025-06-01T00:00:00Z") | {"event_id": 12},
        event("x", "lead", "2025-06-01T00:00:00Z", channel=["web"]),
    ],
)
def test_what_is_no_event_does_not_count(ask: Ask, line: Line) -> None:
    f = ask([line, event("a", "lead", "2025-06-01T00:00:00Z"), line])
    assert f("leads", "365d") == 1
    assert f("deals_closed", "365d", outcome="won") == 0
