"""Which clauses of a learned schema a value is subject to, and which of them it keeps.

A validator says what is broken; a tally also needs to know what was kept, because a clause that applied to three
answers is worth less than one that applied to three thousand. Knows the keywords that `_schema` writes and no others:
`type`, `enum`, `format`, `properties`, `required`, `additionalProperties` and `items`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ._formats import keeps

_MADE_OF: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def tally(schema: dict[str, Any], value: Any, at: str = "") -> Iterator[tuple[str, bool]]:
    """The name of every clause that applies to the value, and whether it is kept; a name may come more than once."""
    place = at or "/"
    kinds = schema.get("type")
    if kinds:
        fits = any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else cast("list[str]", kinds)))
        yield f"{place} type", fits
        if not fits:
            return
    if "enum" in schema:
        yield f"{place} enum", value in schema["enum"]
    if "format" in schema and isinstance(value, str):
        yield f"{place} format", keeps(schema["format"], value)
    if isinstance(value, dict):
        yield from _object(schema, cast("dict[str, Any]", value), at)
    if isinstance(value, list) and "items" in schema:
        for item in cast("list[Any]", value):
            yield from tally(schema["items"], item, f"{at}[]")


def _object(schema: dict[str, Any], value: dict[str, Any], at: str) -> Iterator[tuple[str, bool]]:
    for key in schema.get("required", ()):
        yield f"{at}/{key} required", key in value
    known: dict[str, Any] = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        yield f"{at or '/'} no other keys", value.keys() <= known.keys()
    for key, inner in known.items():
        if key in value:
            yield from tally(inner, value[key], f"{at}/{key}")


def _is(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a type of JSON Schema: 1.0 is an integer, True is no number."""
    if kind == "integer":
        return _is(value, "number") and float(value).is_integer()
    return isinstance(value, _MADE_OF[kind]) and (kind == "boolean" or not isinstance(value, bool))
