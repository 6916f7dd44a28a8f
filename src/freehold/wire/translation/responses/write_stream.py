"""A streamed answer as the events of a streamed response."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.wire.translation._hub import (
    Call,
    Closed,
    Event,
    Failed,
    Finished,
    Grew,
    Opened,
    Problem,
    Refusal,
    Signed,
    Started,
    Text,
    Thinking,
)
from freehold.wire.translation._names import named_event
from freehold.wire.translation._types import Remembered

from .write_answer import content_of, item_id, item_of, response_end, response_head, shown, summary_of

_Part = Text | Refusal | Call | Thinking


class StreamWriter:
    """Writes one stream: events are numbered, items announced, grown and repeated whole, the response given at last."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._number = 0
        self._head: dict[str, Any] = {}
        self._items: list[dict[str, Any]] = []
        self._open: _Part | None = None
        self._place: dict[str, Any] = {}
        self._text: list[str] = []

    def write(self, event: Event) -> bytes:
        """The bytes for one event."""
        match event:
            case Started():
                return self._start(event)
            case Opened():
                return self._begin(event.part)
            case Grew():
                return self._grow(event.text)
            case Closed():
                return self._close()
            case Finished():
                return self._finish(event)
            case Failed() | Signed():
                return self._fail(event.problem) if isinstance(event, Failed) else b""

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, **fields, "sequence_number": self._number}
        self._number += 1
        return named_event(event)

    def _start(self, started: Started) -> bytes:
        self._head = response_head(started.id, started.model, started.created_s, self._remembered)
        return self._event("response.created", response=self._head) + self._event(
            "response.in_progress", response=self._head
        )

    def _begin(self, part: _Part) -> bytes:
        if not shown(part, self._remembered):
            return b""
        number = len(self._items)
        own_id = item_id(part, number, self._remembered)
        self._open, self._text = part, []
        self._place = {"item_id": own_id, "output_index": number}
        out = self._event("response.output_item.added", output_index=number, item=item_of(part, own_id, "in_progress"))
        match part:
            case Text() | Refusal():
                out += self._event("response.content_part.added", **self._place, content_index=0, part=content_of(part))
            case Thinking():
                added = "response.reasoning_summary_part.added"
                out += self._event(added, **self._place, summary_index=0, part=summary_of(""))
            case Call():
                pass
        return out

    def _grow(self, text: str) -> bytes:
        self._text.append(text)
        match self._open:
            case None:
                return b""
            case Text():
                kind = "response.output_text.delta"
                return self._event(kind, **self._place, content_index=0, delta=text, logprobs=[])
            case Refusal():
                return self._event("response.refusal.delta", **self._place, content_index=0, delta=text)
            case Call():
                return self._event("response.function_call_arguments.delta", **self._place, delta=text)
            case Thinking():
                kind = "response.reasoning_summary_text.delta"
                return self._event(kind, **self._place, summary_index=0, delta=text)

    def _close(self) -> bytes:
        part = self._open
        if part is None:
            return b""
        self._open = None
        text = "".join(self._text)
        match part:
            case Text():
                whole: _Part = Text(text)
                out = self._event(
                    "response.output_text.done", **self._place, content_index=0, text=text, logprobs=[]
                ) + self._part_done(Text(text))
            case Refusal():
                whole = Refusal(text)
                out = self._event(
                    "response.refusal.done", **self._place, content_index=0, refusal=text
                ) + self._part_done(Refusal(text))
            case Call():
                whole = msgspec.structs.replace(part, arguments=text or "{}")
                done = "response.function_call_arguments.done"
                out = self._event(done, **self._place, arguments=whole.arguments)
            case Thinking():
                whole = Thinking(text)
                done = "response.reasoning_summary_text.done"
                out = self._event(done, **self._place, summary_index=0, text=text)
                done = "response.reasoning_summary_part.done"
                out += self._event(done, **self._place, summary_index=0, part=summary_of(text))
        item = item_of(whole, self._place["item_id"])
        self._items.append(item)
        return out + self._event("response.output_item.done", output_index=self._place["output_index"], item=item)

    def _part_done(self, part: Text | Refusal) -> bytes:
        return self._event("response.content_part.done", **self._place, content_index=0, part=content_of(part))

    def _finish(self, finished: Finished) -> bytes:
        out = b""
        if finished.explanation:
            out = self._begin(Refusal()) + self._grow(finished.explanation) + self._close()
        response = response_end(self._head, self._items, finished.stop, finished.usage)
        return out + self._event(f"response.{response['status']}", response=response)

    def _fail(self, problem: Problem) -> bytes:
        return self._event("error", code=problem.kind or None, message=problem.message, param=problem.param)
