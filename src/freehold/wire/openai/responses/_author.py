"""Answers of our own (an owned model's) in the shape of a response, whole or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import canonical

from ._request import ResponsesRequest

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_TOOL_FIELDS = ("name", "description", "parameters", "strict")
_FORMAT_FIELDS = ("name", "description", "schema", "strict")
_REASONING_FIELDS = ("effort", "summary")


def response(request: ResponsesRequest, *, id: str, created: int, answer: str, usage: Usage) -> bytes:  # noqa: A002 -- the wire's own name
    """Body of a response that holds `answer` (in canonical form, see `freehold.wire.canonical`).

    A response repeats what was asked; what OpenAI fills in by default is filled in the same way.

    Args:
        request: what the client asked.
        id: the response's id, as the client will see it.
        created: seconds since the epoch.
        answer: the canonical answer.
        usage: counts to state.
    """
    said = canonical.read(answer, tools=bool(request.tools))
    key = id.removeprefix("resp_")
    body = {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "completed",
        "background": False,
        "completed_at": created,
        "error": None,
        "incomplete_details": None,
        **_repeated(request),
        "output": _function_calls(key, said.calls) if said.calls else [_message(key, said.text)],
        "usage": _usage(usage),
    }
    return _encoder.encode(body)


def _repeated(request: ResponsesRequest) -> dict[str, Any]:
    text = request.text or {}
    reasoning = request.reasoning or {}
    return {
        "access_programs": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "model": request.model,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {name: reasoning.get(name) for name in _REASONING_FIELDS},
        "safety_identifier": request.safety_identifier,
        "service_tier": "default",
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {"format": _format(text.get("format")), "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": "auto" if request.tool_choice is None else request.tool_choice,
        "tools": [_tool(tool) for tool in request.tools or ()],
        "top_logprobs": 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
    }


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function"} | {name: tool.get(name) for name in _TOOL_FIELDS}


def _format(asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict):
        return {"type": "text"}
    fields = cast("dict[str, Any]", asked)
    if fields.get("type") != "json_schema":
        return {"type": fields.get("type") or "text"}
    return {"type": "json_schema"} | {name: fields.get(name) for name in _FORMAT_FIELDS}


def _message(key: str, text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]
    return {"id": f"msg_{key}", "type": "message", "status": "completed", "role": "assistant", "content": content}


def _function_calls(key: str, calls: tuple[canonical.Called, ...]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"fc_{key}_{index}",
            "type": "function_call",
            "status": "completed",
            "arguments": canonical.unparsed(call.arguments),
            "call_id": f"call_{key[-16:]}_{index}",
            "name": call.name,
        }
        for index, call in enumerate(calls)
    ]


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }


def stream_of(body: bytes) -> list[bytes]:
    """Turn the body of a response into the events of a streamed one, the last of which says how it ended.

    Items of kinds that are unknown here arrive whole.
    """
    whole: dict[str, Any] = _decoder.decode(body)
    began = {**whole, "status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    if "completed_at" in whole:
        began["completed_at"] = None
    documents: list[dict[str, Any]] = [
        {"type": "response.created", "response": began},
        {"type": "response.in_progress", "response": began},
    ]
    for index, item in enumerate(cast("list[dict[str, Any]]", whole.get("output") or [])):
        opening = {**item, "status": "in_progress"} if "status" in item else item
        where = {"output_index": index, "item_id": item.get("id")}
        if item.get("type") == "message":
            opening = {**opening, "content": []}
        elif item.get("type") == "function_call":
            opening = {**opening, "arguments": ""}
        documents.append({"type": "response.output_item.added", "output_index": index, "item": opening})
        documents += [one | where for one in _growth(item)]
        documents.append({"type": "response.output_item.done", "output_index": index, "item": item})
    status = whole.get("status")
    ending = status if status in ("incomplete", "failed") else "completed"
    documents.append({"type": f"response.{ending}", "response": whole})
    return [_event(document, number) for number, document in enumerate(documents)]


def _event(document: dict[str, Any], number: int) -> bytes:
    kind: str = document["type"]
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encoder.encode({**document, "sequence_number": number}))


def _growth(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """How a message or a call of a function grows, without where it stands."""
    if item.get("type") == "function_call":
        arguments = canonical.unparsed(item.get("arguments"))
        for piece in canonical.pieces(arguments):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
        yield {"type": "response.function_call_arguments.done", "arguments": arguments}
    elif item.get("type") == "message":
        for index, part in enumerate(cast("list[dict[str, Any]]", item.get("content") or [])):
            yield from ({**one, "content_index": index} for one in _part_growth(part))


def _part_growth(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if part.get("type") == "refusal":
        name, said, rest = "refusal", str(part.get("refusal") or ""), {}
        opening = {**part, "refusal": ""}
    else:
        name, said, rest = "output_text", str(part.get("text") or ""), {"logprobs": []}
        opening = {**part, "text": "", "annotations": []}
    yield {"type": "response.content_part.added", "part": opening}
    for piece in canonical.pieces(said):
        yield {"type": f"response.{name}.delta", "delta": piece, **rest}
    yield {"type": f"response.{name}.done", "refusal" if name == "refusal" else "text": said, **rest}
    yield {"type": "response.content_part.done", "part": part}
