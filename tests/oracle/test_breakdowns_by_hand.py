"""Breakdowns, combinations and the top N; worked out by hand."""

from tests.oracle.asking import Ask
from tests.oracle.funnels import Line, event, life, spend


def test_breakdowns_show_the_top_twenty_and_reconcile(ask: Ask) -> None:
    """22 owners: o00 leads two deals, the others one each. o20 and o21 come last by name. Channels
    are known of one deal only."""
    at = "06-15 11:30"
    lines: list[Line] = [event(f"{i}", "lead", at, owner=f"o{i % 22:02}") for i in range(23)]
    lines += [event("none", "lead", at, channel="web"), event("20", "won", "06-15 11:45")]
    f = ask(lines)
    leads = f.labelled("leads_breakdown", "value", window="1h", dimension="owner")
    expected = {f"o{i:02}": 1.0 for i in range(1, 20)}
    assert leads == expected | {"o00": 2, "__other__": 2, "__none__": 1}
    channels = f.labelled("leads_breakdown", "value", window="1h", dimension="channel")
    assert channels == {"web": 1, "__none__": 23}
    other = {"dimension": "owner", "value": "__other__", "basis": "cohort"}
    assert f("lead_quality_ratio_breakdown", "1h", **other) == 0.5
    assert f("lead_quality_ratio_breakdown_numerator", "1h", **other) == 1
    assert f("lead_quality_ratio_breakdown_denominator", "1h", **other) == 2


def test_the_top_are_ranked_by_leads_in_the_longest_window(ask: Ask) -> None:
    lines: list[Line] = [
        event(f"old {i}", "lead", "2024-09-01T00:00:00Z", owner=f"z{i % 20:02}") for i in range(40)
    ]
    f = ask([*lines, event("new", "lead", "06-15 11:30", owner="a newcomer")])
    leads = f.labelled("leads_breakdown", "value", window="1h", dimension="owner")
    assert leads == {"__other__": 1}


def test_values_without_leads_in_the_windows_are_candidates_too(ask: Ask) -> None:
    """Two are shown: a has a lead; b (open), c (a call) and d (spend) have none in any window."""
    past = "2024-01-01T00:00:00Z"
    lines = [
        event("1", "lead", "06-01", channel="z"),
        event("2", "lead", past, channel="b"),
        event("3", "updated", "2024-09-01T00:00:00Z", channel="c"),
        event("3", "call", "06-01"),
        spend("d", "06-01", 8),
        *life("4", {"channel": "a"}, lead=past, lost=past),
    ]
    f = ask(lines, config={"dimensions": ["channel"], "top_n": 2})
    by_channel = {"window": "30d", "dimension": "channel"}
    assert f.labelled("leads_breakdown", "value", **by_channel) == {"z": 1}
    assert f.labelled("open_deals_breakdown", "value", stage="lead") == {"b": 1, "z": 1}
    calls = f.labelled("activities_breakdown", "value", **by_channel)
    assert calls == {"__other__": 1}
    assert f.labelled("spend_breakdown", "value", **by_channel) == {"__other__": 8}
    cost = {"window": "30d", "dimension": "channel", "value": "__other__", "currency": "EUR"}
    assert f("cost_per_lead_breakdown_numerator", **cost) == 8
    assert f("cost_per_lead_breakdown_denominator", **cost) == 0
    assert f("cost_per_lead_breakdown", **cost) is None


def test_a_value_that_is_called_like_the_rest_is_part_of_it(ask: Ask) -> None:
    """One is shown. The reserved name has the most of everything and is a value like none; no
    series may stand there twice."""
    named = {"channel": "__other__", "problems": ["__other__"], "lost_reason": "__other__"}
    lines: list[Line] = [
        line
        for deal in ("1", "2")
        for line in life(deal, named, lead="06-14", potential="06-14 01:00", lost="06-14 02:00")
    ]
    for deal, name in (("3", "web"), ("4", "xing")):
        own = {"channel": name, "problems": [name], "lost_reason": name}
        lines += life(deal, own, lead="06-14", potential="06-14 01:00", lost="06-14 02:00")
    lines.append(spend("__other__", "06-14", 7))
    f = ask(lines, config={"dimensions": ["channel"], "top_n": 1})
    shown = {"web": 1, "__other__": 3}
    assert f.labelled("leads_breakdown", "value", window="7d") == shown
    assert f.labelled("spend_breakdown", "value", window="7d") == {"__other__": 7}
    assert f.labelled("problems", "problem", window="7d") == shown
    assert f.labelled("lost_deals", "reason", window="7d") == shown


def test_label_values_are_cut_at_120_characters(ask: Ask) -> None:
    at = "06-15 11:30"
    f = ask(
        [event("a", "lead", at, channel="ü" * 120 + "a"), event("b", "lead", at, channel="ü" * 121)]
    )
    leads = f.labelled("leads_breakdown", "value", window="1h", dimension="channel")
    assert leads == {"ü" * 120: 2}


def test_a_combination_joins_its_parts(ask: Ask) -> None:
    lines = [
        event("1", "lead", "06-01", channel="web", product="gtx"),
        event("2", "lead", "06-01", channel="web", product="gtx"),
        event("3", "lead", "06-01", channel="fair"),
        event("4", "lead", "06-01"),
        event("5", "lead", "06-01", channel="a" * 130, product="gtx"),
        event("6", "lead", "06-01", product="mg"),
        spend("web", "06-01", 8),
    ]
    config = {"dimensions": ["channel × product"], "top_n_of": {"channel+product": 3}}
    f = ask(lines, config=config)
    leads = f.labelled("leads_breakdown", "value", window="30d", dimension="channel+product")
    assert leads == {
        "web + gtx": 2,
        "__none__ + mg": 1,  # by name "_" is before "a" and "f"
        "a" * 120: 1,
        "__other__": 1,  # fair
        "__none__": 1,
    }
    assert f("spend", currency="EUR") == 8
    assert "funnel_spend_breakdown" not in f.metrics()


def test_problems_and_outcomes_are_those_of_deals_with_potential(ask: Ask) -> None:
    lines = [
        event("a", "lead", "06-01", problems=["slow", "dear", "slow"], desired_outcomes=["peace"]),
        event("a", "offer", "06-02"),
        event("b", "potential", "06-02", problems=["slow"]),
        event("b", "updated", "06-03", problems=["dark", " "]),
        event("c", "potential", "06-02", problems=["slow"]),
        event("c", "updated", "06-03", problems=[]),
        event("d", "qualified", "06-02", problems=["never there"]),
        event("e", "potential", "04-01", problems=["old"], channel="web"),
    ]
    f = ask(lines)
    assert f.labelled("problems", "problem", window="30d") == {"slow": 1, "dear": 1, "dark": 1}
    assert f.labelled("desired_outcomes", "outcome", window="30d") == {"peace": 1}
    assert f("problems", "365d", problem="old") == 1
    assert f("problems_breakdown", "365d", problem="old", dimension="channel", value="web") == 1


def test_open_labels_show_their_top_n_of_the_pipeline_in_the_longest_window(ask: Ask) -> None:
    """Two problems are shown. In the longest window it is old 3, new 2, b 2, c 1; by name b comes
    before new. What a breakdown shows is the same."""
    named = {"1": ["old"], "2": ["old"], "3": ["old", "b"], "4": ["b", "new"], "5": ["new", "c"]}
    lines: list[Line] = [
        event(deal, "potential", "06-14" if "new" in problems else "02-01", problems=problems)
        for deal, problems in named.items()
    ]
    lines += [event("5", "updated", "06-14 01:00", channel="web")]
    f = ask(lines, config={"dimensions": ["channel"], "top_n_of": {"problem": 2}})
    assert f.labelled("problems", "problem", window="365d") == {"old": 3, "b": 2, "__other__": 3}
    assert f.labelled("problems", "problem", window="7d") == {"b": 1, "__other__": 3}
    web = f.labelled("problems_breakdown", "problem", window="7d", value="web")
    assert web == {"__other__": 2}


def test_reasons_are_ranked_by_lost_deals_and_none_is_not_counted(ask: Ask) -> None:
    lines: list[Line] = [
        event(f"{i}", "lost", "06-01", lost_reason=reason, amount=i, currency="EUR")
        for i, reason in enumerate((None, None, None, "price", "price", "fit", "time"))
    ]
    f = ask(lines, config={"top_n_of": {"reason": 2}})
    lost = f.labelled("lost_deals", "reason", window="30d", lost_from="lead", offered="false")
    assert lost == {"__none__": 3, "price": 2, "fit": 1, "__other__": 1}
    value = f.labelled("lost_value", "reason", window="30d", currency="EUR")
    assert value == {"__none__": 0 + 1 + 2, "price": 3 + 4, "fit": 5, "__other__": 6}
