"""What stands in ``funnel.yaml``, for the oracle: read and defaulted apart from the package."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

import duckdb

DIMENSIONS = (
    "channel", "source", "contact_trigger", "product", "industry", "segment", "owner",
    "closing_document",
)  # fmt: skip
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}

Rows = list[tuple[Any, ...]]


class Target(NamedTuple):
    kpi: str
    value: Fraction
    at: str
    window: str | None
    pipeline: str
    labels: dict[str, str]


def length(text: str) -> int:
    """Microseconds of ``24h``."""
    return int(text[:-1]) * UNITS[text[-1]]


def pane(window: int) -> int:
    """The size of the panes of a window of a length: minutes to 2 h, hours to 35 d, then days."""
    return MINUTE if window <= 2 * HOUR else HOUR if window <= 35 * DAY else DAY


def as_written(number: Any) -> Fraction:
    """A number of the YAML file: its digits are meant, not the binary float."""
    return Fraction(str(number))


class Settings:
    """The tables of ``settings.sql``."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.own: dict[str, dict[str, Any]] = {
            name: settings or {}
            for name, settings in config.get("pipelines", {"default": {}}).items()
        }
        self.targets = [
            Target(
                t["kpi"],
                as_written(t["value"]),
                t.get("at", "least"),
                t.get("window"),
                t.get("pipeline", "default"),
                t.get("labels", {}),
            )
            for t in config.get("targets", [])
        ]

    def fill(self, database: duckdb.DuckDBPyConnection) -> None:
        get = self.config.get
        for name, value in (
            ("top_n", get("top_n", 20)),
            ("activity_horizon_us", length(get("activity_horizon", "30d"))),
            ("retention_us", get("closed_retention_days", 400) * DAY),
        ):
            database.execute(f"SET VARIABLE {name} = {value}::BIGINT")
        database.execute("SET VARIABLE base_currency = $1", [get("base_currency")])
        for table, rows in self.tables().items():
            if rows:
                row = f"({', '.join('?' * len(rows[0]))})"
                places = ", ".join([row] * len(rows))
                database.execute(f"INSERT INTO {table} VALUES {places}", list(chain(*rows)))

    def tables(self) -> dict[str, Rows]:
        get = self.config.get
        windows = get("windows", ("1h", "24h", "7d", "30d", "365d"))
        return {
            "pipelines": [(name,) for name in self.own],
            "aliases": [("", *alias) for alias in get("aliases", {}).items()]
            + [
                (name, *alias)
                for name, own in self.own.items()
                for alias in own.get("aliases", {}).items()
            ],
            "windows": [(w, length(w), pane(length(w))) for w in windows],
            "dimensions": list(self._dimensions(get("dimensions", DIMENSIONS))),
            "horizons": [
                (name, horizon, length(horizon))
                for name, horizons in self._by_pipeline("horizons", ("1d", "7d", "30d"))
                for horizon in horizons
            ],
            "stuck_limits": [
                (name, stage, length(limit))
                for name, limits in self._by_pipeline("stuck_after", {})
                for stage, limit in limits.items()
            ],
            "top_n_of": list(get("top_n_of", {}).items()),
            "value_aliases": [
                (name, *alias)
                for name, own in get("values", {}).items()
                for alias in own.get("aliases", {}).items()
            ],
            "case_folded": [
                (name,) for name, own in get("values", {}).items() if own.get("fold_case")
            ],
            "first_touched": [
                (name,) for name, own in get("values", {}).items() if own.get("keep") == "first"
            ],
            "rates": [
                (currency, day if isinstance(day, date) else date.fromisoformat(day),
                 *as_written(rate).as_integer_ratio())
                for currency, rates in get("rates", {}).items()
                for day, rate in rates.items()
            ],
        }  # fmt: skip

    def _by_pipeline(self, setting: str, default: Any) -> Iterator[tuple[str, Any]]:
        """A setting of all pipelines (as ''), and what each configured one makes of it."""
        common = self.config.get(setting, default)
        yield "", common
        for name, own in self.own.items():
            found = own.get(setting)
            yield name, common if found is None else found

    @staticmethod
    def _dimensions(names: Any) -> Iterator[tuple[str, str, int]]:
        for name in names:
            parts = re.split(r"\s*[+×]\s*", name.strip())
            for position, part in enumerate(parts):
                yield "+".join(parts), part, position
