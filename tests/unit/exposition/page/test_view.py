"""What the URL of a page means, and that links keep what they do not change."""

from urllib.parse import urlsplit

import pytest

from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.errors import UsageError
from funnel_stream.exposition.page.view import Choices, View, choices, parse_view
from tests.funnels import at, event, stage
from tests.unit.exposition.page.looks import HOSTILE, defined, look, path_of, query_of

TWO = defined(
    pipelines={"default": {}, "b2b": {"horizons": ["2d"]}},
    dimensions=["channel", "owner"],
    windows=["1h", "7d", "60d"],
    horizons=["7d", "30d"],
)


def possible(
    definition: Definition = TWO,
    pipelines: tuple[str, ...] = ("web", "b2b"),
    currencies: tuple[str, ...] = ("USD", "EUR"),
    pipeline: str = "web",
) -> Choices:
    return choices(definition, pipelines, currencies, pipeline)


def seen(definition: Definition = TWO, /, pipeline: str = "", **query: str) -> View:
    own = {"pipeline": pipeline} if pipeline else {}
    return parse_view(
        {**own, **query}, possible(definition, pipeline=pipeline or "web"), definition
    )


def test_what_there_is_to_choose_from() -> None:
    assert possible() == Choices(
        pipelines=("web", "b2b", "default"),
        windows=(Window("1h", 60, 1), Window("7d", 168, 60), Window("60d", 60, 1440)),
        bases=("matured:7d", "matured:30d", "cohort", "period"),
        dimensions=("channel", "owner"),
        currencies=("USD", "EUR"),
    )
    assert possible(pipeline="b2b").bases == ("matured:2d", "cohort", "period")


def test_who_asks_for_nothing_sees_most_of_it() -> None:
    """The first of everything, and the longest window that is on ``/metrics`` (60 d is not)."""
    assert seen() == View(
        "web", Window("7d", 168, 60), "matured:7d", "matured:7d", "channel", "USD"
    )
    assert seen(pipeline="").sort == ""
    empty = parse_view(
        {}, possible(defined(pipelines={}, dimensions=[]), (), ()), defined(dimensions=[])
    )
    assert (empty.pipeline, empty.dimension, empty.currency) == ("", "", "")


def test_the_window_by_default_is_the_longest_of_those_on_metrics() -> None:
    assert seen(defined()).window.name == "30d"
    assert seen(defined(export={"windows": ["24h", "1h"]})).window.name == "24h"
    assert seen(defined(export={"windows": []})).window.name == "365d"
    assert seen(defined(windows=["60d", "365d"], export={})).window.name == "365d"


def test_every_parameter() -> None:
    asked = {
        "pipeline": "b2b",
        "window": "60d",
        "basis": "matured:2d",
        "dimension": "owner",
        "currency": "EUR",
        "sort": "win_ratio",
        "order": "asc",
    }
    shown = parse_view(asked, possible(pipeline="b2b"), TWO)
    assert shown == View(
        "b2b",
        Window("60d", 60, 1440),
        "matured:2d",
        "matured:2d",
        "owner",
        "EUR",
        "win_ratio",
        True,
    )
    assert query_of(shown.link()) == asked
    assert seen(order="desc").ascending is False


@pytest.mark.parametrize("empty", ["pipeline", "window", "basis", "dimension", "currency", "sort"])
def test_an_empty_parameter_is_none(empty: str) -> None:
    assert seen(**{empty: ""}) == seen()


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ({"pipeline": "Web"}, "there is no pipeline 'Web'", "Allowed: web, b2b, default."),
        ({"window": "30d"}, "there is no window '30d'", "Allowed: 7d, 1h, 60d."),
        ({"basis": "matured"}, "there is no basis 'matured'",
         "Allowed: matured:7d, matured:30d, cohort, period."),
        ({"basis": "matured:3d"}, "there is no basis 'matured:3d'",
         "Allowed: matured:7d, matured:30d, cohort, period."),
        ({"dimension": "product"}, "there is no dimension 'product'",
         "Allowed: channel, owner."),
        ({"currency": "eur"}, "there is no currency 'eur'", "Write a code of ISO 4217 like EUR."),
        ({"currency": "EURO"}, "there is no currency 'EURO'", "Write a code of ISO 4217 like EUR."),
    ],
)  # fmt: skip
def test_what_there_is_not_is_refused_with_what_there_is(
    query: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse_view(query, possible(), TWO)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_where_there_is_nothing_to_choose_the_refusal_says_so() -> None:
    with pytest.raises(UsageError) as refused:
        parse_view({"dimension": "owner"}, possible(defined(dimensions=[])), defined(dimensions=[]))
    assert refused.value.hint == "Allowed: none."


def test_a_currency_that_no_deal_has_any_more_is_no_mistake() -> None:
    assert seen(currency="JPY").currency == "JPY"


@pytest.mark.parametrize(
    ("basis", "labels"),
    [
        ("cohort", {"basis": "cohort"}),
        ("period", {"basis": "period"}),
        ("matured:30d", {"basis": "matured", "horizon": "30d"}),
    ],
)
def test_a_basis_is_labels_of_series(basis: str, labels: dict[str, str]) -> None:
    assert seen(basis=basis).basis_labels == labels


@pytest.mark.parametrize(
    ("window", "horizons", "basis"),
    [
        ("365d", ["1d", "30d", "7d"], "matured:30d"),
        ("30d", ["1d", "30d", "7d"], "matured:30d"),
        ("29d", ["1d", "30d", "7d"], "matured:7d"),
        ("24h", ["1d", "30d"], "matured:1d"),
        # Matured figures are not known in a window this short.
        ("23h", ["1h"], "cohort"),
        ("7d", ["30d"], "cohort"),
        ("7d", [], "cohort"),
    ],
)
def test_the_usual_basis_is_the_longest_horizon_that_the_window_can_judge(
    window: str, horizons: list[str], basis: str
) -> None:
    definition = defined(windows=[window, "400d"], horizons=horizons)
    shown = seen(definition, window=window)
    assert (shown.basis, shown.default_basis) == (basis, basis)
    assert seen(definition, window=window, basis="period").basis == "period"


def test_another_window_has_its_own_usual_basis() -> None:
    """But who has chosen one takes it along."""
    definition = defined()
    usual = seen(definition, window="30d")
    assert usual.basis == "matured:30d"
    assert seen(definition, **query_of(usual.link(window="7d"))).basis == "matured:7d"
    assert query_of(usual.link(dimension="owner"))["basis"] == "matured:30d"
    for basis in ("cohort", "period", "matured:7d"):
        own = seen(definition, window="30d", basis=basis)
        assert query_of(own.link(window="24h"))["basis"] == basis


def test_a_link_changes_what_it_says_and_nothing_else() -> None:
    shown = seen(basis="period", sort="leads", order="asc")
    before = query_of(shown.link())
    assert before == {
        "pipeline": "web", "window": "7d", "basis": "period", "dimension": "channel",
        "currency": "USD", "sort": "leads", "order": "asc",
    }  # fmt: skip
    assert query_of(shown.link(window="1h")) == {**before, "window": "1h"}
    without = {name: value for name, value in before.items() if name not in ("sort", "order")}
    assert query_of(shown.link(sort="", order="")) == without
    link = shown.link("/kpi/leads", "breakdown", dimension="owner")
    assert (path_of(link), urlsplit(link).fragment) == ("/kpi/leads", "breakdown")
    assert query_of(link) == {**before, "dimension": "owner"}
    assert "#" not in shown.link()


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind_are_the_same_after_a_link(name: str) -> None:
    events = [
        stage("a", "lead", at(days=39), pipeline=name),
        stage("b", "lead", at(days=39), pipeline="x"),
    ]
    first = look(events, pipeline=name)
    again = look(events, **query_of(first.view.link(sort=name)))
    assert again.view.pipeline == name
    assert again.view.sort == name
    assert again.by_kpi["leads"][0].value == 1


def test_the_pipeline_with_most_leads_comes_first_and_the_configured_ones_are_there() -> None:
    events = [
        stage("a", "lead", at(days=39), pipeline="small"),
        *(stage(f"b{n}", "lead", at(days=30), pipeline="large") for n in range(3)),
        *(stage(f"c{n}", "offer", at(days=39), pipeline="middle") for n in range(2)),
    ]
    shown = look(events, defined(pipelines={"kept": {}}))
    assert shown.possible.pipelines == ("large", "middle", "small", "kept")
    assert shown.view.pipeline == "large"
    assert look([], defined(pipelines={})).view.pipeline == ""


def test_the_currency_with_most_offers_comes_first() -> None:
    events = [
        stage("a", "offer", at(days=39), amount=10, currency="USD"),
        stage("b", "offer", at(days=39), amount=10, currency="USD"),
        stage("c", "offer", at(days=39), amount=9999, currency="EUR"),
        event("spend_recorded", "", at(days=39), channel="web", amount=5, currency="JPY"),
    ]
    del events[-1]["deal_id"]
    shown = look(events)
    assert shown.possible.currencies == ("USD", "EUR", "JPY")
    assert shown.view.currency == "USD"
    assert look(events, currency="EUR").view.currency == "EUR"
    assert look(events, currency="EUR").possible.currencies == ("USD", "EUR", "JPY")
    assert look([stage("a", "lead", at(days=39))]).view.currency == ""


def test_every_pipeline_has_its_own_horizons() -> None:
    events = [stage("a", "lead", at(days=39), pipeline=name) for name in ("b2b", "web")]
    assert look(events, TWO, pipeline="b2b", basis="matured:2d").view.basis == "matured:2d"
    # Whoever chooses another pipeline takes the basis along.
    assert look(events, TWO, pipeline="web", basis="matured:2d").view.basis == "matured:7d"
    with pytest.raises(UsageError, match="there is no basis 'matured:3d'"):
        look(events, TWO, pipeline="web", basis="matured:3d")
