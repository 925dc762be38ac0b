"""What only a whole column or row tells of its dates."""

import pytest

from funnel_stream.tools.date_columns import FormatWatch, TimesOfDay, in_order_of_day
from funnel_stream.tools.date_formats import Written
from funnel_stream.tools.dates import DateReader

EUROPEAN, AMERICAN = "%d/%m/%Y", "%m/%d/%Y"


def ambiguity(*texts: str, formats: tuple[str, ...] = (EUROPEAN, AMERICAN)) -> str | None:
    watch = FormatWatch(DateReader(formats, "UTC"))
    for text in texts:
        watch.add(text)
    found = watch.ambiguity()
    return None if found is None else str(found)


def shared_time(*texts: str, zone: str = "UTC") -> str | None:
    reader, times = DateReader((), zone), TimesOfDay()
    for text in texts:
        read = reader.read(text)
        times.add(Written(read.written, read.precise))
    return times.shared()


def ordered(*texts: str, zone: str = "Europe/Warsaw") -> list[str]:
    """Stages in the order of the funnel."""
    reader = DateReader((), zone)
    moments = [(rank, reader.read(text)) for rank, text in enumerate(texts)]
    return [at.isoformat(timespec="minutes") for at in in_order_of_day(moments)]


def test_a_file_that_shows_which_format_is_meant_is_ambiguous() -> None:
    assert ambiguity("12/31/2025", "12/01/2025", "03/04/2026", "04/15/2026") == (
        "'12/01/2025' is 2025-01-12 as '%d/%m/%Y' and 2025-12-01 as '%m/%d/%Y'; "
        "'12/31/2025' fits only '%m/%d/%Y': if that is meant throughout, "
        "leave '%d/%m/%Y' out of dates"
    )


def test_a_file_in_which_both_formats_occur_is_ambiguous() -> None:
    told = ambiguity("12/01/2025", "12/31/2025", "31/12/2025")
    assert told is not None
    assert told.endswith(
        "'31/12/2025' fits only '%d/%m/%Y' and '12/31/2025' fits only '%m/%d/%Y': "
        "the column mixes both, and has to be corrected in the file"
    )


def test_a_file_that_does_not_tell_the_format_is_ambiguous() -> None:
    told = ambiguity("03/04/2026", "no date")
    assert told is not None
    assert told.endswith("nothing in the file says which is meant: keep only that one in dates")


@pytest.mark.parametrize(
    "texts", [(), ("03/03/2026",), ("31/12/2025", "12/31/2025"), ("31/12/2025",)]
)
def test_a_file_in_which_every_date_has_one_reading_is_not_ambiguous(
    texts: tuple[str, ...],
) -> None:
    assert ambiguity(*texts) is None


def test_evidence_for_a_third_format_is_none_for_the_two_that_differ() -> None:
    told = ambiguity("2026-01-31", "03/04/2026", formats=("iso", EUROPEAN, AMERICAN))
    assert told is not None
    assert "nothing in the file says" in told


def test_ten_dates_with_one_time_look_like_dates_without_one() -> None:
    days = [f"2026-03-{day:02}" for day in range(1, 11)]
    assert shared_time(*(f"{day}T03:00:00+03:00" for day in days)) == "03:00:00+03:00"
    assert shared_time(*(f"{day} 00:00" for day in days), zone="Europe/Warsaw") == "00:00:00"
    assert shared_time(*(f"{day} 00:00" for day in days[:9])) is None
    assert shared_time(*(f"{day} 00:00" for day in days), "2026-03-11 00:01") is None
    assert shared_time("2026-03-11 00:01", *(f"{day} 00:00" for day in days)) is None


def test_dates_of_one_moment_or_without_a_time_are_no_dates_with_one_time() -> None:
    assert shared_time(*["2026-03-01T09:00:00Z"] * 20) is None
    assert shared_time(*(f"2026-03-{day:02}" for day in range(1, 21))) is None


def test_a_day_comes_after_the_earlier_stages_of_that_local_day() -> None:
    assert ordered("2026-03-05T15:12+01:00", "2026-03-05") == ["2026-03-05T15:12+01:00"] * 2
    assert ordered("2026-03-04T23:30Z", "2026-03-05") == ["2026-03-04T23:30+00:00"] * 2


def test_a_day_passes_over_another_day_to_the_latest_moment() -> None:
    assert ordered("2026-03-05T15:12", "2026-03-05", "2026-03-05T09:00", "2026-03-05") == [
        "2026-03-05T15:12+01:00",
        "2026-03-05T15:12+01:00",
        "2026-03-05T09:00+01:00",
        "2026-03-05T15:12+01:00",
    ]


def test_a_day_stays_where_it_contradicts_the_order_or_nothing_comes_before() -> None:
    assert ordered("2026-03-05T15:12", "2026-03-04") == [
        "2026-03-05T15:12+01:00",
        "2026-03-04T00:00+01:00",
    ]
    assert ordered("2026-03-05", "2026-03-05T15:12") == [
        "2026-03-05T00:00+01:00",
        "2026-03-05T15:12+01:00",
    ]


def test_stages_of_one_rank_do_not_move_each_other() -> None:
    reader = DateReader((), "UTC")
    moments = [(4, reader.read("2026-03-05T15:12Z")), (4, reader.read("2026-03-05"))]
    assert in_order_of_day(moments) == [read.at for _, read in moments]


def test_a_day_is_one_of_its_own_columns_time_zone() -> None:
    tokyo, york = DateReader((), "Asia/Tokyo"), DateReader((), "America/New_York")
    called = tokyo.read("2026-03-05T23:00Z")  # 18:00 on the 5th in New York, the 6th in Tokyo
    for reader, day, moved in (
        (york, "2026-03-05", True),
        (york, "2026-03-06", False),
        (tokyo, "2026-03-05", False),
        (tokyo, "2026-03-06", True),
    ):
        read = reader.read(day)
        placed = called.at if moved else read.at
        assert in_order_of_day([(0, called), (5, read)]) == [called.at, placed]
