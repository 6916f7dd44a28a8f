"""A streamed answer of a server of chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

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

from ._arguments import Arguments
from .read_answer import Choice, Completion, Function, ToolCall, stop_of

_decoder = msgspec.json.Decoder(Completion)


class _Begun:
    """A part that has begun, and of a call its arguments so far."""

    __slots__ = ("arguments", "index", "part")

    def __init__(self, index: int, part: Text | Refusal | Call | Thinking) -> None:
        self.index = index
        self.part = part
        self.arguments = Arguments()

    @property
    def settled(self) -> bool:
        """Whether the part is over once another begins. A call whose arguments are not whole may still go on."""
        return self.arguments.whole or not isinstance(self.part, Call)


class StreamReader:
    """Reads one stream. `usage` is what has been stated so far.

    A chunk only says what grows; where one part ends and the next begins is found here. Calls are told apart by their
    index and, for servers that give every call the same one, by their id. They may grow in turns.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._parser = SseParser()
        self._started = False
        self._last: _Begun | None = None
        self._open: dict[int, _Begun] = {}
        self._index = -1
        self._calls: dict[tuple[int | None, str | None], _Begun] = {}
        self._count = 0
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
        stop = "tools" if self._stop == "end" and self._count else self._stop
        for index in self._open:
            yield Closed(index)
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
        if self._last is None or type(self._last.part) is not type(part):
            yield from self._begin(_Begun(self._index + 1, type(part)()))
        yield Grew(self._index, part.text)

    def _call(self, piece: ToolCall) -> Iterator[Event]:
        function = piece.function or Function()
        call = self._goes_on(piece, function)
        if call is None:
            if not function.name:
                raise UpstreamFailed("the stream goes on with a call that has not begun")
            call = _Begun(self._index + 1, Call(piece.id or f"call_{self._count}", function.name))
            self._count += 1
            self._calls |= dict.fromkeys(product((piece.index, None), (piece.id, None)), call)
            yield from self._begin(call)
        yield from self._lengthen(call, function.text)

    def _goes_on(self, piece: ToolCall, function: Function) -> _Begun | None:
        """The call that a piece goes on with, None where it begins one. A piece without a number goes on with the last.

        Servers exist that repeat id and name with every piece, and ones that number every call the same, or name none.
        """
        if piece.id:
            same = self._calls.get((piece.index, piece.id))
            if same is not None or function.name:
                return same
        last = self._calls.get((piece.index, None))
        begins = function.name and last is not None and last.arguments.whole and function.text.strip()
        return None if begins else last

    def _lengthen(self, call: _Begun, text: str) -> Iterator[Event]:
        if call.index not in self._open:
            if text.strip():
                raise UpstreamFailed("the stream goes on with a call that has ended")
        elif text:
            yield Grew(call.index, text)
            call.arguments.add(text)
            if call.settled and call is not self._last:
                yield from self._close(call)

    def _begin(self, begun: _Begun) -> Iterator[Event]:
        if self._last is not None and self._last.settled:
            yield from self._close(self._last)
        self._index = begun.index
        self._last = self._open[begun.index] = begun
        yield Opened(begun.index, begun.part)

    def _close(self, begun: _Begun) -> Iterator[Event]:
        if self._open.pop(begun.index, None) is not None:
            yield Closed(begun.index)
