"""Lines of a file as the records that publishing them makes."""

import json
from typing import Any

import pytest

from funnel_stream.definition import Definition
from funnel_stream.replay.compute import as_record, compute
from tests.funnels import NOW, at, micros

NOW_MS = int(NOW.timestamp() * 1000)
LEAD: dict[str, Any] = {
    "type": "stage_changed", "event_id": "1", "deal_id": "a", "stage": "lead", "occurred_at": at(),
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    ["2026-03-02T15:30:45", "2026-03-02T15:30:45+99:99", "2026-03-02T15:30:45 +01:00", "",
     "2026-03-02T15:30:45+02:00:00", "2999-01-01T00:00:00Z", 5, [], {}, True],
)  # fmt: skip
def test_an_erasure_whose_time_is_none_or_to_come_is_refused(wrong: Any) -> None:
    line = json.dumps({"type": "deal_erased", "deal_id": "a", "occurred_at": wrong}).encode()
    assert as_record(1, line, NOW_MS).value == line
    found = compute([json.dumps(LEAD).encode(), line], Definition(), as_of=None, now_ms=NOW_MS)
    assert [(number, why.reason) for number, why in found.rejected] == [(2, "unknown_type")]
    assert found.counts["accepted"] == 1


def test_an_erasure_has_the_time_that_it_names() -> None:
    line = json.dumps({"type": "deal_erased", "deal_id": "a", "occurred_at": at(hours=1)}).encode()
    record = as_record(1, line, NOW_MS)
    assert (record.key, record.value, record.timestamp) == (b"a", None, micros(hours=1) // 1000)


@pytest.mark.parametrize(
    "more",
    ['"amount": NaN', '"note": Infinity', '"channel": null, "x": 1e999', '"activity": {"type": 5}'],
)
def test_a_line_keeps_its_name_whatever_else_it_says(more: str) -> None:
    line = (json.dumps(LEAD)[:-1] + ", " + more + "}").encode()
    assert as_record(1, line, NOW_MS).key == b"a"


@pytest.mark.parametrize("depth", [900, 3000])
def test_what_is_nested_too_deeply_is_refused_and_stops_nothing(depth: int) -> None:
    deep = (json.dumps(LEAD)[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}").encode()
    found = compute([deep, json.dumps(LEAD).encode()], Definition(), as_of=None, now_ms=NOW_MS)
    assert [(number, why.reason) for number, why in found.rejected] == [(1, "too_deep")]
    assert found.counts["accepted"] == 1


@pytest.mark.parametrize("line", [b"", b"null", b"[1]", b"5", b'{"deal_id": 5}', b"\xff", b"{"])
def test_what_names_nothing_has_no_key(line: bytes) -> None:
    assert as_record(1, line, NOW_MS).key is None
