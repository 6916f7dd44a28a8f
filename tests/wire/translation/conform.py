"""Whether a body keeps to what an SDK publishes of its format, strictly: no unknown fields, no wrong types.

The SDKs' request types are TypedDicts. pydantic would read those lazily and let unknown fields pass, so they are walked
here by hand.
"""

import collections.abc
import types
import typing
from typing import Any

import pytest
import typing_extensions
from typing_extensions import is_typeddict

_SCALARS = {str: str, int: int, bool: bool, float: (int, float), object: object, Any: object, type(None): type(None)}

_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)


def problem(value, kind, place="$", extra=()):  # noqa: PLR0911 -- one for each kind of annotation
    """Where a value does not keep to an annotation of a request, or "". `extra`: fields allowed at the top."""
    origin = typing_extensions.get_origin(kind)
    arguments = typing_extensions.get_args(kind)
    if origin in (typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        return problem(value, arguments[0], place, extra)
    if kind in _SCALARS:
        return "" if isinstance(value, _SCALARS[kind]) and not _lying(value, kind) else f"{place}: no {kind}"
    if origin is typing.Literal or origin is typing_extensions.Literal:
        return "" if value in arguments else f"{place}: {value!r} is none of {arguments}"
    if origin in (typing.Union, types.UnionType):
        found = [problem(value, option, place, extra) for option in arguments]
        return "" if "" in found else max(found, key=lambda text: text.count(".") + text.count("["))
    if is_typeddict(kind):
        return _typed_dict(value, kind, place, extra)
    if origin is dict:
        if not isinstance(value, dict):
            return f"{place}: no object"
        return _first(problem(item, arguments[1], f"{place}.{name}") for name, item in value.items())
    if (
        origin in (list, collections.abc.Iterable, collections.abc.Sequence)
        or getattr(origin, "__name__", "") == "SequenceNotStr"
    ):
        if not isinstance(value, list):
            return f"{place}: no list"
        return _first(problem(item, arguments[0], f"{place}[{number}]") for number, item in enumerate(value))
    if isinstance(kind, type) or isinstance(origin, type):  # what only Python can hold: a parsed answer, an open file
        return f"{place}: no {kind}"
    pytest.fail(f"{place}: the SDK annotates with {kind}, which this walk cannot check")


def extras(model, place="$"):
    """Fields of an SDK's parsed answer that its type does not know."""
    found = []
    if isinstance(model, list):
        for number, item in enumerate(model):
            found += extras(item, f"{place}[{number}]")
    elif hasattr(model, "__pydantic_fields__"):
        found += [f"{place}.{name}" for name in model.__pydantic_extra__ or {}]
        for name in type(model).__pydantic_fields__:
            found += extras(getattr(model, name), f"{place}.{name}")
    return found


def _typed_dict(value, kind, place, extra):
    if not isinstance(value, dict):
        return f"{place}: no object"
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    open_ended = (getattr(kind, "__pydantic_config__", None) or {}).get("extra") == "allow"
    missing = [name for name, hint in hints.items() if _required(hint) and name not in value]
    unknown = [name for name in value if name not in hints and name not in extra and not open_ended]
    if missing or unknown:
        return f"{place}: missing {missing}, unknown {unknown}"
    return _first(problem(item, hints[name], f"{place}.{name}") for name, item in value.items() if name in hints)


def _required(hint):
    """`__required_keys__` does not know, because the SDKs' annotations are strings."""
    return typing_extensions.get_origin(hint) is typing_extensions.Required


def _lying(value, kind):
    """A bool is an int to Python, and to no JSON schema."""
    return isinstance(value, bool) and kind in (int, float)


def _first(problems):
    return next((text for text in problems if text), "")
