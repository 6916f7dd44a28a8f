"""A whole answer as a response."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire.translation._hub import Answer, Call, Refusal, Stop, Text, Thinking
from freehold.wire.translation._types import Remembered
from freehold.wire.translation.chat import responses_usage

_encoder = msgspec.json.Encoder()
_INCOMPLETE: dict[Stop, str] = {
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "pause": "max_output_tokens",
    "refusal": "content_filter",
}


def write_answer(answer: Answer, remembered: Remembered) -> bytes:
    """The body of a response. What the model thought is in it where a summary was asked for."""
    parts = [part for part in answer.parts if shown(part, remembered)]
    if answer.explanation:
        parts.append(Refusal(answer.explanation))
    head = response_head(answer.id, answer.model, answer.created_s, remembered)
    items = [item_of(part, item_id(part, number, remembered)) for number, part in enumerate(parts)]
    return _encoder.encode(response_end(head, items, answer.stop, answer.usage))


def shown(part: Text | Refusal | Call | Thinking, remembered: Remembered) -> bool:
    """Whether a client gets to see a part. What is encrypted by another provider is of no use to it."""
    return not isinstance(part, Thinking) or (remembered.thinking and not part.redacted)


def response_head(given_id: str, model: str, created_s: int | None, remembered: Remembered) -> dict[str, Any]:
    """What a response says from the beginning: its id, its model, and what the request asked for."""
    own = given_id.removeprefix("chatcmpl-").removeprefix("msg_") or remembered.id
    return {
        "id": own if own.startswith("resp_") else f"resp_{own}",
        "object": "response",
        "created_at": created_s if created_s is not None else remembered.created_s,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model or remembered.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        **remembered.echo,
    }


def response_end(head: dict[str, Any], items: list[dict[str, Any]], stop: Stop, usage: Usage | None) -> dict[str, Any]:
    """The whole response, complete or cut: then its last item is incomplete too."""
    reason = _INCOMPLETE.get(stop)
    status = "completed" if reason is None else "incomplete"
    if reason == "max_output_tokens" and items:
        items = [*items[:-1], {**items[-1], "status": "incomplete"}]
    return {
        **head,
        "status": status,
        "output": items,
        "incomplete_details": None if reason is None else {"reason": reason},
        "usage": responses_usage(usage) if usage is not None else None,
    }


def item_id(part: Text | Refusal | Call | Thinking, number: int, remembered: Remembered) -> str:
    """The id of an item of the output."""
    kind = "fc" if isinstance(part, Call) else "rs" if isinstance(part, Thinking) else "msg"
    return f"{kind}_{remembered.id}{number:04d}"


def item_of(part: Text | Refusal | Call | Thinking, own_id: str, status: str = "completed") -> dict[str, Any]:
    """A part as an item of the output."""
    match part:
        case Call():
            return {
                "id": own_id,
                "type": "function_call",
                "status": status,
                "call_id": part.id,
                "name": part.name,
                "arguments": part.arguments,
            }
        case Thinking():
            summary = [summary_of(part.text)] if part.text else []
            return {"id": own_id, "type": "reasoning", "status": status, "summary": summary}
        case Text() | Refusal():
            content = [content_of(part)] if part.text else []
            return {"id": own_id, "type": "message", "status": status, "role": "assistant", "content": content}


def content_of(part: Text | Refusal) -> dict[str, Any]:
    """The content of a message item."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}


def summary_of(text: str) -> dict[str, Any]:
    """The summary of a reasoning item."""
    return {"type": "summary_text", "text": text}
