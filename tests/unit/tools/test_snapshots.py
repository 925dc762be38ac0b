"""Two exports compared as wholes: deals that are gone, spends, rows that cannot be read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from funnel_stream.errors import InputError, UsageError
from funnel_stream.tools.snapshots import Gone
from tests.mappings import DEALS
from tests.snapshots import Compared, compared, mapped

AS_OF = datetime(2026, 3, 9, tzinfo=UTC)
HEADER = "id,created,state,closed,value,why\n"
SPENDS = """
name: ads
currency: EUR
sources:
  costs:
    events: [{type: spend_recorded, at: day, attributes: {channel: channel, amount: cost}}]
"""


def deals(folder: Path, old: str, new: str, gone: Gone | None = None, **more: Any) -> Compared:
    as_of = more.get("as_of", AS_OF)
    tables = ({"deals.csv": HEADER + table} for table in (old, new))
    return compared(folder, mapped(DEALS), *tables, as_of, gone)


def spends(folder: Path, old: str, new: str, gone: Gone | None = None) -> Compared:
    tables = ({"costs.csv": "day,channel,cost\n" + table} for table in (old, new))
    return compared(folder, mapped(SPENDS), *tables, AS_OF, gone)


def amounts(result: Compared) -> list[str]:
    return [event["amount"] for event in result.events]


def test_a_new_deal_is_what_any_import_makes_of_it(tmp_path: Path) -> None:
    row = "1,2026-01-05,Won,2026-02-01,100,\n"
    added = deals(tmp_path, "", row)
    assert added.changes.events == {"new": 2}
    assert deals(tmp_path, row, row).changes.unchanged == 2
    # The same ids: a full import of the same export repeats them.
    again = deals(tmp_path, "2,2026-01-05,Open,,,\n", "2,2026-01-05,Open,,,\n" + row)
    assert again.lines == added.lines


def test_events_come_deal_by_deal(tmp_path: Path) -> None:
    result = deals(tmp_path, "", "2,2026-01-06,Open,,,\n1,2026-01-07,Open,,,\n")
    assert [event["deal_id"] for event in result.events] == ["1", "2"]


def test_deals_that_are_gone_are_asked_for(tmp_path: Path) -> None:
    old = "".join(f"D{number},2026-01-05,Open,,,\n" for number in range(8))
    with pytest.raises(UsageError) as asked:
        deals(tmp_path, old, "D7,2026-01-05,Open,,,\n")
    assert "7 of 8 deals" in asked.value.message
    assert "D0, D1, D2, D3, D4, …" in asked.value.message
    assert asked.value.hint
    assert "--gone erase" in asked.value.hint
    assert "--gone keep" in asked.value.hint


def test_deals_that_are_gone_are_erased_or_kept(tmp_path: Path) -> None:
    old = "1,2026-01-05,Open,,,\n2,2026-01-05,Open,,,\n"
    new = "1,2026-01-05,Open,,,\n"
    erased = deals(tmp_path, old, new, "erase")
    assert erased.events == [
        {"type": "deal_erased", "deal_id": "2", "occurred_at": "2026-03-09T00:00:00+00:00"}
    ]
    kept = deals(tmp_path, old, new, "keep")
    assert (kept.events, kept.changes.kept, kept.changes.gone) == ([], {"deals": 1}, 1)


def test_a_deal_whose_row_says_nothing_that_can_be_read_is_not_gone(tmp_path: Path) -> None:
    result = deals(tmp_path, "1,2026-01-05,Open,,,\n", "1,soon,Open,,,\n")
    assert result.events == []
    assert result.changes.gone == 0
    assert sorted(result.left_out()) == [
        (0, "cannot_be_said", "deal_id"),
        (2, "invalid_timestamp", "created"),
    ]


def test_nothing_is_erased_while_there_are_rows_of_nobody(tmp_path: Path) -> None:
    old = "1,2026-01-05,Open,,,\n2,2026-01-05,Open,,,\n"
    new = "1,2026-01-05,Open,,,\n2,2026-01-05\n"
    with pytest.raises(InputError, match=r"1 of 2 deals.*cannot be read at all"):
        deals(tmp_path, old, new, "erase")
    assert deals(tmp_path, old, new, "keep").changes.kept == {"deals": 1}


def test_an_amount_that_cannot_be_read_is_not_cleared(tmp_path: Path) -> None:
    old, new = (f"1,2026-01-05,Won,2026-02-01,{value},\n" for value in ("100", "1OO"))
    result = deals(tmp_path, old, new)
    assert result.events == []
    assert result.changes.withheld == 1
    assert result.left_out() == [(2, "invalid_amount", "value")]
    cleared = deals(tmp_path, old, "1,2026-01-05,Won,2026-02-01,,\n")
    assert (cleared.changes.cleared, cleared.changes.withheld) == (1, 0)


def test_what_cannot_be_said_is_listed_with_its_row(tmp_path: Path) -> None:
    result = deals(
        tmp_path,
        "0,2026-01-01,Open,,,\n1,2026-01-05,Open,,,\n",
        "0,2026-01-01,Open,,,\n1,2026-01-08,Open,,,\n",
    )
    assert result.left_out() == [(3, "cannot_be_said", "lead")]
    assert result.report.rejects[0].file == "deals.csv"
    assert result.report.rejects[0].message.startswith("1: lead was dated 2026-01-05")
    assert result.changes.cannot_be_said == result.report.left_out.total() == 1


@pytest.mark.parametrize("which", ["older", "newer"])
def test_neither_export_tells_of_what_comes_after_it(tmp_path: Path, which: str) -> None:
    late, early = "1,2026-03-09,Open,,,\n", "1,2026-03-08,Open,,,\n"
    old, new = (late, early) if which == "older" else (early, late)
    with pytest.raises(InputError, match=f"the {which} files have the date 2026-03-09"):
        deals(tmp_path, old, new)
    deals(tmp_path, old, new, as_of=datetime(2026, 3, 10, tzinfo=UTC))


def test_new_spends_are_added(tmp_path: Path) -> None:
    old = "2026-03-01,a,5\n"
    result = spends(tmp_path, old, old + "2026-03-01,b,7\n2026-03-01,a,5\n")
    assert sorted(amounts(result)) == ["5", "7"]
    assert result.changes.events == {"new": 2}


def test_a_spend_that_grew_is_raised_by_the_difference(tmp_path: Path) -> None:
    result = spends(tmp_path, "2026-03-01,a,5.10\n", "2026-03-01,a,7\n")
    [event] = result.events
    assert event["amount"] == "1.9"
    assert (event["channel"], event["currency"]) == ("a", "EUR")
    assert event["occurred_at"] == "2026-03-01T00:00:00Z"
    assert result.changes.events == {"raised": 1}
    assert spends(tmp_path, "2026-03-01,a,5.10\n", "2026-03-01,a,7\n").lines == result.lines


def test_a_spend_that_is_divided_otherwise_says_nothing(tmp_path: Path) -> None:
    result = spends(tmp_path, "2026-03-01,a,5\n", "2026-03-01,a,2\n2026-03-01,a,3\n")
    assert (result.events, result.left_out()) == ([], [])


def test_a_spend_that_shrank_cannot_be_said(tmp_path: Path) -> None:
    result = spends(tmp_path, "2026-03-01,a,7\n", "2026-03-01,a,5\n")
    assert result.events == []
    assert result.left_out() == [(2, "cannot_be_said", "amount")]
    assert "7 EUR was spent on a" in result.report.rejects[0].message


def test_spends_that_an_export_leaves_out_stay_if_that_is_meant(tmp_path: Path) -> None:
    gone = spends(tmp_path, "2026-03-01,a,7\n", "")
    assert gone.left_out() == [(0, "cannot_be_said", "amount")]
    assert "--gone keep" in gone.report.rejects[0].message
    kept = spends(tmp_path, "2026-03-01,a,7\n", "", "keep")
    assert (kept.left_out(), kept.changes.kept) == ([], {"spend_recorded": 1})


def test_a_spend_of_another_day_is_no_duplicate_of_its_former_one(tmp_path: Path) -> None:
    mapping = mapped(SPENDS.replace("    events:", "    id_columns: [number]\n    events:"))
    old, new = ({"costs.csv": f"number,day,channel,cost\n1,2026-03-0{day},a,5\n"} for day in (1, 2))
    result = compared(tmp_path, mapping, old, new, AS_OF)
    [event] = result.events
    assert event["occurred_at"] == "2026-03-02T00:00:00Z"
    plain = compared(tmp_path, mapping, {"costs.csv": "number,day,channel,cost\n"}, new, AS_OF)
    assert event["event_id"] != plain.events[0]["event_id"]
    assert result.left_out() == [(0, "cannot_be_said", "amount")]
