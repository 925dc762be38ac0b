"""What import makes of a table, against what the table's own writer knows of it."""

import csv
import io
import json
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import Mapping

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
STAGES: Final = {
    "lead": ["lead", "Neu", "New lead"],
    "qualified": ["Qualifiziert; ja"],
    "won": ["won", 'Closed "Won"'],
    "lost": ["verloren, 1:0"],
}
ALIASES: Final = {alias: stage for stage, names in STAGES.items() for alias in names}
MARKS: Final = [(".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", " ")]
SPOILED: Final = {
    "id": ["", " "],
    "created": ["", "soon", "31.02.2026", "2026-02-31", "1.2.3"],
    "stage": ["", "nowhere"],
    "value": ["cheap", "1..2", "1,2,3", "$5", "5 kr", "--5", "-5", "5%", "1e40"],
}


class Cell(NamedTuple):
    """A text, and what it says; ``None``: it cannot be read."""

    text: str
    says: Any


class Sheet(NamedTuple):
    mapping: dict[str, Any]
    delimiter: str
    rows: list[dict[str, Cell]]


def amount_as(amount: Decimal, decimal: str, thousands: str, unit: str) -> str:
    whole, _, cents = f"{amount:.2f}".partition(".")
    groups = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)][::-1]
    number = thousands.join(groups) + decimal + cents
    return unit.replace("#", number)


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    decimal, thousands = draw(st.sampled_from(MARKS))
    german = draw(st.booleans())
    unit = draw(st.sampled_from(["#", "# EUR", "€#", "# €", " #"]))
    ids = st.text("ABz09-_é ;,|\"'\n", min_size=1, max_size=5).map(str.strip).filter(bool)
    ids = st.sampled_from(["1", "02"]) | ids

    def cell(column: str, text: str, says: Any) -> Cell:
        if draw(st.integers(0, 9)) == 0:
            return Cell(draw(st.sampled_from(SPOILED[column])), None)
        return Cell(text, says)

    rows = []
    for _ in range(draw(st.integers(0, 6))):
        deal = draw(ids)
        day = draw(st.just(date(2026, 3, 1)) | st.dates(date(1999, 1, 1), date(2026, 10, 31)))
        alias = draw(st.sampled_from(sorted(ALIASES)))
        amount = (
            Decimal(draw(st.sampled_from([0, 10, 100_000, 123_456]) | st.integers(0, 10**9))) / 100
        )
        rows.append(
            {
                "id": cell("id", deal, deal),
                "created": cell(
                    "created",
                    f"{day.day:02}.{day.month:02}.{day.year}" if german else day.isoformat(),
                    day,
                ),
                "stage": cell("stage", alias, ALIASES[alias]),
                "value": cell("value", amount_as(amount, decimal, thousands, unit), amount),
            }
        )
    if rows:
        rows += draw(st.lists(st.sampled_from(rows), max_size=2))
    mapping = {
        "name": "crm",
        "currency": "EUR",
        "sources": {
            "deals": {
                "deal_id": "id",
                "columns": {
                    "created": {"dates": "%d.%m.%Y" if german else "iso"},
                    "stage": {"values": {alias: ALIASES[alias] for alias in ALIASES}},
                    "value": {"decimal": decimal, "thousands": thousands},
                },
                "events": [
                    {
                        "stage": {"column": "stage"},
                        "at": "created",
                        "name": "step",
                        "attributes": {"amount": "value"},
                    }
                ],
            }
        },
    }
    return Sheet(mapping, draw(st.sampled_from(",;\t|")), rows)


def written(sheet: Sheet) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=sheet.delimiter)
    writer.writerow(["id", "created", "stage", "value"])
    for row in sheet.rows:
        writer.writerow([cell.text for cell in row.values()])
    return text.getvalue()


Said = tuple[str, str, str, str | None]
"""Deal, stage, day and amount of an event."""


def expected(sheet: Sheet) -> tuple[list[Said], list[tuple[int, str]], int]:
    """The events; row and column of what is left out; how many rows said the same again."""
    events: dict[tuple[str, str], Said] = {}
    left_out: list[tuple[int, str]] = []
    repeated = 0
    for number, row in enumerate(sheet.rows, start=2):
        deal, day, stage, amount = (cell.says for cell in row.values())
        if deal is None or day is None:
            left_out.append((number, "id" if deal is None else "created"))
            continue
        if amount is None:
            left_out.append((number, "value"))
        if stage is None:
            left_out.append((number, "stage"))
            continue
        said = deal, stage, day.isoformat(), None if amount is None else f"{amount.normalize():f}"
        known = events.setdefault((deal, stage), said)
        if known is not said and known != said:
            left_out.append((number, ""))
        elif known is not said:
            repeated += 1
    return list(events.values()), left_out, repeated


@given(sheets())
def test_every_row_is_in_the_events_or_in_the_report(sheet: Sheet) -> None:
    mapping = Mapping.model_validate(yaml.safe_load(yaml.safe_dump(sheet.mapping)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deals.csv")
        path.write_bytes(written(sheet).encode())
        run = Import(mapping, [path], now=NOW.timestamp)
        events = [json.loads(line) for line in run.lines()]
    made, left_out, repeated = expected(sheet)
    assert [
        (event["deal_id"], event["stage"], event["occurred_at"][:10], event.get("amount"))
        for event in events
    ] == made
    report = run.report
    assert sorted((one.row, one.field) for one in report.rejects) == sorted(left_out)
    assert report.left_out.total() == len(left_out)
    assert (report.rows, report.events, report.repeated) == (len(sheet.rows), len(made), repeated)
    amounts = [Decimal(amount) for *_, amount in made if amount is not None]
    assert sum(report.money.values()) == sum(amounts)
