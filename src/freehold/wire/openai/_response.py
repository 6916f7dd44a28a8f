"""An answer, decoded as far as Freehold needs it: its usage, its canonical text, why it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire: `prompt_tokens` includes cached ones."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def counts(self) -> Usage:
        """The same as disjoint counts."""
        details = self.prompt_tokens_details
        read = max(0, (details.cached_tokens or 0) if details else 0)
        write = max(0, (details.cache_write_tokens or 0) if details else 0)
        reasoning = self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else 0
        return Usage(
            input_tokens=max(0, (self.prompt_tokens or 0) - read - write),
            cache_read_tokens=read,
            cache_write_tokens=write,
            output_tokens=max(0, self.completion_tokens or 0),
            reasoning_tokens=max(0, reasoning or 0),
        )


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None


class ChatResponse(msgspec.Struct):
    """Body of a chat completion, read partly."""

    choices: list[_Choice]
    model: str = ""
    usage: UsageBody | None = None


class _UsageOnly(msgspec.Struct):
    usage: UsageBody | None = None


_decoder = msgspec.json.Decoder(ChatResponse)
_usage_decoder = msgspec.json.Decoder(_UsageOnly)


def decode_response(body: bytes) -> ChatResponse | None:
    """Read an answer, or None where the body is no chat completion (an error, HTML, a cut body)."""
    return bodies.answer(_decoder, body)


def usage_of(body: bytes) -> Usage | None:
    """Token counts that the provider stated, or None where it stated none. Never guesses."""
    found = bodies.answer(_usage_decoder, body)
    return found.usage.counts() if found is not None and found.usage is not None else None


def answer_text(body: bytes) -> str | None:
    """The canonical answer (`freehold.wire.canonical`): the first choice's content, or its tool calls.

    None where there is no answer: an error, a refusal, an unreadable body.
    """
    response = decode_response(body)
    if response is None or not response.choices or response.choices[0].message is None:
        return None
    message = response.choices[0].message
    calls = [call.function for call in message.tool_calls or () if call.function is not None]
    if message.function_call is not None:
        calls.append(message.function_call)
    if calls:
        return canonical.calls_text(canonical.Called(call.name, _arguments(call.arguments)) for call in calls)
    if message.refusal:
        return None
    if isinstance(message.content, list):
        return "\n".join(str(part.get("text") or "") for part in message.content if isinstance(part, dict))
    return message.content


def finish_reason(body: bytes) -> str | None:
    """Why the first choice ended, in the provider's word, or None where the body is no answer."""
    response = decode_response(body)
    return response.choices[0].finish_reason if response is not None and response.choices else None


def _arguments(arguments: str | dict[str, Any] | None) -> object:
    return canonical.parsed(arguments or "") if not isinstance(arguments, dict) else arguments
