"""The canonical answer, which is the same for every dialect: a text, or calls of tools as compact JSON.

Tool calls are `{"tool_calls":[{"name":…,"arguments":{…}}]}`; arguments that are no JSON stay text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from .bodies import UNREADABLE

_PREFIX = '{"tool_calls":['
_PIECE_CHARS = 24


class Called(msgspec.Struct):
    """One call of a tool."""

    name: str
    arguments: Any = None


class _Calls(msgspec.Struct):
    tool_calls: list[Called]


class Answer(NamedTuple):
    """What a canonical answer says: `calls` of tools where there are any, else `text`."""

    text: str
    calls: tuple[Called, ...] = ()


_decoder = msgspec.json.Decoder()
_calls_decoder = msgspec.json.Decoder(_Calls)
_encoder = msgspec.json.Encoder()


def read(answer: str, *, tools: bool) -> Answer:
    """Read a canonical answer. Without `tools` (the request offered none) and where it is no such JSON it is text."""
    if not (tools and answer.startswith(_PREFIX)):
        return Answer(answer)
    try:
        return Answer("", tuple(_calls_decoder.decode(answer).tool_calls))
    except UNREADABLE:
        return Answer(answer)


def calls_text(calls: Iterable[Called]) -> str:
    """Calls of tools as a canonical answer."""
    return _encoder.encode({"tool_calls": [{"name": one.name, "arguments": one.arguments} for one in calls]}).decode()


def parsed(arguments: str) -> Any:
    """Arguments that came as text: their JSON, `{}` for nothing, the text itself where it is no JSON."""
    try:
        return _decoder.decode(arguments) if arguments.strip() else {}
    except UNREADABLE:
        return arguments


def unparsed(arguments: Any) -> str:
    """Arguments as the text that OpenAI's formats hold."""
    if isinstance(arguments, str):
        return arguments
    return "{}" if arguments is None else _encoder.encode(arguments).decode()


def pieces(text: str) -> list[str]:
    """A text as it is sent in a stream of our own: some letters at a time."""
    return [text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS)]
