"""From the events of a streamed answer to the body that the same call would have had without streaming."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.wire.bodies import UNREADABLE
from freehold.wire.dialects import Assembled
from freehold.wire.sse import Event
from freehold.wire.streams import EventReader

from ._response import UsageBody

_NEXT = b"\n\ndata: "
_LAST = _NEXT + b"[DONE]"
_PER_CHUNK = frozenset({"choices", "usage", "obfuscation"})


class _ChunkChoice(msgspec.Struct, gc=False):
    index: int = 0
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_ChunkChoice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _PlainDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    role: str | None = None


class _PlainChoice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _PlainDelta | None = None
    finish_reason: str | None = None
    logprobs: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk that brings text and nothing else, as nearly all do: read in a third of the time."""

    choices: list[_PlainChoice] | None = None
    usage: dict[str, Any] | None = None
    error: None = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)
_chunks_decoder = msgspec.json.Decoder(list[_Chunk])
_plain_decoder = msgspec.json.Decoder(list[_PlainChunk])
_any_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class _Choice:
    __slots__ = ("calls", "content", "finish_reason", "logprobs", "message", "pieces")

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self.content: list[str] = []
        self.pieces: dict[str, list[str]] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.finish_reason: str | None = None
        self.logprobs: dict[str, Any] | None = None

    def add(self, chunk: _ChunkChoice) -> None:
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        if chunk.logprobs:
            self.logprobs = joined_logprobs(self.logprobs, chunk.logprobs)
        self._add(chunk.delta or {})

    def _add(self, delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if key == "content" and isinstance(value, str):
                self.content.append(value)
            elif key == "role":
                self.message["role"] = value or self.message["role"]
            elif isinstance(value, str):
                self.pieces.setdefault(key, []).append(value)
            elif key == "tool_calls" and isinstance(value, list):
                for call in value:
                    self._add_call(call)
            elif isinstance(value, list) and isinstance(self.message.get(key), list):
                self.message[key] = self.message[key] + value
            elif value is not None or key not in self.message:
                self.message[key] = value

    def _add_call(self, delta: dict[str, Any]) -> None:
        index = delta.get("index")
        position = index if isinstance(index, int) else len(self.calls)
        if delta.get("id") and self.calls.get(position, delta).get("id") not in (None, delta["id"]):
            position = max(self.calls) + 1  # servers exist that send every call whole, all of them as number 0
        call = self.calls.setdefault(position, {})
        for key, value in delta.items():
            if key == "function" and isinstance(value, dict):
                function = call.setdefault("function", {"name": "", "arguments": ""})
                for name, piece in cast("dict[str, Any]", value).items():
                    is_arguments = name == "arguments" and isinstance(piece, str)
                    function[name] = function.get(name, "") + piece if is_arguments else piece or function.get(name)
            elif key != "index" and value is not None:
                call[key] = value

    def body(self, index: int) -> dict[str, Any]:
        message = dict(self.message)
        if self.content:
            message["content"] = "".join(self.content)
        for key, pieces in self.pieces.items():
            message[key] = "".join(pieces)
        if self.calls:
            message["tool_calls"] = [self.calls[position] for position in sorted(self.calls)]
            message["content"] = message["content"] or None
        return {"index": index, "message": message, "logprobs": self.logprobs, "finish_reason": self.finish_reason}

    def chars(self) -> int:
        arguments = sum(len(call.get("function", {}).get("arguments") or "") for call in self.calls.values())
        others = sum(len(piece) for pieces in self.pieces.values() for piece in pieces)
        return arguments + others + sum(map(len, self.content))


def joined_logprobs(kept: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """Log probabilities of the tokens so far and of those that came."""
    joined = dict(kept or {})
    for key, value in more.items():
        joined[key] = (joined.get(key) or []) + value if isinstance(value, list) else joined.get(key, value)
    return joined


def stated_tier(head: dict[str, Any] | None) -> str | None:
    """The service tier that a stream's first chunk states; every chunk repeats it."""
    tier = head.get("service_tier") if head is not None else None
    return tier if isinstance(tier, str) else None


def _together(events: bytes) -> tuple[list[_PlainChunk], list[_Chunk]]:
    """Events of one line each, read as one array: all of them as plain ones or all as others; none for no bytes.

    Raises:
        LookupError: they are no such events, or one says that the provider failed.
        MsgspecError, UnicodeDecodeError, RecursionError: they cannot be read.
    """
    if not events:
        return [], []
    joined = events.replace(_NEXT, b",")
    count = events.count(_NEXT) + 1
    if b"\n" in joined:
        raise LookupError
    array = b"[%b]" % joined
    try:
        plain = _plain_decoder.decode(array)
    except msgspec.ValidationError:
        chunks = _chunks_decoder.decode(array)
        if len(chunks) == count and not any(chunk.error is not None for chunk in chunks):
            return [], chunks
    else:
        if len(plain) == count:
            return plain, []
    raise LookupError


class StreamAssembler(EventReader):
    """Reads a copy of a streamed chat completion.

    A stream is complete when every choice has a finish reason and `[DONE]` was seen; an error event, JSON that cannot
    be read, or an end before that makes it incomplete. What it does not promise: that fields of the chunks which change
    from chunk to chunk are in the body.
    """

    __slots__ = ("_choices", "_done", "_error", "_head", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._head: dict[str, Any] | None = None
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None
        self._done = False
        self._error: Any = None

    def finish(self) -> Assembled:
        """Say what the stream came to. Call once, when no more bytes will come."""
        self._close()
        fault = self._fault or self._missing()
        body, usage = self._body(), None
        if self._usage is not None:
            try:
                usage = msgspec.convert(self._usage, UsageBody).counts(stated_tier(self._head))
            except msgspec.MsgspecError:
                fault = fault or "the stream's usage cannot be read"
        chars = sum(choice.chars() for choice in self._choices.values()) if fault else 0
        return Assembled(body, usage, fault, self._error is not None, chars)

    @property
    def _ended(self) -> bool:
        return self._done

    def _missing(self) -> str:
        if not self._choices:
            return "the stream ended before the first choice"
        if any(choice.finish_reason is None for choice in self._choices.values()):
            return "the stream ended without a finish reason"
        return "" if self._done else "the stream ended without [DONE]"

    def _take_all(self, data: bytes) -> bool:
        """Read whole events of one `data: ` line each, as every provider sends them, in one go."""
        if not (data.startswith(b"data: ") and data.endswith(b"\n\n")) or b"\r" in data or self._done:
            return False
        body = data[6:-2]
        done = body.endswith(_LAST)
        if done:
            body = body[: -len(_LAST)]
        first, _, rest = body.partition(_NEXT) if self._head is None else (b"", b"", body)
        try:
            parts = [_together(first), _together(rest)]
            if self._head is None and any(chunk.choices is not None for found in parts[0] for chunk in found):
                self._head = _any_decoder.decode(first)
        except (*UNREADABLE, LookupError):
            return False
        try:
            for plain, others in parts:
                self._plain(plain)
                for chunk in others:
                    self._chunk(chunk)
        except (ValueError, TypeError, AttributeError):
            self._fault = "an event of the stream has an unexpected form"
        self._done = done
        return True

    def _take(self, event: Event) -> None:
        if event.data == b"[DONE]":
            self._done = True
            return
        if self._done:
            return
        chunk = _chunk_decoder.decode(event.data)
        if event.name == b"error" or chunk.error is not None:
            self._error = chunk.error if chunk.error is not None else _any_decoder.decode(event.data)
            self._fault = "the provider sent an error in the stream"
            return
        if self._head is None and chunk.choices is not None:
            self._head = _any_decoder.decode(event.data)
        self._chunk(chunk)

    def _chunk(self, chunk: _Chunk) -> None:
        if chunk.usage is not None:
            self._usage = chunk.usage
        for part in chunk.choices or ():
            (self._choices.get(part.index) or self._begun(part.index)).add(part)

    def _plain(self, chunks: list[_PlainChunk]) -> None:
        """Take chunks that bring text alone in one loop: a call for each would cost more than what it does."""
        for chunk in chunks:
            if chunk.usage is not None:
                self._usage = chunk.usage
            for part in chunk.choices or ():
                choice = self._choices.get(part.index) or self._begun(part.index)
                delta = part.delta
                if delta is not None:
                    if delta.content is not None:
                        choice.content.append(delta.content)
                    if delta.role is not None:
                        choice.message["role"] = delta.role
                if part.finish_reason is not None:
                    choice.finish_reason = part.finish_reason

    def _begun(self, index: int) -> _Choice:
        choice = self._choices[index] = _Choice()
        return choice

    def _body(self) -> bytes:
        body: dict[str, Any] = {k: v for k, v in (self._head or {}).items() if k not in _PER_CHUNK}
        body["object"] = "chat.completion"
        body["choices"] = [choice.body(index) for index, choice in sorted(self._choices.items())]
        if self._usage is not None:
            body["usage"] = self._usage
        if self._error is not None:
            body["error"] = self._error
        return _encoder.encode(body)
