"""Questions that tests by hand put to the oracle and to the package alike."""

from collections.abc import Callable, Mapping

from tests.oracle import oracle

NOON = "2025-06-15T12:00:00Z"
DAY = 86_400


class Figures:
    """Looks up one value; ``None`` where there is no series."""

    def __init__(self, values: Mapping[oracle.Key, float]) -> None:
        self._values = values

    def __call__(
        self, metric: str, window: str = "30d", pipeline: str = "default", **labels: str
    ) -> float | None:
        return self.now(metric, pipeline, window=window, **labels)

    def now(self, metric: str, pipeline: str = "default", **labels: str) -> float | None:
        """A KPI of the present: its labels say no window."""
        full = {"pipeline": pipeline} | labels
        return self._values.get(oracle.key(f"funnel_{metric}", full))

    def parts(self, metric: str, window: str = "30d", **labels: str) -> tuple[float | None, ...]:
        """Sum and count of a mean, numerator and denominator of a ratio."""
        sums = ("_sum", "_count") if f"funnel_{metric}_sum" in self.metrics() else (
            "_numerator", "_denominator")  # fmt: skip
        return tuple(self(metric + suffix, window, **labels) for suffix in sums)

    def metrics(self) -> set[str]:
        return {metric for metric, _ in self._values}

    def labelled(self, metric: str, label: str, **given: str) -> dict[str, float]:
        """Value by one label, of the series that have the given labels."""
        found = [(labels[label], value) for labels, value in self._having(metric, given)]
        assert len(dict(found)) == len(found), f"{metric}: more than one series by {label}"
        return dict(found)

    def total(self, metric: str, **given: str) -> float:
        return sum(value for _, value in self._having(metric, given))

    def _having(self, metric: str, given: dict[str, str]) -> list[tuple[dict[str, str], float]]:
        return [
            (dict(labels), value)
            for (name, labels), value in self._values.items()
            if name == f"funnel_{metric}" and given.items() <= dict(labels).items()
        ]


Ask = Callable[..., Figures]
"""``ask(lines, as_of=NOON, config=None)``"""
