"""What is said, as Anthropic says it: messages, token counts, lists, errors."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.said import SEAL, UNKNOWN, Said, pieces
from tests.support.anthropic_upstream import event

COUNT = b'{"input_tokens":14}'
_LISTED = {"type": "model", "display_name": "Sonnet", "created_at": "2026-01-01T00:00:00Z"}
MODELS = json.dumps(
    {
        "data": [{"id": "claude-sonnet-5"} | _LISTED],
        "has_more": False,
        "first_id": "claude-sonnet-5",
        "last_id": "claude-sonnet-5",
    }
).encode()
BATCH = json.dumps(
    {
        "id": "msgbatch_up",
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "ended_at": None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
).encode()
_ERRORS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
_USAGE = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 2,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 7,
    "service_tier": "standard",
}

_TOTALS = {
    name: _USAGE[name]
    for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
}


def error(status: int) -> bytes:
    """Anthropic's error of that status."""
    told = {"type": _ERRORS.get(status, "api_error"), "message": f"told {status}"}
    return json.dumps({"type": "error", "error": told, "request_id": "req_up"}).encode()


def message(asked: dict[str, Any], said: Said) -> tuple[bytes, tuple[bytes, ...]]:
    """A message and the events of the same streamed."""
    content: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_up_{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(said.calls)
    ] or [{"type": "text", "text": said.text}]
    if said.thought:
        content.insert(0, {"type": "thinking", "thinking": said.thought, "signature": SEAL})
    head: dict[str, Any] = {"id": "msg_up", "type": "message", "role": "assistant", "model": asked["model"]}
    more = {"x_of_tomorrow": UNKNOWN} if said.unknown else {}
    reason = {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}
    whole = head | {"content": content, "usage": _USAGE} | reason | more
    nothing = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": _USAGE | {"output_tokens": 1}}
    events = [event("message_start", message=head | nothing | more), event("ping")]
    for index, block in enumerate(content):
        opening, deltas = _grown(block)
        events.append(event("content_block_start", index=index, content_block=opening))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    events.append(event("message_delta", delta=reason, usage=_TOTALS))
    events.append(event("message_stop"))
    return json.dumps(whole).encode(), tuple(events)


def _grown(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    if block["type"] == "thinking":
        grown = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        sealed = {"type": "signature_delta", "signature": block["signature"]}
        return block | {"thinking": "", "signature": ""}, [*grown, sealed]
    written = ["", *pieces(json.dumps(block["input"]))]
    return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in written]
