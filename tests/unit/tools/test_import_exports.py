"""Imports as users make them: exports with their faults, and mappings with mistakes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.errors import FunnelError
from tests.mappings import DEALS

HEADER: Final = "id,created,closed,state,value,why\n"


class Found(NamedTuple):
    refused: str
    events: list[dict[str, Any]]
    report: dict[str, Any]

    def left_out(self) -> list[tuple[int, str, str]]:
        return [(one["row"], one["reason"], one["field"]) for one in self.report["first_left_out"]]

    def messages(self) -> list[str]:
        return [one["message"] for one in self.report["first_left_out"]]

    def of(self, stage: str) -> dict[str, dict[str, Any]]:
        return {event["deal_id"]: event for event in self.events if event["stage"] == stage}


Importing = Callable[..., Found]


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Importing:
    """Import files (name → text or bytes) by a mapping, with the command; options, where it is
    to refuse."""
    monkeypatch.chdir(tmp_path)

    def run(mapping: str, *options: str, **files: str | bytes) -> Found:
        Path("mapping.yaml").write_text(mapping, encoding="utf-8")
        names = [f"{name}.csv" for name in files]
        for name, content in zip(names, files.values(), strict=True):
            Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        command = ["import", *names, "-m", "mapping.yaml", *options]
        if not options:
            command += ["--out", "-", "--json"]
        result = CliRunner().invoke(app, command)
        if isinstance(error := result.exception, FunnelError):
            return Found(f"{error.message} {error.hint}", [], {})
        assert error is None
        assert not options
        events = [json.loads(line) for line in result.stdout.splitlines()]
        return Found("", events, json.loads(result.stderr))

    return run


# --- files ---------------------------------------------------------------------------------------


def test_a_quote_left_open_does_not_swallow_the_next_row(importing: Importing) -> None:
    found = importing(
        DEALS,
        deals=HEADER + '1,2026-01-05,2026-02-01,Won,7,"Acme, 2026\n'
        '2,2026-01-06,2026-02-02,Won,8,"Beta"\n',
    )
    assert "row 2: a text in quotes goes on after the quote that closes it" in found.refused
    assert '5"" pipe' in found.refused


@pytest.mark.parametrize(
    "options",
    [
        ("--check", "--rejects", "deals.csv"),
        ("--check", "--rejects", "./mapping.yaml"),
        ("--out", "deals.csv"),
        ("--out", "new", "--rejects", "./new"),
    ],
)
def test_no_file_of_the_import_is_written_over(
    importing: Importing, options: tuple[str, ...]
) -> None:
    table = HEADER + "1,2026-01-05,,Open,,\n"
    found = importing(DEALS, *options, deals=table)
    assert f"{options[-2]} {Path(options[-1])} would overwrite" in found.refused
    assert Path("deals.csv").read_text() == table
    assert not Path("new").exists()


# --- amounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["$100", "50¢", "₿1"])
def test_a_sign_that_is_not_the_euros_is_no_amount_in_euros(
    importing: Importing, text: str
) -> None:
    found = importing(DEALS, deals=HEADER + f"1,2026-01-05,2026-02-01,Won,{text},\n")
    assert "amount" not in found.of("won")["1"]
    assert found.left_out() == [(2, "invalid_amount", "value")]
    assert found.messages() == [
        f"{text.strip('0123456789')!r} stands beside the number, but the currency is EUR"
    ]


@pytest.mark.parametrize(
    ("text", "currency"),
    [("$100", "USD"), ("100 $", "CAD"), ("$100", "MXN"), ("₭100", "LAK"), ("﷼ 100", "IRR")],
)
def test_a_sign_of_the_currency_is_read(importing: Importing, text: str, currency: str) -> None:
    mapping = DEALS.replace("EUR", currency)
    won = importing(mapping, deals=HEADER + f"1,2026-01-05,2026-02-01,Won,{text},\n").of("won")
    assert (won["1"]["amount"], won["1"]["currency"]) == ("100", currency)


# --- mappings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("{amount: {constant: [1, 2]}}", "amount is one value; only problems and desired_outcomes"),
        ('{channel: {column: why, split: ";"}}', "channel is one value"),
    ],
)
def test_only_lists_are_split_or_given_as_lists(
    importing: Importing, attributes: str, said: str
) -> None:
    mapping = DEALS.replace("{amount: value}", attributes)
    found = importing(mapping, deals=HEADER)
    assert said in found.refused


def test_a_stage_is_no_list(importing: Importing) -> None:
    mapping = DEALS.replace("stage: lead", 'stage: {column: state, split: ","}')
    assert "stage is one value, not a list" in importing(mapping, deals=HEADER).refused


LOOKUPS: Final = """
name: crm
sources:
  deals:
    file: deals*
    deal_id: id
    lookups:
      - {file: accounts*, column: account, equals: key, take: [channel]}
      - {file: people*, column: id, equals: key, take: [account]}
    events:
      - {stage: lead, at: created, attributes: {channel: channel}}
"""


def test_the_key_of_a_lookup_is_known_before_it(importing: Importing) -> None:
    files = {
        "deals": "id,created\n1,2026-01-05\n",
        "accounts": "key,channel\nA,web\n",
        "people": "key,account\n1,A\n",
    }
    found = importing(LOOKUPS, **files)
    assert "'account' is the key of accounts*, but is taken from" in found.refused
    *before, first, second, head, rule = LOOKUPS.splitlines()
    turned = "\n".join([*before, second, first, head, rule])
    assert importing(turned, **files).events[0]["channel"] == "web"


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory(importing: Importing) -> None:
    lists = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lists += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    found = importing("\n".join(lists), deals=HEADER)
    assert "has more than 100,000 keys and items" in found.refused


@pytest.mark.parametrize("name", ["zip", "hex", "rot13", "idna", "undefined"])
def test_a_codec_that_is_no_encoding_is_refused(importing: Importing, name: str) -> None:
    mapping = DEALS.replace("deal_id: id", f"deal_id: id\n    encoding: {name}")
    found = importing(mapping, deals=HEADER)
    assert f"{name!r} is not an encoding; write one like utf-8 or cp1252" in found.refused


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1.23457E+11", "1,23457E+11"])
def test_an_id_that_a_spreadsheet_has_shortened_is_none(importing: Importing, text: str) -> None:
    rows = [f'"{text}",2026-01-05,,Open,,', "12E+5,2026-01-05,,Open,,"]
    found = importing(DEALS, deals=HEADER + "\n".join(rows))
    assert [event["deal_id"] for event in found.events] == ["12E+5"]
    assert found.left_out() == [(2, "invalid_value", "id")]
    assert repr(text) in found.messages()[0]
    assert "export the file again" in found.messages()[0]


def test_a_key_that_a_spreadsheet_has_shortened_finds_no_row(importing: Importing) -> None:
    mapping = LOOKUPS.replace(
        "      - {file: people*, column: id, equals: key, take: [account]}\n", ""
    )
    found = importing(
        mapping,
        deals="id,created,account\n1,2026-01-05,1.2E+11\n2,2026-01-05,A\n",
        accounts="key,channel\n1.2E+11,web\nA,fair\n",
    )
    assert [(event["deal_id"], event["channel"]) for event in found.events] == [("2", "fair")]
    assert sorted(found.left_out()) == [
        (2, "invalid_value", "account"),
        (2, "invalid_value", "key"),
    ]


def test_an_attribute_that_is_refused_does_not_take_its_event_along(importing: Importing) -> None:
    mapping = DEALS.replace("{lost_reason: why}", "{lost_reason: why, score: value, owner: state}")
    rows = [f"1,2026-01-05,2026-02-01,Lost,7,{'x' * 1001}", "2,2026-01-05,2026-02-01,Lost,1e10,y"]
    found = importing(mapping, deals=HEADER + "\n".join(rows))
    told = ("score", "lost_reason", "owner")
    assert {
        deal: [event.get(name) for name in told] for deal, event in found.of("lost").items()
    } == {
        "1": [7, None, "Lost"],
        "2": [None, "y", "Lost"],
    }
    assert found.left_out() == [(2, "too_long", "why"), (3, "invalid_value", "value")]
    assert {one["reason"]: one["number"] for one in found.report["left_out"]} == {
        "too_long": 1,
        "invalid_value": 1,
    }


def test_an_event_whose_pipeline_is_refused_is_in_no_other(importing: Importing) -> None:
    mapping = DEALS.replace(
        "stage: lead, at: created", "stage: lead, at: created, attributes: {pipeline: why}"
    )
    found = importing(mapping, deals=HEADER + f"1,2026-01-05,,Open,,{'x' * 1001}\n")
    assert (found.events, found.left_out()) == ([], [(2, "too_long", "why")])


ITEMS: Final = """
name: crm
currency: EUR
sources:
  items:
    deal_id: id
    events:
      - {stage: won, at: closed, attributes: {amount: {column: value, combine: sum}}}
"""


@pytest.mark.parametrize("values", [["", "5", "7"], ["5", "cheap", "7"], ["5", "7", "7 PLN"]])
def test_a_part_without_an_amount_does_not_take_the_others_along(
    importing: Importing, values: list[str]
) -> None:
    rows = [f"1,2026-02-01,{value}" for value in values]
    found = importing(ITEMS, items="id,closed,value\n" + "\n".join(rows))
    assert [(event["amount"], event["currency"]) for event in found.events] == [("12", "EUR")]
    reasons = {"cheap": (3, "invalid_amount", "value"), "7 PLN": (4, "conflicting_duplicate", "")}
    assert found.left_out() == [reasons[value] for value in values if value in reasons]


def test_rows_that_contradict_each_other_are_named_with_their_deal(importing: Importing) -> None:
    header = "id,closed,value\n"
    mapping = DEALS.replace("deals:", "deals:\n    file: t*", 1).replace(
        "at: created", "at: closed"
    )
    mapping = mapping.replace("stage: lead", "stage: lead, attributes: {amount: value}")
    for one in (ITEMS, mapping.split("      - {stage: won")[0]):
        closings = {"1": "2026-02-01", "2": "2026-02-02"}
        rows = [f"{deal},{day},5\n" for deal, day in closings.items()]
        others = ["2,2026-02-02,5\n", "1,2026-02-03,6\n"]
        found = importing(one, t1=header + "".join(rows + others), t2=header + "2,2026-02-04,5\n")
        assert [row for row, *_ in found.left_out()] == [5, 2]
        assert [message.split(";")[0] for message in found.messages()] == [
            "row 2 says something else about the same event of deal '1'",
            "row 3 of t1.csv says something else about the same event of deal '2'",
        ]


LARGE: Final = "9999999999999"


def test_a_sum_that_is_too_large_is_told_of_its_first_row_and_costs_nothing_else(
    importing: Importing,
) -> None:
    mapping = ITEMS.replace("}}}", "}, cost: {column: cost, combine: sum}}}")
    header, day = "id,closed,value,cost\n", "2026-02-01"
    found = importing(
        mapping,
        a=header + f"1,{day},7,1\n2,{day},{LARGE},2\n",
        b=header + f"2,{day},{LARGE},3\n2,{day},1,1\n3,{day},{LARGE},{LARGE}\n3,{day},1,1\n",
    )
    fields = ("deal_id", "amount", "cost", "currency")
    assert [tuple(event.get(name) for name in fields) for event in found.events] == [
        ("1", "7", "1", "EUR"),
        ("2", None, "6", "EUR"),
        ("3", None, None, None),
    ]
    told = [(one["file"], one["row"], one["field"]) for one in found.report["first_left_out"]]
    assert told == [("a.csv", 3, "value"), ("b.csv", 4, "value"), ("b.csv", 4, "cost")]
    assert found.messages()[0].startswith(
        "all rows of one event of deal '2' together: '19999999999999'"
    )


def test_a_spend_whose_sum_is_too_large_is_none(importing: Importing) -> None:
    mapping = """
name: crm
currency: EUR
sources:
  items:
    id_columns: [at, c]
    events:
      - {type: spend_recorded, at: at, attributes: {channel: c, amount: {column: m, combine: sum}}}
"""
    found = importing(
        mapping, t=f"at,c,m\n2026-02-01,web,{LARGE}\n2026-02-01,fair,1\n2026-02-01,web,{LARGE}\n"
    )
    assert [event["channel"] for event in found.events] == ["fair"]
    assert found.left_out() == [(2, "amount_out_of_range", "m")]


def test_a_file_that_is_given_twice_does_not_count_twice(importing: Importing) -> None:
    table = "id,closed,value\n1,2026-02-01,5\n"
    refused = importing(ITEMS, "./items.csv", "--check", items=table).refused
    assert "items.csv is given twice; its rows would count twice" in refused


@pytest.mark.parametrize("blank", [";;;;;", " ;\t;;;;\xa0", ";", ";;;;;;;;", ""])
def test_rows_of_nothing_but_delimiters_are_blank(importing: Importing, blank: str) -> None:
    header = HEADER.replace(",", ";")
    found = importing(DEALS, deals=header + f"1;2026-01-05;;Open;;\n{blank}\n{blank}\n")
    assert (found.report["rows"], found.report["blank"]) == (1, 2)
    assert (found.report["left_out"], found.of("lead").keys()) == ([], {"1"})


def test_a_blank_row_of_a_lookup_has_no_key(importing: Importing) -> None:
    mapping = LOOKUPS.replace(
        "      - {file: people*, column: id, equals: key, take: [account]}\n", ""
    )
    found = importing(
        mapping,
        deals="id,created,account\n1,2026-01-05,A\n",
        accounts="key,channel\nA,web\n,\n,,\n",
    )
    assert (found.report["left_out"], found.report["unused"]) == ([], {"accounts*": 0})


# --- the report ----------------------------------------------------------------------------------

OBEYED: Final = "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e\r"


def told(*options: str, mapping: str = DEALS, **files: str) -> tuple[int, str]:
    """Exit code, and what the command says on a terminal."""
    Path("mapping.yaml").write_text(mapping, encoding="utf-8")
    for name, content in files.items():
        Path(f"{name}.csv").write_text(content, encoding="utf-8", newline="")
    names = [f"{name}.csv" for name in files]
    command = [sys.executable, "-m", "funnel_stream", "import", *names, "-m", "mapping.yaml"]
    where = os.environ | {"COLUMNS": "300", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, *options], capture_output=True, env=where, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("fault", ["row", "footer", "header", "quote"])
def test_a_terminal_obeys_nothing_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    row = f'"{OBEYED}",2026-01-05,2026-01-04,Won,7,\n'
    table, mapping = HEADER + row, DEALS
    if fault == "row":
        table += f'"{OBEYED}",2026-01-05,2026-01-04,Won,8,\n1,2026-01-05,2026-02-01,"{OBEYED}",,\n'
        table += f'2,"{OBEYED}",,Open,,\n'
    elif fault == "footer":
        mapping = DEALS.replace("deal_id: id", "deal_id: id\n    footer_rows: 1")
        table += f'"{OBEYED}"\n'
    elif fault == "header":
        table = table.replace("created", f'"creat{OBEYED}ed"', 1)
    else:
        table = table.replace("created", f'created,"{OBEYED}","{OBEYED}"', 1)
        mapping = DEALS.replace("lost_reason: why", f"lost_reason: {json.dumps(OBEYED)}")
    code, text = told("--check", mapping=mapping, deals=table)
    assert code == (fault in ("header", "quote"))
    assert r"\x1b" in text
    obeyed = {sign for sign in text if not sign.isprintable()} - {"\n"}
    assert obeyed == set()


def test_dates_that_another_format_alone_reads_are_told(
    importing: Importing, tmp_path: Path
) -> None:
    mapping = DEALS.replace(
        "deal_id: id", 'deal_id: id\n    columns: {created: {dates: "%d/%m/%Y"}}'
    )
    table = HEADER + "1,12/31/2025,,Open,,\n2,03/04/2026,,Open,,\n"
    found = importing(mapping, deals=table)
    assert found.left_out() == [(2, "invalid_timestamp", "created")]
    assert found.report["day_and_month"]["deals.created"] == {
        "given": "%d/%m/%Y",
        "other": "%m/%d/%Y",
        "only_other": 1,
        "example": "12/31/2025",
        "only_given": 0,
        "both": 1,
    }
    code, text = told("--check", "--strict", mapping=mapping, deals=table)
    assert code == 1
    assert "deals.created: 1 date fits '%m/%d/%Y' and not '%d/%m/%Y', like" in text


def closings(*states: str) -> str:
    rows = (f"{i},,2026-02-01,{state},,\n" for i, state in enumerate(states))
    return HEADER + "".join(rows)


CLOSINGS: Final = DEALS.replace("      - {stage: lead, at: created}\n", "")


def texts_of(found: Found) -> tuple[list[tuple[str, str, str, str | None]], dict[str, int]]:
    """Texts that no row says, and those of rows that no condition names."""
    texts = found.report["texts"]
    assert {one["source"] for one in texts["never_said"]} <= {"deals"}
    return (
        [(one["column"], one["key"], one["text"], one["meant"]) for one in texts["never_said"]],
        {f"{one['column']}={one['text']}": one["number"] for one in texts["in_no_when"]},
    )


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Wonn", "Won"),
        ("won", "WON"),
        ('"Won "', "Won"),
        ('"Closed  Won"', " closed Won "),
        ("Gewonnen", "verloren!"),
    ],
)
def test_a_text_of_a_condition_that_no_row_says_is_told(
    importing: Importing, named: str, said: str
) -> None:
    found = importing(
        CLOSINGS.replace("state: Won", f"state: {named}"), deals=closings(said, said, "Lost")
    )
    meant = None if named == "Gewonnen" else said.strip()
    assert texts_of(found) == (
        [("state", "when", named.strip('"'), meant)],
        {f"deals.state={said.strip()}": 2},
    )
    assert found.report["texts"]["never_fulfilled"] == ["deals.won"]
    assert (found.report["without_event"], found.report["left_out"]) == (2, [])


def test_every_text_that_every_condition_names_and_no_other_is_not_worth_a_word(
    importing: Importing,
) -> None:
    mapping = CLOSINGS.replace(
        "deal_id: id",
        "deal_id: id\n    columns: {state: {values: {yes: Won, no: Lost}}}\n"
        "    skip: [{when: {state: [Draft, null]}, because: open}]",
    )
    found = importing(mapping, deals=closings("yes", "no", "Won", "Draft", ""))
    assert texts_of(found) == ([], {})
    assert found.report["texts"]["never_fulfilled"] == []
    assert (found.report["without_event"], len(found.events)) == (0, 3)


def test_texts_of_values_and_skips_that_no_row_says_are_told(importing: Importing) -> None:
    mapping = CLOSINGS.replace(
        "deal_id: id",
        "deal_id: id\n    columns: {state: {values: {Yess: Won, no: Lost, Open: null}}}\n"
        "    skip: [{when: {state: [draft, null]}, because: open}]",
    )
    found = importing(mapping, deals=closings("yes", "no", "Draft", "Draft"))
    assert texts_of(found) == (
        [
            ("state", "when", "Won", None),
            ("state", "skip", "draft", "Draft"),
            ("state", "values", "Open", None),
            ("state", "values", "Yess", "yes"),
        ],
        {"deals.state=Draft": 2, "deals.state=yes": 1},
    )


def test_values_of_a_column_from_a_lookup_are_looked_for_there(importing: Importing) -> None:
    mapping = LOOKUPS.replace(
        "      - {file: people*, column: id, equals: key, take: [account]}\n", ""
    ).replace("deal_id: id", "deal_id: id\n    columns: {channel: {values: {www: web, wwww: web}}}")
    found = importing(
        mapping, deals="id,created,account\n1,2026-01-05,A\n", accounts="key,channel\nA,www\n"
    )
    assert texts_of(found)[0] == [("channel", "values", "wwww", None)]


def test_a_condition_of_two_columns_that_no_row_fulfils_is_told(importing: Importing) -> None:
    mapping = CLOSINGS.replace("state: Won", "state: Won, why: null")
    table = HEADER + "1,,2026-02-01,Won,,dear\n2,,2026-02-01,Lost,,\n"
    texts = importing(mapping, deals=table).report["texts"]
    assert texts["never_fulfilled"] == ["deals.won"]
    assert texts["never_said"] == []


def test_texts_beyond_those_that_are_kept_are_counted(importing: Importing) -> None:
    found = importing(CLOSINGS, deals=closings(*(f"s{i % 1500}" for i in range(1600))))
    assert len(texts_of(found)[1]) == 1000
    assert sum(texts_of(found)[1].values()) == 1100
    assert found.report["texts"]["others_in_no_when"] == {"deals.state": 500}
    found = importing(CLOSINGS, deals=closings("s" * 101))
    assert texts_of(found)[1] == {}
    assert found.report["texts"]["others_in_no_when"] == {"deals.state": 1}


def test_rows_without_an_event_are_told_and_not_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mapping = CLOSINGS.replace("state: Won", "state: Wonn")
    table = closings("Won", "Won", "Lost", "Gone")
    code, text = told("--check", mapping=mapping, deals=table)
    assert code == 0
    assert "4 rows: 1 event, 0 rows skipped by rule, 3 rows without an event, 0 parts left" in text
    assert "Texts of the mapping and of the rows" in text
    assert "deals.state: no row has 'Wonn', which when names; did you mean 'Won'?" in text
    assert "deals.state: no when names 'Won' (2), 'Gone' (1)" in text
    assert "deals.won: no row matches the when of this event" in text
    assert told("--check", "--strict", mapping=mapping, deals=table)[0] == 1
    code, text = told("--check", "--strict", mapping=CLOSINGS, deals=closings("Won", "Lost"))
    assert code == 0
    assert "Texts" not in text
