"""Stored completions: pages of the list, or single ones, as OpenAI's API gives them.

    {"object": "list", "data": [{"object": "chat.completion", "id": ..., "created": ..., "choices": [...]}, ...]}

The API gives the messages of a request apart. Where an object has been given them as `messages` it is a whole call;
without them it is an answer alone. Objects of the Responses API are read in the same way, with their `input`.
"""

from __future__ import annotations

import msgspec

from freehold.wire.known import CHAT, COMPLETIONS, RESPONSES

from .bodies import REBUILT_TAG, bare, content_id, fill_in, started_at_us, tags_of, text_only
from .protocol import Format, Found, Guess, Head, Rejected

_NOTHING = msgspec.Raw(b"")
_DIALECTS = {"chat.completion": CHAT.name, "response": RESPONSES.name, "text_completion": COMPLETIONS.name}
_ASKED = {CHAT.name: "messages", RESPONSES.name: "input", COMPLETIONS.name: "prompt"}
_ASKED_WITH = (
    "model", "tools", "tool_choice", "response_format", "temperature", "top_p", "seed", "max_completion_tokens",
    "max_output_tokens", "instructions", "text", "reasoning", "reasoning_effort", "parallel_tool_calls",
)  # fmt: skip
"""Fields that the API repeats from the request."""


class _Object(msgspec.Struct):
    object: str = ""
    id: str | None = None
    metadata: msgspec.Raw = _NOTHING
    messages: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(_Object).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def detect(head: Head) -> Guess | None:
    """Its records are the objects of the API."""
    if head.share(lambda r: r.get("object") in _DIALECTS and "id" in r) > 0.5:
        return Guess(0.95, "its records are completions as OpenAI's API gives them")
    return None


def read(record: bytes) -> tuple[Found]:
    """The call of one object."""
    line = _decode(record)
    dialect = _DIALECTS.get(line.object)
    if dialect is None:
        raise Rejected(f"its object is none of {', '.join(_DIALECTS)}")
    asked = _ASKED[dialect]
    request, response = b"", record.strip()
    if bytes(getattr(line, asked)).startswith((b"[", b'"')):
        request, response = _split(record, asked)
    call = bare(line.id or content_id(record), request, response, tags=tags_of(line.metadata), dialect=dialect)
    answer = fill_in(call)
    made = answer.created or answer.created_at
    if made is not None:
        call.started_at_us = started_at_us(made)
    if request:
        call.tags = {**call.tags, REBUILT_TAG: "request"}
    text_only(call.id, call.model)
    return (Found(call),)


def _split(record: bytes, asked: str) -> tuple[bytes, bytes]:
    """The request as far as the object tells of it, and the answer without what was asked."""
    fields = _decode_fields(record)
    request = {name: fields[name] for name in (asked, *_ASKED_WITH) if name in fields}
    del fields[asked]
    return _encode(request), _encode(fields)


STORED = Format(
    "openai-stored",
    "stored completions: pages of the list, or single ones",
    detect,
    read,
    lacks=("the API does not say how long an answer took: latency is unknown",),
)
