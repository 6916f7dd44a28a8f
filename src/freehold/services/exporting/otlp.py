"""Calls as spans in a file of OTLP JSON lines, as OpenTelemetry's collector writes and reads them.

The spans are those that the gateway sends to a collector (`services.telemetry`), with what a call was for beside them.
`freehold import` reads the file again: one call from each, without the attempts that it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from freehold import __version__
from freehold.services.telemetry import SCHEMA_URL, Attributes, SpanData, Value, places, spans
from freehold.settings import Settings
from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, PROMPT_TAG, SESSION_TAG, TEAM_TAG, Call

_TOGETHER = 100
_KINDS = {"internal": 1, "server": 2, "client": 3}
_ABOUT = {TEAM_TAG: "freehold.team", FEATURE_TAG: "gen_ai.agent.name", PROMPT_TAG: "gen_ai.prompt.name"}
_PERSONAL = {SESSION_TAG: "gen_ai.conversation.id", END_USER_TAG: "enduser.id"}
_encode = msgspec.json.Encoder().encode


def write(calls: Iterable[Call], file: BinaryIO, settings: Settings, shows: Callable[[Call], bool]) -> tuple[int, int]:
    """Write calls, a hundred a line; returns how many, and how many were left out as their client samples them out.

    `shows` tells of which calls the content goes along, with session and end user.
    """
    known = places(settings)
    written = unsampled = 0
    rest = iter(calls)
    while some := list(islice(rest, _TOGETHER)):
        found: list[SpanData] = []
        for call in some:
            content = shows(call)
            of_call = spans(call, known, content=content)
            if not of_call:
                unsampled += 1
                continue
            own = of_call[0]
            found += [own._replace(attributes=own.attributes | _about(call, personal=content)), *of_call[1:]]
            written += 1
        if found:
            file.write(_encode(_request(found)) + b"\n")
    return written, unsampled


def _about(call: Call, *, personal: bool) -> Attributes:
    names = _ABOUT | (_PERSONAL if personal else {})
    return {name: call.tags[tag] for tag, name in names.items() if call.tags.get(tag)}


def _request(found: list[SpanData]) -> dict[str, Any]:
    """An export request of these spans, as the file exporter of the collector has one a line."""
    scope = {"name": "freehold", "version": __version__}
    inside = {"scope": scope, "schemaUrl": SCHEMA_URL, "spans": [_span(one) for one in found]}
    resource = {"attributes": [_pair("service.name", "freehold")]}
    return {"resourceSpans": [{"resource": resource, "schemaUrl": SCHEMA_URL, "scopeSpans": [inside]}]}


def _span(one: SpanData) -> dict[str, Any]:
    span: dict[str, Any] = {"traceId": f"{one.trace_id:032x}", "spanId": f"{one.span_id:016x}"}
    if one.parent_id is not None:
        span["parentSpanId"] = f"{one.parent_id:016x}"
    span |= {
        "name": one.name,
        "kind": _KINDS[one.kind],
        "startTimeUnixNano": str(one.start_ns),
        "endTimeUnixNano": str(one.end_ns),
        "attributes": [_pair(name, value) for name, value in one.attributes.items()],
        "status": {} if one.error is None else {"code": 2, "message": one.error},
    }
    return span


def _pair(name: str, value: Value) -> dict[str, Any]:
    return {"key": name, "value": _value(value)}


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # 64 bits are text in JSON of protocol buffers
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": value}
