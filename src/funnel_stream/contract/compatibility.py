"""Whether a JSON Schema still accepts everything that an earlier version of it accepted."""

from typing import Any, Final

Schema = dict[str, Any]

_UPPER_LIMITS: Final = ("maxLength", "maximum", "maxItems")
_LOWER_LIMITS: Final = ("minLength", "minimum", "minItems")
_KEPT_AS_THEY_ARE: Final = ("pattern", "format")


def breaking_changes(old: Schema, new: Schema, path: str = "") -> list[str]:
    """What would make events that were valid under ``old`` invalid, or ignored, under ``new``.

    It knows the keywords that this contract uses. Loosening is compatible: a field added, a limit
    raised, a value or a type added, a requirement dropped.
    """
    if "anyOf" in old or "anyOf" in new:
        return _branches(old, new, path)
    where = path or "the event"
    changes = [f"{where}: {problem}" for problem in _narrowings(old, new)]
    changes += [
        f"{where}: a new condition {condition}"
        for condition in new.get("allOf", [])
        if condition not in old.get("allOf", [])
    ]
    changes += [
        f"{path}/{name}: is now required"
        for name in new.get("required", [])
        if name not in old.get("required", [])
    ]
    for name, before in old.get("properties", {}).items():
        after = new.get("properties", {}).get(name)
        if after is None:
            changes.append(f"{path}/{name}: was removed")
        else:
            changes += breaking_changes(before, after, f"{path}/{name}")
    if "items" in new:
        changes += breaking_changes(old.get("items", {}), new["items"], f"{path}/items")
    return changes


def _branches(old: Schema, new: Schema, path: str) -> list[str]:
    """Every alternative of the old schema must be acceptable to one of the new."""
    changes: list[str] = []
    for before in old.get("anyOf", [old]):
        found = [breaking_changes(before, after, path) for after in new.get("anyOf", [new])]
        fewest: list[str] = min(found, key=len)
        changes += fewest
    return changes


def _narrowings(old: Schema, new: Schema) -> list[str]:
    problems = []
    if "type" in new and old.get("type") != new["type"]:
        problems.append(f"type was {old.get('type', 'any')}, is {new['type']}")
    if (allowed := _values(new)) is not None:
        before = _values(old)
        gone = [value for value in before or [] if value not in allowed]
        if gone or before is None:
            problems.append(f"no longer allowed: {gone or 'all but ' + str(allowed)}")
    tightened = [
        *(k for k in _UPPER_LIMITS if k in new and (k not in old or new[k] < old[k])),
        *(k for k in _LOWER_LIMITS if k in new and (k not in old or new[k] > old[k])),
        *(k for k in _KEPT_AS_THEY_ARE if k in new and new[k] != old.get(k)),
    ]
    problems += [f"{k} was {old.get(k, 'absent')}, is {new[k]}" for k in tightened]
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        problems.append("unknown fields are no longer allowed")
    return problems


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values
