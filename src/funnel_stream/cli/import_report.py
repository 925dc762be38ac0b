"""What became of the rows of an import, for people and for programs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from funnel_stream.errors import printable
from funnel_stream.human import number_of
from funnel_stream.tools.importer import Report

_SHOWN: int = 20
"""So many kinds of what was left out, deals and texts are listed on the terminal."""


def as_json(report: Report) -> dict[str, Any]:
    """The report as one JSON object."""
    return {
        "rows": report.rows,
        "blank": report.blank,
        "without_event": report.without_event,
        "events": report.events,
        "repeated": report.repeated,
        "unchanged": report.unchanged,
        "contradictions": {
            "number": report.contradictions,
            "money": {code: f"{sum_:f}" for code, sum_ in report.contradicting_money.items()},
        },
        "by_stage": dict(report.by_stage),
        "first": report.first and report.first.isoformat(),
        "last": report.last and report.last.isoformat(),
        "money": [
            {"of": what, "currency": currency, "amount": f"{amount:f}"}
            for (what, currency), amount in report.money.items()
        ],
        "left_out": [
            {"reason": str(reason), "field": field, "number": number}
            for (reason, field), number in report.left_out.items()
        ],
        "first_left_out": [one._asdict() | {"reason": str(one.reason)} for one in report.rejects],
        "skipped": dict(report.skipped),
        "moved": dict(report.moved),
        "moved_within_day": dict(report.moved_within_day),
        "undated": dict(report.undated),
        "from_fallback": dict(report.from_fallback),
        "rounded": dict(report.rounded),
        "without_mapping": [
            {"column": column, "text": text, "number": number}
            for (column, text), number in report.without_mapping.items()
        ],
        "closed_before_begun": {
            "number": report.backwards,
            "count_as": "open",
            "deals": report.backwards_deals,
        },
        "day_and_month": {column: found._asdict() for column, found in report.swapped.items()},
        "look_like_dates": dict(report.times_of_day),
        "unmatched": dict(report.unmatched),
        "unused": dict(report.unused),
        "texts": {
            "never_said": [
                {"source": source} | one._asdict()
                for source, unsaid in report.unsaid.items()
                for one in unsaid
            ],
            "in_no_when": [
                {"column": column, "text": text, "number": number}
                for column, texts in report.unnamed.items()
                for text, number in texts.most_common()
            ],
            "others_in_no_when": {key: n for key, n in report.unnamed_others.items() if n},
            "never_fulfilled": report.unfulfilled,
        },
        "files": report.notes,
    }


def show(report: Report, console: Console, rejects: str | None) -> None:
    """The report on a terminal; ``rejects``: where all that was left out is written.

    What it quotes of the files is escaped where a terminal would obey it.
    """
    left_out = report.left_out.total()
    eventless = report.without_event
    console.print(
        f"{number_of(report.rows, 'row')}: {number_of(report.events, 'event')}, "
        f"{number_of(report.skipped.total(), 'row')} skipped by rule, "
        + (f"{number_of(eventless, 'row')} without an event, " if eventless else "")
        + f"{number_of(left_out, 'part')} left out",
        highlight=False,
        soft_wrap=True,
    )
    for line in _notes(report):
        console.print(f"  {printable(line)}", highlight=False, markup=False, soft_wrap=True)
    if texts := list(_texts(report)):
        console.print("Texts of the mapping and of the rows")
        for line in texts:
            console.print(f"  {printable(line)}", highlight=False, markup=False, soft_wrap=True)
    if left_out:
        _show_left_out(report, console, rejects)


def _show_left_out(report: Report, console: Console, rejects: str | None) -> None:
    """What was left out, by reason and column, the most frequent first, each with an example."""
    columns = ("number", "reason", "column", "file", "row", "message")
    table = Table(*columns, title="Left out, by reason and column, with the first of each")
    for kind, number in report.left_out.most_common(_SHOWN):
        first = report.examples[kind]
        cells = (*kind, first.file, first.row, first.message)
        table.add_row(f"{number:,}", *(escape(printable(str(cell))) for cell in cells))
    console.print(table)
    if report.left_out.total() > len(report.left_out) or len(report.left_out) > _SHOWN:
        kinds = len(report.left_out) - _SHOWN
        more = f"… and {number_of(kinds, 'kind')} more; " if kinds > 0 else ""
        where = (
            f"all of them are in {rejects}" if rejects else "list them all with --rejects FILE.csv"
        )
        console.print(f"{more}{where}", highlight=False, markup=False)


def _notes(report: Report) -> Iterator[str]:
    yield from report.notes
    if report.first is not None and report.last is not None:
        yield f"from {report.first.isoformat()} to {report.last.isoformat()}"
    for what, number in report.by_stage.items():
        sums = [
            f"{amount:,f} {currency}"
            for (of, currency), amount in report.money.items()
            if of == what
        ]
        yield f"{number:,} {what}" + (f", {' + '.join(sums)}" if sums else "")
    if report.blank:
        yield f"{number_of(report.blank, 'blank row')} ignored"
    yield from _counted("rows skipped", report.skipped)
    yield from _counted("dates moved to another day", report.moved)
    yield from _counted("dates moved within their day", report.moved_within_day)
    yield from _counted("dates taken from another column", report.from_fallback)
    yield from _counted("rows without a date for the optional event", report.undated)
    yield from _counted("amounts rounded to the decimals of their currency", report.rounded)
    yield from _counted("keys not found in", report.unmatched)
    yield from _counted("rows never looked up in", report.unused)
    if report.unchanged:
        yield f"{report.unchanged:,} history rows that repeat the previous stage"
    if report.contradictions:
        money = report.contradicting_money.items()
        total = " + ".join(f"{amount:,f} {currency}" for currency, amount in money)
        within = f", with {total} in them" if total else ""
        yield f"{report.contradictions:,} rows contradict earlier ones{within}, left out"
    if report.repeated:
        yield f"{report.repeated:,} events repeated exactly, left out"
    for (column, text), number in report.without_mapping.most_common(_SHOWN):
        yield f"{number:,} without a stage: {text!r} in {column!r}; add it to its values"
    if report.backwards:
        named = ", ".join(report.backwards_deals[:_SHOWN])
        more = "" if report.backwards <= _SHOWN else ", …"
        yield (
            f"closings that do not count: {report.backwards:,}, of {named}{more}; the first other "
            "stage of the deal has a later date, so the deal is open again, neither won nor lost; "
            "if the date of the closing is wrong, write at: {column: …, not_before: …} "
            "for it, with the column that dates the other stage"
        )
    for column, swapped in report.swapped.items():
        yield f"{column}: {swapped}"
    for column, time in report.times_of_day.items():
        yield (
            f"{column}: every date has the time {time}; if only the days are known, "
            "write precision: day"
        )


def _texts(report: Report) -> Iterator[str]:
    """Where the mapping and the rows may not mean the same texts."""
    for source, unsaid in report.unsaid.items():
        unmatched_texts: dict[tuple[str, str], list[str]] = {}
        for one in unsaid:
            if one.meant is None:
                unmatched_texts.setdefault((one.column, one.key), []).append(one.text)
            else:
                yield (
                    f"{source}.{one.column}: no row has {one.text!r}, which {one.key} names; "
                    f"did you mean {one.meant!r}?"
                )
        for (column, key), texts in unmatched_texts.items():
            yield f"{source}.{column}: no row has {_few(map(repr, texts))}, which {key} names"
    for column, others in report.unnamed.items():
        named_texts = [f"{text!r} ({number:,})" for text, number in others.most_common()]
        named = [_few(named_texts)] if named_texts else []
        if beyond := report.unnamed_others[column]:
            named.append(f"the texts of {number_of(beyond, 'other row')}")
        yield f"{column}: no when names {' and '.join(named)}"
    for rule in report.unfulfilled:
        yield f"{rule}: no row matches the when of this event"


def _few(texts: Iterable[str]) -> str:
    shown = [*texts]
    more = f", … and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _counted(what: str, counter: Mapping[str, int]) -> Iterator[str]:
    for which, number in counter.items():
        if number:
            yield f"{number:,} {what}: {which}"
