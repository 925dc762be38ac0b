"""Values as people write them: which spellings of a dimension's value are one and the same."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from funnel_stream.contract.event import DIMENSIONS

LABEL_LENGTH: Final = 120
NONE: Final = "__none__"
"""Stands for a value that was not given."""
_RESERVED: Final = (NONE, "__other__")
_REMEMBERED: Final = 4096
"""How many spellings of an attribute are remembered; free text must not fill the memory."""


def cleaned(text: str) -> str:
    """Without outer white space; any white space within is one space."""
    return " ".join(text.split())


class Values(BaseModel):
    """How the values of one attribute are read, in events and spends alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aliases: dict[str, str] = Field(
        default={}, description="Other spellings of values: spelling → value."
    )
    fold_case: bool = Field(
        default=False,
        strict=True,
        description="Upper and lower case count as one value, shown in lower case "
        "unless an alias maps to it in another spelling.",
    )
    keep: Literal["first", "last"] = Field(
        default="last",
        description="Which value of a deal counts: the first that was given (first touch) "
        "or the last.",
    )

    def compared(self, text: str) -> str:
        """The text by which spellings are distinguished."""
        text = cleaned(text)
        return text.casefold() if self.fold_case else text

    def meanings(self) -> dict[str, str]:
        """The value that is meant, by the text as it is compared. Other texts mean themselves."""
        values = {alias: cleaned(value) for alias, value in self.aliases.items()}
        return {self.compared(value): value for value in values.values()} | {
            self.compared(alias): value for alias, value in values.items()
        }

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Aliases that cannot hold, each with what would be right."""
        aliases: dict[str, str] = {}
        targets: dict[str, str] = {}
        for alias, target in self.aliases.items():
            key, value = self.compared(alias), cleaned(target)
            if not key or not value:
                what = "the alias" if not key else "its value"
                yield alias, f"{what} is an empty text, which is not a value; remove the alias"
                continue
            if key in _RESERVED:
                yield alias, f"{key} is what is shown for none or the rest; remove the alias"
            if self.compared(value) in _RESERVED and value not in _RESERVED:
                yield alias, f"{value!r} is {self.compared(value)}; write it like that"
            if aliases.setdefault(key, value) != value:
                yield (
                    alias,
                    f"the same spelling means {aliases[key]!r} already, it cannot mean {value!r} "
                    "too; keep one of them",
                )
            if targets.setdefault(self.compared(value), value) != value:
                known = targets[self.compared(value)]
                yield alias, f"{value!r} and {known!r} are one value; write it in one way"
        for alias, target in self.aliases.items():
            value = cleaned(target)
            further = aliases.get(self.compared(value), value)
            if further != value:
                yield alias, f"{value!r} is itself an alias of {further!r}; write {further!r}"


class Spellings(dict[str, str]):
    """The value of one attribute that a text means, cut as labels are; ``""`` for none.

    A pure function of the text, worked out once for each: the hot loop asks it as a dictionary.
    """

    def __init__(self, rules: Values) -> None:
        self._rules = rules
        self._meanings = {
            text: "" if value == NONE else value for text, value in rules.meanings().items()
        }
        self.some_mean_none = NONE in rules.aliases.values()

    def means_none(self, text: str) -> bool:
        """Whether an alias says that the text counts as not given."""
        return self._meanings.get(self._rules.compared(text)) == ""

    def __missing__(self, text: str) -> str:
        compared = self._rules.compared(text)
        value = self._meanings.get(compared, compared)[:LABEL_LENGTH]
        if len(text) <= LABEL_LENGTH:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = value
        return value


def spellings(values: Mapping[str, Values]) -> dict[str, Spellings]:
    """For each dimension, in their order."""
    plain = Values()
    return {name: Spellings(values.get(name, plain)) for name in DIMENSIONS}


def meaning_none(known: Mapping[str, Spellings]) -> dict[str, Spellings]:
    """Those of which some texts count as not given."""
    return {name: rules for name, rules in known.items() if rules.some_mean_none}


def spelled(attributes: Mapping[str, Any], known: Mapping[str, Spellings]) -> dict[str, Any]:
    """The attributes of a deal with the values that its texts mean."""
    return {
        name: known[name][given] if name in known else given for name, given in attributes.items()
    }
