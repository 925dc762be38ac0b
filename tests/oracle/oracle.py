"""The KPIs a second time, by SQL over a file of events, and the comparison of two answers.

``python -m tests.oracle.oracle EVENTS.ndjson --as-of T [--config funnel.yaml]`` prints the figures
as ``compute --json`` would. The SQL follows the definitions in the documentation and shares nothing
with the package, so that an error has to be made twice to pass unseen: ``settings.sql`` (what is
configured), ``reading.sql`` (what is an event), ``facts.sql`` (what a deal adds), ``figures.sql``
(windows, breakdowns and the catalogue).
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import yaml

from tests.oracle.settings import Settings

HERE = Path(__file__).parent

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]

RELATIVE = 1e-9
QUANTILE = 0.02
TOLERANCES = {
    "exact": (0.0, 0.0),
    "relative": (RELATIVE, 0.0),
    # A sum of quotients that may cancel out: a hundred of them, each kept to 12 decimals.
    "discount": (RELATIVE, 1e-11),
    "quantile": (QUANTILE, 0.0),
    "inverse quantile": (QUANTILE / (1 - QUANTILE), 0.0),
}
"""Relative and absolute; the greater one holds."""

SUFFIXES = ("_numerator", "_denominator", "_sum", "_count", "_quantile", "_breakdown")

COMPARED: Counter[tuple[str, str]] = Counter()
"""How many figures were compared since the start, by KPI and source."""


class Figure(NamedTuple):
    """An expected value and how exactly it must be met: one of ``TOLERANCES``."""

    value: float
    precision: str

    def agrees(self, value: float) -> bool:
        relative, absolute = TOLERANCES[self.precision]
        return abs(value - self.value) <= max(relative * abs(self.value), absolute)


class Quotient(NamedTuple):
    """A figure before the division."""

    top: int
    bottom: int
    precision: str

    @property
    def value(self) -> Fraction:
        return Fraction(self.top, self.bottom)

    @classmethod
    def of(cls, value: Fraction, precision: str) -> "Quotient":
        return cls(value.numerator, value.denominator, precision)


def key(metric: str, labels: Mapping[str, str]) -> Key:
    return metric, tuple(sorted(labels.items()))


def microseconds(instant: str) -> int:
    """RFC 3339 with an offset to microseconds since the epoch, in integers."""
    moment = datetime.fromisoformat(instant)
    if moment.tzinfo is None:
        raise ValueError(f"{instant} has no offset")
    since = moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def figures(events: Path, as_of: str, config: Mapping[str, Any] | None = None) -> dict[Key, Figure]:
    """Every figure of the file of events as of an instant.

    ``config`` is what stands in ``funnel.yaml``; what it leaves out is as documented.
    """
    settings = Settings(config or {})
    with duckdb.connect() as database:
        database.create_function("casefold", casefold)
        database.execute("SET VARIABLE events_path = $1", [str(events)])
        database.execute("SET VARIABLE as_of_us = $1::BIGINT", [microseconds(as_of)])
        database.execute("SET VARIABLE now_us = $1::BIGINT", [time.time_ns() // 1000])
        run(database, "settings.sql")
        settings.fill(database)
        run(database, "reading.sql")
        run(database, "facts.sql")
        run(database, "figures.sql")
        exact = read_figures(database)
    exact |= targets(exact, settings)
    return {name: Figure(q.top / q.bottom, q.precision) for name, q in exact.items()}


def casefold(text: str) -> str:
    """Without the difference between upper and lower case; DuckDB knows ``lower`` alone."""
    return text.casefold()


def run(database: duckdb.DuckDBPyConnection, script: str) -> None:
    database.execute((HERE / script).read_text(encoding="utf-8"))


def read_figures(database: duckdb.DuckDBPyConnection) -> dict[Key, Quotient]:
    """The table ``figures``; none may repeat."""
    rows = database.execute(
        "SELECT place, kpi, suffix, to_json(labels)::VARCHAR, numerator, denominator, precision"
        " FROM figures"
    ).fetchall()
    own_labels = cache(json.loads)
    result: dict[Key, Quotient] = {}
    for place, kpi, suffix, own, numerator, denominator, precision in rows:
        labels = own_labels(own) | {"pipeline": place["pipeline"]}
        if place["window"] != "now":
            labels["window"] = place["window"]
        if place["dimension"]:
            kpi += "_breakdown"
            labels |= {"dimension": place["dimension"], "value": place["value"]}
        result[key(kpi + suffix, labels)] = Quotient(int(numerator), int(denominator), precision)
    assert len(result) == len(rows), "the oracle itself gives a series twice"
    return result


def targets(exact: Mapping[Key, Quotient], settings: Settings) -> dict[Key, Quotient]:
    """Every configured target, and how far it is attained where its KPI has a series."""
    result: dict[Key, Quotient] = {}
    for target in settings.targets:
        cut = "_breakdown" if "dimension" in target.labels else ""
        part = "_quantile" if "quantile" in target.labels else ""
        labels = {"pipeline": target.pipeline} | target.labels
        if target.window is not None:
            labels["window"] = target.window
        named = labels | {"kpi": target.kpi}
        result[key(f"funnel_target{cut}", named)] = Quotient.of(target.value, "exact")
        found = exact.get(key(f"funnel_{target.kpi}{cut}{part}", labels))
        if found is None or target.value == 0 or (target.at == "most" and found.value == 0):
            continue
        attained = (
            found.value / target.value if target.at == "least" else target.value / found.value
        )
        inverse = target.at == "most" and found.precision == "quantile"
        precision = "inverse quantile" if inverse else found.precision
        result[key(f"funnel_target_attainment_ratio{cut}", named)] = Quotient.of(
            attained, "relative" if precision == "exact" else precision
        )
    return result


def instants(events: Path) -> list[datetime]:
    """When the events of a file occurred, line by line; lines that do not say it are left out."""
    texts = (json.loads(line) for line in events.read_text(encoding="utf-8").splitlines())
    return [datetime.fromisoformat(e["occurred_at"]) for e in texts if "occurred_at" in e]


def family(metric: str) -> str:
    """The KPI that a metric belongs to: its name without suffixes."""
    for suffix in SUFFIXES:
        metric = metric.removesuffix(suffix)
    return metric


def compare(
    expected: Mapping[Key, Figure],
    answer: Iterable[Mapping[str, Any]],
    *,
    only: Callable[[Key], bool] = lambda _: True,
    shown: int = 20,
    source: str | None = None,
) -> int:
    """Hold an answer (``compute --json``, ``/api/kpis``) against the expected figures, both ways.

    Every expected figure must be in the answer, and nothing else may be; ``only`` restricts both
    sides. Returns (and prints) how many figures were compared; fails with the first differing
    ones. ``source``: where the events came from; it has a column in the table at the end of the
    tests.
    """
    got: dict[Key, float] = {}
    differences: list[tuple[Key, str]] = []
    for sample in answer:
        name = key(sample["metric"], sample["labels"])
        if only(name):
            if name in got:
                differences.append((name, "is there twice"))
            got[name] = sample["value"]
    wanted = {name: figure for name, figure in expected.items() if only(name)}
    differences += [
        (name, f"is missing, expected {wanted[name].value!r}")
        for name in wanted.keys() - got.keys()
    ]
    differences += [
        (name, f"is too much: got {got[name]!r}, expected no series")
        for name in got.keys() - wanted.keys()
    ]
    for name, figure in wanted.items():
        if name in got and not figure.agrees(got[name]):
            differences.append(
                (name, f"got {got[name]!r}, expected {figure.value!r} ({figure.precision})")
            )
    if differences:
        first = [f"{describe(name)}: {what}" for name, what in sorted(differences)[:shown]]
        raise AssertionError(
            f"{len(differences)} differences in {len(wanted)} expected figures, the first:\n"
            + "\n".join(first)
        )
    assert wanted, "nothing was compared"
    if source is not None:
        COMPARED.update((family(metric), source) for metric, _ in wanted)
    print(f"{len(wanted)} figures equal")
    return len(wanted)


def samples(figures: Mapping[Key, Figure]) -> list[dict[str, Any]]:
    """Figures in the form of an answer."""
    return [
        {"metric": metric, "labels": dict(labels), "value": figure.value}
        for (metric, labels), figure in sorted(figures.items())
    ]


def describe(name: Key) -> str:
    metric, labels = name
    return metric + "{" + ", ".join(f"{k}={v!r}" for k, v in labels) + "}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    config = arguments.config and yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    answer = samples(figures(arguments.events, arguments.as_of, config))
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
