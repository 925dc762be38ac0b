"""CSV to events: what each rule of a mapping does, and the two public funnels."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytest
import yaml
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.errors import ConfigError, InputError, UsageError
from funnel_stream.tools.importer import Import, Report
from funnel_stream.tools.mapping import load
from tests.conftest import ROOT, public_data

EXAMPLES = ROOT / "examples"
NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()

Event = dict[str, Any]


class Result(NamedTuple):
    events: list[Event]
    report: Report
    lines: list[bytes]

    def rejects(self) -> list[tuple[int, str, str]]:
        return [(one.row, str(one.reason), one.field) for one in self.report.rejects]

    def column(self, name: str) -> list[Any]:
        return [event.get(name) for event in self.events]


Importing = Callable[..., Result]


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    """Import tables (name → text or bytes) by a mapping of one source, given as YAML."""

    def run(source: str, top: str = "", **tables: str | bytes) -> Result:
        body = yaml.safe_load(source)
        document = {"name": "crm", "sources": {"rows": body}} | (yaml.safe_load(top) or {})
        (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        files = []
        for name, table in tables.items():
            path = tmp_path / f"{name}.csv"
            path.write_bytes(table if isinstance(table, bytes) else table.encode())
            files.append(path)
        run = Import(load(tmp_path / "mapping.yaml"), files, now=lambda: NOW)
        lines = list(run.lines())
        return Result([json.loads(line) for line in lines], run.report, lines)

    return run


LEADS = """
deal_id: id
events:
  - stage: lead
    at: created
    attributes: {channel: origin, pipeline: {constant: inbound}}
  - stage: won
    at: closed
    optional: true
"""


def test_a_row_makes_its_events(importing: Importing) -> None:
    result = importing(
        LEADS,
        leads="id,created,closed,origin\nD1,2026-01-05,2026-02-01 10:30:00,web\nD2,2026-01-06,,\n",
    )
    assert [{**event, "event_id": ""} for event in result.events] == [
        {
            "event_id": "",
            "type": "stage_changed",
            "deal_id": "D1",
            "occurred_at": "2026-01-05T00:00:00Z",
            "stage": "lead",
            "channel": "web",
            "pipeline": "inbound",
        },
        {
            "event_id": "",
            "type": "stage_changed",
            "deal_id": "D1",
            "occurred_at": "2026-02-01T10:30:00Z",
            "stage": "won",
        },
        {
            "event_id": "",
            "type": "stage_changed",
            "deal_id": "D2",
            "occurred_at": "2026-01-06T00:00:00Z",
            "stage": "lead",
            "pipeline": "inbound",
        },
    ]
    assert (result.report.rows, result.report.events, result.report.rejects) == (2, 3, [])


def test_ids_tell_who_an_event_is_not_where_it_stands_or_what_it_says(importing: Importing) -> None:
    header = "id,created,closed,origin\n"
    rows = ["D1,2026-01-05,2026-02-01,web\n", "D2,2026-01-06,,fair\n"]
    one = importing(LEADS, leads=header + "".join(rows))
    turned = importing(LEADS, leads=header + "".join(reversed(rows)))
    corrected = importing(LEADS, leads=header + rows[0].replace("web", "fair") + rows[1])
    assert len(set(one.column("event_id"))) == 3
    assert sorted(one.lines) == sorted(turned.lines)
    assert corrected.column("event_id") == one.column("event_id")
    renamed = importing(LEADS, "name: other", leads=header + rows[0])
    assert set(renamed.column("event_id")).isdisjoint(one.column("event_id"))


def test_repeated_rows_are_left_out_and_contradicting_ones_rejected(importing: Importing) -> None:
    result = importing(
        LEADS,
        leads="id,created,closed,origin\n"
        "D1,2026-01-05,,web\n"
        "D1,2026-01-05,,web\n"
        "D1,2026-01-05,,fair\n",
    )
    assert result.column("channel") == ["web"]
    assert result.report.repeated == 1
    assert result.rejects() == [(4, "conflicting_duplicate", "")]


def test_what_is_left_out_is_named_as_a_spreadsheet_does_and_the_rest_counts(
    importing: Importing,
) -> None:
    result = importing(
        LEADS,
        leads="id,created,closed,origin\n"
        "D1,2026-01-05,2026-02-01,web\n"
        "\n"
        "D2,2026-01-05,1.2.2026,web\n"
        ",2026-01-05,,web\n"
        "D4,,,web\n"
        "D5,2026-01-05\n"
        f"{'D6' * 65},2026-01-05,2026-02-01,web\n"
        "D7,2026-12-24,,web\n"
        '"D8\nx",2026-01-05,,web\n'
        "D9,2026-01-05,,web,\n",
    )
    assert result.rejects() == [
        (4, "invalid_timestamp", "closed"),
        (5, "missing_field", "id"),
        (6, "missing_field", "created"),
        (7, "wrong_columns", ""),
        (8, "too_long", "id"),
        (8, "too_long", "id"),
        (9, "future_timestamp", "created"),
        (11, "wrong_columns", ""),
    ]
    assert result.column("deal_id") == ["D1", "D1", "D2", "D8\nx"]
    assert "'1.2.2026' is not a date: it is not like 2026-01-31" in result.report.rejects[0].message
    assert result.report.rows == 9


def test_many_rows_are_validated_each_with_its_own_number(importing: Importing) -> None:
    rows = [f"D{i},2026-01-05,,{'x' * 5000 if i % 400 == 0 else 'web'}" for i in range(2, 1300)]
    result = importing(LEADS, leads="\n".join(["id,created,closed,origin", *rows]))
    assert [one[0] for one in result.rejects()] == [400, 800, 1200]
    assert [event["deal_id"] for event in result.events if "channel" not in event] == [
        "D400",
        "D800",
        "D1200",
    ]
    assert len(result.events) == 1298


def test_dates_have_formats_and_a_time_zone(importing: Importing) -> None:
    result = importing(
        """
        deal_id: id
        columns:
          a: {dates: ["%d.%m.%Y %H:%M", "%d.%m.%Y"]}
          b: {timezone: America/New_York}
        events:
          - {stage: lead, at: a, attributes: {first_touch_at: b}}
        """,
        "timezone: Europe/Warsaw",
        t="id,a,b\n"
        "1,05.01.2026 09:30,2026-01-04\n"
        "2,05.07.2026,2026-07-04T12:00:00+00:00\n"
        "3,2026-01-05,\n",
    )
    assert result.column("occurred_at") == [
        "2026-01-05T09:30:00+01:00",
        "2026-07-05T00:00:00+02:00",
    ]
    assert result.column("first_touch_at") == ["2026-01-04T00:00:00-05:00", "2026-07-04T12:00:00Z"]
    assert "it is not like '%d.%m.%Y %H:%M'; it is not" in result.report.rejects[0].message


@pytest.mark.parametrize(
    ("key", "bound", "moved"),
    [
        ("not_after", "2026-01-04", True),
        ("not_after", "2026-01-06", False),
        ("not_before", "2026-01-06", True),
        ("not_before", "2026-01-04", False),
        ("not_before", "", False),
    ],
)
def test_a_date_may_be_bound_by_another(
    importing: Importing, key: str, bound: str, moved: bool
) -> None:
    result = importing(
        f"{{deal_id: id, events: [{{stage: lead, at: {{column: a, {key}: b}}}}]}}",
        t=f"id,a,b\n1,2026-01-05,{bound}\n",
    )
    assert result.column("occurred_at") == [f"{bound if moved else '2026-01-05'}T00:00:00Z"]
    assert result.report.moved == ({"rows.lead: a put at b": 1} if moved else {})


@pytest.mark.parametrize("zone", ["", "timezone: America/New_York"])
def test_a_day_of_one_column_is_no_day_of_another_columns_time_zone(
    importing: Importing, zone: str
) -> None:
    result = importing(
        f"""
        deal_id: id
        columns: {{made: {{timezone: Asia/Tokyo}}, closed: {{{zone}}}}}
        events: [{{stage: lead, at: made}}, {{stage: won, at: closed}}]
        """,
        "timezone: America/New_York",
        t="id,made,closed\n1,2026-03-06T08:00,2026-03-05\n2,2026-03-06T08:00,2026-03-06\n",
    )
    assert result.column("occurred_at")[1::2] == [
        "2026-03-06T08:00:00+09:00",
        "2026-03-06T00:00:00-05:00",
    ]


def test_texts_are_mended_defaulted_and_emptied(importing: Importing) -> None:
    result = importing(
        """
        deal_id: id
        columns:
          product: {values: {GTXPro: GTX Pro, "?": null}}
          region: {values: {N: north, S: south}, otherwise: elsewhere, default: unknown}
        events:
          - {stage: lead, at: a, attributes: {product: product, segment: region, owner: owner}}
        """,
        "missing: ['', 'n/a']",
        t="id,a,product,region,owner\n"
        "1,2026-01-05, GTXPro ,N,n/a\n"
        "2,2026-01-05,GTK,W,Ann\n"
        "3,2026-01-05,?,,\n",
    )
    assert result.column("product") == ["GTX Pro", "GTK", None]
    assert result.column("segment") == ["north", "elsewhere", "unknown"]
    assert result.column("owner") == [None, "Ann", None]


def test_money_is_exact_and_has_its_currency(importing: Importing) -> None:
    result = importing(
        """
        deal_id: id
        columns: {price: {decimal: ",", remove: "$. "}}
        events:
          - stage: offer
            at: a
            attributes: {amount: price, cost: cost, currency: unit, score: score}
        """,
        "currency: USD",
        t="id,a,price,cost,unit,score\n"
        '1,2026-01-05,"$1.234.567.890,10",,,\n'
        "2,2026-01-05,12,1.50,EUR,7\n"
        "3,2026-01-05,,3.000,,7.5\n"
        "4,2026-01-05,,,EUR,\n"
        "5,2026-01-05,cheap,,,\n"
        '6,2026-01-05,"1,005",,,\n'
        "7,2026-01-05,-1,,,\n"
        "8,2026-01-05,1e999999999,,,\n"
        "9,2026-01-05,1,,bitcoin,\n"
        "10,2026-01-05,1,,,high\n",
    )
    amounts = zip(result.column("deal_id"), result.column("amount"), strict=True)
    assert dict(amounts) == {
        "1": "1234567890.1",
        "2": "12",
        "10": "1",
        **dict.fromkeys(("3", "4", "5", "6", "7", "8", "9")),
    }
    assert result.column("cost")[:4] == [None, "1.5", "3", None]
    assert result.column("currency")[:4] == ["USD", "EUR", "USD", None]
    assert result.column("score")[:4] == [None, 7, 7.5, None]
    assert result.rejects() == [
        (6, "invalid_amount", "price"),
        (7, "too_many_decimals", "price"),
        (8, "invalid_amount", "price"),
        (9, "invalid_amount", "price"),
        (10, "unknown_currency", "unit"),
        (11, "invalid_value", "score"),
    ]


LOOKUP = """
file: deals*
deal_id: id
lookups:
  - {file: "acc*", column: account, equals: name, take: {branch: sector}}
events:
  - {stage: lead, at: a, attributes: {industry: branch}}
"""


def test_a_lookup_adds_columns_and_says_what_did_not_fit(importing: Importing) -> None:
    result = importing(
        LOOKUP,
        deals="id,a,account\n1,2026-01-05,Acme\n2,2026-01-05,Nobody\n3,2026-01-05,\n",
        accounts="name,sector\nAcme,retail\nBeta,health\nAcme,finance\nGamma\n",
    )
    assert result.column("industry") == ["retail", None, None]
    assert result.report.unmatched == {"acc*": 1}
    assert result.report.unused == {"acc*": 1}
    assert [one.file for one in result.report.rejects] == ["accounts.csv", "accounts.csv"]
    assert result.rejects() == [(4, "conflicting_duplicate", "name"), (5, "wrong_columns", "")]


def test_conditions_choose_events_and_skip_rows(importing: Importing) -> None:
    result = importing(
        """
        deal_id: id
        skip: [{when: {state: [Draft, null]}, because: nothing has happened}]
        events:
          - {stage: won, when: {state: Won, kind: [new, old]}, at: a}
          - {stage: lost, when: {state: Lost, kind: null}, at: a}
        """,
        t="id,state,kind,a\n"
        "1,Won,new,2026-01-05\n2,Won,odd,2026-01-05\n3,Lost,,2026-01-05\n4,Lost,new,2026-01-05\n"
        "5,Draft,,\n6,,,2026-01-05\n7,Won,old,\n",
    )
    assert list(zip(result.column("deal_id"), result.column("stage"), strict=True)) == [
        ("1", "won"),
        ("3", "lost"),
    ]
    assert result.report.skipped == {"nothing has happened": 2}
    assert result.rejects() == [(8, "missing_field", "a")]


def test_a_history_of_stages_needs_what_tells_its_rows_apart(importing: Importing) -> None:
    mapping = """
        deal_id: id
        columns: {stage: {values: {Proposal: offer, Closed Won: won}}}
        events: [{stage: {column: stage}, at: a}]
        """
    table = (
        "id,n,stage,a\nD,1,lead,2026-01-01\nD,2,Proposal,2026-01-02\nD,3,Proposal,2026-01-03\n"
        "D,4,Closed Won,2026-01-04\nD,5,Paused,2026-01-05\n"
    )
    without = importing(mapping, t=table)
    assert without.rejects() == [
        (4, "conflicting_duplicate", ""),
        (6, "unknown_stage", "stage"),
    ]
    assert "id_columns" in without.report.rejects[0].message
    result = importing(mapping + "\n        id_columns: [n]", t=table)
    assert result.column("stage") == ["lead", "offer", "offer", "won"]
    assert len(set(result.column("event_id"))) == 4


def test_activities_spend_and_corrections(importing: Importing) -> None:
    result = importing(
        """
        deal_id: id
        id_columns: [n]
        columns: {kind: {values: {Call: call}}, result: {values: {absent: no_show}}}
        events:
          - type: activity_recorded
            activity: {column: kind}
            outcome: {column: result}
            when: {kind: call}
            at: a
          - type: deal_updated
            when: {kind: Note}
            at: a
            attributes: {problems: {column: text, split: "|"}, desired_outcomes: text}
          - type: spend_recorded
            when: {kind: Ads}
            at: a
            attributes: {channel: text, amount: money, period_start: from, period_end: a}
        """,
        "currency: EUR",
        t="id,n,a,kind,result,text,money,from\n"
        "D,1,2026-01-05,Call,absent,,,\n"
        "D,2,2026-01-05,Note,,slow | dear|,,\n"
        "D,3,2026-01-05,Ads,,paid,12.5,2026-01-04\n"
        "D,4,2026-01-05,Ads,,paid,12.5,2026-01-06\n",
    )
    activity, update, spend = result.events
    assert (activity["activity"], activity["outcome"]) == ("call", "no_show")
    assert update["problems"] == ["slow", "dear"]
    assert update["desired_outcomes"] == ["slow | dear|"]
    assert "deal_id" not in spend
    assert (spend["channel"], spend["amount"], spend["currency"]) == ("paid", "12.5", "EUR")
    assert (spend["period_start"], spend["period_end"]) == (
        "2026-01-04T00:00:00Z",
        "2026-01-05T00:00:00Z",
    )
    assert result.rejects()[0][:2] == (5, "invalid_period")


def test_files_have_encodings_delimiters_and_byte_order_marks(importing: Importing) -> None:
    source = "{deal_id: id, events: [{stage: lead, at: a, attributes: {owner: o}}]}"
    marked = importing(source, t="\ufeffid,a,o\r\n1,2026-01-05,Zoë\r\n")
    old = importing(
        source.replace("{deal_id", '{encoding: cp1252, delimiter: ";", deal_id'),
        t="id;a;o\n1;2026-01-05;Zoë\n".encode("cp1252"),
    )
    assert marked.column("owner") == old.column("owner") == ["Zoë"]
    with pytest.raises(
        InputError, match=r"t.csv, row 2 holds the byte 0xEB, .* not UTF-8"
    ) as caught:
        importing(source, t="id,a,o\n1,2026-01-05,Zoë\n".encode("cp1252"))
    assert "encoding: cp1252" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("table", "said"),
    [("", "has no usable header"), ("id,id,a\n", "has two columns 'id'")],
)
def test_a_file_needs_a_header(importing: Importing, table: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        importing("{deal_id: id, events: [{stage: lead, at: a}]}", t=table)


def test_a_column_that_is_not_there_is_an_error_in_the_mapping(importing: Importing) -> None:
    with pytest.raises(ConfigError) as caught:
        importing(LEADS, leads="id,created,closed,orgin\n")
    assert caught.value.message == (
        "sources.rows.events.lead.channel: leads.csv has no column 'origin'; did you mean 'orgin'?"
    )
    with pytest.raises(ConfigError, match=r"lookups.branch: accounts.csv has no column 'sector'"):
        importing(LOOKUP, deals="id,a,account\n", accounts="name,sektor,x\n")
    with pytest.raises(ConfigError, match="there is a column 'branch' already"):
        importing(LOOKUP, deals="id,a,account,branch\n", accounts="name,sector\n")


def test_every_file_has_one_place(importing: Importing) -> None:
    with pytest.raises(UsageError, match=r"needs a file called like acc\*"):
        importing(LOOKUP, deals="id,a,account\n")
    with pytest.raises(UsageError, match=r"other.csv fits none of acc\*, deals\*"):
        importing(LOOKUP, deals="id,a,account\n", accounts="name,sector\n", other="x\n")
    with pytest.raises(UsageError, match=r"deals.csv fits \*als\* and deals\* of the mapping"):
        importing(LOOKUP.replace("acc*", "*als*"), deals="id,a,account\n", accounts="name,sector\n")
    with pytest.raises(UsageError, match=r"nowhere.csv is not a file"):
        Import(load(EXAMPLES / "olist.yaml"), [Path("nowhere.csv")])


def test_one_source_may_have_several_files(importing: Importing) -> None:
    table = "id,created,closed,origin\n{},2026-01-05,,web\n"
    result = importing(LEADS, may=table.format("D1"), june=table.format("D2"))
    assert result.column("deal_id") == ["D1", "D2"]


# --- the command -------------------------------------------------------------------------------


def write_trial(folder: Path) -> list[str]:
    mapping = {"name": "crm", "sources": {"rows": yaml.safe_load(LEADS)}}
    (folder / "m.yaml").write_text(yaml.safe_dump(mapping))
    (folder / "t.csv").write_text("id,created,closed,origin\nD1,2026-01-05,,[web]\nD2,soon,,web\n")
    return ["import", str(folder / "t.csv"), "--mapping", str(folder / "m.yaml")]


def test_the_command_reports_rejects_and_succeeds(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    result = CliRunner().invoke(
        app, [*write_trial(tmp_path), "--out", "-", "--rejects", str(rejects)]
    )
    assert result.exit_code == 0
    assert [json.loads(line)["deal_id"] for line in result.stdout.splitlines()] == ["D1"]
    assert "2 rows: 1 event, 0 rows skipped by rule, 1 part left out" in result.stderr
    assert "invalid_timestamp" in result.stderr
    assert rejects.read_text().splitlines() == [
        "file,row,reason,field,message",
        "t.csv,3,invalid_timestamp,created,'soon' is not a date: "
        "it is not like 2026-01-31 or 2026-01-31T09:30:00Z (ISO 8601)",
    ]


@pytest.mark.parametrize("target", [[], ["--out", "x", "--broker", "localhost:1"]])
def test_the_command_wants_exactly_one_target(tmp_path: Path, target: list[str]) -> None:
    result = CliRunner().invoke(app, [*write_trial(tmp_path), *target])
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--out", "-", "--mapping", "nowhere.yaml"], 1, "nowhere.yaml cannot be read"),
        (["--out", "/nowhere/at/all"], 2, "/nowhere/at/all cannot be written"),
        ([], 2, "give either --out FILE or --broker ADDR"),
    ],
)
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "funnel_stream", *write_trial(tmp_path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- the two public funnels --------------------------------------------------------------------


def imported(mapping: str, folder: Path, *names: str) -> Result:
    run = Import(load(EXAMPLES / f"{mapping}.yaml"), [folder / name for name in names])
    lines = list(run.lines())
    return Result([json.loads(line) for line in lines], run.report, lines)


def days_between(first: Event, last: Event) -> float:
    span = datetime.fromisoformat(last["occurred_at"]) - datetime.fromisoformat(
        first["occurred_at"]
    )
    return span.total_seconds() / 86_400


@pytest.mark.data
def test_olist() -> None:
    files = ("olist_closed_deals_dataset.csv", "olist_marketing_qualified_leads_dataset.csv")
    result = imported("olist", public_data("olist"), *files)
    leads = {event["deal_id"]: event for event in result.events if event["stage"] == "lead"}
    won = {event["deal_id"]: event for event in result.events if event["stage"] == "won"}
    assert (len(result.events), len(leads), len(won)) == (8_842, 8_000, 842)
    by_origin = Counter(event.get("channel") for event in leads.values())
    won_by_origin = Counter(leads[deal].get("channel") for deal in won)
    assert {origin: (by_origin[origin], won_by_origin[origin]) for origin in by_origin} == {
        "organic_search": (2_296, 271),
        "paid_search": (1_586, 195),
        "social": (1_350, 75),
        "unknown": (1_099, 179),
        "direct_traffic": (499, 56),
        "email": (493, 15),
        "referral": (284, 24),
        "other": (150, 4),
        "display": (118, 6),
        "other_publicities": (65, 3),
        None: (60, 14),
    }
    cycles = sorted(days_between(leads[deal], won[deal]) for deal in won)
    assert cycles[0] == 0
    assert fmean(cycles) == pytest.approx(49.102, abs=0.0005)
    assert (cycles[420] + cycles[421]) / 2 == pytest.approx(14.65, abs=0.005)
    assert result.report.moved == {"leads.lead: first_contact_date put at won_date": 1}
    assert (result.report.rejects, result.report.unused["*closed_deals*.csv"]) == ([], 0)
    assert imported("olist", public_data("olist"), *files).lines == result.lines


@pytest.mark.data
def test_maven_crm() -> None:
    files = ("sales_pipeline.csv", "products.csv", "accounts.csv")
    result = imported("maven_crm", public_data("maven_crm"), *files)
    stages: dict[str, dict[str, Event]] = {}
    for event in result.events:
        stages.setdefault(event["stage"], {})[event["deal_id"]] = event
    assert {stage: len(deals) for stage, deals in stages.items()} == {
        "potential": 8_300,
        "offer": 8_300,
        "won": 4_238,
        "lost": 2_473,
    }
    won, offers = stages["won"], stages["offer"]
    assert sum(float(event["amount"]) for event in won.values()) == 10_005_534
    assert {event["currency"] for event in [*won.values(), *offers.values()]} == {"USD"}
    assert all(event.get("amount") for event in offers.values()), "every product has a list price"
    assert not any("amount" in event for event in stages["lost"].values())
    above = sum(float(won[deal]["amount"]) > float(offers[deal]["amount"]) for deal in won)
    assert above == 2_040
    cycles = [days_between(offers[deal], won[deal]) for deal in won]
    assert fmean(cycles) == pytest.approx(51.78, abs=0.005)
    industries = {event.get("industry") for event in stages["potential"].values()}
    assert "technology" in industries
    assert "technolgy" not in industries
    assert list(result.report.skipped.values()) == [500]
    assert result.report.rejects == []
    assert result.report.unmatched.total() == 0


# --- what is good of a row ---------------------------------------------------------------------


MONEY = """
deal_id: id
columns: {price: {thousands: ","}}
events: [{stage: won, at: a, attributes: {amount: price, currency: unit}}]
"""


@pytest.mark.parametrize(
    ("price", "unit", "currency", "expected"),
    [
        ("€ 12.5", "", "", ("12.5", "EUR")),
        ("12 USD", "", "EUR", ("12", "USD")),
        ("12", "", "EUR", ("12", "EUR")),
        ("1,234.50 zł", "PLN", "EUR", ("1234.5", "PLN")),
        ("$12", "AUD", "", ("12", "AUD")),
        ("1234.5678", "EUR", "", ("1234.57", "EUR")),
        ("0.125", "KWD", "", ("0.125", "KWD")),
        ("(12)", "EUR", "", (None, None)),
        ("$12", "", "", (None, None)),
        ("£12", "EUR", "", (None, None)),
        ("1.234", "EUR", "", (None, None)),
        ("1,23", "EUR", "", (None, None)),
        ("12", "", "", (None, None)),
        ("12", "bitcoin", "EUR", (None, None)),
        ("9999999999999999", "EUR", "", (None, None)),
    ],
)
def test_an_amount_has_its_currency_or_is_left_out_and_the_deal_is_won(
    importing: Importing,
    price: str,
    unit: str,
    currency: str,
    expected: tuple[str | None, str | None],
) -> None:
    top = f"currency: {currency}" if currency else ""
    result = importing(MONEY, top, t=f'id,a,price,unit\n1,2026-01-05,"{price}",{unit}\n')
    [event] = result.events
    assert (event["stage"], (event.get("amount"), event.get("currency"))) == ("won", expected)
    assert len(result.report.rejects) == (expected == (None, None))
    assert result.report.rounded == ({"price": 1} if price == "1234.5678" else {})


def test_a_spend_without_an_amount_is_none(importing: Importing) -> None:
    result = importing(
        "{id_columns: [n], events: [{type: spend_recorded, at: a, "
        "attributes: {channel: c, amount: m}}]}",
        "currency: EUR",
        t="n,a,c,m\n1,2026-01-05,web,12\n2,2026-01-05,web,much\n3,2026-01-05,web,\n",
    )
    assert result.column("amount") == ["12"]
    assert [one[0] for one in result.rejects()] == [3, 4]


def test_the_report_tells_what_was_read(importing: Importing) -> None:
    rows = "".join(f"D{day},2026-01-{day:02}T03:00:00+03:00,web,5\n" for day in range(1, 12))
    result = importing(
        """
        deal_id: id
        columns: {stage: {values: {web: lead}}}
        events: [{stage: {column: stage}, at: a, attributes: {amount: m}}]
        """,
        "currency: EUR",
        t="id,a,stage,m\n" + rows + "X,2026-01-05,Paused,7\n",
    )
    report = result.report
    assert report.by_stage == {"lead": 11}
    assert {key: int(value) for key, value in report.money.items()} == {("lead", "EUR"): 55}
    assert report.first is not None
    assert report.last is not None
    assert (report.first.isoformat(), report.last.isoformat()) == (
        "2026-01-01T03:00:00+03:00",
        "2026-01-11T03:00:00+03:00",
    )
    assert report.without_mapping == {("stage", "Paused"): 1}
    assert report.times_of_day == {"rows.a": "03:00:00+03:00"}
    assert report.left_out == {("unknown_stage", "stage"): 1}


def test_dates_that_only_seem_to_have_a_time_are_days_if_the_mapping_says_so(
    importing: Importing,
) -> None:
    result = importing(
        """
        deal_id: id
        columns: {closed: {precision: day}}
        events: [{stage: lead, at: a}, {stage: won, at: closed}]
        """,
        "timezone: Europe/Moscow",
        t="id,a,closed\n1,2026-01-05T14:00:00+03:00,2026-01-05T03:00:00+03:00\n",
    )
    assert result.column("occurred_at") == ["2026-01-05T14:00:00+03:00"] * 2


def test_a_check_writes_nothing_and_strict_fails(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*write_trial(tmp_path), "--check", "--json", "--strict"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["rows"], found["events"], found["by_stage"]) == (2, 1, {"lead": 1})
    assert found["left_out"] == [{"reason": "invalid_timestamp", "field": "created", "number": 1}]
    told = CliRunner().invoke(app, [*write_trial(tmp_path), "--check"])
    assert told.exit_code == 0
    assert "2 rows: 1 event" in told.stdout
    assert "1 lead" in told.stdout
    refused = CliRunner().invoke(app, [*write_trial(tmp_path), "--check", "--out", "-"])
    assert isinstance(refused.exception, UsageError)
