"""A streamed answer as the events of a streamed message."""

from __future__ import annotations

from freehold.vocabulary import Usage
from freehold.wire.translation._errors import anthropic_error
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
)
from freehold.wire.translation._names import named_event
from freehold.wire.translation._types import Remembered

from .write_answer import empty_block, message_id, message_usage, stop_reason


class StreamWriter:
    """Writes one stream. Parts that the client did not ask to see are left out, and the others numbered on."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._open: Text | Refusal | Call | Thinking | None = None
        self._index = -1
        self._refused = False

    def write(self, event: Event) -> bytes:
        """The bytes for one event."""
        match event:
            case Started():
                return self._start(event)
            case Opened():
                return self._begin(event.part)
            case Grew() | Signed():
                return self._grow(event)
            case Closed():
                return self._close()
            case Finished():
                return self._finish(event)
            case Failed():
                return b"event: error\ndata: %b\n\n" % anthropic_error(event.problem)

    def _start(self, started: Started) -> bytes:
        message = {
            "id": message_id(started.id or self._remembered.id),
            "type": "message",
            "role": "assistant",
            "model": started.model or self._remembered.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_usage(started.usage or Usage()),
        }
        return named_event({"type": "message_start", "message": message})

    def _begin(self, part: Text | Refusal | Call | Thinking) -> bytes:
        block = empty_block(part, self._remembered)
        if block is None:
            return b""
        self._open = part
        self._index += 1
        self._refused |= isinstance(part, Refusal)
        return named_event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _grow(self, event: Grew | Signed) -> bytes:
        match self._open:
            case None:
                return b""
            case Call():
                kind, name = "input_json_delta", "partial_json"
            case Thinking():
                kind, name = "thinking_delta", "thinking"
            case _:
                kind, name = "text_delta", "text"
        if isinstance(event, Signed):
            delta = {"type": "signature_delta", "signature": event.signature}
        else:
            delta = {"type": kind, name: event.text}
        return named_event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return named_event({"type": "content_block_stop", "index": self._index})

    def _finish(self, finished: Finished) -> bytes:
        reason = stop_reason("refusal" if self._refused else finished.stop)
        delta = {"stop_reason": reason, "stop_sequence": finished.sequence}
        usage = message_usage(finished.usage or Usage())
        last = named_event({"type": "message_delta", "delta": delta, "usage": usage})
        return last + named_event({"type": "message_stop"})
