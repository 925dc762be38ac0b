"""What a journey means: reached stages, closings, corrections; worked out by hand."""

from tests.oracle.asking import DAY, Ask
from tests.oracle.funnels import Line, event, life


def test_skipped_stages_count_as_passed(ask: Ask) -> None:
    f = ask(
        [*life("a", lead="06-10 08:00", offer="06-11 08:00"), event("b", "negotiation", "06-12")]
    )
    assert f("leads") == 2
    assert f("qualified_leads") == 2
    entries = f.labelled("stage_entries", "stage", window="30d")
    assert list(map(entries.get, ("lead", "qualified", "potential", "offer"))) == [2, 2, 2, 2]
    assert (entries["negotiation"], entries["won"]) == (1, 0)
    assert f("offers_sent") == 1
    moved = f.labelled("transitions", "to_stage", window="30d", from_stage="lead")
    closed = dict.fromkeys(("qualified", "potential", "negotiation", "won", "lost"), 0)
    assert moved == closed | {"offer": 1}


def test_lost_reaches_nothing_but_lead(ask: Ask) -> None:
    f = ask([event("a", "lost", "06-10 08:00")])
    assert f("leads") == 1
    assert f("qualified_leads") == 0
    assert f("deals_closed", outcome="lost") == 1
    assert f("time_to_close_seconds", outcome="lost") == 0
    assert f.total("transitions", window="30d") == 0


def test_reopening_retracts_the_closing_and_its_reason(ask: Ask) -> None:
    reopened = life("a", {"lost_reason": "price"}, lead="06-01", lost="06-02", negotiation="06-03")
    f = ask(reopened)
    assert f("deals_closed", outcome="lost") == 0
    assert f("win_ratio") is None
    assert f.total("lost_deals") == 0
    assert f("stage_entries", stage="negotiation") == 1
    assert f("transitions", from_stage="lost", to_stage="negotiation") == 1
    assert f.now("open_deals", stage="negotiation") == 1
    f = ask([*reopened, event("a", "lost", "06-05")])
    assert f("time_to_close_seconds", outcome="lost") == 4 * DAY
    assert f("lost_deals", reason="__none__", lost_from="negotiation", offered="false") == 1
    assert f.total("lost_deals", window="30d", reason="price") == 0
    f = ask([*reopened, event("a", "won", "06-05")])
    assert f("time_to_close_seconds", outcome="won") == 4 * DAY
    assert f("time_to_close_seconds", outcome="lost") is None
    assert f("transitions", from_stage="negotiation", to_stage="won") == 1


def test_won_and_reopened_is_not_won_so_far(ask: Ask) -> None:
    f = ask(life("a", lead="06-01", won="06-02", negotiation="06-03"))
    assert f("deals_closed", outcome="won") == 0
    assert f("stage_entries", stage="won") == 0
    assert f("stage_entries", stage="negotiation") == 1
    assert f("sales_conversion_ratio", basis="cohort") == 0


def test_won_then_lost_is_lost(ask: Ask) -> None:
    f = ask(life("a", {"amount": 5, "currency": "EUR"}, won="06-02", lost="06-04"))
    assert f("win_ratio") == 0
    assert f.parts("win_ratio") == (0, 1)
    assert f("deal_value", outcome="lost", currency="EUR") == 5
    assert f("lost_value", reason="__none__", lost_from="won", offered="false", currency="EUR") == 5
    assert f("transitions", from_stage="won", to_stage="lost") == 1
    assert f("conversion_ratio", from_stage="lead", to_stage="won", basis="period") == 0
    assert f("conversion_ratio", from_stage="lead", to_stage="negotiation", basis="cohort") == 1


def test_a_repeated_stage_is_no_entry_but_every_offer_is_one_more_sent(ask: Ask) -> None:
    f = ask(
        [
            event("a", "offer", "06-01", amount=100, currency="EUR"),
            event("a", "offer", "06-02", amount=90, currency="EUR"),
            event("a", "won", "06-03", amount=80, currency="EUR"),
            event("a", "won", "06-05", amount=70, currency="EUR", channel="fair"),
        ]
    )
    assert f("offers_sent") == 2
    assert f("deals_offered") == 1
    assert f("time_to_close_seconds_sum", outcome="won") == 2 * DAY
    assert f("deal_value", outcome="won", currency="EUR") == 70
    assert f("leads_breakdown", dimension="channel", value="fair") == 1
    assert f.total("transitions", window="30d") == 1


def test_moving_back_never_retracts_what_was_reached(ask: Ask) -> None:
    f = ask([*life("a", potential="06-01", lead="06-02"), event("a", "potential", "06-03")])
    assert f("stage_entries", stage="potential") == 1
    assert f("transitions", from_stage="potential", to_stage="lead") == 1
    assert f("transitions", from_stage="lead", to_stage="potential") == 1


def test_whatever_happens_several_times_within_a_minute_counts_as_often(ask: Ask) -> None:
    """Back and forth, two offers and two calls, all in the same minute."""
    minute = "2025-06-02T10:00:"
    moves = ("lead", "offer", "lead", "offer", "offer")
    lines: list[Line] = [
        event("a", stage, f"{minute}{second:02}Z", amount=100, currency="EUR")
        for second, stage in enumerate(moves)
    ]
    lines += [event("a", "call", f"{minute}{second}Z") for second in (30, 40)]
    f = ask(lines)
    assert f("transitions", from_stage="lead", to_stage="offer") == 2
    assert f("transitions", from_stage="offer", to_stage="lead") == 1
    assert f("offers_sent") == 3
    assert f.parts("offer_value", currency="EUR") == (300, 3)
    assert f("activities", activity="call", outcome="held") == 2


def test_order_of_lines_and_duplicates_do_not_matter(ask: Ask) -> None:
    won = event("a", "won", "06-03", amount="10.10", currency="EUR")
    lead = event("a", "lead", "2025-06-01T02:00:00+02:00")
    other = event("b", "lead", "06-01") | {"event_id": won["event_id"]}
    f = ask([won, lead, won, other, lead])
    assert f("leads") == 2
    assert f("time_to_close_seconds", outcome="won") == 2 * DAY
    assert f("deal_value", outcome="won", currency="EUR") == 10.1


def test_simultaneous_stages_are_ordered_by_rank(ask: Ask) -> None:
    f = ask([event("a", stage, "06-03") for stage in ("lost", "won", "offer", "lead")])
    assert f("deals_closed", outcome="lost") == 1
    assert f("transitions", from_stage="lead", to_stage="offer") == 1
    assert f("transitions", from_stage="offer", to_stage="won") == 1
    assert f("transitions", from_stage="won", to_stage="lost") == 1


def test_a_correction_moves_every_contribution(ask: Ask) -> None:
    lines = [
        event("a", "lead", "06-01", channel="fair", owner="Kim"),
        event("a", "won", "06-02", channel="web", amount=3, currency="USD"),
        event("a", "updated", "06-01 12:00", channel="late news", owner=None),
    ]
    f = ask(lines)
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {"web": 1}
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="owner") == {"Kim": 1}
    f = ask([*lines, event("a", "updated", "06-09", pipeline="B", channel="tv")])
    assert f("leads") == 0
    assert f("leads", pipeline="B") == 1
    assert f("deal_value_breakdown", pipeline="B", dimension="channel", value="tv",
             outcome="won", currency="USD") == 3  # fmt: skip


def test_attributes_of_one_instant_are_ordered_by_event_id(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "06-01", channel="z") | {"event_id": "10"},
            event("a", "won", "06-01", channel="a") | {"event_id": "1"},
        ]
    )
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {"z": 1}


def test_the_default_pipeline_only_where_none_was_given(ask: Ask) -> None:
    f = ask(
        [*life("a", {"pipeline": "B"}, lead="06-01", offer="06-02"), event("b", "lead", "06-02")]
    )
    assert f("offers_sent", pipeline="B") == 1
    assert f("offers_sent") == 0
    assert f("leads") == 1


def test_the_final_amount_is_the_last_one_known_even_after_the_closing(ask: Ask) -> None:
    f = ask(
        [
            *life("a", {"amount": 10, "currency": "EUR"}, offer="06-01", lost="06-02"),
            event("a", "updated", "06-03", amount="12.5", currency="USD"),
            event("b", "won", "06-02"),
        ]
    )
    assert f.labelled("deal_value", "currency", window="30d") == {"USD": 12.5}
    assert f("deal_value", outcome="lost", currency="USD") == 12.5


def test_negotiations_are_those_entered_explicitly(ask: Ask) -> None:
    f = ask(
        [
            *life("a", negotiation="06-01", won="06-02"),
            *life("b", negotiation="06-01", offer="06-02", lost="06-03"),
            *life("c", offer="06-01", won="06-02"),
        ]
    )
    assert f("negotiation_success_ratio") == 0.5
    assert f("win_ratio") == 2 / 3


def test_a_deal_without_a_stage_event_is_no_lead(ask: Ask) -> None:
    about = {"channel": "web", "amount": 1, "currency": "EUR"}
    f = ask([event("a", "lead", "06-01"), event("b", "updated", "06-01", **about)])
    assert f("leads") == 1
    assert f("leads_breakdown", dimension="channel", value="web") is None
    assert f.now("open_deals", stage="lead") == 1
    assert "funnel_open_value" not in f.metrics()


def test_an_activity_carries_no_attributes_but_a_pipeline(ask: Ask) -> None:
    call = event("a", "call", "06-02", channel="phone", pipeline="B")
    f = ask([event("a", "lead", "06-01", channel="web"), call])
    assert f("leads", pipeline="B") == 1
    assert f("leads_breakdown", pipeline="B", dimension="channel", value="web") == 1


def test_a_closed_deal_that_was_silent_for_400_days_starts_anew(ask: Ask) -> None:
    closed, later = "2024-05-02T08:00:00Z", "2025-06-06T08:00:00.000001Z"
    f = ask(
        [
            event("over", "lost", closed),
            event("awake", "lost", closed),
            event("open", "qualified", closed),
            event("awake", "updated", "2024-06-01T00:00:00Z", channel="web"),
            event("another", "lead", "06-06 08:00"),
            event("over", "offer", later),
            event("awake", "offer", later),
            event("open", "offer", later),
        ]
    )
    assert f("offers_sent") == 3
    assert f("leads") == 2
    assert f("transitions", from_stage="lost", to_stage="offer") == 1


def test_the_gap_is_longer_than_400_days_to_the_microsecond(ask: Ask) -> None:
    for fraction, leads in (("", 0), (".000001", 1)):
        again = event("a", "offer", f"2025-06-06T08:00:00{fraction}Z")
        f = ask([again, event("a", "won", "2024-05-02T08:00:00Z")])
        assert (f("leads"), f("offers_sent")) == (leads, 1)


def test_to_say_again_how_a_deal_ended_starts_nothing(ask: Ask) -> None:
    """A CRM saves old deals again; what else happens then is a new deal with its attributes."""
    closed, later = "2024-01-01T00:00:00Z", "2025-06-01T08:00:00Z"
    f = ask(
        [
            event("saved", "lost", closed, lost_reason="price"),
            event("saved", "lost", later, channel="web"),
            event("back", "won", closed),
            event("back", "won", later, channel="web"),
            event("back", "lead", "06-02"),
            event("other", "won", closed),
            event("other", "lost", later),
        ]
    )
    assert f("leads") == 2
    assert f.labelled("deals_closed", "outcome", window="30d") == {"won": 0, "lost": 1}
    assert f.labelled("lost_deals", "reason", window="30d") == {"__none__": 1}
    assert f.now("open_deals", stage="lead") == 1
    assert f("leads_breakdown", dimension="channel", value="web") == 1
    assert f("transitions", from_stage="won", to_stage="lead") == 0


def test_a_reason_said_again_is_not_that_of_the_next_loss(ask: Ask) -> None:
    old, later = {"lost_reason": "old"}, "2025-06-01T08:00:00Z"
    lines = [
        event("a", "lost", "2024-01-01T00:00:00Z", **old),
        event("a", "lost", later, **old),
        event("a", "lead", "06-02"),
        event("a", "lost", "06-03"),
        event("b", "won", "2024-01-01T00:00:00Z"),
        event("b", "lost", later, lost_reason="price"),
    ]
    f = ask(lines)
    assert f.labelled("lost_deals", "reason", window="30d") == {"__none__": 1, "price": 1}


def test_what_was_never_in_a_stage_is_over_as_well(ask: Ask) -> None:
    """A bulk edit long before the first contact tells nothing about it."""
    f = ask(
        [
            event("a", "updated", "2024-01-01T00:00:00Z", channel="web"),
            event("a", "lead", "2025-06-01T08:00:00Z"),
        ]
    )
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {
        "__none__": 1
    }


def test_a_reason_does_not_outlive_a_reopening(ask: Ask) -> None:
    """The reasons in force: none of a, time of b, c and d, none of e, f and g, price of h."""
    price, time = {"lost_reason": "price"}, {"lost_reason": "time"}
    f = ask(
        [
            *life("a", price, lost="06-01", qualified="06-02"),
            event("a", "lost", "06-03"),
            *life("b", price, lost="06-01", qualified="06-02"),
            event("b", "lost", "06-03", **time),
            *life("c", price, lost="06-01", qualified="06-02"),
            event("c", "updated", "06-02", **time),  # at the instant of the reopening
            event("c", "lost", "06-03"),
            *life("d", price, lost="06-01", won="06-02"),
            event("d", "lost", "06-03"),
            event("d", "updated", "06-04", **time),
            event("e", "lost", "06-01", **price),
            event("e", "offer", "06-02", **time),  # it left with a reason
            event("e", "lost", "06-03"),
            *life("f", price, lost="06-01"),
            event("f", "updated", "06-02", cleared=["lost_reason"]),
            *life("g", price, lost="06-01", qualified="06-02"),
            event("g", "updated", "06-02 12:00", **time),
            event("g", "updated", "06-02 13:00", cleared=["lost_reason"]),
            event("g", "lost", "06-03"),
            event("h", "lost", "06-01", **price),
            event("h", "lost", "06-02"),  # no move
        ]
    )
    reasons: dict[str, float] = {}
    for offered in ("true", "false"):
        found = f.labelled("lost_deals", "reason", window="30d", offered=offered, lost_from="lead")
        reasons |= {f"{reason} {offered}": value for reason, value in found.items() if value}
    assert reasons == {"price false": 1, "__none__ false": 1}
    assert f.total("lost_deals", window="30d", reason="__none__") == 4
    assert f.total("lost_deals", window="30d", reason="time") == 3
    assert f.total("lost_deals", window="30d", reason="price") == 1


def test_what_is_cleared_is_unknown_until_it_is_given_again(ask: Ask) -> None:
    """The offers of a: 5, none, 7; its owner is taken away, its channel given anew."""
    eur = {"currency": "EUR"}
    f = ask(
        [
            event("a", "offer", "06-01", amount=5, cost=1, owner="ann", channel="web", **eur),
            event("a", "updated", "06-02", cleared=["currency", "owner", "channel", "pipeline"]),
            event("a", "offer", "06-03"),
            event("a", "updated", "06-04", amount=7, channel="fair", **eur),
            event("a", "offer", "06-05", cleared=["cost", "whatever"]),
            event("b", "won", "06-05", amount=9, cost=2, pipeline="sales", **eur),
            event("b", "updated", "06-06", cleared=["pipeline", "amount"], cost=3, **eur),
            event("c", "lead", "06-05", owner="bob", problems=["time"]),
            event("c", "potential", "06-06", cleared=["owner", "problems"], owner="cy"),
        ]
    )
    assert f.parts("offer_value", **eur) == (12, 2)
    assert f.now("open_value", stage="offer", **eur) == 7
    by = {"window": "30d", "pipeline": "default"}
    assert f.labelled("leads_breakdown", "value", dimension="owner", **by) == {
        "__none__": 1,
        "cy": 1,
    }
    assert f.labelled("leads_breakdown", "value", dimension="channel", **by) == {
        "fair": 1,
        "__none__": 1,
    }
    assert f("deals_closed", pipeline="sales", outcome="won") == 1
    assert f("deal_value", pipeline="sales", outcome="won", **eur) is None
    assert f.total("problems", window="30d") == 0
