"""Dates against arithmetic and tables of this test's own."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from funnel_stream.tools.date_columns import FormatWatch, TimesOfDay, in_order_of_day
from funnel_stream.tools.date_formats import Written
from funnel_stream.tools.dates import DateError, DateReader, Read

ZONES: Final = st.sampled_from(
    ["UTC", "Europe/Warsaw", "America/New_York", "Pacific/Kiritimati", "America/Sao_Paulo"]
)
DAYS: Final = st.dates(date(1971, 1, 1), date(2199, 12, 31))
MOMENTS: Final = st.datetimes(datetime(1973, 4, 1), datetime(2199, 12, 31))
MONTHS: Final = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
    "listopada grudnia",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
}
FORMATS: Final = (
    ("iso",),
    ("excel", "epoch", "epoch_ms"),
    ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y"),
    ("%a %d %B %Y %I:%M %p", "%G-W%V-%u", "%Y-%j", "%d%b%Y %H:%M:%S.%f %z"),
)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyzäöüéłśŻİıſK .,:/-+TZW%\n\0"
"""Letters of names, some that only look like one, and signs."""


def microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@given(DAYS, st.integers(0, 86_399), st.sampled_from(".,"))
def test_serials_are_days_and_seconds_since_1900(day: date, second: int, sign: str) -> None:
    # Serial 61 is 1 March 1900.
    serial = (day - date(1900, 3, 1)).days + 61 + second / 86_400
    read = DateReader(("excel",), "UTC").read(repr(serial).replace(".", sign))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert read.at == midnight + timedelta(seconds=second)
    assert read.precise == (second != 0)


@given(MOMENTS)
def test_epochs_are_instants_whatever_the_zone(moment: datetime) -> None:
    whole = microseconds(moment.replace(tzinfo=UTC))
    for form, unit in (("epoch", 1), ("epoch_ms", 1000)):
        digits = f"{whole // 1_000_000}.{whole % 1_000_000:06}" if unit == 1 else f"{whole // 1000}"
        read = DateReader((form,), "Asia/Tokyo").read(digits)
        assert microseconds(read.at) == (whole if unit == 1 else whole // 1000 * 1000)
        other = "epoch_ms" if unit == 1 else "epoch"
        with pytest.raises(DateError):
            DateReader((other,), "UTC").read(digits.partition(".")[0])


@given(DAYS, st.sampled_from(sorted(MONTHS)), st.sampled_from([str, str.upper, str.title]))
def test_names_of_months_are_those_of_the_locale(day: date, locale: str, case: type[str]) -> None:
    name = case(MONTHS[locale].split()[day.month - 1])
    text = f"{day.day}. {name} {day.year}"
    found = DateReader(("%d. %B %Y",), "UTC", locale=locale).read(text)
    assert found.written.date() == day


@given(DAYS, ZONES)
def test_a_day_begins_with_its_first_instant(day: date, zone: str) -> None:
    at = DateReader(("%d.%m.%Y",), zone).read(f"{day.day}.{day.month}.{day.year}").at
    local, before = (
        each.astimezone(UTC).astimezone(ZoneInfo(zone))
        for each in (at, at - timedelta(microseconds=1))
    )
    assert (local.date(), before.date()) == (day, day - timedelta(days=1))


@given(MOMENTS, ZONES, st.integers(-14, 14))
def test_of_days_the_written_date_is_the_local_day(
    moment: datetime, zone: str, offset: int
) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M}{offset:+03}:00"
    found = DateReader((), zone, precision="day").read(text)
    assert found.at.astimezone(ZoneInfo(zone)).date() == moment.date()
    assert not found.precise


@given(st.one_of(st.text(), st.text(LETTERS + "0123456789"), st.from_regex(r"[0-9.,:T /+-]{1,40}")))
@example("9" * 5000)
@example("9" * 99)
@example("0." + "9" * 90)
@example("9999-12-31T23:59:59-23:59")
@example("15 aprİl 2026")
def test_any_text_is_a_date_or_refused(text: str) -> None:
    for formats in FORMATS:
        for precision in ("auto", "day"):
            reader = DateReader(formats, "Pacific/Kiritimati", precision=precision)
            watch, times = FormatWatch(reader), TimesOfDay()
            watch.add(text)
            watch.ambiguity()
            try:
                read = reader.read(text)
            except DateError:
                assert reader.readings(text) == ()
                continue
            times.add(Written(read.written, read.precise))
            assert 1970 <= read.at.astimezone(UTC).year <= 9999
            assert in_order_of_day([(0, read)]) == [read.at]


@given(st.lists(st.tuples(st.integers(1, 13), st.integers(1, 13))))
def test_a_column_is_ambiguous_if_some_date_is(pairs: list[tuple[int, int]]) -> None:
    watch = FormatWatch(DateReader(("%d/%m/%Y", "%m/%d/%Y"), "UTC"))
    for one, other in pairs:
        watch.add(f"{one}/{other}/2026")
    found = watch.ambiguity()
    both = [pair for pair in pairs if max(pair) <= 12 and pair[0] != pair[1]]
    assert (found is not None) == bool(both)
    if found is not None:
        only = {name: text for text, name in found.only}
        assert found.text == "{}/{}/2026".format(*both[0])
        assert ("%d/%m/%Y" in only) == any(one == 13 and other < 13 for one, other in pairs)
        assert ("%m/%d/%Y" in only) == any(other == 13 and one < 13 for one, other in pairs)


@st.composite
def reads(draw: st.DrawFn) -> Read:
    moment = draw(st.datetimes(datetime(2026, 3, 4), datetime(2026, 3, 6)))
    zone = draw(st.sampled_from(["Europe/Warsaw", "Pacific/Kiritimati", "America/New_York"]))
    return DateReader((), zone).read(
        moment.date().isoformat() if draw(st.booleans()) else f"{moment.isoformat()}Z"
    )


@given(st.lists(st.tuples(st.integers(0, 4), reads()), max_size=6))
def test_days_follow_the_earlier_stages_of_their_day(moments: list[tuple[int, Read]]) -> None:
    instants = in_order_of_day(moments)
    assert len(instants) == len(moments)
    known = {read.at for _, read in moments}
    for (rank, read), at in zip(moments, instants, strict=True):
        zone = read.zone
        assert at in known
        assert at.astimezone(zone).date() == read.at.astimezone(zone).date()
        if read.precise:
            assert at == read.at
            continue
        for (lower, _), before in zip(moments, instants, strict=True):
            same_day = before.astimezone(zone).date() == at.astimezone(zone).date()
            assert at >= before or lower >= rank or not same_day
