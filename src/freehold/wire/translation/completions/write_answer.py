"""Answers as completions, whole or streamed: their text, and nothing else that a model may have given."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire.translation._errors import openai_error
from freehold.wire.translation._hub import Answer, Event, Failed, Finished, Grew, Opened, Refusal, Started, Text
from freehold.wire.translation._names import FINISH_REASONS, data_event
from freehold.wire.translation._types import Remembered
from freehold.wire.translation.chat import chat_usage

_encoder = msgspec.json.Encoder()
_DONE = b"data: [DONE]\n\n"


def write_answer(answer: Answer, remembered: Remembered) -> bytes:
    """The body of a completion."""
    text = "".join(part.text for part in answer.parts if isinstance(part, Text | Refusal))
    head = _head(answer.id, answer.model, answer.created_s, remembered)
    usage = chat_usage(answer.usage) if answer.usage is not None else None
    return _encoder.encode({**head, "choices": [_choice(text, FINISH_REASONS[answer.stop])], "usage": usage})


class StreamWriter:
    """Writes one stream."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._head: dict[str, Any] = {}
        self._said = False

    def write(self, event: Event) -> bytes:
        """The bytes for one event."""
        match event:
            case Started():
                self._head = _head(event.id, event.model, event.created_s, self._remembered)
            case Opened():
                self._said = isinstance(event.part, Text | Refusal)
            case Grew() if self._said:
                return self._chunk(event.text)
            case Finished():
                return self._finish(event)
            case Failed():
                return b"data: %b\n\n" % openai_error(event.problem)
            case _:
                pass
        return b""

    def _chunk(self, text: str, reason: str | None = None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "choices": [_choice(text, reason)]}
        if self._remembered.include_usage:
            chunk["usage"] = None
        return data_event(chunk)

    def _finish(self, finished: Finished) -> bytes:
        last = self._chunk("", FINISH_REASONS[finished.stop])
        if self._remembered.include_usage:
            last += data_event({**self._head, "choices": [], "usage": chat_usage(finished.usage or Usage())})
        return last + _DONE


def _head(given_id: str, model: str, created_s: int | None, remembered: Remembered) -> dict[str, Any]:
    own = given_id.removeprefix("chatcmpl-").removeprefix("msg_") or remembered.id
    return {
        "id": own if own.startswith("cmpl-") else f"cmpl-{own}",
        "object": "text_completion",
        "created": created_s if created_s is not None else remembered.created_s,
        "model": model or remembered.model,
    }


def _choice(text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
