"""A first mapping for exports that nobody has described: it loads, and imports what they say."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.errors import FunnelError
from funnel_stream.tools.mapping import load
from tests.unit.tools.test_spreadsheets import workbook


class Found(NamedTuple):
    mapping: str
    said: str
    events: list[tuple[str, str, str]]
    """Deal (of spends: the channel), stage or type, when."""
    full: list[dict[str, Any]]
    left_out: int

    def event(self, deal: str, stage: str) -> dict[str, Any]:
        return next(one for one in self.full if (one["deal_id"], one["stage"]) == (deal, stage))


Suggesting = Callable[..., Found]


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["import", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def suggesting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suggesting:
    """Suggest a mapping for files (name → text or bytes), and import them by it."""
    monkeypatch.chdir(tmp_path)

    def run(files: dict[str, str | bytes], edit: Callable[[str], str] = lambda text: text) -> Found:
        for name, content in files.items():
            Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        result = invoke("--suggest", *files)
        mapping = edit(result.stdout)
        Path("mapping.yaml").write_text(mapping, encoding="utf-8")
        used = [name for name in files if f"Not used: {name}" not in mapping]
        imported = invoke(*used, "-m", "mapping.yaml", "--out", "-", "--json")
        full = [json.loads(line) for line in imported.stdout.splitlines()]
        report = json.loads(imported.stderr)
        events = [
            (
                one.get("deal_id", one.get("channel")),
                one.get("stage", one["type"]),
                one["occurred_at"],
            )
            for one in full
        ]
        left_out = sum(one["number"] for one in report["left_out"])
        return Found(mapping, result.stderr, events, full, left_out)

    return run


# --- exports like those of well-known CRMs --------------------------------------------------------


def test_deals_as_hubspot_exports_them(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "hubspot-crm-exports-all-deals-2026-05-02.csv": (
                "Record ID,Deal Name,Deal Stage,Pipeline,Close Date,Create Date,Deal owner,Amount,"
                'Currency,Original Traffic Source,Closed Lost Reason,"Date entered ""Appointment '
                'Scheduled (Sales Pipeline)""","Date entered ""Contract Sent (Sales Pipeline)""",'
                '"Date exited ""Contract Sent (Sales Pipeline)""",Associated Company IDs\n'
                "901,Alpha,Closed Won,Sales Pipeline,2026-03-01 10:00,2026-01-05 09:15,Ann,1200.50,"
                "EUR,Organic Search,,2026-01-09 08:00,2026-02-10 08:30,2026-03-01 10:00,77\n"
                "902,Beta,Closed Lost,Sales Pipeline,2026-03-04 10:00,2026-01-06 09:15,Bob,800,"
                "USD,Paid Search,Price,2026-01-10 08:00,,,\n"
                "903,Gamma,Appointment Scheduled,Sales Pipeline,2026-09-30 10:00,2026-02-01 12:00,"
                "Ann,,EUR,Offline Sources,,2026-02-03 11:00,,,78\n"
            )
        }
    )
    assert found.events == [
        ("901", "lead", "2026-01-05T09:15:00Z"),
        ("901", "qualified", "2026-01-09T08:00:00Z"),
        ("901", "negotiation", "2026-02-10T08:30:00Z"),
        ("901", "won", "2026-03-01T10:00:00Z"),
        ("902", "lead", "2026-01-06T09:15:00Z"),
        ("902", "qualified", "2026-01-10T08:00:00Z"),
        ("902", "lost", "2026-03-04T10:00:00Z"),
        ("903", "lead", "2026-02-01T12:00:00Z"),
        ("903", "qualified", "2026-02-03T11:00:00Z"),
    ]
    won = found.event("901", "won")
    assert (won["amount"], won["currency"]) == ("1200.5", "EUR")
    lead = found.event("902", "lead")
    assert (lead["channel"], lead["owner"]) == ("Paid Search", "Bob")
    assert lead["pipeline"] == "Sales Pipeline"
    assert found.event("902", "lost")["lost_reason"] == "Price"
    assert found.left_out == 0
    assert '"Associated Company IDs": "77" 1, "78" 1' in found.mapping
    assert "checked: 3 rows, 9 events" in found.said


def test_opportunities_as_salesforce_exports_them(suggesting: Suggesting) -> None:
    header = (
        "Id,AccountId,Name,StageName,Amount,CurrencyIsoCode,CloseDate,IsClosed,IsWon,LeadSource,"
        "OwnerId,CampaignId,CreatedDate,LastStageChangeDate,LastModifiedDate,ExpectedRevenue\n"
    )
    found = suggesting(
        {
            "Opportunity.csv": header
            + "006A1,001A,Alpha,Closed Won,5000.0,EUR,2026-03-01,true,true,Web,005A,701A,"
            "2026-01-05T09:15:00.000Z,2026-03-01T08:00:00.000Z,2026-04-01T08:00:00.000Z,5000\n"
            "006A2,001B,Beta,Proposal/Price Quote,700.0,EUR,2026-12-31,false,false,Fair,005B,,"
            "2026-01-06T09:15:00.000Z,2026-02-06T09:15:00.000Z,2026-04-01T08:00:00.000Z,350\n"
            "006A3,001C,Gamma,Closed Lost,90.0,EUR,2026-03-03,true,false,Web,005B,,"
            "2026-01-07T09:15:00.000Z,2026-03-03T09:15:00.000Z,2026-04-01T08:00:00.000Z,0\n"
        }
    )
    assert found.events == [
        ("006A1", "lead", "2026-01-05T09:15:00Z"),
        ("006A1", "won", "2026-03-01T00:00:00Z"),
        ("006A2", "lead", "2026-01-06T09:15:00Z"),
        ("006A2", "offer", "2026-02-06T09:15:00Z"),
        ("006A3", "lead", "2026-01-07T09:15:00Z"),
        ("006A3", "lost", "2026-03-03T00:00:00Z"),
    ]
    assert found.left_out == 0
    assert found.event("006A2", "lead")["channel"] == "Fair"


def test_a_history_as_salesforce_exports_it(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "OpportunityHistory.csv": (
                "Id,OpportunityId,StageName,Amount,CloseDate,CreatedDate\n"
                "008A1,006A1,Prospecting,,2026-09-30,2026-01-05T09:15:00.000Z\n"
                "008A2,006A1,Prospecting,10,2026-09-30,2026-01-06T09:15:00.000Z\n"
                "008A3,006A1,Negotiation/Review,10,2026-09-30,2026-02-01T09:15:00.000Z\n"
                "008A4,006A2,Prospecting,,2026-09-30,2026-01-07T09:15:00.000Z\n"
                "008A5,006A1,Closed Won,12,2026-03-01,2026-03-01T09:15:00.000Z\n"
            )
        },
        edit=lambda text: text.replace("# currency: EUR #", "currency: EUR #"),
    )
    assert sorted(found.events) == [
        ("006A1", "lead", "2026-01-05T09:15:00Z"),
        ("006A1", "negotiation", "2026-02-01T09:15:00Z"),
        ("006A1", "won", "2026-03-01T09:15:00Z"),
        ("006A2", "lead", "2026-01-07T09:15:00Z"),
    ]
    assert found.event("006A1", "won")["amount"] == "12"
    assert found.left_out == 0


def test_deals_as_pipedrive_exports_them(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "deals.csv": (
                "Deal - ID,Deal - Title,Deal - Owner,Deal - Value,Deal - Currency of Value,"
                "Deal - Weighted value,Deal - Stage,Deal - Status,Deal - Deal created,"
                "Deal - Update time,Deal - Last stage change,Deal - Won time,Deal - Lost time,"
                "Deal - Lost reason,Deal - Expected close date,Deal - Source channel\n"
                "1,Alpha,Ann,100,PLN,100,Negotiations Started,Won,2026-01-05 10:00:00,"
                "2026-02-09 10:00:00,2026-01-20 10:00:00,2026-02-09 09:00:00,,,,Ads\n"
                "2,Beta,Bob,50,PLN,25,Proposal Made,Open,2026-01-06 10:00:00,2026-02-09 10:00:00,"
                "2026-01-16 10:00:00,,,,2026-12-01,Ads\n"
                "3,Gamma,Bob,70,PLN,0,Qualified,Lost,2026-01-07 10:00:00,2026-02-09 10:00:00,,,"
                "2026-01-30 10:00:00,Budget,,Fair\n"
            )
        }
    )
    assert found.events == [
        ("1", "lead", "2026-01-05T10:00:00Z"),
        ("1", "won", "2026-02-09T09:00:00Z"),
        ("2", "lead", "2026-01-06T10:00:00Z"),
        ("2", "offer", "2026-01-16T10:00:00Z"),
        ("3", "lead", "2026-01-07T10:00:00Z"),
        ("3", "lost", "2026-01-30T10:00:00Z"),
    ]
    assert found.left_out == 0
    assert found.event("3", "lost")["lost_reason"] == "Budget"
    lead = found.event("2", "lead")
    told = {name: lead[name] for name in ("amount", "currency", "owner", "channel")}
    assert told == {"amount": "50", "currency": "PLN", "owner": "Bob", "channel": "Ads"}


def test_deals_as_zoho_exports_them(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "Deals_001.csv": (
                "Record Id,Deal Owner,Amount,Deal Name,Closing Date,Stage,Lead Source,"
                "Created Time,Modified Time,Reason For Loss,Currency\n"
                "zcrm_1,Ann,$ 100,Alpha,2026-02-01,Closed Won,Fair,2026-01-05 10:00:00,"
                "2026-03-01 10:00:00,,USD\n"
                "zcrm_2,Ann,$ 60,Beta,2026-02-02,Closed Lost,Web,2026-01-06 10:00:00,"
                "2026-03-01 10:00:00,Too late,USD\n"
            )
        }
    )
    assert [event[:2] for event in found.events] == [
        *(("zcrm_1", "lead"), ("zcrm_1", "won")),
        *(("zcrm_2", "lead"), ("zcrm_2", "lost")),
    ]
    assert found.event("zcrm_1", "won")["amount"] == "100"
    assert found.event("zcrm_2", "lost")["lost_reason"] == "Too late"
    assert found.left_out == 0


def test_deals_as_bitrix24_exports_them(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "DEAL.csv": (
                "ID;Стадия сделки;Название сделки;Сумма;Валюта;Ответственный;Источник;"
                "Дата создания;Дата закрытия\n"
                "7;Сделка успешна;Альфа;1500.00;RUB;Анна;Сайт;05.01.2026 10:00:00;"
                "13.02.2026 00:00:00\n"
                "8;Сделка провалена;Бета;700.00;RUB;Иван;Звонок;06.01.2026 10:30:00;"
                "14.02.2026 00:00:00\n"
                "9;Новая;Гамма;;RUB;Иван;Звонок;20.01.2026 10:30:00;15.02.2099 00:00:00\n"
            )
        }
    )
    assert found.events == [
        ("7", "lead", "2026-01-05T10:00:00Z"),
        ("7", "won", "2026-02-13T00:00:00Z"),
        ("8", "lead", "2026-01-06T10:30:00Z"),
        ("8", "lost", "2026-02-14T00:00:00Z"),
        ("9", "lead", "2026-01-20T10:30:00Z"),
    ]
    assert found.event("8", "lead")["owner"] == "Иван"
    assert found.left_out == 0


def test_a_german_table_with_decimal_commas(suggesting: Suggesting) -> None:
    table = (
        "Vorgangsnummer;Erstellt am;Abschlussdatum;Phase;Auftragswert (EUR);Herkunft;Verlustgrund\n"
        "A-1;05.01.2026;13.02.2026;Gewonnen;1.234,50;Messe Köln;\n"
        "A-2;06.01.2026;;Angebot;99,00;Empfehlung;\n"
        "A-3;07.01.2026;20.02.2026;Verloren;12.000,00;Messe Köln;zu teuer\n"
    )
    for content in (table, table.encode("cp1252")):
        found = suggesting({"chancen.csv": content})
        assert found.events == [
            ("A-1", "lead", "2026-01-05T00:00:00Z"),
            ("A-1", "won", "2026-02-13T00:00:00Z"),
            ("A-2", "lead", "2026-01-06T00:00:00Z"),
            ("A-3", "lead", "2026-01-07T00:00:00Z"),
            ("A-3", "lost", "2026-02-20T00:00:00Z"),
        ]
        won = found.event("A-1", "won")
        assert (won["amount"], won["currency"]) == ("1234.5", "EUR")
        assert found.event("A-3", "lead")["channel"] == "Messe Köln"
        assert found.left_out == 0
    assert "encoding: cp1252 # UNSURE" in found.mapping


def test_spends_of_months(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "budget.csv": 'Month,Channel,Spend,Currency\nJan 2026,Ads,"3,100.00",EUR\n'
            'Feb 2026,Ads,"2,800.00",EUR\nFeb 2026,Fair,50.00,EUR\n'
        }
    )
    assert [
        (one["channel"], one["amount"], one["period_start"], one["period_end"])
        for one in found.full
    ] == [
        ("Ads", "3100", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("Ads", "2800", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("Fair", "50", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    ]
    assert found.left_out == 0


# --- what could be otherwise ----------------------------------------------------------------------

DEALS: Final = "Deal ID,Created,Closed,Status,Amount,Currency\n"


def test_a_date_of_two_readings_is_marked_and_shown_in_both(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": DEALS + "1,03/04/2026,05/06/2026,Won,5,EUR\n"})
    assert found.mapping.count('UNSURE: "03/04/2026" is ') == 1
    assert "2026-03-04" in found.mapping
    assert "2026-04-03" in found.mapping


def test_one_column_tells_how_the_others_write_dates(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": DEALS + "1,03/04/2026,31/05/2026,Won,5,EUR\n"})
    assert found.events == [
        ("1", "lead", "2026-04-03T00:00:00Z"),
        ("1", "won", "2026-05-31T00:00:00Z"),
    ]


def test_dates_that_mix_two_orders_are_told(suggesting: Suggesting) -> None:
    rows = [f"{day},{day}/01/2026,,Open,,EUR" for day in range(13, 23)]
    found = suggesting({"d.csv": DEALS + "\n".join([*rows, "x,01/13/2026,,Open,,EUR"]) + "\n"})
    assert '# 1 row in another format, like "01/13/2026"' in found.mapping
    assert found.left_out == 1


def test_an_amount_of_two_readings_is_marked_and_shown_in_both(suggesting: Suggesting) -> None:
    found = suggesting({"d.csv": DEALS + '1,2026-01-05,2026-02-01,Won,"1,500",EUR\n'})
    assert 'UNSURE: "1,500" is 1500; with decimal: "," it would be 1.500' in found.mapping
    assert found.event("1", "won")["amount"] == "1500"


def test_times_that_are_all_the_same_are_days(suggesting: Suggesting) -> None:
    rows = [f"{day},2026-01-{day:02} 00:00:00,,Open,,EUR" for day in range(1, 13)]
    found = suggesting({"d.csv": DEALS + "\n".join(rows) + "\n"})
    assert "precision: day" in found.mapping


def test_a_text_that_may_be_any_stage_is_left_to_the_user(suggesting: Suggesting) -> None:
    rows = [
        "1,2026-01-05,2026-02-01,Won,5,EUR",
        "2,2026-01-05,,Waiting for Godot,5,EUR",
        "3,2026-01-05,2026-02-02,Disqualified,5,EUR",
    ]
    found = suggesting({"d.csv": DEALS + "\n".join(rows) + "\n"})
    assert "# Waiting for Godot: # UNSURE: 1 row, which stage?" in found.mapping
    assert "Disqualified: lost # UNSURE: 1 row" in found.mapping


def test_without_a_currency_amounts_wait_for_the_user(suggesting: Suggesting) -> None:
    table = "Deal ID,Created,Closed,Status,Amount\n1,2026-01-05,2026-02-01,Won,5\n"
    found = suggesting({"d.csv": table})
    assert "\n# currency: EUR # no column gives the currency of the amounts" in found.mapping
    assert "currency_missing" in found.said
    assert all("amount" not in event for event in found.full)


def test_what_means_no_value_is_told_once_for_all(suggesting: Suggesting) -> None:
    rows = ["1,2026-01-05,2026-02-01,Won,N/A,EUR", "2,2026-01-06,-,Open,7,EUR"]
    found = suggesting({"d.csv": DEALS + "\n".join(rows) + "\n"})
    assert 'missing: ["", ' in found.mapping
    assert found.left_out == 0


# --- files ----------------------------------------------------------------------------------------


def test_several_files_are_one_mapping(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "deals-2026-01.csv": DEALS + "1,2026-01-05,2026-02-01,Won,5,EUR\n",
            "deals-2026-02.csv": DEALS + "2,2026-02-05,2026-03-01,Lost,5,EUR\n",
            "costs.csv": "Date,Channel,Cost,Currency\n2026-01-07,Ads,50,EUR\n",
            "people.csv": "Status,Meaning,Colour\nWon,good,green\nLost,bad,red\n",
        }
    )
    assert [event[:2] for event in found.events] == [
        *(("1", "lead"), ("1", "won"), ("2", "lead"), ("2", "lost")),
        ("Ads", "spend_recorded"),
    ]
    mapping = load(Path("mapping.yaml"))
    assert {name: source.file for name, source in mapping.sources.items()} == {
        "deals": "deals*",
        "costs": "costs*",
    }
    assert "column: Status, equals: Status, take: [Meaning, Colour]" in found.mapping
    assert "not used: people.csv:" in found.said


def test_titles_above_and_totals_below_are_no_data(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "r.csv": "Report of the year\n\nID;Created;Status;Closed\n1;05.01.2026;Won;06.01.2026\n"
            "2;07.01.2026;Open;\nTotal;2;;\n"
        }
    )
    assert [event[:2] for event in found.events] == [("1", "lead"), ("1", "won"), ("2", "lead")]
    assert "skip_rows: 2" in found.mapping
    assert "footer_rows: 1" in found.mapping


def test_a_workbook_and_a_packed_file(suggesting: Suggesting) -> None:
    pytest.importorskip("python_calamine")
    head = ["Report of January"], [None, None]
    rows = [
        ["Deal ID", "Created", "Closed", "Status", "Amount", "Currency"],
        [1001, (46027.5, "datetime"), (46054, "date"), "Won", 1234.5, "EUR"],
        [1002, (46028.5, "datetime"), None, "Open", 99, "EUR"],
    ]
    table = DEALS + "1,2026-01-05,2026-02-01,Lost,5,EUR\n"
    found = suggesting(
        {"w.xlsx": workbook(Deals=[*head, *rows]), "d.csv.gz": gzip.compress(table.encode())}
    )
    assert sorted(found.events) == [
        ("1", "lead", "2026-01-05T00:00:00Z"),
        ("1", "lost", "2026-02-01T00:00:00Z"),
        ("1001", "lead", "2026-01-05T12:00:00Z"),
        ("1001", "won", "2026-02-01T00:00:00Z"),
        ("1002", "lead", "2026-01-06T12:00:00Z"),
    ]
    assert found.event("1001", "won")["amount"] == "1234.5"
    assert found.left_out == 0


def test_ids_of_other_things_make_no_deals(suggesting: Suggesting) -> None:
    found = suggesting(
        {
            "deals.csv": DEALS + "1,2026-01-05,2026-02-01,Won,5,EUR\n",
            "invoices.csv": "Invoice ID,Deal ID,Created\nI1,1,2026-02-05\n",
            "companies.csv": "Company ID,Created\nC1,2020-01-01\nC2,2020-01-02\n",
        }
    )
    assert [event[:2] for event in found.events] == [("1", "lead"), ("1", "won")]
    assert "its rows are identified by 'Invoice ID'; 'Deal ID' only refers to a deal" in found.said
    assert "'Company ID' may be the id of something other than deals" in found.said


def test_control_characters_reach_neither_the_terminal_nor_a_comment(
    suggesting: Suggesting,
) -> None:
    evil = "\x1b[31m\u202e\x07\x85"
    found = suggesting(
        {
            "d.csv": f"Deal ID,Created,Closed,Status,{evil}x,Source\n"
            f"1,2026-01-05,2026-02-01,Won,{evil}y,{evil}\n"
            f'2,2026-01-05{evil},2026-02-01,"{evil}\nz",w,q\n'
        }
    )
    for text in (found.mapping, found.said):
        assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\x1b[31m" in found.mapping


def test_stages_of_strange_signs_are_keys_that_yaml_takes(suggesting: Suggesting) -> None:
    strange = "\U000e0001" * 100
    rows = f"1,2026-01-05,2026-02-01,Won {strange[:90]},5,EUR\n2,2026-01-05,,{strange},5,EUR\n"
    found = suggesting({"d.csv": DEALS + rows})
    assert ("1", "won", "2026-02-01T00:00:00Z") in found.events


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("Deal ID,Created\n", "it has no rows"),
        (
            "Colour,Created\nred,2026-01-05\nred,2026-01-06\n",
            "no column looks like the id of a deal",
        ),
        ("Deal ID,Colour\n1,red\n2,blue\n", "no column says when a deal entered a stage"),
    ],
)
def test_what_was_looked_for_in_vain_is_told(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(tmp_path / "t.csv"))
    assert "no mapping can be suggested" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        ["--check"],
        ["--strict"],
        ["--mapping", "m.yaml"],
        ["--broker", "localhost:1"],
        ["--rejects", "r.csv"],
    ],
)
def test_options_of_an_import_have_no_meaning(tmp_path: Path, options: list[str]) -> None:
    table = tmp_path / "t.csv"
    table.write_text(DEALS + "1,2026-01-05,2026-02-01,Won,5,EUR\n")
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(table), *options)
    assert caught.value.exit_code == 2
    assert f"leave out {options[0]}" in caught.value.message


def test_a_mapping_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "m.yaml"
    table.write_text(DEALS + "1,2026-01-05,2026-02-01,Won,5,EUR\n")
    invoke("--suggest", str(table), "--out", str(out))
    first = out.read_text()
    assert load(out).sources.keys() == {"t"}
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(table), "--out", str(out))
    assert "already exists" in caught.value.message
    assert out.read_text() == first


def test_without_a_mapping_an_import_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(DEALS)
    with pytest.raises(FunnelError) as caught:
        invoke(str(tmp_path / "t.csv"), "--check")
    assert "--mapping" in caught.value.message
    assert "--suggest" in str(caught.value.hint)
