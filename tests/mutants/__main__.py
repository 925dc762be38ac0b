"""``python -m tests.mutants``: put each fault into a copy of the core and see who notices.

Exit code 1 if a fault survives that has no excuse, or if the proof is incomplete.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS
from tests.mutants.layers import LAYERS, absent, rounds

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("src", "tests", "examples", "schemas", "docs", "pyproject.toml")
PACKAGE: Final = Path("src", "funnel_stream")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) tests/(\S+?\.py)(?:::(\S+))?", re.MULTILINE)

CAUGHT, HUNG, SURVIVED, BROKEN = "caught", "hung", "survived", "broken"
console = Console(soft_wrap=True, highlight=False)


@dataclass
class Verdict:
    """What a layer made of a fault; ``by``: the test that failed first."""

    outcome: str
    by: str = ""
    seconds: float = 0.0

    @property
    def noticed(self) -> bool:
        return self.outcome in (CAUGHT, HUNG)


@dataclass
class Result:
    """What all layers that were asked made of a fault."""

    name: str
    harm: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    excuse: str = ""

    @property
    def noticed_by(self) -> list[str]:
        return [layer for layer, verdict in self.verdicts.items() if verdict.noticed]

    @property
    def seconds(self) -> float:
        return sum(verdict.seconds for verdict in self.verdicts.values())

    @property
    def outcome(self) -> str:
        outcomes = [verdict.outcome for verdict in self.verdicts.values()]
        return next((each for each in (BROKEN, CAUGHT, HUNG) if each in outcomes), SURVIVED)


class Workshop:
    """Copies of the repository in a directory of their own; the working tree is never touched."""

    def __init__(self, directory: Path, answers: Path | None) -> None:
        self._directory = directory
        self._answers = (answers or directory / "answers").resolve()
        self._answers.mkdir(parents=True, exist_ok=True)
        self.sound = directory / "sound"
        _copy(ROOT, self.sound)

    def run(self, tree: Path, files: Iterable[str], *, limit: float, all_of_them: bool) -> Any:
        """pytest on some files of a copy, up to the first failure or ``all_of_them``."""
        command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-o", "addopts="]
        command += ["-p", "no:cacheprovider", "-p", "tests.mutants.settled"]
        command += [] if all_of_them else ["-x"]
        command += [f"tests/{file}" for file in files]
        surroundings = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
        }
        surroundings |= {
            "PYTHONPATH": str(tree / "src"),
            "PYTHONHASHSEED": "0",
            # Half of the time of a short run goes into plugins that none of these tests needs.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "FUNNEL_ORACLE_ANSWERS": str(self._answers),
            "COLUMNS": "400",
        }
        return subprocess.run(
            command, cwd=tree, env=surroundings, timeout=limit, capture_output=True, text=True
        )

    def with_fault(self, fault: Fault, ask: Callable[[Path], None]) -> None:
        """Put a fault into a fresh copy and ask something about it."""
        tree = self._directory / fault.name
        _copy(self.sound, tree)
        try:
            fault.put_into(tree / PACKAGE)
            ask(tree)
        finally:
            shutil.rmtree(tree, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            target.mkdir(exist_ok=True)
            shutil.copy2(source / name, target / name)


def sound_layers(
    workshop: Workshop, wanted: Iterable[str], jobs: int
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The layers' files that pass without any fault, and what is wrong with the others."""

    def check(layer: str) -> tuple[str, str]:
        done = workshop.run(workshop.sound, LAYERS[layer], limit=3600, all_of_them=True)
        return layer, done.stdout if done.returncode in (0, 1, 2) else done.stdout + done.stderr

    layers, wrong = {}, []
    with ThreadPoolExecutor(jobs) as pool:
        for layer, output in pool.map(check, wanted):
            failing = dict(_FAILED.findall(output))
            if not re.search(r"\d+ passed", output):
                failing |= dict.fromkeys(LAYERS[layer], "")
                wrong.append(f"{layer}: {output[-2000:]}")
            wrong += [f"{file} fails without any fault: {test}" for file, test in failing.items()]
            if files := tuple(file for file in LAYERS[layer] if file not in failing):
                layers[layer] = files
            console.print(f"without a fault: {layer}: {output.strip().splitlines()[-1]}")
    return layers, wrong


def judge(
    workshop: Workshop,
    fault: Fault,
    layers: dict[str, tuple[str, ...]],
    *,
    limit: float,
    each_layer: bool,
) -> Result:
    """Ask the layers about a fault, in their order: until one notices it, or each of them."""
    result = Result(fault.name, fault.harm, excuse=fault.excuse)

    def ask(tree: Path) -> None:
        for layer, files in layers.items():
            result.verdicts[layer] = _verdict(workshop, tree, rounds(fault, files), limit)
            if result.verdicts[layer].outcome != SURVIVED and not each_layer:
                return

    workshop.with_fault(fault, ask)
    return result


def _verdict(workshop: Workshop, tree: Path, lots: list[list[str]], limit: float) -> Verdict:
    begun = time.monotonic()
    outcome, by = SURVIVED, ""
    for files in lots:
        try:
            done = workshop.run(tree, files, limit=limit, all_of_them=False)
        except subprocess.TimeoutExpired:
            outcome = HUNG
            break
        if done.returncode == 0:
            continue
        failed = _FAILED.search(done.stdout)
        by = "::".join(part for part in failed.groups() if part) if failed else ""
        # A fault that cannot be imported, or tests that cannot be found, prove nothing.
        outcome = CAUGHT if done.returncode == 1 and by else BROKEN
        by = by if outcome == CAUGHT else (done.stdout + done.stderr)[-1500:]
        break
    return Verdict(outcome, by, time.monotonic() - begun)


def _write(path: Path, results: Iterable[Result]) -> None:
    verdicts = [asdict(result) for result in results]
    path.write_text(json.dumps(verdicts, indent=1, ensure_ascii=False), encoding="utf-8")


def report(results: list[Result], layers: Iterable[str]) -> None:
    """Every fault with the first test that noticed it, by layer, and the sums."""
    table = Table("fault", *layers, title="Faults in the core, and who notices them")
    for result in results:
        cells = [
            verdict.by.rpartition("/")[2] or verdict.outcome
            if (verdict := result.verdicts.get(layer))
            else ""
            for layer in layers
        ]
        table.add_row(result.name, *cells)
    console.print(table)
    outcomes = Counter(result.outcome for result in results)
    sums = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
    console.print(f"{len(results)} faults: {sums}")
    for layer in layers:
        noticed = sum(layer in result.noticed_by for result in results)
        asked = sum(layer in result.verdicts for result in results)
        console.print(f"  {layer}: {noticed} of {asked} that it was asked about")
    for result in results:
        if result.outcome == SURVIVED:
            console.print(f"SURVIVED {result.name}: {result.harm} {result.excuse or '(no excuse)'}")
        elif result.excuse:
            console.print(f"{result.name} is noticed, it needs no excuse any more")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="faults with that in their name or file"
    )
    parser.add_argument(
        "--layers",
        default=",".join(LAYERS),
        help=f"which layers are asked, in that order (default: {','.join(LAYERS)})",
    )
    parser.add_argument(
        "--each-layer", action="store_true", help="ask every layer, also if one noticed already"
    )
    parser.add_argument("--jobs", type=int, default=2, help="faults judged at a time (default: 2)")
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds after which tests hang (default: 600)"
    )
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="DIR",
        help="keep there what the oracle says",
    )
    parser.add_argument(
        "--unchecked", action="store_true", help="do not look first whether the tests pass at all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts there")
    given = parser.parse_args()
    given.layers = given.layers.split(",")
    if unknown := set(given.layers) - set(LAYERS):
        parser.error(f"there is no layer {', '.join(unknown)}; there are {', '.join(LAYERS)}")
    return given


def main() -> int:
    given = arguments()
    faults = [
        fault
        for fault in FAULTS
        if not given.only or any(part in f"{fault.name} {fault.file}" for part in given.only)
    ]
    misfits = [why for fault in faults if (why := fault.misfit(ROOT / PACKAGE))]
    misfits += [f"there is no tests/{file}" for file in absent(ROOT / "tests")]
    if misfits or not faults:
        console.print("\n".join(misfits) or "there is no such fault", style="bold red")
        return 1
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        workshop = Workshop(Path(directory), given.answers)
        if given.unchecked:
            layers, wrong = {layer: LAYERS[layer] for layer in given.layers}, []
        else:
            layers, wrong = sound_layers(workshop, given.layers, given.jobs)
        for why in wrong:
            console.print(f"LEFT OUT: {why}", style="bold red")
        found = {}
        with ThreadPoolExecutor(given.jobs) as pool:
            pending = [
                pool.submit(
                    judge, workshop, f, layers, limit=given.limit, each_layer=given.each_layer
                )
                for f in faults
            ]
            for number, future in enumerate(as_completed(pending), start=1):
                result = future.result()
                found[result.name] = result
                if given.json:
                    _write(given.json, found.values())
                noticed = ", ".join(result.noticed_by) or "nobody"
                console.print(
                    f"[{number}/{len(faults)}] {result.name}: {result.outcome} by {noticed}"
                    f" in {result.seconds:.0f} s",
                    markup=False,
                )
    results = [found[fault.name] for fault in faults]
    report(results, layers)
    console.print(f"{time.monotonic() - begun:.0f} s")
    bad = [r for r in results if r.outcome == BROKEN or (r.outcome == SURVIVED and not r.excuse)]
    return 1 if wrong or bad else 0


if __name__ == "__main__":
    sys.exit(main())
