"""Telling which API a body belongs to by what stands in it, and whether there is a body at all."""

from __future__ import annotations

from typing import Any, cast

from freehold.wire.known import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES

from ._fields import Record, embedded

_CALL_BLOCKS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking"})
_WRITTEN_BY_ANTHROPIC = frozenset({"anthropic_version", "anthropic_beta", "thinking", "stop_sequences"})


def body(value: Any) -> Any:
    """A body as a log keeps it, as itself or as JSON text; None where `{}` or nothing stands in its place."""
    found = embedded(value)
    return None if found in (None, "", {}, [], "null", "None") else found


def as_object(value: Any) -> Record | None:
    """A body that is an object, or None."""
    return cast("Record", value) if isinstance(value, dict) else None


def answered_by(answer: Record) -> str:
    """The dialect of an answer's body, "" where it is none that Freehold speaks."""
    choices = answer.get("choices")
    if isinstance(choices, list):
        head = choices[0] if choices else None
        plain = isinstance(head, dict) and "message" not in head and isinstance(head.get("text"), str)
        return COMPLETIONS.name if plain else CHAT.name
    if answer.get("type") == "message" and isinstance(answer.get("content"), list):
        return MESSAGES.name
    if answer.get("object") == "response" or isinstance(answer.get("output"), list):
        return RESPONSES.name
    data = answer.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict) and "embedding" in data[0]:
        return EMBEDDINGS.name
    return ""


def asked_in(request: Record) -> str:
    """The dialect of a request's body, "" where it is none that Freehold speaks."""
    messages = request.get("messages")
    if isinstance(messages, list):
        return MESSAGES.name if is_anthropic(request, cast("list[Any]", messages)) else CHAT.name
    if "prompt" in request:
        return COMPLETIONS.name
    return RESPONSES.name if "input" in request else ""


def is_anthropic(request: Record, messages: list[Any]) -> bool:
    """Whether a request with messages can only be one of Anthropic's; one that could be either is OpenAI's."""
    if "system" in request or not _WRITTEN_BY_ANTHROPIC.isdisjoint(request):
        return True
    tools = request.get("tools")
    if isinstance(tools, list) and any(isinstance(one, dict) and "input_schema" in one for one in tools):
        return True
    return any(map(has_call_blocks, messages))


def has_call_blocks(message: Any) -> bool:
    """Whether a message's content holds blocks that only Anthropic's API has."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return False
    return any(isinstance(block, dict) and block.get("type") in _CALL_BLOCKS for block in content)


def is_error(answer: Record) -> bool:
    """Whether a body tells of a failure instead of giving an answer."""
    return bool(answer.get("error")) or answer.get("type") == "error"
