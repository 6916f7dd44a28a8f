"""A whole answer as a chat completion."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.wire.translation._hub import Answer, Call, Refusal, Text, Thinking
from freehold.wire.translation._names import FINISH_REASONS
from freehold.wire.translation._types import Remembered

from ._usage import chat_usage

_encoder = msgspec.json.Encoder()


def write_answer(answer: Answer, remembered: Remembered) -> bytes:
    """The body of a chat completion.

    What the model thought, where the provider shows it, is in `reasoning_content`, as OpenAI-compatible servers give
    it; OpenAI itself has no field for it.
    """
    return _encoder.encode(
        {
            "id": completion_id(answer.id or remembered.id),
            "object": "chat.completion",
            "created": answer.created_s if answer.created_s is not None else remembered.created_s,
            "model": answer.model or remembered.model,
            "choices": [
                {
                    "index": 0,
                    "message": _message(answer),
                    "logprobs": None,
                    "finish_reason": FINISH_REASONS[answer.stop],
                }
            ],
            "usage": chat_usage(answer.usage) if answer.usage is not None else None,
        }
    )


def completion_id(given: str) -> str:
    """The id of a completion, made of the provider's own so that the two can be told to belong together."""
    return given if given.startswith("chatcmpl") else f"chatcmpl-{given.removeprefix('msg_')}"


def tool_call(call: Call) -> dict[str, Any]:
    """A call as chat completions hold it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _message(answer: Answer) -> dict[str, Any]:
    text = "".join(part.text for part in answer.parts if isinstance(part, Text))
    refusal = "".join(part.text for part in answer.parts if isinstance(part, Refusal)) or answer.explanation
    thought = "".join(part.text for part in answer.parts if isinstance(part, Thinking))
    calls = [tool_call(part) for part in answer.parts if isinstance(part, Call)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal or None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    if thought:
        message["reasoning_content"] = thought
    return message
