"""Values as people write them, worked out by hand: spellings, aliases, case, first touch."""

from typing import Any

from tests.oracle.asking import Ask, Figures
from tests.oracle.funnels import Line, event, life, spend

AT = "06-15 11:30"


def leads(texts: list[str], **fields: Any) -> list[Line]:
    """A lead of each channel."""
    return [event(f"{i}", "lead", AT, channel=text, **fields) for i, text in enumerate(texts)]


def by(f: Figures, dimension: str, metric: str = "leads") -> dict[str, float]:
    return f.labelled(f"{metric}_breakdown", "value", window="1h", dimension=dimension)


def config(**values: Any) -> dict[str, Any]:
    return {"dimensions": ["channel", "owner", "channel+owner"], "values": values}


def test_white_space_is_never_meant(ask: Ask) -> None:
    texts = ["paid search", " paid  search ", "paid\tsearch\n", "\u3000paid\u00a0search\u2009"]
    f = ask([*leads([*texts, "\u00a0\u2003"]), spend("paid \u2007search", AT, 8)])
    assert by(f, "channel") == {"paid search": 4, "__none__": 1}
    assert by(f, "channel", "spend") == {"paid search": 8}
    assert f("spend", "1h", currency="EUR") == 8


def test_money_on_no_channel_at_all_is_under_none(ask: Ask) -> None:
    f = ask([spend("\u3000\u00a0", AT, 8)])
    assert by(f, "channel", "spend") == {"__none__": 8}


def test_other_characters_are_meant(ask: Ask) -> None:
    texts = ["web", "we\u200bb", "Web", "we-b", "wéb"]
    assert by(ask(leads(texts)), "channel") == dict.fromkeys(texts, 1.0)


def test_aliases_hold_for_deals_and_money(ask: Ask) -> None:
    """Exactly as they are written, but for white space; of other attributes they say nothing."""
    own = config(channel={"aliases": {"adwords": "paid  search", " sem ads": "paid search"}})
    lines = [*leads(["adwords", "sem  ads", "paid search", "AdWords"], owner="adwords")]
    f = ask([*lines, spend("adwords ", AT, 5), spend("paid search", AT, 7)], config=own)
    assert by(f, "channel") == {"paid search": 3, "AdWords": 1}
    assert by(f, "channel", "spend") == {"paid search": 12}
    assert by(f, "owner") == {"adwords": 4}
    pairs = {"paid search + adwords": 3, "AdWords + adwords": 1}
    assert by(f, "channel+owner") == pairs


def test_case_is_folded_as_unicode_has_it(ask: Ask) -> None:
    texts = ["Messe Straße", "MESSE STRASSE", "messe strasse", "ΣΊΣΥΦΟΣ", "σίσυφος"]
    f = ask(
        [*leads(texts), spend("Messe STRASSE", AT, 3)], config=config(channel={"fold_case": True})
    )
    assert by(f, "channel") == {"messe strasse": 3, "σίσυφοσ": 2}
    assert by(f, "channel", "spend") == {"messe strasse": 3}


def test_where_case_is_folded_an_alias_decides_the_spelling(ask: Ask) -> None:
    own = {"fold_case": True, "aliases": {"AdWords": "Paid Search", "N/A": "__none__"}}
    texts = ["ADWORDS", "paid search", "PAID  SEARCH", "Fair", "n/a"]
    f = ask([*leads(texts), spend("adWords", AT, 3)], config=config(channel=own))
    assert by(f, "channel") == {"Paid Search": 3, "fair": 1, "__none__": 1}
    assert by(f, "channel", "spend") == {"Paid Search": 3}


def test_values_are_cut_after_they_are_read(ask: Ask) -> None:
    long = "x" * 119 + "yz"
    own = config(channel={"aliases": {long: "short", "xx": "X" * 130}, "fold_case": True})
    f = ask(leads([long, long[:120], "x" * 119 + "  yz", "xx"]), config=own)
    expected = {"short": 1, "x" * 119 + "y": 1, "x" * 119 + " ": 1, "X" * 120: 1}
    assert by(f, "channel") == expected


def test_the_first_channel_holds(ask: Ask) -> None:
    """By when it occurred, then by id; owners change as ever."""
    first, second = ({"channel": name, "owner": name} for name in ("web", "fair"))
    lines: list[Line] = [
        event("late", "won", "06-15 11:40", **second),
        event("late", "lead", AT, **first),
        event("tied", "qualified", AT, **second) | {"event_id": "b"},
        event("tied", "updated", AT, **first) | {"event_id": "a"},
        *life("unknown", lead=AT, qualified="06-15 11:35"),
        event("unknown", "updated", "06-15 11:50", **second),
    ]
    f = ask(lines, config=config(channel={"keep": "first"}))
    assert by(f, "channel") == {"web": 2, "fair": 1}
    assert by(f, "owner") == {"fair": 3}
    assert by(f, "channel+owner") == {"web + fair": 2, "fair + fair": 1}


def test_the_first_value_is_read_like_any_other(ask: Ask) -> None:
    own = config(channel={"keep": "first", "fold_case": True, "aliases": {"www": "Web"}})
    lines = [
        event("1", "lead", AT, channel=" WWW"),
        event("1", "won", "06-15 11:40", channel="fair"),
        spend("web", AT, 3),
    ]
    f = ask(lines, config=own)
    cost = {"dimension": "channel", "value": "Web", "currency": "EUR"}
    assert f("cost_per_lead_breakdown", "1h", **cost) == 3
    assert by(f, "channel") == {"Web": 1}
