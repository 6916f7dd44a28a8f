"""Answers of our own (an owned model's) in the shape of a Messages answer, whole or streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import canonical

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_LATE = frozenset({"stop_reason", "stop_sequence", "stop_details", "container"})
_TOTALS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)


def message(*, id: str, model: str, answer: str, usage: Usage, tools: bool = False) -> bytes:  # noqa: A002 -- the wire's own name
    """Body of a message that holds `answer` (in canonical form, see `freehold.wire.canonical`).

    Args:
        id: the message's id, as the client will see it.
        model: the model the client asked for.
        answer: the canonical answer.
        usage: counts to state.
        tools: whether the request offered tools, so that an answer in the form of tool calls is sent as such.
    """
    said = canonical.read(answer, tools=tools)
    body = {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _tool_uses(id, said.calls) or [{"type": "text", "text": said.text, "citations": None}],
        "container": None,
        "diagnostics": None,
        "stop_reason": "tool_use" if said.calls else "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(usage),
    }
    return _encoder.encode(body)


def stream_of(body: bytes) -> list[bytes]:
    """Turn the body of a message into the events of a streamed one, `message_stop` included.

    Blocks of kinds that are unknown here arrive whole in the event that begins them.
    """
    whole: dict[str, Any] = _decoder.decode(body)
    usage = cast("dict[str, Any]", whole.get("usage") or {})
    began = {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 0}}
    events = [_event("message_start", message=began)]
    for index, block in enumerate(cast("list[dict[str, Any]]", whole.get("content") or [])):
        opening, deltas = _opened(block)
        events.append(_event("content_block_start", index=index, content_block=opening))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    delta = {key: value for key, value in whole.items() if key in _LATE}
    totals = {key: usage[key] for key in _TOTALS if key in usage}
    events.append(_event("message_delta", delta=delta, usage={"output_tokens": 0} | totals))
    events.append(_event("message_stop"))
    return events


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encoder.encode({"type": kind, **fields}))


def _opened(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and how it grows."""
    kind = block.get("type")
    if kind == "text":
        cited = block.get("citations")
        opening = {**block, "text": ""} if cited is None else {**block, "text": "", "citations": []}
        grown = [{"type": "text_delta", "text": piece} for piece in canonical.pieces(block.get("text") or "")]
        return opening, grown + [{"type": "citations_delta", "citation": citation} for citation in cited or ()]
    if kind == "thinking":
        thoughts = canonical.pieces(block.get("thinking") or "")
        grown = [{"type": "thinking_delta", "thinking": piece} for piece in thoughts]
        signature = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return {**block, "thinking": "", "signature": ""}, [*grown, signature]
    if isinstance(block.get("input"), (dict, str)):
        written = ("", *canonical.pieces(canonical.unparsed(block["input"])))
        grown = [{"type": "input_json_delta", "partial_json": piece} for piece in written]
        return {**block, "input": {}}, grown
    return block, []


def _tool_uses(message_id: str, calls: Sequence[canonical.Called]) -> list[dict[str, Any]]:
    return [
        {
            "type": "tool_use",
            "id": f"toolu_{message_id[-16:]}_{index}",
            "name": call.name,
            "input": _input(call.arguments),
            "caller": {"type": "direct"},
        }
        for index, call in enumerate(calls)
    ]


def _input(arguments: Any) -> dict[str, Any]:
    """A tool's input must be an object; arguments that are none stand in one, rather than being lost."""
    if isinstance(arguments, dict):
        return cast("dict[str, Any]", arguments)
    return {} if arguments is None else {"arguments": arguments}


def _usage(usage: Usage) -> dict[str, Any]:
    thinking = {"thinking_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else None
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": thinking,
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": None,
        "speed": None,
    }
