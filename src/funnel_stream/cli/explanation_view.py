"""An explained deal to read: its journey, what follows from it, and where it counts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from funnel_stream.answers.explanation import Counted, Explanation, InWindow
from funnel_stream.answers.story import Given, Step
from funnel_stream.cli import human
from funnel_stream.contract.money import DECIMALS

_MERGED: Final = ("to_stage", "stage", "from_stage", "problem", "outcome", "basis")
"""Labels whose values may stand together in one line where all else is the same."""


def view(explained: Explanation) -> Iterator[RenderableType]:
    """Everything that is to be shown, from top to bottom."""
    yield _headline(explained)
    yield Text()
    yield _table("The journey", ("when (UTC)", "what", "details"), _journey(explained))
    yield Text()
    yield _table("What follows from it", ("", ""), _derived(explained), header=False)
    yield Text()
    if explained.contributions:
        yield _table(
            "Where it counts",
            ("figure", "adds", "at (UTC)", "in the windows"),
            _lines(explained),
        )
        yield Text()
        columns = ("at (UTC)", "panes from", "counts in")
        yield _table("In which panes, and until when", columns, _times(explained))
        yield Text()
    if explained.notes:
        notes = [("•", note) for note in explained.notes]
        yield _table("Good to know", ("", ""), notes, header=False)


def _headline(explained: Explanation) -> Text:
    text = Text()
    text.append(f"Deal {_clean(explained.deal_id)}", style="bold")
    pipeline = _titled(explained.pipeline, explained.pipeline_title)
    text.append(f" · pipeline {_clean(pipeline)}")
    if explained.stage is None or explained.since is None:
        text.append(" · in no stage")
    else:
        text.append(f" · {_stage(explained, explained.stage)} since {_when(explained.since)}")
    text.append(f" · as of {_when(explained.as_of)}", style="dim")
    return text


Cell = RenderableType


def _table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, header: bool = True
) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if header else None,
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=header,
        show_edge=False,
        pad_edge=False,
    )
    for place, name in enumerate(columns):
        # What explains may take several lines; names and times may not.
        table.add_column(name, no_wrap="(UTC)" in name or not (name or place))
    for row in rows:
        table.add_row(*[Text(_clean(cell)) if isinstance(cell, str) else cell for cell in row])
    return table


def _clean(text: str) -> str:
    """Whoever sends events shall not command the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


# --- the journey ----------------------------------------------------------------------------------


def _journey(explained: Explanation) -> Iterator[tuple[Cell, ...]]:
    for step in explained.journey:
        yield _when(step.at), step.what, _details(step)


def _details(step: Step) -> Text:
    parts = [Text(mark, style="italic") for mark in step.marks]
    parts += [Text(_clean(_given(given))) for given in step.given]
    return Text("; ").join(parts)


def _given(given: Given) -> str:
    name, value = given.name.replace("_", " "), _value(given.value)
    if given.before is None or given.before == given.value:
        return f"{name} {value}"
    return f"corrected {name} {_value(given.before)} → {value}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


# --- what was derived -----------------------------------------------------------------------------


def _derived(explained: Explanation) -> Iterator[tuple[Cell, ...]]:
    if explained.reached:
        reached = [
            f"{_stage(explained, each.stage)} {_when(each.at)}"
            + ("" if each.entered else " (passed)")
            for each in explained.reached
        ]
        yield "reached", "\n".join(reached)
    if closing := explained.closing:
        text = f"{_stage(explained, closing.outcome)} {_when(closing.at)}"
        if closing.lost_from:
            text += f", from {_stage(explained, closing.lost_from)}, reason {closing.reason}"
        yield "closing", text
    else:
        yield "closing", "none: not closed"
    for number, offer in enumerate(explained.offers, start=1):
        yield f"offer {number}", f"{_when(offer.at)}, {offer.amount or 'no amount known then'}"
    if explained.original_amount and explained.final_amount:
        yield "amount", f"{explained.original_amount} first offered, {explained.final_amount} now"
    elif explained.final_amount:
        yield "amount", f"{explained.final_amount} now"
    if explained.attributes:
        known = [f"{name} {_value(value)}" for name, value in explained.attributes.items()]
        yield "known now", "; ".join(known)
    by = [f"{name} {value}" for name, value in explained.counts_under.items()]
    yield "counts under", "; ".join(by)


def _stage(explained: Explanation, stage: str) -> str:
    return _titled(stage, explained.titles.get(stage, ""))


def _titled(name: str, title: str) -> str:
    return f"{title} ({name})" if title else name


# --- where it counts ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """What a deal adds to one figure at one time: its parts together."""

    title: str
    unit: str
    labels: tuple[tuple[str, str], ...]
    adds: str
    at: datetime
    windows: str


def _lines(explained: Explanation) -> Iterator[tuple[Cell, ...]]:
    for title, of_kpi in groupby(_merged(_added(explained)), lambda line: line.title):
        lines = list(of_kpi)
        heading: Cell = Text(title, style="bold")
        if lines[0].labels:
            yield heading, "", "", ""
        for line in lines:
            name = Padding(Text(_clean(_labelled(line))), (0, 0, 0, 2)) if line.labels else heading
            yield name, line.adds, _when(line.at), line.windows
            heading = ""


def _added(explained: Explanation) -> Iterator[_Line]:
    """The parts of a figure that count at the same time as one line."""
    everything = explained.contributions
    several = _several_times(everything)
    for (kpi, labels, at), group in groupby(everything, _figure):
        parts = list(group)
        one = parts[0]
        by_part = {part.part: part.value for part in parts}
        adds = _adds(one, by_part, apart=(kpi, labels) in several)
        yield _Line(one.title, one.unit, labels, adds, at, _windows(one.windows, explained.as_of))


def _figure(counted: Counted) -> tuple[str, tuple[tuple[str, str], ...], datetime]:
    return counted.kpi, tuple(counted.labels.items()), counted.at


def _several_times(everything: Iterable[Counted]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Series whose numerator and denominator count at different times."""
    times: dict[tuple[str, tuple[tuple[str, str], ...]], set[datetime]] = {}
    for counted in everything:
        kpi, labels, at = _figure(counted)
        if counted.part in ("numerator", "denominator"):
            times.setdefault((kpi, labels), set()).add(at)
    return {series for series, found in times.items() if len(found) > 1}


def _adds(one: Counted, parts: dict[str, float], *, apart: bool) -> str:
    currency = one.labels.get("currency", "")
    if "count" in parts or "sum" in parts:
        return _amount(one.unit, parts.get("sum", 0), currency)
    if "numerator" in parts or "denominator" in parts:
        unit = "money" if currency else "deals"
        if apart:
            return " and ".join(f"{part} {_amount(unit, v, currency)}" for part, v in parts.items())
        top, bottom = parts.get("numerator", 0), parts.get("denominator", 0)
        above = _amount(unit, top, currency).removesuffix(f" {currency}")
        return f"{above} of {_amount(unit, bottom, currency)}"
    return _amount(one.unit, parts[""], currency)


def _amount(unit: str, value: float, currency: str) -> str:
    match unit:
        case "ratio":
            return human.percent(value)
        case "seconds":
            return human.seconds(value)
        case "money":
            return f"{value:,.{DECIMALS.get(currency, 2)}f} {currency}"
        case "points":
            return f"{value:g}"
        case _:
            return human.count(value)


def _merged(lines: Iterable[_Line]) -> list[_Line]:
    """Lines that differ in one label only, as one line that names all of its values."""
    found = list(lines)
    for name in _MERGED:
        joined: dict[_Line, list[str]] = {}
        for line in found:
            labels = dict(line.labels)
            value = labels.get(name)
            if value is not None:
                labels[name] = ""
            rest = replace(line, labels=tuple(labels.items()))
            joined.setdefault(rest, []).append(value or "")
        found = [
            replace(
                line,
                labels=tuple(
                    (label, ", ".join(values) if label == name else value)
                    for label, value in line.labels
                ),
            )
            for line, values in joined.items()
        ]
    return found


def _labelled(line: _Line) -> str:
    labels = dict(line.labels)
    if "from_stage" in labels:
        labels["from_stage"] = f"{labels['from_stage']} → {labels.pop('to_stage')}"
    if "horizon" in labels:
        labels["basis"] = f"{labels['basis']} {labels.pop('horizon')}"
    if "lost_from" in labels:
        labels["lost_from"] = f"from {labels['lost_from']}"
        labels["offered"] = "with an offer" if labels["offered"] == "true" else "without an offer"
    if "qualified" in labels:
        labels["qualified"] = "qualified" if labels["qualified"] == "true" else "not qualified"
    return " · ".join(labels.values())


def _windows(windows: Sequence[InWindow], as_of: datetime) -> str:
    if inside := [each.window for each in windows if each.inside]:
        return " ".join(inside)
    coming = [each.enters for each in windows if each.enters > as_of]
    return f"from {min(coming):%Y-%m-%d}" if coming else "no longer"


# --- since when and until when --------------------------------------------------------------------


def _times(explained: Explanation) -> Iterator[tuple[Cell, ...]]:
    seen: dict[tuple[Any, ...], Counted] = {}
    for counted in explained.contributions:
        key = counted.at, tuple(counted.panes.items()), tuple(w.window for w in counted.windows)
        seen.setdefault(key, counted)
    for _, counted in sorted(seen.items(), key=lambda item: item[0]):
        panes = [
            f"{size} {start:%Y-%m-%d}" if size == "day" else f"{size} {_when(start)}"
            for size, start in counted.panes.items()
        ]
        yield _when(counted.at), "\n".join(panes) or "now", _spans(counted.windows, explained.as_of)


def _spans(windows: Sequence[InWindow], as_of: datetime) -> str:
    states: dict[str, list[str]] = {}
    for each in windows:
        if not each.inside:
            state = f"from {_when(each.enters)}" if each.enters > as_of else "no longer"
        else:
            state = f"until {_when(each.leaves)}" if each.leaves else "as long as it stays so"
        states.setdefault(state, []).append(each.window)
    return "\n".join(f"{', '.join(names)} {state}" for state, names in states.items())


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S" if at.second else "%Y-%m-%d %H:%M")
