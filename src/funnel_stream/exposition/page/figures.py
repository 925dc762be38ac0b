"""Figures as the page shows them: a KPI's series with their parts, chosen by the view, and written
as people read them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from funnel_stream import human
from funnel_stream.contract.event import STAGES, WON
from funnel_stream.definition.time import Window
from funnel_stream.exposition.page import special_cases
from funnel_stream.exposition.page.view import COHORT, PERIOD, View
from funnel_stream.kpis.intervals import wilson
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.label_values import label_in_words
from funnel_stream.kpis.samples import Scopes
from funnel_stream.kpis.scope import OTHER, Scope

LABELS_APART: Final = ("basis", "horizon", "currency")
"""Labels that the view chooses, for all figures alike."""


@dataclass(frozen=True)
class Figure:
    """One series of a KPI. ``labels``: its labels; ``parts``: its values by suffix;
    ``quantiles``: by the label's value. ``value`` is ``None`` where there is nothing to divide
    by."""

    kpi: Kpi
    labels: Mapping[str, str]
    parts: dict[str, float] = field(default_factory=dict)
    quantiles: dict[str, float] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        return self.parts.get("")

    @property
    def key(self) -> tuple[str, ...]:
        """Tells it from the other series of the KPI."""
        return tuple(self.labels.values())

    @property
    def name(self) -> str:
        """Its labels in words, without those that the view chooses."""
        return in_words(self.labels)

    @property
    def text(self) -> str:
        """The value as people write it, without its unit."""
        return written(self.kpi, self.value)

    def written(self, value: float | None) -> str:
        """Another value of the same series."""
        return written(self.kpi, value)

    @property
    def unit(self) -> str:
        """What stands behind the value; a currency where it is money."""
        return unit(self.kpi, self.labels.get("currency", ""))

    @property
    def is_maturing(self) -> bool:
        """Whether what is young in it has had less time than the rest."""
        return special_cases.is_maturing(self.kpi, self.labels)

    @property
    def per(self) -> str:
        """What is divided by what, where that is no share and the name does not say so."""
        return special_cases.per(self.kpi, self.labels)

    @property
    def number(self) -> float | None:
        """How many things the value is made of, a count's being itself; ``None`` where it is not
        known, as of sums of money."""
        parts = self.parts
        if "_count" in parts:
            return parts["_count"]
        if "_denominator" in parts:
            of_money = "currency" in self.labels and self.kpi.unit == "ratio"
            return None if of_money else parts["_denominator"]
        return None if "currency" in self.labels else self.value

    @property
    def made_of(self) -> str:
        """What the value is made of, in short: ``12 of 40``, ``40 samples``; empty for a count."""
        parts = self.parts
        if "_numerator" in parts:
            top, bottom = parts["_numerator"], parts["_denominator"]
            if self.kpi.unit == "money":
                return f"{human.money(top)} ÷ {human.count(bottom)}"
            if "currency" in self.labels:
                return f"{human.money(top)} of {human.money(bottom)}"
            sign = "of" if self.kpi.is_proportion(self.labels) else "÷"
            return f"{human.count(top)} {sign} {human.count(bottom)}"
        if "_count" not in parts:
            return ""
        number = parts["_count"]
        return "1 sample" if number == 1 else f"{human.count(number)} samples"

    @property
    def interval(self) -> str:
        """Of a proportion: within which bounds it is, so few or many as there are."""
        bottom = self.parts.get("_denominator")
        if not bottom or not self.kpi.is_proportion(self.labels):
            return ""
        low, high = wilson(int(self.parts["_numerator"]), int(bottom))
        return f"95 % interval {100 * low:.1f}–{100 * high:.1f} %"

    @property
    def beneath(self) -> str:
        """All that the value is made of, with how sure it is; empty for a plain count."""
        within = ""
        if self.quantiles:
            half, most = (human.seconds(self.quantiles[name]) for name in ("0.5", "0.9"))
            within = f"half within {half} · 90 % within {most}"
        return " · ".join(text for text in (within, self.made_of, self.interval) if text)


def figures(kpi: Kpi, scope: Scope) -> list[Figure]:
    """All series of a KPI in a scope, in the catalogue's order."""
    found: dict[tuple[str, ...], Figure] = {}
    for suffix, label_set, value in kpi.form.figures(scope):
        labels = label_set.labels
        quantile = labels.get("quantile")
        if quantile is not None:
            labels = {name: text for name, text in labels.items() if name != "quantile"}
        key = tuple(labels.values())
        figure = found.get(key)
        if figure is None:
            figure = found[key] = Figure(kpi, labels)
        if quantile is None:
            figure.parts[suffix] = value
        else:
            figure.quantiles[quantile] = value
    return list(found.values())


def time_to_win(scopes: Scopes, pipeline: str, window: Window) -> Figure:
    """The time to close of a pipeline's won deals in a window."""
    [(scope, _)] = scopes.of(pipeline, "", window)
    of_both = figures(special_cases.TIME_TO_CLOSE, scope)
    [won] = [figure for figure in of_both if figure.key == (STAGES[WON],)]
    return won


def chosen(found: Iterable[Figure], view: View) -> list[Figure]:
    """The series that a view shows: of its basis where the KPI has it, of its currency."""
    found = list(found)
    for name, selected in (("basis", view.basis_labels), ("currency", {"currency": view.currency})):
        if any(name in figure.labels for figure in found):
            found = _matching(found, name, selected)
    return found


def other_currencies(found: Iterable[Figure], view: View) -> list[str]:
    """Those that figures are in beside the view's."""
    currencies = {figure.labels.get("currency", view.currency) for figure in found}
    return sorted(currencies - {view.currency})


def span_of(kpi: Kpi, view: View) -> str:
    """Counts of the window stand beside those that the funnel's drawing has on another basis."""
    if kpi.of_now:
        return "now"
    counted = kpi.form.suffixes == ("",) and "money" not in kpi.unit
    return "in the window" if counted and view.basis != PERIOD else ""


def _matching(found: list[Figure], name: str, selected: Mapping[str, str]) -> list[Figure]:
    matching = [figure for figure in found if selected.items() <= figure.labels.items()]
    if matching or name != "basis":
        return matching
    # Not every KPI has matured figures: then those closest to them, and they say so.
    return [figure for figure in found if figure.labels[name] == COHORT]


def ranked(found: list[Figure]) -> list[Figure]:
    """Where labels are open, or most are nothing: the largest first, the rest last."""
    if len(found) <= _MANY and not (found and found[0].kpi.form.largest_first):
        return found
    filled = [figure for figure in found if figure.value]
    return sorted(filled, key=lambda figure: (OTHER in figure.key, -(figure.value or 0)))


_MANY: Final = 20

# --- in words -------------------------------------------------------------------------------------


def in_words(labels: Mapping[str, str]) -> str:
    """Labels beside those that the view chooses, as people say them."""
    return " · ".join(_label_words(dict(labels)))


def _label_words(labels: dict[str, str]) -> Iterator[str]:
    if "from_stage" in labels:
        since, to = labels.pop("from_stage"), labels.pop("to_stage")
        of_period = labels.get("basis") == PERIOD
        yield special_cases.conversion(since, to) if of_period else f"{since} → {to}"
    for name, value in labels.items():
        if name in LABELS_APART:
            continue
        if name == "lost_from":
            yield f"from {value}"
        else:
            yield label_in_words(name, value)


def written(kpi: Kpi, value: float | None) -> str:
    """A value in the KPI's unit, which ``unit`` names."""
    return human.figure(kpi.unit, value)


def unit(kpi: Kpi, currency: str = "") -> str:
    """The unit where the value does not carry it itself; of money with its currency."""
    return "" if kpi.unit in ("ratio", "seconds") else kpi.unit.replace("money", currency).strip()
