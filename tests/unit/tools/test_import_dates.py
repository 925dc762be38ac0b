"""When an event occurred: a second column for rows without a date, and limits of it."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel_stream.errors import ConfigError
from tests.unit.tools.test_importer import Importing, importing

__all__ = ["importing"]

STAGE = """
deal_id: id
columns: {b: {dates: "%d.%m.%Y", timezone: America/New_York}}
events: [{stage: offer, at: {column: a, fallback: b}}]
"""


@pytest.mark.parametrize(
    ("a", "b", "at"),
    [
        ("2026-01-05", "06.01.2026", "2026-01-05T00:00:00+01:00"),
        ("", "06.01.2026", "2026-01-06T00:00:00-05:00"),
        ("2026-01-05", "", "2026-01-05T00:00:00+01:00"),
        # What is not asked for need not be a date.
        ("2026-01-05", "soon", "2026-01-05T00:00:00+01:00"),
    ],
)
def test_a_row_without_a_date_has_that_of_another_column(
    importing: Importing, a: str, b: str, at: str
) -> None:
    result = importing(STAGE, "timezone: Europe/Berlin", t=f"id,a,b\n1,{a},{b}\n")
    assert (result.column("occurred_at"), result.rejects()) == ([at], [])


@pytest.mark.parametrize(
    ("a", "b", "reason", "field", "said"),
    [
        ("soon", "06.01.2026", "invalid_timestamp", "a", "'soon' is not a date"),
        ("#N/A", "06.01.2026", "invalid_value", "a", "#N/A"),
        ("", "soon", "invalid_timestamp", "b", "'soon' is not a date"),
        ("", "", "missing_field", "a", "the event 'offer' has no date, nor one in 'b'"),
        ("", "06.01.2028", "future_timestamp", "b", "2028-01-06"),
        ("2028-01-06", "06.01.2026", "future_timestamp", "a", "2028-01-06"),
    ],
)
def test_a_date_that_cannot_be_read_is_no_missing_one(
    importing: Importing, a: str, b: str, reason: str, field: str, said: str
) -> None:
    result = importing(STAGE, t=f"id,a,b\n1,{a},{b}\n")
    assert (result.events, result.rejects()) == ([], [(2, reason, field)])
    assert said in result.report.rejects[0].message


def test_an_optional_event_has_a_date_in_one_of_the_columns_or_is_none(
    importing: Importing,
) -> None:
    source = STAGE.replace("{column: a, fallback: b}}", "{column: a, fallback: b}, optional: true}")
    result = importing(source, t="id,a,b\n1,,06.01.2026\n2,,\n3,,soon\n")
    assert result.column("deal_id") == ["1"]
    assert result.rejects() == [(4, "invalid_timestamp", "b")]


def test_the_second_column_has_to_be_there(importing: Importing) -> None:
    with pytest.raises(ConfigError, match=r"events\.offer\.at\.fallback: t\.csv has no column 'b'"):
        importing(
            "{deal_id: id, events: [{stage: offer, at: {column: a, fallback: b}}]}",
            t="id,a,c\n1,2026-01-05,\n",
        )


def test_a_month_may_be_told_by_the_second_column(importing: Importing) -> None:
    source = """
    columns: {paid: {dates: "%Y-%m"}, due: {dates: "%Y-%m"}}
    events:
      - type: spend_recorded
        at: {column: paid, fallback: due}
        period: month
        attributes: {channel: {constant: web}, amount: cost}
    """
    result = importing(source, "currency: EUR", t="paid,due,cost\n,2026-02,5\n2026-03,2026-02,5\n")
    assert [start[:10] for start in result.column("period_start")] == ["2026-02-01", "2026-03-01"]


def days() -> st.SearchStrategy[date | None]:
    return st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 9))


@given(rows=st.lists(st.tuples(*[days()] * 4), min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_limits_hold_for_whichever_column_tells_the_date(
    importing: Importing, rows: list[tuple[date | None, ...]]
) -> None:
    source = """
    deal_id: id
    events:
      - stage: lead
        at: {column: a, fallback: b, not_before: low, not_after: high}
        optional: true
    """
    lines = [",".join([str(i), *map(_text, row)]) for i, row in enumerate(rows)]
    result = importing(source, t="\n".join(["id,a,b,low,high", *lines]))
    expected: dict[str, date] = {}
    for number, (a, b, low, high) in enumerate(rows):
        at = b if a is None else a
        if at is not None:
            at = at if low is None else max(at, low)
            expected[str(number)] = at if high is None else min(at, high)
    told = zip(result.column("deal_id"), result.column("occurred_at"), strict=True)
    assert {deal: date.fromisoformat(at[:10]) for deal, at in told} == expected
    assert result.report.rejects == []


def _text(value: Any) -> str:
    return "" if value is None else str(value)
