"""How an answer reaches the client: headers of ours, the provider's own, bodies, streams and errors."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from freehold.errors import AnswerUntranslatable, FreeholdError, MissingPrerequisite
from freehold.vocabulary import Owner
from freehold.wire.dialects import Asked, Dialect

from ._exchange import Exchange, Headers
from ._try import Rented
from .providers import returned_headers

_JSON = b"content-type: application/json\r\n"
_EVENT_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_SERVED_BY: dict[Owner, bytes] = {
    "owned": b"x-freehold-served-by: owned\r\n",
    "rented": b"x-freehold-served-by: rented\r\n",
    "none": b"",
}
_NO_RETRY = b"x-should-retry: false\r\n"
_FINAL = (MissingPrerequisite, AnswerUntranslatable)
"""Errors after which the SDKs would ask again by themselves: nothing can change, or it would be paid for again."""


class Reply:
    """What goes to the client of one call. Set `task` and `lines` as they become known, before the first byte."""

    __slots__ = ("_call_id", "_dialect", "_exchange", "lines", "task")

    def __init__(self, exchange: Exchange, dialect: Dialect, call_id: str) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._call_id = call_id.encode()
        self.task = ""
        self.lines = b""

    def stream(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """More of a rented stream, as it came."""
        if first:
            self._exchange.start(200, self._theirs(headers), data)
        else:
            self._exchange.write(data)

    def finish_stream(self, result: Rented, tail: bytes) -> None:
        """The end of a rented stream: its last bytes, or the event that says that it broke."""
        exchange = self._exchange
        error = None if result.told else result.error
        if not exchange.streaming:
            headers = self._theirs(result.headers)
            if error is None and tail:
                exchange.stream_whole(200, headers, tail)
                return
            exchange.start(200, headers, b"")
        if error is None:
            exchange.end(tail)
        else:
            exchange.abort(tail + self._dialect.error_event(error))

    def whole(self, result: Rented, body: bytes) -> None:
        """A rented answer that was not streamed, with the provider's status."""
        self._exchange.respond(result.status, self._theirs(result.headers), body)

    def own(self, body: bytes, asked: Asked, confidence: float) -> None:
        """An owned model's answer, streamed where the client asked for that."""
        self._authored(body, asked, self._ours("owned") + b"x-freehold-confidence: %.4f\r\n" % confidence)

    def again(self, body: bytes, asked: Asked) -> None:
        """An answer that was given before."""
        self._authored(body, asked, self._ours("rented") + b"x-freehold-cache: hit\r\n")

    def _authored(self, body: bytes, asked: Asked, headers: bytes) -> None:
        if asked.chat.stream:
            events = b"".join(self._dialect.stream_of(body, asked))
            self._exchange.stream_whole(200, _EVENT_STREAM + headers, events)
        else:
            self._exchange.respond(200, _JSON + headers, body)

    def refuse(self, error: FreeholdError) -> None:
        """An error of ours, in the dialect's envelope."""
        extra = _NO_RETRY if isinstance(error, _FINAL) else b""
        self._exchange.fail(error, extra + self._ours("none"))

    def crash(self, error: FreeholdError) -> None:
        """A fault of our own, before or after the first byte."""
        if self._exchange.streaming:
            self._exchange.abort(self._dialect.error_event(error))
        else:
            self._exchange.fail(error, self._ours("none"))

    def _theirs(self, headers: Headers) -> bytes:
        """A provider's headers and ours."""
        return returned_headers(headers, limits=not self.lines) + self._ours("rented")

    def _ours(self, owner: Owner) -> bytes:
        task = _task_line(self.task) if self.task else b""
        return b"x-freehold-call-id: %b\r\n%b%b%b" % (self._call_id, task, _SERVED_BY[owner], self.lines)


@lru_cache(maxsize=1024)
def _task_line(name: str) -> bytes:
    return b"x-freehold-task: %b\r\n" % quote(name, safe=" ()/:,&+").encode()
