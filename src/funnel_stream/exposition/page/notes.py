"""What a reader has to know of a view before he concludes anything from it, in sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from funnel_stream import human
from funnel_stream.definition import Definition
from funnel_stream.definition.time import minutes_of
from funnel_stream.exposition.page.figures import Figure, other_currencies
from funnel_stream.exposition.page.funnel import ByKpi
from funnel_stream.exposition.page.particulars import is_of_won_value
from funnel_stream.exposition.page.view import COHORT, View
from funnel_stream.facts.measures import MATURED
from funnel_stream.kpis.kpi import Kpi


@dataclass(frozen=True)
class Note:
    """A sentence or two; ``setting``: that of ``funnel.yaml`` by which it can be changed."""

    text: str
    setting: str = ""


def notes(
    view: View,
    by_kpi: ByKpi,
    won: Figure,
    for_nothing: tuple[int, int],
    definition: Definition,
    kpis: Iterable[Kpi],
) -> list[Note]:
    """Notes on some KPIs of a view; ``won``: how long it takes to win a deal; ``for_nothing``: how
    many deals were won with an amount of 0, and with any."""
    kpis = list(kpis)
    of_basis = any("basis" in kpi.form.labels for kpi in kpis)
    figures = [figure for kpi in kpis for figure in by_kpi[kpi.id]]
    return [
        *(_on_basis(view, won, definition) if of_basis else ()),
        *_on_money(figures, view, definition),
        *(_on_zeros(*for_nothing) if any(is_of_won_value(kpi) for kpi in kpis) else ()),
    ]


def _on_basis(view: View, won: Figure, definition: Definition) -> Iterator[Note]:
    horizons = definition.horizons_of(view.pipeline)
    if view.basis == COHORT == view.usual_basis:
        if not view.window.judges:
            why = "matured figures need a window of 24 h or more."
            yield Note(f"Shown on basis cohort: {why}")
        else:
            why = f"no horizon is as short as {view.window.name}."
            yield Note(f"Shown on basis cohort: {why} Add one:", _setting(view, definition))
    half = won.quantiles.get("0.5", 0.0)
    if view.basis_labels["basis"] == MATURED and horizons:
        longest = max(horizons, key=minutes_of)
        if half > 60 * minutes_of(longest):
            yield Note(
                f"It takes {human.seconds(half)} (median) to win a deal, longer than the largest "
                f"horizon ({longest}): most are won too late to be seen in matured conversions. "
                "Add a longer horizon:",
                _setting(view, definition),
            )


def _setting(view: View, definition: Definition) -> str:
    own = definition.pipelines.get(view.pipeline)
    of_pipeline = own is not None and own.horizons is not None
    return f"pipelines.{view.pipeline}.horizons" if of_pipeline else "horizons"


def _on_money(figures: list[Figure], view: View, definition: Definition) -> Iterator[Note]:
    others = other_currencies(figures, view)
    if not others:
        return
    text = f"Money is shown in {view.currency} only; there is also some in {', '.join(others)}. "
    base = definition.base_currency
    if base is None:
        yield Note(text + "To add all of it up, set one currency and its rates:", _BASE)
    else:
        unknown = ", ".join(sorted({view.currency, *others} - {base}))
        yield Note(text + f"No rate to {base} is known for {unknown}. Add it:", "rates")


def _on_zeros(zeros: int, valued: int) -> Iterator[Note]:
    if 10 * zeros > valued:
        yield Note(
            f"{human.count(zeros)} of {human.count(valued)} won deals have an amount of 0: means "
            "and sums of won value contain them. If 0 stands for unknown, leave the amount out."
        )


_BASE = "base_currency, rates"
