"""A suggested mapping is never silently wrong, and no table makes the command fail badly."""

import csv
import io
import json
import tempfile
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from funnel_stream.errors import FunnelError
from funnel_stream.tools.dates import DateReader
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import load
from funnel_stream.tools.numbers import NumberError, read_number
from funnel_stream.tools.suggestion.columns import LIMIT, Profile
from funnel_stream.tools.suggestion.dates import DateEvidence
from funnel_stream.tools.suggestion.numbers import NumberEvidence
from funnel_stream.tools.suggestion.texts import quoted

USUAL: Final = ["Deal ID", "Create Date", "Close Date", "Stage", "Amount", "Currency", "Channel"]
NAMES: Final = [
    *("id", "Status", "Lead Source", "Month", "Cost", "Won time", 'Date entered "Offer"', "IsWon"),
    *("Lost reason", "null", "true", "a: b", "# c", "- d", "'", '"', "", " ", "É\u0301", "\u202e"),
    *("x\ny", "{", "[x]", "*", "long " * 300),
]
TEXTS: Final = [
    *("", " ", "1", "2", "D-1", "Won", "Lost", "Open", "New", "Proposal", "lead", "true", "FALSE"),
    *("2026-01-31", "31/01/2026", "03/04/2026", "05.06.26", "Jan 2026", "2026-01", "5. März 2026"),
    *("2026-01-31T10:00:00Z", "9999-12-31", "0001-01-01", "46094", "1773568800", "N/A", "NULL"),
    *("1,234", "1.234,50", "-5", "€ 12", "$5", "EUR", "eur", "Euro", "1E+11", "1.23457E+11", "5%"),
    *("a,b;c|d\te", 'say "hi"', "x\ny", "\x1b[31m", "\u2028", "😀", "# no", "null", "~", ": x"),
    *("-", "yes", "long " * 300),
]


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A table; of some columns most texts are of one kind, so that they look like something."""
    names = draw(
        st.lists(
            st.sampled_from(USUAL) | st.sampled_from(NAMES) | st.text(max_size=8),
            min_size=1,
            max_size=8,
        )
        | st.permutations(USUAL)
    )
    anything = st.sampled_from(TEXTS) | st.text(max_size=8)
    kinds = [draw(st.just(None) | st.sampled_from([[one] for one in TEXTS])) for _ in names]
    if "Deal ID" in names:
        kinds[names.index("Deal ID")] = ["D-1", "D-2", "D-3", "D-4"]
    cells = st.tuples(*(anything if kind is None else st.sampled_from(kind) for kind in kinds))
    rows = draw(st.lists(cells, max_size=8))
    if rows and draw(st.booleans()):
        rows.append(draw(st.tuples(*(anything for _ in names))))
    target = io.StringIO()
    writer = csv.writer(target, delimiter=draw(st.sampled_from(",;\t|")))
    writer.writerow(names)
    writer.writerows(rows)
    if draw(st.integers(0, 9)) == 0:
        writer.writerow(["Total"])
    return target.getvalue()


@given(st.lists(tables(), min_size=1, max_size=3))
def test_no_table_ends_in_a_traceback_and_what_is_written_loads(contents: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"table {place}.csv" for place in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content.encode("utf-8", "replace"))
        out = Path(folder) / "mapping.yaml"
        result = CliRunner().invoke(
            app, ["import", "--suggest", *map(str, paths), "--out", str(out)]
        )
        assert result.exception is None or isinstance(result.exception, FunnelError)
        if out.exists():
            text = out.read_text(encoding="utf-8")
            assert all(char.isprintable() or char == "\n" for char in text)
            assert load(out).sources
        else:
            assert result.exception is not None


DATES: Final = st.dates(date(1990, 1, 1), date(2025, 12, 31))
CELLS: Final = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)


@given(
    st.lists(st.tuples(DATES, *[CELLS] * 6), min_size=1, max_size=12), st.lists(CELLS, max_size=3)
)
def test_a_created_deal_is_a_lead_whatever_else_its_row_holds(
    rows: list[tuple[date | str, ...]], names: list[str]
) -> None:
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    writer.writerow(
        ["Deal ID", *USUAL[1:], *(f"{name} {place}" for place, name in enumerate(names))]
    )
    writer.writerows(
        [f"D{place}", *row[:6], *(row[6] for _ in names)] for place, row in enumerate(rows)
    )
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "table.csv", Path(folder) / "mapping.yaml"
        table.write_bytes(target.getvalue().encode())
        result = CliRunner().invoke(app, ["import", "--suggest", str(table), "--out", str(out)])
        assert result.exception is None
        assert "checked: " in result.stderr
        events = list(map(json.loads, Import(load(out), [table]).lines()))
    leads = {event["deal_id"]: event["occurred_at"] for event in events if event["stage"] == "lead"}
    assert leads == {f"D{place}": f"{row[0]}T00:00:00Z" for place, row in enumerate(rows)}


@given(
    st.lists(
        st.tuples(DATES, DATES, st.none() | DATES, st.sampled_from(["Won", "Lost", "Negotiation"])),
        min_size=1,
        max_size=12,
    )
)
def test_every_deal_is_in_the_stage_that_its_row_tells(
    rows: list[tuple[date, date, date | None, str]],
) -> None:
    """Whatever its dates: closed when it was created or later, open since its last change."""
    table = "Deal ID,Created,Close Date,Last Stage Change,Stage\n" + "".join(
        f"D{place},{created},{closed},{moved or ''},{stage}\n"
        for place, (created, closed, moved, stage) in enumerate(rows)
    )
    since_when = any(moved is not None for *_, moved, _ in rows)
    expected = {}
    for place, (created, closed, moved, stage) in enumerate(rows):
        if stage != "Negotiation":
            expected[f"D{place}"] = (stage.lower(), f"{max(created, closed)}T00:00:00Z")
        elif since_when:
            expected[f"D{place}"] = ("negotiation", f"{moved or created}T00:00:00Z")
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "table.csv", Path(folder) / "mapping.yaml"
        path.write_text(table)
        result = CliRunner().invoke(app, ["import", "--suggest", str(path), "--out", str(out)])
        assert result.exception is None
        events = list(map(json.loads, Import(load(out), [path]).lines()))
    told = {
        event["deal_id"]: (event["stage"], event["occurred_at"])
        for event in events
        if event["stage"] != "lead"
    }
    assert told == expected
    assert len(events) == len(rows) + len(expected)


@given(
    st.lists(DATES, min_size=1, max_size=30),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d-%m-%y", "%m/%d/%y"]),
)
def test_dates_are_read_as_they_were_meant_or_marked(days: list[date], form: str) -> None:
    evidence = DateEvidence(numbers=False)
    for day in days:
        evidence.count(day.strftime(form), 1)
    choice = evidence.choice()
    assert choice is not None
    reader = DateReader(choice.forms, "UTC")
    read = [reader.read(day.strftime(form)).written.date() for day in days]
    assert read == days or choice.doubt is not None
    if choice.doubt is not None:
        assert choice.doubt[1] != choice.doubt[2]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=30),
    st.sampled_from([(".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", " ")]),
    st.integers(0, 3),
)
def test_numbers_are_read_as_they_were_meant_or_marked(
    units: list[int], marks: tuple[str, str], decimals: int
) -> None:
    numbers = [Decimal(unit).scaleb(-decimals) for unit in units]
    texts = [
        f"{number:,.{decimals}f}".translate({ord(","): marks[1], ord("."): marks[0]})
        for number in numbers
    ]
    evidence = NumberEvidence()
    for text in texts:
        evidence.count(text, 1)
    choice = evidence.choice()
    assert choice is not None
    try:
        read = [read_number(text, choice.form) for text in texts]
    except NumberError:
        assert choice.unread
        return
    assert read == numbers or choice.doubt is not None


@given(st.lists(st.integers(0, 5000), max_size=3), st.integers(1, 4))
def test_texts_are_counted_in_bounded_memory(several: list[int], repeats: int) -> None:
    rows = Counter(f"D{place}" for size in several for place in range(size))
    profile = Profile("id")
    for _ in range(repeats):
        profile.add(rows)
    assert len(profile.kept) <= LIMIT
    assert profile.filled == repeats * rows.total()
    assert all(number == repeats * rows[text] for text, number in profile.kept.items())
    if len(rows) <= LIMIT:
        assert profile.kept.keys() == rows.keys()
    else:
        assert 0.7 * len(rows) < profile.distinct < 1.4 * len(rows)


@given(st.text(max_size=100) | st.sampled_from([text[:100] for text in NAMES + TEXTS]))
def test_texts_survive_their_quotes(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mapping.yaml"
        path.write_text(
            "name: x\nsources:\n  a:\n    deal_id: id\n    columns:\n      id:\n        values:\n"
            f"          {quoted(text)}: {quoted(text)} # {quoted(text)}\n"
            "    events:\n      - {stage: lead, at: id}\n",
            encoding="utf-8",
        )
        assert load(path).sources["a"].columns["id"].values == {text: text}
