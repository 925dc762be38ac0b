"""Which spellings are one value: a function of the text alone."""

from typing import Any

import pytest

from funnel_stream.contract.event import DIMENSIONS, LEAD, Event
from funnel_stream.definition import Definition
from funnel_stream.definition.values import LABEL_LENGTH, Spellings, Values, spelled, spellings
from funnel_stream.facts.journey import row_of
from funnel_stream.facts.rules import FactRules

PAID = {"adwords": "paid_search", "Paid  Search": "paid_search"}


def read(text: str, **values: Any) -> str:
    return Spellings(Values(**values))[text]


@pytest.mark.parametrize(
    "text",
    ["paid search", " paid search ", "paid  search", "\tpaid\n search", "paid\u00a0search\u3000"],
)
def test_white_space_never_makes_another_value(text: str) -> None:
    assert read(text) == "paid search"


@pytest.mark.parametrize("text", ["", " ", "\u00a0", "\u2003\u3000"])
def test_nothing_but_white_space_is_no_value(text: str) -> None:
    assert read(text, aliases=PAID, fold_case=True) == ""


def test_case_matters_until_it_is_folded() -> None:
    assert read("Straße") == "Straße"
    assert read("Straße", fold_case=True) == read("STRASSE", fold_case=True) == "strasse"


@pytest.mark.parametrize(
    ("text", "exact", "folded"),
    [
        ("adwords", "paid_search", "paid_search"),
        ("AdWords", "AdWords", "paid_search"),
        ("Paid Search", "paid_search", "paid_search"),
        ("paid search", "paid search", "paid_search"),
        ("Paid_Search", "Paid_Search", "paid_search"),
        ("Fair", "Fair", "fair"),
    ],
)
def test_aliases_are_compared_as_the_values_are(text: str, exact: str, folded: str) -> None:
    assert read(text, aliases=PAID) == exact
    assert read(text, aliases=PAID, fold_case=True) == folded


def test_the_value_of_an_alias_decides_how_it_is_shown() -> None:
    people = {"bob.smith": " Bob  Smith "}
    for text in ("bob.smith", "BOB.SMITH", "bob smith", "Bob Smith", "BOB SMITH"):
        assert read(text, aliases=people, fold_case=True) == "Bob Smith"


def test_values_are_cut_when_they_are_known() -> None:
    text = "x" * 119 + " " * 40 + "yz"
    assert read(text) == "x" * 119 + " "
    assert read("long", aliases={"long": "y" * 130}) == "y" * LABEL_LENGTH
    assert read("y" * 130, aliases={"y" * 130: "short"}) == "short"


def test_free_text_does_not_fill_the_memory() -> None:
    known = Spellings(Values(fold_case=True))
    for number in range(10_000):
        assert known[f"Text {number}"] == f"text {number}"
    assert known["Y" * 50_000] == "y" * LABEL_LENGTH
    assert len(known) < 5_000
    assert max(map(len, known)) <= LABEL_LENGTH


def test_other_attributes_stay_what_they_are() -> None:
    given = {"channel": "Web ", "owner": "Ann ", "lost_reason": "Too  dear", "amount": [1, "EUR"]}
    known = spellings({"channel": Values(fold_case=True)})
    assert spelled(given, known) == given | {"channel": "web", "owner": "Ann"}


@pytest.mark.parametrize(
    ("aliases", "fold_case", "place", "message"),
    [
        ({" ": "web"}, False, " ", "the alias is an empty text"),
        ({"www": "\u00a0"}, False, "www", "its value is an empty text"),
        ({"__none__": "web"}, False, "__none__", "what is shown for none or the rest"),
        ({"__OTHER__": "web"}, True, "__OTHER__", "what is shown for none or the rest"),
        ({"n/a": "__None__"}, True, "n/a", "'__None__' is __none__; write it like that"),
        ({"a b": "web", "a  b": "fair"}, False, "a  b", "means 'web' already"),
        ({"www": "web", "WWW": "fair"}, True, "WWW", "cannot mean 'fair' too"),
        ({"www": "web", "web": "online"}, False, "www", "write 'online'"),
        ({"www": "Web", "wEB": "online"}, True, "www", "'Web' is itself an alias of 'online'"),
        ({"www": "Web", "site": "WEB"}, True, "site", "'WEB' and 'Web' are one value"),
    ],
)
def test_contradictions_are_told(
    aliases: dict[str, str], fold_case: bool, place: str, message: str
) -> None:
    [(alias, told)] = Values(aliases=aliases, fold_case=fold_case).contradictions()
    assert alias == place
    assert message in told
    with pytest.raises(ValueError, match=r"values\.channel\.aliases"):
        Definition.model_validate(
            {"values": {"channel": {"aliases": aliases, "fold_case": fold_case}}}
        )


@pytest.mark.parametrize(
    ("aliases", "fold_case"),
    [
        ({"www": "web", "WWW": "web", "www ": "web"}, True),
        ({"www": "web", "WWW": "fair"}, False),
        ({"web": "web", "WEB": "web"}, True),
        ({"www": "Web", "site": "WEB"}, False),
        ({"n/a": "__none__"}, True),
    ],
)
def test_what_can_hold_together_is_allowed(aliases: dict[str, str], fold_case: bool) -> None:
    assert list(Values(aliases=aliases, fold_case=fold_case).contradictions()) == []


def test_facts_of_other_spellings_are_never_added_up() -> None:
    different: list[dict[str, Any]] = [
        {},
        {"channel": {"fold_case": True}},
        {"channel": {"keep": "first"}},
        {"owner": {"fold_case": True}},
        {"channel": {"aliases": {"a": "b"}}},
        {"channel": {"aliases": {"a": "c"}}},
    ]
    made = {Definition.model_validate({"values": each}).fingerprint() for each in different}
    assert len(made) == len(different)
    one = {"channel": {"aliases": {"a": "b", "c": "d"}}, "owner": {}}
    other = {"owner": {}, "channel": {"aliases": {"c": "d", "a": "b"}}}
    prints = {Definition.model_validate({"values": each}).fingerprint() for each in (one, other)}
    assert len(prints) == 1


@pytest.mark.parametrize("keep", ["first", "last"])
def test_what_an_alias_says_is_none_counts_as_not_given(keep: str) -> None:
    definition = Definition.model_validate(
        {"values": {"channel": {"aliases": {"n/a": "__none__"}, "fold_case": True, "keep": keep}}}
    )
    rules = FactRules(definition)
    said = (["N/A", "web", "n/a"], ["N/A"], ["n/a", None, "__none__"])
    found = []
    for channels in said:
        given = [None if text is None else {"channel": text} for text in channels]
        row = row_of([Event(at, LEAD, str(at), known) for at, known in enumerate(given)])
        (life,) = rules.lives(row)
        found.append(rules.combination(life)[1 + DIMENSIONS.index("channel")])
    assert found == ["web", "", ""]
