"""Learn a JSON Schema (draft 2020-12) from values that mostly keep to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from ._formats import common
from .closed import looks_closed, unseen

_RARE = 0.002
_REQUIRED = 0.99
_ENOUGH = 30
_MOST_ENUM = 60
_ENUM_MASS = 0.99
_COPIED = 0.5
_DEEPEST = 12

Value = tuple[Any, str | None]


def learn_schema(values: Sequence[Any], texts: Sequence[str | None]) -> dict[str, Any]:
    """Learn a schema: types, properties, which are required, enums where values are closed, formats where all have one.

    Args:
        values: decoded JSON values, in order of time where that is known.
        texts: for each, the input it was made from (None: not known). A string that is usually copied from its input
            is no enum, however often it recurs.
    """
    return _learn(list(zip(values, texts, strict=True)), 0)


def _learn(values: list[Value], depth: int) -> dict[str, Any]:
    kinds = Counter(_kind(value) for value, _ in values)
    total = sum(kinds.values())
    usual = sorted(
        kind for kind, count in kinds.items() if count >= max(2.0 if total >= _ENOUGH else 1.0, _RARE * total)
    )
    if "number" in usual and "integer" in usual:
        usual.remove("integer")
    schema: dict[str, Any] = {"type": usual[0] if len(usual) == 1 else usual} if usual else {}
    if depth >= _DEEPEST:
        return schema
    if "object" in usual:
        schema |= _object([(v, text) for v, text in values if isinstance(v, dict)], depth)
    if "array" in usual:
        items = [(item, text) for v, text in values if isinstance(v, list) for item in cast("list[Any]", v)]
        schema |= {"items": _learn(items, depth + 1)} if items else {}
    if "string" in usual and set(usual) <= {"string", "null"}:
        schema |= _strings([(v, text) for v, text in values if isinstance(v, str)], nullable="null" in usual)
    return schema


def _strings(values: list[tuple[str, str | None]], *, nullable: bool) -> dict[str, Any]:
    """The enum of some strings, else their format, else nothing."""
    enum: list[str | None] = [*_enum(values)]
    if enum:
        return {"enum": [*enum, None] if nullable else enum}
    form = common([value for value, _ in values], _ENOUGH)
    return {"format": form} if form else {}


def _object(values: list[tuple[dict[str, Any], str | None]], depth: int) -> dict[str, Any]:
    counts = Counter(key for value, _ in values for key in value)
    n = len(values)
    known = sorted(key for key, count in counts.items() if count >= max(2.0 if n >= _ENOUGH else 1.0, _RARE * n))
    return {
        "properties": {key: _learn([(v[key], t) for v, t in values if key in v], depth + 1) for key in known},
        "required": [key for key in known if counts[key] >= _REQUIRED * n],
        "additionalProperties": n < _ENOUGH,
    }


def _enum(values: list[tuple[str, str | None]]) -> list[str]:
    """The closed set of strings, or [] where the set is open, copied from the inputs, or too little seen."""
    n = len(values)
    counts = Counter(value for value, _ in values)
    usual = {value: count for value, count in counts.items() if count >= max(2.0, _RARE * n)}
    if n < _ENOUGH or len(usual) > min(_MOST_ENUM, n // 10) or sum(usual.values()) < _ENUM_MASS * n:
        return []
    if not looks_closed(unseen([value for value, _ in values])):
        return []
    told = [(value, text) for value, text in values if text is not None]
    copied = sum(value.casefold() in text.casefold() for value, text in told)
    return [] if told and copied >= _COPIED * len(told) else sorted(usual)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
