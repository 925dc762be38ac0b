"""RFC 3339, and nothing else, to microseconds."""

import pytest

from funnel_stream.contract import Reason
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import batch_micros, micros_of, moment, parse
from tests.unit.contract.records import accepted, record

GOOD = [
    ("1970-01-01T00:00:00Z", 0),
    ("2026-03-01T09:30:00Z", 1_772_357_400_000_000),
    ("2026-03-01t09:30:00z", 1_772_357_400_000_000),
    ("2026-03-01T09:30:00.123456z", 1_772_357_400_123_456),
    ("2026-03-01T10:30:00+01:00", 1_772_357_400_000_000),
    ("2026-03-01T09:30:00+00:00", 1_772_357_400_000_000),
    ("2026-03-01T09:30:00-00:00", 1_772_357_400_000_000),
    ("2026-02-28T23:45:00-09:45", 1_772_357_400_000_000),
    ("2026-03-02T09:29:00+23:59", 1_772_357_400_000_000),
    ("2026-03-01T09:30:00.5Z", 1_772_357_400_500_000),
    ("2026-03-01T09:30:00.000001Z", 1_772_357_400_000_001),
    ("2026-03-01T09:30:00.0000019Z", 1_772_357_400_000_001),
    ("2026-03-01T09:30:00.999999999+00:00", 1_772_357_400_999_999),
    ("2026-03-01T09:30:00.1234567890123456789012345Z", 1_772_357_400_123_456),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
    ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
    ("2017-01-01T00:59:60.25+01:00", 1_483_228_800_250_000),
]

BAD = [
    "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-03-00T00:00:00Z",
    "2026-03-01T24:00:00Z", "2026-03-01T09:60:00Z", "2026-03-01T09:30:61Z", "2026-03-01T09:30:60Z",
    "2026-03-01T09:30:00+24:00", "2026-03-01T09:30:00+01:60", "2026-03-01T09:30:00+0100",
    "2026-03-01T09:30:00+01", "2026-03-01T09:30:00+01:00:00", "2026-03-01T09:30:00 Z",
    "2026-03-01T09:30:00.Z", "2026-03-01T09:30:00,5Z", "2026-W09-7T09:30:00Z", "20260301T093000Z",
    "2026-060T09:30:00Z", "2026-3-1T09:30:00Z", "2026-03-01T9:30:00Z", "2026-03-01_09:30:00Z",
    "+2026-03-01T09:30:00Z", "２026-03-01T09:30:00Z", "2026-03-01T09:30:00Z\n",
    " 2026-03-01T09:30:00Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
    "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "Sun, 01 Mar 2026 09:30:00 GMT",
]  # fmt: skip


@pytest.mark.parametrize(("text", "micros"), GOOD)
def test_an_instant_is_read_to_the_microsecond(text: str, micros: int) -> None:
    assert parse(text, "first_touch_at") == micros
    assert accepted(record(occurred_at=text))[1].at == micros


def test_a_batch_is_read_like_its_texts_alone() -> None:
    usual = [(text, at) for text, at in GOOD if "t" not in text and ":60" not in text]
    usual = [(text, at) for text, at in usual if len(text) < 36]
    assert len(usual) > 10
    assert batch_micros([text for text, _ in usual]) == [at for _, at in usual]


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse(text, "first_touch_at")
    assert refusal.value.rejection.reason == Reason.INVALID_TIMESTAMP
    assert refusal.value.rejection.field == "first_touch_at"


@pytest.mark.parametrize("text", ["2026-03-01T09:30:00", "2026-03-01t09:30:00.5"])
def test_a_time_without_an_offset_is_called_naive(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse(text, "first_touch_at")
    assert refusal.value.rejection.reason == Reason.NAIVE_TIMESTAMP


@pytest.mark.parametrize("micros", [0, 1, 1_772_357_400_123_457, 253_402_300_799_999_999])
def test_microseconds_survive_the_way_to_a_datetime_and_back(micros: int) -> None:
    assert micros_of(moment(micros)) == micros


def test_a_batch_with_more_digits_than_numpy_reads_is_left_to_the_slow_path() -> None:
    with pytest.raises(ValueError, match="digits"):
        batch_micros(["2026-03-01T09:30:00Z", "2026-03-01T09:30:00.1234567890123456789Z"])
