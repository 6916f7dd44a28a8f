"""A whole answer of the Responses API, decoded as far as Freehold needs it."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical
from freehold.wire.openai._response import OutputDetails, PromptDetails, counts

_OVER = frozenset({"completed", "incomplete"})


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire: `input_tokens` includes cached ones."""

    input_tokens: int | None = None
    input_tokens_details: PromptDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    total_tokens: int | None = None

    def counts(self, tier: str | None, searches: int) -> Usage:
        """The same as disjoint counts; `tier` is what the answer calls its service tier."""
        found = counts(
            self.input_tokens or 0,
            self.output_tokens or 0,
            self.total_tokens or 0,
            self.input_tokens_details,
            self.output_tokens_details,
            tier=tier,
        )
        return msgspec.structs.replace(found, web_searches=searches) if searches else found


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    content: list[_Part] | None = None
    name: str | None = None
    arguments: Any = None
    input: Any = None
    action: Any = None


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
    service_tier: str | None = None

    def counts(self) -> Usage | None:
        """Token counts that the provider stated, or None where it stated none."""
        if self.usage is None:
            return None
        return self.usage.counts(self.service_tier, sum(is_search(item.type, item.action) for item in self.output))


class Counted(msgspec.Struct):
    """What of an answer's body says what it cost, but for the searches."""

    usage: UsageBody
    service_tier: str | None = None


_decoder = msgspec.json.Decoder(ResponseBody)


def is_search(kind: object, action: object) -> bool:
    """Whether an item is a search of the web that OpenAI bills: opening a page that was found is none."""
    if kind != "web_search_call":
        return False
    return not isinstance(action, dict) or cast("dict[str, Any]", action).get("type", "search") == "search"


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
