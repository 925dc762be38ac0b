"""What a table can be read as: the events of its rows, and what there is to say of them."""

from dataclasses import dataclass, field

from funnel_stream.contract.event import STAGES
from funnel_stream.tools.suggestion.dates import DateChoice
from funnel_stream.tools.suggestion.numbers import NumberChoice
from funnel_stream.tools.suggestion.roles import StageTexts
from funnel_stream.tools.suggestion.tables import Survey

ConditionTexts = dict[str, list[str]]


@dataclass
class SuggestedEvent:
    """One event rule to be written, and what there is to say of it."""

    at: str
    type: str = "stage_changed"
    stage: str = ""
    stage_column: str = ""
    name: str = ""
    when: ConditionTexts = field(default_factory=dict)
    not_before: str = ""
    """A column whose date counts where that of ``at`` is earlier."""
    fallback: str = ""
    """A column whose date counts where ``at`` has none."""
    optional: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    only_changes: bool = False
    period: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class TablePlan:
    """What a table can be read as. Without events ``reason`` says what is missing."""

    table: Survey
    deal_id: str | None = None
    id_note: str = ""
    guessed: bool = False
    """The name of the id does not say that it is one of deals."""
    dates: dict[str, DateChoice] = field(default_factory=dict)
    numbers: dict[str, NumberChoice] = field(default_factory=dict)
    stages: dict[str, StageTexts] = field(default_factory=dict)
    """Of stage columns: every text, its rows, and what it stands for."""
    currencies: dict[str, list[tuple[str, int, str | None]]] = field(default_factory=dict)
    """Of currency columns: texts that are no codes, and the code."""
    events: list[SuggestedEvent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    money: bool = False
    """Amounts are read of which nothing in the table tells the currency."""
    hints: list[str] = field(default_factory=list)
    """Currencies that names of columns mention."""

    def used(self) -> set[str]:
        """The columns that the mapping names."""
        names = {self.deal_id or ""}
        for event in self.events:
            names |= {event.at, event.not_before, event.fallback, event.stage_column}
            names |= {*event.when, *event.attributes.values()}
        return names - {""}

    def attributes(self) -> dict[str, str]:
        """All attributes that its events tell, with their columns."""
        return {name: one for event in self.events for name, one in event.attributes.items()}

    def stages_told(self) -> set[str]:
        """The stages that rows of the table tell."""
        found: set[str] = set()
        for event in self.events:
            if event.stage_column:
                stages = self._stood_for(event.stage_column)
                found |= stages & set(event.when.get(event.stage_column, stages))
            elif all(
                event.stage in self._stood_for(column)
                for column, texts in event.when.items()
                if column in self.stages and event.stage in texts
            ):
                found.add(event.stage)
        return found & {*STAGES}

    def _stood_for(self, column: str) -> set[str]:
        """The stages that texts of a column stand for."""
        return {guess.stage for *_, guess in self.stages[column] if guess is not None}

    def is_history(self) -> bool:
        """Whether there are several rows of a deal, one for each change."""
        return any(event.only_changes for event in self.events)
