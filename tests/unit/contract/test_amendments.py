"""A detail of an event does not lose the rest of it: what is mended, and that it is said."""

import json
from typing import Any

import msgspec
import pytest

from funnel_stream.contract import Amended
from tests.unit.contract.records import accepted, amended, attributes, decode, raw, record

NO_AMOUNTS: list[bytes] = [
    record(amount=1),
    record(amount=1, currency=None),
    record(amount=1, currency=" "),
    record(amount=1, currency="XAU"),
    record(amount=1, currency="xau"),
    record(amount=1, currency="ABC"),
    record(amount=1, currency="u\u017fd"),
    record(amount=1, currency=978),
    record(amount=1, currency=["EUR"]),
    record(amount=1, currency={"code": "EUR"}),
    record(amount=True, currency="EUR"),
    record(amount=[1], currency="EUR"),
    record(amount={"value": 1}, currency="EUR"),
    record(amount="12,50", currency="EUR"),
    record(amount="1,234.00", currency="EUR"),
    record(amount="NaN", currency="EUR"),
    record(amount=-1, currency="EUR"),
    record(amount=-0.5, currency="EUR"),
    record(amount="-1", currency="eur"),
    raw(amount="NaN", currency='"EUR"'),
    raw(amount="-Infinity", currency='"EUR"'),
    raw(amount="1e400", currency='"EUR"'),
    record(amount="9" * 60_000, currency="EUR"),
    raw(amount="1" * 4_000, currency='"EUR"'),
]


@pytest.mark.parametrize("value", NO_AMOUNTS)
def test_an_amount_that_cannot_be_read_is_left_out(value: bytes) -> None:
    assert amended(value) == (None, {"unreadable_amount"})
    fields = value.replace(b"amount", b"cost").replace(b"{", b'{"owner": "Anna", ', 1)
    assert amended(fields) == ({"owner": "Anna"}, {"unreadable_amount"})


def test_the_other_of_two_amounts_counts() -> None:
    value = record(amount="much", cost="5.00", currency="EUR", score=1)
    left = {"cost": [500, "EUR"], "score": 1_000_000}
    assert amended(value) == (left, {"unreadable_amount"})


def test_a_currency_may_be_written_in_any_case() -> None:
    for code in ("eur", "Eur", "eUR"):
        read = {"amount": [10, "EUR"], "cost": [20, "EUR"]}
        assert amended(record(amount=0.1, cost="0.2", currency=code)) == (read, {"currency_case"})


def test_each_reason_is_told_once() -> None:
    (entry,) = decode(record(amount="1.005", cost="2.001", currency="eur"))
    assert isinstance(entry, Amended)
    assert sorted(entry.reasons) == ["currency_case", "rounded_amount"]
    (entry,) = decode(record(amount="one", cost="two", currency="eur"))
    assert isinstance(entry, Amended)
    assert entry.reasons == ("unreadable_amount",)


@pytest.mark.parametrize("currency", ["EUR", "eur", "", "ABC", "XAU", 978, ["EUR"], {}, True])
def test_a_currency_alone_says_nothing(currency: Any) -> None:
    assert attributes(record(currency=currency)) is None
    assert attributes(record(amount=None, cost=None, currency=currency)) is None


@pytest.mark.parametrize("nothing", [None, "", " \t"])
def test_a_blank_amount_is_not_said(nothing: str | None) -> None:
    assert attributes(record(amount=nothing, currency="EUR")) is None
    assert attributes(record(amount=nothing, cost=nothing)) is None


def test_a_spend_is_rounded_and_its_currency_read() -> None:
    value = record("spend_recorded", amount="12.345", currency="eur", pipeline="b")
    read = {"amount": [1_234, "EUR"], "pipeline": "b"}
    assert amended(value) == (read, {"rounded_amount", "currency_case"})


def test_an_amended_event_equals_the_one_that_was_right_at_once() -> None:
    (entry,) = decode(record(amount="12.501", currency="eur", owner="Anna"))
    assert isinstance(entry, Amended)
    right = accepted(record(amount="12.50", currency="EUR", owner="Anna"))
    assert (entry.key, entry.event) == right
    assert msgspec.msgpack.encode(entry[:2]) == msgspec.msgpack.encode(right)


def test_neighbours_are_not_amended() -> None:
    entries = decode(record(), record(amount=1), record(amount=1, currency="EUR"), b"{", record())
    assert [isinstance(entry, Amended) for entry in entries] == [False, True, False, False, False]


# --- what is taken away ---------------------------------------------------------------------------


def test_what_is_cleared_is_kept_in_one_form() -> None:
    value = record(cleared=["lost_reason", "currency", "owner", "amount", "owner", "pipeline", "x"])
    assert attributes(value) == {"cleared": ["owner", "lost_reason", "amount"]}
    one = accepted(record(cleared=["score", "owner"], channel="c"))
    two = accepted(record(channel="c", cleared=["owner", "score", "owner"]))
    assert msgspec.msgpack.encode(one) == msgspec.msgpack.encode(two)


@pytest.mark.parametrize("names", [None, [], ["pipeline"], ["", "deal_id", "Owner", "stage"]])
def test_names_that_mean_nothing_are_ignored(names: list[str] | None) -> None:
    assert attributes(record(cleared=names)) is None
    assert attributes(record("deal_updated", cleared=names, owner="Anna")) == {"owner": "Anna"}


def test_what_the_same_event_gives_is_not_cleared() -> None:
    """Of a dimension both are kept: where the first value holds, this is a new first one."""
    value = record(cleared=["owner", "amount", "cost"], owner="Anna", cost=1, currency="EUR")
    assert attributes(value) == {
        "owner": "Anna",
        "cost": [100, "EUR"],
        "cleared": ["owner", "amount"],
    }
    blank = record(cleared=["owner", "problems"], owner=" ", problems=[])
    assert attributes(blank) == {"problems": [], "cleared": ["owner"]}


def test_an_amount_left_out_is_not_given() -> None:
    value = record(cleared=["amount"], amount="1,5", currency="EUR")
    assert amended(value) == ({"cleared": ["amount"]}, {"unreadable_amount"})


def test_only_deals_have_something_to_clear() -> None:
    assert attributes(record("activity_recorded", cleared=["owner"])) is None
    spend = json.loads(record("spend_recorded")) | {"cleared": 5}
    assert attributes(json.dumps(spend).encode()) == {"amount": [30_000, "EUR"]}
