"""A streamed answer of a server of chat completions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.errors import UpstreamFailed
from freehold.vocabulary import Usage
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
    Refusal,
    Started,
    Stop,
    Text,
    Thinking,
)

from .read_answer import Choice, Completion, Function, ToolCall, stop_of

_decoder = msgspec.json.Decoder(Completion)


class StreamReader:
    """Reads one stream. `usage` is what has been stated so far.

    A chunk only says what grows; where one part ends and the next begins is found here. Calls are told apart by their
    index and, for servers that give every call the same one, by their id.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._parser = SseParser()
        self._started = False
        self._index = -1
        self._open: Text | Refusal | Call | Thinking | None = None
        self._call_index: int | None = None
        self._calls = 0
        self._stop: Stop | None = None
        self._sequence: str | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            UpstreamFailed: a chunk cannot be read or translated.
        """
        for event in self._parser.feed(data):
            if event.data == b"[DONE]":
                yield from self._done()
            else:
                yield from self._read(_decoder.decode(event.data))

    def end(self) -> Iterator[Event]:
        """What a last event without its blank line says, which some servers leave out."""
        return self.feed(b"\n\n") if self._parser.unfinished else iter(())

    def _done(self) -> Iterator[Event]:
        if self._stop is None:
            raise UpstreamFailed("the stream ended without saying why")
        stop = "tools" if self._stop == "end" and self._calls else self._stop
        yield from self._close()
        yield Finished(stop, self.usage, self._sequence)

    def _read(self, chunk: Completion) -> Iterator[Event]:
        if chunk.error is not None:
            yield Failed(streamed_error(chunk.error))
            return
        if chunk.usage is not None:
            self.usage = chunk.usage.counts(chunk.service_tier)
        if chunk.choices is None:  # no chunk, but something else that says nothing
            return
        if not self._started:
            self._started = True
            yield Started(chunk.id, chunk.model, chunk.created)
        for choice in chunk.choices:
            yield from self._choice(choice)

    def _choice(self, choice: Choice) -> Iterator[Event]:
        if choice.index:
            raise UpstreamFailed("the stream holds more answers than one")
        delta = choice.delta
        if delta is not None:
            for part in delta.said():
                yield from self._grow(part)
            for call in delta.tool_calls or ():
                yield from self._call(call)
        if choice.finish_reason is not None:
            self._sequence = choice.sequence
            self._stop = "sequence" if self._sequence else stop_of(choice.finish_reason)

    def _grow(self, part: Text | Refusal | Thinking) -> Iterator[Event]:
        if type(self._open) is not type(part):
            yield from self._begin(type(part)())
        yield Grew(self._index, part.text)

    def _call(self, piece: ToolCall) -> Iterator[Event]:
        function = piece.function or Function()
        if self._begins(piece, function):
            self._calls += 1
            self._call_index = piece.index
            yield from self._begin(Call(piece.id or f"call_{self._calls - 1}", function.name or ""))
        elif not isinstance(self._open, Call):
            raise UpstreamFailed("the stream goes on with a call that has ended")
        if function.text:
            yield Grew(self._index, function.text)

    def _begins(self, piece: ToolCall, function: Function) -> bool:
        """Whether this piece is the first of a call."""
        if not isinstance(self._open, Call):
            return bool(function.name)
        if piece.index is not None and piece.index != self._call_index:
            if not function.name:
                raise UpstreamFailed("the stream goes on with a call that has ended")
            return True
        return bool(piece.id and function.name and piece.id != self._open.id)

    def _begin(self, part: Text | Refusal | Call | Thinking) -> Iterator[Event]:
        yield from self._close()
        self._index += 1
        self._open = part
        yield Opened(self._index, part)

    def _close(self) -> Iterator[Event]:
        if self._open is not None:
            self._open = None
            yield Closed(self._index)
