"""From what columns hold to what they may mean: the events that a table can make."""

from collections.abc import Sequence
from typing import Final

from funnel_stream.contract.event import STAGES
from funnel_stream.human import number_of
from funnel_stream.tools.suggestion.columns import Profile
from funnel_stream.tools.suggestion.doubts import doubts
from funnel_stream.tools.suggestion.money import money_of
from funnel_stream.tools.suggestion.names import is_foreign, rank, words
from funnel_stream.tools.suggestion.roles import (
    CLOSED,
    FALSE,
    HISTORY,
    TRUE,
    ColumnRoles,
    is_text,
    texts,
)
from funnel_stream.tools.suggestion.rules import ConditionTexts, SuggestedEvent, TablePlan
from funnel_stream.tools.suggestion.stages import OPEN, Guess, stage_of_date
from funnel_stream.tools.suggestion.tables import Survey

_SPENT: Final = frozenset({"spend", "spending", "cost", "costs", "kosten", "budget", "ausgaben"})
"""Words in the name of a file whose amounts are spends."""
_PEOPLE: Final = frozenset(
    words(
        "user users employee employees staff owner owners rep reps salespeople team teams agent "
        "agents mitarbeiter benutzer usuarios utilisateurs пользователи сотрудники"
    )
)
"""Words in the name of a file whose rows are those who sell."""


def planned(table: Survey) -> TablePlan:
    """What the table can be read as."""
    return _TablePlanner(table).plan()


class _TablePlanner:
    def __init__(self, table: Survey) -> None:
        self._table = table
        self._columns = ColumnRoles(table)
        self._plan = TablePlan(table)

    def plan(self) -> TablePlan:
        plan, columns = self._plan, self._columns
        if not self._table.rows or not columns.all:
            plan.reason = "it has no rows" if columns.all else "no column has a unique name"
            return plan
        stage = next(
            iter(columns.stage_columns(lambda guess: guess.stage not in (*CLOSED, OPEN))), None
        )
        outcome = next(iter(columns.outcomes()), None)
        if self._spend(stage or outcome):
            return plan
        stage_column = stage or outcome
        if stage_column is None and self._people():
            return plan
        history = columns.history_id(stage_column)
        key, sure = (history, True) if history is not None else columns.snapshot_id()
        if key is None:
            plan.reason = (
                "no column looks like the id of a deal: it should have a name like Record ID, "
                "Deal ID or Opportunity ID, or a different text in every row; if there is none, "
                "add a column that numbers the rows, and keep the numbers"
            )
            return plan
        plan.deal_id = key.name
        if not sure:
            plan.guessed = True
            plan.id_note = "UNSURE: its name does not say so, but its texts are all different"
        if history is not None and stage_column is not None:
            self._history(history, stage_column)
        elif key.repeats >= HISTORY:
            plan.reason = (
                f"there are {key.repeats:.1f} rows per {key.name!r} on average, but no column of "
                "stages with a date that would make them a history"
            )
        elif (own_column := columns.own_id(key)) is not None and rank(
            own_column.name, "id"
        ) is None:
            plan.reason = (
                f"its rows are identified by {own_column.name!r}; {key.name!r} only refers to a "
                "deal"
            )
        else:
            if own_column is not None and rank(key.name, "id") is None:
                plan.id_note = f"UNSURE: this column, or {own_column.name!r}"
            self._snapshot(stage, outcome)
        if not plan.events and not plan.reason:
            seen = ", ".join(repr(name) for name in self._columns.dates) or "none"
            plan.reason = (
                "no column says when a deal entered a stage: it should have a name like "
                f"Create Date, Close Date or Date entered …; columns with dates: {seen}"
            )
            plan.reason = "; ".join([plan.reason, *plan.notes])
        if not plan.events:
            plan.deal_id = None
        return plan

    def _use_date(self, name: str) -> str:
        self._plan.dates[name] = self._columns.dates[name]
        return name

    def _use_stages(self, one: Profile) -> str:
        self._plan.stages[one.name] = self._columns.texts[one.name]
        return one.name

    def _amount(self, role: str, taken: set[str], guessing: bool = False) -> dict[str, str]:
        """``amount`` and ``currency``, with their columns."""
        money = money_of(self._columns, role, taken, guessing=guessing)
        taken |= set(money.columns.values())
        if money.number is not None:
            self._plan.numbers[money.columns["amount"]] = money.number
        if money.strange:
            self._plan.currencies[money.columns["currency"]] = money.strange
        self._plan.hints += [money.hint] if money.hint else []
        self._plan.money = self._plan.money or money.unknown
        self._plan.notes += money.notes
        return money.columns

    # --- tables -----------------------------------------------------------------------------------

    def _spend(self, stage: Profile | None) -> bool:
        """Whether it is a table of spends; then it is planned."""
        if stage is not None or self._columns.ranked("deal_id"):
            return False
        about = {word for path in self._table.paths for word in words(path.stem)}
        spent = bool(_SPENT & about)
        taken: set[str] = set()
        channel = next((one for one in self._columns.ranked("channel", is_text)), None) or next(
            (one for one in self._columns.ranked("source", is_text)), None
        )
        dated = [
            one.name for one in self._columns.ranked("month") if one.name in self._columns.dates
        ]
        dated += [name for name in self._columns.dates if not is_foreign(name)]
        if channel is None or not dated:
            return False
        taken |= {channel.name, *self._columns.dates}
        money = self._amount("cost", taken) or (self._amount("amount", taken) if spent else {})
        if not money:
            return False
        choice = self._columns.dates[dated[0]]
        event = SuggestedEvent(
            self._use_date(dated[0]),
            type="spend_recorded",
            attributes={"channel": channel.name, **money},
            period=choice.period,
        )
        if not choice.certain_period and choice.period != "day":
            which = "the first of a month" if choice.period == "month" else "a Monday"
            event.notes.append(
                f"UNSURE: every date is {which}, so each spend is spread over its {choice.period}"
            )
        self._plan.events = [event]
        return True

    def _people(self) -> bool:
        """Whether it is a table of those who sell; then ``reason`` says so."""
        about = {word for path in self._table.paths for word in words(path.stem)}
        columns = self._columns
        signs = columns.of_people()
        if not (signs or _PEOPLE & about) or columns.ranked("deal_id"):
            return False
        if columns.dated("closed") or any(map(columns.number, columns.ranked("amount"))):
            return False
        sign = f"columns like {', '.join(map(repr, signs[:3]))}" if signs else "such a name"
        self._plan.reason = f"its rows are people, not deals: it has {sign}, and no stages"
        return True

    def _history(self, key: Profile, stage: Profile) -> None:
        """One event for every change of the stage."""
        dated = [one for role in ("moved", "history") for one in self._columns.ranked(role)]
        names = [one.name for one in dated if self._columns.names_day(one.name)]
        names += [
            name
            for name in self._columns.dates
            if self._columns.names_day(name) and not is_foreign(name)
        ]
        if not names:
            return
        taken = {key.name, stage.name, *self._columns.dates}
        event = SuggestedEvent(
            self._use_date(names[0]),
            stage_column=self._use_stages(stage),
            only_changes=True,
            attributes=self._columns.attributes(taken)
            | self._amount("amount", taken, guessing=True)
            | self._columns.lost_reason(taken),
        )
        other_dates = [name for name in dict.fromkeys(names) if name != event.at]
        if other_dates and rank(event.at, "moved") is None:
            others = ", ".join(other_dates[:3])
            event.notes.append(f"UNSURE: this date column, or {others}")
        self._plan.events = [event]

    def _snapshot(self, stage: Profile | None, outcome: Profile | None) -> None:
        """Events of deals with one row each."""
        plan = self._plan
        created, closed = self._columns.dated("lead"), self._columns.dated("closed")
        dated: dict[str, list[tuple[str, Guess]]] = {one: [] for one in STAGES}
        for name in self._columns.dates:
            if self._columns.names_day(name) and name not in (created, closed):
                guess = stage_of_date(name)
                if guess is not None:
                    dated[guess.stage].append((name, guess))
        events: list[SuggestedEvent] = []
        if created is not None:
            events.append(SuggestedEvent(self._use_date(created), stage="lead"))
        elif dated["lead"]:
            name, guess = dated["lead"][0]
            events.append(self._at_its_date("lead", name, guess, 1))
        for entered in STAGES[1:5]:
            for number, (name, guess) in enumerate(dated[entered], start=1):
                events.append(self._at_its_date(entered, name, guess, number))
        lead = events[0] if events and events[0].stage == "lead" else None
        if stage is not None and len(events) <= 1:
            events += self._present_stage(stage, outcome, lead)
        closings = self._closings(outcome, closed, dated)
        for event in closings:
            event.not_before = lead.at if lead is not None and lead.at != event.at else ""
        events += closings
        if not events and (only := self._columns.dated("history")) is not None:
            events.append(SuggestedEvent(self._use_date(only), stage="lead"))
            events[0].notes.append("UNSURE: whether this date is when the deal began")
        plan.events = events
        if events:
            self._tell_attributes(events)
            self._tell_of_gaps(events)
            plan.notes += doubts(plan, self._columns, outcome)

    def _at_its_date(self, stage: str, name: str, guess: Guess, number: int) -> SuggestedEvent:
        event = SuggestedEvent(self._use_date(name), stage=stage, optional=True)
        if number > 1:
            event.name = f"{stage}_{number}"
        if not guess.sure:
            event.notes.append(f"UNSURE: whether {name!r} is the stage {stage}")
        return event

    def _present_stage(
        self, stage: Profile, outcome: Profile | None, lead: SuggestedEvent | None
    ) -> list[SuggestedEvent]:
        """The stage in which open deals are now, where a date tells since when; that of deals which
        never left their first, since they began."""
        moved = self._columns.dated("moved")
        guesses = [guess.stage if guess else "" for *_, guess in self._columns.texts[stage.name]]
        began = lead is not None and lead.at != moved
        begun = ["lead"] if began else []
        open_stages = [one for one in STAGES[:5] if one in guesses and one not in begun]
        if not open_stages:
            return []
        if moved is None:
            if set(open_stages) - {"lead"}:
                self._plan.notes.append(
                    f"{stage.name!r} gives the current stage of open deals, but no column says "
                    "since when; a history of stages, or dates of entering them, would make "
                    "events of them"
                )
            return []
        if "" in guesses:
            # What the user says of the other texts has to be among these.
            open_stages = [one for one in STAGES[:5] if one not in begun]
        event = SuggestedEvent(
            self._use_date(moved),
            name="present_stage",
            stage_column=self._use_stages(stage),
            when={stage.name: open_stages},
            fallback=lead.at if lead is not None and began else "",
            optional=lead is None or not began or lead.optional,
        )
        missing = self._columns.named(moved).missing
        if missing and not event.fallback:
            event.notes.append(
                f"UNSURE: {number_of(missing, 'row')}, including closed ones, without this "
                "date: open deals among them get no event for their stage"
            )
        if outcome is not None and outcome.name != stage.name:
            still_open = [
                text if guess is None or guess.stage == OPEN else guess.stage
                for text, _, guess in self._columns.texts[outcome.name]
                if guess is None or guess.stage not in CLOSED
            ]
            if still_open:
                event.when[self._use_stages(outcome)] = list(dict.fromkeys(still_open))
        return [event]

    def _closings(
        self,
        outcome: Profile | None,
        closed: str | None,
        dated: dict[str, list[tuple[str, Guess]]],
    ) -> list[SuggestedEvent]:
        events = []
        for stage in CLOSED:
            dated_column = next(iter(dated[stage]), None)
            name = dated_column[0] if dated_column else closed
            when = self._when(stage, outcome)
            if name is None or (dated_column is None and not when):
                continue
            event = SuggestedEvent(self._use_date(name), stage=stage, when=when, optional=not when)
            if dated_column is not None and not dated_column[1].sure:
                event.notes.append(f"UNSURE: whether {name!r} is the stage {stage}")
            events.append(event)
        closings = {event.stage for event in events}
        if outcome is not None and not closings:
            self._plan.notes.append(
                f"UNSURE: {outcome.name!r} says which deals are closed, but no column says when: "
                "it should have a name like Close Date"
            )
        elif closed is not None and not closings:
            self._plan.notes.append(
                f"UNSURE: {closed!r} says when a deal was closed, but no column says whether it "
                "was won or lost"
            )
        return events

    def _when(self, stage: str, outcome: Profile | None) -> ConditionTexts:
        if outcome is not None:
            return {self._use_stages(outcome): [stage]}
        won, lost, closed = (
            self._columns.flag(role) for role in ("is_won", "is_lost", "is_closed")
        )
        if stage == "won" and won is not None:
            return {won.name: texts(won, TRUE)}
        if stage == "lost" and lost is not None:
            return {lost.name: texts(lost, TRUE)}
        if stage == "lost" and won is not None and closed is not None:
            return {won.name: texts(won, FALSE), closed.name: texts(closed, TRUE)}
        return {}

    def _tell_attributes(self, events: list[SuggestedEvent]) -> None:
        plan = self._plan
        taken = {plan.deal_id or "", *plan.stages, *self._columns.dates}
        lost = self._columns.lost_reason(taken)
        taken |= set(lost.values())
        common = self._columns.attributes(taken)
        closes = any(event.stage in CLOSED for event in events)
        money = self._amount("amount", taken, guessing=closes)
        first = events[0]
        whole = first.type == "stage_changed" and not first.optional and not first.when
        whole = whole and not self._columns.named(first.at).missing
        offers = any(event.stage == "offer" and event.at for event in events)
        for event in events:
            if event is first or not whole:
                event.attributes |= common
            if event.stage in CLOSED or (not offers and event is first):
                event.attributes |= money
            if event.stage == "lost":
                event.attributes |= lost
        if offers and money:
            plan.notes.append(
                "only closings take the amount: for an offer it would be the final amount, not the "
                "one offered then"
            )

    def _tell_of_gaps(self, events: Sequence[SuggestedEvent]) -> None:
        for event in events:
            one = self._columns.named(event.at)
            if one.missing and not event.optional and not event.when:
                event.notes.append(
                    f"{one.missing:,} of {one.rows:,} rows have no date and are left out; "
                    "with optional: true they are only counted"
                )
