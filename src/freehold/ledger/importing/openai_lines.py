"""Requests and answers as people log them, one pair a line, and lines made for fine-tuning.

    {"request": {...}, "response": {...}}      beside them, where a log has it:
        id | request_id                        text
        started_at | created_at | timestamp | time
        latency_ms | duration_ms               number
        url | path | endpoint                  text: which API it was
        provider                               text
        error                                  the error in place of an answer
        tags | metadata                        object
    {"messages": [..., {"role": "assistant", ...}], "tools": [...]}
    {"prompt": "...", "completion": "..."}

Bodies may be objects, or texts that hold JSON. The last two are what fine-tuning takes: the last message of the
assistant is the answer, everything before it the request. They hold no model, no tokens and no time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from freehold.vocabulary import Call
from freehold.wire.known import COMPLETIONS

from .bodies import (
    REBUILT_TAG,
    bare,
    body,
    completion,
    content_id,
    fill_in,
    latency_ms,
    started_at_us,
    tags_of,
    text_only,
)
from .protocol import UNTIMED_US, Format, Found, Guess, Head, Rejected

_NOTHING = msgspec.Raw(b"")
_TUNING = {"messages", "tools", "functions", "parallel_tool_calls", "function_call", "tool_choice", "response_format"}
_Time = datetime | int | float | None


class _Line(msgspec.Struct):
    request: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    id: str | None = None
    request_id: str | None = None
    started_at: _Time = None
    created_at: _Time = None
    timestamp: _Time = None
    time: _Time = None
    latency_ms: float | None = None
    duration_ms: float | None = None
    url: str | None = None
    path: str | None = None
    endpoint: str | None = None
    provider: str | None = None
    tags: msgspec.Raw = _NOTHING
    metadata: msgspec.Raw = _NOTHING
    messages: list[msgspec.Raw] | None = None
    prompt: msgspec.Raw = _NOTHING
    completion: msgspec.Raw = _NOTHING

    @property
    def at(self) -> datetime | float | None:
        """When it began, under whatever name."""
        for value in (self.started_at, self.created_at, self.timestamp, self.time):
            if value is not None:
                return value
        return None


class _Role(msgspec.Struct):
    role: str = ""


_decode = msgspec.json.Decoder(_Line).decode
_decode_role = msgspec.json.Decoder(_Role).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def detect(head: Head) -> Guess | None:
    """Pairs have request and response; lines for fine-tuning have messages and nothing that a call would have."""
    if head.share(lambda r: "request" in r and ("response" in r or "error" in r)) > 0.5:
        return Guess(0.8, "its records have request and response")
    if head.share(lambda r: "messages" in r and r.keys() <= _TUNING) > 0.5:
        return Guess(0.9, "its records are conversations as fine-tuning takes them")
    if head.share(lambda r: r.keys() == {"prompt", "completion"}) > 0.5:
        return Guess(0.9, "its records have prompt and completion, as fine-tuning takes them")
    return None


def read(record: bytes) -> tuple[Found]:
    """The call of one line."""
    line = _decode(record)
    if bytes(line.request):
        return (Found(_pair(line, record)),)
    if line.messages is not None:
        return (Found(_conversation(line.messages, record)),)
    if bytes(line.prompt) and bytes(line.completion):
        return (Found(_prompted(line, record)),)
    raise Rejected("it has neither request, nor messages, nor prompt and completion")


def _pair(line: _Line, record: bytes) -> Call:
    request, response = body(line.request), body(line.response)
    if not response and body(line.error):
        response = b'{"error":%b}' % bytes(line.error)
    if not request and not response:
        raise Rejected("request and response are empty")
    call = Call(
        id=line.id or line.request_id or "",
        started_at_us=UNTIMED_US,
        latency_ms=latency_ms(line.latency_ms if line.latency_ms is not None else line.duration_ms),
        provider=line.provider or "",
        model="",
        request=request,
        response=response,
        dialect="",
        tags=tags_of(line.metadata) | tags_of(line.tags),
        source="import",
    )
    answer = fill_in(call, line.url or line.path or line.endpoint or "")
    if not response:
        call.outcome, call.status, call.owner = "incomplete", 0, "none"
    at: Any = line.at if line.at is not None else answer.created or answer.created_at
    if at is not None:
        call.started_at_us = started_at_us(at)
    call.id = call.id or answer.id or content_id(record)
    text_only(call.id, call.model, call.provider)
    return call


def _conversation(messages: list[msgspec.Raw], record: bytes) -> Call:
    if not messages or _decode_role(messages[-1]).role != "assistant":
        raise Rejected("the last of its messages is none of the assistant's, so there is no answer")
    fields = _decode_fields(record)
    fields["messages"] = msgspec.Raw(b"[%b]" % b",".join(map(bytes, messages[:-1])))
    return _rebuilt(record, _encode(fields), completion(bytes(messages[-1])))


def _prompted(line: _Line, record: bytes) -> Call:
    answer = b'{"object":"text_completion","choices":[{"index":0,"text":%b,"finish_reason":null}]}' % line.completion
    return _rebuilt(record, b'{"prompt":%b}' % line.prompt, answer, COMPLETIONS.name)


def _rebuilt(record: bytes, request: bytes, response: bytes, dialect: str = "openai.chat") -> Call:
    tags = {REBUILT_TAG: "request,response"}
    call = bare(content_id(record), request, response, tags=tags, dialect=dialect)
    fill_in(call)
    return call


OPENAI = Format(
    "openai",
    "requests and answers of an API, a pair a line; conversations made for fine-tuning",
    detect,
    read,
)
