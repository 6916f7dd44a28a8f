"""Calls as OpenTelemetry spans: what a call says of itself, under the names that everybody's tools know.

Names and meanings are those of the semantic conventions for generative AI, version 1.41.0, the last of OpenTelemetry's
main repository (docs/gen-ai/gen-ai-spans.md there); what they have no name for is under `freehold.`. One span stands
for the call as the client made it, one child for each leg. Ids follow from the call's, so that a call that is exported
twice is the same spans twice. Pure: no sockets, no files, and no OpenTelemetry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from freehold.errors import BadRequest
from freehold.settings import Settings
from freehold.vocabulary import TRACE_TAG, Call, Leg, Outcome, Usage
from freehold.wire import canonical
from freehold.wire.dialects import Dialect
from freehold.wire.known import dialect
from freehold.wire.openai import ChatRequest, Message

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
"""The version of the semantic conventions that the names are taken from."""

Value = str | bool | int | float | list[str]
Attributes = dict[str, Value]

_OPERATIONS = {"openai.completions": "text_completion", "openai.embeddings": "embeddings"}
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gcp.gemini",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
}
_OURS = "freehold"
_UNKNOWN = "_OTHER"
"""What the conventions call a provider that nobody knows: that of a log that does not name it."""
_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_encode = msgspec.json.Encoder().encode


class SpanData(NamedTuple):
    """A span, ready to be exported. Times in nanoseconds since the epoch; `error` None: its status is not set."""

    name: str
    kind: Literal["server", "client", "internal"]
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str | None


class Trace(NamedTuple):
    """The trace a call belongs to: the client's, or one of its own. `sampled` False: the client records none of it."""

    trace_id: int
    parent_id: int | None
    sampled: bool


class Place(NamedTuple):
    """A provider as telemetry names it."""

    provider_name: str
    address: str = ""
    port: int = 0


def places(settings: Settings) -> dict[str, Place]:
    """Every provider of the settings."""
    found: dict[str, Place] = {}
    for name, one in settings.providers.items():
        parts = urlsplit(one.address)
        port = parts.port or (80 if parts.scheme == "http" else 443)
        found[name] = Place(_PROVIDERS.get(one.kind, name), parts.hostname or "", port if parts.hostname else 0)
    return found


def trace_of(call: Call) -> Trace:
    """The trace that the client said its call belongs to (W3C Trace Context), else one of its own."""
    found = _TRACE.fullmatch(call.tags.get(TRACE_TAG, ""))
    if found is not None:
        trace_id, parent_id, flags = (int(part, 16) for part in found.groups())
        if trace_id and parent_id:
            return Trace(trace_id, parent_id, sampled=bool(flags & 1))
    return Trace(_id("trace", call.id, 16), None, sampled=True)


def spans(call: Call, known: Mapping[str, Place], *, content: bool = False) -> list[SpanData]:
    """The spans of a call, its own first, then one for each leg; none where its client's trace is not sampled.

    Args:
        call: the call with its bodies.
        known: the providers of today's settings; others are named as the call names them.
        content: whether what was asked and answered goes along. The caller has made sure that it may.
    """
    trace = trace_of(call)
    if not trace.sampled:
        return []
    speaks = dialect(call.dialect)
    operation = _OPERATIONS.get(call.dialect, "chat")
    start_ns = call.started_at_us * 1000
    attributes = _of_call(call, speaks, operation, known)
    if content:
        attributes |= _content(call, speaks)
    own = SpanData(
        name=f"{operation} {call.model}".rstrip(),
        kind="server",
        trace_id=trace.trace_id,
        span_id=_id("call", call.id, 8),
        parent_id=trace.parent_id,
        start_ns=start_ns,
        end_ns=start_ns + _ns(call.latency_ms),
        attributes=attributes,
        error=_fault(call.outcome, call.error),
    )
    return [own, *(_of_leg(number, leg, own, operation, known) for number, leg in enumerate(call.legs))]


def _of_leg(number: int, leg: Leg, call: SpanData, operation: str, known: Mapping[str, Place]) -> SpanData:
    start_ns = call.start_ns + _ns(leg.offset_ms)
    attributes = _operation(operation, leg.owner == "owned", leg.provider, known)
    place = known.get(leg.provider)
    if leg.owner != "owned" and place is not None and place.address:
        attributes |= {"server.address": place.address, "server.port": place.port}
    attributes |= _stated(
        {
            "gen_ai.request.model": leg.model,
            "gen_ai.response.time_to_first_chunk": None if leg.ttft_ms is None else leg.ttft_ms / 1000.0,
            "error.type": _error_type(leg.outcome, leg.status),
            "http.response.status_code": leg.status or None,
            "freehold.leg.purpose": leg.purpose,
            "freehold.leg.owner": leg.owner,
            "freehold.leg.confidence": leg.confidence,
            "freehold.leg.in_scope": leg.in_scope,
            "freehold.leg.agrees": leg.agrees,
            "freehold.outcome": leg.outcome,
        }
    )
    return SpanData(
        name=f"{operation} {leg.model}".rstrip(),
        kind="internal" if leg.owner == "owned" else "client",
        trace_id=call.trace_id,
        span_id=_id(f"leg {number}", f"{call.span_id:x}", 8),
        parent_id=call.span_id,
        start_ns=start_ns,
        end_ns=start_ns + _ns(leg.latency_ms),
        attributes=attributes | _usage(leg.usage),
        error=_fault(leg.outcome, leg.error),
    )


def _of_call(call: Call, speaks: Dialect, operation: str, known: Mapping[str, Place]) -> Attributes:
    answered = call.outcome == "ok"
    read = speaks.read(call.response) if answered else None
    reason = speaks.finish_reason(call.response) if answered else None
    asked = call.provider or (_UNKNOWN if call.source == "import" else "")
    attributes = _operation(operation, call.owner == "owned", asked, known)
    return (
        attributes
        | _stated(
            {
                "gen_ai.request.model": call.model,
                "gen_ai.response.model": read.model if read is not None else None,
                "gen_ai.response.finish_reasons": [reason] if reason else None,
                "gen_ai.request.stream": call.streamed or None,
                "gen_ai.response.time_to_first_chunk": call.ttft_ms / 1000.0
                if call.streamed and call.ttft_ms is not None
                else None,
                "error.type": _error_type(call.outcome, call.status, call.reason),
                "http.response.status_code": call.status,
                "freehold.call.id": call.id,
                "freehold.task": call.task,
                "freehold.owner": call.owner,
                "freehold.reason": call.reason,
                "freehold.outcome": call.outcome,
                "freehold.key.name": call.key,
            }
        )
        | _usage(call.usage)
    )


def _operation(operation: str, owned: bool, provider: str, known: Mapping[str, Place]) -> Attributes:  # noqa: FBT001
    place = known.get(provider)
    name = _OURS if owned or not provider else place.provider_name if place is not None else provider
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": name}


def _usage(usage: Usage | None) -> Attributes:
    """Token counts; by the conventions, those of the input include what was cached."""
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    } | _stated(
        {
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens or None,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens or None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
            "gen_ai.usage.audio.input_tokens": usage.input_audio_tokens + usage.cache_read_audio_tokens or None,
            "gen_ai.usage.image.input_tokens": usage.input_image_tokens + usage.cache_read_image_tokens or None,
            "gen_ai.usage.audio.cache_read.input_tokens": usage.cache_read_audio_tokens or None,
            "gen_ai.usage.image.cache_read.input_tokens": usage.cache_read_image_tokens or None,
            "gen_ai.usage.audio.output_tokens": usage.output_audio_tokens or None,
            "gen_ai.usage.image.output_tokens": usage.output_image_tokens or None,
            "freehold.usage.cache_write_1h_tokens": usage.cache_write_1h_tokens or None,
            "freehold.usage.web_searches": usage.web_searches or None,
            "freehold.usage.service_tier": usage.service_tier,
            "freehold.usage.estimated": usage.estimated or None,
        }
    )


def _stated(values: dict[str, Value | None]) -> Attributes:
    """Those that are not empty."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _error_type(outcome: Outcome, status: int, reason: str = "") -> str | None:
    """One of few words: the status of a failed answer, `incomplete`, `cancelled`, or why the call was refused."""
    if outcome == "ok":
        return None
    if outcome == "error":
        return str(status) if status >= 400 else outcome
    return reason if outcome == "refused" and reason else outcome


def _fault(outcome: Outcome, message: str) -> str | None:
    """What to say of a failure. Error messages of the ledger hold no content. That a client left is none of ours."""
    return None if outcome in ("ok", "cancelled") else message


def _content(call: Call, speaks: Dialect) -> Attributes:
    """What was asked and answered, in the conventions' form of messages, as JSON."""
    attributes: Attributes = {}
    try:
        asked: ChatRequest | None = speaks.decode(call.request).chat
    except BadRequest:
        asked = None
    if asked is not None:
        attributes["gen_ai.input.messages"] = _encode([_message(one) for one in asked.messages]).decode()
    answer = speaks.answer_text(call.response) if call.outcome == "ok" else None
    if answer is not None:
        said = canonical.read(answer, tools=bool(asked is not None and asked.tools))
        parts: list[dict[str, Any]] = [_called(one.name, one.arguments) for one in said.calls]
        message = {"role": "assistant", "parts": parts or [_text(said.text)]}
        reason = speaks.finish_reason(call.response)
        attributes["gen_ai.output.messages"] = _encode(
            [message | ({"finish_reason": reason} if reason else {})]
        ).decode()
    return attributes


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        result = {"type": "tool_call_response", "id": message.tool_call_id, "response": message.text}
        return {"role": "tool", "parts": [result]}
    parts: list[dict[str, Any]] = []
    content = [message.content] if isinstance(message.content, str) else message.content or []
    for part in content:
        text = part if isinstance(part, str) else part.text
        # Images, sound and files: that they were there, never themselves.
        parts.append(_text(text) if text is not None else {"type": "" if isinstance(part, str) else part.type})
    for one in message.tool_calls or ():
        function: Any = one.get("function") if isinstance(one, dict) else None
        if isinstance(function, dict):
            parts.append(_called(str(function.get("name")), function.get("arguments"), one.get("id")))
    return {"role": message.role, "parts": parts}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _called(name: str, arguments: object, call_id: object = None) -> dict[str, Any]:
    if isinstance(arguments, str):
        arguments = canonical.parsed(arguments)
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _ns(ms: float) -> int:
    return max(0, round(ms * 1e6))


def _id(kind: str, name: str, n_bytes: int) -> int:
    """An id that follows from a name and is not zero, which would be none."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:n_bytes], "big") or 1
