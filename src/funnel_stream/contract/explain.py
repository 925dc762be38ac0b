"""What pydantic found wrong with a batch, in the contract's vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from funnel_stream.contract import timestamps
from funnel_stream.contract.models import MAX_ID, MAX_ITEMS, MAX_TEXT, MODELS
from funnel_stream.contract.rejections import Reason, Rejection, shown

_TYPES: Final = tuple(str(model.model_fields["type"].default) for model in MODELS)
_IDENTIFIERS: Final = ("event_id", "deal_id")


def rejections_of(error: ValidationError, values: Sequence[bytes]) -> dict[int, Rejection]:
    """The first thing wrong with each bad record of a batch, by its index."""
    rejections: dict[int, Rejection] = {}
    for detail in error.errors(include_url=False, include_input=False):
        index = int(detail["loc"][0])
        if index not in rejections:
            rejections[index] = _rejection(detail, values[index])
    return rejections


def _rejection(detail: Mapping[str, Any], value: bytes) -> Rejection:
    kind: str = detail["type"]
    # Below the index: the type of the event, the field, perhaps the index in a list.
    path: tuple[str | int, ...] = detail["loc"][2:]
    field = str(path[0]) if path else ""
    if kind in ("json_invalid", "json_type"):
        return _not_json(value, str(detail.get("ctx", {}).get("error", "")))
    if kind == "union_tag_not_found":
        return Rejection(Reason.MISSING_FIELD, "type", f"add one of {', '.join(_TYPES)}")
    found: Any = None
    if kind != "missing":
        found = from_json(value)
        for part in path:
            found = found[part]
    if kind == "dict_type":
        return Rejection(Reason.NOT_AN_OBJECT, "", f"{shown(found)} is not a JSON object")
    if kind == "union_tag_invalid":
        return _bad_type(found.get("type"))
    if found is None and len(path) == 1:
        if field == "currency":
            return Rejection(Reason.CURRENCY_MISSING, field, "add a code like EUR")
        return Rejection(Reason.MISSING_FIELD, field, f"{field} is required and not null")
    if kind in ("string_too_long", "too_long"):
        return Rejection(Reason.TOO_LONG, field, _too_long(kind, field, found))
    if field.endswith(("_at", "_start", "_end")):
        if isinstance(found, str):
            return timestamps.refusal(found, field).rejection
        text = f"{shown(found)} is not text; {timestamps.EXAMPLE}"
        return Rejection(Reason.WRONG_TYPE, field, text)
    if kind.endswith("_type") or (kind == "literal_error" and not isinstance(found, str)):
        return Rejection(
            Reason.WRONG_TYPE, field, f"{shown(found)}: {_lowered(detail['msg'])} in JSON"
        )
    return Rejection(Reason.INVALID_VALUE, field, f"{shown(found)}: {_lowered(detail['msg'])}")


def _not_json(value: bytes, problem: str) -> Rejection:
    if not isinstance(value, bytes):
        return Rejection(Reason.NOT_JSON, "", f"{shown(value)} is not text")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, "", f"byte {error.start} is not UTF-8")
    if value.startswith(b"\xef\xbb\xbf"):
        return Rejection(
            Reason.NOT_JSON, "", "starts with a byte order mark; send UTF-8 without one"
        )
    if "hex escape" in problem or "surrogate" in problem:
        return Rejection(
            Reason.INVALID_UTF8, "", f"half of a surrogate pair or a broken \\u escape: {problem}"
        )
    if "recursion" in problem:
        return Rejection(Reason.TOO_DEEP, "", f"nested too deeply: {problem}")
    if "number out of range" in problem:
        return Rejection(Reason.INVALID_VALUE, "", f"a number is too long: {problem}")
    return Rejection(Reason.NOT_JSON, "", f"{shown(value)}: {problem}")


def _bad_type(found: object) -> Rejection:
    if found is None:
        return Rejection(Reason.MISSING_FIELD, "type", f"write one of {', '.join(_TYPES)}")
    if not isinstance(found, str):
        return Rejection(Reason.WRONG_TYPE, "type", f"{shown(found)} is not a text")
    if found == "deal_erased":
        right = (
            "on the topic, an erasure is a null value under the deal's key; in a file its "
            "occurred_at, if it has one, is a past time with an offset"
        )
    else:
        right = f"the types are {', '.join(_TYPES)}"
    return Rejection(Reason.UNKNOWN_TYPE, "type", f"{shown(found)}; {right}")


def _too_long(kind: str, field: str, found: Any) -> str:
    if kind == "too_long":
        return f"{len(found)} items; at most {MAX_ITEMS} are allowed"
    limit = MAX_ID if field in _IDENTIFIERS else MAX_TEXT
    return f"{shown(found)} has {len(found)} characters; at most {limit} are allowed"


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
