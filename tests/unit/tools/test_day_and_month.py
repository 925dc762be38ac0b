"""Dates whose day and month stand in each other's place."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.tools.dates import DateReader
from funnel_stream.tools.day_and_month import DayAndMonth, Swapped

EUROPEAN, AMERICAN = "%d/%m/%Y", "%m/%d/%Y"


def found(*texts: str, formats: tuple[str, ...] = (EUROPEAN,)) -> Swapped | None:
    watch = DayAndMonth(DateReader(formats, "UTC"))
    for text in texts:
        watch.add(text)
    return watch.finding()


def test_dates_that_only_the_other_format_reads_ask_whether_it_is_meant() -> None:
    texts = ("12/31/2025", "03/04/2026", "05/05/2026", "soon", "04/15/2026", "06/07/2026")
    assert str(found(*texts)) == (
        "2 dates fit '%m/%d/%Y' and not '%d/%m/%Y', like '12/31/2025': is '%m/%d/%Y' the format? "
        "Then 2 that fit both are read wrongly"
    )


def test_a_column_that_mixes_both_is_told_so() -> None:
    told = str(found("31/12/2025", "12/31/2025", "03/04/2026", "30/12/2025"))
    assert told == (
        "1 date fits '%m/%d/%Y' and not '%d/%m/%Y', like '12/31/2025', and 2 the other way round: "
        "the column mixes both; 1 that fit both may be read wrongly"
    )


@pytest.mark.parametrize(
    ("formats", "text", "other"),
    [
        (("iso", "%d.%m.%y %H:%M"), "12.31.25 09:30", "%m.%d.%y %H:%M"),
        (("%m/%d/%Y", "%d-%m-%Y"), "31/12/2025", "%d/%m/%Y"),
        (("%Y/%d/%m",), "2025/12/31", "%Y/%m/%d"),
    ],
)
def test_each_format_with_both_as_numbers_has_another(
    formats: tuple[str, ...], text: str, other: str
) -> None:
    swapped = found(text, formats=formats)
    assert swapped is not None
    assert swapped.other == other


@pytest.mark.parametrize(
    "formats", [(), ("iso",), ("%d %b %Y",), ("excel", "%Y-%j"), (EUROPEAN, AMERICAN)]
)
def test_formats_without_another_have_none(formats: tuple[str, ...]) -> None:
    assert found("12/31/2025", "2025-12-31", "31/12/2025", formats=formats) is None


@given(st.lists(st.tuples(st.integers(1, 31), st.integers(1, 31))))
def test_every_date_is_counted_once(pairs: list[tuple[int, int]]) -> None:
    def is_day(month: int, day: int) -> bool:
        try:
            date(2026, month, day)
        except ValueError:
            return False
        return True

    european = [is_day(month=second, day=first) for first, second in pairs]
    american = [is_day(month=first, day=second) for first, second in pairs]
    other = sum(b and not a for a, b in zip(european, american, strict=True))
    swapped = found(*(f"{first:02}/{second:02}/2026" for first, second in pairs))
    assert (swapped is None) == (other == 0)
    if swapped is not None:
        given = sum(a and not b for a, b in zip(european, american, strict=True))
        both = sum(max(pair) <= 12 and pair[0] != pair[1] for pair in pairs)
        assert (swapped.only_other, swapped.only_given, swapped.both) == (other, given, both)
