"""An explained deal to read in a terminal: its journey, what follows from it, where it counts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from funnel_stream.answers import wording
from funnel_stream.answers.explanation import Explanation
from funnel_stream.answers.story import Step
from funnel_stream.answers.wording import Phrase


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
    pipeline, stage, as_of = wording.state(explained)
    text = Text()
    text.append(f"Deal {_clean(explained.deal_id)}", style="bold")
    text.append(f" · {_clean(wording.text(pipeline))}")
    text.append(f" · {wording.text(stage)}")
    text.append(f" · {wording.text(as_of)}", style="dim")
    return text


def _table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[RenderableType]],
    *,
    header: bool = True,
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
    for index, name in enumerate(columns):
        # What explains may take several lines; names and times may not.
        table.add_column(name, no_wrap="(UTC)" in name or not (name or index))
    for row in rows:
        table.add_row(*[Text(_clean(cell)) if isinstance(cell, str) else cell for cell in row])
    return table


def _clean(text: str) -> str:
    """Whoever sends events shall not command the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _stacked(phrases: Iterable[Phrase]) -> str:
    return "\n".join(map(wording.text, phrases))


def _journey(explained: Explanation) -> Iterator[tuple[RenderableType, ...]]:
    for step in explained.journey:
        yield wording.instant_text(step.at), step.what, _details(step)


def _details(step: Step) -> Text:
    parts = [Text(mark, style="italic") for mark in step.marks]
    parts += [Text(_clean(wording.text(detail))) for detail in wording.details(step)]
    return Text("; ").join(parts)


def _derived(explained: Explanation) -> Iterator[tuple[RenderableType, ...]]:
    for each in wording.derived(explained):
        yield each.name, _stacked(each.lines)


def _lines(explained: Explanation) -> Iterator[tuple[RenderableType, ...]]:
    for title, of_kpi in groupby(wording.lines(explained), lambda line: line.title):
        lines = list(of_kpi)
        heading: RenderableType = Text(title, style="bold")
        if lines[0].labels:
            yield heading, "", "", ""
        for line in lines:
            labels = _clean(wording.text(wording.labelled(dict(line.labels))))
            name = Padding(Text(labels), (0, 0, 0, 2)) if line.labels else heading
            yield name, line.adds, wording.instant_text(line.at), line.windows
            heading = ""


def _times(explained: Explanation) -> Iterator[tuple[RenderableType, ...]]:
    for each in wording.times(explained):
        yield wording.instant_text(each.at), _stacked(each.panes), _stacked(each.windows)
