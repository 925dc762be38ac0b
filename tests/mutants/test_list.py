"""The list of faults keeps up with the core, without putting any of them in."""

from pathlib import Path

from tests.mutants.faults import FAULTS
from tests.mutants.layers import absent, never_asked

ROOT = Path(__file__).parents[2]


def test_every_fault_fits_the_core() -> None:
    package = ROOT / "src" / "funnel_stream"
    assert [why for fault in FAULTS if (why := fault.misfit(package))] == []
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))


def test_every_file_that_is_asked_exists() -> None:
    assert absent(ROOT / "tests") == []
    assert never_asked(FAULTS) == []
