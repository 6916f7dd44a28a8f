"""A streamed answer of Bedrock's ConverseStream."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.vocabulary import Usage
from freehold.wire.bedrock import Frame, FrameReader
from freehold.wire.translation._hub import (
    Call,
    Closed,
    Event,
    Failed,
    Finished,
    Grew,
    Opened,
    Problem,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
)

from .read_answer import ModelFields, Terms, TokenUsage, ToolUse, sequence_of, stop_of

_STATUS = {
    "throttlingException": 429,
    "validationException": 400,
    "serviceUnavailableException": 503,
    "modelTimeoutException": 408,
    "accessDeniedException": 403,
}


class _ReasoningDelta(msgspec.Struct, rename="camel"):
    text: str = ""
    signature: str = ""
    redacted_content: str = ""


class _InputDelta(msgspec.Struct):
    input: str = ""


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _InputDelta | None = None
    reasoning_content: _ReasoningDelta | None = None


class _Start(msgspec.Struct, rename="camel"):
    tool_use: ToolUse | None = None


class _Payload(Terms, rename="camel"):
    content_block_index: int = 0
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    additional_model_response_fields: ModelFields | None = None
    usage: TokenUsage | None = None
    message: str | None = None


_decoder = msgspec.json.Decoder(_Payload)


class StreamReader:
    """Reads one stream. `usage` is what has been stated, at the very end.

    Only calls have an event that opens them; text and thinking open with their first piece.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._frames = FrameReader()
        self._open: set[int] = set()
        self._stop: Stop | None = None
        self._sequence: str | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            UpstreamFailed: a frame cannot be read or translated.
        """
        for frame in self._frames.feed(data):
            yield from self._read(frame)

    def end(self) -> Iterator[Event]:
        """The end of an answer whose reason was given but whose counts were not."""
        if self._stop is not None:
            yield self._finished()

    def _read(self, frame: Frame) -> Iterator[Event]:
        kind = frame.headers.get(":message-type", "event")
        if kind != "event":
            yield Failed(_problem(frame))
            return
        payload = _decoder.decode(frame.payload)
        index = payload.content_block_index
        match frame.headers.get(":event-type", ""):
            case "messageStart":
                yield Started()
            case "contentBlockStart" if payload.start is not None and payload.start.tool_use is not None:
                self._open.add(index)
                yield Opened(index, Call(payload.start.tool_use.tool_use_id, payload.start.tool_use.name))
            case "contentBlockDelta" if payload.delta is not None:
                yield from self._grow(index, payload.delta)
            case "contentBlockStop" if index in self._open:
                self._open.remove(index)
                yield Closed(index)
            case "messageStop":
                self._stop = stop_of(payload.stop_reason or "")
                self._sequence = sequence_of(payload.additional_model_response_fields)
            case "metadata":
                if payload.usage is not None:
                    self.usage = payload.usage.counts(payload)
                if self._stop is not None:
                    yield self._finished()
            case _:
                return

    def _grow(self, index: int, delta: _Delta) -> Iterator[Event]:
        if delta.tool_use is not None:
            if delta.tool_use.input:
                yield Grew(index, delta.tool_use.input)
        elif delta.text is not None:
            yield from self._begin(index, Text())
            if delta.text:
                yield Grew(index, delta.text)
        elif delta.reasoning_content is not None:
            thought = delta.reasoning_content
            yield from self._begin(index, Thinking(redacted=thought.redacted_content))
            if thought.text:
                yield Grew(index, thought.text)
            if thought.signature:
                yield Signed(index, thought.signature)

    def _begin(self, index: int, part: Text | Thinking) -> Iterator[Event]:
        if index not in self._open:
            self._open.add(index)
            yield Opened(index, part)

    def _finished(self) -> Finished:
        return Finished(self._stop or "end", self.usage, self._sequence)


def _problem(frame: Frame) -> Problem:
    """An exception of Bedrock's, or an error of the connection to it."""
    kind = frame.headers.get(":exception-type") or frame.headers.get(":error-code", "")
    message = frame.headers.get(":error-message")
    if message is None:
        try:
            message = _decoder.decode(frame.payload).message
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            message = None
    return Problem(message or "the provider broke its answer off", _STATUS.get(kind, 500), kind)
