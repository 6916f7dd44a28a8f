"""OpenPipe's lines: `input`, `output`, `tags`.

`input` is the request or the list of its messages, `output` the answer, its message, or its text.
"""

from __future__ import annotations

import msgspec

from .bodies import (
    REBUILT_TAG,
    bare,
    body,
    completion,
    content_id,
    fill_in,
    started_at_us,
    tags_of,
    text_only,
)
from .protocol import Format, Found, Guess, Head, Rejected

_NOTHING = msgspec.Raw(b"")
_FIELDS = {"input", "output", "tags", "split", "metadata"}


class _Line(msgspec.Struct):
    input: msgspec.Raw
    output: msgspec.Raw
    tags: msgspec.Raw = _NOTHING
    metadata: msgspec.Raw = _NOTHING


class _Shape(msgspec.Struct):
    choices: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    role: str | None = None


_decode = msgspec.json.Decoder(_Line).decode
_decode_shape = msgspec.json.Decoder(_Shape).decode


def detect(head: Head) -> Guess | None:
    """It has these fields and no others."""
    if head.share(lambda r: {"input", "output"} <= r.keys() <= _FIELDS) > 0.5:
        return Guess(0.85, "its records have input and output, as OpenPipe writes them")
    return None


def read(record: bytes) -> tuple[Found]:
    """The call of one line."""
    line = _decode(record)
    rebuilt: list[str] = []
    request = bytes(line.input)
    if request.startswith(b"["):
        request = b'{"messages":%b}' % request
        rebuilt.append("request")
    elif not request.startswith(b"{"):
        request = body(line.input)
    response = _answer(bytes(line.output))
    if response != bytes(line.output):
        rebuilt.append("response")
    call = bare("", request, response, tags=tags_of(line.metadata) | tags_of(line.tags))
    answer = fill_in(call)
    if answer.created is not None:
        call.started_at_us = started_at_us(answer.created)
    if rebuilt:
        call.tags[REBUILT_TAG] = ",".join(rebuilt)
    call.id = answer.id or content_id(record)
    text_only(call.id, call.model)
    return (Found(call),)


def _answer(output: bytes) -> bytes:
    """An output as an answer: itself, or put around a message or a text."""
    if output.startswith(b'"'):
        return completion(b'{"role":"assistant","content":%b}' % output)
    if not output.startswith(b"{"):
        raise Rejected("output is neither an answer, nor a message, nor a text")
    shape = _decode_shape(output)
    whole = bytes(shape.choices) or bytes(shape.output) or bytes(shape.error)
    return output if whole or shape.role is None else completion(output)


OPENPIPE = Format(
    "openpipe",
    "OpenPipe's lines of input, output and tags",
    detect,
    read,
    lacks=("OpenPipe's lines say nothing of latency; time and tokens only where output is a whole answer",),
)
