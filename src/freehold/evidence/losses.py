"""When two answers to the same call differ: the 0/1 losses that certificates and audits count.

Every loss takes two canonical answer texts (see `design/house.md`, "An answer becomes text") and returns True where
they differ. The losses know nothing of who is right: against the teacher they count disagreement, against gold they
count error. Standard library only, because the gateway compares answers with them in its audits.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable
from typing import Literal, NoReturn, cast

from freehold.errors import UsageError

Loss = Callable[[str, str], bool]
LossName = Literal["label", "json", "tool_calls", "text"]

_BY_KIND: dict[str, LossName] = {
    "classification": "label",
    "extraction": "json",
    "structured": "json",
    "tool_choice": "tool_calls",
}


def loss(name: str) -> Loss:
    """The loss of that name: `label`, `json`, `tool_calls` or `text`.

    Raises:
        UsageError: there is no such loss.
    """
    found = _LOSSES.get(name)
    if found is None:
        raise UsageError(f"unknown loss {name!r}", hint=f"one of {', '.join(sorted(_LOSSES))}")
    return found


def loss_for(kind: str, form: str = "") -> LossName:
    """The name of the loss that suits a task kind, or, where a contract is known, the form of its answers.

    The form wins: an extraction that is answered in plain text is compared as text. A kind that is not known is
    compared as text, the strictest reading that needs no parsing.
    """
    if form in _LOSSES:
        return cast("LossName", form)
    return _BY_KIND.get(kind, "text")


def label_differs(a: str, b: str) -> bool:
    """True unless both are the same label, character by character, after Unicode NFC and trimming. Case counts."""
    return unicodedata.normalize("NFC", a).strip() != unicodedata.normalize("NFC", b).strip()


def text_differs(a: str, b: str) -> bool:
    """True unless both are the same words in the same order.

    Runs of white space count as one blank, after NFC. It does not know paraphrases: free text that means the same in
    other words differs.
    """
    return unicodedata.normalize("NFC", a).split() != unicodedata.normalize("NFC", b).split()


def json_differs(a: str, b: str) -> bool:
    """True unless both parse to equal JSON.

    The order of keys does not matter, that of lists does; 1 equals 1.0 but not true; strings are compared exactly. Text
    that is not JSON, holds a key twice, or holds NaN or a number beyond a double differs from everything, itself
    included: the code around the model could not rely on it.
    """
    return not _equal(_parse(a), _parse(b))


def tool_calls_differ(a: str, b: str) -> bool:
    """True unless both call the same tools with equal arguments in the same order, or both are the same plain text.

    Arguments may be JSON or JSON in a string, as they cross the wire; call ids are ignored.
    """
    left, right = _tool_calls(a), _tool_calls(b)
    if left is None and right is None:
        return text_differs(a, b)
    return left is None or right is None or not _equal(left, right)


_LOSSES: dict[str, Loss] = {
    "label": label_differs,
    "json": json_differs,
    "tool_calls": tool_calls_differ,
    "text": text_differs,
}
_BROKEN = object()


def _parse(text: str) -> object:
    try:
        return json.loads(
            text, object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return _BROKEN


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number beyond a double")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _equal(a: object, b: object) -> bool:
    """Equality of parsed JSON. What is broken, or nested too deep to compare, equals nothing."""
    try:
        return a is not _BROKEN and b is not _BROKEN and _same(a, b)
    except RecursionError:
        return False


def _same(a: object, b: object) -> bool:
    # Python holds True == 1, which JSON does not.
    if isinstance(a, dict) and isinstance(b, dict):
        left, right = cast("dict[str, object]", a), cast("dict[str, object]", b)
        return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
    if isinstance(a, list) and isinstance(b, list):
        first, second = cast("list[object]", a), cast("list[object]", b)
        return len(first) == len(second) and all(map(_same, first, second))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _tool_calls(text: str) -> object:
    """The calls as [name, arguments] pairs, None where the answer calls no tool, `_BROKEN` where it cannot be read."""
    if not text.lstrip().startswith("{"):
        return None
    parsed = _parse(text)
    calls = cast("dict[str, object]", parsed).get("tool_calls") if isinstance(parsed, dict) else None
    if parsed is _BROKEN and '"tool_calls"' in text:
        return _BROKEN
    if not isinstance(calls, list):
        return None
    return [_name_and_arguments(call) for call in cast("list[object]", calls)]


def _name_and_arguments(call: object) -> object:
    if not isinstance(call, dict):
        return call
    fields = cast("dict[str, object]", call)
    inner = fields.get("function", fields)
    named = cast("dict[str, object]", inner) if isinstance(inner, dict) else fields
    arguments = named.get("arguments")
    if isinstance(arguments, str):
        parsed = _parse(arguments)
        arguments = arguments if parsed is _BROKEN else parsed
    return [named.get("name"), arguments]
