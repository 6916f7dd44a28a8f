"""Between a provider that speaks one dialect and a rental that was asked in another."""

from __future__ import annotations

from freehold.errors import AnswerUntranslatable, FreeholdError, UpstreamFailed
from freehold.gateway._client import Sink
from freehold.gateway._exchange import Headers
from freehold.vocabulary import Usage
from freehold.wire.translation import StreamTranslator, Translated, Translation

from ._between import Between

NOT_CARRIED = b"x-freehold-not-carried"
"""Header of an answer: the request's fields that the provider's dialect has no word for."""
_STREAM = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_KEPT = (b"retry-after", b"retry-after-ms", b"request-id", b"x-request-id", b"sunset", b"deprecation")
_KEPT_FAMILIES = (b"x-ratelimit-", b"anthropic-ratelimit-")


class Translating(Between):
    """A sink towards the provider, a handle towards the rental, a translation between them."""

    def __init__(self, into: Translation, request: Translated, sink: Sink) -> None:
        self._into = into
        self._request = request
        self._sink = sink
        self._status = 0
        self._stream: StreamTranslator | None = None
        self._parts: list[bytes] = []

    def cancel(self) -> None:
        """Give it up at once, and say what has been counted by then: it is owed."""
        self._state_usage()
        super().cancel()

    # Sink

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers: a stream stays a stream, and everything else is JSON."""
        self._status = status
        kind = next((value for name, value in headers if name == b"content-type"), b"").lower()
        told = [(n, v) for n, v in headers if n in _KEPT or n.startswith(_KEPT_FAMILIES)]
        if 200 <= status < 300 and kind.startswith(_STREAM):
            self._stream = self._into.stream(self._request.remembered)
            told.append((b"content-type", b"text/event-stream; charset=utf-8"))
        else:
            told.append((b"content-type", b"application/json"))
        if self._request.lost:
            told.append((NOT_CARRIED, ", ".join(self._request.lost).encode()))
        self._sink.on_head(status, told)

    def on_data(self, data: bytes, *, done: bool) -> None:
        """Translate what one read brought."""
        if done:
            self.handle = None  # it knows us: both are freed at once, and with them what was asked
        try:
            out = self._translated(data, done=done)
        except FreeholdError as error:
            self.cancel()
            error.__context__ = None  # the frames that both were raised in know us, and whoever is told keeps it
            self._sink.on_failed(error.with_traceback(None))
            return
        if done:
            self._state_usage()
        if out or done:
            self._sink.on_data(out, done=done)

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come."""
        self.handle = None
        self._state_usage()
        self._sink.on_failed(error)

    def on_usage(self, usage: Usage) -> None:
        """The provider's own door knows nothing of tokens."""

    def _state_usage(self) -> None:
        if self._stream is not None and self._stream.usage is not None:
            self._sink.on_usage(self._stream.usage)

    def _translated(self, data: bytes, *, done: bool) -> bytes:
        if self._stream is not None:
            out = self._stream.feed(data) if data else b""
            return out + self._stream.end() if done else out
        self._parts.append(data)
        if not done:
            return b""
        body = b"".join(self._parts)
        if not 200 <= self._status < 300:
            return self._into.error(self._status, body)
        if not body:
            raise UpstreamFailed("the provider sent an empty answer")
        try:
            translated, usage = self._into.answer(body, self._request.remembered)
        except UpstreamFailed as error:
            usage = self._into.usage(body)
            if usage is None:
                raise
            self._sink.on_usage(usage)
            raise AnswerUntranslatable(error.message) from None
        if usage is not None:
            self._sink.on_usage(usage)
        return translated
