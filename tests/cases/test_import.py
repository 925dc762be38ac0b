"""The cases that are about files: what an import makes of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from funnel_stream.definition import Definition
from funnel_stream.errors import InputError
from funnel_stream.replay.compute import compute
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import load
from tests.mappings import DEALS

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()


def imported(folder: Path, mapping: str, table: str) -> tuple[list[dict[str, Any]], Import]:
    (folder / "m.yaml").write_text(yaml.safe_dump(yaml.safe_load(mapping)), encoding="utf-8")
    (folder / "t.csv").write_text(table, encoding="utf-8")
    run = Import(load(folder / "m.yaml"), [folder / "t.csv"], now=lambda: NOW)
    return [json.loads(line) for line in run.lines()], run


def stages(events: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(event["deal_id"], event["stage"], event.get("amount")) for event in events]


def test_a_closing_to_come_costs_the_deal_nothing_but_itself(tmp_path: Path) -> None:
    """Case 09-future-close: a deal said to be won next Monday is a lead today."""
    events, run = imported(
        tmp_path,
        DEALS,
        "id,created,state,closed,value,why\n"
        "1,2026-11-01,Open,2027-02-28,1000,\n"
        "2,2026-11-02,Won,2026-11-30,2000,\n"
        "3,2026-11-03,Won,2026-11-20,3000,\n",
    )
    assert stages(events) == [
        *(("1", "lead", None), ("2", "lead", None), ("3", "lead", None)),
        ("3", "won", "3000"),
    ]
    [left_out] = run.report.rejects
    assert (left_out.row, left_out.reason, left_out.field) == (3, "future_timestamp", "closed")
    assert "2026-11-30" in left_out.message


DAY = 86_400

SPELLINGS = """
name: dates
timezone: UTC
locale: fr
sources:
  d:
    deal_id: id
    columns:
      serial: {dates: excel}
      seconds: {dates: epoch}
      thousandths: {dates: epoch_ms}
      text:
        dates: ["%d.%m.%Y", "%d %b %Y %I:%M %p", "%b %d, %Y", "%Y-%m-%d %H:%M:%S %Z", "%d %B %Y",
                "%Y%m%d", iso]
        locale: en
      french: {dates: "%d %B %Y"}
    events:
      - {stage: lead, at: serial, optional: true}
      - {stage: lead, name: b, at: seconds, optional: true}
      - {stage: lead, name: c, at: thousandths, optional: true}
      - {stage: lead, name: d, at: text, optional: true}
      - {stage: lead, name: e, at: french, optional: true}
"""


def test_dates_are_read_as_programs_and_people_write_them(tmp_path: Path) -> None:
    """Case 10-excel-serial-epoch. Serial 46094 is 13 March 2026, two days before the others."""
    events, run = imported(
        tmp_path,
        SPELLINGS,
        "id,serial,seconds,thousandths,text,french\n"
        "1,46094,,,,\n"
        "2,46094.5625,,,,\n"
        "3,,,1773568800000,,\n"
        "4,,1773568800,,,\n"
        "5,,,,15.03.2026,\n"
        "6,,,,15 Mar 2026 10:00 AM,\n"
        '7,,,,"Mar 15, 2026",\n'
        "8,,,,2026-03-15 10:00:00 UTC,\n"
        "9,,,,2026-03-15T10:00:00+0000,\n"
        "10,,,,,15 mars 2026\n"
        "11,,,,20260315,\n"
        "12,,,,2026-03-15 10:00:00.123456789,\n",
    )
    assert run.report.rejects == []
    assert [event["occurred_at"] for event in events] == [
        "2026-03-13T00:00:00Z",
        "2026-03-13T13:30:00Z",
        "2026-03-15T10:00:00Z",
        "2026-03-15T10:00:00Z",
        "2026-03-15T00:00:00Z",
        "2026-03-15T10:00:00Z",
        "2026-03-15T00:00:00Z",
        "2026-03-15T10:00:00Z",
        "2026-03-15T10:00:00Z",
        "2026-03-15T00:00:00Z",
        "2026-03-15T00:00:00Z",
        "2026-03-15T10:00:00.123456Z",
    ]


def test_dates_that_can_be_read_in_two_ways_are_not_read(tmp_path: Path) -> None:
    """Case 12-ambiguous-dates: 12/01/2025 is the first of December, as 12/31/2025 shows."""
    mapping = """
        name: amb
        sources:
          d:
            deal_id: id
            columns: {created: {dates: ["%d/%m/%Y", "%m/%d/%Y"]}}
            events: [{stage: lead, at: created}]
    """
    table = "id,created\n1,12/31/2025\n2,12/01/2025\n3,03/04/2026\n4,04/15/2026\n"
    with pytest.raises(InputError) as caught:
        imported(tmp_path, mapping, table)
    for part in ("'created'", "'12/01/2025'", "2025-01-12", "2025-12-01", "'12/31/2025' fits only"):
        assert part in caught.value.message
    events, _ = imported(tmp_path, mapping.replace('"%d/%m/%Y", ', ""), table)
    assert [event["occurred_at"][:10] for event in events] == [
        *("2025-12-31", "2025-12-01", "2026-03-04", "2026-04-15"),
    ]


def test_a_deal_closed_on_the_day_of_its_creation_is_closed(tmp_path: Path) -> None:
    """Case 13-same-day-close: times beside dates; two won (1,200), one lost, none open."""
    events, run = imported(
        tmp_path,
        DEALS,
        "id,created,state,closed,value,why\n"
        "d1,2026-03-02T14:20:00Z,Won,2026-03-02,500,\n"
        "d2,2026-03-02T09:00:00Z,Lost,2026-03-02,,price\n"
        "d3,2026-03-02T09:00:00Z,Won,2026-03-09,700,\n",
    )
    assert run.report.backwards == 0
    lines = [json.dumps(event).encode() for event in events]
    found = compute(lines, Definition(), as_of=None, now_ms=int(NOW * 1000))
    assert isinstance(found.rejected, list)
    assert not found.rejected
    assert [event["occurred_at"] for event in events if event["stage"] != "lead"] == [
        *("2026-03-02T14:20:00Z", "2026-03-02T09:00:00Z", "2026-03-09T00:00:00Z"),
    ]


def test_a_deal_closed_before_it_began_is_listed(tmp_path: Path) -> None:
    _, run = imported(
        tmp_path,
        DEALS,
        "id,created,state,closed,value,why\n"
        "d1,2026-03-02T14:20:00Z,Won,2026-03-01,500,\n"
        "d2,2026-03-02T14:20:00Z,Won,2026-03-02T14:20:00Z,500,\n",
    )
    assert (run.report.backwards, run.report.backwards_deals) == (1, ["d1"])


@pytest.mark.parametrize("at", ["2026-03-01", "2026-03-02"])
def test_a_deal_closed_before_it_began_is_listed_whichever_rows_say_so(
    tmp_path: Path, at: str
) -> None:
    """A row for each stage; that of ``d2`` is closed, reopened and closed again."""
    mapping = """
        name: x
        sources: {d: {deal_id: id, id_columns: [n], events: [{stage: {column: stage}, at: at}]}}
    """
    rows = [
        f"d1,1,won,{at}",
        "d2,2,lost,2026-03-01",
        "d2,3,offer,2026-03-02",
        "d2,4,won,2026-03-03",
        "d3,5,won,2026-03-01",
        "d1,6,lead,2026-03-02T14:20:00Z",
        "d1,7,offer,2026-03-04",
    ]
    for table in (rows, rows[::-1]):
        _, run = imported(tmp_path, mapping, "\n".join(["id,n,stage,at", *table]))
        assert (run.report.backwards, run.report.backwards_deals) == (1, ["d1"])


def test_hours_that_the_clock_skips_or_repeats_are_read_before_the_change(tmp_path: Path) -> None:
    """Case 03-dst: 02:30 on the days on which clocks change."""
    events, _ = imported(
        tmp_path,
        "{name: x, timezone: Europe/Warsaw, sources: "
        "{d: {deal_id: id, events: [{stage: lead, at: at}]}}}",
        "id,at\n1,2026-03-29T02:30:00\n2,2026-10-25T02:30:00\n3,2026-10-25T01:30:00\n",
    )
    assert [event["occurred_at"] for event in events] == [
        "2026-03-29T02:30:00+01:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T01:30:00+02:00",
    ]


def test_a_date_for_each_stage(tmp_path: Path) -> None:
    """Case 23-wide-stage-dates: two leads, two qualified, an offer, a win and a loss."""
    columns = ("lead", "qualified", "offer", "won", "lost")
    rule = {"dates": "%d.%m.%Y"}
    mapping = {
        "name": "wide",
        "timezone": "Europe/Warsaw",
        "sources": {
            "d": {
                "deal_id": "id",
                "columns": dict.fromkeys(columns, rule),
                "events": [{"stage": one, "at": one, "optional": True} for one in columns],
            }
        },
    }
    events, _ = imported(
        tmp_path,
        yaml.safe_dump(mapping),
        "id,lead,qualified,offer,won,lost\n"
        "d1,01.03.2026,03.03.2026,,10.03.2026,\n"
        "d2,01.03.2026,,05.03.2026,,05.03.2026\n",
    )
    assert [(deal, stage) for deal, stage, _ in stages(events)] == [
        *(("d1", "lead"), ("d1", "qualified"), ("d1", "won")),
        *(("d2", "lead"), ("d2", "offer"), ("d2", "lost")),
    ]


def test_spend_of_a_month_is_spread_over_it(tmp_path: Path) -> None:
    """Case 30-spend-month: 3,100 in January, 2,800 in February are 100 a day, in local time."""
    mapping = """
        name: budget
        currency: EUR
        timezone: Europe/Berlin
        sources:
          s:
            id_columns: [Monat, Kanal]
            columns: {Kosten: {decimal: ",", thousands: "."}, Monat: {dates: "%Y-%m"}}
            events:
              - type: spend_recorded
                at: Monat
                period: month
                attributes: {channel: Kanal, amount: Kosten}
    """
    table = "Monat;Kanal;Kosten\n2026-01;Messe;3.100,00 €\n2026-02;Messe;2.800,00 €\n"
    events, run = imported(tmp_path, mapping, table)
    assert run.report.notes == ["t.csv: columns are separated by ';'"]
    assert [(event["amount"], event["period_start"], event["period_end"]) for event in events] == [
        ("3100", "2026-01-01T00:00:00+01:00", "2026-02-01T00:00:00+01:00"),
        ("2800", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"),
    ]
