"""A streamed answer as the events of a streamed chat completion."""

from __future__ import annotations

from typing import Any

from freehold.vocabulary import Usage
from freehold.wire.translation._errors import openai_error
from freehold.wire.translation._hub import (
    Call,
    Closed,
    Event,
    Failed,
    Finished,
    Grew,
    Opened,
    Refusal,
    Signed,
    Started,
    Text,
    Thinking,
)  # fmt: skip
from freehold.wire.translation._names import FINISH_REASONS, data_event
from freehold.wire.translation._types import Remembered

from ._usage import chat_usage
from .write_answer import completion_id

_DONE = b"data: [DONE]\n\n"


class StreamWriter:
    """Writes one stream."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._head: dict[str, Any] = {}
        self._open: Text | Refusal | Call | Thinking = Text("")
        self._calls = -1
        self._bare = False  # a call was begun, and nothing of its arguments has come

    def write(self, event: Event) -> bytes:
        """The bytes for one event."""
        match event:
            case Started():
                return self._start(event)
            case Opened():
                self._open = event.part
                self._bare = isinstance(event.part, Call)
                return self._call(event.part) if isinstance(event.part, Call) else b""
            case Grew():
                self._bare = False
                return self._grow(event.text)
            case Finished():
                return self._finish(event)
            case Failed():
                return b"data: %b\n\n" % openai_error(event.problem)
            case Signed() | Closed():
                return self._grow("{}") if self._bare else b""  # clients read the arguments of a call as JSON

    def _start(self, started: Started) -> bytes:
        remembered = self._remembered
        self._head = {
            "id": completion_id(started.id or remembered.id),
            "object": "chat.completion.chunk",
            "created": started.created_s if started.created_s is not None else remembered.created_s,
            "model": started.model or remembered.model,
        }
        return self._chunk({"role": "assistant", "content": ""})

    def _call(self, call: Call) -> bytes:
        self._calls += 1
        function = {"name": call.name, "arguments": ""}
        return self._chunk(
            {"tool_calls": [{"index": self._calls, "id": call.id, "type": "function", "function": function}]}
        )

    def _grow(self, text: str) -> bytes:
        match self._open:
            case Call():
                return self._chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": text}}]})
            case Thinking():
                return self._chunk({"reasoning_content": text})
            case Refusal():
                return self._chunk({"refusal": text})
            case Text():
                return self._chunk({"content": text})

    def _finish(self, finished: Finished) -> bytes:
        delta = {"refusal": finished.explanation} if finished.explanation else {}
        last = self._chunk(delta, FINISH_REASONS[finished.stop])
        if self._remembered.include_usage:
            counts = chat_usage(finished.usage or Usage())
            last += data_event({**self._head, "choices": [], "usage": counts})
        return last + _DONE

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk: dict[str, Any] = {**self._head, "choices": [choice]}
        if self._remembered.include_usage:
            chunk["usage"] = None
        return data_event(chunk)
