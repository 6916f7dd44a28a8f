"""Writing calls in the import format "calls": one JSON object a line.

A line that was imported comes out with the same id, times, request, response and gold. What the format has no field
for stands under `freehold`, so that an export can be imported again without loss.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from freehold.vocabulary import Call, Feedback, Leg, Outcome, Owner, Usage
from freehold.wire.known import CHAT, DIALECTS

Said = Callable[[Sequence[str]], Mapping[str, Sequence[Feedback]]]

_CHUNK = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Extra(msgspec.Struct, omit_defaults=True, frozen=True):
    """Fields of a call that the format "calls" does not know, under the key `freehold`.

    `dialect` is here only where it is none that Freehold speaks. `request_base64` and `response_base64` hold bodies
    that are not one line of JSON, byte for byte.
    """

    model: str = ""
    outcome: Outcome = "ok"
    status: int = 200
    owner: Owner = "rented"
    usage: Usage | None = None
    ttft_ms: float | None = None
    streamed: bool = False
    dialect: str | None = None
    template: str = ""
    legs: tuple[Leg, ...] = ()
    source: str = ""
    error: str = ""
    key: str = ""
    reason: str = ""
    request_base64: str | None = None
    response_base64: str | None = None
    feedback: tuple[Feedback, ...] = ()


def export_calls(calls: Iterable[Call], file: BinaryIO, said: Said | None = None) -> int:
    """Write calls as lines of the format "calls"; returns how many.

    `said` is asked for what people said of some calls, by id (`Ledger.feedback`); without it, feedback is left out.
    """
    written = 0
    rest = iter(calls)
    while some := list(islice(rest, _CHUNK)):
        feedback = said([call.id for call in some]) if said is not None else {}
        for call in some:
            file.write(_line(call, tuple(feedback.get(call.id, ()))))
            file.write(b"\n")
        written += len(some)
    return written


def _line(call: Call, feedback: tuple[Feedback, ...]) -> bytes:
    request, request_base64 = _body(call.request)
    response, response_base64 = _body(call.response)
    extra = Extra(
        model=call.model,
        outcome=call.outcome,
        status=call.status,
        owner=call.owner,
        usage=call.usage,
        ttft_ms=call.ttft_ms,
        streamed=call.streamed,
        dialect=None if call.dialect in DIALECTS else call.dialect,
        template=call.template,
        legs=call.legs,
        source=call.source,
        error=call.error,
        key=call.key,
        reason=call.reason,
        request_base64=request_base64,
        response_base64=response_base64,
        feedback=feedback,
    )
    line: dict[str, Any] = {
        "id": call.id,
        "started_at": (_EPOCH + timedelta(microseconds=call.started_at_us)).isoformat().replace("+00:00", "Z"),
        "latency_ms": call.latency_ms,
        "provider": call.provider,
        "request": request,
        "response": response,
    }
    if call.dialect in DIALECTS and call.dialect != CHAT.name:
        line["dialect"] = call.dialect
    if call.gold is not None:
        line["gold"] = call.gold
    if call.task:
        line["task"] = call.task
    if call.tags:
        line["tags"] = call.tags
    line["freehold"] = extra
    return _encode(line)


def _body(body: bytes) -> tuple[Any, str | None]:
    """A body as it goes into a line, and as base64 where the line cannot hold it byte for byte."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, base64.b64encode(body).decode()
    if b"\n" in body or b"\r" in body or body != body.strip():
        return value, base64.b64encode(body).decode()
    return msgspec.Raw(body), None
