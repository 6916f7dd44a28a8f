"""Answers of our own (an owned model's) in the shape of a rented model's, whole or streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import canonical

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_DONE = b"data: [DONE]\n\n"


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its UTF-8 bytes, rounded up. An estimate, for every language."""
    return (len(text.encode()) + 3) // 4


def completion(*, id: str, model: str, created: int, answer: str, usage: Usage, tools: bool = False) -> bytes:  # noqa: A002 -- the wire's own name
    """Body of a chat completion that holds `answer` (in canonical form, see `answer_text`).

    Args:
        id: the completion's id, as the client will see it.
        model: the model the client asked for.
        created: seconds since the epoch.
        answer: the canonical answer.
        usage: counts to state.
        tools: whether the request offered tools, so that an answer in the form of tool calls is sent as such.
    """
    said = canonical.read(answer, tools=tools)
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    reason = "stop"
    if said.calls:
        message["content"] = None
        message["tool_calls"] = _tool_calls(id, said.calls)
        reason = "tool_calls"
    body = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": usage_body(usage),
        "service_tier": "default",
        "system_fingerprint": None,
    }
    return _encoder.encode(body)


def completion_chunks(
    *,
    id: str,  # noqa: A002 -- the wire's own name
    model: str,
    created: int,
    answer: str,
    usage: Usage,
    tools: bool = False,
    include_usage: bool = False,
) -> list[bytes]:
    """The same as server-sent events, `[DONE]` included."""
    body = completion(id=id, model=model, created=created, answer=answer, usage=usage, tools=tools)
    return stream_of(body, include_usage=include_usage)


def stream_of(body: bytes, *, include_usage: bool = False) -> list[bytes]:
    """Turn the body of a chat completion into the events of a streamed one, `[DONE]` included.

    With `include_usage`, a last chunk without choices holds the usage and every other one says `"usage": null`;
    without, no chunk mentions usage. Fields of a message that are unknown here arrive whole in the first delta.
    """
    whole: dict[str, Any] = _decoder.decode(body)
    head = {key: value for key, value in whole.items() if key not in {"choices", "usage", "object"}}
    head["object"] = "chat.completion.chunk"
    tail: dict[str, Any] = {"usage": None} if include_usage else {}
    events: list[bytes] = []

    def emit(choices: list[dict[str, Any]], rest: dict[str, Any]) -> None:
        events.append(b"data: " + _encoder.encode({**head, "choices": choices, **rest}) + b"\n\n")

    for choice in cast("list[dict[str, Any]]", whole.get("choices") or []):
        index = choice.get("index", 0)
        logprobs = choice.get("logprobs")
        for delta in _deltas(choice.get("message") or {}):
            emit([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}], tail)
            logprobs = None
        reason = choice.get("finish_reason")
        emit([{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}], tail)
    if include_usage:
        emit([], {"usage": whole.get("usage")})
    events.append(_DONE)
    return events


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    calls = cast("list[dict[str, Any]]", message.get("tool_calls") or [])
    first = {key: value for key, value in message.items() if key not in {"content", "tool_calls"}}
    first["content"] = "" if isinstance(content, str) else content
    if not first.get("annotations", True):
        del first["annotations"]  # OpenAI's streams do not say that there are none
    deltas = [first]
    if isinstance(content, str):
        deltas += [{"content": piece} for piece in canonical.pieces(content)]
    for index, call in enumerate(calls):
        function = cast("dict[str, Any]", call.get("function") or {})
        arguments = function.get("arguments") or ""
        opening = {**call, "index": index, "function": {**function, "arguments": ""}}
        deltas.append({"tool_calls": [opening]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
    return deltas


def _tool_calls(completion_id: str, calls: Sequence[canonical.Called]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{completion_id[-16:]}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": canonical.unparsed(call.arguments)},
        }
        for index, call in enumerate(calls)
    ]


def usage_body(usage: Usage) -> dict[str, Any]:
    """Counts as chat completions and completions state them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
