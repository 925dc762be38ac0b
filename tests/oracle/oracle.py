"""The KPIs a second time, by SQL over a file of events, and the comparison of two answers.

``python tests/oracle/oracle.py EVENTS.ndjson --as-of T`` prints the figures as ``compute --json``
would.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

SQL = Path(__file__).with_name("oracle.sql")

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]

RELATIVE = 1e-9
QUANTILE = 0.02


class Figure(NamedTuple):
    """An expected value and how exactly it must be met: ``exact``, ``relative``, ``quantile``."""

    value: float
    precision: str

    def agrees(self, value: float) -> bool:
        tolerance = {"exact": 0.0, "relative": RELATIVE, "quantile": QUANTILE}[self.precision]
        return abs(value - self.value) <= tolerance * abs(self.value)


class UndecidableError(ValueError):
    """The file holds an erasure for which its order does not say what came before."""


def key(metric: str, labels: Mapping[str, str]) -> Key:
    return metric, tuple(sorted(labels.items()))


def microseconds(instant: str) -> int:
    """RFC 3339 with an offset to microseconds since the epoch, in integers."""
    moment = datetime.fromisoformat(instant)
    if moment.tzinfo is None:
        raise ValueError(f"{instant} has no offset")
    since = moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def figures(events: Path, as_of: str) -> dict[Key, Figure]:
    """Every figure of the file of events as of an instant."""
    with duckdb.connect() as database:
        database.execute("SET VARIABLE events_path = $1", [str(events)])
        database.execute("SET VARIABLE as_of_us = $1::BIGINT", [microseconds(as_of)])
        database.execute("SET VARIABLE now_us = $1::BIGINT", [time.time_ns() // 1000])
        database.execute(SQL.read_text(encoding="utf-8"))
        if database.execute("SELECT bool_or(undecided) FROM events").fetchall() == [(True,)]:
            raise UndecidableError(f"{events}: did these events occur before their erasure?")
        return read_figures(database)


def instants(events: Path) -> list[datetime]:
    """When the events of a file occurred, line by line; lines that do not say it are left out."""
    texts = (json.loads(line) for line in events.read_text(encoding="utf-8").splitlines())
    return [datetime.fromisoformat(e["occurred_at"]) for e in texts if "occurred_at" in e]


def read_figures(database: duckdb.DuckDBPyConnection) -> dict[Key, Figure]:
    """The table figures(metric, labels, numerator, denominator, precision); none may repeat."""
    rows = database.execute(
        "SELECT metric, to_json(labels)::VARCHAR, numerator, denominator, precision FROM figures"
    ).fetchall()
    result = {
        key(metric, json.loads(labels)): Figure(int(numerator) / int(denominator), precision)
        for metric, labels, numerator, denominator, precision in rows
    }
    assert len(result) == len(rows), "the oracle itself gives a series twice"
    return result


def compare(
    expected: Mapping[Key, Figure],
    answer: Iterable[Mapping[str, Any]],
    *,
    only: Callable[[Key], bool] = lambda _: True,
    shown: int = 20,
) -> int:
    """Hold an answer (``compute --json``, ``/api/kpis``) against the expected figures, both ways.

    Every expected figure must be in the answer, and nothing else may be; ``only`` restricts both
    sides. Returns (and prints) how many figures were compared; fails with the first differing
    ones.
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
    arguments = parser.parse_args()
    print(json.dumps(samples(figures(arguments.events, arguments.as_of)), indent=1))


if __name__ == "__main__":
    main()
