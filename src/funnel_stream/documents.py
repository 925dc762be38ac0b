"""YAML files whose mistakes are reported with their lines: funnel.yaml, mappings of imports."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ValidationError

from funnel_stream.errors import ConfigError, printable

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and indexes of lists."""


def suggest(wrong: str, known: Sequence[str]) -> str:
    """``; did you mean …?`` or the list of what there is."""
    near = get_close_matches(wrong, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there is: {', '.join(known)}"


class Mistake(NamedTuple):
    """What is wrong, and what would be right."""

    line: int
    key_path: KeyPath
    message: str

    def __str__(self) -> str:
        where = _dotted(self.key_path)
        return printable(f"{where}: {self.message}" if where else self.message)


def _dotted(key_path: KeyPath) -> str:
    """``targets[0].kpi``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key_path)
    return "".join(parts).removeprefix(".")


@dataclass
class Document:
    """A file: its value (``None`` where it is empty), the line of every key and list item.

    Numbers with a point are ``Decimal``, keys are the texts that stand there, and days stay texts.
    ``mistakes`` are those that no value can show, like a key that stands there twice.
    """

    path: Path
    value: Any = None
    mistakes: list[Mistake] = field(default_factory=list)
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def mistake(self, key_path: KeyPath, message: str) -> Mistake:
        """A mistake at a key path, or what is missing there."""
        known = key_path
        while known and known not in self.lines:
            known = known[:-1]
        return Mistake(self.lines.get(known, 1), key_path, message)

    def mistakes_of(self, error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
        """What pydantic found wrong with the value, in plain sentences."""
        found: dict[KeyPath, Mistake] = {}
        for problem in error.errors():
            key_path: KeyPath = problem["loc"]
            context = problem.get("ctx", {})
            if problem["type"] == "too_short" and len(problem["input"]) >= context["min_length"]:
                continue  # Only the entries that are wrong are missing.
            if problem["type"] == "extra_forbidden":
                *parent, key = key_path
                known = list(_model_at(model, parent).model_fields)
                line = self.mistake(key_path, "").line
                message = f"unknown key {key!r}{suggest(str(key), known)}"
                found[key_path] = Mistake(line, tuple(parent), message)
                continue
            if problem["type"] != "missing":
                # Pydantic names the branch of a union, too: that is no part of the file.
                while key_path and key_path not in self.lines:
                    key_path = key_path[:-1]
            found.setdefault(key_path, self.mistake(key_path, _sentence(problem)))
        return list(found.values())

    def refusal(self, mistakes: Iterable[Mistake], hint: str) -> ConfigError:
        """All mistakes as one error, in the order of the lines."""
        lines = [f"{self.path}:{mistake.line}: {mistake}" for mistake in _in_order(mistakes)]
        if len(lines) > 1:
            lines.insert(0, f"{self.path} has {len(lines)} mistakes")
        return ConfigError("\n".join(lines), hint=hint)


def _in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: (mistake.line, str(mistake)))


def read(path: Path) -> Document:
    """Read a YAML file. Raises ``ConfigError`` where it cannot be read or is not YAML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    document = Document(path)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            document.value = _value(root, (), document, ())
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(path, error) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None
    return document


_MOST: Final = 100_000
"""Keys and items of a file, counted again wherever an alias repeats them."""


_ADVICE: Final = {
    r"'\t'": "YAML is indented with spaces, not with tabs",
    "mapping values are not allowed": "a text with a colon needs quotes; or the indentation is off",
    "<stream end>": "a bracket or a quote is not closed",
    "unexpected end of stream": "a quote is not closed",
    "<block mapping start>": "keys of one mapping begin in one column",
}


def _no_yaml(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    advice = next((lines for sign, lines in _ADVICE.items() if sign in problem), None)
    return ConfigError(f"{path}{at}: this is not YAML: {problem}", hint=advice)


class _Loader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: ``no`` and ``on`` are texts, and so is ``2026-01-31``."""


_Loader.yaml_implicit_resolvers = {}


_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final[dict[str, tuple[str, str, Callable[[str], Any]]]] = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"-?(0|[1-9][0-9]{0,40})", "-0123456789", int),
    "float": (r"-?(0|[1-9][0-9]{0,40})\.[0-9]{1,40}", "-0123456789", Decimal),
    "str": (r".*", "", str),
}
"""Tag → how a text is written that has it, by which characters it begins, and what it means."""
for _name, (_pattern, _first, _) in _SCALARS.items():
    if _first:
        _Loader.add_implicit_resolver(
            _TAG + _name,
            re.compile(rf"(?:{_pattern})\Z"),
            [*_first, ""] if _name == "null" else [*_first],
        )


def _value(node: yaml.Node, key_path: KeyPath, document: Document, within: tuple[int, ...]) -> Any:
    """The value of a node; lines and mistakes go into the document."""
    if id(node) in within:
        document.mistakes.append(document.mistake(key_path, "this refers to itself"))
        return None
    if len(document.lines) > _MOST:
        raise ConfigError(
            f"{document.path} has more than {_MOST:,} keys and items, counting those that its "
            "aliases repeat; use fewer of them"
        )
    within = (*within, id(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _TAG + "null":
                document.mistakes.append(
                    Mistake(line, key_path, "a key must be a text; write it in quotes")
                )
                continue
            key = key_node.value
            inner = (*key_path, key)
            plain = key_node.style is None
            if key == "<<" and plain and not isinstance(value_node, yaml.ScalarNode):
                message = (
                    "<< does not merge keys in YAML 1.2; write them out, or let an alias stand "
                    "for the whole, like key: *name"
                )
                document.mistakes.append(Mistake(line, key_path, message))
                continue
            if key in found:
                first = document.lines[inner]
                message = f"occurs twice, first in line {first}; keep one of them"
                document.mistakes.append(Mistake(line, inner, message))
                continue
            document.lines[inner] = line
            found[key] = _value(value_node, inner, document, within)
        return found
    if isinstance(node, yaml.SequenceNode):
        items: list[Any] = []
        for index, item in enumerate(node.value):
            inner = (*key_path, index)
            document.lines[inner] = item.start_mark.line + 1
            items.append(_value(item, inner, document, within))
        return items
    return _scalar(node, key_path, document)


def _scalar(node: yaml.Node, key_path: KeyPath, document: Document) -> Any:
    _, _, meaning = _SCALARS.get(node.tag.removeprefix(_TAG), (None, None, None))
    try:
        if meaning is not None:
            return meaning(node.value)
        message = f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here; leave it out"
    except (ValueError, ArithmeticError):
        message = f"{node.value!r} cannot be read as {node.tag.removeprefix(_TAG)}"
    document.mistakes.append(document.mistake(key_path, message))
    return None


def _model_at(model: type[BaseModel], key_path: Iterable[str | int]) -> type[BaseModel]:
    """The model of the mapping at a key path."""
    for part in key_path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


_SHOWN: Final = 60
"""So many characters of a wrong value are quoted."""


def shown(value: object) -> str:
    """A value as it could stand in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'mapping'}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SENTENCES: Final[dict[str, str]] = {
    "missing": "is missing",
    "string_type": "{input} is not text; put it in quotes if it is meant",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long; it has at most {max_length} character(s)",
    "string_pattern_mismatch": "{input} does not have the form {pattern}",
    "int_type": "{input} is not a whole number",
    "int_parsing": "{input} is not a whole number",
    "int_from_float": "{input} is not a whole number",
    "bool_type": "{input} is neither true nor false",
    "bool_parsing": "{input} is neither true nor false",
    "decimal_type": "{input} is not a number",
    "decimal_parsing": "{input} is not a number",
    "finite_number": "{input} is not a number",
    "decimal_max_places": "{input} has more than {decimal_places} decimals",
    "decimal_max_digits": "{input} has more than {max_digits} digits",
    "decimal_whole_digits": "{input} has more than {whole_digits} digits before the point",
    "greater_than": "{input} is too small; it must be more than {gt}",
    "greater_than_equal": "{input} is too small; it must be at least {ge}",
    "less_than_equal": "{input} is too large; it must be at most {le}",
    "too_short": "is empty; it needs at least one entry",
    "dict_type": "should be a mapping (key: value), not {input}",
    "model_type": "should be a mapping (key: value), not {input}",
    "model_attributes_type": "should be a mapping (key: value), not {input}",
}
"""Pydantic's kind of error → what is wrong, and what would be right."""


def _sentence(problem: Any) -> str:
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if given is None and not problem["loc"]:
        return "the file is empty"
    if given is None:
        return "has no value; write one, or leave the key out"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", context["expected"])
        near = get_close_matches(str(given), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{shown(given)} is not one of {', '.join(known)}{hint}"
    if kind in ("tuple_type", "list_type"):
        hint = "" if isinstance(given, list | dict) else f"; write [{given}]"
        return f"should be a list, not {shown(given)}{hint}"
    sentence = _SENTENCES.get(kind)
    if sentence is None:
        message: str = problem["msg"]
        return message.removeprefix("Input ")
    return sentence.format_map({"input": shown(given), **context})
