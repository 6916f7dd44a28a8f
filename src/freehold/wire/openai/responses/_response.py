"""A whole answer of the Responses API, decoded as far as Freehold needs it."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical

_OVER = frozenset({"completed", "incomplete"})


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire: `input_tokens` includes cached ones."""

    input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None

    def counts(self) -> Usage:
        """The same as disjoint counts."""
        details = self.input_tokens_details
        read = max(0, (details.cached_tokens or 0) if details is not None else 0)
        write = max(0, (details.cache_write_tokens or 0) if details is not None else 0)
        reasoning = self.output_tokens_details.reasoning_tokens if self.output_tokens_details is not None else 0
        return Usage(
            input_tokens=max(0, (self.input_tokens or 0) - read - write),
            cache_read_tokens=read,
            cache_write_tokens=write,
            output_tokens=max(0, self.output_tokens or 0),
            reasoning_tokens=max(0, reasoning or 0),
        )


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    content: list[_Part] | None = None
    name: str | None = None
    arguments: Any = None
    input: Any = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class ResponseBody(msgspec.Struct):
    """Body of an answer, read partly. `status` is "completed" where a server leaves it out."""

    object: str
    output: list[_Item]
    model: str = ""
    status: str | None = "completed"
    incomplete_details: _Incomplete | None = None
    usage: UsageBody | None = None


_decoder = msgspec.json.Decoder(ResponseBody)


def decode_response(body: bytes) -> ResponseBody | None:
    """Read an answer, or None where the body is no response or a failed one."""
    response = bodies.answer(_decoder, body)
    if response is None or response.object != "response":
        return None
    return response if response.status not in ("failed", "cancelled") else None


def answer_text(body: bytes) -> str | None:
    """The canonical answer (`freehold.wire.canonical`): its text, or its calls of the client's tools.

    Reasoning and what OpenAI's own tools did are no part of it. None also where the answer is refused or is not there
    yet (a response in the background).
    """
    response = decode_response(body)
    if response is None or response.status not in _OVER:
        return None
    calls = _calls(response)
    if calls:
        return canonical.calls_text(calls)
    parts = [part for item in response.output if item.type == "message" for part in item.content or ()]
    if any(part.type == "refusal" for part in parts):
        return None
    return "".join(part.text or "" for part in parts if part.type == "output_text")


def finish_reason(body: bytes) -> str | None:
    """Why the answer ended, in the words of chat completions, or None where the body is no answer or it is not over."""
    response = decode_response(body)
    if response is None or response.status not in _OVER:
        return None
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details is not None else None
        return "length" if reason in (None, "max_output_tokens", "max_messages") else reason
    return "tool_calls" if _calls(response) else "stop"


def _calls(response: ResponseBody) -> list[canonical.Called]:
    functions = [item for item in response.output if item.type in ("function_call", "custom_tool_call")]
    return [canonical.Called(one.name or "", _arguments(one)) for one in functions]


def _arguments(item: _Item) -> Any:
    if item.type == "custom_tool_call":
        return item.input
    return canonical.parsed(item.arguments) if isinstance(item.arguments, str) else item.arguments or {}
