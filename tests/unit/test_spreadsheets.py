"""Workbooks as files of an import: which sheet, and what its cells say."""

import gzip
import io
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.errors import ConfigError, InputError, UsageError
from funnel_stream.tools.mapping import CsvFile, Lookup
from funnel_stream.tools.tables import RowError, Table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = {"date": 1, "datetime": 2, "hours": 3}
"""Cell formats of the workbooks written here."""


def cell(place: str, content: str | float | bool | tuple[float, str]) -> str:
    if isinstance(content, str):
        text = escape(content)
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if isinstance(content, bool):
        return f'<c r="{place}" t="b"><v>{int(content)}</v></c>'
    number, style = content if isinstance(content, tuple) else (content, "")
    return f'<c r="{place}" s="{STYLES.get(style, 0)}"><v>{number!r}</v></c>'


def workbook(*, hidden: tuple[str, ...] = (), **sheets: list[list[object]]) -> bytes:
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
            f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
    targets += f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>'
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>'
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
    assert deals.said == ["deals.xlsx: row 6 is left out as a footer: Total, 1"]


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
    assert first.said == ["deals.xlsx: of 2 sheets 'Deals' is read; sheet: NAME chooses another"]
    assert table(book, sheet="Old").header == ["o"]
    assert table(book, sheet="Notes").said == []
    assert table(workbook(A=[["a"]])).said == []
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
