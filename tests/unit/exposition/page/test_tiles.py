"""Tiles: a KPI's figures with their change, target and deals, whichever KPI it is."""

import pytest

from funnel_stream.definition import Definition
from funnel_stream.exposition.page.links import DealLinks
from funnel_stream.exposition.page.trends import Change
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from tests.funnels import at, event, stage
from tests.unit.exposition.page.looks import (
    Events,
    PageData,
    defined,
    funnel_of_six,
    look,
    look_at,
    path_of,
    query_of,
    readings,
    tile_of,
)


def leads(number: int, day: float, **attributes: object) -> Events:
    return [stage(f"d{day}-{n}", "lead", at(days=day), **attributes) for n in range(number)]


def change(seen: PageData, kpi: str, name: str = "") -> Change | None:
    return readings(seen, kpi)[name].trend.change


# --- what stands on a tile ------------------------------------------------------------------------


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_every_kpi_has_a_tile_out_of_its_entry(kpi) -> None:
    shown = tile_of(look(funnel_of_six()), kpi.id)
    assert shown.kpi is kpi
    assert shown.link.startswith(f"/kpi/{kpi.id}?")
    assert shown.unit == {"money a day": "a day"}.get(kpi.unit, kpi.unit), "of no currency"


def test_a_tile_leads_to_the_same_view_of_its_kpi() -> None:
    seen = look(funnel_of_six(), basis="period", dimension="owner", window="7d")
    assert tile_of(seen, "leads").link == seen.view.link("/kpi/leads")
    assert query_of(tile_of(seen, "leads").link)["dimension"] == "owner"


def test_a_kpi_of_one_figure_shows_it_large_and_others_as_a_list() -> None:
    seen = look(funnel_of_six())
    single = tile_of(seen, "leads").single
    assert single is not None
    assert single.figure.text == "5"
    assert tile_of(seen, "lead_quality_ratio").single is not None
    assert tile_of(seen, "deals_closed").single is None
    assert tile_of(seen, "spend").single is None
    one_reason = look([stage("a", "lost", at(days=39), lost_reason="price")])
    assert tile_of(one_reason, "lost_deals").single is None, "it says which"


def test_the_first_five_are_shown_and_the_others_when_asked_for() -> None:
    shown = tile_of(look(funnel_of_six(), basis="cohort"), "conversion_ratio")
    assert [each.figure.name for each in shown.readings] == [
        "lead → qualified", "lead → potential", "lead → offer", "lead → negotiation", "lead → won",
    ]  # fmt: skip
    assert len(shown.further) == 10
    assert tile_of(look(funnel_of_six()), "open_deals").further == []


@pytest.mark.parametrize(
    ("kpi", "unit"),
    [
        ("leads", "leads"),
        ("win_ratio", "ratio"),
        ("negotiation_seconds", "seconds"),
        ("deal_value", "EUR"),
        ("pipeline_velocity", "EUR a day"),
        ("lead_score", "points"),
    ],
)
def test_the_unit_is_told_even_where_the_figures_carry_it(kpi: str, unit: str) -> None:
    events = [stage("a", "won", at(days=39), amount=1, currency="EUR")]
    assert tile_of(look(events), kpi).unit == unit


def test_a_basis_that_is_not_the_chosen_one_is_said() -> None:
    seen = look(funnel_of_six(), basis="matured:7d")
    assert readings(seen, "lead_quality_ratio")[""].basis == "cohort"
    assert readings(seen, "conversion_ratio")["lead → won"].basis == ""
    assert readings(seen, "leads")[""].basis == ""
    assert readings(look(funnel_of_six(), basis="cohort"), "lead_quality_ratio")[""].basis == ""
    period = look(funnel_of_six(), basis="period")
    assert readings(period, "lead_quality_ratio")[""].basis == "qualified per lead"
    assert readings(period, "conversion_ratio")["won per lead"].basis == "", "it is its name"


@pytest.mark.parametrize(
    ("kpi", "query", "why"),
    [
        ("lost_deals", {}, "Nothing in this window."),
        ("open_value", {}, "Nothing in USD now."),
        ("deal_value", {}, "Nothing in this window."),
        ("offer_value", {"currency": "JPY"}, "Nothing in JPY in this window."),
        ("stuck_deals", {}, "No stage has a limit: set stuck_after in funnel.yaml."),
    ],
)
def test_an_empty_tile_says_why(kpi: str, query: dict[str, str], why: str) -> None:
    events = [stage("a", "offer", at(days=39), amount=1, currency="EUR")]
    shown = tile_of(look(events, **{"currency": "USD", **query}), kpi)
    assert (shown.readings, shown.empty) == ([], why)


def test_where_nothing_is_open_a_tile_says_so_of_now() -> None:
    assert tile_of(look([]), "open_value").empty == "Nothing now."


def test_a_trend_in_words_for_those_who_do_not_see_it() -> None:
    seen = look(leads(2, 20) + leads(4, 25) + leads(1, 38), window="30d")
    assert readings(seen, "leads")[""].trend.text == "between 0 and 4, 0 at the end"
    assert readings(seen, "win_ratio")[""].trend.text == ""
    assert readings(seen, "open_deals")["lead"].trend.text == ""
    assert readings(seen, "leads")[""].trend.curve.complete
    assert not readings(seen, "open_deals")["lead"].trend.curve.complete


# --- the change -----------------------------------------------------------------------------------
# As of day 40 the ended panes of 30 d are the days 11 to 39, those before the days −19 to 9. The
# funnel has been going since day −20.

FIRST = stage("first", "lead", at(days=-20))


def since_long(*events: Events) -> PageData:
    return look([FIRST, *(each for some in events for each in some)])


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        (40, 50, Change("+25.0 %", "up", "50 after 40 in the previous window")),
        (40, 30, Change("−25.0 %", "down", "30 after 40 in the previous window")),
        (10, 10, Change("±0", "same", "10 after 10 in the previous window")),
        (10, 100, Change("×10", "up", "100 after 10 in the previous window")),
        (10, 99, Change("+890.0 %", "up", "99 after 10 in the previous window")),
        (210, 10, Change("−95.2 %", "down", "10 after 210 in the previous window")),
        (10, 210, Change("×21", "up", "210 after 10 in the previous window")),
    ],
)
def test_a_count_changes_by_per_cent(before: int, now: int, shown: Change | None) -> None:
    assert change(since_long(leads(before, 5), leads(now, 20)), "leads") == shown


def test_a_change_too_small_to_be_written_is_none() -> None:
    seen = since_long(leads(3000, 5), leads(3001, 20))
    assert change(seen, "leads") == Change("±0", "same", "3,001 after 3,000 in the previous window")


def closings(day: float, won: int, lost: int) -> Events:
    return [
        stage(f"c{day}-{n}", "won" if n < won else "lost", at(days=day)) for n in range(won + lost)
    ]


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        ((5, 15), (5, 5), Change("+25.0 pp", "up", "50.0 % after 25.0 % in the previous window")),
        ((5, 5), (5, 15), Change("−25.0 pp", "down", "25.0 % after 50.0 % in the previous window")),
        ((5, 5), (9, 9), Change("±0", "same", "50.0 % after 50.0 % in the previous window")),
        ((0, 10), (5, 5), Change("+50.0 pp", "up", "50.0 % after 0.0 % in the previous window")),
        ((0, 0), (5, 5), None),
        ((5, 5), (0, 0), None),
    ],
)
def test_a_ratio_changes_by_percentage_points(
    before: tuple[int, int], now: tuple[int, int], shown: Change | None
) -> None:
    assert change(since_long(closings(5, *before), closings(20, *now)), "win_ratio") == shown


@pytest.mark.parametrize(("before", "now"), [(9, 10), (10, 9), (0, 50), (50, 0), (9, 9)])
def test_of_fewer_than_ten_there_is_no_change(before: int, now: int) -> None:
    seen = since_long(leads(before, 5), leads(now, 20))
    assert change(seen, "leads") is None
    if now:
        assert readings(seen, "leads")[""].trend.text, "but a trend"
    seen = since_long(closings(5, 1, before), closings(20, 1, now))
    assert (change(seen, "win_ratio") is None) == (min(before, now) < 9)
    assert change(seen, "deals_closed", "won") is None


@pytest.mark.parametrize(("kpi", "name"), [("deal_value", "won"), ("deal_value", "lost")])
def test_a_sum_of_money_is_of_as_many_as_are_counted_beside_it(kpi: str, name: str) -> None:
    def closed(day: float, number: int, worth: int, currency: str = "EUR") -> Events:
        return [
            stage(f"{currency}{day}-{n}", name, at(days=day), amount=worth, currency=currency)
            for n in range(number)
        ]

    def shown(*events: Events) -> Change | None:
        seen = look([FIRST, *(each for some in events for each in some)], currency="EUR")
        return change(seen, kpi, name)

    enough = shown(closed(5, 10, 2), closed(20, 10, 3))
    assert enough == Change("+50.0 %", "up", "30.00 after 20.00 in the previous window")
    assert shown(closed(5, 9, 2), closed(20, 10, 3)) is None
    assert shown(closed(5, 10, 2), closed(20, 9, 3)) is None
    mixed = closed(20, 1, 5, "USD")
    assert shown(closed(5, 10, 2), closed(20, 10, 3), mixed) is None, "of how many EUR is unknown"


def test_what_is_spent_is_no_sample() -> None:
    def spent(day: float, amount: int) -> Events:
        given = event("spend_recorded", "", at(days=day), channel="web", currency="EUR")
        del given["deal_id"]
        return [{**given, "amount": amount}]

    assert change(since_long(spent(5, 40), spent(20, 50)), "spend") == Change(
        "+25.0 %", "up", "50.00 after 40.00 in the previous window"
    )


def test_the_pane_that_has_not_ended_is_compared_with_nothing() -> None:
    """Day 40 goes on, and so did day 10 then."""
    seen = since_long(leads(20, 5), leads(20, 20), leads(9, 40), leads(9, 10))
    assert readings(seen, "leads")[""].figure.value == 29
    assert change(seen, "leads") == Change("±0", "same", "20 after 20 in the previous window")


def test_there_is_no_change_where_the_window_before_is_not_kept_or_cannot_be() -> None:
    seen = look([FIRST, *leads(20, 5), *leads(20, 20)], window="365d")
    assert change(seen, "leads") is None
    assert readings(seen, "leads")[""].trend.text, "its trend is kept"
    now = since_long(leads(20, 5), leads(20, 20))
    assert change(now, "open_deals", "lead") is None


def test_changes_are_of_the_series() -> None:
    seen = since_long(closings(5, 20, 40), closings(20, 30, 10))
    found = {name: each.trend.change for name, each in readings(seen, "deals_closed").items()}
    assert {name: each and each.text for name, each in found.items()} == {
        "won": "+50.0 %", "lost": "−75.0 %",
    }  # fmt: skip


@pytest.mark.parametrize(("first", "shown"), [(-19, True), (-18.9, True), (-18, False), (4, False)])
def test_a_window_before_the_funnel_began_is_compared_with_nothing(
    first: float, shown: bool
) -> None:
    """The days −19 to 9 must lie in its time, all of them."""
    events = [stage("first", "lead", at(days=first)), *leads(20, 5), *leads(20, 20)]
    assert (change(look(events), "leads") is not None) == shown


@pytest.mark.parametrize(("first", "shown"), [(-60, True), (-27, True), (-25, False)])
def test_what_needs_a_sales_cycle_is_compared_a_cycle_after_the_beginning(
    first: float, shown: bool
) -> None:
    """Deals are won within seven days: a funnel that began on day −25 had none to win by day −18,
    and the days −19 to 9 show too few. Leads it has at once."""
    events = [stage("first", "lead", at(days=first))]
    for day in (2, 20):
        events += leads(20, day)
        events += [stage(f"d{day}-{n}", "won", at(days=day + 7)) for n in range(20)]
    seen = look(events, basis="period")
    assert change(seen, "leads") is not None
    assert (change(seen, "deals_closed", "won") is not None) == shown
    assert (change(seen, "conversion_ratio", "won per lead") is not None) == shown


# --- what is young --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kpi", "basis"),
    [
        ("conversion_ratio", "cohort"),
        ("lead_quality_ratio", "cohort"),
        ("sales_conversion_ratio", "matured:7d"),
        ("offer_acceptance_ratio", "cohort"),
        ("offer_acceptance_ratio", "matured:7d"),
    ],
)
def test_cohorts_have_no_trend_and_say_what_can_be_compared(kpi: str, basis: str) -> None:
    seen = since_long(
        *([stage(f"{day}-{n}", "won", at(days=day)) for n in range(20)] for day in (5, 20)),
        *([stage(f"{day}-{n}", "offer", at(days=day)) for n in range(20)] for day in (5, 20)),
    )
    seen = look_at(seen.snapshot, basis=basis)
    shown = tile_of(seen, kpi)
    assert shown.readings
    assert {(each.trend.text, each.trend.change) for each in shown.readings} == {("", None)}
    assert shown.no_trend is not None
    assert "still in progress" in shown.no_trend.text
    assert path_of(shown.no_trend.link) == "/kpi/conversion_ratio"
    assert query_of(shown.no_trend.link)["basis"] == "matured:30d"


@pytest.mark.parametrize(("kpi", "name"), [
    ("activity_conversion_ratio", "meeting"), ("lead_score", "not qualified"),
])  # fmt: skip
def test_what_has_had_less_time_has_no_trend(kpi: str, name: str) -> None:
    events = [
        each
        for day in (5, 20)
        for n in range(20)
        for each in (
            stage(f"{day}-{n}", "lead", at(days=day), score=n),
            event("activity_recorded", f"{day}-{n}", at(days=day + 1), activity="meeting"),
        )
    ]
    seen = since_long(events)
    found = readings(seen, kpi)[name]
    assert found.figure.number == 20
    assert (found.trend.text, found.trend.change) == ("", None)
    no_trend = tile_of(seen, kpi).no_trend
    assert no_trend is not None
    assert no_trend == ("No trend: recent figures have had less time to mature.", "")


def test_in_a_short_window_nothing_can_be_compared_instead() -> None:
    seen = look([stage("a", "lead", at(days=40))], window="1h")
    assert seen.view.basis == "cohort"
    no_trend = tile_of(seen, "lead_quality_ratio").no_trend
    assert no_trend is not None
    assert no_trend.link == ""


@pytest.mark.parametrize("basis", ["period", "matured:7d"])
def test_what_can_be_compared_needs_no_word(basis: str) -> None:
    seen = look_at(since_long(leads(20, 5), leads(20, 20)).snapshot, basis=basis)
    assert tile_of(seen, "conversion_ratio").no_trend is None
    assert tile_of(seen, "leads").no_trend is None


# --- what stands beside ---------------------------------------------------------------------------


def test_counts_say_that_they_are_of_the_window_where_the_drawing_is_not() -> None:
    seen = look(funnel_of_six(), basis="matured:7d")
    spans = {kpi: tile_of(seen, kpi).span for kpi in (
        "leads", "qualified_leads", "deals_closed", "lost_deals", "open_deals", "deal_value",
        "win_ratio", "lead_quality_ratio",
    )}  # fmt: skip
    window = "in the window"
    assert spans == {
        "leads": window, "qualified_leads": window, "deals_closed": window, "lost_deals": window,
        "open_deals": "now", "deal_value": "", "win_ratio": "", "lead_quality_ratio": "",
    }  # fmt: skip
    assert tile_of(look(funnel_of_six(), basis="period"), "leads").span == ""


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_on_basis_period_nothing_is_a_share_of_leads(kpi) -> None:
    """What is no proportion is not called one."""
    shown = tile_of(look(funnel_of_six(), basis="period", currency="EUR"), kpi.id)
    for each in (*shown.readings, *shown.further):
        figure = each.figure
        if figure.labels.get("basis") == "period" and not kpi.is_proportion(figure.labels):
            assert "per" in (each.basis or figure.name).split()
            assert "of" not in figure.beneath.split()


def test_money_says_which_currencies_it_leaves_out() -> None:
    events = [
        stage("a", "won", at(days=39), amount=10, currency="EUR"),
        stage("b", "won", at(days=39), amount=70, currency="USD"),
        stage("c", "lost", at(days=39), amount=7, currency="PLN"),
    ]
    seen = look(events, currency="EUR")
    assert tile_of(seen, "deal_value").currency_note == "Only EUR is shown; there is also PLN, USD."
    assert tile_of(seen, "lost_value").currency_note == "Only EUR is shown; there is also PLN."
    assert tile_of(seen, "leads").currency_note == ""
    assert tile_of(look(events[:1]), "deal_value").currency_note == ""


# --- targets --------------------------------------------------------------------------------------


def targeted(**target: object) -> Definition:
    return defined(
        targets=[{"window": "30d", **target}],
        pipelines={"default": {}, "other": {}},
        stuck_after={"lead": "1d"},
    )


@pytest.mark.parametrize(
    ("target", "name", "text", "share", "width", "met"),
    [
        ({"kpi": "leads", "value": 10}, "", "≥ 10 leads", "50.0 %", 50.0, False),
        ({"kpi": "leads", "value": 5}, "", "≥ 5 leads", "100.0 %", 100.0, True),
        ({"kpi": "leads", "value": 4}, "", "≥ 4 leads", "125.0 %", 100.0, True),
        ({"kpi": "leads", "value": 4, "at": "most"}, "", "≤ 4 leads", "80.0 %", 80.0, False),
        ({"kpi": "win_ratio", "value": 0.4}, "", "≥ 40.0 %", "125.0 %", 100.0, True),
        ({"kpi": "win_ratio", "value": 0}, "", "≥ 0.0 %", "–", 0.0, False),
        ({"kpi": "deals_closed", "value": 4, "labels": {"outcome": "lost"}}, "lost",
         "≥ 4 deals", "50.0 %", 50.0, False),
        ({"kpi": "conversion_ratio", "value": 0.5,
          "labels": {"from_stage": "lead", "to_stage": "won", "basis": "cohort"}}, "lead → won",
         "≥ 50.0 %", "40.0 %", 40.0, False),
        ({"kpi": "open_deals", "value": 2, "window": None, "at": "most",
          "labels": {"stage": "lead"}}, "lead", "≤ 2 deals", "200.0 %", 100.0, True),
    ],
)  # fmt: skip
def test_a_target_and_how_much_of_it_is_attained(
    target: dict[str, object], name: str, text: str, share: str, width: float, met: bool
) -> None:
    seen = look(funnel_of_six(), targeted(**target), basis="cohort")
    found = readings(seen, str(target["kpi"]))
    [goal] = found[name].goals
    assert (goal.text, goal.share_text, goal.width, goal.met) == (text, share, width, met)
    assert [each.figure.name for each in found.values() if each.goals] == [name], "and no other"


def test_a_target_of_a_quantile_is_measured_by_it() -> None:
    """Four deals took a day, one ten: half within a day, 90 % within ten; the mean is 2.8 d."""
    events = [
        each
        for n in range(5)
        for each in (
            stage(f"d{n}", "lead", at(days=20)),
            stage(f"d{n}", "won", at(days=30 if n == 4 else 21)),
        )
    ]
    labels = {"outcome": "won", "quantile": "0.9"}
    day = 86_400
    target = {"kpi": "time_to_close_seconds", "value": 5 * day, "at": "most", "labels": labels}
    [goal] = readings(look(events, targeted(**target)), "time_to_close_seconds")["won"].goals
    assert goal.text == "90 % ≤ 5.0 d"
    assert goal.share == pytest.approx(0.5, rel=0.02)
    mean = {**target, "labels": {"outcome": "won"}}
    [goal] = readings(look(events, targeted(**mean)), "time_to_close_seconds")["won"].goals
    assert goal.share == pytest.approx(5 / 2.8)


def test_all_targets_of_a_series_are_shown() -> None:
    of_won = {"kpi": "time_to_close_seconds", "window": "30d", "at": "most"}
    definition = defined(
        targets=[
            {**of_won, "value": 3_600, "labels": {"outcome": "won", "quantile": "0.5"}},
            {**of_won, "value": 7_200, "labels": {"outcome": "won", "quantile": "0.9"}},
            {**of_won, "value": 60, "labels": {"outcome": "won"}},
        ]
    )
    found = readings(look(funnel_of_six(), definition), "time_to_close_seconds")
    assert [goal.text for goal in found["won"].goals] == [
        "half ≤ 1.0 h",
        "90 % ≤ 2.0 h",
        "≤ 1.0 min",
    ]
    assert found["lost"].goals == []


def test_a_target_of_what_has_no_figure_is_not_known_yet() -> None:
    [goal] = readings(look([], targeted(kpi="win_ratio", value=0.4)), "win_ratio")[""].goals
    assert (goal.share, goal.met, goal.width) == (None, False, 0.0)


@pytest.mark.parametrize(
    "target",
    [
        {"window": "7d"},
        {"pipeline": "other"},
        {"labels": {"dimension": "channel", "value": "web"}},
        {"kpi": "qualified_leads"},
    ],
)
def test_a_target_of_something_else_is_not_shown(target: dict[str, object]) -> None:
    definition = targeted(**{"kpi": "leads", "value": 4, **target})
    assert readings(look(funnel_of_six(), definition), "leads")[""].goals == []


# --- the deals behind a figure --------------------------------------------------------------------


def test_a_figure_leads_to_its_deals() -> None:
    seen = look(funnel_of_six(), basis="period")
    assert query_of(readings(seen, "leads")[""].deals) == {
        "kpi": "leads", "pipeline": "default", "window": "30d",
    }  # fmt: skip
    assert query_of(readings(seen, "conversion_ratio")["won per lead"].deals) == {
        "kpi": "conversion_ratio", "from_stage": "lead", "to_stage": "won", "basis": "period",
        "pipeline": "default", "window": "30d",
    }  # fmt: skip
    assert query_of(readings(seen, "open_deals")["lead"].deals) == {
        "kpi": "open_deals", "stage": "lead", "pipeline": "default",
    }  # fmt: skip
    assert query_of(readings(seen, "negotiation_seconds")[""].deals) == {
        "kpi": "negotiation_seconds", "pipeline": "default", "window": "30d", "part": "sum",
    }  # fmt: skip


@pytest.mark.parametrize("kpi", ["spend", "cost_per_lead", "pipeline_velocity"])
def test_what_is_not_of_deals_leads_nowhere(kpi: str) -> None:
    given = event("spend_recorded", "", at(days=39), channel="web", amount=9, currency="EUR")
    del given["deal_id"]
    events = [
        *(stage(f"d{n}", "lead", at(days=38)) for n in range(6)),
        *(stage(f"d{n}", "won", at(days=39), amount=9, currency="EUR") for n in range(5)),
        given,
    ]
    [reading] = readings(look(events), kpi).values()
    assert reading.figure.value
    assert reading.deals == ""


def test_all_others_lead_nowhere() -> None:
    events = [stage(f"d{n}", "lost", at(days=39), lost_reason=f"reason {n // 2}") for n in range(5)]
    found = readings(look(events, defined(top_n_of={"reason": 1})), "lost_deals")
    by_reason = {each.figure.labels["reason"]: each.deals for each in found.values()}
    assert query_of(by_reason["reason 0"])["reason"] == "reason 0"
    assert by_reason["__other__"] == ""


def test_a_pipeline_that_is_called_like_the_rest_has_deals() -> None:
    seen = look(leads(1, 20, pipeline="__other__"), pipeline="__other__")
    assert query_of(readings(seen, "leads")[""].deals)["pipeline"] == "__other__"


def test_a_value_of_a_dimension_is_part_of_the_question() -> None:
    seen = look(funnel_of_six())
    links = DealLinks(seen.snapshot.definition)
    assert query_of(links.of(BY_ID["leads"], {}, seen.view, value="a&b=c")) == {
        "kpi": "leads", "pipeline": "default", "window": "30d",
        "dimension": "channel", "value": "a&b=c",
    }  # fmt: skip
    assert links.of(BY_ID["leads"], {}, seen.view, value="__other__") == ""
    assert "value" not in query_of(links.of(BY_ID["leads"], {}, seen.view))
