"""What is told at the end of a run, from wherever its tests ran."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.summary import table

ROOT = Path(__file__).parents[2]
TESTS = """
from tests.summary import COMPARED, MEASURED, pytest_terminal_summary

def test_one(record_property):
    record_property(COMPARED, ["leads", "olist", 1200])
    record_property(MEASURED, "soon enough")

def test_two(record_property):
    record_property(COMPARED, ["leads", "olist", 34])
    record_property("other", "not for the end")
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_the_sums_of_all_tests_are_told(tmp_path: Path, processes: int) -> None:
    (tmp_path / "conftest.py").write_text("from tests.summary import pytest_terminal_summary\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-n",
            str(processes),
            "test_it.py",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split() for line in done.stdout.splitlines() if "leads" in line] == [
        ["leads", "1,234"]
    ]
    assert "soon enough" in done.stdout.splitlines()


def test_the_table_has_sums() -> None:
    found = [("b", "x", 1), ("a", "y", 2), ("b", "x", 1_000)]
    assert [line.split() for line in table(found)] == [
        ["KPI", "x", "y"],
        ["a", "0", "2"],
        ["b", "1,001", "0"],
        ["2", "KPIs", "1,001", "2"],
    ]
