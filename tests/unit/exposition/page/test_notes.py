"""What stands above the figures of a view, because without it they would mislead."""

import pytest

from funnel_stream.definition import Definition
from funnel_stream.exposition.page.notes import Note, notes
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from tests.funnels import at, stage
from tests.unit.exposition.page.looks import Events, PageData, defined, look

TOO_LONG = (
    "Winning a deal takes 34.7 d (median), longer than the longest horizon (30d): most deals are "
    "won too late to show in matured conversions. Add a longer horizon under"
)


def noted(seen: PageData, *kpis: str) -> list[Note]:
    of = [BY_ID[kpi] for kpi in kpis] if kpis else KPIS
    zero_amounts = seen.scopes.won_with_zero_amount(seen.view.pipeline, seen.view.window)
    return notes(seen.view, seen.by_kpi, seen.won, zero_amounts, seen.snapshot.definition, of)


def won_after(days: float) -> Events:
    return [stage("a", "lead", at(days=39 - days)), stage("a", "won", at(days=39))]


def test_nothing_to_be_said() -> None:
    assert noted(look(won_after(5))) == []
    assert noted(look([])) == []


# --- the basis ------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"window": "1h"}, {"window": "1h", "basis": "cohort"}])
def test_a_short_window_has_no_matured_figures(query: dict[str, str]) -> None:
    [note] = noted(look(won_after(5), **query))
    assert note == Note("Shown on the cohort basis: matured figures need a window of 24 h or more.")
    assert noted(look(won_after(5), **query), "leads") == [], "it has no basis"


def test_who_chose_the_cohort_knows_it() -> None:
    assert noted(look(won_after(5), basis="cohort", window="30d")) == []
    assert noted(look(won_after(5), basis="period", window="1h")) == []


def test_no_horizon_is_short_enough() -> None:
    seen = look(won_after(5), defined(horizons=["30d"]), window="7d")
    assert noted(seen) == [
        Note("Shown on the cohort basis: no horizon is as short as 7d. Add one under", "horizons")
    ]


@pytest.mark.parametrize(
    ("parts", "setting"),
    [
        ({}, "horizons"),
        ({"pipelines": {"default": {"horizons": ["30d"]}}}, "pipelines.default.horizons"),
        ({"pipelines": {"default": {}, "other": {"horizons": ["90d"]}}}, "horizons"),
    ],
)
def test_deals_that_are_won_after_the_largest_horizon(
    parts: dict[str, object], setting: str
) -> None:
    """It is asked of the longest window, whichever is looked at."""
    definition = defined(**parts)
    for window in ("30d", "365d"):
        [note] = noted(look(won_after(35), definition, window=window), "conversion_ratio")
        assert note.setting == setting
        assert note.text.startswith("Winning a deal takes 3")
        assert note.text[28:] == TOO_LONG[28:]
    assert noted(look(won_after(35), definition, basis="period")) == []
    assert noted(look(won_after(29), definition)) == []
    longer = Definition.model_validate({"horizons": ["60d"]})
    assert noted(look(won_after(35), longer, window="365d")) == []


# --- money ----------------------------------------------------------------------------------------

MIXED = [
    *(stage(f"e{n}", "won", at(days=39), amount=10, currency="EUR") for n in range(2)),
    stage("u", "won", at(days=39), amount=70, currency="USD"),
    stage("p", "won", at(days=39), amount=7, currency="PLN"),
]


def test_money_in_several_currencies() -> None:
    text = "Money is shown in EUR only; there is also money in PLN, USD. To add it all up, set a "
    both = Note(text + "base currency and its rates:", "base_currency, rates")
    assert noted(look(MIXED)) == [both]
    assert noted(look(MIXED), "deal_value") == [both]
    assert noted(look(MIXED), "leads") == []
    assert noted(look(MIXED[:2])) == []


def test_money_of_which_no_rate_is_known() -> None:
    rated = defined(base_currency="EUR", rates={"USD": {"2020-01-01": "0.9"}})
    [note] = noted(look(MIXED, rated))
    assert note.text.endswith("There is no rate to EUR for PLN. Add it under")
    assert note.setting == "rates"
    [note] = noted(look(MIXED, rated, currency="PLN"))
    assert note.text.endswith("There is no rate to EUR for PLN. Add it under")
    all_rated = defined(
        base_currency="EUR", rates={code: {"2020-01-01": "0.9"} for code in ("USD", "PLN")}
    )
    assert noted(look(MIXED, all_rated)) == []


# --- amounts of 0 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("zeros", "valued", "said"), [(1, 10, False), (2, 10, True), (1, 1, True)])
def test_amounts_of_0_are_amounts(zeros: int, valued: int, said: bool) -> None:
    """More than a tenth of the won deals that have an amount; none is no 0, nor is a lost one."""
    amounts = [0] * zeros + [5] * (valued - zeros)
    won = [
        stage(f"d{n}", "won", at(days=39), amount=amount, currency="EUR")
        for n, amount in enumerate(amounts)
    ]
    others = [
        stage("unknown", "won", at(days=39)),
        stage("lost", "lost", at(days=39), amount=0, currency="EUR"),
    ]
    for kpis in (("deal_value",), ("pipeline_velocity",), ()):
        found = [note.text for note in noted(look([*won, *others]), *kpis)]
        text = f"{zeros} of {valued} won deals have an amount of 0: means and sums of won value"
        assert any(note.startswith(text) for note in found) == said
    assert noted(look([*won, *others]), "leads") == []
