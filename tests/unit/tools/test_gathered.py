"""Rows that are one event, rows of a history, and rows without a key."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from funnel_stream.errors import ConfigError
from funnel_stream.tools.mapping import load
from tests.unit.tools.test_importer import Importing, importing

__all__ = ["importing"]

ITEMS = """
deal_id: id
events:
  - stage: won
    at: closed
    attributes: {amount: {column: price, combine: sum}, currency: unit, owner: owner}
"""


def test_line_items_are_added_up(importing: Importing) -> None:
    result = importing(
        ITEMS,
        t="id,closed,price,unit,owner\n"
        "D1,2026-01-05,10.10,EUR,ann\n"
        "D2,2026-01-06,5,EUR,bob\n"
        "D1,2026-01-05,20.20,EUR,ann\n"
        "D1,2026-01-05,20.20,EUR,ann\n"
        "D2,2026-01-06,7,EUR,cleo\n"
        "D3,2026-01-06,,EUR,cleo\n",
    )
    amounts = dict(zip(result.column("deal_id"), result.column("amount"), strict=True))
    assert amounts == {"D1": "50.5", "D2": "5", "D3": None}
    assert result.rejects() == [(6, "conflicting_duplicate", "")]
    assert result.report.contradictions == 1
    assert {code: int(sum_) for code, sum_ in result.report.contradicting_money.items()} == {
        "EUR": 7
    }
    assert (result.report.events, result.report.by_stage) == (3, {"won": 3})
    assert str(result.report.money["won", "EUR"]) == "55.5"


def test_a_sum_that_is_too_large_costs_the_deal_its_amount_only(importing: Importing) -> None:
    row = "D1,2026-01-05,9999999999999,EUR,ann\n"
    result = importing(ITEMS, t="id,closed,price,unit,owner\n" + 2 * row)
    assert (result.column("stage"), result.column("amount")) == (["won"], [None])
    assert [reason for _, reason, _ in result.rejects()] == ["amount_out_of_range"]


HISTORY = """
deal_id: id
events: [{stage: {column: stage}, at: a, only: changes}]
"""


def test_of_a_history_only_changes_count_in_whichever_order_it_is_written(
    importing: Importing,
) -> None:
    rows = [
        "D,lead,2026-01-01\n",
        "D,lead,2026-01-02\n",
        "D,offer,2026-01-03\n",
        "D,offer,2026-01-04\n",
        "D,lead,2026-01-05\n",
        "D,offer,2026-01-06\n",
        "E,offer,2026-01-02\n",
    ]
    found = [importing(HISTORY, t="id,stage,a\n" + "".join(some)) for some in (rows, rows[::-1])]
    assert sorted(found[0].lines) == sorted(found[1].lines)
    told = zip(found[0].column("deal_id"), found[0].column("stage"), strict=True)
    assert list(told) == [
        *(("D", "lead"), ("D", "offer"), ("D", "lead"), ("D", "offer")),
        ("E", "offer"),
    ]
    assert len(set(found[0].column("event_id"))) == 5
    assert found[0].report.unchanged == 2


def test_spends_without_a_key_count_each(importing: Importing) -> None:
    source = "{events: [{type: spend_recorded, at: a, attributes: {channel: c, amount: m}}]}"
    rows = ["2026-01-05,web,12\n", "2026-01-05,web,12\n", "2026-01-06,web,7\n"]
    first = importing(source, "currency: EUR", t="a,c,m\n" + "".join(rows))
    assert first.column("amount") == ["12", "12", "7"]
    assert len(set(first.column("event_id"))) == 3
    again = importing(source, "currency: EUR", t="a,c,m\n" + "".join(rows[::-1]))
    assert sorted(again.lines) == sorted(first.lines)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"stage": "lead", "at": "a", "only": "changes"}, "only: changes is for events whose"),
        (
            {
                "stage": "lead",
                "at": "a",
                "attributes": {"owner": {"column": "o", "combine": "sum"}},
            },
            "owner cannot be added up; amount and cost can",
        ),
        (
            {
                "stage": {"column": "s"},
                "at": "a",
                "only": "changes",
                "attributes": {"amount": {"column": "m", "combine": "sum"}},
            },
            "give either only: changes or combine: sum",
        ),
    ],
)
def test_what_cannot_be_gathered_is_refused(
    tmp_path: Path, event: dict[str, Any], said: str
) -> None:
    document = {"name": "crm", "sources": {"rows": {"deal_id": "id", "events": [event]}}}
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert said in refused.value.message
