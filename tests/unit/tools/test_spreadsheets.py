"""Workbooks as files of an import: which sheet, and what its cells say."""

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.errors import ConfigError, InputError, UsageError
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import CsvFile, Lookup, Mapping
from funnel_stream.tools.tables import RowError, Table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = {"date": 1, "datetime": 2, "hours": 3}
"""Cell formats of the workbooks written here."""


class Raw(NamedTuple):
    """The XML of a cell: its type, and what is in it."""

    kind: str
    inner: str


def error(text: str) -> Raw:
    return Raw("e", f"<f>NA()</f><v>{text}</v>")


def cell(place: str, content: str | float | bool | tuple[float, str] | Raw) -> str:
    if isinstance(content, Raw):
        kind = f' t="{content.kind}"' if content.kind else ""
        return f'<c r="{place}"{kind}>{content.inner}</c>'
    if isinstance(content, str):
        text = escape(content)
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if isinstance(content, bool):
        return f'<c r="{place}" t="b"><v>{int(content)}</v></c>'
    number, style = content if isinstance(content, tuple) else (content, "")
    return f'<c r="{place}" s="{STYLES.get(style, 0)}"><v>{number!r}</v></c>'


def workbook(
    *,
    hidden: tuple[str, ...] = (),
    merged: tuple[str, ...] = (),
    from_1904: bool = False,
    **sheets: list[list[object]],
) -> bytes:
    """An XLSX file, written by hand from the standard; None is a cell that is not there."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/'
        'workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="4"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="46"/></cellXfs></styleSheet>',
    }
    names, targets = "", ""
    ranges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
    ranges = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
    epoch = '<workbookPr date1904="1"/>' if from_1904 else ""
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        state = ' state="hidden"' if name in hidden else ""
        names += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"{state}/>'
        targets += (
            f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="sheet{number}.xml"/>'
        )
        body = "".join(
            f'<row r="{row}">'
            + "".join(
                cell(f"{chr(65 + column)}{row}", content)  # type: ignore[arg-type]
                for column, content in enumerate(cells)
                if content is not None
            )
            + "</row>"
            for row, cells in enumerate(rows, start=1)
        )
        parts[f"xl/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{ranges}</worksheet>'
        )
    targets += f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>'
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{epoch}<sheets>{names}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{PACKAGE}/relationships">{targets}</Relationships>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return packed.getvalue()


def table(content: bytes, **keys: object) -> Table:
    layout = CsvFile.model_validate({"file": "*"} | keys)
    return Table(io.BytesIO(content), Path("deals.xlsx"), layout)


def test_cells_are_texts_as_a_csv_would_have_them() -> None:
    book = workbook(
        Deals=[
            ["text", "number", "yes", "day", "moment", "none"],
            [" Zoë, <1>\n", 1200.0, True, (46082.0, "date"), (46082.5, "datetime"), None],
            ["007", 0.1 + 0.2, False, (1.5, "hours"), -1234.56, ""],
            ["", 1e-7, None, None, 999999999999999, None],
        ]
    )
    assert [record for _, record in table(book).records()] == [
        [" Zoë, <1>\n", "1200", "true", "2026-03-01", "2026-03-01T12:00:00", ""],
        ["007", "0.3", "false", "1 day, 12:00:00", "-1234.56", ""],
        ["", "0.0000001", "", "", "999999999999999", ""],
    ]


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 6))
def test_a_number_of_15_digits_comes_out_as_it_was_typed(digits: int, decimals: int) -> None:
    sign, figures = "-" * (digits < 0), f"{abs(digits):0{decimals + 1}}"
    whole, part = figures[: len(figures) - decimals], figures[len(figures) - decimals :]
    typed = f"{sign}{whole}.{part}".rstrip("0").rstrip(".") if decimals else f"{sign}{whole}"
    book = workbook(A=[["n"], [float(digits) / 10**decimals]])
    [(_, [text])] = table(book).records()
    assert text == typed


def test_rows_have_the_numbers_that_the_sheet_shows() -> None:
    rows = [["Deals report"], [], [None, "id", "a"], [], [None, "1", "x"], [None, "Total", 1.0]]
    deals = table(workbook(A=rows), skip_rows=2, footer_rows=1)
    assert deals.header == ["", "id", "a"]
    assert list(deals.records()) == [(5, ["", "1", "x"])]
    assert deals.notes == ["deals.xlsx: row 6 is left out as a footer: Total, 1"]


def test_a_number_too_long_for_a_spreadsheet_is_refused_where_it_is_asked_for() -> None:
    book = workbook(A=[["id", "other"], [1234567890123456789, 1.0], ["1", 1e15]])
    layout = {"column": "id", "equals": "id", "take": ["id"]}
    deals = Table(
        io.BytesIO(book), Path("deals.xlsx"), Lookup.model_validate({"file": "*"} | layout)
    )
    (_, first), (_, second) = deals.records()
    with pytest.raises(RowError, match="more than 15 digits") as caught:
        deals.fit(first)
    assert (caught.value.reason, caught.value.field) == ("invalid_value", "id")
    deals.fit(second)


def test_the_first_sheet_that_can_be_seen_is_read_and_named() -> None:
    sheets: dict[str, list[list[object]]] = {"Old": [["o"]], "Deals": [["d"]], "Notes": [["n"]]}
    book = workbook(hidden=("Old",), **sheets)
    first = table(book)
    assert first.header == ["d"]
    assert first.notes == ["deals.xlsx: of 2 sheets 'Deals' is read; sheet: NAME chooses another"]
    assert table(book, sheet="Old").header == ["o"]
    assert table(book, sheet="Notes").notes == []
    assert table(workbook(A=[["a"]])).notes == []
    with pytest.raises(ConfigError, match=r"deals.xlsx has no sheet 'Dales'; did you mean 'Deals'"):
        table(book, sheet="Dales")
    with pytest.raises(InputError, match="no usable header"):
        table(workbook(A=[]))


def test_a_workbook_may_be_compressed_once_more() -> None:
    assert table(gzip.compress(workbook(A=[["id"]]))).header == ["id"]


def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(UsageError) as caught:
        table(workbook(A=[["id"]]))
    assert "pip install 'funnel-stream[xlsx]'" in str(caught.value.hint)


@pytest.mark.parametrize("end", [4, 100, -30])
def test_half_a_workbook_is_damaged(end: int) -> None:
    with pytest.raises(InputError, match="damaged spreadsheet"):
        table(workbook(A=[["id"]])[:end])


def test_a_workbook_without_a_workbook_cannot_be_read() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing/>")
    with pytest.raises(InputError, match="is a workbook that cannot be read"):
        table(packed.getvalue())


# --- cells that have no value of their own -------------------------------------------------------

RULES: dict[str, Any] = {
    "deal_id": "id",
    "events": [
        {
            "stage": "won",
            "at": "closed",
            "when": {"state": "Won"},
            "attributes": {"owner": "owner", "amount": "value", "currency": "unit"},
        }
    ],
}
HEADER: list[object] = ["id", "closed", "state", "owner", "value", "unit"]
ROW: list[object] = ["1", "2026-02-01", "Won", "ann", 5.0, "USD"]
NOTHING = Raw("", "<f>A1</f>")


def imported(folder: Path, book: bytes, **keys: Any) -> tuple[list[dict[str, Any]], Import]:
    (folder / "deals.xlsx").write_bytes(book)
    mapping = {"name": "x", "currency": "EUR", "sources": {"d": RULES | keys}}
    run = Import(Mapping.model_validate(mapping), [folder / "deals.xlsx"])
    return [json.loads(line) for line in run.lines()], run


def row_with(column: int, content: object) -> list[object]:
    return [content if place == column else one for place, one in enumerate(ROW)]


@pytest.mark.parametrize(
    "content",
    [
        *map(error, ("#N/A", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!")),
        NOTHING,
        Raw("", "<f>A1</f><v></v>"),
        Raw("", '<f t="shared" si="0"/><v/>'),
        "#N/A",
    ],
)
@pytest.mark.parametrize("column", range(6))
def test_a_cell_without_a_value_is_told_and_never_empty(
    tmp_path: Path, column: int, content: object
) -> None:
    other = ["2", *ROW[1:4], 7.0, "USD"]
    events, run = imported(tmp_path, workbook(A=[HEADER, row_with(column, content), other]))
    [told] = run.report.rejects
    assert (told.row, told.field) == (2, HEADER[column])
    text = "#N/A" if content == "#N/A" else "#UNCALCULATED"
    if isinstance(content, Raw) and content.kind == "e":
        text = content.inner.split("<v>")[1].removesuffix("</v>")
    assert told.message.startswith(f"{text} is ")
    left = {3: (None, "5", "USD"), 4: ("ann", None, None), 5: ("ann", None, None)}
    found = [tuple(event.get(name) for name in ("owner", "amount", "currency")) for event in events]
    assert found == [*([left[column]] if column in left else []), ("ann", "7", "USD")]


def test_a_formula_that_comes_to_an_empty_text_is_empty(tmp_path: Path) -> None:
    empty = Raw("str", "<f>A1</f><v></v>")
    events, run = imported(tmp_path, workbook(A=[HEADER, row_with(3, empty)]))
    assert ("owner" in events[0], run.report.rejects) == (False, [])
    given = Raw("str", "<f>A1</f><v>bob</v>")
    events, _ = imported(tmp_path, workbook(A=[HEADER, row_with(3, given)]))
    assert events[0]["owner"] == "bob"


def test_errors_may_be_missing_or_mean_something_if_the_mapping_says_so(tmp_path: Path) -> None:
    book = workbook(A=[HEADER, row_with(3, error("#N/A"))])
    columns = {"owner": {"values": {"#N/A": "nobody"}}}
    events, run = imported(tmp_path, book, columns=columns)
    assert (events[0]["owner"], run.report.rejects) == ("nobody", [])
    events, run = imported(tmp_path, book, columns={"owner": {"otherwise": "nobody"}})
    assert ("owner" in events[0], len(run.report.rejects)) == (False, 1)
    book = workbook(A=[HEADER, row_with(2, error("#N/A"))])
    skip = [{"when": {"state": "#N/A"}, "because": "unknown"}]
    _, run = imported(tmp_path, book, skip=skip)
    assert (run.report.skipped, run.report.rejects) == ({"unknown": 1}, [])


def test_cells_without_a_value_stand_where_the_sheet_shows_them() -> None:
    rows: list[list[object]] = [
        [None, None, None],
        [None, "id", "a", "b"],
        [None, "1", None, NOTHING],
        [],
        [None, None, error("#REF!")],
        [None, None, None, None, NOTHING],
    ]
    assert list(table(workbook(A=rows), skip_rows=1).records()) == [
        (3, ["", "1", "", "#UNCALCULATED", ""]),
        (5, ["", "", "#REF!", "", ""]),
        (6, ["", "", "", "", "#UNCALCULATED"]),
    ]


def test_a_cell_that_is_merged_with_others_is_not_guessed_for_them(tmp_path: Path) -> None:
    rows = [["Deals"], HEADER, ROW, ["2", *row_with(3, None)[1:]], ["3", *ROW[1:]], []]
    book = workbook(merged=("A1:F1", "D3:D4", "A6:F6"), A=rows)
    events, run = imported(tmp_path, book, skip_rows=1)
    assert [event.get("owner") for event in events] == ["ann", None, "ann"]
    [told] = run.report.rejects
    assert (told.row, told.field) == (4, "owner")
    assert told.message.startswith("#MERGED is part of a merged cell")
    assert run.report.rows == 3


def test_days_are_counted_as_the_workbook_says(tmp_path: Path) -> None:
    for from_1904, day in ((False, "2026-03-01"), (True, "2030-03-02")):
        rows = [HEADER, row_with(1, (46082.0, "date"))]
        book = workbook(from_1904=from_1904, A=rows)
        assert table(book).header == HEADER
        [(_, record)] = table(book).records()
        assert record[1] == day


def test_serial_numbers_of_a_workbook_that_counts_from_1904_are_refused(tmp_path: Path) -> None:
    columns = {"closed": {"dates": "excel"}}
    rows = [HEADER, row_with(1, 46082.0)]
    events, _ = imported(tmp_path, workbook(A=rows), columns=columns)
    assert events[0]["occurred_at"] == "2026-03-01T00:00:00Z"
    with pytest.raises(InputError, match="counts days from 1904"):
        imported(tmp_path, workbook(from_1904=True, A=rows), columns=columns)


@pytest.mark.parametrize("serial", [0.0, 1.0, 59.0, 60.0, 25568.0, -5.0])
def test_days_before_1970_are_no_dates_of_a_funnel(tmp_path: Path, serial: float) -> None:
    events, run = imported(tmp_path, workbook(A=[HEADER, row_with(1, (serial, "date"))]))
    assert (events, [one.field for one in run.report.rejects]) == ([], ["closed"])


def test_yes_and_no_are_true_and_false(tmp_path: Path) -> None:
    rows = [HEADER, row_with(2, True), row_with(2, False)]
    rule = RULES["events"][0] | {"when": {"state": "true"}}
    events, run = imported(tmp_path, workbook(A=rows), events=[rule])
    assert (len(events), run.report.without_event) == (1, 1)
