"""What the decoder takes from JSON: one ``TypedDict`` per event type, derived from the models.

Dictionaries instead of models halve the time of the validator (2 µs instead of 4 µs per event).
What JSON Schema calls a format (the day exists, the amount fits its currency) is left to the
decoder, which pays for it only where such a field is present.
"""

from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import ConfigDict, Field, Json, TypeAdapter
from typing_extensions import TypedDict

from funnel_stream.contract.models import MODELS, FunnelEvent, WireType


def _wire_type(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        parts = [_wire_type(part) for part in get_args(hint) if part is not NoneType]
        return parts[0] | None if parts[0] is not Any else Any
    if get_origin(hint) is Annotated:
        base, *metadata = get_args(hint)
        for item in metadata:
            if isinstance(item, WireType):
                return item.type
        if get_origin(base) in (Union, UnionType):
            return _wire_type(base)
    return hint


def _typed_dict(model: type[FunnelEvent]) -> Any:
    hints = get_type_hints(model, include_extras=True)
    fields = {
        name: _wire_type(hints[name])
        if info.is_required() or name == "type"
        else NotRequired[_wire_type(hints[name])]
        for name, info in model.model_fields.items()
    }
    typed_dict = cast(Any, TypedDict)(model.__name__, fields)
    typed_dict.__pydantic_config__ = ConfigDict(strict=True)
    return typed_dict


_EVENT: Any = Annotated[
    Union[tuple(_typed_dict(model) for model in MODELS)],  # noqa: UP007
    Field(discriminator="type"),
]

validate_batch = TypeAdapter[list[dict[str, Any]]](list[Json[_EVENT]]).validate_python
"""JSON texts to dictionaries; ``Json`` inside the list means one call and no joining of bytes,
so that nothing in one value can reach the next."""
