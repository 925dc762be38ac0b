"""Queries: a figure now, in the period before, what has changed, and where it is to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

NO_FIGURE: Final = "NaN"
"""What stands where there is nothing to compare with, so that rows and bars keep their place."""

_OF_A_WORKER: Final = (
    "job",
    "instance",
    "namespace",
    "pod",
    "container",
    "service",
    "endpoint",
)
"""Labels that a scrape adds, in Kubernetes too."""


@dataclass(frozen=True)
class Figure:
    """The series of one metric that a panel is about.

    ``labels``: what tells them apart. ``where``: the labels that are fixed; a value that begins
    with ``~`` is a pattern. ``window``: the variable that names it; ``""`` for a figure of now.
    ``with_scope``: pipeline and window stay on the series, which data links read from there.
    ``over``: labels whose series are summed; of counts and of amounts, never of ratios.
    """

    metric: str
    labels: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    window: str = "$window"
    with_scope: bool = True
    over: tuple[str, ...] = ()

    def now(self) -> str:
        return self._at("")

    def before(self) -> str:
        """One window earlier. A figure of now has none: the chosen one is taken."""
        return self._at(f" offset {self.window or '$window'}")

    def by(self, *labels: str) -> "Figure":
        """Summed over its other labels."""
        return replace(self, labels=labels, over=tuple(n for n in self.labels if n not in labels))

    def bare(self) -> "Figure":
        """Without pipeline and window: for rows of a table, which are joined by their labels."""
        return replace(self, with_scope=False)

    def recorded(self, rule: str) -> "Figure":
        """What a recording rule made of it, under the same labels."""
        return replace(self, metric=f"pipeline:{self.metric}:{rule}")

    def _at(self, offset: str) -> str:
        selected = {"pipeline": "$pipeline"}
        if self.window:
            selected["window"] = self.window
        kept = (*selected, *self.labels) if self.with_scope else self.labels
        selected.update(self.where)
        # One worker reports at a time. Its successor's series differ in instance or pod alone:
        # without those they go on where the others ended, and can be compared with them.
        single = ", ".join((*kept, *self.over))
        series = f"max by ({single}) ({self.metric}{matchers(selected)}{offset})"
        return f"sum by ({', '.join(kept)}) ({series})" if self.over else series


def matchers(labels: Mapping[str, str]) -> str:
    """Labels in braces, ``~`` in front of a pattern."""
    return "{" + ",".join(_matcher(name, value) for name, value in labels.items()) + "}"


def _matcher(name: str, value: str) -> str:
    return f'{name}=~"{value[1:]}"' if value.startswith("~") else f'{name}="{value}"'


def marked(expr: str, mark: str) -> str:
    """The same series with the label ``period``, to tell them apart within one query."""
    return f'label_replace({expr}, "period", "{mark}", "", "")'


def first_of(*exprs: str) -> str:
    """Series of several queries in one; of equal labels the first one stays."""
    return " or ".join(exprs)


def ratio_change(figure: Figure) -> str:
    """By which share the figure has grown; nothing where there was none before."""
    return f"{figure.now()} / {figure.before()} - 1"


def difference(figure: Figure) -> str:
    """By how much the figure has grown; NaN where there was none before."""
    return f"({figure.now()} - {figure.before()}) or {figure.now()} * {NO_FIGURE}"


def with_zeros(figure: Figure, of: Figure) -> str:
    """A figure that has no series where nothing is configured, as 0 there."""
    return f"({figure.now()} or {of.now()} * 0)"


def single(selector: str) -> str:
    """Series with labels that are not known beforehand, whichever worker reports them."""
    return f"max without ({', '.join(_OF_A_WORKER)}) ({selector})"


def or_note(expr: str, label: str, note: str) -> str:
    """A note in a label where a query has no answer."""
    return f'({expr}) or on () label_replace(vector(NaN), "{label}", "{note}", "", "")'
