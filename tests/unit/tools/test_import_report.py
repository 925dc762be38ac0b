"""What an import says of rows that mean something else than they seem to."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.definition import Definition
from funnel_stream.errors import InputError
from funnel_stream.replay.compute import compute
from funnel_stream.tools import gathered
from tests.funnels import figure, figures
from tests.mappings import DEALS
from tests.snapshots import Compared, compared, mapped
from tests.unit.tools.test_import_exports import HEADER, Found, Importing, importing, told

__all__ = ["importing"]

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
Telling = Callable[..., tuple[int, str]]


@pytest.fixture
def telling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Telling:
    monkeypatch.chdir(tmp_path)
    return told


# --- closings that do not count -------------------------------------------------------------------

BACKWARDS: Final = (
    HEADER + "1,2026-01-10,2026-01-20,Won,100,\n"
    "2,2026-01-15,2026-01-12,Won,200,\n"
    "3,2026-01-02,2026-01-30,Lost,,\n"
    "4,2026-01-15,2026-01-01,Lost,,\n"
)
BOUND: Final = DEALS.replace("at: closed", "at: {column: closed, not_before: created}")


def counted(events: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Deals open, won and lost, as the figures have them."""
    lines = [json.dumps(event).encode() for event in events]
    micros = round(NOW.timestamp() * 1e6)
    found = compute(lines, Definition(windows=["365d"]), as_of=micros, now_ms=micros // 1000)
    return (
        sum(value for (name, _), value in figures(found).items() if name == "funnel_open_deals"),
        *(
            figure(found, "funnel_deals_closed", "365d", outcome=end) or 0
            for end in ("won", "lost")
        ),
    )


def test_a_closing_before_the_first_other_stage_is_told_to_count_for_nothing(
    importing: Importing,
) -> None:
    found = importing(DEALS, deals=BACKWARDS)
    assert found.report["closed_before_begun"] == {
        "number": 2,
        "count_as": "open",
        "deals": ["2", "4"],
    }
    assert counted(found.events) == (2, 1, 1)
    bound = importing(BOUND, deals=BACKWARDS)
    assert bound.report["closed_before_begun"]["number"] == 0
    assert counted(bound.events) == (0, 2, 2)


def test_a_closing_that_does_not_count_is_not_strict(telling: Telling) -> None:
    code, text = telling("--check", "--strict", deals=BACKWARDS)
    assert code == 1
    assert "closings that do not count: 2, of 2, 4; the first other stage" in text
    assert "the deal is open again, neither won nor lost" in text
    assert "at: {column: …, not_before: …}" in text
    assert telling("--check", deals=BACKWARDS)[0] == 0
    code, text = telling("--check", "--strict", mapping=BOUND, deals=BACKWARDS)
    assert (code, "do not count" in text) == (0, False)


def test_dates_of_deals_are_gathered_in_batches(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
name: x
sources: {d: {deal_id: id, id_columns: [n], events: [{stage: {column: stage}, at: at}]}}
"""
    rows = [
        *("b,1,won,2026-01-03", "c,2,won,2026-01-03", "a,3,lost,2026-01-03", "d,4,won,2026-01-03"),
        *("a,5,lead,2026-01-04", "b,6,lead,2026-01-04", "c,7,lead,2026-01-02"),
        *("a,8,offer,2026-01-05", "d,9,lead,2026-01-05", "d,10,lost,2026-01-06"),
    ]
    for size in (1, 2, 3, 100):
        monkeypatch.setattr(gathered, "_BATCH", size)
        found = importing(source, d="\n".join(["id,n,stage,at", *rows]))
        assert found.report["closed_before_begun"]["deals"] == ["b", "a"]


# --- stages that are not known --------------------------------------------------------------------

STAGES: Final = """
name: crm
sources:
  deals:
    deal_id: id
    columns: {state: {values: {Neu: qualified, Angebot: offer, Gewonnen: won}}}
    skip: [{when: {state: Draft}, because: drafts}]
    events:
      - {stage: lead, at: created}
      - name: present
        stage: {column: state}
        at: since
        when: {state: [qualified, potential, offer], why: null}
        optional: true
      - {stage: won, at: closed, when: {state: won}}
      - {name: gone, stage: lost, at: closed, when: {state: Weg}}
"""
STATES: Final = "id,created,since,closed,state,why\n"


def of_state(found: Found) -> dict[str, int]:
    """Texts of the column of stages that no condition names."""
    texts = found.report["texts"]["in_no_when"]
    return {one["text"]: one["number"] for one in texts if one["column"] == "deals.state"}


def test_a_stage_that_is_not_known_is_left_out_whichever_condition_hides_it(
    importing: Importing,
) -> None:
    found = importing(
        STAGES,
        deals=STATES + "1,2026-01-05,2026-01-06,,Angebot,\n"
        "2,2026-01-05,2026-01-06,,Pilot,\n"
        "3,2026-01-05,2026-01-06,,Pilot,dear\n"
        "4,2026-01-05,,2026-01-06,Gewonnen,\n"
        "5,2026-01-05,,2026-01-06,Weg,\n"
        "6,2026-01-05,,,Draft,\n"
        "7,2026-01-05,,,,\n"
        "8,2026-01-05,2026-01-06,,negotiation,\n",
    )
    assert found.left_out() == [(row, "unknown_stage", "state") for row in (3, 4)]
    assert found.messages()[0].startswith("'Pilot' is not a stage, and no when or skip names it")
    assert found.report["without_mapping"] == [{"column": "state", "text": "Pilot", "number": 2}]
    assert sorted(found.of("lead")) == ["1", "2", "3", "4", "5", "7", "8"]
    assert [*found.of("offer"), *found.of("won"), *found.of("lost")] == ["1", "4", "5"]
    # A stage that is known, but in no condition: nothing is wrong with the text itself.
    assert set(of_state(found)) == {"Pilot", "negotiation"}


def test_a_stage_that_is_not_known_is_left_out_once(importing: Importing) -> None:
    more = "      - {name: other, stage: {column: state}, at: created, when: {why: null}}\n"
    found = importing(STAGES + more, deals=STATES + "1,2026-01-05,2026-01-06,,Pilot,\n")
    assert found.left_out() == [(2, "unknown_stage", "state")]
    assert found.report["without_mapping"] == [{"column": "state", "text": "Pilot", "number": 1}]


def since(folder: Path, old: str, new: str) -> Compared:
    tables = ({"deals.csv": STATES + table} for table in (old, new))
    return compared(folder, mapped(STAGES), *tables, NOW)


def test_a_deal_stays_where_it_is_while_its_stage_is_not_known(tmp_path: Path) -> None:
    old = "1,2026-01-05,2026-01-06,,Angebot,\n2,2026-01-05,,2026-01-06,Gewonnen,\n"
    new = "1,2026-01-05,2026-02-06,,Pilot,\n2,2026-01-05,,2026-01-06,Pilot,\n"
    result = since(tmp_path, old, new)
    assert (result.events, result.changes.withheld) == ([], 2)
    assert result.left_out() == [(row, "unknown_stage", "state") for row in (2, 3)]
    # Of a text that is named as one of no event it is known what the deal is not.
    skipped = since(tmp_path, old, new.replace("Pilot", ""))
    assert (skipped.changes.events, skipped.changes.withheld) == ({"reopened": 1, "restaged": 1}, 0)


# --- events without a date ------------------------------------------------------------------------


def test_rows_without_a_date_for_an_optional_event_are_told(
    importing: Importing, telling: Telling
) -> None:
    table = STATES + "1,2026-01-05,,,Neu,\n2,2026-01-05,,,Angebot,\n3,2026-01-05,,,,\n"
    found = importing(STAGES, deals=table)
    assert found.report["undated"] == {"deals.present": 2}
    assert found.report["left_out"] == []
    code, text = telling("--check", "--strict", mapping=STAGES, deals=table)
    assert code == 0
    assert "2 rows without a date for the optional event: deals.present" in text


def test_dates_of_another_column_are_told(importing: Importing, telling: Telling) -> None:
    mapping = STAGES.replace("at: since", "at: {column: since, fallback: created}")
    table = STATES + "1,2026-01-05,,,Neu,\n2,2026-01-05,2026-01-06,,Neu,\n"
    found = importing(mapping, deals=table)
    assert [event["occurred_at"][:10] for event in found.of("qualified").values()] == [
        *("2026-01-05", "2026-01-06"),
    ]
    assert found.report["from_fallback"] == {"deals.present: created instead of since": 1}
    assert found.report["undated"] == {}
    text = telling("--check", mapping=mapping, deals=table)[1]
    assert "1 dates taken from another column: deals.present: created instead of since" in text


def test_dates_that_stay_on_their_day_are_told_apart_from_those_that_move(
    importing: Importing,
) -> None:
    mapping = BOUND.replace("currency: EUR", "currency: EUR\ntimezone: America/New_York")
    found = importing(
        mapping,
        deals=HEADER + "1,2026-01-10T15:00:00Z,2026-01-10,Won,,\n"
        "2,2026-01-10T15:00:00Z,2026-01-09,Won,,\n"
        # In New York it is the ninth still.
        "3,2026-01-10T03:00:00Z,2026-01-09,Won,,\n"
        "4,2026-01-10T15:00:00Z,2026-01-11,Won,,\n",
    )
    rule = "deals.won: closed put at created"
    assert (found.report["moved"], found.report["moved_within_day"]) == ({rule: 1}, {rule: 2})


# --- the terminal ---------------------------------------------------------------------------------


def test_what_was_left_out_is_told_by_kind_the_most_frequent_first(telling: Telling) -> None:
    rows = [f"{number},soon{number},,Open,," for number in range(1200)]
    rows.append("w,2026-01-05,2026-02-01,Won,much,")
    rows += [f"v{number},2026-01-05,later,Won,," for number in range(3)]
    code, text = telling("--check", "--rejects", "all.csv", deals=HEADER + "\n".join(rows))
    assert code == 0
    table = [line for line in text.splitlines() if "deals.csv" in line]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table]
    assert [line[:5] for line in cells] == [
        ["1,200", "invalid_timestamp", "created", "deals.csv", "2"],
        ["3", "invalid_timestamp", "closed", "deals.csv", "1203"],
        ["1", "invalid_amount", "value", "deals.csv", "1202"],
    ]
    assert cells[0][5].startswith("'soon0' is not a date")
    assert "all of them are in all.csv" in text
    assert len(Path("all.csv").read_text().splitlines()) == 1205


def test_kinds_beyond_those_that_are_shown_are_counted(telling: Telling) -> None:
    names = [f"c{number:02}" for number in range(22)]
    events = "".join(f"      - {{name: {name}, stage: lead, at: {name}}}\n" for name in names)
    mapping = f"name: x\nsources:\n  d:\n    deal_id: id\n    events:\n{events}"
    table = f"id,{','.join(names)}\n1{',soon' * 22}\n"
    text = telling("--check", mapping=mapping, d=table)[1]
    assert "… and 2 kinds more; list them all with --rejects FILE.csv" in text
    few = telling(
        "--check", mapping=mapping, d=f"id,{','.join(names)}\n1,soon{',2026-01-05' * 21}\n"
    )
    assert "--rejects" not in few[1]


def test_stages_that_an_event_takes_from_the_column_need_no_condition(
    importing: Importing,
) -> None:
    mapping = """
name: crm
sources:
  deals:
    deal_id: id
    events:
      - {name: now, stage: {column: state}, at: created, when: {why: null}}
      - {stage: won, name: end, at: closed, when: {state: Closed}}
"""
    found = importing(
        mapping,
        deals=STATES + "1,2026-01-05,,,negotiation,\n2,2026-01-05,,,offer,\n"
        "3,2026-01-05,,,offer,dear\n4,2026-01-05,,,Verloren,\n5,2026-01-05,,2026-01-06,Closed,x\n",
    )
    assert of_state(found) == {"offer": 1, "Verloren": 1}


def test_a_suggestion_names_the_zero_byte_and_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "deals.csv"
    path.write_bytes("Deal ID,Owner\n1,José\n2,A\0b\n".encode("cp1252"))
    error = CliRunner().invoke(app, ["import", "--suggest", str(path)]).exception
    assert isinstance(error, InputError)
    assert "row 3 holds a zero byte" in error.message
    assert "encoding" not in error.message + str(error.hint)
