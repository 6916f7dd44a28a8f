"""A whole answer of the Messages API, decoded as far as Freehold needs it."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical
from freehold.wire.tiers import joined, service_tier

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


class _ServerTools(msgspec.Struct):
    web_search_requests: int | None = None


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire, of an answer or of an event of one. None: not said.

    `input_tokens` is what neither was read from a cache nor written to one.
    """

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None

    def counts(self) -> Usage:
        """The same as disjoint counts."""
        details, tools, kept = self.output_tokens_details, self.server_tool_use, self.cache_creation
        fresh, read = max(0, self.input_tokens or 0), max(0, self.cache_read_input_tokens or 0)
        output = max(0, self.output_tokens or 0)
        thinking = max(0, details.thinking_tokens or 0) if details is not None else 0
        written, hour = max(0, self.cache_creation_input_tokens or 0), 0
        if kept is not None and (kept.ephemeral_5m_input_tokens or kept.ephemeral_1h_input_tokens):
            hour = max(0, kept.ephemeral_1h_input_tokens or 0)
            # The total is the newer one: in a stream with a server's own tools it grows, and the breakdown does not.
            written = max(kept.ephemeral_5m_input_tokens or 0, written - hour, 0)
        plain = self.speed is None and self.inference_geo is None
        tier = service_tier(self.service_tier) if plain else self._tier()
        searches = max(0, tools.web_search_requests or 0) if tools is not None else 0
        if not (hour or searches):
            return Usage(fresh, read, written, output, thinking, service_tier=tier)
        return Usage(
            fresh, read, written, output, thinking, cache_write_1h_tokens=hour, web_searches=searches, service_tier=tier
        )

    def over(self, earlier: UsageBody | None) -> UsageBody:
        """What is known with this event, where an earlier one said more: they are totals, not differences."""
        if earlier is None:
            return self
        ours, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(earlier)
        return UsageBody(**{name: theirs[name] if value is None else value for name, value in ours.items()})

    def _tier(self) -> str:
        """The terms that have a price of their own: the tier, the fast mode, and a region that was asked for."""
        speed = service_tier(self.speed)
        geo = (self.inference_geo or "").lower()
        return joined(service_tier(self.service_tier), speed, "" if geo in _ANYWHERE else geo)


_ANYWHERE = frozenset({"", "global", "not_available"})
"""What `inference_geo` says where no region was asked for."""


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
