"""A whole answer as a message."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.errors import UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.translation._hub import Answer, Call, Part, Refusal, Stop, Text, Thinking
from freehold.wire.translation._types import Remembered

from .read_answer import STOPS

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_REASONS: dict[Stop, str] = {stop: reason for reason, stop in STOPS.items() if reason is not None}
_CUT: frozenset[Stop] = frozenset({"length", "context"})


def write_answer(answer: Answer, remembered: Remembered) -> bytes:
    """The body of a message.

    Raises:
        UpstreamFailed: the arguments of a call are no JSON object, which a message cannot hold, and no limit cut them.
    """
    cut = answer.stop in _CUT
    refused = any(isinstance(part, Refusal) for part in answer.parts)
    return _encoder.encode(
        {
            "id": message_id(answer.id or remembered.id),
            "type": "message",
            "role": "assistant",
            "model": answer.model or remembered.model,
            "content": [block for part in answer.parts if (block := _block(part, remembered, cut=cut)) is not None],
            "stop_reason": stop_reason("refusal" if refused else answer.stop),
            "stop_sequence": answer.sequence,
            "usage": message_usage(answer.usage or Usage()),
        }
    )


def message_id(given: str) -> str:
    """The id of a message, made of the provider's own so that the two can be told to belong together."""
    return given if given.startswith("msg_") else f"msg_{given.removeprefix('chatcmpl-')}"


def stop_reason(stop: Stop) -> str:
    """Why it ended, in Anthropic's words."""
    return _REASONS[stop]


def message_usage(usage: Usage) -> dict[str, Any]:
    """Token counts as Anthropic states them: `input_tokens` without cached ones."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def empty_block(part: Part, remembered: Remembered) -> dict[str, Any] | None:
    """The block that a part of a stream begins with, or None where the client did not ask to see it."""
    match part:
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
        case Thinking() if not remembered.thinking:
            return None
        case Thinking() if part.redacted:
            return {"type": "redacted_thinking", "data": part.redacted}
        case Thinking():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case _:
            return {"type": "text", "text": ""}


def _block(part: Part, remembered: Remembered, *, cut: bool) -> dict[str, Any] | None:
    block = empty_block(part, remembered)
    match part:
        case Call():
            return {**(block or {}), "input": _input(part.arguments, cut=cut)}
        case Thinking() if block is not None and not part.redacted:
            return {**block, "thinking": part.text, "signature": part.signature}
        case Text() | Refusal():
            return {"type": "text", "text": part.text} if part.text else None
        case _:
            return block


def _input(arguments: str, *, cut: bool) -> dict[str, Any]:
    try:
        value = _decoder.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        value = None
    if cut and value is None:
        return {}  # the call was not finished, as the stop reason says: what was said before it is paid for
    if not isinstance(value, dict):
        raise UpstreamFailed("the arguments of a tool call are no JSON object")
    return value
