"""No case is forgotten: each is asserted somewhere here, or it is said why not."""

from pathlib import Path
from typing import Final

HERE = Path(__file__).parent

KNOWN: Final = (
    "01-local-day",
    "02-month-to-date",
    "03-dst",
    "04-refund",
    "06-merged-duplicate",
    "07-channel-spelling",
    "08-stage-renamed",
    "09-future-close",
    "10-excel-serial-epoch",
    "12-ambiguous-dates",
    "13-same-day-close",
    "15-lost-reason-sticks",
    "16-bouncing",
    "17-left-truncated",
    "18-first-touch",
    "19-pipeline-move",
    "20-business-hours",
    "21-csv-shapes",
    "22-timestamps",
    "23-wide-stage-dates",
    "24-float-amount",
    "25-silence-window",
    "26-renegotiated-currency",
    "27-clear-attribute",
    "28-weighted-forecast",
    "30-spend-month",
    "32-newest-first",
    "33-steady-funnel",
)

NOT_ASKED_YET: Final = {
    "01-local-day": "days are those of UTC: there is no time zone to choose",
    "02-month-to-date": "windows slide: there is no month or quarter, and no target for one",
    "20-business-hours": "durations are hours of the clock: there is no calendar of work",
    "28-weighted-forecast": "deals have no probability and no expected close date",
}
ELSEWHERE: Final = {"21-csv-shapes": "unit/tools/test_files.py"}
"""Asserted in another file of the tests."""


def test_every_known_case_is_asserted_or_named_with_the_reason() -> None:
    tests = [path for path in HERE.glob("test_*.py") if path.name != Path(__file__).name]
    said = "".join(path.read_text(encoding="utf-8") for path in tests)
    asserted = {name for name in KNOWN if name in said}
    missing = set(KNOWN) - asserted - NOT_ASKED_YET.keys() - ELSEWHERE.keys()
    assert missing == set()
    assert asserted & NOT_ASKED_YET.keys() == set(), "asked by now"


def test_every_input_belongs_to_a_known_case() -> None:
    inputs = [path.stem for path in HERE.glob("*.ndjson")]
    assert [name for name in inputs if not name.startswith(KNOWN)] == []
