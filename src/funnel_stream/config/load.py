"""``funnel.yaml``: read, checked, and its mistakes reported with their lines."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import LENIENT, Definition, Target
from funnel_stream.definition.time import Window
from funnel_stream.definition.values import spellings
from funnel_stream.documents import Document, KeyPath, Mistake, read, suggest
from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.scope import Scope

HINT: Final = "docs/configuration.md explains every key."


def load(path: Path | None) -> Definition:
    """Read ``funnel.yaml``; ``None`` gives the defaults. Raises ``ConfigError`` that names every
    mistake with its line."""
    if path is None:
        return Definition()
    document = read(path)
    if document.value is None and not document.mistakes:
        return Definition()
    definition, mistakes = _checked(document)
    if mistakes:
        raise document.refusal(mistakes, HINT)
    return definition


def _checked(document: Document) -> tuple[Definition, list[Mistake]]:
    """The definition, as far as it is right, and all mistakes."""
    mistakes = list(document.mistakes)
    try:
        Definition.model_validate(document.value, context=LENIENT)
    except ValidationError as error:
        mistakes += document.mistakes_of(error, Definition)
    if not isinstance(document.value, dict):
        return Definition(), mistakes
    definition, left_out = _what_is_right(document.value)
    found = [
        *(each[:2] for each in definition.contradictions() if each.about not in left_out),
        *_retention(definition, left_out),
        *_breakdowns(definition),
        *_targets(document, definition, left_out),
    ]
    mistakes += (
        document.mistake(_as_written(key_path, document), text) for key_path, text in found
    )
    return definition, mistakes


def _as_written(key_path: KeyPath, document: Document) -> KeyPath:
    """The key path with the keys of the file, where ``channel × product`` may stand."""
    if key_path[0] == "top_n_of":
        for key in document.value["top_n_of"]:
            if "".join(key.split()).replace("×", "+") == key_path[1]:
                return ("top_n_of", key)
    return key_path


def _what_is_right(value: dict[str, Any]) -> tuple[Definition, set[str]]:
    """The definition without the keys that hold a mistake, and the first keys on the way there.

    So all mistakes are found in one go, those between keys too.
    """
    kept = deepcopy(value)
    left_out: set[str] = set()
    while True:
        try:
            return Definition.model_validate(kept, context=LENIENT), left_out
        except ValidationError as error:
            for problem in error.errors():
                left_out.add(str(problem["loc"][0]))
                _leave_out(kept, problem["loc"])


def _leave_out(value: Any, key_path: KeyPath) -> None:
    """Take out the last key of a mapping on the way along a key path."""
    owner, key = None, None
    for part in key_path:
        if isinstance(value, dict) and part in value:
            owner, key = value, part
        elif not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            break
        value = value[part]
    if owner is not None:
        del owner[key]


class _Found(NamedTuple):
    """A mistake whose line is still to be looked up."""

    key_path: KeyPath
    message: str


def _retention(definition: Definition, left_out: set[str]) -> Iterator[_Found]:
    if {"windows", "horizons", "pipelines", "closed_retention_days"} & left_out:
        return
    window, needed = definition.longest_window(), definition.needed_retention_days()
    if definition.closed_retention_days < needed:
        yield _Found(
            ("closed_retention_days",),
            f"{definition.closed_retention_days} days are too few for the window {window.name} "
            f"and the longest horizon: closed deals would leave it too early; write {needed}",
        )


def _breakdowns(definition: Definition) -> Iterator[_Found]:
    for index, kpi in enumerate(definition.export.breakdown_kpis or ()):
        if kpi not in BY_ID:
            yield _Found(("export", "breakdown_kpis", index), _no_kpi(kpi))


def _no_kpi(wrong: str) -> str:
    name = wrong.removeprefix("funnel_")
    if name in BY_ID:
        return f"write {name}, without funnel_"
    return f"{wrong!r} is not a KPI{suggest(name, list(BY_ID))}"


# --- targets ------------------------------------------------------------------------------------


def _targets(document: Document, definition: Definition, left_out: set[str]) -> Iterator[_Found]:
    given = document.value.get("targets")
    seen: dict[tuple[object, ...], int] = {}
    for index, each in enumerate(given if isinstance(given, list) else ()):
        key_path: KeyPath = ("targets", index)
        try:
            target = Target.model_validate(each)
        except ValidationError:
            continue
        for inner, message in _target(target, definition, left_out):
            yield _Found((*key_path, *inner), message)
        series = (target.kpi, target.pipeline, target.window, *sorted(target.labels.items()))
        if series in seen:
            line = document.lines["targets", seen[series]]
            yield _Found(key_path, f"the same series has a target in line {line}; keep one of them")
        seen.setdefault(series, index)


def _target(target: Target, definition: Definition, left_out: set[str]) -> Iterator[_Found]:
    kpi = BY_ID.get(target.kpi)
    if kpi is None:
        yield _Found(("kpi",), _no_kpi(target.kpi))
        return
    if kpi.unit == "ratio" and target.value > 2:
        yield _Found(("value",), f"a ratio is a number like 0.25, not {target.value} per cent")
    if "pipelines" not in left_out and target.pipeline not in definition.pipelines:
        known = ", ".join(definition.pipelines)
        message = f"{target.pipeline!r} is not among the pipelines ({known}); add it there"
        yield _Found(("pipeline",), message)
    if not {"windows", "horizons", "pipelines", "stuck_after", "dimensions", "values"} & left_out:
        yield from _window(target.window, kpi, definition)
        yield from _labels(target, kpi, definition)


def _window(window: str | None, kpi: Kpi, definition: Definition) -> Iterator[_Found]:
    known = ", ".join(definition.windows)
    if kpi.of_now and window is not None:
        yield _Found(("window",), f"{kpi.id} describes the present and has no window; remove it")
    elif not kpi.of_now and window is None:
        yield _Found(("window",), f"is missing: {kpi.id} has one; write one of {known}")
    elif window is not None and window not in definition.windows:
        yield _Found(("window",), f"{window} is not among the windows ({known}); add it there")


def _labels(target: Target, kpi: Kpi, definition: Definition) -> Iterator[_Found]:
    given = dict(target.labels)
    key_path: KeyPath = ("labels",)
    dimension, value = given.pop("dimension", None), given.pop("value", None)
    if (dimension is None) != (value is None):
        absent = "value" if value is None else "dimension"
        yield _Found((*key_path, absent), "is missing; dimension and value belong together")
    elif dimension is not None:
        known = kpi.form.dimensions or definition.dimensions
        if dimension not in known or dimension not in definition.dimensions:
            message = f"{kpi.id} has no breakdown by {dimension!r}{suggest(dimension, known)}"
            yield _Found((*key_path, "dimension"), message)
        elif value and (counted := _counted(dimension, value, definition)) != value:
            message = f"{value!r} counts as {counted!r}; write that"
            yield _Found((*key_path, "value"), message)
    if "quantile" in given and kpi.form.quantiles:
        quantile = given.pop("quantile")
        if quantile not in kpi.form.quantiles:
            message = f"{quantile!r} is not one of {', '.join(kpi.form.quantiles)}"
            yield _Found((*key_path, "quantile"), message)
    for label in sorted(given.keys() - set(kpi.form.labels)):
        there_is = suggest(label, kpi.form.labels) if kpi.form.labels else ""
        message = f"{kpi.id} has no label {label!r}{there_is or '; remove it'}"
        yield _Found((*key_path, label), message)
        del given[label]
    for inner, message in _own_labels(given, target, kpi, definition):
        yield _Found((*key_path, *inner), message)


def _counted(dimension: str, value: str, definition: Definition) -> str:
    """The value of a dimension that a text counts under."""
    known = spellings(definition.values)
    parts, texts = dimension.split("+"), value.split(" + ")
    if len(parts) != len(texts):
        return value
    return " + ".join(known[part][text] for part, text in zip(parts, texts, strict=True))


def _own_labels(
    given: dict[str, str], target: Target, kpi: Kpi, definition: Definition
) -> Iterator[_Found]:
    possible = _series(kpi, target, definition)
    if kpi.id == "stuck_deals" and not possible:
        yield _Found((), "no stage of this pipeline has a limit; write one into stuck_after")
        return
    for label in kpi.form.labels:
        if not possible:
            yield from _open_label(label, given.get(label), kpi)
            continue
        there_is = list(dict.fromkeys(each[label] for each in possible if label in each))
        own = [each for each in possible if each.get(label) == given.get(label)]
        if own:
            possible = own
        elif label not in given:
            yield _Found((label,), f"is missing; write one of {', '.join(there_is)}")
            return
        elif not there_is:
            other_labels = ", ".join(
                f"{name}: {text}" for name, text in given.items() if name != label
            )
            yield _Found((label,), f"{kpi.id} has none with {other_labels}; remove it")
            return
        else:
            yield _Found((label,), _not_one_of(given[label], there_is))
            return


def _open_label(label: str, value: str | None, kpi: Kpi) -> Iterator[_Found]:
    known = kpi.form.known.get(label, ())
    if value is None:
        likely = ", ".join(known) or ("a code like EUR" if label == "currency" else "its text")
        yield _Found((label,), f"is missing; write {'one of ' if known else ''}{likely}")
    elif known and value not in known:
        yield _Found((label,), _not_one_of(value, known))
    elif label == "currency" and value not in DECIMALS:
        yield _Found((label,), f"{value!r} is not in ISO 4217; write a code like EUR")


def _not_one_of(value: str, known: tuple[str, ...] | list[str]) -> str:
    near = suggest(value, known)
    there_is = "" if near.startswith("; there is") else near
    return f"{value!r} is not one of {', '.join(known)}{there_is}"


def _series(kpi: Kpi, target: Target, definition: Definition) -> list[dict[str, str]]:
    """Labels of the series that a total has in any case; none where any text may be a label."""
    name = target.window if target.window in definition.windows else None
    window = definition.longest_window() if name is None else Window.named(name)
    scope = Scope(definition, target.pipeline, window, {}, now={}, as_of=0, tops={})
    return [own.labels for _, own, _ in kpi.form.figures(scope)]
