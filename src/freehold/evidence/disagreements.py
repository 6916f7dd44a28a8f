"""In what two answers differ, in words short enough to be counted: labels a and b, a JSON field, a tool.

Values of labels are named, since a task has few of them; values of fields and texts are content, and are not.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from .losses import LossName

_LONGEST = 48


def difference(loss: LossName, new: str, old: str) -> str:
    """How an answer differs from the one it is compared with, which it does under `loss`."""
    if loss == "label":
        return f"{_short(old)} \u2192 {_short(new)}"
    if loss == "text":
        return "other words"
    left, right = _parsed(old), _parsed(new)
    if right is None:
        return "no JSON" if loss == "json" else "text instead of a tool"
    if left is None:
        return "the recorded answer is no JSON" if loss == "json" else "a tool instead of text"
    return _tools(left, right) if loss == "tool_calls" else _field(left, right, "")


def _tools(old: Any, new: Any) -> str:
    before, after = _calls(old), _calls(new)
    if before is None or after is None:
        return "text instead of a tool" if after is None else "a tool instead of text"
    names = [[str(call.get("name")) for call in calls] for calls in (before, after)]
    if names[0] != names[1]:
        told = [_short(" + ".join(some) or "none") for some in names]
        return f"{told[0]} \u2192 {told[1]}"
    for one, other in zip(before, after, strict=True):
        if one.get("arguments") != other.get("arguments"):
            return f"{_short(str(one.get('name')))}: {_field(one.get('arguments'), other.get('arguments'), '')}"
    return "arguments"


def _calls(value: Any) -> list[dict[str, Any]] | None:
    calls = cast("dict[str, Any]", value).get("tool_calls") if isinstance(value, dict) else None
    if not isinstance(calls, list):
        return None
    some = cast("list[Any]", calls)
    return [cast("dict[str, Any]", call) for call in some if isinstance(call, dict)]


def _field(old: Any, new: Any, at: str) -> str:
    """The first place, in the old answer's order, where two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        left, right = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        for key in left:
            if key not in right:
                return _short(f"{at}/{key} missing")
            if left[key] != right[key]:
                return _field(left[key], right[key], f"{at}/{key}")
        extra = next((key for key in right if key not in left), None)
        return _short(f"{at}/{extra} added") if extra is not None else at or "/"
    if isinstance(old, list) and isinstance(new, list):
        left_items, right_items = cast("list[Any]", old), cast("list[Any]", new)
        if len(left_items) != len(right_items):
            return _short(f"{at or '/'}: number of items")
    return _short(at or "/")


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}\u2026"
