"""Figures on a page, by the name of their series, as a reader can check them against the API."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from playwright.sync_api import Page
from prometheus_client.parser import text_string_to_metric_families

from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.kpi import Kpi
from tests.integration.processes import Figures, Worker

Series = tuple[str, frozenset[tuple[str, str]]]

_SCALES: Final = {
    "": 1.0,
    "%": 0.01,
    "d": 86_400.0,
    "h": 3_600.0,
    "min": 60.0,
    "s": 1.0,
    "ms": 0.001,
}
_WRITTEN: Final = re.compile(r"(-?)([\d,]+)(?:\.(\d+))?(?: (%|d|h|min|s|ms))?")
BY_ID: Final = {kpi.id: kpi for kpi in KPIS}
_APART: Final = ("basis", "horizon", "currency")


class Shown(NamedTuple):
    """A figure on a page: its series, its value to the last digit, and what people read."""

    series: Series
    value: float
    text: str

    def is_written_right(self) -> bool:
        """Whether the text is the value, rounded to the digits that it has."""
        match = _WRITTEN.fullmatch(self.text)
        if match is None:
            return False
        sign, whole, decimals, unit = match.groups()
        scale = _SCALES[unit or ""]
        number = float(f"{sign}{whole.replace(',', '')}.{decimals or 0}") * scale
        half = 0.5 * 10.0 ** -len(decimals or "") * scale
        return abs(number - self.value) <= half * (1 + 1e-9)


def shown(page: Page) -> list[Shown]:
    """Every figure with a series on the page; one may stand there twice."""
    found = page.eval_on_selector_all(
        "data[title]",
        "all => all.filter(one => one.value).map(one => [one.title, one.value, one.textContent])",
    )
    return [Shown(named(title), float(value), text) for title, value, text in found]


def told(worker: Worker, view: Mapping[str, str]) -> Figures:
    """What ``/api/kpis`` says in a view's window: totals, and its dimension."""
    window, dimension = view["window"], view["dimension"]
    total = worker.kpis(window=window, dimension="")
    parts = worker.kpis(window=window, dimension=dimension)
    assert total, "the worker reports"
    assert parts is not None
    return {**total, **parts}


def named(title: str) -> Series:
    """A series by the name that Prometheus has for it."""
    [family] = text_string_to_metric_families(f"{title} 0\n")
    [sample] = family.samples
    return sample.name, frozenset(sample.labels.items())


def labels_of(series: Series) -> dict[str, str]:
    return dict(series[1])


def totals(figures: Figures, kpi: Kpi, view: Mapping[str, str]) -> dict[Series, float]:
    """All series of a KPI that a view (pipeline, window, basis, currency) asks for, not broken
    down, without their parts and quantiles."""
    return dict(_matching(figures, kpi.metric, kpi, view))


def broken_down(figures: Figures, kpi: Kpi, view: Mapping[str, str]) -> dict[Series, float]:
    """The same by the view's dimension."""
    found = _matching(figures, f"{kpi.metric}_breakdown", kpi, view)
    return {s: v for s, v in found if labels_of(s)["dimension"] == view["dimension"]}


def _matching(
    figures: Figures, metric: str, kpi: Kpi, view: Mapping[str, str]
) -> Iterator[tuple[Series, float]]:
    wanted = {"pipeline": view["pipeline"]}
    if not kpi.of_now:
        wanted["window"] = view["window"]
    of = {
        series: value
        for series, value in figures.items()
        if series[0] == metric and wanted.items() <= dict(series[1]).items()
    }
    for series, value in of.items():
        labels = labels_of(series)
        if "quantile" in labels:
            continue
        if "currency" in labels and labels["currency"] != view["currency"]:
            continue
        if "basis" in labels and not _on_basis(labels, kpi, view["basis"]):
            continue
        yield series, value


def _on_basis(labels: Mapping[str, str], kpi: Kpi, basis: str) -> bool:
    name, _, horizon = basis.partition(":")
    if horizon and kpi.id != "conversion_ratio":
        name, horizon = "cohort", ""  # matured figures are of that KPI alone
    return labels["basis"] == name and labels.get("horizon", "") == horizon


def sum_of(found: Mapping[Series, float], labels: Iterable[str], value: str) -> float | None:
    """The sum of the series of a dimension's value whose labels hold all of these values."""
    own = {"pipeline", "window", "dimension", "value"}
    parts = [
        number
        for series, number in found.items()
        if labels_of(series)["value"] == value
        and set(labels) <= {text for name, text in series[1] if name not in own}
    ]
    return sum(parts) if parts else None


def stages_of(figures: Figures, view: Mapping[str, Any]) -> dict[str, float]:
    """Of a view's basis: how many deals got to which stage."""
    name, _, horizon = view["basis"].partition(":")
    basis = {"basis": name, "horizon": horizon} if horizon else {"basis": name}
    wanted = {"pipeline": view["pipeline"], "window": view["window"], "from_stage": "lead", **basis}
    found = {}
    for (metric, labels), value in figures.items():
        of = dict(labels)
        if wanted.items() <= of.items():
            if metric == "funnel_conversion_ratio_numerator":
                found[of["to_stage"]] = value
            elif metric == "funnel_conversion_ratio_denominator" and of["to_stage"] == "qualified":
                found["lead"] = value
    return found


def drawn(page: Page) -> dict[str, float]:
    """How many deals got to which stage, in the funnel's drawing on the page."""
    found = {}
    for cell in page.locator("#funnel td.count[data-stage]").all():
        number = re.match(r"\s*([\d,]+)", cell.text_content() or "")
        assert number, "a count"
        found[cell.get_attribute("data-stage") or ""] = float(number[1].replace(",", ""))
    return found
