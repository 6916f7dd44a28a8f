"""The format "calls", one JSON object a line: what Freehold itself writes.

    id           str, unique
    started_at   RFC 3339 (without an offset: UTC), or seconds, milliseconds or microseconds since the epoch
    latency_ms   number, request to last byte; missing: 0, unknown
    provider     str, optional
    dialect      str, optional: the API that was called, openai.chat where it is missing
    request      body of the request, an object
    response     body of its answer, usage included
    gold         str, optional: the right answer, where a person gave one
    task         str, optional: the task, where the caller named it
    tags         object of str, optional
    freehold     what `export_calls` adds

Bodies are kept byte for byte.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

import msgspec

from freehold.ledger.exporting import Extra
from freehold.vocabulary import Call
from freehold.wire.known import CHAT, DIALECTS

from .bodies import fill_in, latency_ms, started_at_us, text_only
from .protocol import UNREADABLE, Format, Found, Guess, Head, Rejected, why


class _Line(msgspec.Struct):
    id: str
    started_at: datetime | int | float
    request: msgspec.Raw
    response: msgspec.Raw = msgspec.Raw(b"")
    latency_ms: float | None = None
    provider: str | None = None
    dialect: str | None = None
    gold: str | None = None
    task: str | None = None
    tags: dict[str, str] | None = None
    freehold: Extra | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


def detect(head: Head) -> Guess | None:
    """Its fields are this format's own."""
    if head.share(lambda record: {"id", "started_at", "request"} <= record.keys()) < 0.5:
        return None
    return Guess(0.95, "its records have id, started_at and request")


def read(record: bytes) -> tuple[Found]:
    """The call of one line, and what was said of it."""
    parsed = _decode_line(record)
    extra = parsed.freehold
    request, response = _bodies(parsed, extra)
    text_only(parsed.id, parsed.task, parsed.gold)
    if not parsed.id:
        raise Rejected("id is empty")
    call = Call(
        id=parsed.id,
        started_at_us=started_at_us(parsed.started_at),
        latency_ms=latency_ms(parsed.latency_ms),
        dialect=_dialect(parsed.dialect),
        provider=parsed.provider or "",
        model="",
        request=request,
        response=response,
        task=parsed.task or "",
        gold=parsed.gold,
        tags=parsed.tags or {},
        source="import",
    )
    if extra is None:
        fill_in(call)
        return (Found(call),)
    _restore(call, extra)
    # What was said is kept under this call's id, whatever id it states.
    return (Found(call, tuple(msgspec.structs.replace(one, call_id=call.id) for one in extra.feedback)),)


def read_line(line: bytes) -> Call:
    """The call of one line.

    Raises:
        Rejected: it cannot be read; the reason holds no content.
    """
    try:
        return read(line)[0].call
    except UNREADABLE as error:
        raise Rejected(why(error)) from None


def _bodies(line: _Line, extra: Extra | None) -> tuple[bytes, bytes]:
    request, response = bytes(line.request), bytes(line.response)
    if extra is not None:
        try:
            if extra.request_base64 is not None:
                request = base64.b64decode(extra.request_base64, validate=True)
            if extra.response_base64 is not None:
                response = base64.b64decode(extra.response_base64, validate=True)
        except (binascii.Error, ValueError):
            raise Rejected("a body in base64 is damaged") from None
    elif not response or response == b"null":
        raise Rejected("response is missing")
    return request, response


def _dialect(name: str | None) -> str:
    if name is None:
        return CHAT.name
    if name not in DIALECTS:
        raise Rejected(f"dialect is none of {', '.join(sorted(DIALECTS))}")
    return name


def _restore(call: Call, extra: Extra) -> None:
    """What `export_calls` wrote down."""
    text_only(extra.model, extra.error, extra.key, extra.reason)
    call.model, call.owner = extra.model, extra.owner
    call.outcome, call.status, call.error = extra.outcome, extra.status, extra.error
    call.usage, call.ttft_ms, call.streamed = extra.usage, extra.ttft_ms, extra.streamed
    call.dialect = call.dialect if extra.dialect is None else extra.dialect
    call.template, call.legs = extra.template, extra.legs
    call.key, call.reason = extra.key, extra.reason
    call.source = extra.source or "import"
    if not -(2**31) <= call.status < 2**31:
        raise Rejected("freehold.status is out of range")


CALLS = Format("calls", 'what "freehold log export" writes', detect, read)
