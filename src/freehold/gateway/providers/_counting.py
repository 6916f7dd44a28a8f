"""Between a provider that is asked to count the tokens of a stream and a client that did not ask for it.

Servers of OpenAI's format count the tokens of a stream only where the request says `stream_options.include_usage`, in
an event of its own before the last. Where `providers.NAME.stream_usage` is set, they are asked to, and that event is
kept from a client that did not: it holds no choice, and clients that look at the first one would fail. Every other byte
goes on as it came, event by event.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from freehold.errors import FreeholdError
from freehold.gateway._client import Sink
from freehold.gateway._exchange import Headers
from freehold.vocabulary import Usage
from freehold.wire.openai import UsageBody
from freehold.wire.sse import SseParser

from ._between import Between

COUNTED = frozenset({"openai.chat", "openai.completions"})
"""The dialects whose streams are counted on request alone."""

_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST = 1024 * 1024
"""An event of more bytes is no count of tokens; so long one is waited for."""


class _Asked(msgspec.Struct):
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None


class _Counts(msgspec.Struct):
    choices: list[msgspec.Raw]
    usage: UsageBody
    service_tier: str | None = None


_asked = msgspec.json.Decoder(_Asked)
_counts = msgspec.json.Decoder(_Counts)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def asking_for_usage(body: bytes) -> bytes | None:
    """The request with a word for token counts in its stream; None where it streams nothing or asks for them itself."""
    try:
        asked = _asked.decode(body)
        options = asked.stream_options or {}
        if not asked.stream or options.get("include_usage"):
            return None
        fields = _fields.decode(body)
    except msgspec.MsgspecError:
        return None  # it is the provider's to refuse
    fields["stream_options"] = msgspec.Raw(_encode({**options, "include_usage": True}))
    return _encode(fields)


class Counting(Between):
    """A sink towards the provider and a handle towards the rental, which keeps the counts from the client."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._streamed = False
        self._rest = b""

    # Sink

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers."""
        kind = next((value for name, value in headers if name == b"content-type"), b"").lower()
        self._streamed = 200 <= status < 300 and kind.startswith(b"text/event-stream")
        self._sink.on_head(status, headers)

    def on_data(self, data: bytes, *, done: bool) -> None:
        """Pass on whole events, but for the one that counts."""
        if done:
            self.handle = None  # it knows us: both are freed at once
        if self._streamed:
            data = self._without_counts(self._rest + data, done=done)
        if data or done:
            self._sink.on_data(data, done=done)

    def on_usage(self, usage: Usage) -> None:
        """The provider's own door knows nothing of tokens."""

    def on_failed(self, error: FreeholdError) -> None:
        """No (further) answer will come. Half an event says nothing to anybody."""
        self.handle = None
        self._sink.on_failed(error)

    def _without_counts(self, data: bytes, *, done: bool) -> bytes:
        kept: list[bytes] = []
        start = 0
        for blank in _BLANK.finditer(data):
            event = data[start : blank.end()]
            start = blank.end()
            if not self._counts(event):
                kept.append(event)
        self._rest = data[start:]
        if done or len(self._rest) > _LONGEST:
            last, self._rest = self._rest, b""
            if not self._counts(last):
                kept.append(last)
        return b"".join(kept)

    def _counts(self, event: bytes) -> bool:
        """Whether an event does nothing but count tokens; takes note of the counts."""
        if b'"usage"' not in event:
            return False
        try:
            (said,) = SseParser().feed(event + b"\n\n")
            found = _counts.decode(said.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            return False
        if found.choices:
            return False
        self._sink.on_usage(found.usage.counts(found.service_tier))
        return True
