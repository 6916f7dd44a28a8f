"""Every pair of dialects, as one client's side joined to one provider's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from freehold.errors import BadRequest, UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.openai import usage_of

from . import _errors, chat, completions, converse, messages, responses
from ._hub import Answer, Event, Problem, Request
from ._order import Order
from ._types import Remembered, StreamTranslator, Translated, Translation

_encoder = msgspec.json.Encoder()
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)


class Writer(Protocol):
    """Writes one stream for a client."""

    def write(self, event: Event) -> bytes:
        """The bytes for one event."""
        ...


class Reader(Protocol):
    """Reads one stream of a provider. What it raises besides `UpstreamFailed` says that the stream is unreadable.

    Its parts may be open at the same time, where the provider's are: `Order` puts them one after the other.
    """

    usage: Usage | None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete."""
        ...

    def end(self) -> Iterator[Event]:
        """What the end of the stream completes."""
        ...


class Client(NamedTuple):
    """What a client's dialect can do."""

    name: str
    read_request: Callable[[bytes], Request]
    write_answer: Callable[[Answer, Remembered], bytes]
    write_error: Callable[[Problem], bytes]
    writer: Callable[[Remembered], Writer]


class Upstream(NamedTuple):
    """What a provider's dialect can do."""

    name: str
    write_request: Callable[[Request], dict[str, Any]]
    read_answer: Callable[[bytes], Answer]
    read_usage: Callable[[bytes], Usage | None]
    reader: Callable[[], Reader]


_CLIENTS = (
    Client("openai.chat", chat.read_request, chat.write_answer, _errors.openai_error, chat.StreamWriter),
    Client(
        "openai.responses",
        responses.read_request,
        responses.write_answer,
        _errors.openai_error,
        responses.StreamWriter,
    ),
    Client(
        "openai.completions",
        completions.read_request,
        completions.write_answer,
        _errors.openai_error,
        completions.StreamWriter,
    ),
    Client(
        "anthropic.messages",
        messages.read_request,
        messages.write_answer,
        _errors.anthropic_error,
        messages.StreamWriter,
    ),
)
_UPSTREAMS = (
    Upstream("openai.chat", chat.write_request, chat.read_answer, usage_of, chat.StreamReader),
    Upstream(
        "anthropic.messages",
        messages.write_request,
        messages.read_answer,
        messages.read_usage,
        messages.StreamReader,
    ),
    Upstream(
        "bedrock.converse",
        converse.write_request,
        converse.read_answer,
        converse.read_usage,
        converse.StreamReader,
    ),
)


class _Pair:
    """One client's side joined to one provider's: see `Translation`."""

    def __init__(self, client: Client, upstream: Upstream) -> None:
        self.client = client.name
        self.upstream = upstream.name
        self._client = client
        self._upstream = upstream

    def request(self, body: bytes, *, model: str | None = None) -> Translated:
        """Translate a request's body."""
        read = self._client.read_request(body)
        if model is not None:
            read.model = model
        if not read.model:
            raise BadRequest("model is missing")
        written = self._upstream.write_request(read)
        remembered = Remembered(
            id=uuid.uuid4().hex[:24],
            created_s=int(time.time()),
            model=read.model,
            stream=read.stream,
            include_usage=read.include_usage,
            thinking=read.thinking_shown,
            echo=read.echo,
        )
        return Translated(_encoder.encode(written), tuple(read.lost), remembered)

    def response(self, body: bytes, remembered: Remembered | None = None) -> bytes:
        """Translate a whole, successful answer."""
        return self.answer(body, remembered)[0]

    def answer(self, body: bytes, remembered: Remembered | None = None) -> tuple[bytes, Usage | None]:
        """The same, and the counts that the provider stated."""
        read = self._upstream.read_answer(body)
        return self._client.write_answer(read, remembered or _nobody()), read.usage

    def usage(self, body: bytes) -> Usage | None:
        """The counts of a whole answer alone."""
        return self._upstream.read_usage(body)

    def error(self, status: int, body: bytes) -> bytes:
        """Translate an error's body."""
        return self._client.write_error(_errors.read_error(status, body))

    def stream(self, remembered: Remembered | None = None) -> StreamTranslator:
        """A translator for one streamed answer."""
        return _Stream(self._upstream.reader(), self._client.writer(remembered or _nobody()))


class _Stream:
    """A provider's stream read, put in order, and the client's written, event by event."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._order = Order()
        self._fault: UpstreamFailed | None = None

    @property
    def usage(self) -> Usage | None:
        """The counts stated so far."""
        return self._reader.usage

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the provider, give bytes for the client."""
        return self._run(self._reader.feed(data))

    def end(self) -> bytes:
        """What is still owed."""
        return self._run(self._reader.end(), cut=True)

    def _run(self, events: Iterator[Event], *, cut: bool = False) -> bytes:
        """Write what these events say. With `cut`, what cannot be read is half an event, and says nothing."""
        if self._order.over:
            return b""
        if self._fault is not None:
            raise self._fault
        written: list[bytes] = []
        try:
            for event in events:
                written += map(self._writer.write, self._order.take(event))
                if self._order.over:
                    break
        except UpstreamFailed as fault:
            self._fault = fault
        except _UNREADABLE:
            if not cut:
                self._fault = UpstreamFailed("the provider's stream cannot be read")
        if self._fault is not None and (cut or not written):
            raise self._fault
        return b"".join(written)


def _nobody() -> Remembered:
    """What is known of a request that nobody told of."""
    return Remembered(uuid.uuid4().hex[:24], int(time.time()))


_PAIRS: dict[tuple[str, str], Translation] = {
    (client.name, upstream.name): _Pair(client, upstream)
    for client in _CLIENTS
    for upstream in _UPSTREAMS
    if client.name != upstream.name
}


def translation(client: str, upstream: str) -> Translation | None:
    """The translation between two dialects, or None where there is none or none is needed."""
    return _PAIRS.get((client, upstream))
