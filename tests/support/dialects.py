"""The same recorded calls as if the product had spoken another dialect."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from freehold.vocabulary import Call

USAGE = {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10}}


def as_chat(call: Call) -> Call:
    """The call as it is, with counts of tokens, and a reason to end that fits."""
    response = json.loads(call.response) | {"usage": USAGE}
    choice = response["choices"][0]
    choice["finish_reason"] = "tool_calls" if choice["message"].get("tool_calls") else "stop"
    return msgspec.structs.replace(call, response=json.dumps(response).encode())


def as_messages(call: Call) -> Call:
    """A call of chat completions as one of Anthropic's Messages API."""
    asked = json.loads(call.request)
    answer = json.loads(call.response)["choices"][0]["message"]
    systems = [one["content"] for one in asked["messages"] if one["role"] == "system"]
    request: dict[str, Any] = {"model": asked["model"], "max_tokens": asked.get("max_tokens", 1024)}
    if systems:
        request["system"] = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in systems]
    request["messages"] = [_turn(one) for one in asked["messages"] if one["role"] != "system"]
    if "tools" in asked:
        request["tools"] = [
            {"name": one["function"]["name"], "input_schema": one["function"]["parameters"]} for one in asked["tools"]
        ]
    if "temperature" in asked:
        request["temperature"] = asked["temperature"]
    response = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, *_blocks(answer)],
        "stop_reason": "tool_use" if answer.get("tool_calls") else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "cache_read_input_tokens": 10, "output_tokens": 5},
    }
    return _remade(call, "anthropic.messages", request, response)


def as_responses(call: Call) -> Call:
    """A call of chat completions as one of OpenAI's Responses API."""
    asked = json.loads(call.request)
    answer = json.loads(call.response)["choices"][0]["message"]
    first, *rest = asked["messages"]
    request: dict[str, Any] = {"model": asked["model"]}
    if first["role"] == "system":
        request["instructions"] = first["content"]
    else:
        rest = asked["messages"]
    request["input"] = [item for one in rest for item in _items(one)]
    if len(rest) == 1 and rest[0]["role"] == "user":
        request["input"] = rest[0]["content"]
    if "tools" in asked:
        request["tools"] = [{"type": "function", **one["function"]} for one in asked["tools"]]
    if "response_format" in asked:
        schema = asked["response_format"]["json_schema"]
        request["text"] = {"format": {"type": "json_schema", **schema}}
    if "temperature" in asked:
        request["temperature"] = asked["temperature"]
    if "max_tokens" in asked:
        request["max_output_tokens"] = asked["max_tokens"]
    response = {
        "id": "resp_1",
        "object": "response",
        "model": asked["model"],
        "status": "completed",
        "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, *_items(answer)],
        "usage": {
            "input_tokens": 30,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens": 5,
            "total_tokens": 35,
        },
    }
    return _remade(call, "openai.responses", request, response)


DIALECTS = {"openai.chat": as_chat, "anthropic.messages": as_messages, "openai.responses": as_responses}


def _remade(call: Call, dialect: str, request: dict[str, Any], response: dict[str, Any]) -> Call:
    return msgspec.structs.replace(
        call,
        dialect=dialect,
        request=json.dumps(request, ensure_ascii=False).encode(),
        response=json.dumps(response, ensure_ascii=False).encode(),
    )


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
        return {"role": "user", "content": [result]}
    if message.get("tool_calls"):
        return {"role": "assistant", "content": _blocks(message)}
    return {"role": message["role"], "content": message["content"]}


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    said = [{"type": "text", "text": message["content"]}] if message.get("content") else []
    calls = message.get("tool_calls") or []
    return said + [
        {"type": "tool_use", "id": f"t{n}", "name": one["function"]["name"],
         "input": json.loads(one["function"]["arguments"])}
        for n, one in enumerate(calls)
    ]  # fmt: skip


def _items(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["role"] == "tool":
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}]
    kind = "output_text" if message["role"] == "assistant" else "input_text"
    items: list[dict[str, Any]] = []
    if message.get("content"):
        content = [{"type": kind, "text": message["content"]}]
        items.append({"type": "message", "role": message["role"], "content": content})
    for n, one in enumerate(message.get("tool_calls") or []):
        items.append({"type": "function_call", "call_id": f"t{n}", **one["function"]})
    return items
