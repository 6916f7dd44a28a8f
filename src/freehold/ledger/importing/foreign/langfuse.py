"""Langfuse: an observation of its exports and its API, in the names of v1 and v2.

Calls are the observations of type GENERATION (and EMBEDDING); spans, tools, agents and events are none, but stay
visible as what a call is part of. Exports into a bucket write the names in snake case, the API in camel case. Input and
output are whatever the product handed over: they become bodies only as far as they say what was asked and answered.
`usageDetails` counts disjointly; where its total says that some tool counted otherwise, that is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from freehold.ledger.importing.bodies import REBUILT_TAG
from freehold.vocabulary import (
    END_USER_TAG,
    FEATURE_TAG,
    PARENT_TAG,
    PROMPT_TAG,
    SESSION_TAG,
    SPAN_TAG,
    TRACE_TAG,
    Call,
    Usage,
)
from freehold.wire.known import EMBEDDINGS

from . import _rebuilt, _shapes
from ._fields import (
    STATED_COST_TAG,
    Record,
    count,
    embedded,
    first,
    mapping,
    moment_us,
    money,
    needed,
    number,
    span_ms,
    started_us,
    tagged,
    text,
    traceparent,
    words,
)
from ._providers import provider
from ._usage import disjoint, usage_of

NAME = "langfuse"
_CALLS = frozenset({"GENERATION", "EMBEDDING"})
_EXACTLY = {"total": "whole", "input": "asked", "output": "said"}
_KINDS = (
    "whole", "asked", "said", "read", "written", "written_1h", "reasoning", "asked_audio", "asked_image", "asked_rest",
    "said_audio", "said_image", "said_rest", "other",
)  # fmt: skip
_OF_TRACE = ("userId", "sessionId", "tags", "environment", "release")
_TAGS = (("name", ("name",)), ("environment", ("environment",)), ("release", ("release",)), ("version", ("version",)))


def recognises(record: Record) -> bool:
    """Whether a record's fields are those of an observation, or of a trace with its observations."""
    if "observations" in record and ("id" in record or "trace" in record):
        return True
    return ("traceId" in record or "trace_id" in record) and ("startTime" in record or "start_time" in record) and (
        "type" in record
    )  # fmt: skip


def observations(record: Record) -> Iterator[Record]:
    """The observations of a record: itself, or those within a trace, which then say whom the trace was for."""
    inside = embedded(record.get("observations"))
    if not isinstance(inside, list):
        yield record
        return
    trace = mapping(record, "trace") or record
    given = {name: trace[name] for name in _OF_TRACE if trace.get(name) is not None}
    given |= {"traceId": trace.get("id"), "traceName": trace.get("name")}
    for one in cast("list[Any]", inside):
        if isinstance(one, dict):
            yield {**given, **{name: value for name, value in one.items() if value is not None}}


def read(record: Record) -> Call | None:
    """The call of an observation, or None where it is no call.

    Raises:
        Rejected: the id or the start is missing, or a field is of a wrong kind.
    """
    kind = text(record, "type").upper()
    if kind not in _CALLS:
        return None
    start, end = started_us(record, "startTime", "start_time"), moment_us(record, "endTime", "end_time")
    first_us = moment_us(record, "completionStartTime", "completion_start_time")
    took = number(record, "latency")  # seconds
    metadata = mapping(record, "metadata")
    model = text(record, "providedModelName", "provided_model_name", "model")
    call = Call(
        id=needed(record, "id"),
        started_at_us=start,
        latency_ms=span_ms(start, end) or (took * 1000.0 if took is not None and took > 0 else 0.0),
        provider=provider(text(metadata, "ls_provider")),
        model=model,
        request=b"",
        response=b"",
        ttft_ms=span_ms(start, first_us),
        streamed=first_us is not None,
        usage=_usage(record),
        tags=_tags(record),
        source="import",
    )
    _bodies(call, record, embedding=kind == "EMBEDDING")
    if text(record, "level").upper() == "ERROR":
        call.outcome, call.owner, call.error, call.status = "error", "none", "upstream_failed", 0
    return call


def _bodies(call: Call, record: Record, *, embedding: bool) -> None:
    asked, answered = _shapes.body(first(record, "input")), _shapes.body(first(record, "output"))
    parameters = mapping(record, "modelParameters", "model_parameters")
    found = _rebuilt.pair(call.model, asked, answered, parameters={k: embedded(v) for k, v in parameters.items()})
    call.dialect, call.request, call.response = found.dialect, found.request, found.response
    tagged(call.tags, REBUILT_TAG, found.rebuilt)
    if embedding:  # vectors and texts in a form that every integration chooses: for the counts only
        call.dialect, call.request, call.response = EMBEDDINGS.name, b"", b""
        call.tags.pop(REBUILT_TAG, None)


def _usage(record: Record) -> Usage | None:
    details = mapping(record, "usageDetails", "usage_details")
    if details:
        return _detailed(details)
    plain = mapping(record, "usage")
    if text(plain, "unit") not in ("", "TOKENS"):
        return None  # characters, seconds, images: nothing that a price per token is about
    stated = {
        "prompt_tokens": first(plain, "input", "promptTokens") or first(record, "promptTokens", "prompt_tokens"),
        "completion_tokens": first(plain, "output", "completionTokens")
        or first(record, "completionTokens", "completion_tokens"),
    }
    found = usage_of(stated)
    return None if found == Usage() else found  # v1 writes zeros for what it does not know


def _detailed(details: Record) -> Usage | None:
    """The counts of v2: one number a kind, under names that begin with the side they are on."""
    if "prompt_tokens" in details or "completion_tokens" in details or "input_tokens" in details:
        return usage_of(details)
    sums: dict[str, int] = dict.fromkeys(_KINDS, 0)
    for name in details:
        sums[_kind(name)] += count(details, name) or 0
    if not any(sums.values()):
        return None
    whole, asked, said = sums["whole"], sums["asked"], sums["said"]
    apart = not whole or whole != asked + said  # else the parts are counted in the two sides already
    if apart:
        asked += sums["asked_audio"] + sums["asked_image"] + sums["asked_rest"]
        said += sums["said_audio"] + sums["said_image"] + sums["said_rest"] + sums["reasoning"]
    stated = Usage(
        input_tokens=asked,
        cache_read_tokens=sums["read"],
        cache_write_tokens=sums["written"],
        cache_write_1h_tokens=sums["written_1h"],
        output_tokens=said,
        reasoning_tokens=sums["reasoning"],
        input_audio_tokens=sums["asked_audio"],
        input_image_tokens=sums["asked_image"],
        output_audio_tokens=sums["said_audio"],
        output_image_tokens=sums["said_image"],
    )
    return disjoint(stated, inclusive=not apart)


@lru_cache(1024)
def _kind(name: str) -> str:
    """What a count of that name counts; every integration has names of its own."""
    exact = _EXACTLY.get(name)
    if exact is not None:
        return exact
    if "cache" in name:
        if not any(word in name for word in ("creation", "write", "ephemeral")):
            return "read"
        return "written_1h" if "1h" in name else "written"
    if "reasoning" in name or "thinking" in name:
        return "reasoning"
    side = "asked" if "input" in name else "said" if "output" in name else ""
    kind = "audio" if "audio" in name else "image" if "image" in name else "rest"
    return f"{side}_{kind}" if side else "other"


def _tags(record: Record) -> dict[str, str]:
    tags: dict[str, str] = {}
    span, parent = text(record, "id"), text(record, "parentObservationId", "parent_observation_id")
    tagged(tags, TRACE_TAG, traceparent(text(record, "traceId", "trace_id"), parent))
    tagged(tags, SPAN_TAG, span)
    tagged(tags, PARENT_TAG, parent)
    tagged(tags, SESSION_TAG, text(record, "sessionId", "session_id"))
    tagged(tags, END_USER_TAG, text(record, "userId", "user_id"))
    tagged(tags, FEATURE_TAG, text(record, "traceName", "trace_name"))
    prompt, version = text(record, "promptName", "prompt_name"), text(record, "promptVersion", "prompt_version")
    tagged(tags, PROMPT_TAG, f"{prompt}:{version}" if prompt and version else prompt)
    for tag, names in _TAGS:
        tagged(tags, tag, text(record, *names))
    tagged(tags, "labels", words(first(record, "tags")))
    tagged(tags, STATED_COST_TAG, _cost(record))
    return tags


def _cost(record: Record) -> str:
    stated = money(record, "totalCost", "total_cost", "calculatedTotalCost", "calculated_total_cost")
    return (
        stated
        or money(mapping(record, "costDetails", "cost_details"), "total")
        or money(mapping(record, "usage"), "totalCost")
    )
