"""OpenTelemetry's conventions for generative AI: spans of calls of models, as OTLP JSON.

Newest names first, then the old ones that are still written (`gen_ai.system`, `gen_ai.usage.prompt_tokens`, and
OpenLLMetry's). By the conventions a span's input tokens include cached ones. Spans of agents, tools and workflows are
no calls: they sum up calls that have spans of their own. Nor are attempts within a call of Freehold's own export.
Bodies are put together from the messages that a span may carry, as a chat request and a chat completion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from freehold.ledger.importing.bodies import REBUILT_TAG
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import (
    END_USER_TAG,
    FEATURE_TAG,
    PARENT_TAG,
    PROMPT_TAG,
    SESSION_TAG,
    SPAN_TAG,
    TEAM_TAG,
    TRACE_TAG,
    Call,
    Usage,
)
from freehold.wire.known import CHAT, COMPLETIONS, EMBEDDINGS

from . import _rebuilt
from ._fields import (
    Record,
    boolean,
    count,
    embedded,
    encoded,
    first,
    number,
    tagged,
    text,
    traceparent,
)
from ._otel_messages import Content, content
from ._otel_values import RESOURCE, attributes, events, spans
from ._providers import provider
from ._usage import disjoint

NAME = "otel"
_OPERATIONS = {
    "chat": CHAT.name,
    "generate_content": CHAT.name,
    "text_completion": COMPLETIONS.name,
    "completion": COMPLETIONS.name,
    "embeddings": EMBEDDINGS.name,
    "embedding": EMBEDDINGS.name,
}
_MODEL = ("gen_ai.request.model", "gen_ai.response.model", "llm.request.model")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
_COUNTS = {
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.openai.usage.cached_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
    ),
    "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
    "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "cache_read_audio_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
    "cache_read_image_tokens": ("gen_ai.usage.image.cache_read.input_tokens",),
    "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
    "output_image_tokens": ("gen_ai.usage.image.output_tokens",),
}
_PARTS = frozenset(
    [
        *(name for names in _COUNTS.values() for name in names),
        "freehold.usage.cache_write_1h_tokens",
        "freehold.usage.estimated",
        "freehold.usage.web_searches",
        "freehold.usage.service_tier",
    ]
)
"""Attributes that say more of tokens than how many there were on each side; most spans have none of them."""
_PARAMETERS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.stop_sequences": "stop",
}
_OLD_PARAMETERS = {"gen_ai.openai.request.seed": "seed", "gen_ai.openai.request.response_format": "response_format"}
_OUTCOMES = frozenset({"ok", "error", "incomplete", "cancelled", "refused"})


def recognises(record: Record) -> bool:
    """Whether a record is an export request of spans, or one span of it."""
    return any(name in record for name in ("resourceSpans", "resource_spans")) or (
        "spanId" in record and "startTimeUnixNano" in record
    )


def expand(record: Record) -> Iterator[Record]:
    """Every span of a record, ready for `read`."""
    return spans(record)


def read(span: Record) -> Call | None:
    """The call that a span tells of, or None where it tells of something else.

    Raises:
        Rejected: its ids or its start are missing, or an attribute is of a wrong kind.
    """
    known = attributes(span)
    dialect = _dialect(known)
    if not dialect or "freehold.leg.purpose" in known:
        return None
    trace, ident = text(span, "traceId", "trace_id"), text(span, "spanId", "span_id")
    if not (trace and ident):
        raise Rejected("traceId or spanId is missing")
    start_ns, end_ns = _nanos(span, "startTimeUnixNano"), _nanos(span, "endTimeUnixNano")
    if start_ns is None:
        raise Rejected("startTimeUnixNano is missing")
    ttft_s = number(known, "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
    call = Call(
        id=text(known, "freehold.call.id") or f"{trace}-{ident}".lower(),
        started_at_us=start_ns // 1000,
        latency_ms=0.0 if end_ns is None or end_ns < start_ns else (end_ns - start_ns) / 1e6,
        provider=provider(text(known, *_PROVIDER)),
        model=text(known, *_MODEL),
        request=b"",
        response=b"",
        usage=_usage(known),
        ttft_ms=None if ttft_s is None else ttft_s * 1000.0,
        streamed=boolean(known, "gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
        dialect=dialect,
        tags=_tags(span, known),
        source="import",
    )
    _bodies(call, known, content(known, events(span)))
    _outcome(call, span, known)
    return call


def _dialect(known: Record) -> str:
    """The dialect that says most nearly what was done, "" where no model was called."""
    operation = text(known, "gen_ai.operation.name") or text(known, "llm.request.type")
    if operation:
        return _OPERATIONS.get(operation.lower(), "")
    return CHAT.name if first(known, *_MODEL) and first(known, *_PROVIDER, *_INPUT, *_OUTPUT) else ""


def _nanos(span: Record, name: str) -> int | None:
    value = first(span, name, "start_time_unix_nano" if name.startswith("start") else "end_time_unix_nano")
    if value is None:
        return None
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Rejected(f"{name} is no time") from None
    if not 0 <= found < 253_402_300_800_000_000_000:
        raise Rejected(f"{name} is no time")
    return found


def _usage(known: Record) -> Usage | None:
    asked, said = count(known, *_INPUT), count(known, *_OUTPUT)
    if asked is None and said is None:
        return None
    if _PARTS.isdisjoint(known):
        return Usage(asked or 0, output_tokens=said or 0)
    parts = {field: count(known, *names) or 0 for field, names in _COUNTS.items()}
    # Freehold's own spans tell an hour from five minutes, and the terms that the tokens are priced on.
    hour = min(count(known, "freehold.usage.cache_write_1h_tokens") or 0, parts["cache_write_tokens"])
    stated = Usage(
        asked or 0,
        output_tokens=said or 0,
        estimated=boolean(known, "freehold.usage.estimated"),
        cache_write_1h_tokens=hour,
        web_searches=count(known, "freehold.usage.web_searches") or 0,
        service_tier=text(known, "freehold.usage.service_tier"),
    )
    parts["cache_write_tokens"] -= hour
    return disjoint(msgspec.structs.replace(stated, **parts), inclusive=True)


def _bodies(call: Call, known: Record, said: Content) -> None:
    if call.dialect == EMBEDDINGS.name:
        return
    if said.messages is None and said.answer is None:
        return
    parameters: dict[str, Any] = {ours: known[theirs] for theirs, ours in _PARAMETERS.items() if theirs in known}
    parameters |= {ours: embedded(known[theirs]) for theirs, ours in _OLD_PARAMETERS.items() if theirs in known}
    if said.tools:
        parameters["tools"] = said.tools
    if call.streamed:
        parameters["stream"] = True
    if call.dialect == COMPLETIONS.name:
        _completion(call, said, parameters)
    else:
        pair = _rebuilt.pair(
            call.model, said.messages, said.answer, parameters=parameters, finish_reason=said.finish_reason
        )
        call.dialect, call.request, call.response = pair.dialect, pair.request, pair.response
        tagged(call.tags, REBUILT_TAG, pair.rebuilt)


def _completion(call: Call, said: Content, parameters: dict[str, Any]) -> None:
    """A text completion: its prompt and its answer are texts, under whatever role the span gave them."""
    if said.messages is not None:
        prompt = "\n".join(one["content"] for one in said.messages if isinstance(one["content"], str))
        call.request = encoded({"model": call.model, "prompt": prompt, **parameters})
    answer = said.answer.get("content") if isinstance(said.answer, dict) else said.answer
    if isinstance(answer, str):
        choice = {"index": 0, "text": answer, "finish_reason": said.finish_reason or None}
        call.response = encoded({"object": "text_completion", "model": call.model, "choices": [choice]})
    made = ["request"] * bool(call.request) + ["response"] * bool(call.response)
    tagged(call.tags, REBUILT_TAG, ",".join(made))


def _outcome(call: Call, span: Record, known: Record) -> None:
    status = span.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    kind = text(known, "error.type")
    http = count(known, "http.response.status_code")
    call.status = http if http is not None and 100 <= http < 600 else 200
    if code in (2, "2", "STATUS_CODE_ERROR") or kind:
        call.outcome, call.owner, call.error = "error", "none", "upstream_failed"
        call.status = call.status if call.status != 200 else int(kind) if kind.isdecimal() and len(kind) == 3 else 0
        tagged(call.tags, "error_class", "" if kind.isdecimal() else kind)
    stated = text(known, "freehold.outcome")
    if stated in _OUTCOMES:
        _restore(call, known, stated)


def _restore(call: Call, known: Record, outcome: Any) -> None:
    """What Freehold's own spans say beyond the conventions."""
    owner = text(known, "freehold.owner")
    call.outcome = outcome
    call.owner = owner if owner in ("owned", "rented", "none") else call.owner  # pyright: ignore[reportAttributeAccessIssue]
    call.error = "" if outcome == "ok" else call.error
    call.status = count(known, "http.response.status_code") or 0
    call.task, call.reason = text(known, "freehold.task"), text(known, "freehold.reason")
    call.key = text(known, "freehold.key.name")
    call.tags.pop("error_class", None)


def _tags(span: Record, known: Record) -> dict[str, str]:
    about = span.get(RESOURCE)
    resource: Record = about if isinstance(about, dict) else {}
    tags: dict[str, str] = {}
    trace, parent = text(span, "traceId", "trace_id"), text(span, "parentSpanId", "parent_span_id")
    tagged(tags, TRACE_TAG, traceparent(trace, parent))
    tagged(tags, SPAN_TAG, text(span, "spanId", "span_id"))
    tagged(tags, PARENT_TAG, parent)
    tagged(tags, SESSION_TAG, text(known, "gen_ai.conversation.id", "session.id", "langfuse.session.id"))
    tagged(tags, END_USER_TAG, text(known, "enduser.id", "user.id", "enduser.pseudo.id", "langfuse.user.id"))
    tagged(tags, TEAM_TAG, text(known, "freehold.team", "team.id", "team"))
    ours = "freehold.call.id" in known  # whose service is the gateway, and no feature of anybody's
    tagged(tags, FEATURE_TAG, text(known, "gen_ai.agent.name") or ("" if ours else text(resource, "service.name")))
    prompt, version = text(known, "gen_ai.prompt.name"), text(known, "gen_ai.prompt.version")
    tagged(tags, PROMPT_TAG, f"{prompt}:{version}" if prompt and version else prompt)
    tagged(tags, "environment", text(resource, "deployment.environment.name", "deployment.environment"))
    return tags
