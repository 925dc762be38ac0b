"""The breakdown table: which columns, which lines, in which order."""

from typing import Any

import pytest

from funnel_stream.exposition.page.breakdown import Breakdown, all_of, breakdown, one_each
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.kpis.catalogue import BY_ID, broken_down
from funnel_stream.kpis.samples import samples
from tests.funnels import at, event, stage
from tests.unit.exposition.page.looks import (
    Events,
    PageData,
    defined,
    funnel_of_six,
    look,
    path_of,
    query_of,
)

CHANNELS = [
    *(stage(f"w{n}", "lead", at(days=30), channel="web") for n in range(4)),
    *(stage(f"f{n}", "lead", at(days=30), channel="fair") for n in range(3)),
    stage("n", "lead", at(days=30)),
    stage("w0", "won", at(days=31)),
    stage("f0", "won", at(days=31)),
    stage("f1", "lost", at(days=31)),
]
"""Four leads of the web (one is won), three of a fair (one won, one lost), one of nowhere."""


def table(seen: PageData, *kpis: str) -> Breakdown:
    definition = seen.snapshot.definition
    of = one_each(kpis or broken_down(definition), seen.by_kpi, seen.view)
    return breakdown(seen.scopes, of, seen.view, DealLinks(definition))


def of_kpi(seen: PageData, kpi: str) -> Breakdown:
    of = all_of(BY_ID[kpi], seen.by_kpi, seen.view)
    return breakdown(seen.scopes, of, seen.view, DealLinks(seen.snapshot.definition), f"/kpi/{kpi}")


def values(shown: Breakdown) -> list[str]:
    return [line.value for line in shown.rows]


def texts(shown: Breakdown) -> dict[str, list[str]]:
    return {line.name: [cell.text for cell in line.cells] for line in shown.rows}


def titles(shown: Breakdown) -> list[str]:
    return [column.series.title for column in shown.columns]


# --- lines ----------------------------------------------------------------------------------------


def test_the_values_with_their_figures_most_of_it_first() -> None:
    shown = table(look(CHANNELS), "leads", "win_ratio")
    assert shown.dimension == "channel"
    assert texts(shown) == {
        "web": ["4", "100.0 %"],
        "fair": ["3", "50.0 %"],
        "not given": ["1", "–"],
    }
    assert [line.width for line in shown.rows] == [100.0, 75.0, 25.0]
    assert shown.ordered_by == "Leads"
    assert [cell.made_of for cell in shown.rows[1].cells] == ["", "1 of 2"]
    assert shown.rows[1].cells[1].beneath == "1 of 2 · 95 % interval 9.5–90.5 %"


def test_figures_are_those_of_the_metrics() -> None:
    seen = look(CHANNELS, window="365d")
    exported = {
        (each.metric, each.labels["value"]): each.value
        for each in samples(seen.snapshot, window="365d", dimension="channel")
        if each.metric in ("funnel_leads_breakdown", "funnel_win_ratio_breakdown")
    }
    found = table(seen, "leads", "win_ratio")
    shown = {
        (f"funnel_{column.series.kpi.id}_breakdown", line.value): cell.value
        for line in found.rows
        for column, cell in zip(found.columns, line.cells, strict=True)
        if cell.value is not None
    }
    assert shown == exported
    assert len(shown) == 5


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("", "", ["web", "fair", "__none__"]),
        ("leads", "", ["web", "fair", "__none__"]),
        ("leads", "asc", ["__none__", "fair", "web"]),
        ("win_ratio", "", ["web", "fair", "__none__"]),
        ("win_ratio", "asc", ["fair", "web", "__none__"]),
        ("nonsense", "", ["web", "fair", "__none__"]),
    ],
)
def test_a_column_orders_the_lines_and_what_has_no_figure_comes_last(
    sort: str, order: str, expected: list[str]
) -> None:
    seen = look(CHANNELS, sort=sort, order=order)
    assert values(table(seen, "leads", "win_ratio")) == expected


def test_equal_lines_are_ordered_by_name_both_ways() -> None:
    events = [stage(name, "lead", at(days=30), channel=name) for name in ("b", "c", "a")]
    assert values(table(look(events), "leads")) == ["a", "b", "c"]
    assert values(table(look(events, order="asc"), "leads")) == ["a", "b", "c"]


@pytest.mark.parametrize("order", ["", "asc"])
def test_the_rest_comes_last_and_leads_to_no_deals(order: str) -> None:
    """Of ``top_n`` 1 only the web is shown; the fair and two more make the largest line."""
    more = [stage(f"x{n}", "lead", at(days=30), channel=f"x{n}") for n in range(2)]
    seen = look([*CHANNELS, *more], defined(top_n_of={"channel": 1}), order=order)
    shown = table(seen, "leads")
    assert values(shown) == [*(["__none__", "web"] if order else ["web", "__none__"]), "__other__"]
    rest = shown.rows[-1]
    assert (rest.name, rest.cells[0].text, rest.cells[0].deals) == ("all others", "5", "")
    assert rest.width == 100.0


def test_bars_are_of_the_column_that_orders() -> None:
    shown = table(look(CHANNELS, sort="win_ratio"), "leads", "win_ratio")
    assert [line.width for line in shown.rows] == [100.0, 50.0, 0.0]
    assert shown.ordered_by == "Win ratio"


def test_a_value_that_only_has_open_deals_stands_there() -> None:
    """The lead came before the window, and is open now."""
    events = [*CHANNELS, stage("old", "lead", at(days=1), channel="old")]
    shown = table(look(events), "leads", "open_deals")
    assert texts(shown) == {
        "web": ["4", "3"], "fair": ["3", "1"], "not given": ["1", "1"], "old": ["–", "1"],
    }  # fmt: skip


def test_other_dimensions() -> None:
    events = [stage("a", "lead", at(days=30), channel="web", owner="ann <b>")]
    shown = table(look(events, dimension="owner"), "leads")
    assert (shown.dimension, values(shown)) == ("owner", ["ann <b>"])
    assert query_of(shown.rows[0].cells[0].deals) == {
        "kpi": "leads", "pipeline": "default", "dimension": "owner", "value": "ann <b>",
        "window": "30d",
    }  # fmt: skip
    combined = look(events, defined(dimensions=["channel+owner"]))
    assert values(table(combined, "leads")) == ["web + ann <b>"]


def test_a_cell_without_a_figure_has_no_deals() -> None:
    shown = table(look(CHANNELS), "leads", "win_ratio")
    [none] = [line for line in shown.rows if line.value == "__none__"]
    assert none.cells[0].deals
    assert (none.cells[1].value, none.cells[1].deals, none.cells[1].beneath) == (None, "", "")


# --- columns --------------------------------------------------------------------------------------


def test_each_kpi_has_one_column() -> None:
    seen = look([*CHANNELS, stage("w1", "won", at(days=31), amount=10, currency="EUR")])
    assert titles(table(seen)) == [
        "Leads",
        "Conversion between stages, lead → won",
        "Qualified leads",
        "Offer acceptance",
        "Negotiation success",
        "Win ratio",
        "Time to close, won",
        "Deals closed, won",
        "Value of closed deals, won",
        "Open deals",
    ]
    units = {column.series.kpi.id: column.unit for column in table(seen).columns}
    assert (units["leads"], units["deal_value"], units["win_ratio"]) == ("leads", "EUR", "")


def test_columns_follow_basis_and_currency() -> None:
    events = [
        *CHANNELS,
        stage("w1", "won", at(days=31), amount=10, currency="EUR"),
        stage("w2", "won", at(days=31), amount=70, currency="USD"),
    ]
    shown = table(look(events, basis="period", currency="USD"), "conversion_ratio", "deal_value")
    assert [column.series.key for column in shown.columns] == [
        "conversion_ratio.lead.won.period", "deal_value.won.USD",
    ]  # fmt: skip
    assert texts(shown)["web"] == ["75.0 %", "70.00"]
    matured = table(look(events, basis="matured:1d"), "conversion_ratio")
    assert [column.series.key for column in matured.columns] == [
        "conversion_ratio.lead.won.matured.1d"
    ]


def test_what_is_counted_is_summed_over_the_stages() -> None:
    events = [
        stage("a", "lead", at(days=30), channel="web", amount=5, currency="EUR"),
        stage("b", "offer", at(days=30), channel="web", amount=7, currency="EUR"),
        stage("c", "offer", at(days=30), channel="web"),
    ]
    shown = table(look(events), "open_deals", "open_value")
    [line] = shown.rows
    assert [cell.text for cell in line.cells] == ["3", "12.00"]
    assert [cell.figure for cell in line.cells] == [None, None]
    assert query_of(line.cells[0].deals) == {
        "kpi": "open_deals", "pipeline": "default", "dimension": "channel", "value": "web",
    }  # fmt: skip
    assert query_of(line.cells[1].deals)["currency"] == "EUR"


def test_means_are_not_summed() -> None:
    """One deal is open as a lead for ten days, one with an offer for five."""
    events = [
        stage("a", "lead", at(days=30), channel="web"),
        stage("b", "offer", at(days=35), channel="web"),
    ]
    shown = table(look(events), "open_age_seconds")
    assert titles(shown) == ["Age of open deals in stage, lead"]
    assert texts(shown) == {"web": ["10.0 d"]}


def test_a_kpi_that_the_dimension_cannot_break_down_has_no_column() -> None:
    spent = event("spend_recorded", "", at(days=39), channel="web", amount=9, currency="EUR")
    del spent["deal_id"]
    seen = look([*CHANNELS, spent])
    assert titles(table(seen, "spend", "cost_per_lead", "leads")) == [
        "Marketing spend", "Cost per lead", "Leads",
    ]  # fmt: skip
    assert texts(table(seen, "spend", "cost_per_lead"))["web"] == ["9.00", "2.25"]
    by_owner = look([*CHANNELS, spent], dimension="owner")
    assert titles(table(by_owner, "spend", "cost_per_lead", "leads")) == ["Leads"]
    nothing = table(by_owner, "spend")
    assert nothing.empty == "This KPI cannot be broken down by this dimension."
    assert of_kpi(by_owner, "cost_per_lead").empty == nothing.empty


def test_a_kpi_that_nobody_knows_has_no_column() -> None:
    assert titles(table(look(CHANNELS), "leads", "nonsense")) == ["Leads"]


def test_headings_are_links_that_turn_the_order_round() -> None:
    def column(kpi: str, **query: str) -> Any:
        shown = table(look(CHANNELS, **query), "leads", "win_ratio")
        return {each.series.key: each for each in shown.columns}[kpi]

    assert (column("leads").sorting, column("win_ratio").sorting) == ("descending", "")
    assert query_of(column("leads").link)["sort"] == "leads"
    assert query_of(column("leads").link)["order"] == "asc"
    assert "order" not in query_of(column("win_ratio").link)
    ascending = column("leads", order="asc")
    assert ascending.sorting == "ascending"
    assert "order" not in query_of(ascending.link)
    assert "order" not in query_of(column("win_ratio", order="asc").link)
    assert column("leads").link.endswith("#breakdown")
    kept = query_of(column("leads", window="7d", basis="period").link)
    assert (kept["window"], kept["basis"], kept["dimension"]) == ("7d", "period", "channel")


# --- the page of a KPI ----------------------------------------------------------------------------


def test_a_kpi_has_a_column_for_each_of_its_series() -> None:
    shown = of_kpi(look(CHANNELS), "deals_closed")
    assert titles(shown) == ["won", "lost"]
    assert texts(shown) == {"fair": ["1", "1"], "web": ["1", "–"]}
    assert path_of(shown.columns[0].link) == "/kpi/deals_closed"
    assert titles(of_kpi(look(CHANNELS), "win_ratio")) == ["Win ratio"]
    assert shown.rows[0].cells[0].figure is not None
    assert shown.rows[0].cells[0].figure.labels == {"outcome": "won"}


def test_no_more_than_eight_columns() -> None:
    shown = of_kpi(look(funnel_of_six()), "conversion_ratio")
    assert len(shown.columns) == 8
    assert titles(shown)[0] == "lead → qualified"


def test_columns_of_labels_that_anybody_invents_are_the_largest() -> None:
    events: Events = [
        stage(f"{name}{n}", "lost", at(days=39), channel="web", lost_reason=name)
        for name, number in (("a", 1), ("b", 3), ("c", 2))
        for n in range(number)
    ]
    shown = of_kpi(look(events), "lost_deals")
    assert titles(shown) == [f"{name} · from lead · without an offer" for name in "bca"]
    assert texts(shown) == {"web": ["3", "2", "1"]}


# --- nothing --------------------------------------------------------------------------------------


def test_no_dimension() -> None:
    shown = table(look(CHANNELS, defined(dimensions=[])), "leads")
    assert (shown.dimension, shown.rows) == ("", [])
    assert shown.empty == "No dimension is configured in funnel.yaml."


def test_nothing_in_the_window() -> None:
    shown = table(look([]), "leads")
    assert (shown.rows, shown.empty) == ([], "Nothing in this window.")
    assert table(look(CHANNELS), "leads").empty == ""


def test_columns_say_what_they_are_of() -> None:
    """A count of the window beside a cohort of another age."""
    spans = {
        basis: [
            column.span
            for column in table(
                look(CHANNELS, basis=basis), "leads", "conversion_ratio", "win_ratio", "open_deals"
            ).columns
        ]
        for basis in ("matured:7d", "period")
    }
    assert spans == {
        "matured:7d": ["in the window", "matured after 7d", "", "now"],
        "period": ["", "period", "", "now"],
    }
