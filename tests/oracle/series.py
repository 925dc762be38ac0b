"""What the tables of real funnels are asked for: SQL aggregates, and the figures that they make.

The SQL stands over rows with the columns ``as_of`` and ``begins``, the ends of the window.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tests.oracle.oracle import Figure, Key, key


def inside(at: str) -> str:
    return f"coalesce({at} BETWEEN begins AND as_of, false)"


class Row:
    """The figures of one group of deals in one window; applies the rules of what may be shown."""

    def __init__(self, common: dict[str, str]) -> None:
        self.common = common
        self.total = "dimension" not in common
        self.figures: dict[Key, Figure] = {}

    def add(
        self, name: str, suffix: str, labels: dict[str, str], value: float, precision: str
    ) -> None:
        metric = f"funnel_{name}" + ("" if self.total else "_breakdown") + suffix
        self.figures[key(metric, self.common | labels)] = Figure(value, precision)


class Series(Protocol):
    """SQL aggregates over the deals of a group, and the figures that they make."""

    def columns(self) -> Sequence[str]: ...

    def show(self, row: Row, *values: Any) -> None: ...


class Count(NamedTuple):
    name: str
    labels: dict[str, str]
    n: str

    def columns(self) -> Sequence[str]:
        return (self.n,)

    def show(self, row: Row, *values: Any) -> None:
        (n,) = values
        if n or row.total:
            row.add(self.name, "", self.labels, n, "exact")


class Ratio(NamedTuple):
    name: str
    labels: dict[str, str]
    top: str
    base: str

    def columns(self) -> Sequence[str]:
        return (self.top, self.base)

    def show(self, row: Row, *values: Any) -> None:
        top, base = values
        if base:
            row.add(self.name, "", self.labels, top / base, "relative")
        if top or base or row.total:
            row.add(self.name, "_numerator", self.labels, top, "exact")
            row.add(self.name, "_denominator", self.labels, base, "exact")


class Mean(NamedTuple):
    """Of ``value``, over the deals that have it. ``unit``: what one is counted in."""

    name: str
    labels: dict[str, str]
    value: str
    at: str
    unit: int = 1
    precision: str = "relative"

    def columns(self) -> Sequence[str]:
        return (f"list({self.value}) FILTER ({self.value} IS NOT NULL AND {inside(self.at)})",)

    def show(self, row: Row, *values: Any) -> None:
        found = sorted(values[0] or ())
        n = len(found)
        if n or row.total:
            row.add(self.name, "_sum", self.labels, sum(found) / self.unit, self.precision)
            row.add(self.name, "_count", self.labels, n, "exact")
        if n:
            row.add(self.name, "", self.labels, sum(found) / n / self.unit, self.precision)
        if n and self.name.endswith("_seconds") and self.name != "open_age_seconds":
            for quantile, tenths in (("0.5", 5), ("0.9", 9)):
                labels = self.labels | {"quantile": quantile}
                ranked = found[-(-tenths * n // 10) - 1]
                precision = "relative" if n == 1 else "quantile"
                row.add(self.name, "_quantile", labels, ranked / self.unit, precision)


class Money(NamedTuple):
    name: str
    labels: dict[str, str]
    minor: str

    def columns(self) -> Sequence[str]:
        return (self.minor,)

    def show(self, row: Row, *values: Any) -> None:
        if values[0]:
            row.add(self.name, "", self.labels, values[0] / 100, "exact")


class Quotient(NamedTuple):
    """Of money by money or by a number, in one currency: shown where there is any."""

    name: str
    labels: dict[str, str]
    top: str
    base: str
    base_unit: int
    parts: tuple[str, str]

    def columns(self) -> Sequence[str]:
        return (self.top, self.base)

    def show(self, row: Row, *values: Any) -> None:
        top, base = values[0] or 0, values[1] or 0
        if base:
            row.add(self.name, "", self.labels, top / base * self.base_unit / 100, "relative")
        if top or base:
            row.add(self.name, self.parts[0], self.labels, top / 100, "exact")
            row.add(self.name, self.parts[1], self.labels, base / self.base_unit, "exact")


class Open(NamedTuple):
    """A label that is shown where it counts any."""

    name: str
    labels: dict[str, str]
    n: str

    def columns(self) -> Sequence[str]:
        return (self.n,)

    def show(self, row: Row, *values: Any) -> None:
        if values[0]:
            row.add(self.name, "", self.labels, values[0], "exact")


class Velocity(NamedTuple):
    """Deals open now by win ratio by mean value, by the mean days to win."""

    labels: dict[str, str]
    open_now: str

    def columns(self) -> Sequence[str]:
        won = inside("won")
        return (
            f"count(*) FILTER ({self.open_now})",
            f"count(*) FILTER ({won})",
            f"count(*) FILTER ({inside('lost')})",
            f"coalesce(sum(value) FILTER ({won}), 0)",
            f"count(value) FILTER ({won})",
            f"coalesce(sum(epoch(won) - epoch(lead)) FILTER ({won}), 0)",
        )

    def show(self, row: Row, *values: Any) -> None:
        open_now, won, lost, value, priced, seconds = values
        if value and seconds and won >= 5:
            mean_value, mean_days = value / 100 / priced, seconds / 86_400 / won
            velocity = open_now * (won / (won + lost)) * mean_value / mean_days
            row.add("pipeline_velocity", "", self.labels, velocity, "relative")


class WonPerDay(NamedTuple):
    """The value of the deals won in the window by the days of it that have passed."""

    labels: dict[str, str]

    def columns(self) -> Sequence[str]:
        return (
            f"coalesce(sum(value) FILTER ({inside('won')}), 0)",
            "max(epoch_us(as_of) - epoch_us(begins))",
        )

    def show(self, row: Row, *values: Any) -> None:
        value, passed = values
        if value:
            per_day = value / 100 / (passed / 86_400_000_000)
            row.add("won_value_per_day", "", self.labels, per_day, "relative")
