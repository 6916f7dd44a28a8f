"""A dialect: one wire format of calls, as the gateway and the circle use it.

A dialect knows the bytes of requests, answers, streams and errors; it knows no sockets, no stores and no provider. The
view that it gives of a request is always a chat request, so that tasks are recognised, inputs are cut out and owned
models are asked in one way, whatever the client speaks. Each dialect is one object behind `Dialect`, made in a module
of its own and listed in `freehold.wire.DIALECTS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import Usage

if TYPE_CHECKING:
    from .openai._request import ChatRequest


class Asked(msgspec.Struct, frozen=True):
    """A request, as far as Freehold reads it.

    `chat` is its view as a chat request: system text first, then the turns, tools in OpenAI's form, output limit in
    `max_completion_tokens` or `max_tokens`, `stream`, `metadata`. `obstacle` names the field that asks for what no
    owned model can give, "" where an owned model may answer. `native` is the request in the dialect's own form, for its
    own `author` and nobody else, where answers repeat what was asked.
    """

    chat: ChatRequest
    obstacle: str = ""
    native: object = None


class Read(msgspec.Struct, frozen=True, gc=False):
    """What a whole answer says of itself: the model that gave it, and its token counts where it states them."""

    model: str
    usage: Usage | None


class Assembled(msgspec.Struct, frozen=True, gc=False):
    """What a stream came to.

    `body` is the answer that the same call would have had without streaming. `fault` is "" for a complete stream; else
    what was missing or broken, and the call is `incomplete`. `error_sent`: the provider itself told the client, so
    nothing needs to be added. `text_chars` counts what an incomplete stream brought, for estimating its cost; 0 for a
    complete one.
    """

    body: bytes
    usage: Usage | None
    fault: str
    error_sent: bool
    text_chars: int


class Assembler(Protocol):
    """Reads a copy of one streamed answer. It never raises, and holds nothing back from the client."""

    @property
    def broken(self) -> bool:
        """Whether it can no longer be complete: an event cannot be read, tells of a failure, or ends it too soon."""
        ...

    def feed(self, data: bytes) -> None:
        """Take the bytes of one read."""
        ...

    def finish(self) -> Assembled:
        """What it came to; may be asked once the stream has ended, however it ended."""
        ...


class Dialect(Protocol):
    """One wire format. Every method is pure."""

    @property
    def name(self) -> str:
        """Its name in the ledger, as `openai.chat` or `anthropic.messages`."""
        ...

    @property
    def end_mark(self) -> bytes:
        """Bytes that only the event holds which says that a stream is complete (`freehold.wire.streams.before_end`)."""
        ...

    def decode(self, body: bytes) -> Asked:
        """Read a request's body.

        Raises:
            BadRequest: it is no JSON, or a field that Freehold reads has a type no provider accepts. The message names
                the place, never the content.
        """
        ...

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer, or None where the body is no answer of this dialect (an error, HTML, a cut body)."""
        ...

    def answer_text(self, body: bytes) -> str | None:
        """The canonical answer (`freehold.wire.canonical` says which form), or None where there is none."""
        ...

    def finish_reason(self, body: bytes) -> str | None:
        """Why the answer ended, in OpenAI's words (`stop`, `length`, `tool_calls`, …), or None where it is none."""
        ...

    def assembler(self) -> Assembler:
        """A reader for one streamed answer."""
        ...

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> bytes:
        """An owned model's canonical answer as the body that a rented model would have sent."""
        ...

    def stream_of(self, body: bytes, asked: Asked) -> list[bytes]:
        """An answer's body as the events of a streamed one, its end included."""
        ...

    def unstreamed(self, body: bytes) -> bytes:
        """The same request asking for the answer whole."""
        ...

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error as this dialect's SDKs expect it in a body; the status goes on the response line."""
        ...

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as one event of a stream that has begun."""
        ...
