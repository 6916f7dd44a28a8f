"""OpenAI's Responses API as a dialect."""

from __future__ import annotations

from freehold.errors import FreeholdError
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.dialects import Asked, Read
from freehold.wire.openai._errors import error_envelope, response_error_event

from ._author import response, stream_of
from ._request import ResponsesRequest, decode_request
from ._response import answer_text, decode_response, finish_reason
from ._stream import ResponseAssembler


class Responses:
    """`POST /v1/responses`: see `freehold.wire.dialects.Dialect`."""

    name = "openai.responses"
    end_mark = b'"response.completed"'

    def decode(self, body: bytes) -> Asked:
        """Read a request's body."""
        request = decode_request(body)
        return Asked(request.chat(), request.owned_obstacle(), request)

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer; one that runs in the background is one, too, and states no counts yet."""
        found = decode_response(body)
        if found is None:
            return None
        return Read(found.model, found.counts())

    def answer_text(self, body: bytes) -> str | None:
        """The canonical answer."""
        return answer_text(body)

    def finish_reason(self, body: bytes) -> str | None:
        """Why the answer ended."""
        return finish_reason(body)

    def assembler(self) -> ResponseAssembler:
        """A reader for one streamed answer."""
        return ResponseAssembler()

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> bytes:
        """An owned model's answer as a response."""
        native = asked.native
        request = native if isinstance(native, ResponsesRequest) else ResponsesRequest(model=asked.chat.model)
        key = call_id.removeprefix("call_")
        return response(request, id=f"resp_{key}", created=created_s, answer=answer, usage=usage)

    def stream_of(self, body: bytes, asked: Asked) -> list[bytes]:  # noqa: ARG002 -- streams of responses have no options
        """A response as the events of a streamed one."""
        return stream_of(body)

    def unstreamed(self, body: bytes) -> bytes:
        """The same request asking for the answer whole."""
        return bodies.without(body, "stream", "stream_options")

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error in OpenAI's envelope."""
        return error_envelope(error)

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as an event of a streamed response."""
        return response_error_event(error)
