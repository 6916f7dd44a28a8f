"""A whole answer of the Messages API, decoded as far as Freehold needs it."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's stop reasons in OpenAI's words. `pause_turn` has none: the answer is not over."""


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire: `input_tokens` is what neither was read from a cache nor written to one."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None

    def counts(self) -> Usage:
        """The same as disjoint counts. Tokens written to a cache are one count, however long they are kept there."""
        written = self.cache_creation_input_tokens
        if written is None and self.cache_creation is not None:
            kept = self.cache_creation
            written = (kept.ephemeral_5m_input_tokens or 0) + (kept.ephemeral_1h_input_tokens or 0)
        details = self.output_tokens_details
        return Usage(
            input_tokens=max(0, self.input_tokens or 0),
            cache_read_tokens=max(0, self.cache_read_input_tokens or 0),
            cache_write_tokens=max(0, written or 0),
            output_tokens=max(0, self.output_tokens or 0),
            reasoning_tokens=max(0, (details.thinking_tokens or 0) if details is not None else 0),
        )


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    name: str = ""
    input: Any = None


class MessageBody(msgspec.Struct):
    """Body of an answer, read partly."""

    type: str
    content: list[_Block]
    model: str = ""
    stop_reason: str | None = None
    usage: UsageBody | None = None


_decoder = msgspec.json.Decoder(MessageBody)


def decode_response(body: bytes) -> MessageBody | None:
    """Read an answer, or None where the body is no message (an error, HTML, a cut body)."""
    message = bodies.answer(_decoder, body)
    return message if message is not None and message.type == "message" else None


def answer_text(body: bytes) -> str | None:
    """The canonical answer (see `freehold.wire.canonical`): its text, or its calls of the client's tools.

    Thoughts and what Anthropic's own tools did are no part of it. None also where the answer is paused or refused.
    """
    message = decode_response(body)
    if message is None or message.stop_reason in ("refusal", "pause_turn"):
        return None
    calls = [block for block in message.content if block.type == "tool_use"]
    if calls:
        named = [canonical.Called(call.name, {} if call.input is None else call.input) for call in calls]
        return canonical.calls_text(named)
    return "".join(block.text or "" for block in message.content if block.type == "text")


def finish_reason(body: bytes) -> str | None:
    """Why the answer ended, in OpenAI's word, or None where the body is no answer."""
    message = decode_response(body)
    reason = message.stop_reason if message is not None else None
    return FINISH_REASONS.get(reason, reason) if reason is not None else None
