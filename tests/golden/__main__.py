"""Every figure of twelve funnels as digests, which a change of the house leaves as they are.

``python -m tests.golden`` compares with ``digests.json`` and says what differs;
``--write`` records. Facts, samples, contributions and explanations, as of three instants
each, and the generated files.
"""

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml

from funnel_stream.answers.explanation import as_json, explain
from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.journey import first_at
from funnel_stream.facts.measures import CELLS
from funnel_stream.facts.rules import FactRules
from funnel_stream.kpis.contributions import contributions
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import batches, deals_of_file
from funnel_stream.tools.importer import Import
from funnel_stream.tools.mapping import load as load_mapping
from funnel_stream.tools.simulator import Simulator
from funnel_stream.windows.tables import WindowTables
from tests.conftest import SOURCES, data_folder
from tests.oracle.funnels import RandomFunnel

ROOT: Final = Path(__file__).parents[2]
RECORDED: Final = Path(__file__).with_name("digests.json")
RICH: Final = ROOT / "tests" / "oracle" / "rich.yaml"
END: Final = datetime(2026, 3, 31, 12, 34, tzinfo=UTC)
NOW_MS: Final = 1_800_000_000_000
GENERATED: Final = ("schemas", "deploy", "docs/kpis.md", "docs/configuration.md")
REAL: Final = ("olist", "maven_crm")
UNUSED: Final = ("data_dictionary.csv", "sales_teams.csv")
INSTANTS: Final = (1.0, 0.7, 0.25)
"""As of which parts of the time between the first event and the last."""


def funnels() -> Iterator[tuple[str, list[bytes], Definition]]:
    """Names, events and definitions of two real and ten simulated funnels."""
    for name in REAL:
        mapping = load_mapping(ROOT / "examples" / f"{name}.yaml")
        tables = [
            path for path in sorted(data_folder(name).glob("*.csv")) if path.name not in UNUSED
        ]
        yield name, list(Import(mapping, tables).lines()), Definition()
    shop = load(ROOT / "examples" / "funnel.yaml")
    for seed in range(5):
        simulator = Simulator(start=END - timedelta(days=120), deals_per_day=12, seed=seed)
        yield f"simulated {seed}", list(simulator.history(END)), shop
    rich = load(RICH)
    configured = yaml.safe_load(RICH.read_text())
    for seed in range(5):
        funnel = RandomFunnel(seed, deals=120, end=END, days=400, config=configured)
        lines = [line if isinstance(line, str) else json.dumps(line) for line in funnel.lines()]
        yield f"random {seed}", [line.encode() for line in lines], rich


def texts(lines: list[bytes], definition: Definition) -> Iterator[tuple[str, str]]:
    """All that is known of a funnel: what kind of thing, and its text."""
    deals = folded(lines, definition, None)
    for block in deals.snapshot():
        columns = (block.combination, block.cell, block.minute, block.weight)
        for owner, cell, minute, weight in zip(*map(list, columns), strict=True):
            fact = [block.combinations[owner], CELLS[cell], int(minute), int(weight)]
            yield "facts", json.dumps(fact)
        for spend, times in block.spends:
            yield "facts", json.dumps([*spend, times])
    first = min(first_at(deals.row(name) or b"") for name in named(deals))
    for part in INSTANTS:
        as_of = first + round((deals.watermark - first) * part)
        yield from figures(folded(lines, definition, as_of), definition, as_of)


def folded(lines: list[bytes], definition: Definition, until: int | None) -> Deals:
    deals = deals_of_file(definition)
    for records in batches(lines, NOW_MS):
        deals.fold(records, until=until)
    return deals


def figures(deals: Deals, definition: Definition, as_of: int) -> Iterator[tuple[str, str]]:
    tables = WindowTables(definition)
    tables.replace(0, deals.snapshot())
    tables.advance(as_of)
    for name, labels, value in samples(tables.snapshot()):
        yield "samples", json.dumps([as_of, name, sorted(labels.items()), value])
    rules = FactRules(definition)
    for name in named(deals):
        row = deals.row(name) or b""
        for life in rules.lives(row):
            pipeline = rules.combination(life)[0]
            for one in contributions(rules.facts(life), definition, pipeline, as_of):
                text = [one.kpi.id, one.suffix, one.labels, one.minute, one.weight, one.scale]
                yield "contributions", json.dumps([name.decode(), *text, one.panes, one.stays])
        explanation = explain(name.decode(), row, definition, as_of)
        yield "explanations", as_json(explanation).decode()


def named(deals: Deals) -> list[bytes]:
    return sorted(name for name in deals.names() if deals.row(name))


class Digest:
    """Of texts in whatever order: the sum of their hashes."""

    def __init__(self) -> None:
        self.texts = 0
        self._sum = 0

    def add(self, text: str) -> None:
        self.texts += 1
        self._sum += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())

    def __str__(self) -> str:
        return f"{self._sum % (1 << 128):032x}"


def found() -> dict[str, str]:
    """What each digest is of → how many texts, and their digest."""
    digests: dict[str, Digest] = defaultdict(Digest)
    for name, lines, definition in funnels():
        for kind, text in texts(lines, definition):
            digests[f"{kind} of {name}"].add(text)
        print(name, file=sys.stderr)
    for name in GENERATED:
        for path in sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]:
            if path.is_file():
                digests[str(path.relative_to(ROOT))].add(path.read_text())
    return {what: f"{one.texts} {one}" for what, one in digests.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record what is found")
    given = parser.parse_args()
    for name in REAL:
        if not data_folder(name).is_dir():
            parser.error(f"needs the public data set «{SOURCES[name]}» in $FUNNEL_TEST_DATA/{name}")
    now = found()
    if given.write:
        RECORDED.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    before = json.loads(RECORDED.read_text())
    differing = [name for name in before | now if before.get(name) != now.get(name)]
    print(*differing or ["all as it was"], sep="\n")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
