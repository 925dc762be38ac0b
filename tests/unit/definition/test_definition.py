"""The definition of a funnel: what its names mean, and what cannot hold together."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from funnel_stream.definition import Definition, Export, Pipeline
from funnel_stream.definition.time import DAY, HOUR, MINUTE, Window


@pytest.mark.parametrize(
    ("name", "panes", "pane"),
    [
        ("1m", 1, MINUTE),
        ("2h", 120, MINUTE),
        ("121m", None, None),
        ("3h", 3, HOUR),
        ("35d", 35 * 24, HOUR),
        ("36d", 36, DAY),
        ("841h", None, None),
        ("400d", 400, DAY),
        ("401d", None, None),
    ],
)
def test_a_window_lies_on_the_finest_panes_that_are_kept(
    name: str, panes: int | None, pane: int | None
) -> None:
    if panes is None:
        with pytest.raises(ValueError, match=f"^{name} is .*; write "):
            Window.named(name)
    else:
        assert Window.named(name) == (name, panes, pane)


@pytest.mark.parametrize(("length", "near"), [("150m", "2h or 3h"), ("1000h", "41d or 42d")])
def test_the_windows_beside_a_wrong_one_are_named(length: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"; write {near}"):
        Window.named(length)
    for name in near.split(" or "):
        assert Window.named(name)


@pytest.mark.parametrize(
    "written", ["channel+product", "channel × product", " channel+ product", "channel×product"]
)
def test_a_combination_has_one_name(written: str) -> None:
    definition = Definition(dimensions=(written,), top_n_of={written: 3})
    assert definition.dimensions == ("channel+product",)
    assert definition.dimension_list()[0].parts == ("channel", "product")
    assert definition.top_n_in("channel+product") == 3


def test_a_pipeline_has_what_is_its_own_and_the_rest_in_common() -> None:
    definition = Definition(
        horizons=("7d",),
        stuck_after={"offer": "1d"},
        pipelines={
            "a": Pipeline(horizons=("30d",), stuck_after={"lead": "90m"}),
            "b": Pipeline(horizons=(), stuck_after={}),
            "c": Pipeline(),
        },
    )
    names = ("a", "b", "c", "unheard of")
    assert [definition.horizons_of(name) for name in names] == [("30d",), (), ("7d",), ("7d",)]
    limits = [{"lead": 90}, {}, {"offer": 1440}, {"offer": 1440}]
    assert [definition.stuck_after_in(name) for name in names] == limits


def test_what_is_exported_by_default() -> None:
    assert Definition().export_windows() == ("1h", "24h", "7d", "30d")
    assert Definition().breakdown_windows() == ("30d",)
    assert Definition(windows=("365d", "90d")).export_windows() == ("365d", "90d")
    assert Definition(windows=("365d", "31d", "2h")).breakdown_windows() == ("31d",)
    assert Definition().matured_windows() == ("24h",)
    assert Definition(windows=("365d", "31d", "2h")).matured_windows() == ("31d",)
    assert Definition(windows=("2h", "23h")).matured_windows() == ()
    assert Definition(dimensions=("owner",)).export_dimensions() == ()
    assert Definition(dimensions=("owner",), export=Export(dimensions=())).export_dimensions() == ()


def test_nothing_may_be_exported() -> None:
    definition = Definition(export=Export(windows=()))
    assert definition.export_windows() == definition.breakdown_windows() == ()
    assert definition.matured_windows() == ()


def test_facts_under_other_rules_have_another_fingerprint() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"aliases": {"demo": "lead"}},
        {"pipelines": {"default": {"aliases": {"demo": "lead"}}}},
        {"pipelines": {"default": {"horizons": ["1d"]}}},
        {"pipelines": {"default": {"stuck_after": {"offer": "1d"}}}},
        {"pipelines": {"default": {"stuck_after": {"offer": "2d"}}}},
        {"horizons": ["1d"]},
        {"stuck_after": {"offer": "1d"}},
        {"activity_horizon": "1d"},
        {"base_currency": "EUR"},
        {"base_currency": "EUR", "rates": {"USD": {"2026-01-01": "0.9"}}},
        {"base_currency": "EUR", "rates": {"USD": {"2026-01-01": "0.91"}}},
        {"base_currency": "EUR", "rates": {"USD": {"2026-01-02": "0.9"}}},
        {"base_currency": "EUR", "rates": {"PLN": {"2026-01-01": "0.9"}}},
        {"closed_retention_days": 500},
    ]
    prints = [Definition.model_validate(change).fingerprint() for change in changes]
    assert len(set(prints)) == len(changes)
    assert prints == [Definition.model_validate(change).fingerprint() for change in changes]


@pytest.mark.parametrize(
    "change",
    [
        {"pipelines": {"default": {"title": "Sales", "stage_titles": {"offer": "Proposal"}}}},
        {"top_n": 5},
        {"top_n_of": {"owner": 5}},
        {"targets": [{"kpi": "leads", "value": 5, "window": "30d"}]},
        {"export": {"windows": ["1h"]}},
    ],
)
def test_what_only_shows_figures_leaves_facts_alone(change: dict[str, Any]) -> None:
    assert Definition.model_validate(change).fingerprint() == Definition().fingerprint()


def test_numbers_are_taken_exactly_as_they_are_written() -> None:
    rates: Any = {"USD": {"2026-01-01": 0.1, date(2026, 1, 2): "0.100000000001"}}
    definition = Definition(base_currency="EUR", rates=rates)
    written = [Decimal("0.1"), Decimal("0.100000000001")]
    assert list(definition.rates["USD"].values()) == written


@pytest.mark.parametrize(
    "wrong",
    [
        {"rates": {"USD": {"2026-01-01": 1}}},
        {"base_currency": "EUR", "rates": {"EUR": {"2026-01-01": 1}}},
        {"top_n_of": {"owner+channel": 5}},
        {"aliases": {"offer": "lead"}},
        {"pipelines": {"a": {"aliases": {"offer": "lead"}}}},
        {"export": {"windows": ["3d"]}},
        {"export": {"breakdown_windows": ["3d"]}},
        {"export": {"matured_windows": ["3d"]}},
        {"export": {"dimensions": ["channel+owner"]}},
    ],
)
def test_contradictions_are_refused_without_a_file_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Definition.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_n": True},
        {"top_n": "20"},
        {"top_n": 20.0},
        {"rates": {"USD": {20260101: 1}}, "base_currency": "EUR"},
        {"rates": {"USD": {"20260101": 1}}, "base_currency": "EUR"},
        {"rates": {"USD": {"2026-01-01": "nan"}}, "base_currency": "EUR"},
        {"windows": ["1h", "1h"]},
    ],
)
def test_nothing_is_guessed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Definition.model_validate(wrong)
