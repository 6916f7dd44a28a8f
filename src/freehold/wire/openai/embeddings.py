"""OpenAI's embeddings as a dialect: rented, counted, kept in where they are restricted; never owned nor streamed."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import msgspec

from freehold.errors import FreeholdError, UsageError
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.dialects import Asked, Assembled, Read
from freehold.wire.streams import DocumentReader

from ._errors import error_envelope, error_event
from ._request import ChatRequest, Message, parts_of_tokens


class EmbeddingRequest(msgspec.Struct):
    """Body of `POST /v1/embeddings`, as far as routing and recording need it."""

    input: str | list[str | int | list[int]]
    model: str = ""
    metadata: dict[str, Any] | None = None
    user: Any = None

    def chat(self) -> ChatRequest:
        """The texts as messages, so that what may not leave is seen here, too; tokens are parts without text."""
        given = [self.input] if isinstance(self.input, str) else cast("list[Any]", self.input)
        texts = [one for one in given if isinstance(one, str)]
        messages = [Message("user", text) for text in texts]
        if len(texts) < len(given):
            tokens = sum(
                len(cast("list[int]", one)) if isinstance(one, list) else isinstance(one, int) for one in given
            )
            messages.append(Message("user", parts_of_tokens(tokens)))
        return ChatRequest(messages=messages, model=self.model, metadata=self.metadata, user=self.user)


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None


class _Embeddings(msgspec.Struct):
    data: msgspec.Raw
    model: str = ""
    usage: _Counts | None = None


_request_decoder = msgspec.json.Decoder(EmbeddingRequest)
_response_decoder = msgspec.json.Decoder(_Embeddings)


class Embeddings:
    """`POST /v1/embeddings`: see `freehold.wire.dialects.Dialect`. No answer of it is a text."""

    name = "openai.embeddings"
    end_mark = b"[DONE]"

    def decode(self, body: bytes) -> Asked:
        """Read a request's body. `input` is always the obstacle: no owned model gives embeddings."""
        return Asked(bodies.request(_request_decoder, body, "embedding").chat(), "input")

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer, without its numbers."""
        found = bodies.answer(_response_decoder, body)
        if found is None or not bytes(found.data).startswith(b"["):
            return None
        counts = found.usage
        return Read(found.model, Usage(max(0, counts.prompt_tokens or 0)) if counts is not None else None)

    def answer_text(self, body: bytes) -> str | None:  # noqa: ARG002 -- whatever it holds
        """None: numbers are no answer that a text could be compared with."""
        return None

    def finish_reason(self, body: bytes) -> str | None:  # noqa: ARG002 -- whatever it holds
        """None: embeddings do not end for a reason."""
        return None

    def assembler(self) -> NoStream:
        """A reader that finds fault with every stream."""
        return NoStream()

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> NoReturn:  # noqa: ARG002 -- always refused
        """Nobody gives it one: every request has an obstacle.

        Raises:
            UsageError: always.
        """
        raise UsageError("no owned model gives embeddings")

    def stream_of(self, body: bytes, asked: Asked) -> NoReturn:  # noqa: ARG002 -- always refused
        """No request can ask for a stream.

        Raises:
            UsageError: always.
        """
        raise UsageError("embeddings are not streamed")

    def unstreamed(self, body: bytes) -> bytes:
        """The same request."""
        return body

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error in OpenAI's envelope."""
        return error_envelope(error)

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as an event."""
        return error_event(error)


class NoStream(DocumentReader):
    """Reads a stream that should not be."""

    __slots__ = ()

    def finish(self) -> Assembled:
        """Say that it is none."""
        self._close()
        return Assembled(b"{}", None, self._fault or self._missing(), error_sent=False, text_chars=0)

    def _missing(self) -> str:
        return "embeddings are not streamed"

    def _document(self, document: dict[str, Any]) -> None:  # noqa: ARG002 -- whatever it holds
        raise TypeError("an event where there should be none")
