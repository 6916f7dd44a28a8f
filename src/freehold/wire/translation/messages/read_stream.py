"""A streamed answer of Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from freehold.errors import UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.anthropic._response import UsageBody
from freehold.wire.sse import SseParser
from freehold.wire.translation._errors import streamed_error
from freehold.wire.translation._hub import (
    Call,
    Closed,
    Event,
    Failed,
    Finished,
    Grew,
    Opened,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
)

from .read_answer import Block, StopDetails, explanation_of, stop_of


class _Start(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: UsageBody | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Start | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: UsageBody | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Event)


class StreamReader:
    """Reads one stream. `usage` is what has been stated so far."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._counts: UsageBody | None = None
        self._parser = SseParser()
        self._stop: Stop | None = None
        self._sequence: str | None = None
        self._explanation = ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            UpstreamFailed: an event cannot be read or translated.
        """
        for event in self._parser.feed(data):
            yield from self._read(_decoder.decode(event.data))

    def end(self) -> Iterator[Event]:
        """What a last event without its blank line says, which a server may forget."""
        return self.feed(b"\n\n") if self._parser.unfinished else iter(())

    def _read(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start":
                started = event.message or _Start()
                self._count(started.usage)
                yield Started(started.id, started.model, usage=self.usage)
            case "content_block_start" if event.content_block is not None:
                yield from self._open(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                yield from self._grow(event.index, event.delta)
            case "content_block_stop":
                yield Closed(event.index)
            case "message_delta" if event.delta is not None and event.delta.stop_reason is not None:
                self._count(event.usage)
                self._stop = stop_of(event.delta.stop_reason)
                self._sequence = event.delta.stop_sequence
                self._explanation = explanation_of(event.delta.stop_details)
            case "message_stop":
                if self._stop is None:
                    raise UpstreamFailed("the stream ended without saying why")
                yield Finished(self._stop, self.usage, self._sequence, self._explanation)
            case "error":
                yield Failed(streamed_error(event.error))
            case _:  # `ping`, and whatever else may come to say that the connection lives
                return

    def _open(self, index: int, block: Block) -> Iterator[Event]:
        part = block.part()
        if isinstance(part, Call):
            begun = part.arguments if block.input else ""
            yield Opened(index, Call(part.id, part.name))
        else:
            begun = part.text
            empty = Thinking(redacted=part.redacted) if isinstance(part, Thinking) else Text()
            yield Opened(index, empty)
        if begun:
            yield Grew(index, begun)

    def _grow(self, index: int, delta: _Delta) -> Iterator[Event]:
        text = delta.text or delta.partial_json or delta.thinking
        if text:
            yield Grew(index, text)
        if delta.signature:
            yield Signed(index, delta.signature)

    def _count(self, usage: UsageBody | None) -> None:
        if usage is not None:
            self._counts = usage.over(self._counts)
            self.usage = self._counts.counts()
