"""A suggested mapping as YAML: what was found stands beside it, in comments."""

from collections.abc import Iterator, Mapping, Sequence

from funnel_stream.errors import printable
from funnel_stream.human import number_of
from funnel_stream.tools.numbers import USUAL, NumberFormat, currency_of
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.dates import DateChoice
from funnel_stream.tools.suggestion.numbers import NumberChoice
from funnel_stream.tools.suggestion.rules import SuggestedEvent, TablePlan
from funnel_stream.tools.suggestion.stages import OPEN, Guess
from funnel_stream.tools.suggestion.texts import example_of, quoted

_EXAMPLES = 8
_FEW = 3
_LONGEST = 100
_LISTED = 200
"""Columns that are not used are listed up to so many."""


def source(
    name: str, pattern: str | None, plan: TablePlan, lookups: Sequence[str]
) -> Iterator[str]:
    """The lines of one source."""
    table = plan.table
    yield f"  {name}: # {number_of(table.rows, 'row')}, {number_of(len(table.header), 'column')}"
    if pattern is not None:
        yield f"    file: {quoted(pattern)}"
    if table.encoding:
        foreign = f", which gives {example_of(table.foreign)}" if table.foreign else ""
        yield f"    encoding: {table.encoding} # UNSURE: it is not UTF-8; perhaps this{foreign}"
    if table.skip_rows:
        yield f"    skip_rows: {table.skip_rows} # above the header"
    if table.footer_rows:
        yield f"    footer_rows: {table.footer_rows} # below the data"
    if table.misfits:
        yield f"    # {number_of(table.misfits, 'row')} with more or fewer columns than the header"
    by_name = {one.name: one for one in table.usable()}
    if plan.deal_id is not None:
        yield from _deal_id(plan, by_name[plan.deal_id])
    columns = list(_columns(plan, by_name))
    if any(not _is_comment(line) for line in columns):
        yield "    columns:"
    yield from columns
    yield from lookups
    for note in plan.notes:
        yield f"    # {printable(note)}"
    yield "    events:"
    for event in plan.events:
        yield from _event(event)
    yield from unused(plan)


def _deal_id(plan: TablePlan, one: Profile) -> Iterator[str]:
    many = "all different" if one.repeats == 1 else f"{one.repeats:.1f} rows each"
    note = f"; {printable(plan.id_note)}" if plan.id_note else ""
    yield f"    deal_id: {quoted(one.name)} # like {_like(one)}; {many}{note}"
    if one.missing:
        yield f"    # {number_of(one.missing, 'row')} without it"


def _columns(plan: TablePlan, by_name: Mapping[str, Profile]) -> Iterator[str]:
    for name, one in by_name.items():
        if name not in plan.used():
            continue
        keys: list[str] = []
        if name in plan.dates:
            keys += _date(plan.dates[name], one)
        elif name in plan.numbers:
            keys += _number(plan.numbers[name], one)
        elif name in plan.stages:
            keys += _stages(plan.stages[name], one)
        elif name in plan.currencies:
            keys += _currencies(plan.currencies[name])
        if all(map(_is_comment, keys)):
            yield from (f"      # {example_of(name)}: {key.lstrip(' #')}" for key in keys)
            continue
        yield f"      {quoted(name)}:"
        yield from keys


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _examples(one: Profile, most: int = _FEW) -> str:
    """``"Web" 12, "Fair" 3, … of 7``."""
    if one.distinct == one.filled and one.filled > most:
        shown = ", ".join(example_of(text) for text, _ in one.common(most))
        return f"{shown}, … all different"
    shown = ", ".join(f"{example_of(text)} {count:,}" for text, count in one.common(most))
    more = one.distinct - min(most, len(one.kept))
    return shown + (f", … {'about ' if one.sampled else ''}{more:,} more" if more > 0 else "")


def _date(choice: DateChoice, one: Profile) -> Iterator[str]:
    if choice.forms != ("iso",):
        forms = [quoted(form) for form in choice.forms]
        written = forms[0] if len(forms) == 1 else f"[{', '.join(forms)}]"
        yield f"        dates: {written} # like {_like(one)}"
    if choice.doubt is not None:
        text, reading, other = choice.doubt
        yield (
            f"        # UNSURE: {example_of(text)} is {_day(reading)}; "
            f"with {quoted(choice.rival)} it would be {_day(other)}. Nothing in "
            "the file says which is meant"
        )
    if choice.locale and choice.locale != "en":
        yield f"        locale: {choice.locale}"
    if choice.same_time:
        yield "        precision: day # every date has the same time"
    if choice.unread:
        yield (
            f"        # {number_of(choice.unread, 'row')} in another format, like "
            f"{example_of(choice.unread_text)}"
        )


def _day(reading: str) -> str:
    return reading.removesuffix(" 00:00:00")


def _like(one: Profile) -> str:
    return example_of(next(iter(one.kept), ""))


def _number(choice: NumberChoice, one: Profile) -> Iterator[str]:
    if choice.form.decimal != ".":
        yield f'        decimal: "{choice.form.decimal}" # like {_like(one)}'
    if choice.form.thousands:
        yield f'        thousands: "{choice.form.thousands}" # like {_like(one)}'
    if choice.doubt is not None and choice.rival is not None:
        text, reading, other = choice.doubt
        yield (
            f"        # UNSURE: {example_of(text)} is {reading}; with {_keys(choice.rival)} it "
            f"would be {other}. Nothing in the file says which is meant"
        )
        if choice.form == USUAL[0]:
            yield '        decimal: "."'
    if choice.unread:
        yield (
            f"        # {number_of(choice.unread, 'row')} in another format, like "
            f"{example_of(choice.unread_text)}"
        )
    if choice.negative:
        yield f"        # {number_of(choice.negative, 'row')} below zero, left out"
    unclear = [mark for mark in choice.marks if currency_of(mark) is None]
    if unclear:
        marks = ", ".join(map(example_of, unclear))
        yield f"        # currency: above has to say which currency {marks} is"


def _keys(form: NumberFormat) -> str:
    thousands = f' and thousands: "{form.thousands}"' if form.thousands else ""
    return f'decimal: "{form.decimal}"{thousands}'


def _stages(texts: Sequence[tuple[str, int, Guess | None]], one: Profile) -> Iterator[str]:
    yield f"        values: # {number_of(one.distinct, 'text')} in {number_of(one.filled, 'row')}"
    sure = False
    for text, count, guess in texts:
        rows = number_of(count, "row")
        if guess is None:
            yield f"          # {quoted(text)}: # UNSURE: {rows}, which stage?"
        elif guess.stage == OPEN:
            yield f"          # {quoted(text)}: not a stage, only not closed; {rows}"
        else:
            sure = True
            doubt = "UNSURE: " if not guess.sure else ""
            yield f"          {quoted(text)}: {guess.stage} # {doubt}{rows}"
    if not sure:
        yield "          {}"


def _currencies(texts: Sequence[tuple[str, int, str | None]]) -> Iterator[str]:
    if any(code for _, _, code in texts):
        yield "        values:"
    for text, count, code in texts:
        rows = number_of(count, "row")
        if code is None:
            yield f"          # {quoted(text)}: # UNSURE: {rows}, which currency?"
        else:
            yield f"          {quoted(text)}: {code} # {rows}"


def _event(event: SuggestedEvent) -> Iterator[str]:
    for note in event.notes:
        yield f"      # {printable(note)}"
    stage = f"{{column: {quoted(event.stage_column)}}}" if event.stage_column else event.stage
    keys = []
    if event.type != "stage_changed":
        keys.append(f"type: {event.type}")
    else:
        keys.append(f"stage: {stage}")
    if event.name:
        keys.append(f"name: {quoted(event.name)}")
    keys.append(f"at: {_at(event)}")
    if event.when:
        keys.append(f"when: {{{', '.join(_condition(*one) for one in event.when.items())}}}")
    if event.optional:
        keys.append("optional: true # without a date there is no such event")
    if event.only_changes:
        keys.append("only: changes # a row that repeats the previous stage makes no event")
    if event.period:
        keys.append(f"period: {event.period} # over which each spend is spread")
    for index, key in enumerate(keys):
        yield f"      {'- ' if not index else '  '}{key}"
    if event.attributes:
        yield "        attributes:"
        for name, column in event.attributes.items():
            yield f"          {name}: {quoted(column)}"


def _at(event: SuggestedEvent) -> str:
    """The column of the date, and those whose date may count instead."""
    others = {"not_before": event.not_before, "fallback": event.fallback}
    told_too = [f"{key}: {quoted(column)}" for key, column in others.items() if column]
    if not told_too:
        return quoted(event.at)
    return f"{{column: {quoted(event.at)}, {', '.join(told_too)}}}"


def _condition(column: str, texts: Sequence[str]) -> str:
    quoted_texts = [quoted(text) for text in texts]
    listed = quoted_texts[0] if len(texts) == 1 else f"[{', '.join(quoted_texts)}]"
    return f"{quoted(column)}: {listed}"


def unused(plan: TablePlan) -> Iterator[str]:
    """Comments on the columns that the mapping does not name."""
    used = plan.used()
    usable = {id(one) for one in plan.table.usable()}
    unused = [one for one in plan.table.profiles if one.name not in used or id(one) not in usable]
    if not unused:
        return
    yield "    # not used:"
    for one in unused[:_LISTED]:
        texts = _examples(one, _EXAMPLES) if one.filled else "empty"
        shown = _cut(texts)
        name = example_of(one.name) if one.name else "a column without a name"
        twice = " (its name occurs twice)" if one.name and id(one) not in usable else ""
        yield f"    #   {name}{twice}: {shown}"
    if len(unused) > _LISTED:
        yield f"    #   … and {len(unused) - _LISTED:,} more"


def _cut(texts: str) -> str:
    return texts if len(texts) <= 160 else texts[:160] + "…"
