"""What a reader has to know about a view before drawing conclusions, in sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from funnel_stream import human
from funnel_stream.definition import Definition
from funnel_stream.definition.time import minutes_of
from funnel_stream.exposition.page.figures import Figure, other_currencies
from funnel_stream.exposition.page.funnel import ByKpi
from funnel_stream.exposition.page.special_cases import is_of_won_value
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
    zero_amounts: tuple[int, int],
    definition: Definition,
    kpis: Iterable[Kpi],
) -> list[Note]:
    """Notes on some KPIs of a view; ``won``: how long it takes to win a deal; ``zero_amounts``: how
    many deals were won with an amount of 0, and with any."""
    kpis = list(kpis)
    of_basis = any("basis" in kpi.form.labels for kpi in kpis)
    figures = [figure for kpi in kpis for figure in by_kpi[kpi.id]]
    return [
        *(_on_basis(view, won, definition) if of_basis else ()),
        *_on_money(figures, view, definition),
        *(_on_zeros(*zero_amounts) if any(is_of_won_value(kpi) for kpi in kpis) else ()),
    ]


def _on_basis(view: View, won: Figure, definition: Definition) -> Iterator[Note]:
    horizons = definition.horizons_of(view.pipeline)
    if view.basis == COHORT == view.default_basis:
        if not view.window.judges:
            why = "matured figures need a window of 24 h or more."
            yield Note(f"Shown on the cohort basis: {why}")
        else:
            why = f"no horizon is as short as {view.window.name}."
            yield Note(
                f"Shown on the cohort basis: {why} Add one under", _setting(view, definition)
            )
    half = won.quantiles.get("0.5", 0.0)
    if view.basis_labels["basis"] == MATURED and horizons:
        longest = max(horizons, key=minutes_of)
        if half > 60 * minutes_of(longest):
            yield Note(
                f"Winning a deal takes {human.seconds(half)} (median), longer than the longest "
                f"horizon ({longest}): most deals are won too late to show in matured "
                "conversions. Add a longer horizon under",
                _setting(view, definition),
            )


def _setting(view: View, definition: Definition) -> str:
    pipeline = definition.pipelines.get(view.pipeline)
    of_pipeline = pipeline is not None and pipeline.horizons is not None
    return f"pipelines.{view.pipeline}.horizons" if of_pipeline else "horizons"


def _on_money(figures: list[Figure], view: View, definition: Definition) -> Iterator[Note]:
    others = other_currencies(figures, view)
    if not others:
        return
    text = f"Money is shown in {view.currency} only; there is also money in {', '.join(others)}. "
    base = definition.base_currency
    if base is None:
        yield Note(text + "To add it all up, set a base currency and its rates:", _BASE)
    else:
        unknown = ", ".join(sorted({view.currency, *others} - {base}))
        yield Note(text + f"There is no rate to {base} for {unknown}. Add it under", "rates")


def _on_zeros(zeros: int, valued: int) -> Iterator[Note]:
    if 10 * zeros > valued:
        yield Note(
            f"{human.count(zeros)} of {human.count(valued)} won deals have an amount of 0: means "
            "and sums of won value include them. If 0 means unknown, leave the amount out."
        )


_BASE = "base_currency, rates"
