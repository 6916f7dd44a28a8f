"""OpenAI's embeddings as a dialect: rented, counted, kept in where they are restricted; never owned nor streamed."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import msgspec

from freehold.errors import BadRequest, FreeholdError, UsageError
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.dialects import Asked, Assembled, Read
from freehold.wire.streams import DocumentReader

from ._errors import error_envelope, error_event
from ._request import ChatRequest, Message, parts_of_tokens

_NO_TEXT = frozenset({"image", "image_url", "url", "audio", "input_audio", "video", "data"})
"""Names under which servers of mixed media are given what is no text."""
_SAYS_NOTHING = frozenset({"type", "role"})


class EmbeddingRequest(msgspec.Struct):
    """Body of `POST /v1/embeddings`, as far as routing and recording need it.

    OpenAI takes texts and tokens. Some servers of open weights take objects with texts and images as well, or whole
    conversations in `messages`.
    """

    input: str | list[Any] | None = None
    messages: list[Any] | None = None
    model: str = ""
    metadata: dict[str, Any] | None = None
    user: Any = None

    def chat(self) -> ChatRequest:
        """The texts as messages, so that what may not leave is seen here, too; all else are parts without text.

        Raises:
            BadRequest: there is nothing to embed.
        """
        if self.input is None and self.messages is None:
            raise BadRequest("the request body is not an embeddings request: it has no input")
        texts, tokens, others = _leaves([self.input, self.messages])
        messages = [Message("user", text) for text in texts]
        parts = (parts_of_tokens(tokens) if tokens else []) + parts_of_tokens(0) * others
        if parts:
            messages.append(Message("user", parts))
        return ChatRequest(messages=messages, model=self.model, metadata=self.metadata, user=self.user)


def _leaves(given: list[Any]) -> tuple[list[str], int, int]:
    """The texts of what is to be embedded in their order, how many tokens there are, and how much that is neither."""
    texts: list[str] = []
    tokens = others = 0
    left = given[::-1]
    while left:
        value = left.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, int):
            tokens += 1
        elif isinstance(value, list):
            inner = cast("list[Any]", value)
            if set(map(type, inner)) == {int}:  # there may be millions
                tokens += len(inner)
            else:
                left += reversed(inner)
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            others += not _NO_TEXT.isdisjoint(fields)
            left += reversed([one for name, one in fields.items() if name not in _NO_TEXT | _SAYS_NOTHING])
    return texts, tokens, others


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
        return Asked(bodies.request(_request_decoder, body, "an embeddings").chat(), "input")

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
