"""OpenAI's chat completions as a dialect."""

from __future__ import annotations

from freehold.errors import FreeholdError
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.dialects import Asked, Read

from ._author import completion, stream_of
from ._errors import error_envelope, error_event
from ._request import decode_request
from ._response import answer_text, decode_response, finish_reason
from ._stream import StreamAssembler


class Chat:
    """`POST /v1/chat/completions`: see `freehold.wire.dialects.Dialect`."""

    name = "openai.chat"
    end_mark = b"[DONE]"

    def decode(self, body: bytes) -> Asked:
        """Read a request's body."""
        request = decode_request(body)
        return Asked(request, request.owned_obstacle())

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer."""
        response = decode_response(body)
        if response is None or not response.choices:
            return None
        return Read(response.model, response.counts())

    def answer_text(self, body: bytes) -> str | None:
        """The canonical answer."""
        return answer_text(body)

    def finish_reason(self, body: bytes) -> str | None:
        """Why the answer ended."""
        return finish_reason(body)

    def assembler(self) -> StreamAssembler:
        """A reader for one streamed answer."""
        return StreamAssembler()

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> bytes:
        """An owned model's answer as a chat completion."""
        request = asked.chat
        return completion(
            id=f"chatcmpl-{call_id.removeprefix('call_')}",
            model=request.model,
            created=created_s,
            answer=answer,
            usage=usage,
            tools=bool(request.tools),
        )

    def stream_of(self, body: bytes, asked: Asked) -> list[bytes]:
        """A chat completion as the events of a streamed one."""
        return stream_of(body, include_usage=asked.chat.include_usage)

    def unstreamed(self, body: bytes) -> bytes:
        """The same request asking for the answer whole."""
        return bodies.without(body, "stream", "stream_options")

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error in OpenAI's envelope."""
        return error_envelope(error)

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as an event."""
        return error_event(error)
