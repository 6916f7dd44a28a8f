"""The dialects as a client and a provider see them: requests, answers, streams and errors, as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.upstream import DONE, chat, event, usage_event


@dataclass(frozen=True)
class Wire:
    """One dialect's bytes. `events` is a complete stream, of which `last` holds the event that says so."""

    name: str
    path: str
    whole: bytes
    streamed: bytes
    answer: bytes
    events: tuple[bytes, ...]
    last: bytes
    is_error: Callable[[bytes], bool]
    is_error_event: Callable[[bytes], bool]

    def __str__(self) -> str:
        return self.name

    @property
    def first(self) -> bytes:
        """The first event."""
        return self.events[0]

    @property
    def stream(self) -> bytes:
        """The stream's body."""
        return b"".join(self.events)


def _openai_error(body: bytes) -> bool:
    error = json.loads(body)["error"]
    return set(error) == {"message", "type", "param", "code"} and bool(error["message"]) and bool(error["code"])


def _openai_error_event(written: bytes) -> bool:
    return written.startswith(b"data: ") and written.endswith(b"\n\n") and _openai_error(written[6:])


CHAT = Wire(
    "chat",
    "/v1/chat/completions",
    b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}],"stream":true}',
    chat("Grüße 🙂"),
    (event("Grüße "), event("日本 🙂"), event(finish="stop"), usage_event(), DONE),
    DONE,
    _openai_error,
    _openai_error_event,
)

WIRES = (CHAT,)
