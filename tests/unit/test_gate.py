"""The gate runs lots side by side and loses none: ``.ci/lots``, and ``.ci/run`` that uses it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import wait_until

ROOT = Path(__file__).parents[2]
LOTS = ROOT / ".ci" / "lots"


def gate(script: str) -> "subprocess.Popen[str]":
    """A gate that consists of these lines."""
    return subprocess.Popen(
        ["bash", "-c", f". {LOTS}; begin\n{script}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(script: str) -> tuple[int, str]:
    process = gate(script)
    told, _ = process.communicate(timeout=60)
    return process.returncode, told


TWO = """
run one sh -c 'echo first of one; {one}' &
run two sh -c 'echo first of two; {two}' &
wait
finish one two
"""


@pytest.mark.parametrize(
    ("one", "two", "code", "verdicts"),
    [
        ("true", "true", 0, ["ok", "ok"]),
        ("exit 7", "true", 1, ["FAILED (7)", "ok"]),
        ("true", "kill $$", 1, ["ok", "FAILED (143)"]),
    ],
)
def test_one_failure_makes_it_red(one: str, two: str, code: int, verdicts: list[str]) -> None:
    found, told = ended(TWO.format(one=one, two=two))
    assert found == code
    assert re.findall(r"^(?:one|two) +(.*)$", told, re.MULTILINE) == verdicts


def test_a_lot_after_a_red_one_is_run_all_the_same() -> None:
    code, told = ended("{ run one false; run two echo still; } & wait; finish one two")
    assert code == 1
    assert re.search(r"^still$", told, re.MULTILINE)


def test_the_output_of_a_lot_is_whole_and_in_order(tmp_path: Path) -> None:
    """Even where another one speaks, and ends, in between."""
    gates = [tmp_path / "one", tmp_path / "two"]
    for each in gates:
        os.mkfifo(each)
    code, told = ended(
        f"run one sh -c 'echo 1a; echo > {gates[0]}; cat {gates[1]}; echo 1b >&2' &\n"
        f"run two sh -c 'cat {gates[0]}; echo 2a; echo 2b' &\n"
        f"wait %2; echo > {gates[1]}; wait; finish one two"
    )
    assert code == 0
    assert re.findall(r"^[12][ab]$", told, re.MULTILINE) == ["2a", "2b", "1a", "1b"]


def test_a_lot_that_never_ended_is_not_forgotten() -> None:
    code, told = ended("run one true; finish one two")
    assert code == 1
    assert re.search(r"^two +FAILED \(never ended\)$", told, re.MULTILINE)


def test_who_ends_the_gate_ends_its_lots(tmp_path: Path) -> None:
    started = tmp_path / "started"
    process = gate(f"run one sh -c 'echo $$ > {started}; sleep 600; true' & wait; finish one")
    pid = int(wait_until(lambda: started.exists() and started.read_text(), "the lot to start"))
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "= one: never ended" in told
    with pytest.raises(ProcessLookupError):
        wait_until(lambda: os.kill(pid, 0), "the lot to end", deadline=60)


SAYS = """import pathlib, sys, time
try: pathlib.Path(sys.argv[1]).touch(); time.sleep(600)
except KeyboardInterrupt: print("in its sleep", flush=True)"""


@pytest.mark.parametrize(
    ("hangs", "verdict"),
    [
        (SAYS, "ok"),
        (f"{SAYS}; raise SystemExit(2)", "FAILED (2)"),
        (f"{SAYS}; time.sleep(600)", "FAILED (never ended)"),
    ],
)
def test_a_lot_that_hangs_says_where(tmp_path: Path, hangs: str, verdict: str) -> None:
    sleeps = tmp_path / "sleeps"
    code, told = ended(
        f"run one {sys.executable} -c '{hangs}' {sleeps} & run two true & wait %2; "
        f"until [[ -e {sleeps} ]]; do sleep 0.1; done; within 0 5\nfinish one two"
    )
    assert code == (verdict != "ok")
    assert re.search(r"^in its sleep$", told, re.MULTILINE)
    assert re.findall(r"^(?:one|two) +(.*)$", told, re.MULTILINE) == [verdict, "ok"]


def test_every_lot_of_the_gate_is_asked_how_it_ended() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lots = re.findall(r"^ *run (\S+) ", text, re.MULTILINE)
    (asked,) = re.findall(r"^finish (.*)$", text, re.MULTILINE)
    assert sorted(lots) == sorted(asked.split())
    assert text.rstrip().splitlines()[-1].startswith("finish "), "its exit code is the gate's"
