"""What is said, as OpenAI says it: chat completions, responses, completions, embeddings, lists, errors."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from tests.clients.said import SEAL, UNKNOWN, Said, pieces
from tests.support.upstream import DONE, event
from tests.support.upstream import chat as chat_body

MODELS = json.dumps(
    {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 1, "owned_by": "up"} for name in ("gpt-4.1", "gpt-4.1-mini")
        ],
    }
).encode()
BATCH = json.dumps(
    {
        "id": "batch_up",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-up",
        "completion_window": "24h",
        "status": "validating",
        "created_at": 1,
    }
).encode()
_ERRORS = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error"}
_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
_LOGPROBS = {
    "content": [
        {
            "token": "Gr",
            "logprob": -0.25,
            "bytes": [71, 114],
            "top_logprobs": [{"token": "Gr", "logprob": -0.25, "bytes": [71, 114]}],
        }
    ],
    "refusal": None,
}


def error(status: int) -> bytes:
    """OpenAI's error of that status."""
    told = {"message": f"told {status}", "type": "up_error", "param": None, "code": _ERRORS.get(status, "up")}
    return json.dumps({"error": told}).encode()


def chat_completion(asked: dict[str, Any], said: Said) -> tuple[bytes, tuple[bytes, ...]]:
    """A chat completion and the events of the same streamed, with usage where it was asked for."""
    calls = [
        {"id": f"call_up_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(said.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}
    if calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else "stop"
    logprobs = _LOGPROBS if said.logprobs else None
    choices = [
        {"index": n, "message": message, "logprobs": logprobs, "finish_reason": finish}
        for n in range(asked.get("n") or 1)
    ]
    model = {"model": asked["model"], "service_tier": "default", "system_fingerprint": None}
    more = {"x_of_tomorrow": UNKNOWN} if said.unknown else {}
    whole = chat_body(choices=choices, usage=_USAGE, **model, **more)
    usage = (asked.get("stream_options") or {}).get("include_usage")
    tail = {"usage": None} if usage else {}

    def one(delta: dict[str, Any], reason: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return event(choices=[choice], **model, **more, **tail)

    events = [one({"role": "assistant", "content": "" if said.text else None, "refusal": None}, logprobs=logprobs)]
    events += [one({"content": piece}) for piece in pieces(said.text)]
    for n, call in enumerate(calls):
        events.append(one({"tool_calls": [call | {"index": n, "function": call["function"] | {"arguments": ""}}]}))
        grown = pieces(call["function"]["arguments"])
        events += [one({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}) for piece in grown]
    events.append(one({}, finish))
    if usage:
        events.append(event(choices=[], usage=_USAGE, **model))
    return whole, (*events, DONE)


def completion(asked: dict[str, Any], said: Said) -> tuple[bytes, tuple[bytes, ...]]:
    """A completion of the older kind."""
    head = {"id": "cmpl-up", "object": "text_completion", "created": 1, "model": asked["model"]}

    def choice(text: str, reason: str | None) -> list[dict[str, Any]]:
        return [{"index": 0, "text": text, "logprobs": None, "finish_reason": reason}]

    def one(**fields: Any) -> bytes:
        return b"data: " + json.dumps(head | fields, ensure_ascii=False).encode() + b"\n\n"

    whole = json.dumps(head | {"choices": choice(said.text, "stop"), "usage": _USAGE}).encode()
    events = [one(choices=choice(piece, None)) for piece in pieces(said.text)]
    return whole, (*events, one(choices=choice("", "stop")), DONE)


def response(asked: dict[str, Any], said: Said) -> tuple[bytes, tuple[bytes, ...]]:
    """A response and its events."""
    items = [_call_item(n, name, json.dumps(given)) for n, (name, given) in enumerate(said.calls)] or [
        _message_item(said.text)
    ]
    if said.thought:
        items.insert(0, _thought_item(said.thought))
    head = {
        "id": "resp_up",
        "object": "response",
        "created_at": 1,
        "model": asked["model"],
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "top_p": 1.0,
    }
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 18,
    }
    whole = head | {"status": "completed", "output": items, "usage": usage}
    begun = head | {"status": "in_progress", "output": [], "usage": None}
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for index, item in enumerate(items):
        told += _item_events(index, item)
    told.append(("response.completed", {"response": whole}))
    events = tuple(
        f"event: {kind}\ndata: ".encode()
        + json.dumps({"type": kind, "sequence_number": n} | fields, ensure_ascii=False).encode()
        + b"\n\n"
        for n, (kind, fields) in enumerate(told)
    )
    return json.dumps(whole).encode(), events


def _message_item(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_up", "role": "assistant", "status": "completed", "content": [part]}


def _thought_item(thought: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": thought}]
    return {"type": "reasoning", "id": "rs_up", "summary": summary, "encrypted_content": SEAL}


def _call_item(n: int, name: str, arguments: str) -> dict[str, Any]:
    head = {"type": "function_call", "id": f"fc_up_{n}", "call_id": f"call_up_{n}", "status": "completed"}
    return head | {"name": name, "arguments": arguments}


def _item_events(index: int, item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    at = {"item_id": item["id"], "output_index": index}
    added, done = "response.output_item.added", "response.output_item.done"
    end = (done, {"output_index": index, "item": item})
    if item["type"] == "reasoning":
        thought = item["summary"][0]
        inside = at | {"summary_index": 0}
        grown = [("response.reasoning_summary_text.delta", inside | {"delta": one}) for one in pieces(thought["text"])]
        return [
            (added, {"output_index": index, "item": item | {"summary": []}}),
            ("response.reasoning_summary_part.added", inside | {"part": thought | {"text": ""}}),
            *grown,
            ("response.reasoning_summary_text.done", inside | {"text": thought["text"]}),
            ("response.reasoning_summary_part.done", inside | {"part": thought}),
            end,
        ]
    if item["type"] == "function_call":
        begun = item | {"status": "in_progress", "arguments": ""}
        grown = [
            ("response.function_call_arguments.delta", at | {"delta": piece}) for piece in pieces(item["arguments"])
        ]
        whole = at | {"name": item["name"], "arguments": item["arguments"]}
        finished = ("response.function_call_arguments.done", whole)
        return [(added, {"output_index": index, "item": begun}), *grown, finished, end]
    part = item["content"][0]
    inside = at | {"content_index": 0}
    grown = [
        ("response.output_text.delta", inside | {"delta": piece, "logprobs": []}) for piece in pieces(part["text"])
    ]
    return [
        (added, {"output_index": index, "item": item | {"status": "in_progress", "content": []}}),
        ("response.content_part.added", inside | {"part": part | {"text": ""}}),
        *grown,
        ("response.output_text.done", inside | {"text": part["text"], "logprobs": []}),
        ("response.content_part.done", inside | {"part": part}),
        end,
    ]


def embeddings(asked: dict[str, Any]) -> bytes:
    """One vector of three numbers for each input, in base64 where that is asked for, as most clients do."""
    given = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    vectors: list[Any] = [[0.5, -0.25, float(n)] for n in range(len(given))]
    if asked.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in vectors]
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return json.dumps({"object": "list", "model": asked["model"], "data": data, "usage": usage}).encode()


def a_file(body: bytes) -> bytes:
    """A file that was uploaded, of as many bytes as came."""
    named = {"filename": "batch.jsonl", "purpose": "batch", "status": "processed"}
    return json.dumps({"id": "file-up", "object": "file", "bytes": len(body), "created_at": 1} | named).encode()
