"""Which figure is meant: the parameters of a question, checked against catalogue and definition."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window
from funnel_stream.errors import UsageError
from funnel_stream.facts.measures import MATURED
from funnel_stream.facts.rules import NONE
from funnel_stream.kpis.catalogue import ATTAINMENT, BY_ID, KPIS, TARGET
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.scope import OTHER

_TARGET_METRICS: Final = {
    TARGET: "a target is set in funnel.yaml; ask for the KPI it applies to",
    ATTAINMENT: "ask for the KPI the target applies to",
}
_COMMON_PARAMETERS: Final = ("kpi", "part", "window", "pipeline", "dimension", "value")


class Question(NamedTuple):
    """A figure, checked: the series of a KPI, in a window (``None``: now), of a pipeline (``None``:
    any) or of one value of a dimension (``""``: all deals)."""

    kpi: Kpi
    suffix: str
    labels: dict[str, str]
    window: Window | None
    pipeline: str | None = None
    dimension: str = ""
    value: str = ""


def parse_question(parameters: Mapping[str, str], definition: Definition) -> Question:
    """The figure that parameters ask for. Raises ``UsageError`` naming the wrong parameter and what
    is allowed."""
    kpi = _kpi(parameters)
    allowed = (*_COMMON_PARAMETERS, *kpi.form.labels)
    for name in parameters:
        if name not in allowed:
            raise UsageError(
                f"{kpi.id} has no parameter {name!r}", hint=f"Allowed: {', '.join(allowed)}."
            )
    suffix = _suffix(kpi, parameters.get("part"))
    pipeline = parameters.get("pipeline")
    labels = {name: parameters[name] for name in kpi.form.labels if name in parameters}
    _check_labels(kpi, labels, definition, pipeline)
    dimension, value = _breakdown(kpi, parameters, definition)
    window = _window(kpi, labels, parameters.get("window"), definition)
    return Question(kpi, suffix, labels, window, pipeline, dimension, value)


def _refuse(parameter: str, problem: str, allowed: Iterable[str] = ()) -> UsageError:
    listed = ", ".join(allowed)
    return UsageError(f"{parameter}: {problem}", hint=f"Allowed: {listed}." if listed else None)


def _kpi(parameters: Mapping[str, str]) -> Kpi:
    names = [kpi.id for kpi in KPIS if kpi.no_deals is None]
    if "kpi" not in parameters:
        raise _refuse("kpi", "which figure is meant?", names)
    name = parameters["kpi"].removeprefix("funnel_")
    kpi = BY_ID.get(name)
    if why := _TARGET_METRICS.get(name) or (kpi and kpi.no_deals and kpi.no_deals.why):
        raise _refuse("kpi", f"{name} has no deals behind it: {why}", names)
    if kpi is None:
        raise _refuse("kpi", f"there is no KPI {parameters['kpi']!r}", names)
    return kpi


def _suffix(kpi: Kpi, part: str | None) -> str:
    parts = kpi.form.parts
    if not parts:
        if part:
            raise _refuse("part", f"{kpi.id} has no parts; leave it out")
        return ""
    if part is None:
        return "_count" if "_count" in parts else "_numerator"
    if f"_{part}" not in parts:
        names = [each.removeprefix("_") for each in parts]
        raise _refuse("part", f"{kpi.id} has no {part!r}", names)
    return f"_{part}"


def _check_labels(
    kpi: Kpi, labels: Mapping[str, str], definition: Definition, pipeline: str | None
) -> None:
    """Every label that does not merely split a sum has to be given."""
    known = kpi.form.series(
        _all_horizons(definition) if pipeline is None else definition.horizons_of(pipeline)
    )
    if known is None:
        _check_open_labels(kpi, labels)
        return
    for name, value in labels.items():
        left = [series for series in known if series.get(name) == value]
        if not left:
            allowed = dict.fromkeys(series[name] for series in known if name in series)
            raise _refuse(name, f"{value!r} is not possible here", allowed or ("none here",))
        known = left
    if not kpi.form.parts:
        return  # the deals of several series are those of all of them
    for name in kpi.form.labels:
        allowed = dict.fromkeys(series[name] for series in known if name in series)
        if name not in labels and len(known) > 1 and allowed:
            raise _refuse(name, f"which {name} is meant?", allowed)


def _all_horizons(definition: Definition) -> tuple[str, ...]:
    found = list(definition.horizons)
    for name in definition.pipelines:
        found += definition.horizons_of(name)
    return tuple(dict.fromkeys(found))


def _check_open_labels(kpi: Kpi, labels: Mapping[str, str]) -> None:
    known = kpi.form.known
    for name, value in labels.items():
        if name in known and value not in known[name]:
            raise _refuse(name, f"there is no {value!r}", known[name])
        if value == OTHER:
            raise _other(name)
    if "currency" in kpi.form.labels:
        currency = labels.get("currency")
        if currency is None:
            raise _refuse("currency", "which currency is meant? Write a code like EUR")
        if currency not in DECIMALS:
            raise _refuse("currency", f"{currency!r} is not in ISO 4217; write a code like EUR")


def _other(name: str) -> UsageError:
    return _refuse(
        name, f"{OTHER} is the sum of all values that are not shown; ask for one of them by name"
    )


def _breakdown(kpi: Kpi, parameters: Mapping[str, str], definition: Definition) -> tuple[str, str]:
    dimension, value = parameters.get("dimension", ""), parameters.get("value", "")
    if not dimension:
        if "value" in parameters:
            raise _refuse(
                "dimension", "which dimension does the value belong to?", definition.dimensions
            )
        return "", ""
    if dimension not in definition.dimensions:
        raise _refuse("dimension", f"there is no {dimension!r}", definition.dimensions)
    if not value:
        raise _refuse("value", f"which {dimension} is meant? {NONE} stands for deals without one")
    if value == OTHER:
        raise _other("value")
    return dimension, value


def _window(
    kpi: Kpi, labels: Mapping[str, str], name: str | None, definition: Definition
) -> Window | None:
    if kpi.of_now:
        if name is not None:
            raise _refuse("window", f"{kpi.id} describes the present and has none; leave it out")
        return None
    windows = {
        window.name: window
        for window in definition.window_list()
        if labels.get("basis") != MATURED or window.judges
    }
    if name is None:
        raise _refuse("window", "which one is meant?", windows)
    if name not in windows:
        raise _refuse("window", f"{kpi.id} has no window {name!r} here", windows)
    return windows[name]
