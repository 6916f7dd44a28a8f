"""The dialects as a client and a provider see them: requests, answers, streams and errors, as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.upstream import DONE, chat, event, usage_event


@dataclass(frozen=True)
class Wire:
    """One dialect's bytes.

    `events` is a complete stream: its first text has come after `n_began` of them, and `last` stands in the event that
    says that it is complete.
    """

    name: str
    dialect: str
    path: str
    whole: bytes
    streamed: bytes
    answer: bytes
    events: tuple[bytes, ...]
    n_began: int
    last: bytes
    is_error: Callable[[bytes], bool]
    is_error_event: Callable[[bytes], bool]
    error_event: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def began(self) -> bytes:
        """The events up to the first text."""
        return b"".join(self.events[: self.n_began])

    @property
    def rest(self) -> tuple[bytes, ...]:
        """The events after it."""
        return self.events[self.n_began :]

    @property
    def stream(self) -> bytes:
        """The stream's body."""
        return b"".join(self.events)


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _named(kind: str, **fields: Any) -> bytes:
    """An event that bears its type twice, as Anthropic's and the Responses API's do."""
    return b"event: " + kind.encode() + b"\ndata: " + _encoded({"type": kind} | fields) + b"\n\n"


# Chat completions


def _openai_error(body: bytes) -> bool:
    error = json.loads(body)["error"]
    return set(error) == {"message", "type", "param", "code"} and bool(error["message"])


def _openai_error_event(written: bytes) -> bool:
    return written.startswith(b"data: ") and written.endswith(b"\n\n") and _openai_error(written[6:])


OVERLOADED = {"message": "overloaded", "type": "server_error", "param": None, "code": "x"}

CHAT = Wire(
    "chat",
    "openai.chat",
    "/v1/chat/completions",
    b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}],"stream":true}',
    chat("Grüße 🙂"),
    (event("Grüße "), event("日本 🙂"), event(finish="stop"), usage_event(), DONE),
    1,
    DONE,
    _openai_error,
    _openai_error_event,
    b"data: " + _encoded({"error": OVERLOADED}) + b"\n\n",
)

# Anthropic's messages

_MESSAGE = {"id": "msg_up", "type": "message", "role": "assistant", "model": "up-1", "stop_sequence": None}


def _anthropic_error(body: bytes) -> bool:
    told = json.loads(body)
    return told["type"] == "error" and bool(told["error"]["type"]) and bool(told["error"]["message"])


def _anthropic_error_event(written: bytes) -> bool:
    return written.startswith(b"event: error\ndata: ") and _anthropic_error(written.partition(b"data: ")[2])


MESSAGES = Wire(
    "messages",
    "anthropic.messages",
    "/v1/messages",
    b'{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"twelve chars"}]}',
    b'{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"twelve chars"}],"stream":true}',
    _encoded(
        _MESSAGE
        | {"content": [{"type": "text", "text": "Grüße 🙂"}], "stop_reason": "end_turn"}
        | {"usage": {"input_tokens": 11, "output_tokens": 7}}
    ),
    (
        _named(
            "message_start",
            message=_MESSAGE | {"content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}},
        ),
        _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _named("ping"),
        _named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüße "}),
        _named("content_block_delta", index=0, delta={"type": "text_delta", "text": "日本 🙂"}),
        _named("content_block_stop", index=0),
        _named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7}),
        _named("message_stop"),
    ),
    4,
    b"message_stop",
    _anthropic_error,
    _anthropic_error_event,
    _named("error", error={"type": "overloaded_error", "message": "Overloaded"}),
)

# Responses

_RESPONSE = {"id": "resp_up", "object": "response", "created_at": 1, "model": "up-1", "error": None, "metadata": {}}
_SAID = {"type": "output_text", "text": "Grüße 日本 🙂", "annotations": []}
_ITEM = {"type": "message", "id": "msg_up", "role": "assistant", "status": "completed", "content": [_SAID]}
_ANSWERED = _RESPONSE | {
    "status": "completed",
    "output": [_ITEM],
    "usage": {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 18,
    },
}
_BEGINNING = _RESPONSE | {"status": "in_progress", "output": [], "usage": None}
_AT = {"item_id": "msg_up", "output_index": 0, "content_index": 0}


def _response_error_event(written: bytes) -> bool:
    told = json.loads(written.partition(b"data: ")[2])
    return written.startswith(b"event: error\n") and told["type"] == "error" and bool(told["code"] and told["message"])


RESPONSES = Wire(
    "responses",
    "openai.responses",
    "/v1/responses",
    b'{"model":"m","input":[{"role":"user","content":"twelve chars"}]}',
    b'{"model":"m","input":[{"role":"user","content":"twelve chars"}],"stream":true}',
    _encoded(_ANSWERED),
    (
        _named("response.created", sequence_number=0, response=_BEGINNING),
        _named("response.in_progress", sequence_number=1, response=_BEGINNING),
        _named(
            "response.output_item.added",
            sequence_number=2,
            output_index=0,
            item=_ITEM | {"status": "in_progress", "content": []},
        ),
        _named("response.content_part.added", sequence_number=3, part=_SAID | {"text": ""}, **_AT),
        _named("response.output_text.delta", sequence_number=4, delta="Grüße ", logprobs=[], **_AT),
        _named("response.output_text.delta", sequence_number=5, delta="日本 🙂", logprobs=[], **_AT),
        _named("response.output_text.done", sequence_number=6, text=_SAID["text"], logprobs=[], **_AT),
        _named("response.content_part.done", sequence_number=7, part=_SAID, **_AT),
        _named("response.output_item.done", sequence_number=8, output_index=0, item=_ITEM),
        _named("response.completed", sequence_number=9, response=_ANSWERED),
    ),
    5,
    b"response.completed",
    _openai_error,
    _response_error_event,
    _named("error", sequence_number=6, code="server_error", message="overloaded", param=None),
)

WIRES = (CHAT, MESSAGES, RESPONSES)
