"""What a translation is: the shape that every pair of dialects offers to the gateway."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from freehold.vocabulary import Usage


class Remembered(msgspec.Struct, frozen=True):
    """What the translation of an answer needs to know of the request that it answers.

    `id` and `created_s` (seconds since the epoch) stand in where the provider states none. `model` is the one that was
    asked. `stream` and `include_usage` say which form of answer the client wants, `thinking` whether it wants to see
    the model think. `echo` holds the fields that the client's dialect repeats in its answers.
    """

    id: str
    created_s: int
    model: str = ""
    stream: bool = False
    include_usage: bool = False
    thinking: bool = False
    echo: dict[str, Any] = {}


class Translated(NamedTuple):
    """A request in the provider's format.

    `lost` names the fields of the client's request that do not reach the model, dotted and without the numbers of list
    items, each once: none of them changes the form of the answer, and the client is told in a header. `remembered` goes
    to `Translation.response` and `Translation.stream`.
    """

    body: bytes
    lost: tuple[str, ...]
    remembered: Remembered


class StreamTranslator(Protocol):
    """Turns one streamed answer into the client's format as it arrives, however its bytes were split."""

    @property
    def usage(self) -> Usage | None:
        """The counts that the provider has stated so far, whether or not the client asked to see them."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the provider, give bytes for the client.

        What the provider itself calls an error becomes the client's own error event, and nothing follows it.

        Raises:
            UpstreamFailed: the stream cannot be read. What came before it has been given by then.
        """
        ...

    def end(self) -> bytes:
        """The provider's stream is over: what is still owed to the client.

        Empty where the provider never said that its answer was complete: the client's end mark is missing then too.

        Raises:
            UpstreamFailed: as `feed`.
        """
        ...


class Translation(Protocol):
    """One pair of dialects. Every method is pure but for the clock and the random id in `Translated.remembered`."""

    @property
    def client(self) -> str:
        """The dialect that the client speaks, as `openai.chat`."""
        ...

    @property
    def upstream(self) -> str:
        """The dialect that the provider speaks, as `anthropic.messages` or `bedrock.converse`."""
        ...

    def request(self, body: bytes, *, model: str | None = None) -> Translated:
        """Translate a request's body; `model` replaces the one that the client named.

        Raises:
            BadRequest: with code `untranslatable`, the request asks for something that changes the form or the meaning
                of the answer and that the other dialect cannot say; the message names the field. With code
                `bad_request`, it is no request of the client's dialect at all.
        """
        ...

    def response(self, body: bytes, remembered: Remembered | None = None) -> bytes:
        """Translate a whole, successful answer.

        Raises:
            UpstreamFailed: it cannot be read, or holds what the client's dialect cannot say.
        """
        ...

    def answer(self, body: bytes, remembered: Remembered | None = None) -> tuple[bytes, Usage | None]:
        """The same, and the counts that the provider stated, of which the client's dialect may have no word for some.

        Raises:
            UpstreamFailed: as `response`.
        """
        ...

    def usage(self, body: bytes) -> Usage | None:
        """The counts of a whole answer alone, whatever else it holds; None where it states none. Never raises."""
        ...

    def error(self, status: int, body: bytes) -> bytes:
        """Translate an error's body, its message kept; the status stays as it is. Never raises."""
        ...

    def stream(self, remembered: Remembered | None = None) -> StreamTranslator:
        """A translator for one streamed answer."""
        ...
