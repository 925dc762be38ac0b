"""An explained deal in words, the same on a page and in a terminal.

Texts come in pieces, so that a page can set times and other people's names apart; ``text`` joins
them for a terminal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

from funnel_stream import human
from funnel_stream.answers.explanation import Counted, Explanation, InWindow
from funnel_stream.answers.question import Question
from funnel_stream.answers.story import AttributeChange, Step
from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition.fields import OPEN_LABELS
from funnel_stream.kpis.label_values import label_in_words

_MERGED: Final = ("to_stage", "stage", "from_stage", "problem", "outcome", "basis")
"""Labels whose values may stand together in one line where all else is the same."""


class Piece(NamedTuple):
    """A piece of a text. ``at``: the instant that it writes. ``foreign``: whoever sends events or
    configures the funnel wrote it, so anything may stand in it."""

    text: str
    at: datetime | None = None
    foreign: bool = False


Phrase = tuple[Piece, ...]


def text(phrase: Phrase) -> str:
    """The pieces joined; what is foreign in them is as it came."""
    return "".join(piece.text for piece in phrase)


def instant_text(at: datetime) -> str:
    """An instant in UTC: to the minute, or to the second where it has some."""
    return at.strftime("%Y-%m-%d %H:%M:%S" if at.second else "%Y-%m-%d %H:%M")


def titled(name: str, title: str) -> str:
    """A key with its display name: ``Customer (won)``."""
    return f"{title} ({name})" if title else name


def instant(at: datetime) -> Piece:
    """``instant_text`` as a piece of a text."""
    return Piece(instant_text(at), at)


def _foreign(words: str) -> Piece:
    return Piece(words, foreign=True)


def _listed(parts: Iterable[Phrase], separator: str) -> Phrase:
    listed: list[Piece] = []
    for part in parts:
        listed += [Piece(separator), *part] if listed else part
    return tuple(listed)


# --- the deal as of now ---------------------------------------------------------------------------


class State(NamedTuple):
    """Where a deal is: ``pipeline sales``, ``won since …``, ``as of …``."""

    pipeline: Phrase
    stage: Phrase
    as_of: Phrase


def state(explained: Explanation) -> State:
    """In which pipeline and stage the deal is, and as of when."""
    pipeline = titled(explained.pipeline, explained.pipeline_title)
    stage: Phrase = (Piece("in no stage"),)
    if explained.stage is not None and explained.since is not None:
        stage = (*_stage(explained, explained.stage), Piece(" since "), instant(explained.since))
    return State(
        (Piece("pipeline "), _foreign(pipeline)), stage, (Piece("as of "), instant(explained.as_of))
    )


def _stage(explained: Explanation, stage: str) -> Phrase:
    title = explained.titles.get(stage, "")
    return (Piece(titled(stage, title), foreign=bool(title)),)


# --- the journey ----------------------------------------------------------------------------------


def details(step: Step) -> list[Phrase]:
    """What a step gave, corrected and took away: ``owner ann``, ``corrected owner ann → bob``,
    ``cleared owner bob``; or ``channel direct, web was first`` where the first one still counts."""
    return [_change(change) for change in step.given]


def _change(change: AttributeChange) -> Phrase:
    name = change.name.replace("_", " ")
    if change.value is None:
        before = [] if change.before is None else [Piece(" "), _foreign(_value(change.before))]
        return Piece(f"cleared {name}"), *before
    value = _foreign(_value(change.value))
    if change.kept not in (None, change.value):
        return (
            Piece(f"{name} "),
            value,
            Piece(", "),
            _foreign(_value(change.kept)),
            Piece(" was first"),
        )
    if change.before is None or change.before == change.value:
        return Piece(f"{name} "), value
    return Piece(f"corrected {name} "), _foreign(_value(change.before)), Piece(" → "), value


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


# --- what was derived -----------------------------------------------------------------------------


class Derived(NamedTuple):
    """Something that follows from a journey, in one line or several."""

    name: str
    lines: tuple[Phrase, ...]


def derived(explained: Explanation) -> Iterator[Derived]:
    """What follows from the journey: stages reached, closing, offers, amount, attributes."""
    if explained.reached:
        yield Derived("reached", tuple(_reached(explained)))
    yield Derived("closing", (_closing(explained),))
    for number, offer in enumerate(explained.offers, start=1):
        amount = Piece(f", {offer.amount or 'no amount known then'}")
        yield Derived(f"offer {number}", ((instant(offer.at), amount),))
    if explained.final_amount:
        now = f"{explained.final_amount} now"
        if explained.original_amount:
            now = f"{explained.original_amount} first offered, {now}"
        yield Derived("amount", ((Piece(now),),))
    if explained.attributes:
        yield Derived("known now", (_named_values(explained.attributes),))
    yield Derived("counts under", (_named_values(explained.counts_under),))


def _reached(explained: Explanation) -> Iterator[Phrase]:
    for each in explained.reached:
        entry = (*_stage(explained, each.stage), Piece(" "), instant(each.at))
        yield entry if each.entered else (*entry, Piece(" (passed)"))


def _closing(explained: Explanation) -> Phrase:
    closing = explained.closing
    if closing is None:
        return (Piece("none: not closed"),)
    how = (*_stage(explained, closing.outcome), Piece(" "), instant(closing.at))
    if not closing.lost_from:
        return how
    lost_from = _stage(explained, closing.lost_from)
    return *how, Piece(", from "), *lost_from, Piece(", reason "), _foreign(str(closing.reason))


def _named_values(values: Mapping[str, Any]) -> Phrase:
    named = [(Piece(f"{name} "), _foreign(_value(value))) for name, value in values.items()]
    return _listed(named, "; ")


# --- where it counts ------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContributionLine:
    """What a deal adds to one figure at one time: its parts together.

    ``labels``: of one series, or the values of several joined. ``adds``: in the figure's unit, to
    read. ``windows``: those that it is in now, or from when on it will be in one.
    """

    kpi: str
    title: str
    labels: tuple[tuple[str, str], ...]
    adds: str
    at: datetime
    windows: str


def lines(explained: Explanation) -> list[ContributionLine]:
    """Where the deal counts, in the order of the catalogue; what only differs in one label is one
    line."""
    return _merged(_added(explained))


def _added(explained: Explanation) -> Iterator[ContributionLine]:
    """The parts of a figure that count at the same time as one line."""
    everything = explained.contributions
    several = _several_times(everything)
    for (kpi, labels, at), group in groupby(everything, _figure):
        parts = list(group)
        one = parts[0]
        by_part = {part.part: part.value for part in parts}
        adds = _adds(one, by_part, apart=(kpi, labels) in several)
        yield ContributionLine(
            kpi, one.title, labels, adds, at, _windows(one.windows, explained.as_of)
        )


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
        unit = _unit_of_parts(currency)
        if apart:
            return " and ".join(f"{part} {_amount(unit, v, currency)}" for part, v in parts.items())
        top, bottom = parts.get("numerator", 0), parts.get("denominator", 0)
        above = _amount(unit, top, currency).removesuffix(f" {currency}")
        return f"{above} of {_amount(unit, bottom, currency)}"
    return _amount(one.unit, parts[""], currency)


def _unit_of_parts(currency: str) -> str:
    """What the two parts of a ratio are made of."""
    return "money" if currency else "deals"


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


def _merged(found: Iterable[ContributionLine]) -> list[ContributionLine]:
    """Lines that differ in one label only, as one line that names all of its values."""
    merged = list(found)
    for name in _MERGED:
        joined: dict[ContributionLine, list[str]] = {}
        for line in merged:
            labels = dict(line.labels)
            value = labels.get(name)
            if value is not None:
                labels[name] = ""
            key = replace(line, labels=tuple(labels.items()))
            joined.setdefault(key, []).append(value or "")
        merged = [
            replace(
                line,
                labels=tuple(
                    (label, ", ".join(values) if label == name else value)
                    for label, value in line.labels
                ),
            )
            for line, values in joined.items()
        ]
    return merged


def labelled(labels: Mapping[str, str]) -> Phrase:
    """A series of a figure by its labels, or by those of them that are given:
    ``lead → won · matured 7d``. Empty without any."""
    return _listed(_label_phrases(labels), " · ")


def _label_phrases(labels: Mapping[str, str]) -> Iterator[Phrase]:
    left = dict(labels)
    for name, value in labels.items():
        if name not in left:
            continue
        match name:
            case "from_stage" if to := left.pop("to_stage", ""):
                words = f"{value} → {to}"
            case "from_stage" | "lost_from":
                words = f"from {value}"
            case "to_stage":
                words = f"to {value}"
            case "basis" if horizon := left.pop("horizon", ""):
                words = f"{value} {horizon}"
            case _:
                words = label_in_words(name, value)
        yield (Piece(words, foreign=name in OPEN_LABELS),)


def _windows(windows: Sequence[InWindow], as_of: datetime) -> str:
    if inside := [each.window for each in windows if each.inside]:
        return " ".join(inside)
    coming = [each.enters for each in windows if each.enters > as_of]
    return f"from {min(coming):%Y-%m-%d}" if coming else "no longer"


# --- since when and until when --------------------------------------------------------------------


class Times(NamedTuple):
    """A minute at which a deal counts somewhere: the panes that it lies in, and until when, or from
    when on, the windows have it."""

    at: datetime
    panes: tuple[Phrase, ...]
    windows: tuple[Phrase, ...]


def times(explained: Explanation) -> Iterator[Times]:
    """Every such minute, in order."""
    seen: dict[tuple[Any, ...], Counted] = {}
    for counted in explained.contributions:
        key = counted.at, tuple(counted.panes.items()), tuple(w.window for w in counted.windows)
        seen.setdefault(key, counted)
    for _, counted in sorted(seen.items(), key=lambda item: item[0]):
        panes = tuple(_pane(size, start) for size, start in counted.panes.items())
        spans = tuple(_spans(counted.windows, explained.as_of))
        yield Times(counted.at, panes or ((Piece("now"),),), spans)


def _pane(size: str, start: datetime) -> Phrase:
    begin = Piece(f"{start:%Y-%m-%d}", start) if size == "day" else instant(start)
    return Piece(f"{size} "), begin


def _spans(windows: Sequence[InWindow], as_of: datetime) -> Iterator[Phrase]:
    states: dict[Phrase, list[str]] = {}
    for each in windows:
        state: Phrase
        if each.inside:
            stays = Piece("as long as nothing changes")
            state = (Piece("until "), instant(each.leaves)) if each.leaves else (stays,)
        elif each.enters > as_of:
            state = Piece("from "), instant(each.enters)
        else:
            state = (Piece("no longer"),)
        states.setdefault(state, []).append(each.window)
    for state, names in states.items():
        yield Piece(f"{', '.join(names)} "), *state


# --- the deals behind a figure --------------------------------------------------------------------


def describe_question(question: Question) -> Phrase:
    """Which figure a question is about, to follow its KPI's title: ``lead → won · cohort · 30d ·
    pipeline sales · channel fair``. Empty for the whole of a KPI without a window."""
    parts: list[Phrase] = [labelled(question.labels)] if question.labels else []
    if question.window is not None:
        parts.append((Piece(question.window.name),))
    if question.pipeline is not None:
        parts.append((Piece("pipeline "), _foreign(question.pipeline)))
    if question.dimension:
        parts.append((Piece(f"{question.dimension} "), _foreign(question.value)))
    return _listed(parts, " · ")


def contribution(question: Question, value: float) -> str:
    """What a deal adds to the figure in question, in its unit, to read."""
    currency = question.labels.get("currency", "")
    match question.suffix:
        case "_count":
            return human.count(value)
        case "_numerator" | "_denominator":
            return _amount(_unit_of_parts(currency), value, currency)
        case _:
            return _amount(question.kpi.unit, value, currency)
