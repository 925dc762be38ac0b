"""Dates as CRM exports and spreadsheets write them."""

import re
import unicodedata
from datetime import UTC, datetime

import pytest

from funnel_stream.tools.date_formats import LOCALES, DateFormat
from funnel_stream.tools.dates import DateError, DateReader

WARSAW = "Europe/Warsaw"


def read(text: str, *formats: str, locale: str = "en") -> tuple[datetime, bool]:
    """Instant, whether the time is known."""
    found = DateReader(formats, WARSAW, locale=locale).read(text)
    return found.at, found.precise


def refusal(text: str, *formats: str, zone: str = WARSAW, locale: str = "en") -> str:
    with pytest.raises(DateError) as refused:
        DateReader(formats, zone, locale=locale).read(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "formats", "instant"),
    [
        ("2026-03-15T10:00:00+0000", (), "2026-03-15 10:00"),
        ("2026-03-15 10:00:00", (), "2026-03-15 09:00"),
        ("2026-03-15 10:00:00.123456789", (), "2026-03-15 09:00:00.123456"),
        ("2026-03-15T10:00:00-05:00", ("iso",), "2026-03-15 15:00"),
        ("46096.5625", ("excel",), "2026-03-15 12:30"),
        ("46096,5625", ("excel",), "2026-03-15 12:30"),
        ("46096.770833333336", ("excel",), "2026-03-15 17:30"),
        ("1773568800", ("epoch",), "2026-03-15 10:00"),
        ("1773568800.25", ("epoch",), "2026-03-15 10:00:00.250"),
        ("1773568800250", ("epoch_ms",), "2026-03-15 10:00:00.250"),
        ("15.03.2026 9:05", ("%d.%m.%Y %H:%M",), "2026-03-15 08:05"),
        ("15 Mar 2026 12:00 AM", ("%d %b %Y %I:%M %p",), "2026-03-14 23:00"),
        ("15 Mar 2026 12:30\u202fp.m.", ("%d %b %Y %I:%M %p",), "2026-03-15 11:30"),
        ("Sun Mar 15 10:00:00 2026 -03:30", ("%a %b %d %H:%M:%S %Y %z",), "2026-03-15 13:30"),
        ("2026-03-15 10:00:00 UTC", ("%Y-%m-%d %H:%M:%S %Z",), "2026-03-15 10:00"),
        ("2026-03-15 10:00:00+02", ("%Y-%m-%d %H:%M:%S%z",), "2026-03-15 08:00"),
        ("20260315100059.5", ("%Y%m%d%H%M%S.%f",), "2026-03-15 09:00:59.500"),
        ("100% 15/3/26 at 7", ("100%% %d/%m/%y at %H",), "2026-03-15 06:00"),
    ],
)
def test_a_date_with_a_time_is_an_instant(
    text: str, formats: tuple[str, ...], instant: str
) -> None:
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert read(text, *formats) == (expected, True)


@pytest.mark.parametrize(
    ("text", "form", "locale"),
    [
        ("2026-03-15", "iso", "en"),
        ("20260315", "iso", "en"),
        ("2026-W11-7", "iso", "en"),
        ("46096", "excel", "en"),
        ("46096.0", "excel", "en"),
        ("46095.9999999", "excel", "en"),
        ("15/3/2026", "%d/%m/%Y", "en"),
        ("Mar 15, 2026", "%b %d, %Y", "en"),
        ("MARCH 15, 2026", "%b %d, %Y", "en"),
        ("2026-074", "%Y-%j", "en"),
        ("2026W11 7", "%GW%V %u", "en"),
        ("Sunday, 15 Mar. 26", "%A, %d %b %y", "en"),
        ("15 mars 2026", "%d %B %Y", "fr"),
        ("dim. 15 mars 2026", "%a %d %b %Y", "fr"),
        ("15. März 2026", "%d. %B %Y", "de"),
        (unicodedata.normalize("NFD", "15. März 2026"), "%d. %B %Y", "de"),
        ("15-Mrz-26", "%d-%b-%y", "de"),
        ("15Mär2026", "%d%b%Y", "de"),
        ("15 marca 2026", "%d %B %Y", "pl"),
        ("Niedziela, 15 Marzec 2026", "%A, %d %B %Y", "pl"),
        ("niedz 15 mar 2026", "%a %d %b %Y", "pl"),
        ("15. března 2026", "%d. %B %Y", "cs"),
        ("domingo, 15 de marzo de 2026", "%A, %d de %B de %Y", "es"),
    ],
)
def test_a_date_without_a_time_is_the_beginning_of_the_local_day(
    text: str, form: str, locale: str
) -> None:
    assert read(text, form, locale=locale) == (datetime(2026, 3, 14, 23, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("text", "formats", "reason"),
    [
        ("", (), "it is not like 2026-01-31 or 2026-01-31T09:30:00Z"),
        ("15.03.2026", (), "it is not like 2026-01-31"),
        ("2026-02-30", (), "it is not like 2026-01-31"),
        ("2026-03-15510:00", (), "it is not like 2026-01-31"),
        ("2026-03-15 10:00:00 UTC", (), "it is not like 2026-01-31"),
        ("46096", (), "can be excel, epoch or epoch_ms"),
        ("2026-W11", (), "it is a week, not a day"),
        ("1969-12-31", (), "not between 1970-01-01 and 9999-12-29"),
        ("9999-12-31", (), "not between 1970-01-01 and 9999-12-29"),
        ("0001-01-01T00:00:00+14:00", (), "not between 1970-01-01"),
        ("1970-01-01", (), "before 1970-01-01 (UTC)"),
        ("٢٠٢٦-03-15", (), "its digits are not 0 to 9"),
        ("٤٦٠٩٦", ("excel",), "its digits are not 0 to 9"),
        ("0", ("excel",), "not a spreadsheet serial number"),
        ("60", ("excel",), "not a spreadsheet serial number"),
        ("46,096", ("excel",), "not a spreadsheet serial number"),
        ("-46096", ("excel",), "not a spreadsheet serial number"),
        ("2958466", ("excel",), "not a spreadsheet serial number"),
        ("1773568800000", ("epoch",), "if it counts milliseconds, write epoch_ms"),
        ("46096", ("epoch",), "not between 1973 and 2200"),
        ("99999999", ("epoch",), "not between 1973 and 2200"),
        ("7258118400", ("epoch",), "not between 1973 and 2200"),
        ("1.77357E+9", ("epoch",), "not a number of seconds"),
        ("1773568800", ("epoch_ms",), "if it counts seconds, write epoch"),
        ("1773568800000000", ("epoch_ms",), "not between 1973 and 2200"),
        ("1773568800000.5", ("epoch_ms",), "not a number of milliseconds"),
        ("15/03/2026 10:00", ("%d/%m/%Y",), "it is not like '%d/%m/%Y'"),
        ("15/03/2026 ", ("%d/%m/%Y",), "it is not like '%d/%m/%Y'"),
        ("15/ 3/2026", ("%d/%m/%Y",), "it is not like '%d/%m/%Y'"),
        ("31/02/2026", ("%d/%m/%Y",), "a day or time that does not exist"),
        ("01/01/0000", ("%d/%m/%Y",), "a day or time that does not exist"),
        ("01/01/69", ("%d/%m/%y",), "not between 1970-01-01"),
        ("2026-366", ("%Y-%j",), "a day or time that does not exist"),
        ("2026111", ("%Y%m%d",), "it is not like '%Y%m%d'"),
        ("1112026", ("%d%m%Y",), "it is not like '%d%m%Y'"),
        ("15 aprİl 2026", ("%d %B %Y",), "a day or time that does not exist"),
        ("Mon 15 Mar 2026", ("%a %d %b %Y",), "it is 2026-03-15, which is another weekday"),
        ("15 März 2026", ("%d %B %Y",), "it is not like '%d %B %Y'"),
        ("15.3.2026 24:00", ("%d.%m.%Y %H:%M",), "a day or time that does not exist"),
        ("15.3.2026 13:00 PM", ("%d.%m.%Y %I:%M %p",), "a day or time that does not exist"),
        ("15.3.2026 10:00 +01:60", ("%d.%m.%Y %H:%M %z",), "a day or time that does not exist"),
        ("15.3.2026 10:00 +24:00", ("%d.%m.%Y %H:%M %z",), "a day or time that does not exist"),
        ("15.3.2026 10:00 CET", ("%d.%m.%Y %H:%M %Z",), "it is not like"),
        ("9" * 5000, (), "it has 5000 characters"),
    ],
)
def test_a_text_that_is_no_date_is_refused_with_the_reason(
    text: str, formats: tuple[str, ...], reason: str
) -> None:
    told = refusal(text, *formats)
    assert told.startswith(f"{text[:100]!r}"[:-1])
    assert reason in told
    assert len(told) < 300


def test_a_refusal_names_what_every_format_lacks() -> None:
    assert refusal("2026", "%d.%m.%Y", "excel") == (
        "'2026' is not a date: it is not like '%d.%m.%Y'; it is not a spreadsheet serial number "
        "(25569 to 2958465, of 1970 to 9999)"
    )


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("", "is not a date format"),
        ("excell", "did you mean 'excel'?"),
        ("%d/%m", "has no day"),
        ("%H %m/%Y", "has no day"),
        ("%d/%m/%Y %j", "has no day"),
        ("%G-%V", "has no day"),
        ("%d/%m/%Y %m", "contains the month twice"),
        ("%d/%m/%y %Y", "contains the year twice"),
        ("%d/%m/%Y %H:%M %p", "%p needs %I"),
        ("%d/%m/%Y %I:%M", "%I needs %p"),
        ("%d/%m/%Y %M", "%M needs %H or %I"),
        ("%d/%m/%Y %s", "%s is not supported; there are: %Y, "),
        ("%x", "%x is not supported"),
        ("%d/%m/%Y %", "% is not supported"),
    ],
)
def test_a_format_that_leaves_something_open_is_refused(form: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        DateReader((form,), "UTC")


def test_an_unknown_locale_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no locale 'dk'; "):
        DateReader((), "UTC", locale="dk")


def test_english_names_are_understood_in_english_only() -> None:
    assert "it is not like" in refusal("1 May 2026", "%d %b %Y", locale="pl")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_knows_twelve_months_and_seven_days(locale: str) -> None:
    from babel import Locale

    data = Locale.parse(locale)
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in data.months[context][width].items():
                expected = datetime(2026, number, 2)
                weekday = data.days[context][width][expected.weekday()]
                text = f"{weekday.upper()} 2 {name.removesuffix('.')} 2026"
                found = DateReader(("%a %d %b %Y",), "UTC", locale=locale).read(text)
                assert found.written == expected


@pytest.mark.parametrize(
    ("text", "formats", "day"),
    [
        ("2026-03-15T03:00:00+03:00", (), "2026-03-15"),
        ("2026-03-15T23:59:59-11:00", (), "2026-03-15"),
        ("15.03.2026 17:00", ("%d.%m.%Y %H:%M",), "2026-03-15"),
        ("46096.99", ("excel",), "2026-03-15"),
        ("1773532800000", ("epoch_ms",), "2026-03-15"),
    ],
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York"])
def test_of_days_the_written_date_is_the_local_day(
    text: str, formats: tuple[str, ...], day: str, zone: str
) -> None:
    found = DateReader(formats, zone, precision="day").read(text)
    assert (found.at.strftime("%Y-%m-%d %H:%M"), found.precise) == (f"{day} 00:00", False)
    assert found == DateReader((), zone).read(day)


def test_clock_changes_are_read_as_before_the_change() -> None:
    skipped = DateReader((), WARSAW).read("2026-03-29T02:30").at
    repeated = DateReader((), WARSAW).read("2026-10-25T02:30").at
    assert skipped.isoformat() == "2026-03-29T02:30:00+01:00"
    assert repeated.isoformat() == "2026-10-25T02:30:00+02:00"


def test_a_day_without_midnight_begins_when_its_clocks_do() -> None:
    found = DateReader((), "America/Sao_Paulo").read("2018-11-04").at
    assert found == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_a_day_that_a_place_has_skipped_is_refused() -> None:
    assert "there was no 2011-12-30 in Pacific/Apia" in refusal("2011-12-30", zone="Pacific/Apia")


def test_the_first_format_that_fits_is_taken_and_all_are_known() -> None:
    reader = DateReader(("%d/%m/%Y", "%m/%d/%Y"), "UTC")
    assert str(reader.read("12/01/2025")) == "2025-01-12"
    assert str(reader.read("12/31/2025")) == "2025-12-31"
    told = [(name, str(one)) for name, one in reader.readings("12/01/2025")]
    assert told == [("%d/%m/%Y", "2025-01-12"), ("%m/%d/%Y", "2025-12-01")]
    assert reader.readings("12.01.2025") == ()


def test_a_month_alone_is_its_first_day_and_says_so() -> None:
    assert [DateFormat(form).names_month for form in ("%m/%Y", "%b %Y", "%d/%m/%Y", "iso")] == [
        *(True, True, False, False),
    ]
    read = DateReader(("%m/%Y",), "UTC").read("02/2026")
    assert (str(read), read.precise) == ("2026-02-01", False)
