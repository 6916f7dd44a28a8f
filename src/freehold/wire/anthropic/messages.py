"""Anthropic's Messages API as a dialect."""

from __future__ import annotations

from freehold.errors import FreeholdError
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.dialects import Asked, Read

from ._author import message, stream_of
from ._errors import error_envelope, error_event
from ._request import decode_request
from ._response import answer_text, decode_response, finish_reason
from ._stream import MessageAssembler


class Messages:
    """`POST /v1/messages`: see `freehold.wire.dialects.Dialect`."""

    name = "anthropic.messages"
    end_mark = b'"message_stop"'

    def decode(self, body: bytes) -> Asked:
        """Read a request's body."""
        request = decode_request(body)
        return Asked(request.chat(), request.owned_obstacle())

    def read(self, body: bytes) -> Read | None:
        """Read a whole answer."""
        response = decode_response(body)
        if response is None:
            return None
        return Read(response.model, response.usage.counts() if response.usage is not None else None)

    def answer_text(self, body: bytes) -> str | None:
        """The canonical answer."""
        return answer_text(body)

    def finish_reason(self, body: bytes) -> str | None:
        """Why the answer ended."""
        return finish_reason(body)

    def assembler(self) -> MessageAssembler:
        """A reader for one streamed answer."""
        return MessageAssembler()

    def author(self, asked: Asked, *, call_id: str, created_s: int, answer: str, usage: Usage) -> bytes:  # noqa: ARG002 -- a message has no time
        """An owned model's answer as a message."""
        request = asked.chat
        return message(
            id=f"msg_{call_id.removeprefix('call_')}",
            model=request.model,
            answer=answer,
            usage=usage,
            tools=bool(request.tools),
        )

    def stream_of(self, body: bytes, asked: Asked) -> list[bytes]:  # noqa: ARG002 -- streams of messages have no options
        """A message as the events of a streamed one."""
        return stream_of(body)

    def unstreamed(self, body: bytes) -> bytes:
        """The same request asking for the answer whole."""
        return bodies.without(body, "stream")

    def error_envelope(self, error: FreeholdError) -> bytes:
        """An error in Anthropic's envelope."""
        return error_envelope(error)

    def error_event(self, error: FreeholdError) -> bytes:
        """The same as an event."""
        return error_event(error)
