"""Which figures the command line asks for: one window or all, totals or a breakdown, some KPIs."""

from collections.abc import Sequence
from typing import NamedTuple

from funnel_stream.definition import Definition
from funnel_stream.documents import suggest
from funnel_stream.errors import UsageError
from funnel_stream.kpis.catalogue import families
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.windows.tables import Snapshot


class FigureRequest(NamedTuple):
    """A selection. ``window`` and ``dimension`` as in ``samples``; ``kpis`` in the order of the
    catalogue (all, where none was named: ``named`` is false).

    ``definition`` has no other dimensions than those requested.
    """

    definition: Definition
    window: str | None
    dimension: str | None
    kpis: tuple[str, ...]
    named: bool

    def of_one(self) -> "FigureRequest":
        """The totals where no dimension was named: all of them would be more than anybody reads."""
        dimension = self.dimension or ""
        dimensions = (dimension,) if dimension else ()
        # What nobody asks for need not be summed up: with eight dimensions most of the work.
        definition = self.definition.model_copy(update={"dimensions": dimensions})
        return self._replace(definition=definition, dimension=dimension)

    @property
    def windows(self) -> tuple[str, ...]:
        return self.definition.windows if self.window is None else (self.window,)

    def samples(self, snapshot: Snapshot) -> list[Sample]:
        """The requested figures of a snapshot; all dimensions where none was named."""
        found = samples(snapshot, window=self.window, dimension=self.dimension)
        if not self.named:
            return found
        metrics = {family.name for family in families() if family.kpi in self.kpis}
        return [sample for sample in found if sample.metric in metrics]


def figure_request(
    definition: Definition, window: str | None, dimension: str | None, kpis: Sequence[str]
) -> FigureRequest:
    """The selection that options name. Raises ``UsageError`` where there is no such thing."""
    # Told before the events are read, not after.
    samples(Snapshot(definition, 0, {}, 0), window=window, dimension=dimension)
    known = tuple(dict.fromkeys(family.kpi for family in families()))
    requested = {name.removeprefix("funnel_") for name in kpis}
    for name in sorted(requested):
        if name not in known:
            raise UsageError(
                f"--kpi: there is no KPI {name!r}{suggest(name, known)}",
                hint="docs/kpis.md describes them all.",
            )
    chosen = tuple(name for name in known if name in requested or not requested)
    return FigureRequest(definition, window, dimension, chosen, bool(requested))
