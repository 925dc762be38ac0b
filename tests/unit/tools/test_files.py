"""Files as people save them: found out where they say it themselves, refused where they do not."""

import codecs
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.errors import ConfigError, InputError
from funnel_stream.tools.files import open_records
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import Mapping, Source
from funnel_stream.tools.tables import LookupTable, Table

RULES: dict[str, Any] = {"deal_id": "id", "events": [{"stage": "lead", "at": "created"}]}
DEALS = "id,created\n1,2026-03-01\n"
ROWS = [(2, ["1", "2026-03-01"])]


def source(**keys: Any) -> Source:
    return Source.model_validate(RULES | keys)


def table(content: str | bytes, **keys: Any) -> Table:
    raw = content if isinstance(content, bytes) else content.encode()
    return Table(io.BytesIO(raw), Path("deals.csv"), source(**keys))


def read(content: str | bytes, **keys: Any) -> list[tuple[int, list[str]]]:
    return list(table(content, **keys).records())


def refusal(content: str | bytes, **keys: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read(content, **keys)
    assert "deals.csv" in caught.value.message
    return caught.value


Importing = Callable[..., tuple[Import, list[str]]]


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    """Import one file; the import and the ids of its deals."""

    def run(content: str | bytes, name: str = "deals.csv", **keys: Any) -> tuple[Import, list[str]]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        mapping = Mapping.model_validate({"name": "x", "sources": {"d": RULES | keys}})
        imported = Import(mapping, [path])
        return imported, [json.loads(line)["deal_id"] for line in imported.lines()]

    return run


# --- encodings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides(mark: bytes, encoding: str) -> None:
    content = mark + "id,created\nЖё𝄞,2026\n".encode(encoding)
    expected = [(2, ["Жё𝄞", "2026"])]
    assert read(content) == expected
    assert read(content, encoding=encoding) == expected
    assert "Leave encoding out" in str(refusal(content, encoding="cp1252"))
    if encoding != "utf-8":
        assert read(content, encoding=encoding[:6]) == expected


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [DEALS, "Сделка;дата\r\nПоставка;2026-03-01\r\n" * 9])
def test_wide_encodings_without_a_mark_are_refused_with_the_key(encoding: str, text: str) -> None:
    error = refusal(text.encode(encoding))
    assert f"looks like {encoding}" in error.message
    assert error.hint == f"Write encoding: {encoding} in the mapping."
    assert error.hint == refusal(text.encode(encoding), encoding=encoding[:6]).hint
    if text == DEALS:
        assert read(text.encode(encoding), encoding=encoding) == ROWS


def test_utf_16_without_a_mark_leaves_the_order_open() -> None:
    error = refusal("序号".encode("utf-16-le"), encoding="utf-16")
    assert error.hint == "Write encoding: utf-16-le or encoding: utf-16-be in the mapping."


def test_what_is_not_utf_8_is_named_with_its_row_and_byte() -> None:
    rows = "".join(f"{number},2026-03-01\n" for number in range(2, 5000))
    content = f"id,created\n{rows}Zoë,2026\n".encode("cp1252")
    error = refusal(content)
    assert error.message == "deals.csv, row 5000 holds the byte 0xEB, which is not UTF-8"
    assert "encoding: cp1252" in str(error.hint)
    assert read(content, encoding="cp1252")[-1] == (5000, ["Zoë", "2026"])
    assert "0x81, which is not cp1252" in refusal(b"id,created\n\x81", encoding="cp1252").message
    assert "row 2 holds the byte 0xED" in refusal(b"id,created\n\xed\xa0\x80,x\n").message
    half = codecs.BOM_UTF16_LE + "id,created\n".encode("utf-16-le") + b"\x00\xd8,\0"
    assert refusal(half).message == "deals.csv, near row 1, holds what is not UTF-16"
    assert "damaged" in str(refusal(half).hint)
    assert "half a character" in refusal(b"id,created\n+2AA-,x\n", encoding="utf-7").message


def test_a_zero_byte_is_named_with_its_row() -> None:
    assert "row 3 holds a zero byte" in refusal("id,created\n1,2\n3\0,4\n").message
    assert "row 2 holds a zero byte" in refusal(b"\x89PNG\r\n\0\0", encoding="cp1252").message
    assert "row 1 holds a zero byte" in refusal("i\0d,created\n").message


@pytest.mark.parametrize("encoding", [None, "ascii"])
def test_a_zero_byte_is_named_before_what_another_encoding_would_not_mend(
    encoding: str | None,
) -> None:
    content = "id,created\nJosé,1\nx,2\nA\0b,3\n".encode("cp1252")
    error = refusal(content, **({} if encoding is None else {"encoding": encoding}))
    assert error.message == "deals.csv, near row 4 holds a zero byte"
    assert "take the zero bytes out" in str(error.hint)
    assert "the byte 0xE9" in refusal(content.replace(b"\0", b"")).message


# --- what a file is ----------------------------------------------------------------------------


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, DEALS)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook", "as XLSX"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "Export the table itself"),
        (b"PAR1\x15\x04", "a Parquet file", "CSV UTF-8 or XLSX"),
        (b"BZh91AY&SY", "a bzip2 archive", "Unpack it"),
        (b"\xfd7zXZ\0\0", "an xz archive", "Unpack it"),
        (b"\x28\xb5\x2f\xfd\x04", "a Zstandard archive", "Unpack it"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive", "Unpack it"),
        (archive("deals.csv"), "a ZIP archive", "Unpack it"),
        (archive("mimetype", "content.xml"), "an OpenDocument file", "XLSX"),
        (
            archive("[Content_Types].xml", "xl/workbook.bin", "xl/worksheets/sheet1.bin"),
            "a binary Excel workbook (.xlsb)",
            "save it as XLSX",
        ),
        (
            gzip.compress(gzip.compress(b"id", mtime=0), mtime=0),
            "compressed twice",
            "Unpack it once",
        ),
        (b"\n <!DOCTYPE html><html>", "an HTML page", "asks for a login"),
        ("\ufeff<table class='x'>".encode("utf-16"), "an HTML page", "asks for a login"),
        (b'<?xml version="1.0"?><Workbook>', "an XML file", "Export"),
        (b'[\n  {"id": 1}]', "a JSON file", "saved as CSV"),
        (b'{"event_id": "1"}\n', "a JSON file", "funnel-stream emit"),
    ],
)
def test_other_kinds_of_files_are_named(content: bytes, what: str, hint: str) -> None:
    for keys in ({}, {"encoding": "cp1252"}):
        if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and keys:
            continue
        error = refusal(content, **keys)
        assert f"is {what}" in error.message
        assert hint in str(error.hint)


@pytest.mark.parametrize("name", ["[id]", "<id>", "{id}", "PKid", "%PDF"])
def test_a_header_may_begin_with_any_sign(name: str) -> None:
    assert read(f"{name},id,created\n1,2,3\n") == [(2, ["1", "2", "3"])]


def test_gzip_is_read_as_it_is(importing: Importing) -> None:
    packed = gzip.compress(DEALS.encode())
    assert read(packed) == ROWS
    steps: list[tuple[int, int]] = []
    imported, _ = importing(packed, "deals.csv.gz", file="*.csv")
    imported.on_progress = lambda done, total: steps.append((done, total))
    assert len(list(imported.lines())) == 0, "the same events once more"
    assert steps == [(len(packed), len(packed))]
    half = refusal(packed[: len(packed) // 2])
    assert "is a damaged gzip file" in half.message
    assert "damaged gzip" in refusal(packed[:-8] + bytes(8)).message


def test_a_file_that_cannot_be_opened_is_an_error_of_the_input(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"cannot be read: Permission denied"):
        Import(Mapping.model_validate({"name": "x", "sources": {"d": RULES}}), [Path(__file__)])


# --- delimiters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (",", []),
        (";", ["deals.csv: columns are separated by ';'"]),
        ("\t", ["deals.csv: columns are separated by tab"]),
        ("|", ["deals.csv: columns are separated by '|'"]),
    ],
)
def test_the_delimiter_is_found_out_and_said(sign: str, said: list[str]) -> None:
    found = table(DEALS.replace(",", sign))
    assert list(found.records()) == ROWS
    assert found.notes == said
    given = table(DEALS.replace(",", sign), delimiter=sign)
    assert (list(given.records()), given.notes) == (ROWS, [])


def test_the_columns_asked_for_choose_the_delimiter() -> None:
    name = "a, b, c, d"
    assert read(f"id;created;{name}\n1;2;3\n") == [(2, ["1", "2", "3"])]
    assert read(f'id;"{name};\n";created\n1;2;3\n') == [(2, ["1", "2", "3"])]


def test_a_delimiter_with_which_the_header_has_no_end_is_none() -> None:
    assert read('id;x,"y;created\n1;2;3\n') == [(2, ["1", "2", "3"])]
    assert "row 1: a quote opens and never closes" in refusal('id,"created\n1,2\n').message


def test_two_equally_good_delimiters_are_refused() -> None:
    error = refusal("id;name,created\n")
    assert error.message == (
        "deals.csv: the columns of the header could be separated by ',' or by ';'"
    )
    assert error.hint == 'Write delimiter: "," or another in the mapping.'
    assert r'"\t"' in str(refusal("id|name\tcreated\n").hint)
    assert table("id;created,\n", delimiter=",").header == ["id;created", ""]


@pytest.mark.parametrize("line", ["sep=;\r\n", "SEP=;\n", '"sep=;"\r\n', "\ufeffsep=;\n"])
def test_the_line_that_tells_excel_the_delimiter_is_obeyed(line: str) -> None:
    found = table(f"{line}id;created\r\n1;2026-03-01\r\n")
    assert list(found.records()) == [(3, ["1", "2026-03-01"])]
    assert found.notes == []
    assert read(f"{line}{DEALS}", delimiter=",") == [(3, ["1", "2026-03-01"])]


# --- headers and footers -----------------------------------------------------------------------

REPORT = "Deals report\nExported 2026-03-02\n\nid,created\n1,2026-03-01\n"


def test_rows_above_the_header_are_skipped_and_counted() -> None:
    assert read(REPORT, skip_rows=3) == [(5, ["1", "2026-03-01"])]
    assert read("sep=;\n" + REPORT.replace(",", ";"), skip_rows=3)[0][0] == 6
    assert "no usable header" in refusal(DEALS, skip_rows=9).message


@pytest.mark.parametrize(
    "content",
    [REPORT, REPORT.replace(",", ";"), "sep=;\n" + REPORT.replace(",", ";"), "\n\n" + DEALS],
)
def test_a_header_further_down_is_pointed_at(importing: Importing, content: str) -> None:
    for keys in ({}, {"skip_rows": 1}):
        with pytest.raises((ConfigError, InputError)) as caught:
            importing(content, **keys)
        advised = 2 if content.startswith("\n") else 3
        assert f"write skip_rows: {advised} " in str(caught.value.hint)
    _, deals = importing(content, skip_rows=advised)
    assert deals == ["1"]


def test_a_header_nowhere_is_not_pointed_at(importing: Importing) -> None:
    for content in ("x,y\n" * 30 + DEALS, "id,x\n1,2\n", 'x\n"' + DEALS, "x\n\0" + DEALS):
        with pytest.raises(ConfigError, match="has no column") as caught:
            importing(content)
        assert caught.value.hint is None


def test_a_doubled_name_matters_only_where_it_is_asked_for() -> None:
    content = "id,created,Close Date,Close Date\n1,2026-03-01,,\n"
    assert read(content) == [(2, ["1", "2026-03-01", "", ""])]
    rules = [{"stage": "lead", "at": "created"}, {"stage": "won", "at": "Close Date"}]
    assert "has two columns 'Close Date'" in refusal(content, events=rules).message


@pytest.mark.parametrize(
    ("header", "meant"), [("ID,created", "ID"), ("i d,created", "i d"), ("idd,created", "idd")]
)
def test_a_name_is_exact_and_its_likeness_suggested(
    importing: Importing, header: str, meant: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        importing(f"{header}\n1,2026-03-01\n")
    assert caught.value.message == (
        f"sources.d.deal_id: deals.csv has no column 'id'; did you mean {meant!r}?"
    )


def test_columns_without_a_name_are_empty_at_the_end(importing: Importing) -> None:
    imported, deals = importing("id,created,,\n1,2026-03-01,,\n2,2026-03-01,, x\n3,2026-03-01\n")
    assert deals == ["1"]
    assert [(one.row, one.reason, one.message) for one in imported.report.rejects] == [
        (3, "wrong_columns", "has ' x' in column 4, which has no name"),
        (4, "wrong_columns", "has 2 columns, the header 4"),
    ]
    assert importing(",id,created\n0,7,2026-03-01\n")[1] == ["7"], "an index in front is none"


def test_totals_below_are_rejected_with_what_leaves_them_out(importing: Importing) -> None:
    body = 'id,created,note\n1,2026-03-01,"two\nlines, ""q"""\n2,2026-03-02,ok\n,,\n'
    footer = "Total,2,\nConfidential Information - Do Not Distribute\n"
    imported, deals = importing(body + footer)
    assert deals == ["1", "2"]
    wide, narrow = imported.report.rejects
    assert (wide.row, wide.reason) == (5, "invalid_timestamp")
    assert wide.message.endswith(
        "footer_rows: N leaves out the last N rows, skip such rows anywhere"
    )
    assert (narrow.row, narrow.reason) == (6, "wrong_columns")
    assert narrow.message.endswith(
        "it looks like a total or footer row: footer_rows: N leaves out the last N rows"
    )
    imported, deals = importing(body + footer, footer_rows=2)
    assert deals == ["1", "2"]
    assert imported.report.rejects == []
    imported, _ = importing("id,created\nTotally Ltd,soon\n")
    assert "footer" not in imported.report.rejects[0].message


def test_a_footer_that_is_left_out_is_said() -> None:
    found = table(DEALS + "\nGrand Total, 1\n,\n\n", footer_rows=1)
    assert list(found.records()) == ROWS
    assert found.blank == 3
    assert found.notes == ["deals.csv: row 4 is left out as a footer: Grand Total, 1"]


@given(st.lists(st.sampled_from(["a", "", " "]), max_size=12), st.integers(0, 5))
def test_blank_rows_are_none_and_the_last_others_are_the_footer(
    ids: list[str], footer: int
) -> None:
    content = "id,created\n" + "".join(f"{one},\n" for one in ids)
    filled = [row for row, one in enumerate(ids, start=2) if one == "a"]
    left_out = filled[len(filled) - footer :] if footer < len(filled) else filled
    kept = [row for row in filled if row not in left_out or not footer]
    found = table(content, footer_rows=footer)
    assert [row for row, _ in found.records()] == kept
    assert found.blank == len(ids) - len(filled)


def test_lookups_are_found_out_too(tmp_path: Path) -> None:
    lookup = {"file": "*", "column": "account", "equals": "name", "take": ["sector"]}
    rules = Source.model_validate(RULES | {"lookups": [lookup]}).lookups[0]
    path = tmp_path / "accounts.csv"
    path.write_text("sector;name\nretail;Acme\nTotal\n", encoding="utf-16")
    found = LookupTable("deals", rules, [path])
    assert found.notes == ["accounts.csv: columns are separated by ';'"]
    assert "footer_rows" in found.problems[0].refused.message
    path.write_text("Sector;name\n")
    with pytest.raises(ConfigError, match=r"take|sector.* did you mean 'Sector'"):
        LookupTable("deals", rules, [path])


def test_a_quote_that_never_closes_is_an_error_of_its_row() -> None:
    opened = 'id,created\n1,2\n2,"3\n'
    assert refusal(opened + "4,5\n").message == "deals.csv, row 3: a quote opens and never closes"
    error = refusal(opened + "4,5\n" * 50_000)
    assert error.message == "deals.csv, row 3: field larger than field limit (131072)"
    assert "quote" in str(error.hint)


# --- properties --------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(
    st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(0, 3),
    st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read(
    rows: list[list[str]], sign: str, encoding: str, end: str, above: int, packed: bool
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=sign, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows([["A report"], [], ["of; all, the|deals\t"]][:above])
    writer.writerows([["id", "created"], *rows])
    content = text.getvalue().encode(encoding)
    found = read(gzip.compress(content) if packed else content, skip_rows=above)
    numbered = enumerate(rows, start=above + 2)
    assert found == [(number, row) for number, row in numbered if any(map(str.strip, row))]


BEGINNINGS = st.sampled_from(
    [
        b"",
        b"id,created\n",
        b"id;created\n1;2026-03-01\n",
        b"sep=;\n",
        b'id,"created\n',
        b"PK\x03\x04",
        archive("xl/workbook.xml"),
        gzip.compress(DEALS.encode())[:-9],
        codecs.BOM_UTF16_LE + "id,created\n".encode("utf-16-le"),
        codecs.BOM_UTF32_BE,
        "id,created\n".encode("utf-16-be"),
    ]
)


@given(
    BEGINNINGS,
    st.binary(max_size=60) | TEXTS.map(str.encode),
    st.none() | st.sampled_from(["cp1252", "utf-7", "utf-16-be", "shift_jis", "unicode_escape"]),
    st.none() | st.sampled_from(",x'"),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_bytes_are_more_than_an_error(
    begin: bytes, more: bytes, encoding: str | None, sign: str | None, rows: int, packed: bool
) -> None:
    content = gzip.compress(begin + more) if packed else begin + more
    layout = source(encoding=encoding, delimiter=sign, skip_rows=rows, footer_rows=rows)
    told = []
    with suppress(InputError):
        records = open_records(io.BytesIO(content), Path("deals.csv"), layout, {"id"})
        told += [*records.header, *(text for record in records.remaining for text in record)]
    assert "\0" not in "".join(told)
    assert "".join(told).encode() is not None, "no half characters"
    with suppress(InputError):
        list(Table(io.BytesIO(content), Path("deals.csv"), layout).records())
