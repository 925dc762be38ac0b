"""How many KPI series a configuration makes on ``/metrics`` at most, and how that comes about."""

from typing import Final, NamedTuple

from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.samples import exported
from funnel_stream.kpis.scope import Part, Scope

MANY: Final = 10_000
"""Above this, Prometheus and whoever looks at it have much to carry for one funnel."""
NOW: Final = "now"


class SeriesBlock(NamedTuple):
    """The totals (``dimension`` is ``""``) or the breakdown of a pipeline by one dimension.

    ``values``: how many it has at most. ``each``: series of one value by window, and of now.
    """

    dimension: str
    values: int
    each: dict[str, int]

    @property
    def series(self) -> int:
        return self.values * sum(self.each.values())


class Estimate(NamedTuple):
    """The blocks of every configured pipeline, the series of the targets, and what every
    ``other`` pipeline would add."""

    pipelines: dict[str, list[SeriesBlock]]
    targets: int
    other: int

    @property
    def series(self) -> int:
        return self.targets + sum(map(_sum, self.pipelines.values()))


def estimate(definition: Definition) -> Estimate:
    """An upper bound: every dimension and open label (reason, problem …) has its full top N, the
    rest and the missing one; money is in the base currency, or else in two currencies."""
    pipelines = {pipeline: _blocks(definition, pipeline) for pipeline in definition.pipelines}
    targets = 2 * sum(map(exported(definition).has, definition.targets))
    return Estimate(pipelines, targets, _sum(_blocks(definition, "")))


def _sum(blocks: list[SeriesBlock]) -> int:
    return sum(block.series for block in blocks)


def _blocks(definition: Definition, pipeline: str) -> list[SeriesBlock]:
    selection = exported(definition)
    found = []
    for dimension, names in selection.blocks():
        scopes = {
            name: Scope(
                definition,
                pipeline,
                None if name == NOW else Window.named(name),
                {},
                now={},
                as_of=0,
                dimension=dimension,
                tops={},
                part=part,
            )
            for name, part in {**names, NOW: Part.ALL}.items()
        }
        each = {
            name: sum(_size(kpi, scope) for kpi in selection.of(dimension, scope.part))
            for name, scope in scopes.items()
        }
        found.append(SeriesBlock(dimension, _values(definition, dimension), each))
    return found


def _values(definition: Definition, dimension: str) -> int:
    return definition.top_n_in(dimension) + 2 if dimension else 1


def _size(kpi: Kpi, scope: Scope) -> int:
    return kpi.form.size(scope) if kpi.of_now == (scope.window is None) else 0
