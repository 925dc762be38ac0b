"""What counts as an event at all: broken lines, contradictions, erasures, aliases."""

from typing import Any

from tests.oracle.asking import Ask
from tests.oracle.funnels import Line, event, life, spend


def lead(**fields: Any) -> dict[str, Any]:
    """A lead of whatever deal, with something wrong."""
    line = event("x", "lead", "06-01")
    del line["deal_id"]
    return line | fields


def test_what_is_no_event_does_not_count(ask: Ask) -> None:
    broken: list[Line] = [
        lead(occurred_at="2025-06-01T00:00:00"),
        lead(occurred_at="2025-06-01"),
        lead(occurred_at="2025-02-29T00:00:00Z"),
        lead(occurred_at="2999-01-01T00:00:00Z"),
        lead(stage="nurturing"),
        lead(event_id=12),
        lead(deal_id="x" * 129),
        lead(channel=["web"]),
        lead(lost_reason=3),
        lead(problems="one"),
        lead(problems=["one", None]),
        lead(desired_outcomes={"a": "b"}),
        lead(score="high"),
        lead(score=1_000_000_001),
        lead(first_touch_at="2025-05-01"),
        lead(offer_requested_at="soon"),
        lead(cleared="owner"),
        lead(cleared=["owner", 1]),
        lead(note="x" * 65_536),
        event("x", "call", "06-01", outcome="late"),
        event("x", "call", "06-01", activity="party"),
        spend("web", "06-01", -1),
        spend("web", "06-01", None),
        spend("web", "06-01", -0.001),
        spend("web", "06-01", "1,5"),
        spend("web", "06-01", 10**13),
        spend("web", "06-01", True),
        spend("web", "06-01", 1, "EURO"),
        spend("web", "06-01", 1, "xau"),
        spend("", "06-01", 1),
        spend("web", "06-01", 1, period_start="2025-06-01T00:00:00Z"),
        spend("web", "06-01", 1, period_start="2025-06-01T00:00:00Z",
              period_end="2025-06-01T00:00:00Z"),
    ]  # fmt: skip
    named = [
        {"deal_id": f"broken {i}", "owner": f"line {i}"} | line
        for i, line in enumerate(broken)
        if isinstance(line, dict)
    ]
    f = ask(["no json", '{"type":', "[]", *named, event("a", "lead", "06-01"), *named])
    owners = f.labelled("leads_breakdown", "value", window="365d", dimension="owner")
    assert owners == {"__none__": 1}
    assert f.total("activities", window="365d") == 0
    assert "funnel_spend" not in f.metrics()


def test_a_deal_is_not_lost_over_its_amount(ask: Ask) -> None:
    """In EUR 1234.57 + 100.10 + 0.12 + 0.14 + 0.10 + 0 of six deals, in JPY 1500 + 1502."""
    amounts: list[tuple[Any, Any]] = [
        ("1234.5678", "EUR"),
        (100.10000000000001, "EUR"),
        ("0.125", "EUR"),
        (0.135, "eur"),
        (0.1, "Eur"),
        ("-0.00", "EUR"),
        (1500.5, "JPY"),
        ("1501.5", "JPY"),
        # Left out.
        ("1,234.00", "EUR"),
        (-0.001, "EUR"),
        (10**13, "EUR"),
        ([5], "EUR"),
        (True, "EUR"),
        (5, None),
        (5, "XAU"),
        (5, "EURO"),
        (5, 978),
    ]
    f = ask(
        [
            event(f"deal {i}", "won", "06-10", amount=amount, cost=amount, currency=currency)
            for i, (amount, currency) in enumerate(amounts)
        ]
    )
    assert f("deals_closed", outcome="won") == len(amounts)
    assert f.labelled("deal_value", "currency", window="30d", outcome="won") == {
        "EUR": 1335.03,
        "JPY": 3002,
    }
    assert f.parts("margin_ratio", currency="JPY") == (0, 3002)


def test_a_spend_is_rounded_and_its_currency_read(ask: Ask) -> None:
    f = ask([spend("web", "06-01", "10.005", "eur"), spend("tv", "06-01", 1.5, "JPY")])
    assert f("spend", currency="EUR") == 10
    assert f("spend", currency="JPY") == 2


def test_of_two_events_with_one_id_the_first_seen_wins(ask: Ask) -> None:
    first = event("a", "qualified", "06-03")
    f = ask([first, first | {"stage": "won"}])
    assert f("qualified_leads") == 1
    assert f("deals_closed", outcome="won") == 0


def test_spends_of_one_channel_are_told_apart_by_their_ids(ask: Ask) -> None:
    first = spend("web", "06-03", 5)
    fair = spend("fair", "06-03", 7)
    f = ask([first, first, first | {"amount": 100}, fair, spend("web", "06-03", 1, event_id="2")])
    assert first["event_id"] == fair["event_id"]
    assert f("spend", currency="EUR") == 13
    by_channel = f.labelled("spend_breakdown", "value", window="30d", dimension="channel")
    assert by_channel == {"web": 6, "fair": 7}


def test_a_blank_text_is_not_given(ask: Ask) -> None:
    f = ask(
        [
            event("a", "lead", "06-01", channel="web", owner=" ", pipeline=""),
            event("a", "updated", "06-02", channel="", product="\t"),
            event("a", "lost", "06-03", lost_reason=" "),
        ]
    )
    assert f.labelled("leads_breakdown", "value", window="30d", dimension="channel") == {"web": 1}
    owners = f.labelled("leads_breakdown", "value", window="30d", dimension="owner")
    assert owners == {"__none__": 1}
    assert f("lost_deals", reason="__none__", lost_from="lead", offered="false") == 1


def test_an_erased_deal_vanishes_and_no_duplicate_brings_it_back(ask: Ask) -> None:
    lines = [
        *life("a", {"amount": 1, "currency": "EUR"}, lead="06-01", offer="06-02"),
        event("a", "call", "06-02"),
        event("b", "lead", "06-02"),
        spend("a", "06-02", 5),
    ]
    erased: list[Line] = [*lines, {"type": "deal_erased", "deal_id": "a"}]
    late = event("a", "updated", "06-01 10:00", channel="x")
    for f in (ask(erased), ask([*erased, lines[1], lines[0], late])):
        assert f("leads") == 1
        assert f("offers_sent") == 0
        assert f("activities", activity="call", outcome="held") == 0
        assert f.now("open_deals", stage="offer") == 0
        assert f("spend", currency="EUR") == 5


def test_an_erasure_takes_what_occurred_up_to_its_time_wherever_it_stands(ask: Ask) -> None:
    erasure = {"type": "deal_erased", "deal_id": "a"}
    lines: list[Line] = [
        event("a", "lead", "06-01"),
        event("a", "offer", "06-02 10:00"),
        event("a", "won", "06-03"),
        event("b", "lead", "06-01"),
    ]
    timed = erasure | {"occurred_at": "2025-06-02T10:00:00Z"}
    for place in (0, 2, 4):
        f = ask([*lines[:place], timed, *lines[place:]])
        assert (f("leads"), f("deals_closed", outcome="won"), f("offers_sent")) == (2, 1, 0)
        f = ask([*lines[:place], erasure, *lines[place:]])
        assert (f("leads"), f("deals_closed", outcome="won")) == (1, 0)
        for wrong in ("soon", "2999-01-01T00:00:00Z", 5):
            f = ask([*lines[:place], erasure | {"occurred_at": wrong}, *lines[place:]])
            assert f("offers_sent") == 1, "a time that cannot be read, or is to come"


def test_aliases_are_those_of_the_events_own_pipeline_and_the_common_ones(ask: Ask) -> None:
    """In partners ``mql`` means qualified, elsewhere lead; ``pitch`` means something there only."""
    config = {
        "aliases": {"mql": "lead"},
        "pipelines": {
            "default": {"aliases": {"talk": "potential"}},
            "partners": {"aliases": {"mql": "qualified", "pitch": "offer"}},
        },
    }
    f = ask(
        [
            event("a", "mql", "06-01"),
            event("a", "talk", "06-02"),
            event("b", "mql", "06-01", pipeline="partners"),
            event("b", "pitch", "06-02", pipeline="partners"),
            event("b", "lost", "06-03"),
            event("c", "mql", "06-01", pipeline="unheard of"),
            event("d", "lead", "06-01", pipeline="partners"),
            event("d", "mql", "06-02"),  # by its own pipeline, which is the default one: a lead
            event("e", "pitch", "06-01"),
            event("e", "talk", "06-01", pipeline="partners"),
        ],
        config=config,
    )
    assert f("leads") == 1
    assert f("stage_entries", stage="potential") == 1
    assert f("leads", pipeline="partners") == 2
    assert f("qualified_leads", pipeline="partners") == 1
    assert f("offers_sent", pipeline="partners") == 1
    assert f("lost_deals", pipeline="partners", reason="__none__", lost_from="offer",
             offered="true") == 1  # fmt: skip
    assert f("leads", pipeline="unheard of") == 1
